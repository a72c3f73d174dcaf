// Package supervisor is the part of k3s and RKE2 that concerns a node: it renders containerd's configuration, starts containerd
// and the kubelet, and ends with containerd. It is a stand-in, written from what is known of the real ones. Each rule has a mark:
// [read] in their source or documentation, [issue] in a report of a user, [infer] by reading, without having seen it run.
package supervisor

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Distribution has the differences between the two.
type Distribution struct {
	Name string
	// The port on which a server answers its agents. [read]
	Port string
	// Kubelet starts a kubelet and returns when it ends.
	Kubelet func(d *Node) error
}

// Node is a running server or agent.
type Node struct {
	Distribution
	Role string
	Data string
	// Of the configuration file.
	Server, NodeIP string
	KubeletArgs    []string
	NoLoadBalancer bool
	// The release lacks the drop-in folders, as those before March 2026.
	NoDropIns bool
	// Lowering an OOM score is not allowed in the lab.
	RestrictOOM bool
}

// Socket of containerd, in both. [read]
const Socket = "/run/k3s/containerd/containerd.sock"

func (n *Node) path(name string) string { return filepath.Join(n.Data, "agent", name) }

// Run does not return.
func (d Distribution) Run() {
	log.SetFlags(0)
	if len(os.Args) == 2 && os.Args[1] == "lab-server" {
		(&Node{Distribution: d}).serve()
		select {}
	}
	n := d.read()
	// Only the programs of the distribution may come before those of the unit's PATH. [read]
	programs, err := filepath.Glob(filepath.Join(n.Data, "data/*/bin"))
	if err != nil || len(programs) == 0 {
		log.Fatalf("level=fatal msg=\"no programs in %s\"", n.Data)
	}
	os.Setenv("PATH", programs[len(programs)-1]+":"+os.Getenv("PATH"))

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-stop; os.Exit(0) }()

	if n.Role == "agent" {
		n.waitForServer()
	} else {
		n.serve()
	}
	n.writeKubeletConfig()
	// At each start, before containerd. Nothing watches it. [read]
	if err := n.renderContainerd(); err != nil {
		log.Fatalf("level=fatal msg=%q", err)
	}
	n.startContainerd()
	n.importImages()
	go n.runKubelet()
	notify()
	select {}
}

// read takes the settings of /etc/rancher/NAME/config.yaml: entries at its top level, and one list.
func (d Distribution) read() *Node {
	if len(os.Args) < 2 || os.Args[1] != "server" && os.Args[1] != "agent" {
		log.Fatalf("usage: %s server|agent", d.Name)
	}
	n := &Node{Distribution: d, Role: os.Args[1], Data: "/var/lib/rancher/" + d.Name}
	n.NoDropIns = os.Getenv("LAB_NO_DROP_INS") != ""
	n.RestrictOOM = os.Getenv("LAB_RESTRICT_OOM_SCORE_ADJ") != ""
	file, err := os.Open("/etc/rancher/" + d.Name + "/config.yaml")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	key := ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		value := strings.Trim(strings.TrimPrefix(line, "- "), `"'`)
		if !strings.HasPrefix(line, "- ") {
			key, value, _ = strings.Cut(line, ":")
			value = strings.Trim(strings.TrimSpace(value), `"'`)
		}
		switch {
		case value == "":
		case key == "data-dir":
			n.Data = value
		case key == "server":
			n.Server = value
		case key == "disable-apiserver-lb":
			n.NoLoadBalancer = value == "true"
		case key == "node-ip":
			n.NodeIP = value
		case key == "kubelet-arg":
			n.KubeletArgs = append(n.KubeletArgs, "--"+value)
		}
	}
	return n
}

// startContainerd runs it as a child that dies with this process, and ends this process with it. [read] It returns once the
// socket at its usual path answers; a containerd with another one is waited for without end. [issue: rke2 #10293]
func (n *Node) startContainerd() {
	output := n.openLog("containerd/containerd.log")
	program, err := exec.LookPath("containerd")
	if err != nil {
		log.Fatal(err)
	}
	// Root, state and address are in the configuration. [infer]
	command := n.child(program, "containerd", output, "-c", n.path("etc/containerd/config.toml"))
	go func() {
		err := command.Run()
		if err != nil {
			fmt.Fprintf(output, "containerd: %s\n", err)
		}
		log.Fatalf("level=info msg=\"Shutdown request received: containerd exited: %v\"", err)
	}()
	for !answers(Socket) {
		log.Print("level=info msg=\"Waiting for containerd startup\"")
		time.Sleep(time.Second)
	}
	log.Print("level=info msg=\"Containerd is now running\"")
}

// importImages imports the archives of a folder, at each start, before the kubelet: with large ones it starts minutes after
// containerd. [infer]
func (n *Node) importImages() {
	archives, _ := filepath.Glob(n.path("images/*.tar"))
	for _, archive := range archives {
		log.Printf("level=info msg=\"Importing images from %s\"", archive)
		program, err := exec.LookPath("ctr")
		if err == nil {
			err = n.child(program, "ctr", os.Stderr, "--address", Socket, "-n", "k8s.io", "images", "import", archive).Run()
		}
		if err != nil {
			log.Printf("level=error msg=\"Unable to import %s: %v\"", archive, err)
		}
	}
}

func answers(socket string) bool {
	connection, err := net.Dial("unix", socket)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

// runKubelet respawns it after 5 s. [read: RKE2]
func (n *Node) runKubelet() {
	for {
		log.Printf("level=error msg=\"kubelet exited: %v\"", n.Kubelet(n))
		time.Sleep(5 * time.Second)
	}
}

// KubeletChild runs the kubelet as a child. [read: RKE2]
func KubeletChild(n *Node) error {
	program, err := exec.LookPath("kubelet")
	if err != nil {
		return err
	}
	return n.child(program, "kubelet", n.openLog("logs/kubelet.log"), n.KubeletFlags()...).Run()
}

// KubeletFlags has no --config: since Kubernetes 1.32 the settings are in a folder. [read]
func (n *Node) KubeletFlags() []string {
	return append([]string{
		"--config-dir=" + n.path("etc/kubelet.conf.d"),
		"--kubeconfig=" + n.path("kubelet.kubeconfig"),
		"--node-ip=" + n.NodeIP,
		"--root-dir=/var/lib/kubelet",
	}, n.KubeletArgs...)
}

// child has a bare name as argv[0], and dies with this process. [read]
func (n *Node) child(program, name string, output *os.File, arguments ...string) *exec.Cmd {
	command := &exec.Cmd{Path: program, Args: append([]string{name}, arguments...), Stdout: output, Stderr: output}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "NOTIFY_SOCKET=") {
			command.Env = append(command.Env, variable)
		}
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

// openLog opens a log: neither containerd nor RKE2's kubelet writes to the journal. [read]
func (n *Node) openLog(name string) *os.File {
	path := n.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		log.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		log.Fatal(err)
	}
	return file
}

// notify tells systemd that the unit has started.
func notify() {
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		if connection, err := net.Dial("unixgram", socket); err == nil {
			connection.Write([]byte("READY=1"))
			connection.Close()
		}
	}
}
