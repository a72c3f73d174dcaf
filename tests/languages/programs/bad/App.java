package example;

import com.pulumi.Pulumi;
import com.pulumi.katacontainers.KataContainers;
import com.pulumi.katacontainers.KataContainersArgs;
import com.pulumi.katacontainers.inputs.ConnectionArgs;
import com.pulumi.katacontainers.inputs.NodeArgs;
import com.pulumi.katacontainers.inputs.OverheadArgs;
import com.pulumi.katacontainers.inputs.RolloutArgs;
import com.pulumi.katacontainers.inputs.RuntimeClassArgs;
import java.util.Map;

public class App {
    public static void main(String[] args) {
        Pulumi.run(ctx -> {
            new KataContainers("kata", KataContainersArgs.builder()
                .nodes(Map.of(
                    "worker-1", NodeArgs.builder()
                        .connection(ConnectionArgs.builder().host("https://192.0.2.11").password("hunter2").build())
                        .build(),
                    "worker-2", NodeArgs.builder()
                        .connection(ConnectionArgs.builder().host("192.0.2.12").port(70000.0).privateKey("hunter2").build())
                        .build()))
                .version("1.12.1")
                .runtimeClasses(Map.of(
                    "kata-qemu", RuntimeClassArgs.builder()
                        .overhead(OverheadArgs.builder().memory("much").build())
                        .settings(Map.of("default_memory", 1024))
                        .build()))
                .rollout(RolloutArgs.builder().maxUnavailable(1.5).build())
                .build());
        });
    }
}
