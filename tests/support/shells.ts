// Runs pieces of the node program under the shells and awks that nodes have.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const source = join(__dirname, "../../node");

/** Everything but the last line, which runs main. */
const functions = readdirSync(source)
    .sort()
    .map((file) => readFileSync(join(source, file), "utf8"))
    .join("\n")
    .replace(/^main "\$@".*/m, "");

export const environments = [
    { name: "dash and mawk", shell: ["dash"], awk: "/usr/bin/mawk" },
    { name: "bash and gawk", shell: ["bash", "--posix"], awk: "/usr/bin/gawk" },
    { name: "busybox", shell: ["busybox", "sh"], awk: "/usr/bin/busybox" },
];
export type Environment = (typeof environments)[number];

export interface Result {
    status: number | null;
    stdout: string;
    stderr: string;
}

/** A folder of its own for a test, with the program's folders in it instead of the machine's. */
export class Sandbox {
    readonly folder = mkdtempSync(join(tmpdir(), "kata-node-"));

    constructor(private readonly environment: Environment) {
        mkdirSync(join(this.folder, "path"));
        symlinkSync(environment.awk, join(this.folder, "path/awk"));
    }

    path(name: string): string {
        return join(this.folder, name);
    }

    write(name: string, content: string | Buffer): string {
        mkdirSync(join(this.path(name), ".."), { recursive: true });
        writeFileSync(this.path(name), content);
        return this.path(name);
    }

    /** Runs a script after the program's functions; a file it is to read is put in the folder, its working directory. */
    run(script: string, env: { [name: string]: string } = {}): Promise<Result> {
        const program = this.write(
            "program.sh",
            `${functions}
            STATE=$PWD/state NEXT=$PWD/next RELEASES=$PWD/releases KATA=$PWD/kata JOURNAL=$PWD/state/journal
            BOOT_UNIT=$PWD/unit BOOT_LINK=$PWD/unit-link RUN=$PWD/run
            mkdir -p "$STATE" "$NEXT"
            flush() { :; } # what survives a power cut is for the lab to show
            ${script}`,
        );
        const [command, ...args] = this.environment.shell as [string, ...string[]];
        const child = spawn(command, [...args, program], {
            cwd: this.folder,
            env: { ...process.env, PATH: `${this.path("path")}:${process.env.PATH}`, ...env },
            stdio: ["ignore", "pipe", "pipe"],
        });
        const output = { stdout: "", stderr: "" };
        child.stdout.on("data", (data) => {
            output.stdout += data;
        });
        child.stderr.on("data", (data) => {
            output.stderr += data;
        });
        return new Promise((resolve, reject) => {
            child.on("error", reject);
            child.on("close", (status) => resolve({ status, ...output }));
        });
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/** The same tests in every environment, each test in a sandbox of its own. */
export function inEveryShell(title: string, tests: (sandbox: () => Sandbox) => void): void {
    for (const environment of environments) {
        describe(`${title} (${environment.name})`, () => {
            let sandbox: Sandbox;
            beforeEach(() => {
                sandbox = new Sandbox(environment);
            });
            afterEach(() => sandbox.remove());
            tests(() => sandbox);
        });
    }
}

/** Real configuration files of Kata and containerd, for those who have them beside the checkout. */
export function fixtures(kind: "kata-config" | "containerd-config"): { name: string; text: string }[] {
    const folder = join(__dirname, "../fixtures", kind);
    try {
        return readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
    } catch {
        return [];
    }
}
