// The resources of one node: its stage command, its activate command and its label.

import { remote } from "@pulumi/command";
import { type CustomResource, type CustomResourceOptions, type Output, type Resource, unsecret } from "@pulumi/pulumi";
import { force, NodePatch, nodeLabels, repair } from "../cluster/kubernetes";
import { ignoreUnlessDrifted } from "../options";
import type { Plan } from "../plan";
import * as commands from "./commands";
import { knownValue, type ProbeResult } from "./probe";
import type { Program } from "./program";
import { canSend } from "./send";
import type { Endpoint } from "./ssh";
import { parseNodeStatus } from "./status";

export interface NodeContext {
    /** The name of the component. */
    name: string;
    /** The name of the node. */
    node: string;
    /** How Kubernetes was set up on it, if the user says so. */
    distribution?: string;
    /** The owner of the installation on the node. Only the owner can remove it. */
    owner: Output<string>;
    endpoint: Output<Endpoint>;
    /** Combined once, like the two below: every `all()` is measurable with many nodes. */
    planAndOwner: Output<[plan: Plan, owner: string]>;
    /** The same for the stage command, which is secret if the URL of the release is. */
    stagePlan: Output<[plan: Plan, owner: string]>;
    /** The standard input of the stage command, with the node program unless that is sent before. */
    stageInput: (isSent: boolean) => Output<string>;
    program: Program;
    /** Rejects if the nodes must not be changed. Not set if the component is known not to probe. */
    probe: Promise<ProbeResult> | undefined;
    /** The options of every resource of the node. */
    options: CustomResourceOptions;
}

// A changed property runs `create` again. `update` and `triggers` are not set, because they would run the old `delete` after the
// new `create`. For the same reason, a forced replacement (`--replace`) deletes first.
export const commandOptions = { deleteBeforeReplace: true };

// Otherwise the provider would send the output of the previous run as environment variables, which SSH servers reject.
export const commandArgs = { addPreviousOutputInEnv: false };

// A drifted node gets a new revision, in a property that has no other effect on a run of `create`. Otherwise changes of that
// property are ignored, so a node whose drift is unknown has no diff unless the program changes it.
const isNew = (revision: string) => (revision ? {} : undefined);

/**
 * Installs the node program, downloads and unpacks the releases. Changes nothing that is running. The text of `delete` holds the
 * revision, and changes only together with the node program, which counts as drift.
 */
export function stage(context: NodeContext): remote.Command {
    const { name, node, distribution, owner, endpoint, stagePlan, stageInput, program, probe, options } = context;
    const revision = probe?.then(({ stage }) => stage ?? "");
    return new remote.Command(
        `${name}-${node}-stage`,
        {
            ...commandArgs,
            connection: endpoint,
            create: stagePlan.apply(([plan, owner]) => commands.stage(plan, { owner, node, distribution }, program)),
            delete: owner.apply(async (owner) => commands.unstage({ owner, node }, await revision)),
            stdin: unsecret(endpoint.apply(canSend)).apply(stageInput),
        },
        {
            ...commandOptions,
            hideDiffs: ["stdin"],
            ...ignoreUnlessDrifted(revision?.then(isNew), ["delete"]),
            ...options,
        },
    );
}

/** Configures and restarts the services of the node, after `dependsOn`. The commands do not read `stdin`, the revision. */
export function activate(context: NodeContext, dependsOn: Resource[]): remote.Command {
    const { name, node, distribution, endpoint, planAndOwner, program, probe, options } = context;
    const revision = probe?.then(({ activate }) => activate ?? "");
    return new remote.Command(
        `${name}-${node}-activate`,
        {
            ...commandArgs,
            connection: endpoint,
            create: planAndOwner.apply(([plan, owner]) =>
                commands.activate(plan, { owner, node, distribution }, program),
            ),
            delete: planAndOwner.apply(([plan, owner]) => commands.deactivate(plan, { owner, node, distribution })),
            stdin: revision ?? "",
        },
        { ...commandOptions, ...ignoreUnlessDrifted(revision?.then(isNew), ["stdin"]), ...options, dependsOn },
    );
}

/**
 * Lets Kata pods run on the node, once it is activated. Its labels name the handlers that the node then has, including an earlier
 * one that is in use: when a kubelet starts, it ends the pods whose node selector does not match its node. A preview that does
 * not know them yet shows the requested ones.
 */
export function label(
    context: NodeContext,
    activated: remote.Command,
    notes?: Output<{ [annotation: string]: string }>,
): CustomResource {
    const { name, node, planAndOwner, options, probe } = context;
    // `dependsOn` is the only dependency, so that a replacement of the command does not affect the label.
    const labels = knownValue(activated.stdout).then((stdout) =>
        stdout
            ? nodeLabels(Object.keys(parseNodeStatus(node, stdout).kataVersions))
            : planAndOwner.apply(([{ classes }]) => nodeLabels(classes.map(({ handler }) => handler))),
    );
    const repaired = repair(probe?.then(({ unlabeled }) => (unlabeled ? {} : undefined)));
    const annotated = async (notes = {}) => ({ ...force, ...(await repaired.annotations), ...notes });
    const annotations = notes ? notes.apply(annotated) : annotated();
    return new NodePatch(
        `${name}-${node}-label`,
        { metadata: { name: node, labels, annotations } },
        { ...repaired.options, ...options, dependsOn: [activated] },
    );
}
