// The nodes of the bench: real ones of a lab, and simulated ones with Node objects in the same cluster.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { archives } from "../src/kata/releases";
import { kubectl, type LabNode } from "../tests/support/lab";
import type { Relay } from "./relay";

export type BenchNode = Pick<LabNode, "host" | "port" | "user" | "privateKeyFile" | "hostKey">;
export type Nodes = { [name: string]: BenchNode };
export type SimulatedNodes = { [name: string]: BenchNode & { folder: string } };

const labels = { "bench/simulated": "true" };

const simulatedNodes = (...args: string[]) =>
    execFileSync(join(__dirname, "simulated"), args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** Starts empty nodes, after removing earlier ones and their objects in the cluster. */
export function startSimulated(count: number): SimulatedNodes {
    stopSimulated();
    simulatedNodes("up", `${count}`);
    const { nodes } = JSON.parse(simulatedNodes("inventory"));
    const items = Object.keys(nodes).map((name) => ({ apiVersion: "v1", kind: "Node", metadata: { name, labels } }));
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    execFileSync("kubectl", ["apply", "-f", "-"], { input: list, stdio: ["pipe", "ignore", "inherit"] });
    return nodes;
}

export function stopSimulated(): void {
    simulatedNodes("down");
    kubectl("delete", "nodes", "-l", "bench/simulated", "--wait=false");
    kubectl("delete", "runtimeclass", "kata-qemu", "bare", "playbook", "--ignore-not-found");
}
/** The first `count` entries. */
export const first = <T>(nodes: { [name: string]: T }, count: number): { [name: string]: T } =>
    Object.fromEntries(Object.entries(nodes).slice(0, count));

/** The same nodes, reached through a relay. */
export async function behind(relay: Relay, nodes: Nodes): Promise<Nodes> {
    const relayed: Nodes = {};
    for (const [name, node] of Object.entries(nodes)) {
        relayed[name] = { ...node, host: "127.0.0.1", port: await relay.before(node.host, node.port) };
    }
    return relayed;
}

/** Arguments of the component, for programs/kata.js. Without drift detection, which is measured separately. */
export function kataArguments(nodes: Nodes, release: Release, more: object = {}): object {
    const connections = Object.entries(nodes).map(([name, { host, port, user, privateKeyFile, hostKey }]) => [
        name,
        { connection: { host, port, user, privateKeyFile, hostKey } },
    ]);
    return {
        nodes: Object.fromEntries(connections),
        version: "3.32.0",
        release,
        hostChecks: "warn",
        drift: "off",
        rollout: { maxUnavailable: connections.length },
        ...more,
    };
}

/** The argument `release`. */
export interface Release {
    url: string;
    sha256: { amd64: string };
}

export const archiveUrl = ({ url }: Release, version: string) => archives(version, "go", url).amd64!.url;

/** The minimum for `stage`, as a script. It leaves the files in /opt/minimum. */
export const unpack = (release: Release, version: string) =>
    `mkdir /opt/minimum && curl -fsSL ${archiveUrl(release, version)} | zstd -dc | tar -C /opt/minimum -xf -`;
