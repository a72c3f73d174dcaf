// A stand-in for a k0s worker: the real containerd and the real kubelet are children of this process, which renders their
// configurations, watches the folder of containerd's drop-in files, and ends containerd with each change there. With containerd 1.x it
// follows the rules of k0s 1.27 to 1.35, with 2.x those of 1.36. Marks as in ../supervisor.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/pelletier/go-toml/v2"
)

// All paths outside of the data folder are fixed. [read]
const (
	socket        = "/run/k0s/containerd.sock"
	configuration = "/etc/k0s/containerd.toml"
	dropIns       = "/etc/k0s/containerd.d"
	merged        = "/run/k0s/containerd-cri.toml"
	kubeletConfig = "/run/k0s/kubelet/config.yaml"
	// A configuration with another first line is the user's. [read]
	managed = "# k0s_managed=true\n"
	cri     = "io.containerd.grpc.v1.cri"
	// The place of a program of the lab that this one contains in k0s.
	ctr = "/usr/local/lib/lab/ctr"
)

// A child is started again 5 s after its end, and gets as long to end after SIGTERM. [read]
const pause = 5 * time.Second

var (
	data        = "/var/lib/k0s"
	kubeletArgs []string
	stopping    atomic.Bool
	// containerd is of version 1, as up to k0s 1.35. [read]
	isOld bool
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "ctr" {
		// The address and the namespace have defaults. [read]
		os.Setenv("CONTAINERD_ADDRESS", socket)
		os.Setenv("CONTAINERD_NAMESPACE", "k8s.io")
		log.Fatal(syscall.Exec(ctr, append([]string{"ctr"}, os.Args[2:]...), os.Environ()))
	}
	if len(os.Args) < 2 || os.Args[1] != "worker" {
		log.Fatal("usage: k0s worker|ctr")
	}
	for _, argument := range os.Args[2:] {
		switch name, value, _ := strings.Cut(argument, "="); name {
		case "--data-dir":
			data = value
		case "--kubelet-extra-args":
			kubeletArgs = strings.Fields(value)
		}
	}
	// Its own programs come before those of the unit's PATH. [read]
	os.Setenv("PATH", filepath.Join(data, "bin")+":"+os.Getenv("PATH"))
	os.Setenv("_K0S_MANAGED", "yes")

	version, err := exec.Command(filepath.Join(data, "bin/containerd"), "--version").Output()
	must(err)
	isOld = strings.HasPrefix(strings.TrimPrefix(strings.Fields(string(version))[2], "v"), "1.")

	must(os.MkdirAll(dropIns, 0o755)) // [read]
	if !isOld {
		must(preflight())
	}
	must(render())
	// The worker profile comes from the cluster, the lab's from a file. It is written at each start. [read]
	profile, err := os.ReadFile(filepath.Join(data, "lab-worker-profile.yaml"))
	must(err)
	must(write(kubeletConfig, string(profile)))

	containerd := &child{name: "containerd", arguments: []string{
		"--root=" + data + "/containerd", "--state=/run/k0s/containerd", "--address=" + socket, "--log-level=info", "--config=" + configuration,
	}}
	kubelet := &child{name: "kubelet", arguments: append([]string{
		"--root-dir=" + data + "/kubelet", "--config=" + kubeletConfig, "--kubeconfig=" + data + "/kubelet.conf",
		"--cert-dir=" + data + "/kubelet/pki", "--runtime-cgroups=/system.slice/containerd.service",
		"--container-runtime-endpoint=unix://" + socket,
	}, kubeletArgs...)}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go watch(containerd)
	go containerd.supervise()
	go kubelet.supervise()
	<-stop
	stopping.Store(true)
	end(int(kubelet.pid.Load()))
	end(int(containerd.pid.Load()))
}

// child is a supervised process in a process group of its own, so it may outlive this one. [read]
type child struct {
	name      string
	arguments []string
	pid       atomic.Int64
}

func (c *child) pidFile() string { return "/run/k0s/" + c.name + ".pid" }

func (c *child) supervise() {
	c.endLeftover()
	for !stopping.Load() {
		command := exec.Command(filepath.Join(data, "bin", c.name), c.arguments...)
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		err := command.Start()
		if err == nil {
			c.pid.Store(int64(command.Process.Pid))
			must(write(c.pidFile(), fmt.Sprintln(command.Process.Pid)))
			err = command.Wait()
			c.pid.Store(0)
			os.Remove(c.pidFile()) // [read]
		}
		log.Printf("level=warning msg=\"process exited: %v\" component=%s", err, c.name)
		time.Sleep(pause)
	}
}

// endLeftover ends the child of a k0s that was killed. It has the environment variable of all children. [infer]
func (c *child) endLeftover() {
	text, _ := os.ReadFile(c.pidFile())
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if strings.Contains(string(environment), "_K0S_MANAGED=yes") {
		end(pid)
	}
}

func end(pid int) {
	signal := syscall.SIGTERM
	for deadline := time.Now().Add(pause); pid != 0 && syscall.Kill(pid, signal) == nil; time.Sleep(50 * time.Millisecond) {
		signal = 0
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
	}
}

// watch: 3 s after the last event in the folder itself, for any name, containerd gets SIGHUP, which ends it. Up to 1.35 its
// configuration is rendered again before. Nobody waits for the result. [read]
func watch(containerd *child) {
	watcher, err := fsnotify.NewWatcher()
	must(err)
	must(watcher.Add(dropIns))
	quiet := time.NewTimer(0)
	quiet.Stop()
	for {
		select {
		case event := <-watcher.Events:
			if event.Has(fsnotify.Create) || event.Has(fsnotify.Remove) || event.Has(fsnotify.Write) || event.Has(fsnotify.Rename) {
				log.Printf("level=info msg=\"containerd configuration changed: %s\" component=containerd", event)
				quiet.Reset(3 * time.Second)
			}
		case <-quiet.C:
			if isOld {
				if err := render(); err != nil {
					log.Printf("level=error msg=%q component=containerd", err)
				}
			}
			if pid := int(containerd.pid.Load()); pid != 0 {
				syscall.Kill(pid, syscall.SIGHUP)
			}
		}
	}
}

// preflight: 1.36 does not start with a drop-in file of another version than 3, with the CRI table of version 2, or that does not
// parse. A file without a version is right. [read]
func preflight() error {
	return eachDropIn(func(path string, content map[string]any) error {
		version, found := content["version"]
		if plugins, _ := content["plugins"].(map[string]any); found && version != int64(3) || plugins[cri] != nil {
			return fmt.Errorf("pre-flight check: %s is not of version 3", path)
		}
		return nil
	})
}

func eachDropIn(function func(path string, content map[string]any) error) error {
	paths, err := filepath.Glob(dropIns + "/*.toml")
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content := map[string]any{}
		if err := toml.Unmarshal(text, &content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := function(path, content); err != nil {
			return err
		}
	}
	return nil
}

// render writes containerd's configuration at each start. [read]
func render() error {
	if text, err := os.ReadFile(configuration); err == nil && !strings.HasPrefix(strings.TrimLeft(string(text), "\n"), managed) {
		return nil
	}
	if isOld {
		return renderOld()
	}
	return write(configuration, managed+`version = 3
imports = ["`+dropIns+`/*.toml"]

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "registry.k8s.io/pause:3.10.2"
`) // The entries besides version and imports: [infer]
}

// renderOld: files with the table of CRI are merged over its defaults into one file, which is imported like the other files. [read]
func renderOld() error {
	text, err := exec.Command(filepath.Join(data, "bin/containerd"), "config", "default").Output()
	if err != nil {
		return err
	}
	defaults := map[string]any{}
	if err := toml.Unmarshal(text, &defaults); err != nil {
		return err
	}
	all := map[string]any{"version": int64(2), "plugins": map[string]any{cri: defaults["plugins"].(map[string]any)[cri]}}
	imports := []string{merged}
	if err := eachDropIn(func(path string, content map[string]any) error {
		if plugins, _ := content["plugins"].(map[string]any); plugins[cri] != nil {
			merge(all, content)
		} else {
			imports = append(imports, path)
		}
		return nil
	}); err != nil {
		return err
	}
	out, err := toml.Marshal(all)
	if err != nil {
		return err
	}
	if err := write(merged, string(out)); err != nil {
		return err
	}
	// Up to 1.29, the first line is empty. [read]
	return write(configuration, "\n"+managed+"version = 2\nimports = [\n\t\""+strings.Join(imports, "\",\n\t\"")+"\",\n]\n")
}

func merge(into, from map[string]any) {
	for key, value := range from {
		table, isTable := value.(map[string]any)
		if old, wasTable := into[key].(map[string]any); isTable && wasTable {
			merge(old, table)
		} else {
			into[key] = value
		}
	}
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func must(err error) {
	if err != nil {
		log.Fatalf("level=fatal msg=%q", err)
	}
}
