// Kata Containers on the nodes listed in the stack's configuration. Every argument of the component except
// `nodes.NAME.gone` can be set there under its own name; an entry of `nodes` is the connection of the node:
//
//     pulumi config set --path 'nodes.worker-1.host' 192.0.2.11
//     pulumi config set --path 'nodes.worker-1.hostKey' 'ssh-ed25519 AAAA…'
//     pulumi config set --secret privateKey < ~/.ssh/id_ed25519
//     pulumi config set version 3.32.0
//     pulumi config set --path 'runtimeClasses["kata-qemu"].settings["hypervisor.qemu.default_memory"]' 4096
//
// Each node has its name in Kubernetes and its connection. `privateKey`, `password` and `privateKeyFile` (the path of a
// key) can be set once for all nodes, or for one node. For Kubernetes, Pulumi uses the current kubeconfig context.

import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, KataContainers, type KataContainersArgs } from "../../src";

/** A connection in the configuration: it may name the file of the key. */
type NodeConfig = ConnectionArgs & { privateKeyFile?: string };

const config = new pulumi.Config();
const privateKey = config.getSecret("privateKey");
const password = config.getSecret("password");
const keyFile = config.get("privateKeyFile");

function connection({ privateKeyFile = keyFile, ...given }: NodeConfig): ConnectionArgs {
    const key = privateKeyFile ? pulumi.secret(readFileSync(privateKeyFile, "utf8")) : privateKey;
    return { privateKey: key, password, ...given };
}

const nodes = Object.entries(config.requireObject<{ [name: string]: NodeConfig }>("nodes"));

const kata = new KataContainers("kata", {
    nodes: Object.fromEntries(nodes.map(([name, node]) => [name, { connection: connection(node) }])),
    version: config.get("version"),
    release: config.getObject<KataContainersArgs["release"]>("release"),
    runtimeClasses: config.getObject<KataContainersArgs["runtimeClasses"]>("runtimeClasses"),
    debug: config.getBoolean("debug"),
    kubelet: config.getObject<KataContainersArgs["kubelet"]>("kubelet"),
    rollout: config.getObject<KataContainersArgs["rollout"]>("rollout"),
    hostChecks: config.get("hostChecks") as KataContainersArgs["hostChecks"],
    drift: config.get("drift") as KataContainersArgs["drift"],
    forceRemoval: config.getBoolean("forceRemoval"),
});

export const runtimeClassNames = kata.runtimeClassNames;
export const nodeStatuses = kata.nodeStatuses;
