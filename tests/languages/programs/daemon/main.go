package main

import (
	"example.com/pulumi-kata-containers/sdk/go/katacontainers"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		kata, err := katacontainers.NewKataContainers(ctx, "kata", &katacontainers.KataContainersArgs{
			DaemonSet: &katacontainers.DaemonSetArgs{
				NodeSelector: map[string]pulumi.StringInput{"kubernetes.io/hostname": pulumi.String("worker-1")},
				Image:        pulumi.String("busybox:lab"),
				Tolerations:  []katacontainers.TolerationArgs{{Operator: pulumi.String("Exists")}},
				Resources: &katacontainers.ResourcesArgs{
					Requests: &katacontainers.QuantitiesArgs{Cpu: pulumi.String("5m")},
				},
				Interval: pulumi.Float64(10),
				Timeout:  pulumi.Float64Ref(300),
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
		ctx.Export("daemonSetStatus", kata.DaemonSetStatus)
		return nil
	})
}
