package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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

// load reads the configuration and checks that the files of its hypervisor exist.
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

	hypervisors, _ := e.Config["hypervisor"].(map[string]any)
	qemu, ok := hypervisors["qemu"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: table hypervisor.qemu is missing", e.ConfigPath)
	}
	for _, key := range []string{"path", "kernel", "image", "virtio_fs_daemon"} {
		file, _ := qemu[key].(string)
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%s: hypervisor.qemu.%s: %w", e.ConfigPath, key, err)
		}
	}
	return nil
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
