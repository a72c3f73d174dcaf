package main

import (
	katacontainers "example.com/pulumi-kata-containers/sdk/go/katacontainers"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		privateKey := config.RequireSecret(ctx, "privateKey")

		kata, err := katacontainers.NewKataContainers(ctx, "kata", &katacontainers.KataContainersArgs{
			Nodes: map[string]katacontainers.NodeArgs{
				"worker-1": {Connection: katacontainers.ConnectionArgs{Host: pulumi.String("192.0.2.11"), PrivateKey: privateKey}},
				"worker-2": {Connection: katacontainers.ConnectionArgs{Host: pulumi.String("192.0.2.12"), PrivateKey: privateKey}},
			},
			Version: pulumi.String("3.32.0"),
			RuntimeClasses: map[string]katacontainers.RuntimeClassArgs{
				"kata-qemu": {Settings: pulumi.Map{"hypervisor.qemu.default_memory": pulumi.Int(1024)}},
			},
		})
		if err != nil {
			return err
		}
		ctx.Export("runtimeClassNames", kata.RuntimeClassNames)
		ctx.Export("nodeStatuses", kata.NodeStatuses)
		return nil
	})
}
