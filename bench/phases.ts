// The time that the node program spends in each phase. It runs with timings.sh, which prints marks; the rest of its text is
// the one that every node gets.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Program } from "../src/node/program";
import { programWith } from "../tests/support/program";

/** In the order of the table. timings.sh has all but the first two, which end before the program starts. */
export const phases = [
    "connect",
    "program transfer",
    "probe the node",
    "download, checksum, unpack",
    "sync",
    "configure",
    "restart",
    "health gate",
    "wait",
    "remove releases",
    "status",
    "report",
] as const;
export type Phases = { [phase: string]: number };

/** A shell command that marks the end of the phase `connect`. */
export const connected = 'read -r at _ </proc/uptime && echo "@ $at enter program transfer"';

/** In seconds, by the clock of the marks. Nodes share it with this machine. */
export const uptime = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

/** The node program with marks in its output. */
export const timedProgram = (): Program => programWith(join(__dirname, "timings.sh"));

/**
 * Adds the durations of one command's phases, computed from the marks in its output.
 * @param began, ended in seconds, by the clock of the marks
 */
export function addPhases(to: Phases, output: string, began: number, ended: number): void {
    const add = (phase: string, seconds: number) => {
        to[phase] = (to[phase] ?? 0) + seconds;
    };
    let last = began;
    let phase = "connect";
    let command: string | undefined;
    for (const [, time, kind, name] of output.matchAll(/^@ (\S+) (enter|begin|end) ?(.*)$/gm)) {
        add(command ?? phase, Number(time) - last);
        last = Number(time);
        if (kind === "enter") phase = name!;
        else command = kind === "begin" ? name : undefined;
    }
    // Until the caller has received everything.
    add("report", ended - last);
}
