// Probes one node: runs the action `probe` of the node program there and parses its answer.

import type { Metadata } from "../cluster/drift";
import type { Connections, Endpoint, Result } from "./ssh";

export interface Answer {
    /** The component has installed this node, with this node program. */
    isInstalled: boolean;
    /** New revisions of the commands that have drifted. */
    revisions: { stage?: string; activate?: string };
    drift: string[];
    oldSandboxes: string[];
    /** The handlers of the component. */
    handlers: string[];
    node: Metadata;
    /** By their names. */
    runtimeClasses: { [name: string]: Metadata };
}

/** The answer of a node to a command that prints a probe; `timeout` is in ms. */
export async function ask(
    connections: Connections,
    endpoint: Endpoint,
    command: string,
    timeout: number,
    stdin?: Buffer,
): Promise<Answer> {
    return parse(await outputOf(within(timeout, connections.run(endpoint, command, stdin))));
}

/** The output of a command; rejects if it failed, with the reason that the node gives. */
export async function outputOf(command: Promise<Result>): Promise<string> {
    const { stdout, stderr, code } = await command;
    if (code !== 0) throw new Error(errorOf(stderr) ?? `the command failed with ${words(code, stdout + stderr)}`);
    return stdout;
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

function parse(stdout: string): Answer {
    const line = stdout.trimEnd().split("\n").at(-1)!;
    // The current node program is not installed.
    if (/^[0-9a-f]{12}$/.test(line)) {
        const revisions = { stage: line, activate: line };
        return {
            isInstalled: false,
            revisions,
            drift: [],
            oldSandboxes: [],
            handlers: [],
            node: {},
            runtimeClasses: {},
        };
    }
    try {
        const { stage, activate, oldSandboxes, handlers, node, runtimeClasses } = JSON.parse(line);
        const drift = [...new Set<string>([...stage.drift, ...activate.drift])];
        return {
            // A component without a claim to the node gets new revisions without drift.
            isInstalled: drift.length > 0 || !stage.revision,
            revisions: { stage: stage.revision, activate: activate.revision },
            drift,
            oldSandboxes,
            handlers,
            node: node ?? {},
            runtimeClasses: runtimeClasses ?? {},
        };
    } catch {
        throw new Error(
            `the last line of output must be the result of the probe in JSON, but is: ${line.slice(0, 200)}; ` +
                "remove what prints it, such as a forced command or a startup or logout file of the login shell",
        );
    }
}
