// Creates the resources of all nodes, in the order in which the nodes are changed.

import { all, type Input, type Output, type Resource, Stash } from "@pulumi/pulumi";
import { Drift, type Node, type NodeStatus, type Rollout } from "../args";
import type { Environment } from "../check/validate";
import * as commands from "./commands";
import { drainCommand, driverNote } from "./drain";
import { beforeCreate, explainLostMachines } from "./hooks";
import type { ProbeResults } from "./probe";
import { activate, label, type NodeContext, stage } from "./resources";
import { sendBefore } from "./send";
import type { Endpoint } from "./ssh";
import { parseNodeStatus } from "./status";

/**
 * The nodes in groups, in the order of their names, which is the same in every language. The nodes of a group change at once, and
 * the next group follows when all of them are healthy.
 */
export function waves(nodes: string[], rollout: Rollout | undefined): string[][] {
    const { maxUnavailable, canary } = rollout ?? {};
    const limit = maxUnavailable ?? 1;
    const size = limit < 1 ? Math.max(1, Math.floor(limit * nodes.length)) : limit;
    const others = nodes.filter((node) => node !== canary).sort();
    return [...(canary ? [[canary]] : []), ...slices(others, size)];
}

function slices<T>(items: T[], size: number): T[][] {
    return items.length === 0 ? [] : [items.slice(0, size), ...slices(items.slice(size), size)];
}

type OfNode = "node" | "distribution" | "endpoint" | "probe" | "options";
export interface RolloutContext extends Omit<NodeContext, OfNode | "stagePlan" | "stageInput"> {
    nodes: { [node: string]: Node };
    endpoints: { [node: string]: Output<Endpoint> };
    probed: Promise<ProbeResults>;
    drift: Input<Drift> | undefined;
    releaseUrl: Output<unknown>;
    rollout: Rollout | undefined;
    environment: Environment;
    parent: Resource;
}

/**
 * The options of the resources of a decommissioned machine: nothing connects to it. The label stays too, because its delete would
 * create a Node that no longer exists.
 */
const leave = (node: string) => ({
    ignoreChanges: ["*"],
    retainOnDelete: true,
    ...beforeCreate(node, () => {
        throw new Error(`${node} is gone and was never installed completely: remove it from \`nodes\``);
    }),
});

/**
 * Stages all nodes at once, or as many as may download at a time, and activates them wave by wave after `first`. A barrier follows
 * each wave: dependencies of the next wave on all of its nodes would be quadratic, and a replaced resource of a node would replace
 * those that use the outputs of the component. Returns the last barrier.
 */
export function rollOut(
    { nodes, endpoints, probed, drift, releaseUrl, rollout, environment, parent, ...shared }: RolloutContext,
    first: Resource[],
): { ready: Resource[]; statuses: { [node: string]: Output<NodeStatus> } } {
    const drain = rollout?.drain ?? undefined;
    const statuses: { [node: string]: Output<NodeStatus> } = {};
    const { hooks } = explainLostMachines(shared.name, parent);
    const sending = { hooks: { ...hooks, ...sendBefore(shared.name, endpoints, shared.program).hooks } };
    const stagePlan = all([shared.planAndOwner, releaseUrl]).apply(([planAndOwner]) => planAndOwner);
    const inputs: { [isSent: string]: Output<string> } = {};
    const stageInput = (isSent: boolean) => {
        const program = isSent ? undefined : shared.program;
        inputs[`${isSent}`] ??= stagePlan.apply(([plan]) => commands.stageInput(plan, program));
        return inputs[`${isSent}`]!;
    };
    const maxDownloads = rollout?.maxParallelDownloads ?? Number.POSITIVE_INFINITY;
    const stages: Resource[] = [];
    let ready = first;
    for (const [index, wave] of waves(Object.keys(nodes), rollout).entries()) {
        const dependsOn = wave.flatMap((node) => {
            const gone = nodes[node]!.gone ?? false;
            const probe = drift === Drift.Off ? undefined : probed.then(({ nodes }) => nodes[node] ?? {});
            const options = { parent, hooks, ...(gone && { ...leave(node), transforms: [] }) };
            const distribution = nodes[node]!.distribution ?? undefined;
            const context = {
                ...shared,
                stagePlan,
                stageInput,
                node,
                distribution,
                endpoint: endpoints[node]!,
                probe,
                options,
            };
            const earlier = stages.at(-maxDownloads);
            const stageOptions = { ...options, ...(earlier && { dependsOn: [earlier] }), ...(!gone && sending) };
            const staged = stage({ ...context, options: stageOptions });
            stages.push(staged);
            const before = [staged, ...ready];
            const drained = drain && drainCommand("drain", context, drain, environment, before);
            const activated = activate(context, drained ? [drained] : before);
            if (!gone) statuses[node] = activated.stdout.apply((stdout) => parseNodeStatus(node, stdout));
            const labeled = label(context, activated, drain && driverNote(context));
            if (!drain || !drained) return [activated, labeled];
            // The dependencies are those of the deletes too: drain, deactivate, uncordon.
            return [drainCommand("uncordon", context, drain, environment, [drained, activated, labeled])];
        });
        ready = [new Stash(`${shared.name}-wave-${index + 1}`, { input: true }, { parent, dependsOn })];
    }
    return { ready, statuses };
}
