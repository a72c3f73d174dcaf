import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const config = new pulumi.Config();
const privateKey = config.requireSecret("privateKey");

const proxy = { host: "bastion.example.com", user: "jump", privateKey: config.requireSecret("bastionKey") };

const kata = new KataContainers("kata", {
    nodes: {
        "worker-1": { connection: { host: "192.0.2.11", user: "ops", privateKey, proxy } },
        "worker-2": { connection: { host: "192.0.2.12", user: "ops", privateKey, proxy } },
    },
});

export const { runtimeClassNames, nodeStatuses } = kata;
