// The cost of the component with a DaemonSet, which does not grow with the number of nodes.

import type { Bench } from "./bench";
import { NodeObjects, nodeLabels } from "./nodeObjects";
import type { Release } from "./nodes";
import { Project, programs } from "./project";
import { Samples, type Spread, spreadOf, table } from "./statistics";

const sizes = [2, 200, 2000];

const emptyProgram = "unchanged up of an empty program, s";
const { "command provider": _, ...used } = programs;
const memoryOf = (program: string) => `memory of the ${program} in an unchanged up, MB`;
const rounded = ({ median }: Spread) => median.toFixed(0);
const rows: [what: string, cell: (spread: Spread) => string][] = [
    ["preview, s", spreadOf],
    ["unchanged up, s", spreadOf],
    [emptyProgram, spreadOf],
    ...Object.keys(used).map((program): [string, typeof rounded] => [memoryOf(program), rounded]),
    ["state, kB", ({ median }) => median.toFixed(1)],
    ["resources", rounded],
    ["dependencies between them", rounded],
    ["first up, s", rounded],
    ["destroy, s", rounded],
];
/** How much more of it the largest size may take than the smallest: noise. */
const limits = { "preview, s": 1.3, "unchanged up, s": 1.3, [memoryOf("program (node)")]: 1.1, "state, kB": 1.01 };
/** The sizes are measured minutes apart, so times are compared with those of an empty program, which take turns with them. */
const speed = (what: string, samples: Samples) => (what.endsWith(", s") ? samples.median(emptyProgram) : 1);

export async function benchDaemonSet(bench: Bench): Promise<void> {
    bench.say("The DaemonSet");
    const { release } = bench.archive("miniature");
    const empty = await Project.create("empty");
    const measured: Samples[] = [];
    try {
        await empty.up();
        for (const size of sizes) measured.push(await oneSize(size, release, empty, bench.rounds));
    } finally {
        empty.forget();
        const columns = measured.map((samples) => Object.fromEntries(samples.spreads()));
        bench.print(
            "Node objects without machines; median (min to max)",
            table(
                ["measurement", ...columns.map((_, i) => `${sizes[i]} nodes`)],
                rows.map(([what, cell]) => [what, ...columns.map((spreads) => cell(spreads[what]!))]),
            ),
        );
        bench.record("daemonSet", Object.fromEntries(columns.map((spreads, i) => [sizes[i], spreads])));
    }
    const [smallest, largest] = [measured[0]!, measured.at(-1)!];
    for (const [what, limit] of Object.entries(limits)) {
        const [more, less] = [largest, smallest].map((samples) => samples.median(what) / speed(what, samples));
        const ratio = more! / less!;
        const title = `DaemonSet, ${sizes.at(-1)} nodes compared with ${sizes[0]}: ${what.replace(/, \w+$/, "")}`;
        bench.target(title, `≤ ${limit} ×`, `${ratio.toFixed(2)} ×`, ratio <= limit);
    }
}

async function oneSize(size: number, release: Release, empty: Project, rounds: number): Promise<Samples> {
    const samples = new Samples();
    const nodes = await NodeObjects.create(size);
    try {
        const project = await Project.create("kata");
        try {
            const daemonSet = { nodeSelector: nodeLabels, image: "busybox:lab" };
            project.arguments = { daemonSet, version: "3.32.0", release };
            samples.add("first up, s", (await project.up()).seconds);
            for (let round = 0; round < rounds; round++) {
                samples.add("preview, s", (await project.preview()).seconds);
                const unchanged = await project.up();
                samples.add("unchanged up, s", unchanged.seconds);
                for (const [program, name] of Object.entries(used)) {
                    samples.add(memoryOf(program), (unchanged.memory[name] ?? 0) / 1e6);
                }
                samples.add(emptyProgram, (await empty.up()).seconds);
            }
            requireReady(project, size);
            samples.add("state, kB", project.state() / 1000);
            samples.add("resources", project.resources().length);
            samples.add("dependencies between them", project.dependencies());
            samples.add("destroy, s", (await project.destroy()).seconds);
            return samples;
        } finally {
            await project.remove();
        }
    } finally {
        await nodes.close();
    }
}

/** Otherwise the figures are not those of so many nodes. */
function requireReady(project: Project, size: number): void {
    const status = project.outputs().daemonSetStatus as { nodes?: number; ready?: number } | undefined;
    if (status?.nodes !== size || status.ready !== size) {
        throw new Error(`the status of ${size} nodes of the DaemonSet is ${JSON.stringify(status)}`);
    }
}
