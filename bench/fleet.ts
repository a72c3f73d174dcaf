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
    "with as much state",
    "change on all",
    "destroy",
    "state, kB per node",
];

async function thrice(project: Project): Promise<Ran[]> {
    const runs: Ran[] = [];
    for (let round = 0; round < 3; round++) runs.push(await project.up());
    return runs;
}
const median = (runs: Ran[]) => spread(runs.map(({ seconds }) => seconds)).median;

async function emptyProgram(): Promise<number> {
    const project = await Project.create("empty");
    try {
        await project.up();
        return median(await thrice(project));
    } finally {
        project.forget();
    }
}

/**
 * Unchanged updates of the same resources without the component: commands that do nothing, labels, a RuntimeClass.
 *
 * @param state the bytes that the stack has with the component
 * @returns seconds, also with commands that have so much text that their state is as large as the component's
 */
async function bareResources(nodes: Nodes, release: Release, env: object, state: number) {
    const project = await Project.create("bare", { ...env });
    const update = async (create = {}) => {
        project.arguments = kataArguments(nodes, release, { kubernetes: true, create });
        await project.up();
        return median(await thrice(project));
    };
    try {
        const small = await update();
        // The state has it in the inputs, the outputs and the output of each of the two commands.
        const missing = "x".repeat(Math.max(0, state - project.state()) / Object.keys(nodes).length / 2 / 3);
        return { small, large: await update({ stage: `echo ${missing}`, activate: `echo ${missing}` }) };
    } finally {
        await project.remove();
    }
}

async function oneFleet(bench: Bench, kind: string, nodes: Nodes, release: Release, empty: number, env: object) {
    const count = Object.keys(nodes).length;
    const project = await Project.create("kata", { ...env });
    const emptyState = project.state();
    try {
        project.arguments = kataArguments(nodes, release);
        const preview = await project.preview();
        const install = await project.up();
        const stack = project.state();
        const state = (stack - emptyState) / count;
        const parts = project.stateParts();
        const unchanged = await thrice(project);
        const same = median(unchanged);
        const bare = await bareResources(nodes, release, env, stack);
        // The work on the nodes of the largest fleet, which share the processors, would take half of the whole bench.
        let [change, destroy]: Ran[] = [];
        if (count < most) {
            project.arguments = kataArguments(nodes, release, { debug: true });
            change = await project.up();
            destroy = await project.destroy();
        }

        const name = `${count} ${kind}`;
        bench.record(`fleet, ${name}`, {
            runs: { preview, install, unchanged, change, destroy },
            unchangedBareResources: bare,
            statePerNode: state,
            stateParts: parts,
        });
        if (count === most) {
            const added = same - bare.small;
            const what = `unchanged \`up\`, added over the same resources, ${count} nodes`;
            const measured = `${seconds(added)} s; over resources with as much state ${seconds(same - bare.large)} s`;
            bench.target(what, "≤ 1.5 s", measured, added <= 1.5);
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
                ...[preview.seconds, install.seconds, same, same - empty, same - bare.small, same - bare.large].map(
                    seconds,
                ),
                ...[change, destroy].map((ran) => (ran ? seconds(ran.seconds) : "-")),
                kilobytes(state),
            ],
            memory: [name, ...Object.values(programs).map((program) => megabytes(install.memory[program] ?? 0))],
        };
    } finally {
        if (count < most) await project.remove();
        else project.forget();
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
