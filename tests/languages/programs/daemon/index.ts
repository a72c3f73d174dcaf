import { KataContainers } from "kata-containers";

const kata = new KataContainers("kata", {
    daemonSet: {
        nodeSelector: { "kubernetes.io/hostname": "worker-1" },
        image: "busybox:lab",
        tolerations: [{ operator: "Exists" }],
        resources: { requests: { cpu: "5m" } },
        interval: 10,
        timeout: 300,
    },
    version: "3.32.0",
    runtimeClasses: { "kata-qemu": { settings: { "hypervisor.qemu.default_memory": 1024 } } },
});

export const { runtimeClassNames, daemonSetStatus } = kata;
