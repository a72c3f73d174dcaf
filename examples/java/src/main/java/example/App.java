package example;

import com.pulumi.Pulumi;
import com.pulumi.core.Output;
import com.pulumi.katacontainers.KataContainers;
import com.pulumi.katacontainers.KataContainersArgs;
import com.pulumi.katacontainers.inputs.ConnectionArgs;
import com.pulumi.katacontainers.inputs.NodeArgs;
import com.pulumi.katacontainers.inputs.RuntimeClassArgs;
import java.util.Map;

public class App {
    public static void main(String[] args) {
        Pulumi.run(ctx -> {
            var privateKey = ctx.config().requireSecret("privateKey");

            var kata = new KataContainers("kata", KataContainersArgs.builder()
                .nodes(Map.of(
                    "worker-1", node("192.0.2.11", privateKey),
                    "worker-2", node("192.0.2.12", privateKey)))
                .version("3.32.0")
                .runtimeClasses(Map.of(
                    "kata-qemu", RuntimeClassArgs.builder()
                        .settings(Map.of("hypervisor.qemu.default_memory", Output.of(1024)))
                        .build()))
                .build());

            ctx.export("runtimeClassNames", kata.runtimeClassNames());
            ctx.export("nodeStatuses", kata.nodeStatuses());
        });
    }

    private static NodeArgs node(String host, Output<String> privateKey) {
        return NodeArgs.builder()
            .connection(ConnectionArgs.builder().host(host).privateKey(privateKey).build())
            .build();
    }
}
