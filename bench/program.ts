// The program alone, without an engine, for many nodes: the component, and the same resources without it.

import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inventory } from "../tests/support/lab";
import type { Bench } from "./bench";
import { kataArguments } from "./nodes";
import { folderWithModules } from "./project";
import { run } from "./run";
import { megabytes, Samples, seconds, table } from "./statistics";

const count = 1000;
const programs = { kata: "the component", bare: "the same resources" };
const options = { "": "", "--stack-trace-limit=1": ", `--stack-trace-limit=1`" };

export async function benchProgram(bench: Bench): Promise<void> {
    bench.say("The program alone");
    const folder = folderWithModules();
    const [time, memory] = [new Samples(), new Samples()];
    try {
        for (const name of ["mocks", ...Object.keys(programs)]) {
            copyFileSync(join(__dirname, "programs", `${name}.js`), join(folder, `${name}.js`));
        }
        // No program connects to them.
        const [node] = Object.values(inventory().nodes);
        const nodes = Object.fromEntries(
            Array.from({ length: count }, (_, i) => [`node-${i + 1}`, { ...node!, port: i + 1 }]),
        );
        const { release } = bench.archive("miniature");
        for (let round = 0; round < bench.rounds; round++) {
            for (const [option, title] of Object.entries(options)) {
                for (const [program, what] of Object.entries(programs)) {
                    const given = kataArguments(nodes, release, program === "bare" ? { kubernetes: true } : {});
                    writeFileSync(join(folder, "arguments.json"), JSON.stringify(given));
                    const env = { ...process.env, NODE_OPTIONS: option };
                    const ran = await run("node", ["mocks.js", program], { cwd: folder, env });
                    time.add(what + title, ran.processor.node!);
                    memory.add(what + title, ran.memory.node!);
                }
            }
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
    bench.print(
        `${count} nodes, with mocks instead of an engine; medians`,
        table(
            ["program", "processor time, s", "peak memory, MB"],
            time.spreads().map(([what, { median }]) => [what, seconds(median), megabytes(memory.median(what))]),
        ),
    );
    bench.record("program", { time: time.spreads(), memory: memory.spreads() });
    const [used, needed] = [time.median(programs.kata), memory.median(programs.kata)];
    bench.target(`processor time of the program, ${count} nodes`, "≤ 12 s", `${seconds(used)} s`, used <= 12);
    bench.target(`memory of the program, ${count} nodes`, "≤ 400 MB", `${megabytes(needed)} MB`, needed <= 400e6);
}
