package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// showedError is the exit status of a program that has already shown its error to the user.
const showedError = 32

// runNode runs a Node.js program. The last host that is a Go module cannot do it: it stands between the program and the engine, and
// does not know resource hooks.
func runNode(ctx context.Context, engine string, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	folder := req.Info.GetProgramDirectory()
	script, err := resolve(ctx, folder, "@pulumi/pulumi/cmd/run", os.Stderr)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(append([]string{}, req.GetConfigSecretKeys()...))
	if err != nil {
		return nil, err
	}
	args := []string{
		script, "--monitor", req.MonitorAddress, "--engine", engine, "--organization", req.Organization,
		"--project", req.Project, "--stack", req.Stack, "--pwd", req.Pwd, "--parallel", strconv.Itoa(int(req.Parallel)),
	}
	if req.DryRun {
		args = append(args, "--dry-run")
	}
	entry := req.Program
	if entry == "" {
		entry = "."
	}
	program := exec.CommandContext(ctx, "node", append(append(args, entry), req.Args...)...)
	program.Dir, program.Stdout, program.Stderr = folder, os.Stdout, os.Stderr
	program.Env = append(os.Environ(), "PULUMI_NODEJS_TYPESCRIPT=true",
		"PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secrets))
	exit := new(exec.ExitError)
	switch err := program.Run(); {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case !errors.As(err, &exit):
		return nil, err
	case exit.ExitCode() == showedError:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	}
}

// resolve returns the file of a module of @pulumi/pulumi as it is installed for the package in the folder.
func resolve(ctx context.Context, folder, module string, stderr io.Writer) (string, error) {
	find := exec.CommandContext(ctx, "node", "-p", "require.resolve("+strconv.Quote(module)+")")
	find.Dir, find.Stderr = folder, stderr
	script, err := find.Output()
	if err != nil {
		return "", fmt.Errorf("@pulumi/pulumi is not installed for %s: %w", folder, err)
	}
	return strings.TrimSpace(string(script)), nil
}
