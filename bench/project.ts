// A Pulumi project with one of the bench's programs, run with the CLI as a user would. The programs are JavaScript, so that
// no compiler is timed.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Options, type Ran, run } from "./run";

export const checkout = join(__dirname, "..");

/** The folder that bench/tools prints. */
export const tool = (name: string) =>
    execFileSync(join(__dirname, "tools"), [name], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

/** A folder with its own node_modules, in which this package is installed. */
export function folderWithModules(): string {
    const folder = mkdtempSync(join(tmpdir(), "kata-bench-"));
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(checkout, join(folder, "node_modules/kata-containers"));
    for (const name of ["@pulumi", "typescript", "@types"]) {
        symlinkSync(join(checkout, "node_modules", name), join(folder, "node_modules", name));
    }
    return folder;
}

/**
 * Disables the engine's checkpoints: it writes the whole state before and after each step. With hundreds of nodes that
 * takes most of the time of an update and hides everything else.
 */
export const unsaved = { PULUMI_EXPERIMENTAL: "true", PULUMI_SKIP_CHECKPOINTS: "true" };

interface Resource {
    type: string;
    inputs?: { [property: string]: unknown };
    outputs?: { [property: string]: unknown };
    dependencies?: string[];
}

/** What runs in a command of Pulumi, by the names of the programs in its measurements. */
export const programs = {
    "engine (pulumi)": "pulumi",
    "program (node)": "node",
    "command provider": "pulumi-resource-command",
    "kubernetes provider": "pulumi-resource-kubernetes",
};

export class Project {
    private constructor(
        private readonly folder: string,
        private readonly env: NodeJS.ProcessEnv,
    ) {}

    /** @param program the name of a file in programs/, or the text of a Pulumi.yaml */
    static async create(program: string, env: NodeJS.ProcessEnv = {}): Promise<Project> {
        const folder = folderWithModules();
        mkdirSync(join(folder, "state"));
        const project = new Project(folder, env);
        if (program.includes("\n")) {
            writeFileSync(join(folder, "Pulumi.yaml"), program);
        } else {
            copyFileSync(join(__dirname, "programs", `${program}.js`), join(folder, "index.js"));
            writeFileSync(
                join(folder, "Pulumi.yaml"),
                "name: bench\nruntime: { name: nodejs, options: { typescript: false } }\n",
            );
            writeFileSync(join(folder, "package.json"), '{ "main": "index.js" }');
        }
        await project.pulumi(["stack", "init", "bench"]);
        return project;
    }

    set arguments(value: object) {
        writeFileSync(join(this.folder, "arguments.json"), JSON.stringify(value));
    }

    /** With a fixed parallelism, because the CLI's default depends on the number of processors. */
    up = () => this.pulumi(["up", "--yes", "--skip-preview", "--parallel=100"]);
    preview = (options: Options = {}, ...args: string[]) =>
        this.pulumi(["preview", "--parallel=100", ...args], options);
    destroy = (options: Options = {}) => this.pulumi(["destroy", "--yes", "--skip-preview", "--parallel=100"], options);

    /** The size of the state on disk, in bytes. */
    state = (): number => this.checkpoint().length;

    /** The size of each property, summed over all resources of a type, largest first. */
    stateParts(): [what: string, bytes: number][] {
        const sizes: { [what: string]: number } = {};
        for (const resource of this.resources()) {
            for (const kind of ["inputs", "outputs"] as const) {
                for (const [property, value] of Object.entries(resource[kind] ?? {})) {
                    const what = `${resource.type}, ${kind}, ${property}`;
                    sizes[what] = (sizes[what] ?? 0) + JSON.stringify(value).length;
                }
            }
        }
        return Object.entries(sizes).sort(([, a], [, b]) => b - a);
    }

    /** As they are in the state. */
    resources = (): Resource[] => JSON.parse(this.checkpoint()).checkpoint.latest.resources ?? [];

    /** How many dependencies the resources have together. */
    dependencies = () => this.resources().flatMap(({ dependencies = [] }) => dependencies).length;

    outputs = () => this.resources().find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};

    private checkpoint = () => readFileSync(join(this.folder, "state/.pulumi/stacks/bench/bench.json"), "utf8");

    /** Destroys the stack, then removes the project. */
    async remove(): Promise<void> {
        try {
            await this.destroy({ always: true });
        } finally {
            this.forget();
        }
    }

    /** Removes the project only, for a stack whose nodes are removed too. */
    forget(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }

    private pulumi(args: string[], options: Options = {}): Promise<Ran> {
        return run("pulumi", [...args, "--non-interactive"], {
            ...options,
            cwd: this.folder,
            env: { ...process.env, PULUMI_BACKEND_URL: `file://${this.folder}/state`, ...this.env, ...options.env },
        });
    }
}
