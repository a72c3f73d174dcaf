// Probes the nodes for drift, over SSH, while the program runs, even in a preview. A probe changes nothing.

import * as pulumi from "@pulumi/pulumi";
import { Drift } from "../args";
import { probeError } from "../check/errors";
import { agreedDrift, labelDrift, type Metadata, type RuntimeClassDrift } from "../cluster/drift";
import { type Answer, ask } from "./ask";
import { probe as probeCommand } from "./commands";
import type { Program } from "./program";
import { Connections, type Endpoint, HostKeyError, UnreachableError } from "./ssh";

/** The result for one node; empty for a node that is unreachable or not probed. */
export interface ProbeResult {
    /** New revisions of the commands, if the node has drifted. */
    stage?: string;
    activate?: string;
    /** The label of the node has drifted. */
    unlabeled?: boolean;
}

export interface ProbeResults {
    nodes: { [node: string]: ProbeResult };
    /** By their names. */
    runtimeClasses: { [name: string]: RuntimeClassDrift | undefined };
}

export interface ProbeRequest {
    /** The name of the component. */
    name: string;
    component: pulumi.Resource;
    owner: pulumi.Output<string>;
    endpoints: { [node: string]: pulumi.Output<Endpoint> };
    program: Program;
    drift: pulumi.Input<Drift> | undefined;
    /** By their names; `hasOverhead` is not known in a preview that does not know the plan yet. */
    runtimeClasses: { [name: string]: { adopt: boolean; hasOverhead: pulumi.Output<boolean> } };
}

/** The time a node may take to answer, the time a machine may take to start (in an update), and between retries, in ms. */
const defaultTimeouts = { answer: 120_000, start: 60_000, pause: 3_000 };
type Timeouts = typeof defaultTimeouts;

/** Probes all nodes at once. */
export async function probeNodes(request: ProbeRequest, timeouts: Timeouts = defaultTimeouts): Promise<ProbeResults> {
    const { name, component, endpoints, program, runtimeClasses } = request;
    const mode = (await knownValue(pulumi.output(request.drift))) ?? Drift.Warn;
    if (mode === Drift.Off) return { nodes: {}, runtimeClasses: {} };
    const owner = await knownValue(request.owner);
    const connections = new Connections();
    const classes: { [node: string]: Answer["runtimeClasses"] } = {};
    const notInstalled: string[] = [];
    const errors: { [node: string]: Error } = {};

    const probe = async (node: string, output: pulumi.Output<Endpoint>): Promise<ProbeResult> => {
        const endpoint = await knownValue(output);
        if (endpoint === undefined) return {};
        try {
            const command = probeCommand(program, { owner, node }, Object.keys(runtimeClasses));
            const answer = await askAgain(connections, endpoint, command, timeouts);
            if (!answer.isInstalled) {
                notInstalled.push(node);
                return answer.revisions;
            }
            const labels = labelDrift(answer.node, answer.handlers);
            const drift = [...answer.drift, ...labels];
            classes[node] = answer.runtimeClasses;

            if (drift.length > 0) pulumi.log.warn(`${node} has drifted: ${drift.join("; ")}`, component);
            for (const sandboxes of answer.oldSandboxes) pulumi.log.info(`${node}: ${sandboxes}`, component);
            return { ...answer.revisions, unlabeled: labels.length > 0 };
        } catch (error) {
            const { message } = error as Error;
            const reason = error instanceof UnreachableError ? `unreachable: ${message}` : message;
            if (mode === Drift.Enforce || error instanceof HostKeyError) errors[node] = error as Error;
            else pulumi.log.warn(`could not probe ${node}, so its drift is not repaired now: ${reason}`, component);
            return {};
        }
    };
    const probes = Object.entries(endpoints).map(async ([node, output]) => [node, await probe(node, output)]);
    const results = await Promise.all(probes).finally(() => connections.end());
    const failed = Object.entries(errors).map(([node, { message }]) => `${node}: ${message}`);
    const hasHostKeyError = Object.values(errors).some((error) => error instanceof HostKeyError);
    if (failed.length > 0) throw probeError(name, failed, !hasHostKeyError);
    if (notInstalled.length > 0) {
        const message = `not installed yet, or by another version of this package: ${notInstalled.join(", ")}`;
        pulumi.log.info(message, component);
    }
    const drifted = Object.entries(runtimeClasses).map(async ([name, { adopt, hasOverhead }]) => {
        const applied = { adopt, hasOverhead: (await knownValue(hasOverhead)) ?? false };
        const answers = Object.keys(endpoints).flatMap((node): [string, Metadata][] => {
            const answer = classes[node]?.[name];
            return answer ? [[node, answer]] : [];
        });
        const { drift, disagreement } = agreedDrift(answers, applied);
        const differs = `not repaired, because the nodes report different states (${disagreement}): check that all belong to one cluster`;
        const found = drift?.reason ?? (disagreement && differs);
        if (found) pulumi.log.warn(`RuntimeClass ${name}: ${found}`, component);
        return [name, drift];
    });
    return { nodes: Object.fromEntries(results), runtimeClasses: Object.fromEntries(await Promise.all(drifted)) };
}

/** The value; undefined if a preview does not know it yet. Pulumi has no public way to ask for this. */
export function knownValue<T>(output: pulumi.Output<T>): Promise<T | undefined> {
    return (output as unknown as { promise(): Promise<T | undefined> }).promise();
}

/** Probes one node. In an update, waits for a machine that is starting. */
async function askAgain(
    connections: Connections,
    endpoint: Endpoint,
    command: string,
    { answer, start, pause }: Timeouts,
): Promise<Answer> {
    const end = Date.now() + (pulumi.runtime.isDryRun() ? 0 : start);
    for (let attempt = 0; ; attempt++) {
        try {
            return await ask(connections, endpoint, command, answer);
        } catch (error) {
            const isRetried = error instanceof UnreachableError && attempt !== endpoint.dialErrorLimit;
            if (!isRetried || Date.now() + pause > end) throw error;
            await new Promise((resolve) => setTimeout(resolve, pause));
        }
    }
}
