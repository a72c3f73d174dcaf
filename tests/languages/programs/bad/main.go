package main

import (
	"example.com/pulumi-kata-containers/sdk/go/katacontainers"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		_, err := katacontainers.NewKataContainers(ctx, "kata", &katacontainers.KataContainersArgs{
			Nodes: map[string]katacontainers.NodeArgs{
				"worker-1": {Connection: katacontainers.ConnectionArgs{
					Host: pulumi.String("https://192.0.2.11"), Password: pulumi.String("hunter2"),
				}},
				"worker-2": {Connection: katacontainers.ConnectionArgs{
					Host: pulumi.String("192.0.2.12"), Port: pulumi.Float64(70000), PrivateKey: pulumi.String("hunter2"),
				}},
			},
			Version: pulumi.String("1.12.1"),
			RuntimeClasses: map[string]katacontainers.RuntimeClassArgs{
				"kata-qemu": {
					Overhead: &katacontainers.OverheadArgs{Memory: pulumi.String("much")},
					Settings: pulumi.Map{"default_memory": pulumi.Int(1024)},
				},
			},
			Rollout: &katacontainers.RolloutArgs{MaxUnavailable: pulumi.Float64Ref(1.5)},
		})
		return err
	})
}
