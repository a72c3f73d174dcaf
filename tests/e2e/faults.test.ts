// Every change is a transaction: whatever happens before any of its steps, the node is as asked or as it was, and the next
// run ends with what was asked.

import { expect } from "chai";
import { FaultyNode, type Kind, kinds } from "./faults";
import { containerOf, kubectl, nodes, ready, startPod } from "./lab";

describe("a fault before any step", function () {
    this.timeout(40 * 60 * 1000);
    const table: { [step: string]: { [column: string]: string } } = {};

    after(() => {
        console.table(table);
        console.log(`${Object.values(table).flatMap(Object.values).length} cells`);
    });

    it("leaves the node as it was or as asked, and the next run finishes", async () => {
        const red = await Promise.all(
            Object.entries(nodes()).map(([name, { containerd }]) => matrix(name, containerd)),
        );
        expect(red.flat()).to.deep.equal([]);
        expect(ready(...Object.keys(nodes()))).to.equal(true);
    });

    async function matrix(name: string, containerd: string): Promise<string[]> {
        const node = new FaultyNode(name);
        const red: string[] = [];
        startPod(`faults-${name}`, name);
        const container = containerOf(`faults-${name}`).replace(/^containerd:\/\/(\w+).*/, "$1");
        node.prepare();
        const bare = node.picture();
        expect(await node.stage()).to.include({ status: 0 });
        const was = node.picture();
        const activation = { name: "activate", run: node.activate, from: was, steps: await node.steps(node.activate) };
        const asked = node.picture();
        const removal = {
            name: "deactivate",
            run: node.deactivate,
            from: asked,
            steps: await node.steps(node.deactivate),
        };

        /** Where the node is after a fault. The run that follows finishes the change. */
        const cell = async (change: typeof activation, to: string, kind: Kind, step: number): Promise<void> => {
            const { status, output } = await node.fault(kind, step, change.run);
            const picture = node.picture();
            const where = picture === change.from ? "as it was" : picture === to ? "as asked" : "between";
            const told = status === 0 ? ["as asked"] : ["as it was"];
            const allowed = {
                connection: ["as asked"],
                // Until the next run; but containerd accepts its configuration, and all is well.
                program: ["as it was", "as asked", "between"],
                power: ["as it was", "as asked"],
                disk: told,
                service: told,
            }[kind];
            const ills = node.ills(kind === "power" ? undefined : container);
            const again = await change.run();
            const finished = again.status === 0 && node.picture() === to ? "" : `\nnot finished: ${again.output}`;
            const problem = (allowed.includes(where) ? "" : `\nit is ${where}: ${output}`) + ills + finished;
            const title = `${change.steps[step - 1]!.replace("/var/lib/kata-containers-node", "…")}`;
            const row = `${containerd} ${change.name} ${String(step).padStart(2)} ${title}`;
            table[row] ??= {};
            table[row]![kind] = problem ? "RED" : where;
            if (problem) red.push(`${row}, ${kind}: ${problem}`);
        };
        for (const kind of kinds) {
            if (kind === "disk") node.smallDisk();
            // There and back, so that each change begins where the other ended.
            for (let step = 1; step <= Math.max(activation.steps.length, removal.steps.length); step++) {
                await cell(activation, asked, kind, Math.min(step, activation.steps.length));
                await cell(removal, was, kind, Math.min(step, removal.steps.length));
            }
            if (kind === "disk") node.bigDisk();
        }
        await node.unstage();
        expect(node.picture()).to.equal(bare);
        node.restore();
        kubectl("delete", "pod", `faults-${name}`, "--wait=true");
        return red;
    }
});
