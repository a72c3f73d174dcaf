import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const privateKey = new pulumi.Config().requireSecret("privateKey");

/** One line per node: its name in Kubernetes, its address, its host key. */
const lines = readFileSync("nodes.txt", "utf8").trim().split("\n");
const nodes = lines.map((line) => {
    const [name, host, ...hostKey] = line.split(" ");
    return [name, { connection: { host, hostKey: hostKey.join(" "), privateKey } }];
});

const kata = new KataContainers("kata", {
    nodes: Object.fromEntries(nodes),
    rollout: { maxUnavailable: 3 },
});

export const { runtimeClassNames, nodeStatuses } = kata;
