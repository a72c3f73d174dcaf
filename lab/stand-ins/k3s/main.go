// A stand-in for k3s: one program that contains the real containerd, its ctr and the real kubelet, and acts by the base name of
// argv[0]. [read]
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
	"k8s.io/component-base/version"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"lab.kata-containers/stand-ins/supervisor"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case "containerd":
		end(command.App().Run(os.Args))
	case "ctr":
		end(ctr.New().Run(os.Args))
	default:
		if len(os.Args) == 2 && os.Args[1] == "--version" {
			fmt.Printf("k3s version %s+k3s1 (stand-in)\n", version.Get().GitVersion)
			return
		}
		// The small program that users call unpacks this one and executes it with its own argv. [read]
		supervisor.Distribution{Name: "k3s", Port: "6443", Kubelet: inProcess}.Run()
	}
}

// inProcess runs the kubelet in this process: there is no other one. If it ends, k3s ends. [read]
func inProcess(n *supervisor.Node) error {
	command := kubelet.NewKubeletCommand(context.Background())
	command.SetArgs(n.KubeletFlags())
	end(command.Execute())
	os.Exit(1)
	return nil
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
