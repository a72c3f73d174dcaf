package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// The processes' ids and their readiness.
const units = "/run/units"

var commands = map[string][]string{
	"containerd.service": {"/usr/local/bin/containerd"},
	"kubelet.service":    {"/usr/local/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"},
}

// systemctl knows show (of MainPID), start, stop and restart, of two units; what else is asked of it is done by doing
// nothing, such as reset-failed.
func systemctl(args []string) error {
	unit := args[len(args)-1]
	switch args[0] {
	case "show":
		if slices.Contains(args, "MainPID") {
			fmt.Println(mainPID(unit))
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

// mainPID is 0 for what does not run.
func mainPID(unit string) int {
	text, _ := os.ReadFile(filepath.Join(units, unit))
	pid, _ := strconv.Atoi(string(text))
	return pid
}

func start(unit string) error {
	command, known := commands[unit]
	if !known {
		return fmt.Errorf("there is no unit %q", unit)
	}
	if mainPID(unit) != 0 {
		return nil
	}
	// Such as the lock of who asks.
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
	return within("end", func() bool { return syscall.Kill(pid, 0) != nil })
}

func within(what string, done func() bool) error {
	for range 5000 {
		if done() {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("the service does not %s", what)
}

// serve is the rest of a service's life: in the cgroup by which one knows its unit, known to systemctl.
func serve() error {
	unit := os.Getenv("UNIT")
	// The first is there where systemd's hierarchy is one of its own. They were made by what started the nodes.
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
