package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Run runs a program, with the earlier host unless the language has a way of its own.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (response *pulumirpc.RunResponse, err error) {
	if h.run != nil {
		return h.run(ctx, h.engine, req)
	}
	err = h.ask(ctx, req.Info, func(earlier pulumirpc.LanguageRuntimeClient) error {
		response, err = earlier.Run(ctx, req)
		return err
	})
	return response, err
}

// ask starts the earlier host for one request.
func (h *host) ask(ctx context.Context, info program, question func(pulumirpc.LanguageRuntimeClient) error) error {
	var flags []string
	if h.flags != nil {
		flags = h.flags(info)
	}
	earlier := exec.CommandContext(ctx, h.earlier, append(flags, h.engine)...)
	earlier.Dir, earlier.Stderr = info.GetProgramDirectory(), os.Stderr
	stdout, err := earlier.StdoutPipe()
	if err != nil {
		return err
	}
	if err := earlier.Start(); err != nil {
		return err
	}
	output := bufio.NewReader(stdout)
	port, err := output.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s did not start: %w", h.earlier, err)
	}
	// The first line is the port. The rest is the output of the program, for the user.
	printed := make(chan error)
	go func() {
		_, err := io.Copy(os.Stdout, output)
		printed <- err
	}()
	connection, err := grpc.NewClient("127.0.0.1:"+strings.TrimSpace(port),
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err == nil {
		err = errors.Join(question(pulumirpc.NewLanguageRuntimeClient(connection)), connection.Close())
	}
	err = errors.Join(err, earlier.Process.Kill(), <-printed)
	_ = earlier.Wait() // it was killed, so ignore its status
	return err
}

// RunPlugin runs a plugin that is a Node.js package, like the current host for Node.js.
func (h *host) RunPlugin(
	req *pulumirpc.RunPluginRequest, server grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(server, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	folder := req.Info.ProgramDirectory
	script, err := resolve(server.Context(), folder, "@pulumi/pulumi/cmd/run-plugin", stderr)
	if err != nil {
		return err
	}
	plugin := exec.CommandContext(server.Context(), "node", append([]string{script, folder}, req.Args...)...)
	plugin.Dir, plugin.Env, plugin.Stdout, plugin.Stderr = req.Pwd, req.Env, stdout, stderr
	exit := new(exec.ExitError)
	if err := plugin.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return server.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(plugin.ProcessState.ExitCode())},
	})
}

func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, _ grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	for _, command := range h.install(req.Info) {
		if err := run(req.Info.ProgramDirectory, command); err != nil {
			return err
		}
	}
	return nil
}

func run(folder string, words []string) error {
	command := exec.Command(words[0], words[1:]...)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, output)
	}
	return nil
}
