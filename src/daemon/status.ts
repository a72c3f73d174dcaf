// The status of the DaemonSet, from the objects in the cluster.

import type { DaemonSetStatus } from "../args";

/** How many failed nodes have their reason in the status. */
const maxReasons = 3;

/** The status of the object DaemonSet. */
export interface ObjectStatus {
    desiredNumberScheduled?: number;
    numberReady?: number;
}

/** `entries`: the data that the pods share: STATE REVISION TIME REASON, by the name of the node. */
export function daemonSetStatus(
    status: ObjectStatus | undefined,
    entries: { [node: string]: string } | undefined,
    now = Date.now(),
): DaemonSetStatus {
    const failures = Object.entries(entries ?? {}).flatMap(([node, entry]): [node: string, reason: string][] => {
        const [, time, reason] = /^failed \S+ (\S+) ?(.*)$/s.exec(entry) ?? [];
        // A node that fails tries again every few minutes, if it still exists.
        const isPast = time === undefined || now - Date.parse(time) > 3_600_000;
        return isPast ? [] : [[node, reason!]];
    });
    const nodes = status?.desiredNumberScheduled ?? 0;
    const ready = status?.numberReady ?? 0;
    const failed = Math.max(0, Math.min(failures.length, nodes - ready));
    const first = failures.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, Math.min(maxReasons, failed));
    // The two objects are not read at the same time.
    const updating = Math.max(0, nodes - ready - failed);
    return { nodes, ready, updating, failed, reasons: Object.fromEntries(first) };
}
