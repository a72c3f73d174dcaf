// Growth with the number of nodes: a few real ones, then many simulated ones.

import { command, inventory, up } from "../tests/support/lab";
import type { Bench } from "./bench";
import { first, kataArguments, type Nodes, type Release, startSimulated } from "./nodes";
import { Project, programs, unsaved } from "./project";
import type { Ran } from "./run";
import { kilobytes, megabytes, Samples, seconds, spread, table } from "./statistics";

// Each real node takes 17 of the 128 inotify instances that the kernel allows a user by default, and another lab with two
// nodes may be up.
const real = 5;
const [many, most] = [50, 200];

export async function benchFleet(bench: Bench): Promise<void> {
    bench.say("Fleets");
    const { release } = bench.archive("miniature");
    const rows: string[][] = [];
    const memory: string[][] = [];
    const empty = await emptyProgram();
    const measure = async (kind: string, nodes: Nodes, env = {}) => {
        const fleet = await oneFleet(bench, kind, nodes, release, empty, env);
        rows.push(fleet.row);
        memory.push(fleet.memory);
    };

    const existing = Object.keys(inventory().nodes).length;
    command("up", ...Array.from({ length: real - existing }, (_, i) => `bench-${i + 1}=2.3`));
    up();
    try {
        for (const count of [1, 3, real]) await measure("real", first(bench.nodes, count));
        await measure("simulated, without checkpoints", startSimulated(many), unsaved);
        await measure("simulated, without checkpoints", startSimulated(most), unsaved);
        await waves(bench, startSimulated(many), release);
        await measure("simulated", startSimulated(many));
    } finally {
        // This takes long, so print the results so far if it is interrupted.
        bench.print("seconds, miniature release, all nodes at once; `unchanged` is a median", table(columns, rows));
        bench.print("peak memory in MB during the first up", table(["nodes", ...Object.keys(programs)], memory));
    }
}

const columns = [
    "nodes",
    "preview",
    "first up",
    "unchanged up",
    "added over empty",
    "over bare resources",
    "change on all",
    "destroy",
    "state, kB per node",
];

const rounds = 5;

/** The medians of unchanged updates, in seconds. They take turns, because the speed of a machine changes within minutes. */
async function unchanged(...projects: Project[]): Promise<number[]> {
    const runs: Ran[][] = projects.map(() => []);
    for (let round = 0; round < rounds; round++) {
        for (const [i, project] of projects.entries()) runs[i]!.push(await project.up());
    }
    return runs.map((ran) => spread(ran.map(({ seconds }) => seconds)).median);
}

async function emptyProgram(): Promise<number> {
    const project = await Project.create("empty");
    try {
        await project.up();
        return (await unchanged(project))[0]!;
    } finally {
        project.forget();
    }
}

async function oneFleet(bench: Bench, kind: string, nodes: Nodes, release: Release, empty: number, env: object) {
    const count = Object.keys(nodes).length;
    const project = await Project.create("kata", { ...env });
    // The same resources without the component: commands that do nothing, labels, a RuntimeClass.
    const bare = await Project.create("bare", { ...env });
    const emptyState = project.state();
    try {
        project.arguments = kataArguments(nodes, release);
        const preview = await project.preview();
        const install = await project.up();
        const state = (project.state() - emptyState) / count;
        const parts = project.stateParts();
        bare.arguments = kataArguments(nodes, release, { kubernetes: true });
        await bare.up();
        const [same, sameBare] = (await unchanged(project, bare)) as [number, number];
        const added = same - sameBare;
        // The work on the nodes of the largest fleet, which share the processors, would take half of the whole bench.
        let [change, destroy]: Ran[] = [];
        if (count < most) {
            project.arguments = kataArguments(nodes, release, { debug: true });
            change = await project.up();
            destroy = await project.destroy();
        }

        const name = `${count} ${kind}`;
        bench.record(`fleet, ${name}`, {
            runs: { preview, install, change, destroy },
            unchanged: { component: same, bareResources: sameBare },
            statePerNode: state,
            stateParts: parts,
        });
        if (count === most) {
            const what = `unchanged \`up\`, added over the same resources, ${count} nodes`;
            bench.target(what, "≤ 1.5 s", `${seconds(added)} s`, added <= 1.5);
            bench.target("state per node", "≤ 30 kB", `${kilobytes(state)} kB`, state <= 30000);
            bench.print(
                "largest parts of the state per node, in kB",
                table(
                    ["part", "kB"],
                    parts.slice(0, 8).map(([what, bytes]) => [what, kilobytes(bytes / count)]),
                ),
            );
        }
        return {
            row: [
                name,
                ...[preview.seconds, install.seconds, same, same - empty, added].map(seconds),
                ...[change, destroy].map((ran) => (ran ? seconds(ran.seconds) : "-")),
                kilobytes(state),
            ],
            memory: [name, ...Object.values(programs).map((program) => megabytes(install.memory[program] ?? 0))],
        };
    } finally {
        try {
            await bare.remove();
        } finally {
            if (count < most) await project.remove();
            else project.forget();
        }
    }
}

/** The same change with different values of `rollout.maxUnavailable`. */
async function waves(bench: Bench, nodes: Nodes, release: Release): Promise<void> {
    const project = await Project.create("kata", unsaved);
    try {
        const samples = new Samples();
        const count = Object.keys(nodes).length;
        let debug = false;
        project.arguments = kataArguments(nodes, release, { debug });
        await project.up();
        for (const maxUnavailable of [1, 5, count]) {
            debug = !debug;
            project.arguments = kataArguments(nodes, release, { debug, rollout: { maxUnavailable } });
            samples.add(`${maxUnavailable}`, (await project.up()).seconds);
            if (maxUnavailable === 5) {
                const mean = project.dependencies() / project.resources().length;
                bench.target(
                    `dependencies of a resource, mean, ${count} nodes with \`maxUnavailable: 5\``,
                    "≤ 5",
                    mean.toFixed(1),
                    mean <= 5,
                );
            }
        }
        bench.print(
            `waves: a change on ${count} simulated nodes, without checkpoints`,
            table(
                ["rollout.maxUnavailable", "seconds"],
                samples.spreads().map(([name, { median }]) => [name, seconds(median)]),
            ),
        );
        bench.record("waves", samples.spreads());
    } finally {
        project.forget();
    }
}
