// The fault matrix with the DaemonSet: a node is selected, or no longer selected, a fault happens before a command that changes the
// node, and then the pods alone complete the change. A row of the matrix is a failpoint, a column a fault.

import { join } from "node:path";
import { expect } from "chai";
import {
    entryOf,
    eventually,
    evict,
    given,
    inNamespace,
    isReady,
    logOf,
    pods,
    replaceProgram,
    traces,
} from "../support/daemonSet";
import { FaultyNode } from "../support/faults";
import { bootNode, containerIdOf, killNode, kubectl, names, nodes, onNode, startPod, TestStack } from "../support/lab";
import { programWith } from "../support/program";
import { everything, faultPairs, randomFor, seed, spread } from "../support/sample";

const sampled = everything ? "everything" : `KATA_TEST_SEED=${seed}`;

/**
 * The faults. `pod`: the pod is deleted by force, and its processes are killed. `eviction`: the pod is evicted, again and again in one change.
 * failpoints.sh says what the others do. For those between `eviction` and `power`, the way of delivery makes little difference, so
 * they are always a sample. The last one also ends the other pods of the node.
 */
const kinds = ["pod", "eviction", "program", "disk", "service", "power"] as const;
type Kind = (typeof kinds)[number];
type Action = "activate" | "deactivate";

const selector = "example.com/faults";

/** The lines that only one of two texts has. */
function difference(found: string, wanted: string): string[] {
    const [one, other] = [found.split("\n"), wanted.split("\n")];
    return [
        ...one.filter((line) => !other.includes(line)).map((line) => `+ ${line}`),
        ...other.filter((line) => !one.includes(line)).map((line) => `- ${line}`),
    ];
}
/** Without the releases and the boot unit, which are installed before a change and removed after it. */
const withoutStaged = (snapshot: string) =>
    snapshot
        .split("\n")
        .filter((line) => !/(^| )\/opt\/kata-releases|kata-containers-node\.service/.test(line))
        .join("\n");

describe(`the fault matrix of the DaemonSet (${sampled})`, function () {
    this.timeout((everything ? 180 : 20) * 60 * 1000);
    const table: { [failpoint: string]: { [kind: string]: string } } = {};
    let stack: TestStack;

    before(async () => {
        stack = await TestStack.create("faults");
        const rollout = { maxUnavailable: names().length, verify: true };
        await stack.up(given("3.32.0", { rollout }, { nodeSelector: { [selector]: "yes" } }));
        replaceProgram(programWith(join(__dirname, "../support/failpoints.sh")));
    });
    after(async () => {
        console.table(table);
        console.log(`${Object.values(table).flatMap(Object.values).length} cells (${sampled})`);
        await stack.remove();
    });

    it("completes a change of a node after a fault before any failpoint, and only that change", async () => {
        const red = await Promise.all(names().map(matrix));
        expect(red.flat()).to.deep.equal([]);
    });

    async function matrix(name: string, index: number): Promise<string[]> {
        const title = nodes()[name]!.containerd;
        const red: string[] = [];
        const node = new FaultyNode(name);
        const run = `faults-${name}`;
        startPod(run, name);
        node.prepare();

        const request = (action: Action) =>
            kubectl("label", "node", name, "--overwrite", `${selector}${action === "activate" ? "=yes" : "-"}`);
        const isDone = { activate: () => isReady(name), deactivate: () => pods()[name] === undefined };
        const end = (action: Action) => eventually(`the end of ${action}`, isDone[action], 300);
        /** All that is on the node and its Node object. */
        const state = (container?: string) => {
            const { snapshot, unhealthy } = node.inspect(container);
            const own = onNode(
                name,
                "ls -d /var/lib/kata-containers-node/* /run/kata-containers-node/runner-* 2>/dev/null | sed 's/runner-.*/runner/'",
            );
            return { snapshot, unhealthy, all: [snapshot, own, ...traces(name), entryOf(name)].join("\n") };
        };
        const learn = async (action: Action) => {
            node.arm();
            request(action);
            await end(action);
            return { failpoints: node.reached(), ...state() };
        };
        const bare = state();
        const activate = await learn("activate");
        const deactivate = await learn("deactivate");
        const learned = { activate, deactivate };
        expect(difference(deactivate.all, bare.all)).to.deep.equal([]);

        /** Ends the pod of the node at each failpoint, and waits for the next one. */
        async function endPods(action: Action, kind: Kind, failpoints: string[]): Promise<string[]> {
            const early: string[] = [];
            node.arm(...failpoints.map((failpoint) => `hold ${failpoint}`));
            request(action);
            for (const failpoint of failpoints) {
                await eventually(`the failpoint ${failpoint}`, () => node.waits("held"));
                if (traces(name).length > 0) early.push(`the Node has labels at ${failpoint}`);
                const pod = pods()[name]!;
                if (kind === "eviction") evict(pod);
                else killPod(pod);
                if (action === "activate") {
                    await eventually(
                        "the next pod waits for the change",
                        () => pods()[name] !== pod && logOf(pods()[name]!).includes("waiting for another run"),
                    );
                }
                node.release();
            }
            // Nobody continues the removal of a pod that was deleted by force.
            if (kind === "pod" && action === "deactivate") node.idle();
            else await end(action);
            // A second change would reach more of them.
            return [...early, ...difference(node.reached().join("\n"), learned[action].failpoints.join("\n"))];
        }
        function killPod(pod: string): void {
            const processes = onNode(
                name,
                "pgrep -f /kata-containers/pod.sh; pgrep -f /kata-containers/runner.sh",
            ).split("\n");
            inNamespace("delete", "pod", pod, "--force", "--grace-period=0");
            // The container ends with its first process.
            onNode(
                name,
                `pkill -KILL -f /kata-containers/pod.sh
                timeout 60 sh -c 'while ps -o pid= -p ${processes.join()} >/dev/null; do sleep 0.1; done'`,
            );
        }

        /** A fault in the node program. The next run waits until the state of the node is known. */
        async function fail(action: Action, kind: Kind, failpoint: string): Promise<string[]> {
            const [problems, from] = [[] as string[], action === "activate" ? bare : activate];
            node.arm(`${kind} ${failpoint}`, "hold begin (2)");
            request(action);
            if (kind === "power") {
                await eventually(`the failpoint ${failpoint}`, () => node.waits("power"));
                killNode(name);
                bootNode(name);
            } else {
                await eventually(`the failpoint ${failpoint}`, () => node.next() !== `${kind} ${failpoint}`);
                node.idle();
                node.end();
            }
            await eventually("the next run", () => node.waits("held") || isDone[action](), 180);
            // The kubelet does not start a pod again that was being deleted.
            const isLost = kind === "power" && action === "deactivate";
            if (node.waits("held") || isLost) {
                const now = state();
                problems.push(...difference(withoutStaged(now.snapshot), withoutStaged(from.snapshot)), now.unhealthy);
                if (traces(name).length > 0) problems.push("the Node has labels");
            }
            if (isLost) {
                request("activate");
                await end("activate");
                request("deactivate");
            } else if (node.waits("held")) {
                node.release();
            }
            await end(action);
            return problems;
        }

        const cell = async (action: Action, kind: Kind, failpoints: string[]) => {
            const container = kind === "power" ? undefined : containerIdOf(run);
            const problems: string[] = [];
            try {
                problems.push(
                    ...(kind === "pod" || kind === "eviction"
                        ? await endPods(action, kind, failpoints)
                        : await fail(action, kind, failpoints[0]!)),
                );
            } catch (error) {
                problems.push((error as Error).message);
                node.arm();
                request(action);
                await end(action);
            }
            const now = state(container);
            problems.push(
                now.unhealthy,
                ...(kind === "pod" && action === "deactivate"
                    ? difference(withoutStaged(now.snapshot), withoutStaged(bare.snapshot))
                    : difference(now.all, learned[action].all)),
            );
            const found = problems.filter(Boolean).join("\n");
            for (const failpoint of failpoints) {
                const row = `${title} ${action} ${failpoint.replace("/var/lib/kata-containers-node", "…")}`;
                table[row] ??= {};
                table[row]![kind] = found ? "RED" : "complete";
            }
            if (found) {
                red.push(`${title} ${action} ${failpoints.join()}, ${kind}: ${found}`);
                console.log(red.at(-1));
            }
        };

        const few = { perKind: everything ? 3 : 1, seed, node: title };
        const random = randomFor(seed, title, "evictions");
        // In a sample, each kind on one of the nodes.
        const mine = kinds.filter((_, i) => everything || (i + seed + index) % names().length === 0);
        for (const kind of mine) {
            if (kind === "disk") node.smallDisk();
            if (kind === "eviction") {
                const count = everything ? Number.POSITIVE_INFINITY : 3;
                await cell("activate", kind, spread(activate.failpoints, count, random));
                await cell("deactivate", kind, spread(deactivate.failpoints, count, random));
            } else {
                const sample = everything && (kind === "pod" || kind === "power") ? undefined : few;
                for (const pair of faultPairs([kind], activate.failpoints, deactivate.failpoints, sample)) {
                    await cell("activate", kind, [pair.activate]);
                    await cell("deactivate", kind, [pair.deactivate]);
                }
            }
            if (kind === "pod") {
                await learn("activate");
                await learn("deactivate");
            }
            if (kind === "disk") node.bigDisk();
        }
        expect(difference(state().all, bare.all)).to.deep.equal([]);
        node.restore();
        kubectl("delete", "pod", run, "--wait=true");
        return red;
    }
});
