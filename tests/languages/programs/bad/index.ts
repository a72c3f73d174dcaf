import { KataContainers } from "kata-containers";

new KataContainers("kata", {
    nodes: {
        "worker-1": { connection: { host: "https://192.0.2.11", password: "hunter2" } },
        "worker-2": { connection: { host: "192.0.2.12", port: 70000, privateKey: "hunter2" } },
    },
    version: "1.12.1",
    runtimeClasses: { "kata-qemu": { overhead: { memory: "much" }, settings: { default_memory: 1024 } } },
    rollout: { maxUnavailable: 1.5 },
});
