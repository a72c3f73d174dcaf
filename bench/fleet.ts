// How it grows with the number of nodes: real ones, then many that are simulated.

import { command, inventory, up } from "../tests/e2e/lab";
import type { Bench } from "./bench";
import { first, kataArguments, type Nodes, type Release, startSimulated } from "./nodes";
import { Project } from "./project";
import type { Ran } from "./run";
import { kilobytes, megabytes, Samples, seconds, spread, table } from "./statistics";

const real = 8; // as many as the lab has room for
const programs = ["pulumi", "node", "pulumi-resource-command", "pulumi-resource-kubernetes"];

export async function benchFleet(bench: Bench): Promise<void> {
    bench.say("Fleets");
    const { release } = bench.archive("miniature");
    const rows: string[][] = [];
    const memory: string[][] = [];
    const empty = await emptyProgram(bench);
    const measure = async (kind: string, nodes: Nodes) => {
        const fleet = await oneFleet(bench, kind, nodes, release, empty);
        rows.push(fleet.row);
        memory.push(fleet.memory);
    };

    const there = Object.keys(inventory().nodes).length;
    command("up", ...Array.from({ length: real - there }, (_, i) => `bench-${i + 1}=2.3`));
    up();
    for (const count of [1, 3, real]) await measure("real", first(bench.nodes, count));
    await measure("simulated", startSimulated(50));
    await waves(bench, startSimulated(50), release);
    await measure("simulated", startSimulated(200));

    bench.print(
        "seconds, of a miniature release, all nodes at once; `unchanged` is a median",
        table(
            [
                "nodes",
                "preview",
                "first up",
                "unchanged up",
                "added over empty",
                "change on all",
                "destroy",
                "state, kB per node",
            ],
            rows,
        ),
    );
    bench.print(
        "peak memory in MB, of the first up",
        table(["nodes", "engine (pulumi)", "program (node)", "command provider", "kubernetes provider"], memory),
    );
}

async function emptyProgram(bench: Bench): Promise<number> {
    const project = await Project.create("empty");
    try {
        await project.up();
        const took: number[] = [];
        for (let round = 0; round < bench.rounds; round++) took.push((await project.up()).seconds);
        return spread(took).median;
    } finally {
        project.forget();
    }
}

async function oneFleet(bench: Bench, kind: string, nodes: Nodes, release: Release, empty: number) {
    const count = Object.keys(nodes).length;
    const project = await Project.create("kata");
    const emptyState = project.state();
    try {
        project.arguments = kataArguments(nodes, release);
        const preview = await project.preview();
        const install = await project.up();
        const state = (project.state() - emptyState) / count;
        const unchanged: Ran[] = [];
        for (let round = 0; round < 3; round++) unchanged.push(await project.up());
        project.arguments = kataArguments(nodes, release, { qemu: { debug: true } });
        const change = await project.up();
        const destroy = await project.destroy();
        const same = spread(unchanged.map(({ seconds }) => seconds)).median;

        const name = `${count} ${kind}`;
        bench.record(`fleet, ${name}`, {
            ...Object.fromEntries(
                Object.entries({ preview, install, change, destroy }).map(([k, { seconds, memory }]) => [
                    k,
                    { seconds, memory },
                ]),
            ),
            unchanged: unchanged.map(({ seconds, memory }) => ({ seconds, memory })),
            statePerNode: state,
        });
        if (count === 200)
            bench.target(
                "unchanged `up`, added over an empty program, 200 nodes",
                "≤ 3 s",
                `${seconds(same - empty)} s`,
                same - empty <= 3,
            );
        if (count === 50) bench.target("state per node", "≤ 25 kB", `${kilobytes(state)} kB`, state <= 25000);
        return {
            row: [
                name,
                ...[preview.seconds, install.seconds, same, same - empty, change.seconds, destroy.seconds].map(seconds),
                kilobytes(state),
            ],
            memory: [name, ...programs.map((program) => megabytes(install.memory[program] ?? 0))],
        };
    } finally {
        await project.remove();
    }
}

/** The same change, so many nodes at a time. */
async function waves(bench: Bench, nodes: Nodes, release: Release): Promise<void> {
    const project = await Project.create("kata");
    try {
        const samples = new Samples();
        const count = Object.keys(nodes).length;
        let debug = false;
        project.arguments = kataArguments(nodes, release, { qemu: { debug } });
        await project.up();
        for (const maxUnavailable of [1, 5, count]) {
            debug = !debug;
            project.arguments = kataArguments(nodes, release, { qemu: { debug }, rollout: { maxUnavailable } });
            samples.add(`${maxUnavailable}`, (await project.up()).seconds);
        }
        bench.print(
            `waves: a change on ${count} simulated nodes`,
            table(
                ["rollout.maxUnavailable", "seconds"],
                samples.spreads().map(([name, { median }]) => [name, seconds(median)]),
            ),
        );
        bench.record("waves", samples.spreads());
    } finally {
        await project.remove();
    }
}
