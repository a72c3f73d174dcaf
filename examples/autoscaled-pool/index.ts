import { KataContainers } from "kata-containers";

/** The label and the taint of the nodes of the pool. */
const pool = "node.example.com/virtualization";

const kata = new KataContainers("kata", {
    // Its pods tolerate all taints.
    daemonSet: { nodeSelector: { [pool]: "true" } },
    runtimeClasses: {
        // Kata pods get both from the RuntimeClass, so they need no selector and no toleration of their own.
        "kata-qemu": {
            nodeSelector: { [pool]: "true" },
            tolerations: [{ key: pool, operator: "Equal", value: "true", effect: "NoSchedule" }],
        },
    },
    rollout: { maxUnavailable: 0.25 },
});

export const { runtimeClassNames, daemonSetStatus } = kata;
