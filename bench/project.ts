// A Pulumi project with one of the programs of the bench, used as a user does: by the CLI. The programs are JavaScript, so
// that no compiler is timed with them.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Options, type Ran, run } from "./run";

export const checkout = join(__dirname, "..");

/** The folder of what bench/tools makes. */
export const tool = (name: string) =>
    execFileSync(join(__dirname, "tools"), [name], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

/** A folder with node_modules of its own, in which this package is installed. */
export function folderWithModules(): string {
    const folder = mkdtempSync(join(tmpdir(), "kata-bench-"));
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(checkout, join(folder, "node_modules/kata-containers"));
    for (const name of ["@pulumi", "typescript", "@types"]) {
        symlinkSync(join(checkout, "node_modules", name), join(folder, "node_modules", name));
    }
    return folder;
}

export class Project {
    private constructor(private readonly folder: string) {}

    /** @param program the name of one in programs/, or a whole Pulumi.yaml */
    static async create(program: string): Promise<Project> {
        const folder = folderWithModules();
        mkdirSync(join(folder, "state"));
        const project = new Project(folder);
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

    /** As many things at once as are asked for, for the CLI's own default depends on the number of processors. */
    up = (parallel = 100) => this.pulumi(["up", "--yes", "--skip-preview", `--parallel=${parallel}`]);
    preview = (options: Options = {}, ...args: string[]) =>
        this.pulumi(["preview", "--parallel=100", ...args], options);
    destroy = (parallel = 100) => this.pulumi(["destroy", "--yes", "--skip-preview", `--parallel=${parallel}`]);

    /** The size of the state, in bytes, as it lies on disk. */
    state(): number {
        return readFileSync(join(this.folder, "state/.pulumi/stacks/bench/bench.json")).length;
    }

    /** Together with what is in its stack. */
    async remove(): Promise<void> {
        await this.destroy();
        this.forget();
    }

    forget(): void {
        rmSync(this.folder, { recursive: true });
    }

    private pulumi(args: string[], options: Options = {}): Promise<Ran> {
        return run("pulumi", [...args, "--non-interactive"], {
            ...options,
            cwd: this.folder,
            env: { ...process.env, PULUMI_BACKEND_URL: `file://${this.folder}/state`, ...options.env },
        });
    }
}
