// Refuses to create a RuntimeClass that already exists.
//
// With server-side apply, the provider takes over an existing object whose values do not conflict, and later deletes it. The
// provider drops every field that would make the API server create an object only if it is missing. So the node program reads
// the existing one with the credentials of a node's kubelet, in a hook that the engine calls just before it creates the
// RuntimeClass, also when it replaces one that it has deleted.

import { log, type Output, type Resource } from "@pulumi/pulumi";
import { entryPath } from "../check/checks";
import { type Metadata, ownerAnnotation } from "../cluster/drift";
import { probeWithProgram } from "./commands";
import { beforeCreate } from "./hooks";
import type { Program } from "./program";
import { Connections, type Endpoint } from "./ssh";

interface Request {
    runtimeClassName: string;
    owner: Output<string>;
    endpoints: { [node: string]: Output<Endpoint> };
    program: Program;
    component: Resource;
}

/** How many nodes to connect to at once: one of them may be unreachable. */
const asked = 3;
/** The time that they have to answer, in ms. */
const defaultTimeout = 60_000;

/** The options of a RuntimeClass that must not exist yet. */
export const refuseExisting = (request: Request) =>
    beforeCreate(request.runtimeClassName, () => checkExisting(request));

export async function checkExisting(request: Request, timeout = defaultTimeout): Promise<void> {
    const { runtimeClassName, owner, component } = request;
    const { kind, code, metadata } = await read(request, timeout);
    if (kind === "PartialObjectMetadata") {
        const manager = metadata?.annotations?.[ownerAnnotation];
        // An update that was interrupted may have created it.
        if (manager === (await value(owner))) return;
        const path = entryPath("runtimeClasses", runtimeClassName);
        throw new Error(
            `the RuntimeClass ${runtimeClassName} already exists and is ${manager ? `managed by ${manager}` : "not managed by Pulumi"}; ` +
                `set ${path}.adopt to true to adopt it, or delete it, or choose another name`,
        );
    }
    if (code !== 404) {
        const message =
            `no node could tell whether the RuntimeClass ${runtimeClassName} already exists; ` +
            "an existing one with the same values is taken over";
        await log.warn(message, component);
    }
}

/** The first answer of the API server to a node; empty without an answer. */
async function read({ runtimeClassName, endpoints, program }: Request, timeout: number): Promise<Metadata> {
    const connections = new Connections();
    const answers = Object.entries(endpoints)
        .slice(0, asked)
        .map(async ([node, endpoint]) => {
            const command = probeWithProgram(node, runtimeClassName);
            const { stdout } = await connections.run(await value(endpoint), command, program.packed);
            const { runtimeClass } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
            if (!runtimeClass) throw new Error("the node cannot reach the API server");
            return runtimeClass as Metadata;
        });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Metadata>((resolve) => {
        timer = setTimeout(() => resolve({}), timeout);
    });
    try {
        return await Promise.race([Promise.any(answers).catch(() => ({})), late]);
    } finally {
        clearTimeout(timer);
        connections.end();
    }
}

/** The value of an output, which is known in an update. */
const value = <T>(output: Output<T>) => new Promise<T>((resolve) => output.apply(resolve));
