// Every change of a node is a transaction: after a fault before any of its commands the node is as asked or as it was, and
// the next run completes the change. A row of the matrix is a failpoint, a column a fault.

import { expect } from "chai";
import { FaultyNode, type Kind, kinds } from "../support/faults";
import { containerIdOf, kubectl, nodes, ready, startPod } from "../support/lab";
import { everything, faultPairs, seed } from "../support/sample";

const sampled = everything ? "everything" : `KATA_TEST_SEED=${seed}`;

describe(`the fault matrix (${sampled})`, function () {
    this.timeout((everything ? 90 : 40) * 60 * 1000);
    const table: { [failpoint: string]: { [kind: string]: string } } = {};

    after(() => {
        console.table(table);
        console.log(`${Object.values(table).flatMap(Object.values).length} cells (${sampled})`);
    });

    // In a lab with nodes of other distributions, only the failpoints that are different there.
    const special = process.env.LAB_NODES !== undefined;
    const [usually, specially] = special ? [it.skip, it] : [it, it.skip];
    const everyNode = async (matrix: (name: string, title: string) => Promise<string[]>) => {
        const red = await Promise.all(
            Object.entries(nodes()).map(([name, { kind, containerd }]) => matrix(name, special ? kind : containerd)),
        );
        expect(red.flat()).to.deep.equal([]);
        expect(ready(...Object.keys(nodes()))).to.equal(true);
    };

    usually(
        "leaves a node as it was or as requested after a fault before any failpoint, and the next run completes the change",
        () =>
            everyNode((name, title) =>
                matrix(title, new FaultyNode(name, { rollout: { verify: true } }), kinds, () => true),
            ),
    );

    specially(
        "leaves a node of another distribution as it was or as requested after a fault at a step of its own",
        () =>
            everyNode((name, title) => {
                // CRI-O boots a guest in another way than containerd.
                const node = new FaultyNode(name, { rollout: { verify: title === "crio" } });
                return matrix(title, node, node.special.kinds, node.special.concerned);
            }),
    );

    usually("leaves a node as it was or as requested after a fault in a change that includes the kubelet", () => {
        const kubelet = { cgroupDriver: "systemd" as const, changeUnderRunningPods: true };
        const concerned = (failpoint: string) => /kubelet|restart/.test(failpoint);
        return everyNode((name, title) =>
            matrix(`${title}, driver`, new FaultyNode(name, { kubelet }), ["program", "power", "service"], concerned),
        );
    });

    async function matrix(
        title: string,
        node: FaultyNode,
        kinds: readonly Kind[],
        concerned: (failpoint: string) => boolean,
    ): Promise<string[]> {
        const { name } = node;
        const red: string[] = [];
        startPod(`faults-${name}`, name);
        // A changed driver makes the kubelet restart containers.
        const containerOfPod = () => (title.endsWith("driver") ? undefined : containerIdOf(`faults-${name}`));
        let container = containerOfPod();
        node.prepare();
        const bare = node.inspect().snapshot;
        expect(await node.stage()).to.include({ status: 0 });
        const activatePoints = await node.failpoints(node.activate);
        const asked = node.inspect().snapshot;
        const deactivatePoints = await node.failpoints(node.deactivate);
        const was = node.inspect().snapshot;
        const changes = {
            activate: { run: node.activate, from: was, to: asked },
            deactivate: { run: node.deactivate, from: asked, to: was },
        };

        /** A fault, the state of the node after it, and the run that completes the change. */
        const cell = async (action: keyof typeof changes, kind: Kind, failpoint: string) => {
            const { run, from, to } = changes[action];
            const { status, output } = await node.fault(kind, failpoint, run);
            let where = "joined";
            let problem = "";
            // If only the caller is gone, the work continues and the next run joins it.
            if (kind !== "connection") {
                const now = node.inspect(kind === "power" ? undefined : container);
                where = now.snapshot === from ? "as it was" : now.snapshot === to ? "as asked" : "between";
                problem = now.unhealthy;
            }
            const told = status === 0 ? ["as asked"] : ["as it was"];
            const allowed = {
                connection: ["joined"],
                // "between" until the next run; but containerd accepts its configuration, and everything is healthy.
                program: ["as it was", "as asked", "between"],
                power: ["as it was", "as asked"],
                disk: told,
                service: told,
            }[kind];
            const again = await run();
            if (kind === "connection" && /rolling (it )?back/.test(again.output)) where = "lost";
            const end = node.inspect(kind === "power" ? undefined : container);
            if (!allowed.includes(where)) problem += `\nit is ${where}: ${output}`;
            problem += end.unhealthy;
            if (again.status !== 0 || end.snapshot !== to) problem += `\nnot completed: ${again.output}`;
            const row = `${title} ${action} ${failpoint.replace("/var/lib/kata-containers-node", "…")}`;
            table[row] ??= {};
            table[row]![kind] = problem ? "RED" : where;
            if (problem) {
                red.push(`${row}, ${kind}: ${problem}`);
                console.log(red.at(-1));
            }
        };
        const pairs = faultPairs(
            kinds,
            activatePoints.filter(concerned),
            deactivatePoints.filter(concerned),
            everything ? undefined : { perKind: 1, seed, node: title },
        );
        for (const kind of kinds) {
            if (kind === "disk") node.smallDisk();
            for (const pair of pairs.filter((pair) => pair.kind === kind)) {
                await cell("activate", kind, pair.activate);
                await cell("deactivate", kind, pair.deactivate);
            }
            if (kind === "disk") node.bigDisk();
            if (kind === "power") {
                // The containers lost power as well.
                kubectl("delete", "pod", `faults-${name}`, "--wait=true", "--timeout=60s");
                startPod(`faults-${name}`, name);
                container = containerOfPod();
            }
        }
        await node.unstage();
        expect(node.inspect().snapshot).to.equal(bare);
        node.restore();
        kubectl("delete", "pod", `faults-${name}`, "--wait=true");
        return red;
    }
});
