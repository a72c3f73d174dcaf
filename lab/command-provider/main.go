// A stand-in for the Pulumi plugin pulumi-resource-command, for machines that cannot download it.
//
// It has only the resource that the component uses, command:remote:Command, and behaves like version 1.2.1 in everything that
// a user can see: inputs, defaults, secrets, diffs, lifecycle, errors and pitfalls. It reports version 1.2.1, so that the engine
// accepts it. Its schema, and one line in the log of each run, say that it is a stand-in.
package main

import (
	"context"
	"fmt"
	"os"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"lab.kata-containers/command-provider/remote"
)

const (
	name    = "command"
	version = "1.2.1"
	notice  = "this is a stand-in for pulumi-resource-command " + version + ", made for tests; it holds remote.Command only"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	p, err := infer.NewProviderBuilder().
		WithDisplayName("Command (stand-in)").
		WithDescription(notice).
		WithLicense("Apache-2.0").
		WithResources(infer.Resource(remote.Command{})).
		Build()
	if err != nil {
		return err
	}
	p.Configure = func(ctx context.Context, _ provider.ConfigureRequest) error {
		provider.GetLogger(ctx).Info(notice)
		return nil
	}
	return p.Run(context.Background(), name, version)
}
