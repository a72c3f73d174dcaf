package main

import (
	"encoding/json"
	"os"
)

const (
	crioSandbox = "io.kubernetes.cri-o.SandboxID"
	runcGroup   = "io.containerd.runc.v2.group"
)

// fitCRIO changes the specification that CRI-O has written into the current folder to what runc's shim expects. The containers
// of a pod share a shim, as with Kata, and an OOM score is not lowered, which Kata does in the guest and a lab may not do.
func fitCRIO() error {
	data, err := os.ReadFile("config.json")
	if err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	annotations, _ := spec["annotations"].(map[string]any)
	sandbox, ok := annotations[crioSandbox]
	if !ok {
		return nil
	}
	annotations[runcGroup] = sandbox
	if process, ok := spec["process"].(map[string]any); ok {
		if score, ok := process["oomScoreAdj"].(float64); ok && score < 0 {
			delete(process, "oomScoreAdj")
		}
	}
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile("config.json", data, 0o600)
}
