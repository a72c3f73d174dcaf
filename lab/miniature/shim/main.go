// The shim of the miniature Kata release. It takes the place of containerd-shim-kata-v2 in tests: containerd starts it
// by the same name and hands it the same options, it notes what it was handed, and then it runs the pod on runc.
//
// It is built on containerd 1.7, because a shim of that line starts under containerd 1.6 as well as under 2.3.
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

// What this shim stands for; set when it is built.
var (
	release = "unknown"
	runtime = "go"
)

func about() string {
	return "miniature release for tests: installs and wires like Kata Containers " + release +
		", runs pods on runc, virtualizes nothing"
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("containerd-shim-kata-v2 (%s runtime) %s (%s)\n", runtime, release, about())
		return
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
