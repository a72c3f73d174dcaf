// Probes the nodes for drift, over SSH, while the program runs, even in a preview. A probe changes nothing.

import * as pulumi from "@pulumi/pulumi";
import { Drift } from "../args";
import { unreachableError } from "../check/errors";
import { labelDrift, type Metadata, type RuntimeClassDrift, runtimeClassDrift } from "../cluster/drift";
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
    runtimeClass?: RuntimeClassDrift;
}

export interface ProbeRequest {
    /** The name of the component. */
    name: string;
    component: pulumi.Resource;
    endpoints: { [node: string]: pulumi.Output<Endpoint> };
    program: Program;
    drift: pulumi.Input<Drift> | undefined;
    runtimeClass: { name: string; adopt: boolean; hasOverhead: pulumi.Output<boolean> };
}

/** The time a node may take to answer, the time a machine may take to start (in an update), and between retries, in ms. */
const defaultTimeouts = { answer: 120_000, start: 60_000, pause: 3_000 };
type Timeouts = typeof defaultTimeouts;

/** Probes all nodes at once. */
export async function probeNodes(request: ProbeRequest, timeouts: Timeouts = defaultTimeouts): Promise<ProbeResults> {
    const { name, component, endpoints, program, runtimeClass } = request;
    const mode = (await knownValue(pulumi.output(request.drift))) ?? Drift.Warn;
    if (mode === Drift.Off) return { nodes: {} };
    const hasOverhead = (await knownValue(runtimeClass.hasOverhead)) ?? false;
    const connections = new Connections();
    let classDrift: RuntimeClassDrift | undefined;
    const notInstalled: string[] = [];
    const errors: string[] = [];

    const probe = async (node: string, output: pulumi.Output<Endpoint>): Promise<ProbeResult> => {
        const endpoint = await knownValue(output);
        if (endpoint === undefined) return {};
        try {
            const command = probeCommand(program, node, runtimeClass.name);
            const answer = parse(await run(connections, endpoint, command, timeouts));
            const label = labelDrift(answer.node);
            if (label) answer.drift.push(label);
            classDrift ??= runtimeClassDrift(answer.runtimeClass, { ...runtimeClass, hasOverhead });

            if (!answer.isInstalled) notInstalled.push(node);
            if (answer.drift.length > 0) pulumi.log.warn(`${node}: ${answer.drift.join("; ")}`, component);
            for (const sandboxes of answer.oldSandboxes) pulumi.log.info(`${node}: ${sandboxes}`, component);
            return { ...answer.revisions, unlabeled: label !== undefined };
        } catch (error) {
            const message = `${node}: ${(error as Error).message}`;
            if (mode === Drift.Enforce || error instanceof HostKeyError) errors.push(message);
            else pulumi.log.warn(`${message}; unreachable, so its drift is unknown`, component);
            return {};
        }
    };
    const probes = Object.entries(endpoints).map(async ([node, output]) => [node, await probe(node, output)]);
    const results = await Promise.all(probes).finally(() => connections.end());
    if (errors.length > 0) throw unreachableError(name, errors);
    if (notInstalled.length > 0) {
        const message = `not installed, or installed by a different package version: ${notInstalled.join(", ")}`;
        pulumi.log.info(message, component);
    }
    if (classDrift) pulumi.log.warn(`RuntimeClass ${runtimeClass.name}: ${classDrift.reason}`, component);
    return { nodes: Object.fromEntries(results), runtimeClass: classDrift };
}

/** The value; undefined if a preview does not know it yet. Pulumi has no public way to ask for this. */
export function knownValue<T>(output: pulumi.Output<T>): Promise<T | undefined> {
    return (output as unknown as { promise(): Promise<T | undefined> }).promise();
}

/** Runs a command and returns its output. In an update, waits for a machine that is starting. */
async function run(
    connections: Connections,
    endpoint: Endpoint,
    command: string,
    { answer, start, pause }: Timeouts,
): Promise<string> {
    const end = Date.now() + (pulumi.runtime.isDryRun() ? 0 : start);
    for (let attempt = 0; ; attempt++) {
        try {
            const { stdout, stderr, code } = await within(answer, connections.run(endpoint, command));
            if (code === 0) return stdout;
            throw new Error(errorOf(stderr) ?? `the probe failed with ${words(code, stdout + stderr)}`);
        } catch (error) {
            const isRetried = error instanceof UnreachableError && attempt !== endpoint.dialErrorLimit;
            if (!isRetried || Date.now() + pause > end) throw error;
            await new Promise((resolve) => setTimeout(resolve, pause));
        }
    }
}

/** The error that the node program prints, with its remedy, on one line. */
function errorOf(stderr: string): string | undefined {
    const [, finding, remedy] = /^error: (.*)(?:\n {2}what to do: (.*))?/m.exec(stderr) ?? [];
    return remedy ? `${finding}; ${remedy}` : finding;
}

/** The status and what the machine says about it, such as that another user must log in. */
function words(code: number | undefined, output: string): string {
    const said = output
        .replace(/[^\P{Cc}\n]/gu, "")
        .trim()
        .replace(/\s*\n\s*/g, " ")
        .slice(0, 300);
    const status = code === undefined ? "a signal" : `exit status ${code}`;
    return said ? `${status}: ${said}` : status;
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout;
    const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
    });
    return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

interface Answer {
    isInstalled: boolean;
    revisions: Pick<ProbeResult, "stage" | "activate">;
    drift: string[];
    oldSandboxes: string[];
    node: Metadata;
    runtimeClass: Metadata;
}

function parse(stdout: string): Answer {
    const line = stdout.trimEnd().split("\n").at(-1)!;
    // The current node program is not installed.
    if (/^[0-9a-f]{12}$/.test(line)) {
        const revisions = { stage: line, activate: line };
        return { isInstalled: false, revisions, drift: [], oldSandboxes: [], node: {}, runtimeClass: {} };
    }
    try {
        const { stage, activate, oldSandboxes, node, runtimeClass } = JSON.parse(line);
        return {
            isInstalled: true,
            revisions: { stage: stage.revision, activate: activate.revision },
            drift: [...new Set<string>([...stage.drift, ...activate.drift])],
            oldSandboxes,
            node: node ?? {},
            runtimeClass: runtimeClass ?? {},
        };
    } catch {
        throw new Error(
            `the last line of output must be the result of the probe in JSON, but is: ${line.slice(0, 200)}`,
        );
    }
}
