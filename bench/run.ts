// Programs that are run to be measured: how long, and how much memory each program among their descendants had at most.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";

export interface Ran {
    seconds: number;
    output: string;
    /** Peak resident bytes by the name of the program. */
    memory: { [program: string]: number };
}

export interface Options {
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    input?: string;
    onLine?: (line: string) => void;
    /** Also after `stop`, for it cleans up. */
    always?: boolean;
}

const running = new Set<ChildProcess>();
let stopped = false;

/** Ends what runs; what would be run after that fails. */
export function stop(): void {
    stopped = true;
    for (const child of running) child.kill("SIGTERM");
}

export async function run(command: string, args: string[], options: Options = {}): Promise<Ran> {
    if (stopped && !options.always) throw new Error("interrupted");
    const began = performance.now();
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env });
    running.add(child);
    const memory: Ran["memory"] = {};
    const sampling = setInterval(() => sample(child.pid!, memory), 200);

    let output = "";
    const collect = (line: string) => {
        output += `${line}\n`;
        options.onLine?.(line);
    };
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", collect);
    child.stdin.on("error", () => {}); // it may end without reading all
    child.stdin.end(options.input ?? "");
    try {
        const code = await new Promise<number | null>((resolve, reject) => {
            child.on("error", reject);
            child.on("close", resolve);
        });
        const seconds = (performance.now() - began) / 1000;
        if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit status ${code}\n${output.slice(-6000)}`);
        return { seconds, output, memory };
    } finally {
        clearInterval(sampling);
        running.delete(child);
    }
}

/** Notes the peak of a process and of its descendants so far, as the kernel keeps it. */
function sample(pid: number, memory: Ran["memory"]): void {
    try {
        const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
        const name = basename(program);
        memory[name] = Math.max(memory[name] ?? 0, Number(kilobytes ?? 0) * 1024);
        for (const thread of readdirSync(`/proc/${pid}/task`)) {
            const children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
            for (const child of children.split(" ").filter(Boolean)) sample(Number(child), memory);
        }
    } catch {
        // It has ended meanwhile.
    }
}
