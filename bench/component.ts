// The cost of the component itself, with nothing to do on any node.

import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench";
import { kataArguments, startSimulated } from "./nodes";
import { checkout, folderWithModules, Project } from "./project";
import { run } from "./run";
import { Samples, seconds, spreadOf, table } from "./statistics";

export async function benchComponent(bench: Bench): Promise<void> {
    bench.say("The component itself");
    const samples = new Samples();
    await inProcess(bench, samples);
    await asPlugin(bench, samples);
    await modules(bench, samples);
    bench.print(
        "seconds, median (min to max)",
        table(
            ["measurement", "seconds"],
            samples.spreads().map(([what, spread]) => [what, spreadOf(spread)]),
        ),
    );
    bench.record("component", samples.spreads());

    const added =
        samples.median("unchanged up: the component, 1 node") - samples.median(`unchanged up: ${sameWithout}`);
    bench.target(
        "unchanged `up`, added over the same resources, 1 node",
        "≤ 0.3 s",
        `${seconds(added)} s`,
        added <= 0.3,
    );
    const ratio = samples.median("plugin to first resource: kata-containers") / samples.median(emptyPlugin);
    bench.target("plugin start to first resource", "≤ 1.2 × an empty one", `${ratio.toFixed(2)} ×`, ratio <= 1.2);
}

const sameWithout = "2 bare commands, label and RuntimeClass";
const emptyPlugin = "plugin to first resource: empty component package";

/** Unchanged programs. */
async function inProcess(bench: Bench, samples: Samples): Promise<void> {
    const nodes = startSimulated(1);
    const { release } = bench.archive("miniature");
    const programs: [name: string, program: string, args: object][] = [
        ["empty program", "empty", {}],
        ["2 bare commands", "bare", kataArguments(nodes, release)],
        [sameWithout, "bare", kataArguments(nodes, release, { kubernetes: true })],
        ["the component, 1 node", "kata", kataArguments(nodes, release)],
    ];
    const projects: [string, Project][] = [];
    try {
        for (const [name, program, args] of programs) {
            const project = await Project.create(program);
            projects.push([name, project]);
            project.arguments = args;
            await project.up();
        }
        // In turn, so that a slow moment of this machine affects all of them.
        for (let round = 0; round < bench.rounds; round++) {
            for (const [name, project] of projects) {
                samples.add(`unchanged up: ${name}`, (await project.up()).seconds);
                samples.add(`preview: ${name}`, (await project.preview()).seconds);
            }
        }
    } finally {
        for (const [, project] of projects) project.forget();
    }
}

/** The time from the start of `pulumi preview` until the engine registers the component, which a plugin creates. */
async function asPlugin(bench: Bench, samples: Samples): Promise<void> {
    const folder = folderWithModules();
    try {
        for (const file of ["index.ts", "PulumiPlugin.yaml"]) {
            copyFileSync(join(__dirname, "programs/empty-component", file), join(folder, file));
        }
        writeFileSync(
            join(folder, "package.json"),
            '{ "name": "empty-component", "version": "0.1.0", "main": "index.js" }',
        );
        const options = JSON.parse(readFileSync(join(checkout, "tsconfig.json"), "utf8")).compilerOptions;
        const tsconfig = { compilerOptions: { ...options, rootDir: ".", outDir: "." }, files: ["index.ts"] };
        writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
        await run("node", [join(checkout, "node_modules/typescript/bin/tsc")], { cwd: folder });
        mkdirSync(join(folder, "path"));
        plugin(join(folder, "path"), "empty-component", folder);
        plugin(join(folder, "path"), "kata-containers", checkout);
        const env = {
            PATH: `${join(folder, "path")}:${process.env.PATH}`,
            PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true",
        };

        const programs: [name: string, type: string, properties: string][] = [
            [emptyPlugin, "empty-component:Empty", "{ text: any }"],
            [
                "plugin to first resource: kata-containers",
                "kata-containers:KataContainers",
                "{ nodes: { a: { connection: { host: 192.0.2.1, password: p } } } }",
            ],
        ];
        const projects: [name: string, type: string, project: Project][] = [];
        for (const [name, type, properties] of programs) {
            const yaml = `name: bench\nruntime: yaml\nresources:\n  it:\n    type: ${type}\n    properties: ${properties}\n`;
            projects.push([name, type.replace(":", ":index:"), await Project.create(yaml)]);
        }
        for (let round = 0; round < bench.rounds; round++) {
            for (const [name, type, project] of projects) {
                const began = performance.now();
                let first: number | undefined;
                const onLine = (line: string) => {
                    if (line.includes("resourcePreEvent") && line.includes(type)) first ??= performance.now();
                };
                await project.preview({ env, onLine }, "--json");
                samples.add(name, (first! - began) / 1000);
            }
        }
        for (const [, , project] of projects) project.forget();
    } finally {
        rmSync(folder, { recursive: true });
    }
}

/** Puts a plugin on PATH, as the language host of the lab does not run one from a folder. */
function plugin(folder: string, name: string, source: string): void {
    const file = join(folder, `pulumi-resource-${name}`);
    const runner = join(checkout, "node_modules/@pulumi/pulumi/cmd/run-plugin");
    writeFileSync(file, `#!/bin/sh\nexec node ${runner} ${source} "$@"\n`);
    chmodSync(file, 0o755);
}

/** The time that Node.js takes to load modules. */
async function modules(bench: Bench, samples: Samples): Promise<void> {
    const folder = folderWithModules();
    try {
        for (let round = 0; round < bench.rounds; round++) {
            for (const module of ["@pulumi/pulumi", "@pulumi/command", "kata-containers"]) {
                const { seconds } = await run("node", ["-e", `require("${module}")`], { cwd: folder });
                samples.add(`node, require("${module}")`, seconds);
            }
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
}
