// Kata Containers on the nodes that the stack's configuration names. Every argument of the component can stand there,
// under its own name:
//
//     pulumi config set --path 'nodes.worker-1.host' 192.0.2.11
//     pulumi config set --path 'nodes.worker-1.hostKey' 'ssh-ed25519 AAAA…'
//     pulumi config set --secret privateKey < ~/.ssh/id_ed25519
//     pulumi config set version 3.32.0
//     pulumi config set --path 'qemu.settings["hypervisor.qemu.default_memory"]' 4096
//
// The nodes are named as in Kubernetes, each with its connection; the key or password may be one for all nodes, as
// here, or be a file's name, in `privateKeyFile`, for all or for one. Kubernetes is reached as `kubectl` reaches it.

import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, KataContainers, type KataContainersArgs } from "../../src";

/** A connection as it stands in the configuration: the key may be in a file. */
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
    qemu: config.getObject<KataContainersArgs["qemu"]>("qemu"),
    kubelet: config.getObject<KataContainersArgs["kubelet"]>("kubelet"),
    runtimeClass: config.getObject<KataContainersArgs["runtimeClass"]>("runtimeClass"),
    rollout: config.getObject<KataContainersArgs["rollout"]>("rollout"),
    hostChecks: config.get("hostChecks") as KataContainersArgs["hostChecks"],
});

export const runtimeClassName = kata.runtimeClassName;
export const nodeStatuses = kata.nodeStatuses;
