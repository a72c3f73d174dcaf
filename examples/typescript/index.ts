import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const privateKey = new pulumi.Config().requireSecret("privateKey");

const kata = new KataContainers("kata", {
    nodes: {
        "worker-1": { connection: { host: "192.0.2.11", privateKey } },
        "worker-2": { connection: { host: "192.0.2.12", privateKey } },
    },
    version: "3.32.0",
    runtimeClasses: { "kata-qemu": { settings: { "hypervisor.qemu.default_memory": 1024 } } },
});

export const { runtimeClassNames, nodeStatuses } = kata;
