// Loads the images of an archive in Docker's format, from stdin, into the storage of CRI-O, which has no command for that.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/storage"
	"go.podman.io/storage/pkg/reexec"
)

func main() {
	// The storage unpacks layers in child processes of this program.
	if reexec.Init() {
		return
	}
	if err := load(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(ctx context.Context) error {
	file, err := os.CreateTemp("", "images-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := io.Copy(file, os.Stdin); err != nil {
		return err
	}
	reader, err := archive.NewReader(nil, file.Name())
	if err != nil {
		return err
	}
	defer reader.Close()
	images, err := reader.List()
	if err != nil {
		return err
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{
		Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()},
	})
	if err != nil {
		return err
	}
	for _, image := range images {
		for _, source := range image {
			name := source.DockerReference()
			target, err := storage.Transport.ParseReference(reference.TagNameOnly(name).String())
			if err != nil {
				return err
			}
			if _, err := copy.Image(ctx, policy, target, source, nil); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}
