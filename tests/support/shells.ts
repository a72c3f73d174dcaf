// Runs pieces of the node program under the shells and awks that nodes have.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programFiles, readProgram } from "../../src/node/program";
import { everything, randomFor, seed, spread } from "./sample";

/** Everything except the last file, which runs main. */
const functions = readProgram(programFiles().slice(0, -1)).text;

// zsh keeps an assignment in front of a function call after that call, like bash before 5.1 run as sh.
export const environments = [
    { name: "dash and mawk", shell: ["dash"], awk: "/usr/bin/mawk" },
    { name: "bash and gawk", shell: ["bash", "--posix"], awk: "/usr/bin/gawk" },
    { name: "zsh and mawk", shell: ["zsh", "--emulate", "sh"], awk: "/usr/bin/mawk" },
    { name: "busybox", shell: ["busybox", "sh"], awk: "/usr/bin/busybox" },
];
export type Environment = (typeof environments)[number];

export interface Result {
    status: number | null;
    stdout: string;
    stderr: string;
}

/** A test's own folder, which has the program's folders in it instead of the machine's. */
export class Sandbox {
    readonly folder = mkdtempSync(join(tmpdir(), "kata-node-"));
    /** The program reads the folder `proc` of the sandbox instead of /proc. */
    ownProc = false;

    constructor(readonly environment: Environment) {
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

    /** Runs a script after the program's functions, in the sandbox's folder. */
    run(script: string, env: { [name: string]: string } = {}): Promise<Result> {
        const program = this.write(
            "program.sh",
            `${this.ownProc ? functions.replaceAll("/proc/", `${this.path("proc")}/`) : functions}
            STATE_DIR=$PWD/state JOURNAL=$PWD/state/journal WORK_DIR=$PWD/work RUN_DIR=$PWD/run
            RELEASES_DIR=$PWD/releases KATA_LINK=$PWD/kata BOOT_UNIT=$PWD/systemd/unit
            mkdir -p "$STATE_DIR" "$WORK_DIR"
            flush() { :; } # power failures are tested in the lab
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

/** The same tests in every environment, or in some of them as a sample; each test in its own sandbox. */
export function inEveryShell(title: string, tests: (sandbox: () => Sandbox) => void, sampleSize = 2): void {
    const sample = everything ? environments : spread(environments, sampleSize, randomFor(seed, title));
    for (const environment of sample) {
        describe(`${title} (${everything ? "" : `KATA_TEST_SEED=${seed}, `}${environment.name})`, () => {
            let sandbox: Sandbox;
            beforeEach(() => {
                sandbox = new Sandbox(environment);
            });
            afterEach(() => sandbox.remove());
            tests(() => sandbox);
        });
    }
}

/** Real configuration files of Kata and containerd. */
export function fixtures(kind: "kata-config" | "containerd-config"): { name: string; text: string }[] {
    const folder = join(__dirname, "../fixtures", kind);
    return readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
}
