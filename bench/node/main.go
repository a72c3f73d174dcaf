// The services of a simulated Kubernetes node: one small program with the names simulated-node (the first process),
// containerd, ctr, kubelet, systemctl, systemd-run and modprobe. It implements only what the node program calls, so that the node
// program can be timed on many nodes at once; it starts no pods.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	program, known := map[string]func([]string) error{
		"simulated-node": first,
		"systemctl":      systemctl,
		"systemd-run":    systemdRun,
		"containerd":     containerd,
		"ctr":            ctr,
		"kubelet":        kubelet,
		// All nodes share one kernel, so nothing is loaded.
		"modprobe": func([]string) error { return nil },
	}[name]
	if !known {
		program = func([]string) error { return fmt.Errorf("unknown program name") }
	}
	err := program(args)
	if failed, ok := err.(*exec.ExitError); ok {
		os.Exit(failed.ExitCode())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s (simulated): %v\n", name, err)
		os.Exit(1)
	}
}

// first starts the services and sshd, and reaps orphaned processes.
func first(sshd []string) error {
	for _, unit := range []string{"containerd.service", "kubelet.service"} {
		if err := start(unit); err != nil {
			return err
		}
	}
	if _, err := os.StartProcess(sshd[0], sshd, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}}); err != nil {
		return err
	}
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
			return err
		}
	}
}

// listen accepts connections and sends each the answer, if there is one.
func listen(network, address, answer string) error {
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				continue
			}
			if answer != "" {
				connection.Read(make([]byte, 4096))
				connection.Write([]byte(answer))
			}
			connection.Close()
		}
	}()
	return nil
}

// option returns the value of --name=value or --name value.
func option(args []string, name string) string {
	for i, arg := range args {
		if value, found := strings.CutPrefix(arg, "--"+name+"="); found {
			return value
		}
		if arg == "--"+name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
