package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/pkg/v3/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GeneratePackage writes the SDK of a schema.
func (h *host) GeneratePackage(
	ctx context.Context, req generate,
) (response *pulumirpc.GeneratePackageResponse, err error) {
	if h.generate == nil {
		err = h.ask(ctx, nil, func(earlier pulumirpc.LanguageRuntimeClient) error {
			response, err = earlier.GeneratePackage(ctx, req)
			return err
		})
		return response, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(req.Schema), &spec); err != nil {
		return nil, err
	}
	loader, err := schema.NewLoaderClient(req.LoaderTarget)
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	pkg, diagnostics, err := schema.BindSpec(spec, loader, schema.ValidationOptions{AllowDanglingReferences: true})
	if err != nil {
		return nil, err
	}
	response = &pulumirpc.GeneratePackageResponse{Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(diagnostics)}
	if diagnostics.HasErrors() {
		return response, nil
	}
	generated, err := h.generate(pkg, req, loader)
	if err != nil {
		return nil, err
	}
	for name, content := range generated {
		name = filepath.Join(req.Directory, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, content, 0o666); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// Link makes SDKs dependencies of a program.
func (h *host) Link(_ context.Context, req *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	for _, sdk := range req.Packages {
		if err := h.link(req.Info, sdk.Path); err != nil {
			return nil, err
		}
	}
	return &pulumirpc.LinkResponse{}, nil
}
