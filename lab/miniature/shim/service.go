package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/namespaces"
	runtimeoptions "github.com/containerd/containerd/pkg/runtimeoptions/v1"
	"github.com/containerd/containerd/protobuf"
	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"github.com/containerd/typeurl/v2"
)

// The log of all shims on a node, for tests: one JSON object per container.
const logFile = "/run/kata-miniature/shim.log"

// service is runc's task service with the options of Kata's shim.
type service struct {
	taskapi.TaskService
}

// record is one line of the log.
type record struct {
	About         string          `json:"about"`
	Time          time.Time       `json:"time"`
	Namespace     string          `json:"namespace"`
	ID            string          `json:"id"`
	Sandbox       string          `json:"sandbox"`
	Release       string          `json:"release"`
	Engine        string          `json:"engine"`
	Executable    string          `json:"executable"`
	PID           int             `json:"pid"`
	ConfigPath    string          `json:"configPath"`
	ConfigExists  bool            `json:"configExists"`
	Hypervisor    string          `json:"hypervisor,omitempty"`
	Trees         []string        `json:"trees,omitempty"`
	EnableDebug   map[string]bool `json:"enableDebug,omitempty"`
	Config        map[string]any  `json:"config,omitempty"`
	SystemdCgroup bool            `json:"systemdCgroup"`
	Error         string          `json:"error,omitempty"`
}

func (s *service) RegisterTTRPC(server *ttrpc.Server) error {
	taskapi.RegisterTaskService(server, s)
	return nil
}

// Create logs what containerd passed, and runs the container on runc with runc's own options.
func (s *service) Create(ctx context.Context, r *taskapi.CreateTaskRequest) (*taskapi.CreateTaskResponse, error) {
	entry, err := inspect(ctx, r)
	if err != nil {
		entry.Error = err.Error()
	}
	log.G(ctx).WithField("id", r.ID).WithField("ConfigPath", entry.ConfigPath).Info(about())
	if err := entry.write(); err != nil {
		return nil, errdefs.ToGRPC(err)
	}
	if err != nil {
		return nil, errdefs.ToGRPC(fmt.Errorf("%s: %w", about(), err))
	}
	r.Options, err = protobuf.MarshalAnyToProto(&options.Options{SystemdCgroup: entry.SystemdCgroup})
	if err != nil {
		return nil, errdefs.ToGRPC(err)
	}
	return s.TaskService.Create(ctx, r)
}

// inspect collects what containerd passed. Like Kata's shim, it refuses a configuration that it cannot read or that names
// missing files.
func inspect(ctx context.Context, r *taskapi.CreateTaskRequest) (*record, error) {
	entry := &record{
		About: about(), Time: time.Now(), ID: r.ID, Release: release, Engine: engine, PID: os.Getpid(),
	}
	var err error
	if entry.Executable, err = os.Executable(); err != nil {
		return entry, err
	}
	if entry.Namespace, err = namespaces.NamespaceRequired(ctx); err != nil {
		return entry, err
	}
	spec, err := readSpec(r.Bundle)
	if err != nil {
		return entry, err
	}
	entry.Sandbox = spec.Annotations["io.kubernetes.cri.sandbox-id"]
	if entry.Sandbox == "" {
		entry.Sandbox = spec.Annotations[crioSandbox]
	}
	// With the systemd cgroup driver, containerd passes slice:prefix:name.
	slice, _, named := strings.Cut(spec.Linux.CgroupsPath, ":")
	entry.SystemdCgroup = named && strings.HasSuffix(slice, ".slice")
	if entry.ConfigPath, err = configPath(r); err != nil || entry.ConfigPath == "" {
		return entry, err
	}
	return entry, entry.load()
}

// spec is the part of a container's OCI specification that the shim uses.
type spec struct {
	Annotations map[string]string `json:"annotations"`
	Linux       struct {
		CgroupsPath string `json:"cgroupsPath"`
	} `json:"linux"`
}

func readSpec(bundle string) (s spec, err error) {
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

func configPath(r *taskapi.CreateTaskRequest) (string, error) {
	if len(r.Options.GetValue()) == 0 {
		return "", nil
	}
	unpacked, err := typeurl.UnmarshalAny(r.Options)
	if err != nil {
		return "", err
	}
	kata, ok := unpacked.(*runtimeoptions.Options)
	if !ok {
		return "", fmt.Errorf("options have type %q, not that of Kata", r.Options.TypeUrl)
	}
	return kata.ConfigPath, nil
}

// load reads the configuration, and refuses it as Kata would if it belongs to the other implementation or if files of its
// hypervisor are missing.
func (e *record) load() error {
	if _, err := os.Stat(e.ConfigPath); err != nil {
		return err
	}
	e.ConfigExists = true
	if _, err := toml.DecodeFile(e.ConfigPath, &e.Config); err != nil {
		return fmt.Errorf("%s: %w", e.ConfigPath, err)
	}
	e.EnableDebug = map[string]bool{}
	collectDebug(e.EnableDebug, "", e.Config)
	var err error
	if e.Trees, err = trees(e.Config); err != nil {
		return err
	}
	if err := e.checkHypervisor(); err != nil {
		return fmt.Errorf("%s: %w", e.ConfigPath, err)
	}
	return nil
}

// checkHypervisor finds the hypervisor and its files.
func (e *record) checkHypervisor() error {
	hypervisors, _ := e.Config["hypervisor"].(map[string]any)
	runtime, _ := e.Config["runtime"].(map[string]any)
	// Configurations of the Rust shim name their hypervisor; those of the Go shim have one table and no such key.
	named, _ := runtime["hypervisor_name"].(string)
	if (named != "") != (engine == "rust") {
		return fmt.Errorf("invalid hypervisor name %q: this file is not for the %s shim", named, engine)
	}
	for name := range hypervisors {
		if named == "" || name == named {
			e.Hypervisor = name
		}
	}
	table, ok := hypervisors[e.Hypervisor].(map[string]any)
	if !ok {
		return fmt.Errorf("table hypervisor.%s is missing", named)
	}
	required := map[string]bool{
		"path":   e.Hypervisor != "remote" && e.Hypervisor != "dragonball", // dragonball is part of the shim
		"kernel": e.Hypervisor != "remote",
	}
	for _, key := range []string{"path", "kernel", "image", "initrd", "firmware", "virtio_fs_daemon", "jailer_path"} {
		file, _ := table[key].(string)
		if file == "" && !required[key] {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("hypervisor.%s.%s: %w", e.Hypervisor, key, err)
		}
	}
	return nil
}

var tree = regexp.MustCompile(`"(/opt/kata(?:-releases/[^/"]+)?)["/]`)

// trees lists the release trees that the values of a configuration lead to: /opt/kata, or one in /opt/kata-releases.
func trees(config map[string]any) ([]string, error) {
	values, err := json.Marshal(config)
	var found []string
	for _, match := range tree.FindAllSubmatch(values, -1) {
		found = append(found, string(match[1]))
	}
	slices.Sort(found)
	return slices.Compact(found), err
}

// collectDebug finds the key enable_debug in every table.
func collectDebug(found map[string]bool, table string, values map[string]any) {
	for key, value := range values {
		switch value := value.(type) {
		case map[string]any:
			collectDebug(found, strings.TrimPrefix(table+"."+key, "."), value)
		case bool:
			if key == "enable_debug" {
				found[table] = value
			}
		}
	}
}

func (e *record) write() error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	return err
}
