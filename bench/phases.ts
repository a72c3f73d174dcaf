// What the node program does with its time. It is sent with a few more lines, which say when each step begins and when those
// parts of a step begin and end that can take long; the text is otherwise the one that every node gets.

import { type Program, programOf, readProgram } from "../src/node/program";

/** Functions of the node program that are phases of their own. */
const parts: { [name: string]: string } = {
    try_stream: "download, sum, unpack",
    flush: "sync",
    restart: "restart",
    gate_containerd: "gate",
    gate_kubelet: "gate",
    prune: "remove releases",
    status: "status",
};

/** The phase that a step belongs to. */
const steps: { [step: string]: string } = {
    owner: "look at the node",
    "host checks": "look at the node",
    containerd: "look at the node",
    kubelet: "look at the node",
    "health before": "look at the node",
    sandboxes: "look at the node",
    leave: "report",
};
export const phases = [
    "connect",
    "program transfer",
    "look at the node",
    "download, sum, unpack",
    "sync",
    "configure",
    "restart",
    "gate",
    "remove releases",
    "status",
    "report",
] as const;
export type Phases = { [phase: string]: number };

export const mark = (what: string) => `echo "@ $(date +%s.%N) ${what}"`;

/** The node program, which then says when. */
export function timedProgram(): Program {
    let { text } = readProgram();
    text = text.replace(/^step\(\) .*$/m, `step() { STEP=$1; ${mark("step $1")}; }`);
    text = text.replace(/^leave\(\) \{\n.*$/m, `$&\n    ${mark("step leave")}`);
    for (const part of Object.keys(parts)) {
        const timed = `${part}() { ${mark(`begin ${part}`)}; timed_${part} "$@" && timed_rc=0 || timed_rc=$?; ${mark("end")}; return $timed_rc; }`;
        text = text.replace(new RegExp(`^${part}\\(\\) `, "m"), `${timed}\ntimed_$&`);
    }
    return programOf(text);
}

/**
 * Adds what one command took, from its marks, to the phases.
 * @param began, ended: seconds since the epoch, on this machine, whose clock is that of the nodes
 */
export function addPhases(to: Phases, output: string, began: number, ended: number): void {
    const add = (phase: string, seconds: number) => {
        to[phase] = (to[phase] ?? 0) + seconds;
    };
    let last = began;
    const doing = ["connect"];
    for (const [, time, kind, what] of output.matchAll(/^@ (\S+) (connected|step|begin|end) ?(.*)$/gm)) {
        add(doing.at(-1)!, Number(time) - last);
        last = Number(time);
        if (kind === "connected") doing[0] = "program transfer";
        else if (kind === "step") doing[0] = steps[what!] ?? "configure";
        else if (kind === "begin") doing.push(parts[what!]!);
        else doing.pop();
    }
    // Until the caller knows that it is over.
    add("report", ended - last);
}
