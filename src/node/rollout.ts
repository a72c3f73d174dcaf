// Creates the resources of all nodes, in the order in which the nodes are changed.

import type { Output, Resource } from "@pulumi/pulumi";
import type { Node, NodeStatus, Rollout } from "../args";
import type { Environment } from "../check/validate";
import { drainCommand } from "./drain";
import type { ProbeResult } from "./probe";
import { activate, label, type NodeContext, stage } from "./resources";
import type { Endpoint } from "./ssh";
import { parseNodeStatus } from "./status";

/** The nodes in groups. The nodes of a group change at once, and the next group follows when all of them are healthy. */
export function waves(nodes: string[], rollout: Rollout | undefined): string[][] {
    const { maxUnavailable, canary } = rollout ?? {};
    const limit = maxUnavailable ?? 1;
    const size = limit < 1 ? Math.max(1, Math.floor(limit * nodes.length)) : limit;
    const others = nodes.filter((node) => node !== canary);
    return [...(canary ? [[canary]] : []), ...slices(others, size)];
}

function slices<T>(items: T[], size: number): T[][] {
    return items.length === 0 ? [] : [items.slice(0, size), ...slices(items.slice(size), size)];
}

export interface RolloutContext extends Omit<NodeContext, "node" | "endpoint" | "probe" | "options"> {
    nodes: { [node: string]: Node };
    endpoints: { [node: string]: Output<Endpoint> };
    probes: { [node: string]: ProbeResult };
    rollout: Rollout | undefined;
    environment: Environment;
    parent: Resource;
}

/** Stages all nodes at once, and activates them wave by wave after `first`. */
export function rollOut(
    { nodes, endpoints, probes, rollout, environment, parent, ...shared }: RolloutContext,
    first: Resource,
): { ready: Resource[]; statuses: { [node: string]: Output<NodeStatus> } } {
    const drain = rollout?.drain ?? undefined;
    const ready: Resource[] = [first];
    const statuses: { [node: string]: Output<NodeStatus> } = {};
    let previous: Resource[] = [first];
    for (const wave of waves(Object.keys(nodes), rollout)) {
        previous = wave.map((node) => {
            const gone = nodes[node]!.gone ?? false;
            const probe = probes[node] ?? {};
            const options = {
                parent,
                ...((gone || probe.unreachable) && { ignoreChanges: ["*"] }),
                ...(gone && { retainOnDelete: true }),
            };
            const context = { ...shared, node, endpoint: endpoints[node]!, probe, options };
            const before = [stage(context), ...previous];
            const drained = drain && drainCommand("drain", context, drain, environment, before);
            const activated = activate(context, drained ? [drained] : before);
            ready.push(activated, label(context, activated));
            if (!gone) statuses[node] = activated.stdout.apply((stdout) => parseNodeStatus(node, stdout));
            return drain ? drainCommand("uncordon", context, drain, environment, [activated]) : activated;
        });
    }
    return { ready, statuses };
}
