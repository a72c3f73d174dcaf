package main

import (
	"example.com/pulumi-kata-containers/sdk/go/katacontainers"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		privateKey := config.RequireSecret(ctx, "privateKey")
		first, err := katacontainers.NewKataContainers(ctx, "first", &katacontainers.KataContainersArgs{
			Nodes: map[string]katacontainers.NodeArgs{
				"worker-1": {Connection: katacontainers.ConnectionArgs{Host: pulumi.String("192.0.2.11"), PrivateKey: privateKey}},
			},
		})
		if err != nil {
			return err
		}
		known := first.NodeStatuses.MapIndex(pulumi.String("worker-1")).ContainerRuntimeVersion()
		_, err = katacontainers.NewKataContainers(ctx, "second", &katacontainers.KataContainersArgs{
			Nodes: map[string]katacontainers.NodeArgs{
				"worker-2": {Connection: katacontainers.ConnectionArgs{Host: known, Port: pulumi.Float64(2222), PrivateKey: privateKey}},
			},
			Version: known,
			RuntimeClasses: map[string]katacontainers.RuntimeClassArgs{
				"kata-second": {Shim: katacontainers.ShimQemu, Labels: map[string]pulumi.StringInput{"version": known}},
			},
			Rollout: &katacontainers.RolloutArgs{MaxUnavailable: pulumi.Float64Ref(2)},
		})
		return err
	})
}
