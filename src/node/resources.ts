// What there is for each node: its Release, its Runtime and its label.

import { remote } from "@pulumi/command";
import type { CustomResource, CustomResourceOptions, Output, Resource } from "@pulumi/pulumi";
import { force, NodePatch, nodeLabel, repair } from "../cluster/kubernetes";
import type { Plan } from "../plan";
import { activate, deactivate, stage, unstage } from "./commands";
import type { Look } from "./probe";
import type { Program } from "./program";
import type { Endpoint } from "./ssh";

export interface NodeContext {
    /** The name of the component. */
    name: string;
    /** The name of the node. */
    node: string;
    /** Whose the installation on the node is: only the one who made it takes it away. */
    owner: Output<string>;
    connection: Output<Endpoint>;
    /** Together, for each time that Outputs are put together costs a program with many nodes. */
    asked: Output<[plan: Plan, owner: string]>;
    program: Program;
    seen: Look;
    /** Of every resource of the node. */
    options: CustomResourceOptions;
}

// A changed text runs `create` again, so there are neither `update` nor `triggers`, which would run the old `delete`
// after the new `create`. For the same reason a forced replacement (`--replace`) deletes first.
export const commandOptions = { deleteBeforeReplace: true };

// The provider would send what the last run printed as environment variables, which SSH servers refuse.
export const commandArgs = { addPreviousOutputInEnv: false };

/** Brings the node program and the release to the node, and touches nothing that runs. */
export function release(context: NodeContext): remote.Command {
    const { name, node, owner, connection, asked, program, seen, options } = context;
    return new remote.Command(
        `${name}-${node}-release`,
        {
            ...commandArgs,
            connection,
            create: asked.apply(([plan, owner]) => stage(plan, owner, program, seen.stage)),
            delete: owner.apply(unstage),
            stdin: program.packed,
        },
        { ...options, ...commandOptions, hideDiffs: ["stdin"] },
    );
}

/** Switches the node, after `dependsOn`. */
export function runtime(context: NodeContext, dependsOn: Resource[]): remote.Command {
    const { name, node, connection, asked, program, seen, options } = context;
    return new remote.Command(
        `${name}-${node}-runtime`,
        {
            ...commandArgs,
            connection,
            create: asked.apply(([plan, owner]) => activate(plan, owner, program, seen.activate)),
            delete: asked.apply(([plan, owner]) => deactivate(plan, owner)),
        },
        { ...options, ...commandOptions, dependsOn },
    );
}

/** Lets Kata pods onto the node, once it is switched. */
export function label({ name, node, options, seen }: NodeContext, runtime: remote.Command): CustomResource {
    const { annotations, ignoreChanges } = repair(seen.unlabeled);
    return new NodePatch(
        `${name}-${node}-label`,
        { metadata: { name: node, labels: nodeLabel, annotations: { ...force, ...annotations } } },
        { ignoreChanges, ...options, dependsOn: [runtime] },
    );
}
