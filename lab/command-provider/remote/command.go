// Package remote is the plugin's module of that name.
package remote

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command is the resource command:remote:Command.
type Command struct{}

func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(c, "A command to run on a remote host over SSH. The commands of its life are create, update and delete.")
}

// CommandInputs are the inputs in a Pulumi program.
type CommandInputs struct {
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
	Triggers               []any             `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

func (c *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Connection, "How to reach the host.")
	a.Describe(&c.Create, "The command to run when the resource is created.")
	a.Describe(&c.Update, "The command to run when an input changes. Where it is not given, create runs again.")
	a.Describe(&c.Delete, "The command to run when the resource is deleted.")
	a.Describe(&c.Stdin, "The standard input of every command.")
	a.Describe(&c.Environment, "Variables to set by the SSH protocol; the server must accept them.")
	a.Describe(&c.Logging, "Which of the command's streams are shown while it runs; both where it is not given.")
	a.Describe(&c.AddPreviousOutputInEnv,
		"Whether the next run has the output of the last as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR; it has by default.")
	a.Describe(&c.Triggers, "Values that replace the resource when one of them changes.")
}

// CommandState is stored in the engine's state.
type CommandState struct {
	CommandInputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

func (s *CommandState) Annotate(a infer.Annotator) {
	a.Describe(&s.Stdout, "The standard output of the last command that ran.")
	a.Describe(&s.Stderr, "The standard error of the last command that ran.")
}

// Logging selects the streams of a command that are shown while it runs.
type Logging string

const (
	logStdout Logging = "stdout"
	logStderr Logging = "stderr"
	logBoth   Logging = "stdoutAndStderr"
	logNone   Logging = "none"
)

// Values are the logging modes.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: logStdout, Description: "Standard output only."},
		{Name: "Stderr", Value: logStderr, Description: "Standard error only."},
		{Name: "StdoutAndStderr", Value: logBoth, Description: "Both streams."},
		{Name: "None", Value: logNone, Description: "Neither stream."},
	}
}

// Create runs the command create. An error leaves nothing in the engine's state.
func (Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (resp infer.CreateResponse[CommandState], err error) {
	resp.Output = CommandState{CommandInputs: req.Inputs}
	if resp.ID, err = resource.NewUniqueHex(req.Name, 8, 0); err != nil || req.DryRun {
		return resp, err
	}
	return resp, resp.Output.run(ctx, req.Inputs.Create)
}

// Update runs the command update, or create if there is none. An error leaves the old state in the engine.
func (Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandState],
) (resp infer.UpdateResponse[CommandState], err error) {
	resp.Output = CommandState{CommandInputs: req.Inputs, Stdout: req.State.Stdout, Stderr: req.State.Stderr}
	if req.DryRun {
		return resp, nil
	}
	text := req.Inputs.Update
	if text == nil {
		text = req.Inputs.Create
	}
	return resp, resp.Output.run(ctx, text)
}

// Delete runs the command delete of the engine's state, on the host of that state.
func (Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, req.State.run(ctx, req.State.Delete)
}
