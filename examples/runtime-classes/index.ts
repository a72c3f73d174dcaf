import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const privateKey = new pulumi.Config().requireSecret("privateKey");

const kata = new KataContainers("kata", {
    nodes: {
        "worker-1": { connection: { host: "192.0.2.11", privateKey } },
        "worker-2": { connection: { host: "192.0.2.12", privateKey } },
    },
    version: "4.1.0",
    runtimeClasses: {
        "kata-qemu": { settings: { "hypervisor.qemu.default_memory": 1024 } },
        "kata-clh": { tolerations: [{ key: "example.com/dense", operator: "Exists" }] },
        "kata-qemu-next": { shim: "qemu-runtime-rs", version: "4.2.0", debug: true },
    },
});

export const { runtimeClassNames, nodeStatuses } = kata;
