// The DaemonSet of a component named `kata`, as its objects in the cluster show it.

import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { DaemonSetArgs, KataContainersArgs } from "../../src";
import type { Program } from "../../src/node/program";
import { args, kubectl } from "./lab";

export const object = "kata-containers-kata";

/** A component with a DaemonSet, and with the nodes `ssh` over SSH. */
export function given(
    version: string,
    more: Partial<KataContainersArgs> = {},
    daemonSet: DaemonSetArgs = {},
    ssh: string[] = [],
) {
    const { nodes, ...others } = args(version, more, ssh);
    const mine = { image: "busybox:lab", interval: 10, timeout: 240, ...daemonSet };
    return { ...others, ...(ssh.length > 0 && { nodes }), daemonSet: mine };
}

export const inNamespace = (...words: string[]) => kubectl("-n", object, ...words);
/** The names of the DaemonSet's pods, by node. */
export const pods = (): { [node: string]: string } => {
    const lines = inNamespace(
        "get",
        "pods",
        "-o",
        'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name}{"\\n"}{end}',
    );
    return Object.fromEntries(
        lines
            .split("\n")
            .filter(Boolean)
            .map((line) => line.split(" ")),
    );
};
export const status = (node: string) =>
    JSON.parse(
        kubectl("get", "node", node, "-o", `jsonpath={.metadata.annotations.status\\.kata-containers/${object}}`),
    );
/** The entry of a node in the data that the pods share, or "". */
export const entryOf = (node: string) =>
    inNamespace("get", "configmap", `${object}-rollout`, "-o", `jsonpath={.data.${node.replaceAll(".", "\\.")}}`);
export const logOf = (pod: string) => inNamespace("logs", pod, "-c", "keep");
/** Waits until something holds. */
export async function eventually(what: string, holds: () => boolean, seconds = 120): Promise<void> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        try {
            if (holds()) return;
        } catch {
            // It may not exist yet.
        }
        if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
        await sleep(1000);
    }
}
export const isReady = (node: string) =>
    inNamespace(
        "get",
        "pods",
        "--field-selector",
        `spec.nodeName=${node},status.phase=Running`,
        "-o",
        'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}',
    ) === "True";
/** Evicts a pod, as `kubectl drain` does with pods of other controllers. */
export function evict(pod: string): void {
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace: object } };
    const path = `/api/v1/namespaces/${object}/pods/${pod}/eviction`;
    execFileSync("kubectl", ["create", "--raw", path, "-f", "-"], { input: JSON.stringify(eviction) });
}
/** What the component leaves on the Node object. */
export const traces = (node: string) => {
    const { labels, annotations } = JSON.parse(kubectl("get", "node", node, "-o", "json")).metadata;
    return Object.keys({ ...labels, ...annotations }).filter((key) => /kata/.test(key));
};
export const expectNoTrace = (node: string) => expect(traces(node)).to.deep.equal([]);

/** Lets the pods run another node program. */
export function replaceProgram({ text, id }: Program): void {
    const { volumes } = JSON.parse(inNamespace("get", "daemonset", object, "-o", "json")).spec.template.spec;
    const files = volumes.find(({ name }: { name: string }) => name === "files").configMap.name;
    const { data } = JSON.parse(inNamespace("get", "configmap", files, "-o", "json"));
    const name = `${object}-replaced`;
    const replaced = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: object },
        data: { ...data, "node.sh": text, activate: data.activate.replace(/^--program=.*$/m, `--program=${id}`) },
    };
    // `kubectl apply` would copy it into an annotation, which is too small.
    execFileSync("kubectl", ["create", "-f", "-"], { input: JSON.stringify(replaced) });
    const spec = { volumes: [{ name: "files", configMap: { name } }] };
    inNamespace("patch", "daemonset", object, "--patch", JSON.stringify({ spec: { template: { spec } } }));
}
