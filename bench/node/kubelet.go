package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// kubelet serves a healthz endpoint.
func kubelet(args []string) error {
	if slices.Contains(args, "--version") {
		fmt.Println("Kubernetes v1.36.3")
		return nil
	}
	text, err := os.ReadFile(option(args, "config"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if port, found := strings.CutPrefix(line, "healthzPort: "); found {
			if err := listen("tcp", "127.0.0.1:"+strings.TrimSpace(port), "HTTP/1.0 200 OK\r\n\r\nok"); err != nil {
				return err
			}
		}
	}
	return serve()
}
