// The resources of one node: its stage command, its activate command and its label.

import { remote } from "@pulumi/command";
import type { CustomResource, CustomResourceOptions, Output, Resource } from "@pulumi/pulumi";
import { force, NodePatch, nodeLabel, repair } from "../cluster/kubernetes";
import type { Plan } from "../plan";
import * as commands from "./commands";
import type { ProbeResult } from "./probe";
import type { Program } from "./program";
import type { Endpoint } from "./ssh";

export interface NodeContext {
    /** The name of the component. */
    name: string;
    /** The name of the node. */
    node: string;
    /** The owner of the installation on the node. Only the owner can remove it. */
    owner: Output<string>;
    endpoint: Output<Endpoint>;
    /** Combined once: every `all()` is measurable with many nodes. */
    planAndOwner: Output<[plan: Plan, owner: string]>;
    program: Program;
    probe: ProbeResult;
    /** The options of every resource of the node. */
    options: CustomResourceOptions;
}

// A changed text runs `create` again. `update` and `triggers` are not set, because they would run the old `delete` after the
// new `create`. For the same reason, a forced replacement (`--replace`) deletes first.
export const commandOptions = { deleteBeforeReplace: true };

// Otherwise the provider would send the output of the previous run as environment variables, which SSH servers reject.
export const commandArgs = { addPreviousOutputInEnv: false };

/** Installs the node program, downloads and unpacks the release. Changes nothing that is running. */
export function stage(context: NodeContext): remote.Command {
    const { name, node, owner, endpoint, planAndOwner, program, probe, options } = context;
    return new remote.Command(
        `${name}-${node}-stage`,
        {
            ...commandArgs,
            connection: endpoint,
            create: planAndOwner.apply(([plan, owner]) => commands.stage(plan, owner, program, probe.stage)),
            delete: owner.apply(commands.unstage),
            stdin: program.packed,
        },
        { ...options, ...commandOptions, hideDiffs: ["stdin"] },
    );
}

/** Configures and restarts the services of the node, after `dependsOn`. */
export function activate(context: NodeContext, dependsOn: Resource[]): remote.Command {
    const { name, node, endpoint, planAndOwner, program, probe, options } = context;
    return new remote.Command(
        `${name}-${node}-activate`,
        {
            ...commandArgs,
            connection: endpoint,
            create: planAndOwner.apply(([plan, owner]) => commands.activate(plan, owner, program, probe.activate)),
            delete: planAndOwner.apply(([plan, owner]) => commands.deactivate(plan, owner)),
        },
        { ...options, ...commandOptions, dependsOn },
    );
}

/** Lets Kata pods run on the node, once it is activated. */
export function label({ name, node, options, probe }: NodeContext, activated: Resource): CustomResource {
    const { annotations, ignoreChanges } = repair(probe.unlabeled);
    return new NodePatch(
        `${name}-${node}-label`,
        { metadata: { name: node, labels: nodeLabel, annotations: { ...force, ...annotations } } },
        { ignoreChanges, ...options, dependsOn: [activated] },
    );
}
