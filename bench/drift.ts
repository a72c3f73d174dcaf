// The time that probing a hundred nodes adds to an unchanged preview, at a round trip of 20 ms. All these nodes share the
// processors of this machine, so two other commands are run on each of them too: one that does nothing, and one that only asks
// the questions of a probe.

import { readFileSync } from "node:fs";
import { connectionDefaults } from "../src/args";
import { Connections } from "../src/node/ssh";
import type { Bench } from "./bench";
import { questions } from "./node";
import { behind, kataArguments, type Nodes, startSimulated } from "./nodes";
import { Project, unsaved } from "./project";
import { Relay } from "./relay";
import { megabytes, Samples, seconds, spreadOf, table } from "./statistics";

const count = 100;

export async function benchDrift(bench: Bench): Promise<void> {
    bench.say("Probing for drift");
    const relay = new Relay(20);
    const project = await Project.create("kata", unsaved);
    try {
        const nodes = await behind(relay, startSimulated(count));
        const { release } = bench.archive("miniature");
        const setDrift = (drift: string) => {
            project.arguments = kataArguments(nodes, release, { drift });
        };
        setDrift("off");
        await project.up();
        relay.take();

        const samples = new Samples();
        const memory: { [drift: string]: number } = {};
        for (let round = 0; round < bench.rounds; round++) {
            for (const drift of ["off", "warn"]) {
                setDrift(drift);
                const ran = await project.preview();
                samples.add(`preview, drift ${drift}`, ran.seconds);
                samples.add(`processor time of the program, drift ${drift}`, ran.processor.node ?? 0);
                memory[drift] = Math.max(memory[drift] ?? 0, ran.memory.node ?? 0);
            }
            samples.add("a command that does nothing, on each node", await onEach(nodes, "true"));
            samples.add(minimum, await onEach(nodes, `{ ${questions}; } >/dev/null`));
        }
        const added = samples.median("preview, drift warn") - samples.median("preview, drift off");
        bench.print(
            `seconds for ${count} simulated nodes at 20 ms, median (min to max); the program's memory is ${megabytes(memory.off!)} MB without probing, ${megabytes(memory.warn!)} MB with it`,
            table(
                ["measurement", "seconds"],
                samples.spreads().map(([what, spread]) => [what, spreadOf(spread)]),
            ),
        );
        bench.record("drift", { spreads: samples.spreads(), memory });
        bench.target(
            `probing ${count} nodes, added to a preview`,
            "≤ 4 s",
            `${seconds(added)} s, its questions alone ${seconds(samples.median(minimum))} s`,
            added <= 4,
        );
    } finally {
        project.forget();
        await relay.close();
    }
}

const minimum = "minimum: the questions of a probe, on each node";

async function onEach(nodes: Nodes, command: string): Promise<number> {
    const began = performance.now();
    const open = new Connections();
    const runs = Object.values(nodes).map(({ privateKeyFile, ...connection }) =>
        open.run({ ...connectionDefaults, ...connection, privateKey: readFileSync(privateKeyFile, "utf8") }, command),
    );
    await Promise.all(runs);
    open.end();
    return (performance.now() - began) / 1000;
}
