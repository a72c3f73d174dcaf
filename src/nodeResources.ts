// What there is for each node: its Release, its Runtime and its label.

import { remote, type types } from "@pulumi/command";
import { NodePatch } from "@pulumi/kubernetes/core/v1/nodePatch";
import { all, type CustomResourceOptions, type Output, type Resource } from "@pulumi/pulumi";
import { activate, deactivate, stage, unstage } from "./commands";
import type { Plan } from "./plan";
import type { Program } from "./program";

/** The label of nodes that can run Kata pods, the one that Kata's own installer uses. */
export const nodeLabel = { "katacontainers.io/kata-runtime": "true" };

export interface NodeContext {
    /** The name of the component. */
    name: string;
    /** The name of the node. */
    node: string;
    /** Whose the installation on the node is: only the one who made it takes it away. */
    owner: Output<string>;
    connection: Output<types.input.remote.ConnectionArgs>;
    plan: Output<Plan>;
    program: Program;
    /** Of every resource of the node. */
    options: CustomResourceOptions;
}

// A changed text runs `create` again, so there are neither `update` nor `triggers`, which would run the old `delete`
// after the new `create`. For the same reason a forced replacement (`--replace`) deletes first.
export const commandOptions = { deleteBeforeReplace: true };

// The provider would send what the last run printed as environment variables, which SSH servers refuse.
export const commandArgs = { addPreviousOutputInEnv: false };

/** Brings the node program and the release to the node, and touches nothing that runs. */
export function release({ name, node, owner, connection, plan, program, options }: NodeContext): remote.Command {
    return new remote.Command(
        `${name}-${node}-release`,
        {
            ...commandArgs,
            connection,
            create: all([plan, owner]).apply(([plan, owner]) => stage(plan, owner, program)),
            delete: owner.apply(unstage),
            stdin: program.text,
        },
        { ...options, ...commandOptions, hideDiffs: ["stdin"] },
    );
}

/** Switches the node, after `dependsOn`. */
export function runtime(context: NodeContext, dependsOn: Resource[]): remote.Command {
    const { name, node, owner, connection, plan, program, options } = context;
    return new remote.Command(
        `${name}-${node}-runtime`,
        {
            ...commandArgs,
            connection,
            create: all([plan, owner]).apply(([plan, owner]) => activate(plan, owner, program)),
            delete: all([plan, owner]).apply(([plan, owner]) => deactivate(plan, owner)),
        },
        { ...options, ...commandOptions, dependsOn },
    );
}

/** Lets Kata pods onto the node, once it is switched. */
export function label({ name, node, options }: NodeContext, runtime: remote.Command): NodePatch {
    return new NodePatch(
        `${name}-${node}-label`,
        { metadata: { name: node, labels: nodeLabel, annotations: { "pulumi.com/patchForce": "true" } } },
        { ...options, dependsOn: [runtime] },
    );
}
