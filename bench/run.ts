// Runs a program and measures its duration, and the memory and processor time of each program among its descendants.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";

export interface Ran {
    seconds: number;
    output: string;
    /** Peak resident bytes by the name of the program. */
    memory: { [program: string]: number };
    /** Processor seconds by the name of the program, sampled shortly before its end. */
    processor: { [program: string]: number };
}

export interface Options {
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    input?: string | Buffer;
    onLine?: (line: string) => void;
    /** Run also after `stop`, because it cleans up. */
    always?: boolean;
}

const running = new Set<ChildProcess>();
let stopped = false;

/** Ends the running programs; later calls of `run` fail. */
export function stop(): void {
    stopped = true;
    for (const child of running) child.kill("SIGTERM");
}

export async function run(command: string, args: string[], options: Options = {}): Promise<Ran> {
    if (stopped && !options.always) throw new Error("interrupted");
    const began = performance.now();
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env });
    running.add(child);
    const used: Used = { memory: {}, processor: {} };
    const sampling = setInterval(() => sample(child.pid!, used), 100);

    let output = "";
    const collect = (line: string) => {
        output += `${line}\n`;
        options.onLine?.(line);
    };
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", collect);
    child.stdin.on("error", () => {}); // it may end before it has read everything
    child.stdin.end(options.input ?? "");
    try {
        const code = await new Promise<number | null>((resolve, reject) => {
            child.on("error", reject);
            child.on("close", resolve);
        });
        const seconds = (performance.now() - began) / 1000;
        if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit status ${code}\n${output.slice(-6000)}`);
        return { seconds, output, ...used };
    } finally {
        clearInterval(sampling);
        running.delete(child);
    }
}

type Used = Pick<Ran, "memory" | "processor">;

/** Records what a process and its descendants have used so far, from the kernel's counters. */
function sample(pid: number, used: Used): void {
    try {
        const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const name = basename(program);
        const most = (what: keyof Used, value: number) => {
            used[what][name] = Math.max(used[what][name] ?? 0, value);
        };
        const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
        most("memory", Number(kilobytes ?? 0) * 1024);
        // The 12th and 13th field after the name in parentheses, in hundredths of a second.
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
            .replace(/^.*\) /, "")
            .split(" ");
        most("processor", (Number(stat[11]) + Number(stat[12])) / 100);
        for (const thread of readdirSync(`/proc/${pid}/task`)) {
            const children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
            for (const child of children.split(" ").filter(Boolean)) sample(Number(child), used);
        }
    } catch {
        // The process has ended.
    }
}
