package example;

import com.google.gson.Gson;
import com.pulumi.Pulumi;
import com.pulumi.katacontainers.KataContainers;
import com.pulumi.katacontainers.KataContainersArgs;
import com.pulumi.katacontainers.inputs.DaemonSetArgs;
import com.pulumi.katacontainers.inputs.QuantitiesArgs;
import com.pulumi.katacontainers.inputs.ResourcesArgs;
import com.pulumi.katacontainers.inputs.RuntimeClassArgs;
import com.pulumi.katacontainers.inputs.TolerationArgs;
import java.util.Map;

public class App {
    public static void main(String[] args) {
        Pulumi.run(ctx -> {
            var kata = new KataContainers("kata", KataContainersArgs.builder()
                .daemonSet(DaemonSetArgs.builder()
                    .nodeSelector(Map.of("kubernetes.io/hostname", "worker-1"))
                    .image("busybox:lab")
                    .tolerations(TolerationArgs.builder().operator("Exists").build())
                    .resources(ResourcesArgs.builder().requests(QuantitiesArgs.builder().cpu("5m").build()).build())
                    .interval(10.0)
                    .timeout(300.0)
                    .build())
                .version("3.32.0")
                .runtimeClasses(Map.of(
                    "kata-qemu", RuntimeClassArgs.builder()
                        .settings(Map.of("hypervisor.qemu.default_memory", 1024))
                        .build()))
                .build());

            ctx.export("runtimeClassNames", kata.runtimeClassNames());
            ctx.export("daemonSetStatus", kata.daemonSetStatus().applyValue(status -> new Gson().toJsonTree(status.get())));
        });
    }
}
