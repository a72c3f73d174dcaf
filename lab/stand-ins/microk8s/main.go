// A stand-in for MicroK8s' `kubelite`: the real kubelet in a process of that name, with the arguments in a file. [read] The control
// plane, which the real one contains too, is that of the lab. The shell files of this folder stand for the rest of the snap.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	file := flag.String("kubelet-args-file", "/var/snap/microk8s/current/args/kubelet", "")
	for _, name := range []string{"scheduler-args-file", "controller-manager-args-file", "proxy-args-file", "apiserver-args-file", "kubeconfig-file"} {
		flag.String(name, "", "")
	}
	flag.Bool("start-control-plane", true, "")
	// Before the kubelet, the real one starts the API server and waits up to 360 seconds for it. [read]
	wait := flag.Duration("lab-wait", 0, "the time that this takes")
	flag.Parse()
	time.Sleep(*wait)
	arguments, err := readArguments(*file)
	if err == nil {
		command := kubelet.NewKubeletCommand(context.Background())
		command.SetArgs(arguments)
		err = command.Execute()
	}
	fmt.Fprintln(os.Stderr, "Kubelet exited", err)
	os.Exit(1)
}

// readArguments: lines without quotes, split at spaces, in which variables of the environment are replaced. [read]
func readArguments(path string) (arguments []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		for _, word := range strings.Split(strings.NewReplacer(`"`, "", "'", "").Replace(line), " ") {
			arguments = append(arguments, os.ExpandEnv(word))
		}
	}
	return arguments, lines.Err()
}
