package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

type (
	files    = map[string][]byte
	program  = *pulumirpc.ProgramInfo
	generate = *pulumirpc.GeneratePackageRequest
	loader   = schema.ReferenceLoader
)

// language holds the differences between the hosts.
type language struct {
	// run runs a program; nil if the earlier host does it.
	run func(context.Context, string, *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error)
	// flags returns flags of the earlier host for values that the engine now sends in each request; may be nil.
	flags func(program) []string
	// install returns the commands that install the dependencies of a program.
	install func(program) [][]string
	// generate makes an SDK; nil if the earlier host can.
	generate func(*schema.Package, generate, loader) (files, error)
	// link adds an SDK in a folder of the program to the program's dependencies.
	link func(info program, sdk string) error
}

const generator = "the lab's language host"

var languages = map[string]language{
	"nodejs": {
		run:     runNode,
		install: func(program) [][]string { return [][]string{npmInstall} },
		generate: func(pkg *schema.Package, req generate, loader loader) (files, error) {
			return nodejs.GeneratePackage(generator, pkg, req.ExtraFiles, req.LocalDependencies, req.Local, loader)
		},
		link: func(info program, sdk string) error {
			return run(info.ProgramDirectory, append(npmInstall, "file:"+sdk))
		},
	},
	"python": {
		flags: func(info program) []string {
			return []string{"-root=" + info.RootDirectory, "-virtualenv=" + virtualenv(info)}
		},
		install: func(info program) [][]string {
			venv := virtualenv(info)
			return [][]string{
				{"python3", "-m", "venv", venv},
				{filepath.Join(venv, "bin/pip"), "install", "--quiet", "--requirement", "requirements.txt"},
			}
		},
		generate: func(pkg *schema.Package, req generate, loader loader) (files, error) {
			return python.GeneratePackage(generator, pkg, req.ExtraFiles, loader)
		},
		link: func(info program, sdk string) error {
			return appendLine(filepath.Join(info.ProgramDirectory, "requirements.txt"), "./"+sdk)
		},
	},
	"go": {
		install: func(program) [][]string { return [][]string{{"go", "mod", "tidy"}} },
		generate: func(pkg *schema.Package, req generate, _ loader) (files, error) {
			return gogen.GeneratePackage(generator, pkg, req.LocalDependencies)
		},
		link: func(info program, sdk string) error {
			list := exec.Command("go", "list", "-m")
			list.Dir = filepath.Join(info.ProgramDirectory, sdk)
			module, err := list.Output()
			if err != nil {
				return err
			}
			replace := "-replace=" + strings.TrimSpace(string(module)) + "=./" + sdk
			return run(info.ProgramDirectory, []string{"go", "mod", "edit", replace})
		},
	},
	// Maven installs dependencies whenever it runs a program, and users copy the sources of an SDK themselves.
	"java": noDependencies,
	"yaml": noDependencies,
}

var noDependencies = language{
	install: func(program) [][]string { return nil },
	link:    func(program, string) error { return nil },
}

var npmInstall = []string{"npm", "install", "--loglevel=error", "--no-audit", "--no-fund", "--prefer-offline"}

// virtualenv returns the folder of a program's Python packages.
func virtualenv(info program) string {
	if name := info.Options.GetFields()["virtualenv"].GetStringValue(); name != "" {
		return name
	}
	return "venv"
}

func appendLine(name, line string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(line + "\n"); err != nil {
		return err
	}
	return file.Close()
}
