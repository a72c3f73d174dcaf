// The files of a pod of the DaemonSet: the node program, the scripts that run it, and its arguments.

import { createHash } from "node:crypto";
import { activateFlags, deactivateFlags, type Flag, stageFlags, wordsOf } from "../node/commands";
import { daemonScripts, type Program } from "../node/program";
import type { Plan } from "../plan";
import type { Names } from "./names";

export interface Settings {
    owner: string;
    names: Names;
    /** A whole number, or a fraction of the nodes. */
    maxUnavailable: number;
    maxParallelDownloads?: number;
    /** In seconds. */
    interval: number;
}

export interface Files {
    /** The beginning of a hash of all files. Another revision is rolled out to the nodes. */
    revision: string;
    data: { [file: string]: string };
}

/**
 * The owner of the installation on a node. The first three parts are those of the component, so that a node moves between SSH and
 * the DaemonSet of the same stack by a change of its claims, without a removal.
 */
export const daemonOwner = (owner: string, { namespace, object }: Names) =>
    `${owner} in DaemonSet ${namespace}/${object}`;

/** One argument per line. */
const linesOf = (flags: Flag[]) =>
    wordsOf(flags)
        .map((word) => `${word}\n`)
        .join("");

export function filesOf(plan: Plan, program: Program, given: Settings): Files {
    const { owner, names, maxUnavailable, maxParallelDownloads, interval } = given;
    const files = {
        ...daemonScripts(),
        "node.sh": program.text,
        stage: linesOf(stageFlags(plan)),
        activate: linesOf(activateFlags(plan, program)),
        deactivate: linesOf(deactivateFlags(plan)),
    };
    const settings = (revision: string) =>
        [
            `OWNER=${daemonOwner(owner, names)}`,
            `OBJECT=${names.object}`,
            `NAMESPACE=${names.namespace}`,
            `REVISION=${revision}`,
            `MAX_UNAVAILABLE=${maxUnavailable}`,
            ...(maxParallelDownloads ? [`MAX_PARALLEL_DOWNLOADS=${maxParallelDownloads}`] : []),
            `INTERVAL=${interval}`,
            "",
        ].join("\n");
    const content = JSON.stringify(Object.entries({ ...files, settings: settings("") }).sort());
    const revision = createHash("sha256").update(content).digest("hex").slice(0, 10);
    return { revision, data: { ...files, settings: settings(revision) } };
}
