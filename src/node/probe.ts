// Whether the nodes still are as they were applied: each is asked over SSH while the program runs, in a preview too.
// Nothing is changed by it.

import * as pulumi from "@pulumi/pulumi";
import { Drift } from "../args";
import { lookError } from "../check/errors";
import { labelDrift, type Metadata, type RuntimeClassDrift, runtimeClassDrift } from "../cluster/drift";
import { drift as driftCommand } from "./commands";
import type { Program } from "./program";
import { Connections, type Endpoint, HostKeyError, UnansweredError } from "./ssh";

/** What is seen of a node. Of one that is not looked at, nothing. */
export interface Look {
    /** What the texts of the commands carry, so that they change where the node has drifted, and only there. */
    stage?: string;
    activate?: string;
    /** The node could not be looked at, and has to stay as it is. */
    unseen?: boolean;
    /** Its label is not as it was. */
    unlabeled?: boolean;
}

export interface Looks {
    nodes: { [node: string]: Look };
    runtimeClass?: RuntimeClassDrift;
}

/** How long a node may take to answer, for there are slow ones, and, in an update, a machine to start. In milliseconds. */
export const limits = { answer: 120_000, start: 60_000, pause: 3_000 };

/** Looks at all nodes at once. */
export async function look(
    name: string,
    connections: { [node: string]: pulumi.Output<Endpoint> },
    program: Program,
    drift: pulumi.Input<Drift> | undefined,
    runtimeClass: { name: pulumi.Output<string>; adopt: boolean; overhead: pulumi.Output<boolean> },
    component: pulumi.Resource,
): Promise<Looks> {
    const mode = (await known(pulumi.output(drift))) ?? Drift.Warn;
    if (mode === Drift.Off) return { nodes: {} };
    const runtimeClassName = await known(runtimeClass.name);
    const overhead = (await known(runtimeClass.overhead)) ?? false;
    const open = new Connections();
    let changed: RuntimeClassDrift | undefined;
    const without: string[] = [];
    const problems: string[] = [];

    const visit = async (node: string, output: pulumi.Output<Endpoint>): Promise<Look> => {
        const connection = await known(output);
        if (connection === undefined) return {};
        try {
            const answer = parse(await ask(open, connection, driftCommand(program, node, runtimeClassName)));
            const label = labelDrift(answer.node);
            if (label) answer.drift.push(label);
            changed ??= runtimeClassDrift(answer.runtimeClass, { ...runtimeClass, overhead });

            if (!answer.installed) without.push(node);
            if (answer.drift.length > 0) pulumi.log.warn(`${node}: ${answer.drift.join("; ")}`, component);
            for (const sandboxes of answer.old) pulumi.log.info(`${node}: ${sandboxes}`, component);
            return { ...answer.generations, unlabeled: label !== undefined };
        } catch (error) {
            const problem = `${node}: ${(error as Error).message}`;
            if (mode === Drift.Enforce || error instanceof HostKeyError) problems.push(problem);
            else pulumi.log.warn(`${problem}; it cannot be looked at, so what is there stays as it is`, component);
            return { unseen: true };
        }
    };
    const visits = Object.entries(connections).map(async ([node, output]) => [node, await visit(node, output)]);
    const looks = await Promise.all(visits).finally(() => open.end());
    if (problems.length > 0) throw lookError(name, problems);
    if (without.length > 0) pulumi.log.info(`not installed, or by another version: ${without.join(", ")}`, component);
    if (changed) pulumi.log.warn(`RuntimeClass ${runtimeClassName}: ${changed.reason}`, component);
    return { nodes: Object.fromEntries(looks), runtimeClass: changed };
}

/** The value; undefined where a preview cannot know it yet. Pulumi has no way of asking that is public. */
function known<T>(output: pulumi.Output<T>): Promise<T | undefined> {
    return (output as unknown as { promise(): Promise<T | undefined> }).promise();
}

/** What the node prints. */
async function ask(open: Connections, connection: Endpoint, command: string): Promise<string> {
    const end = Date.now() + (pulumi.runtime.isDryRun() ? 0 : limits.start);
    for (let attempt = 0; ; attempt++) {
        try {
            const { stdout, stderr, code } = await within(limits.answer, open.run(connection, command));
            if (code === 0) return stdout;
            const words = stderr.split("\n").find((line) => line.startsWith("error: "));
            throw new Error(words?.slice("error: ".length) ?? `the command ended with status ${code}`);
        } catch (error) {
            const again = error instanceof UnansweredError && attempt !== connection.dialErrorLimit;
            if (!again || Date.now() + limits.pause > end) throw error;
            await new Promise((resolve) => setTimeout(resolve, limits.pause));
        }
    }
}

function within<T>(time: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout;
    const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${time / 1000} s`)), time);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

interface Answer {
    installed: boolean;
    generations: Pick<Look, "stage" | "activate">;
    drift: string[];
    old: string[];
    node: Metadata;
    runtimeClass: Metadata;
}

function parse(stdout: string): Answer {
    const line = stdout.trimEnd().split("\n").at(-1)!;
    // There is no program of ours on the node: all it can tell is a generation that was never there.
    if (/^[0-9a-f]{12}$/.test(line)) {
        const generations = { stage: line, activate: line };
        return { installed: false, generations, drift: [], old: [], node: {}, runtimeClass: {} };
    }
    try {
        const { stage, activate, old, node, runtimeClass } = JSON.parse(line);
        const drift = [...new Set<string>([...stage.drift, ...activate.drift])];
        const generations = { stage: stage.generation, activate: activate.generation };
        return { installed: true, generations, drift, old, node: node ?? {}, runtimeClass: runtimeClass ?? {} };
    } catch {
        throw new Error(`its answer must be one line of JSON, and is: ${line.slice(0, 200)}`);
    }
}
