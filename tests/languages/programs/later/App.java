package example;

import com.pulumi.Pulumi;
import com.pulumi.katacontainers.KataContainers;
import com.pulumi.katacontainers.KataContainersArgs;
import com.pulumi.katacontainers.enums.Shim;
import com.pulumi.katacontainers.inputs.ConnectionArgs;
import com.pulumi.katacontainers.inputs.NodeArgs;
import com.pulumi.katacontainers.inputs.RolloutArgs;
import com.pulumi.katacontainers.inputs.RuntimeClassArgs;
import java.util.Map;

public class App {
    public static void main(String[] args) {
        Pulumi.run(ctx -> {
            var privateKey = ctx.config().requireSecret("privateKey");
            var first = new KataContainers("first", KataContainersArgs.builder()
                .nodes(Map.of(
                    "worker-1", NodeArgs.builder()
                        .connection(ConnectionArgs.builder().host("192.0.2.11").privateKey(privateKey).build())
                        .build()))
                .build());
            var known = first.nodeStatuses().applyValue(statuses -> statuses.get("worker-1").containerRuntimeVersion());
            // In Java, labels cannot be outputs.
            new KataContainers("second", KataContainersArgs.builder()
                .nodes(Map.of(
                    "worker-2", NodeArgs.builder()
                        .connection(ConnectionArgs.builder().host(known).port(2222.0).privateKey(privateKey).build())
                        .build()))
                .version(known)
                .runtimeClasses(Map.of("kata-second", RuntimeClassArgs.builder().shim(Shim.Qemu).build()))
                .rollout(RolloutArgs.builder().maxUnavailable(2.0).build())
                .build());
        });
    }
}
