package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	containerdVersion = "2.3.7"
	configuration     = "/etc/containerd/config.toml"
	socket            = "/run/containerd/containerd.sock"
)

// containerd only listens on its own socket and on that of CRI's streaming server.
func containerd(args []string) error {
	switch {
	case slices.Contains(args, "--version"):
		fmt.Println("containerd simulated v" + containerdVersion + " 0")
		return nil
	case slices.Contains(args, "dump"):
		return dump(option(args, "config"))
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o711); err != nil {
		return err
	}
	os.Remove(socket)
	if err := listen("tcp", "127.0.0.1:0", ""); err != nil {
		return err
	}
	if err := listen("unix", socket, ""); err != nil {
		return err
	}
	return serve()
}

// dump prints the default configuration, the main file and its imports. Unlike containerd, it does not parse them.
func dump(file string) error {
	if file == "" {
		file = configuration
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fmt.Print("version = 4\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'runc'\n" +
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n")
	for line := range strings.Lines(string(text)) {
		if _, pattern, imports := strings.Cut(line, "imports = [\""); imports {
			imported, _ := filepath.Glob(strings.TrimRight(pattern, "\"]\n"))
			for _, name := range imported {
				more, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				os.Stdout.Write(more)
			}
		} else if !strings.HasPrefix(line, "version") {
			fmt.Print(line)
		}
	}
	return nil
}

// ctr reports a healthy CRI and no containers, if containerd is running.
func ctr(args []string) error {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	connection.Close()
	if slices.Contains(args, "plugins") {
		fmt.Println("TYPE ID PLATFORMS STATUS\nio.containerd.grpc.v1 cri linux/amd64 ok\nio.containerd.cri.v1 runtime linux/amd64 ok")
	}
	return nil
}
