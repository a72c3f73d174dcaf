// Every change is a transaction: whatever happens before any of its steps, the node is as asked or as it was, and the next
// run ends with what was asked.

import { expect } from "chai";
import { FaultyNode, type Kind, kinds } from "../support/faults";
import { containerOf, kubectl, nodes, ready, startPod } from "../support/lab";

describe("a fault before any step", function () {
    this.timeout(40 * 60 * 1000);
    const table: { [step: string]: { [column: string]: string } } = {};

    after(() => {
        console.table(table);
        console.log(`${Object.values(table).flatMap(Object.values).length} cells`);
    });

    const everyNode = async (matrix: (name: string, containerd: string) => Promise<string[]>) => {
        const red = await Promise.all(
            Object.entries(nodes()).map(([name, { containerd }]) => matrix(name, containerd)),
        );
        expect(red.flat()).to.deep.equal([]);
        expect(ready(...Object.keys(nodes()))).to.equal(true);
    };

    it("leaves the node as it was or as asked, and the next run finishes", () =>
        everyNode((name, containerd) => matrix(containerd, new FaultyNode(name), kinds, () => true)));

    it("and so where the kubelet changes as well", () => {
        const kubelet = { cgroupDriver: "systemd" as const, changeUnderRunningPods: true };
        const concerned = (step: string) => /kubelet|restart/.test(step);
        return everyNode((name, containerd) =>
            matrix(
                `${containerd}, driver`,
                new FaultyNode(name, { kubelet }),
                ["program", "power", "service"],
                concerned,
            ),
        );
    });

    async function matrix(
        title: string,
        node: FaultyNode,
        kinds: readonly Kind[],
        concerned: (step: string) => boolean,
    ): Promise<string[]> {
        const { name } = node;
        const red: string[] = [];
        startPod(`faults-${name}`, name);
        // A changed driver makes the kubelet restart containers.
        const containerOfPod = () =>
            title.endsWith("driver")
                ? undefined
                : containerOf(`faults-${name}`).replace(/^containerd:\/\/(\w+).*/, "$1");
        let container = containerOfPod();
        node.prepare();
        const bare = node.look().picture;
        expect(await node.stage()).to.include({ status: 0 });
        const activation = { name: "activate", run: node.activate, steps: await node.steps(node.activate) };
        const asked = node.look().picture;
        const removal = { name: "deactivate", run: node.deactivate, steps: await node.steps(node.deactivate) };
        const was = node.look().picture;

        /** Where the node is after a fault. The run that follows finishes the change. */
        const cell = async (change: typeof activation, from: string, to: string, kind: Kind, step: number) => {
            const { status, output } = await node.fault(kind, step, change.run);
            let where = "joined";
            let ills = "";
            // Where only the caller is gone the work goes on, and the next run joins it.
            if (kind !== "connection") {
                const now = node.look(kind === "power" ? undefined : container);
                where = now.picture === from ? "as it was" : now.picture === to ? "as asked" : "between";
                ills = now.ills;
            }
            const told = status === 0 ? ["as asked"] : ["as it was"];
            const allowed = {
                connection: ["joined"],
                // Until the next run; but containerd accepts its configuration, and all is well.
                program: ["as it was", "as asked", "between"],
                power: ["as it was", "as asked"],
                disk: told,
                service: told,
            }[kind];
            const again = await change.run();
            if (again.output.includes("putting the node back") && kind === "connection") where = "lost";
            const end = node.look(kind === "power" ? undefined : container);
            const finished = again.status === 0 && end.picture === to ? "" : `\nnot finished: ${again.output}`;
            const problem = (allowed.includes(where) ? "" : `\nit is ${where}: ${output}`) + ills + end.ills + finished;
            const what = change.steps[step - 1]!.replace("/var/lib/kata-containers-node", "…");
            const row = `${title} ${change.name} ${String(step).padStart(2)} ${what}`;
            table[row] ??= {};
            table[row]![kind] = problem ? "RED" : where;
            if (problem) {
                red.push(`${row}, ${kind}: ${problem}`);
                console.log(red.at(-1));
            }
        };
        for (const kind of kinds) {
            if (kind === "disk") node.smallDisk();
            // There and back, so that each change begins where the other ended.
            const there = numbers(activation.steps, concerned);
            const back = numbers(removal.steps, concerned);
            for (let i = 0; i < Math.max(there.length, back.length); i++) {
                await cell(activation, was, asked, kind, there[Math.min(i, there.length - 1)]!);
                await cell(removal, asked, was, kind, back[Math.min(i, back.length - 1)]!);
            }
            if (kind === "disk") node.bigDisk();
            if (kind === "power") {
                // The power took the containers as well.
                kubectl("delete", "pod", `faults-${name}`, "--wait=true", "--timeout=60s");
                startPod(`faults-${name}`, name);
                container = containerOfPod();
            }
        }
        await node.unstage();
        expect(node.look().picture).to.equal(bare);
        node.restore();
        kubectl("delete", "pod", `faults-${name}`, "--wait=true");
        return red;
    }
});

/** The numbers of the steps that count, from 1. */
const numbers = (steps: string[], concerned: (step: string) => boolean) =>
    steps.flatMap((step, i) => (concerned(step) ? [i + 1] : []));
