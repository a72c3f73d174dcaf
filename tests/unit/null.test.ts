// Programs in other languages may pass null for a value that is left out.

import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import { type Deployment, deploy } from "../support/mocks";

const endpoint = {
    host: "192.0.2.1",
    port: 22,
    user: "kata",
    password: "secret",
    privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    privateKeyPassword: "secret",
    agentSocketPath: "/agent",
    hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    dialErrorLimit: 1,
    perDialTimeout: 1,
};
const connection = { ...endpoint, proxy: { ...endpoint, host: "192.0.2.9" } };
const sums = { amd64: "0".repeat(64), arm64: "1".repeat(64) };
/** Every argument. */
const everything = (drain: object) => ({
    nodes: { "worker-1": { connection, gone: false } },
    daemonSet: {
        nodeSelector: { a: "b" },
        namespace: "kata",
        image: "busybox",
        imagePullSecrets: ["a"],
        tolerations: [{ key: "a", operator: "Equal", value: "b", effect: "NoExecute", tolerationSeconds: 1 }],
        priorityClassName: "high",
        resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } },
        interval: 60,
        timeout: 60,
    },
    version: "3.32.0",
    release: { url: "http://mirror/{archive}", proxy: "http://proxy:3128", sha256: sums },
    runtimeClasses: {
        "kata-qemu": {
            shim: "qemu",
            overhead: { enabled: true, cpu: "1", memory: "1Gi" },
            settings: { "hypervisor.qemu.default_memory": 1 },
            debug: true,
            handler: "kata",
            labels: { a: "b" },
            annotations: { a: "b" },
            tolerations: [{ key: "a", operator: "Equal", value: "b", effect: "NoExecute", tolerationSeconds: 1 }],
            nodeSelector: { a: "b" },
            adopt: false,
        },
    },
    debug: true,
    kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true },
    rollout: {
        maxUnavailable: 1,
        maxParallelDownloads: 1,
        canary: "worker-1",
        drain: { timeout: 60, ...drain },
        verify: true,
    },
    hostChecks: "warn",
    drift: "off",
    forceRemoval: true,
});

type Tree = { [name: string]: any };
/** The paths of all properties. */
const paths = (tree: Tree, path: string[] = []): string[][] =>
    Object.entries(tree).flatMap(([name, value]) => [
        [...path, name],
        ...(typeof value === "object" ? paths(value, [...path, name]) : []),
    ]);
/** A copy, with a property changed. */
function changed(tree: Tree, [first, ...rest]: string[], change: (parent: Tree, name: string) => void): Tree {
    const copy: Tree = Array.isArray(tree) ? [...tree] : { ...tree };
    if (rest.length === 0) change(copy, first!);
    else copy[first!] = changed(copy[first!], rest, change);
    return copy;
}

/** What the engine gets, without what null and left out are on the wire; or the error. */
async function registered(args: Tree): Promise<unknown> {
    try {
        const { inputs, children }: Deployment = await deploy(args);
        // In the order of their names, because resources without dependencies on each other are registered in any order.
        const names = Object.keys(children).sort();
        return strip({ inputs, children: names.map((name) => [name, children[name]!.inputs]) });
    } catch (error) {
        return (error as Error).message;
    }
}
const strip = (value: unknown) => JSON.parse(JSON.stringify(value, (_, item) => (item === null ? undefined : item)));

describe("null", function () {
    this.timeout(240_000);
    it("treats null for the other way to drain like an omitted value", async () => {
        for (const [way, other] of [
            [{ kubeconfig: "{}" }, { controlPlane: null }],
            [{ controlPlane: connection }, { kubeconfig: null }],
        ]) {
            expect(await registered(everything({ ...way, ...other }))).to.deep.equal(
                await registered(everything(way!)),
            );
        }
    });

    const variants = { kubeconfig: { kubeconfig: "{}" }, "a control-plane node": { controlPlane: connection } };
    for (const [title, drain] of Object.entries(variants)) {
        it(`treats null for every argument like an omitted value, with ${title} for the drain`, async () => {
            const all = everything(drain);
            const differing: string[] = [];
            // The connection of the second variant is that of the first.
            const under = "kubeconfig" in drain ? paths(all) : paths(drain, ["rollout", "drain"]);
            for (const path of under) {
                // The entries of maps and lists, and `drift`, which has another value here than its default.
                if (["a", "0", "worker-1", "kata-qemu", "drift"].includes(path.at(-1)!)) continue;
                const leftOut = changed(all, path, (parent, name) => delete parent[name]);
                const isNull = changed(all, path, (parent, name) => {
                    parent[name] = null;
                });
                const [given, expected] = [await registered(isNull), await registered(leftOut)];
                if (!isDeepStrictEqual(given, expected)) {
                    differing.push(path.join("."));
                }
            }
            expect(differing).to.deep.equal([]);
        });
    }
});
