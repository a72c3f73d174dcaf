// The shim of the miniature Kata release, a replacement for containerd-shim-kata-v2 in tests: containerd starts it by the
// same name and passes the same options; it logs them and runs the pod on runc.
//
// It is built with containerd 1.7, because such a shim works with containerd 1.6 and with 2.3.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/pkg/shutdown"
	"github.com/containerd/containerd/plugin"
	"github.com/containerd/containerd/runtime/v2/runc/manager"
	"github.com/containerd/containerd/runtime/v2/runc/task"
	"github.com/containerd/containerd/runtime/v2/shim"
)

// The Kata release that this shim belongs to, and the implementation that it replaces, "go" or "rust"; set at build time.
var (
	release = "unknown"
	engine  = "go"
)

func about() string {
	return "miniature release for tests: installed and configured like Kata Containers " + release +
		", runs pods on runc, virtualizes nothing"
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("containerd-shim-kata-v2 (%s) %s (%s)\n", engine, release, about())
		return
	}
	if os.Args[len(os.Args)-1] == "start" {
		if err := fitCRIO(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	plugin.Register(&plugin.Registration{
		Type:     plugin.TTRPCPlugin,
		ID:       "task",
		Requires: []plugin.Type{plugin.EventPlugin, plugin.InternalPlugin},
		InitFn:   newService,
	})
	shim.RunManager(context.Background(), manager.NewShimManager("io.containerd.kata.v2"))
}

func newService(ic *plugin.InitContext) (any, error) {
	publisher, err := ic.GetByID(plugin.EventPlugin, "publisher")
	if err != nil {
		return nil, err
	}
	stop, err := ic.GetByID(plugin.InternalPlugin, "shutdown")
	if err != nil {
		return nil, err
	}
	runc, err := task.NewTaskService(ic.Context, publisher.(shim.Publisher), stop.(shutdown.Service))
	if err != nil {
		return nil, err
	}
	return &service{runc}, nil
}
