package example;

import com.google.gson.Gson;
import com.pulumi.Pulumi;
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
                    "worker-1", NodeArgs.builder()
                        .connection(ConnectionArgs.builder().host("192.0.2.11").privateKey(privateKey).build())
                        .build(),
                    "worker-2", NodeArgs.builder()
                        .connection(ConnectionArgs.builder().host("192.0.2.12").privateKey(privateKey).build())
                        .build()))
                .version("3.32.0")
                .runtimeClasses(Map.of(
                    "kata-qemu", RuntimeClassArgs.builder()
                        .settings(Map.of("hypervisor.qemu.default_memory", 1024))
                        .build()))
                .build());

            ctx.export("runtimeClassNames", kata.runtimeClassNames());
            // A stack cannot export a type of an SDK, so Gson converts it.
            ctx.export("nodeStatuses", kata.nodeStatuses().applyValue(new Gson()::toJsonTree));
        });
    }
}
