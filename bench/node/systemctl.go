package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The folder of the units' process ids; a unit with a file is ready.
const units = "/run/units"

var commands = map[string][]string{
	"containerd.service": {"/usr/local/bin/containerd"},
	"kubelet.service":    {"/usr/local/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"},
}

// systemctl implements show (of MainPID and NRestarts), start, stop and restart for two units. Everything else, such as reset-failed, does
// nothing.
func systemctl(args []string) error {
	unit := args[len(args)-1]
	switch args[0] {
	case "show":
		if slices.Contains(args, "MainPID") {
			fmt.Println(mainPID(unit))
		}
		if slices.Contains(args, "NRestarts") {
			fmt.Println(0)
		}
	case "start":
		return start(unit)
	case "stop":
		return stop(unit)
	case "restart":
		if err := stop(unit); err != nil {
			return err
		}
		return start(unit)
	}
	return nil
}

// systemdRun runs a command as a unit: in a session and an environment of its own. It waits for it, as with --wait.
func systemdRun(args []string) error {
	env := []string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		if variable, found := strings.CutPrefix(args[0], "--setenv="); found {
			env = append(env, variable)
		}
		args = args[1:]
	}
	process := exec.Command(args[0], args[1:]...)
	process.Dir, process.Env = "/", env
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return process.Run()
}

// mainPID returns 0 for a unit that is not running.
func mainPID(unit string) int {
	text, _ := os.ReadFile(filepath.Join(units, unit))
	pid, _ := strconv.Atoi(string(text))
	return pid
}

func start(unit string) error {
	command, known := commands[unit]
	if !known {
		return fmt.Errorf("unit %q does not exist", unit)
	}
	if mainPID(unit) != 0 {
		return nil
	}
	// The service must not inherit files such as the caller's lock.
	for inherited := 3; inherited < 256; inherited++ {
		syscall.CloseOnExec(inherited)
	}
	process := exec.Command(command[0], command[1:]...)
	process.Dir, process.Env = "/", []string{"UNIT=" + unit, "GOGC=20", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := process.Start(); err != nil {
		return err
	}
	return within("start", func() bool { return mainPID(unit) != 0 })
}

func stop(unit string) error {
	pid := mainPID(unit)
	if pid == 0 {
		return nil
	}
	os.Remove(filepath.Join(units, unit))
	syscall.Kill(pid, syscall.SIGTERM)
	return within("stop", func() bool { return syscall.Kill(pid, 0) != nil })
}

func within(what string, done func() bool) error {
	for range 5000 {
		if done() {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("the service did not %s in time", what)
}

// serve joins the cgroup of the unit, reports readiness to systemctl and waits.
func serve() error {
	unit := os.Getenv("UNIT")
	// The first exists with cgroup v1. bench/simulated created the groups.
	for _, hierarchy := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup"} {
		procs, err := os.OpenFile(filepath.Join(hierarchy, "kata-bench", unit, "cgroup.procs"), os.O_WRONLY, 0)
		if err == nil {
			procs.WriteString("0")
			procs.Close()
			break
		}
	}
	if err := os.MkdirAll(units, 0o755); err != nil {
		return err
	}
	part := filepath.Join(units, unit+".part")
	if err := os.WriteFile(part, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		return err
	}
	if err := os.Rename(part, filepath.Join(units, unit)); err != nil {
		return err
	}
	select {}
}
