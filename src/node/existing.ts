// Refuses to create a RuntimeClass that already exists.
//
// The Kubernetes provider does so itself from 4.29 on, without a remedy. An earlier one, or one with `upsertExistingObjects`,
// takes over an existing object whose values do not conflict, and later deletes it. So the node program reads the existing one
// with the credentials of a node's kubelet, in a hook that the engine calls just before it creates the RuntimeClass, also when
// it replaces one that it has deleted.

import { log, type Output, type Resource } from "@pulumi/pulumi";
import { entryPath } from "../check/checks";
import { type Metadata, ownerAnnotation } from "../cluster/drift";
import { ask } from "./ask";
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

/** How many nodes to probe: one of them may be unreachable, or its API server outdated. */
const nodesToAsk = 3;
/** The time that they have to answer, in ms. */
const defaultTimeout = 60_000;

/** The options of a RuntimeClass that must not exist yet. */
export const refuseExisting = (request: Request) =>
    beforeCreate(request.runtimeClassName, () => checkExisting(request));

export async function checkExisting(request: Request, timeout = defaultTimeout): Promise<void> {
    const { runtimeClassName, owner, component } = request;
    const path = entryPath("runtimeClasses", runtimeClassName);
    const answers = await askNodes(request, timeout);
    const existing = answers.find(({ kind }) => kind === "PartialObjectMetadata");
    if (existing) {
        const manager = existing.metadata?.annotations?.[ownerAnnotation];
        if (manager === (await value(owner))) {
            const message =
                `the RuntimeClass ${runtimeClassName} was created by an update that was interrupted; if the Kubernetes ` +
                `provider refuses it, run \`kubectl delete runtimeclass ${runtimeClassName}\` and \`pulumi up\` again`;
            return log.warn(message, component);
        }
        throw new Error(
            `the RuntimeClass ${runtimeClassName} already exists and is ${manager ? `managed by ${manager}` : "not managed by this package"}; ` +
                `set ${path}.adopt to true to adopt it, or delete it, or choose another name`,
        );
    }
    if (!answers.some(({ code }) => code === 404)) {
        const message =
            `no node could tell whether the RuntimeClass ${runtimeClassName} already exists; if it does, a Kubernetes provider ` +
            "before 4.29 or with upsertExistingObjects takes it over, and deletes it when the component is destroyed; " +
            `to keep it, set ${path}.adopt to true`;
        await log.warn(message, component);
    }
}

/** The answers of the API server to some nodes. One that does not answer in time is left out. */
async function askNodes({ runtimeClassName, endpoints, program }: Request, timeout: number): Promise<Metadata[]> {
    const connections = new Connections();
    const answers = Object.entries(endpoints)
        .slice(0, nodesToAsk)
        .map(async ([node, endpoint]) => {
            const command = probeWithProgram(node, [runtimeClassName]);
            return ask(connections, await value(endpoint), command, timeout, program.packed);
        });
    const settled = await Promise.allSettled(answers);
    connections.end();
    return settled.flatMap((result) =>
        result.status === "fulfilled" ? [result.value.runtimeClasses[runtimeClassName] ?? {}] : [],
    );
}

/** The value of an output, which is known in an update. */
const value = <T>(output: Output<T>) => new Promise<T>((resolve) => output.apply(resolve));
