// State of one run of Pulumi. A process may serve several: a plugin, or a program that uses the Automation API.

import { getProject, getStack, runtime } from "@pulumi/pulumi";

interface Run {
    /** The components that manage each machine, their handlers, and the name of the machine in their `nodes`. */
    machines: Map<string, { urn: string; node: string; handlers: string[] }[]>;
    /** How often each name of a hook was used. */
    hooks: Map<string, number>;
}

const runs = new Map<unknown, Run>();

/** Each run has a resource monitor of its own. The components of a plugin have different clients of the same monitor. */
export function currentRun(): Run {
    const monitor = runtime.getMonitor() as { getChannel?(): { getTarget(): string } } | undefined;
    const address = monitor?.getChannel?.().getTarget();
    const key = address ? JSON.stringify([address, getProject(), getStack(), runtime.isDryRun()]) : monitor;
    const run = runs.get(key) ?? { machines: new Map(), hooks: new Map() };
    runs.set(key, run);
    return run;
}
