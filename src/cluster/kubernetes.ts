// The three resources of @pulumi/kubernetes that are used here, without its types: these are a hundred thousand lines, and
// Pulumi would read them each time it starts this package as a plugin. A real API server checks what they are given. And what
// the objects they make have in common.

import type { CustomResource, CustomResourceOptions, Inputs, Output } from "@pulumi/pulumi";

type Made<Resource> = new (name: string, args: Inputs, opts?: CustomResourceOptions) => Resource;
interface Patched extends CustomResource {
    readonly handler: Output<string | undefined>;
}

export const NodePatch: Made<CustomResource> = require("@pulumi/kubernetes/core/v1/nodePatch").NodePatch;
export const RuntimeClass: Made<CustomResource> = require("@pulumi/kubernetes/node/v1/runtimeClass").RuntimeClass;
export const RuntimeClassPatch: Made<Patched> =
    require("@pulumi/kubernetes/node/v1/runtimeClassPatch").RuntimeClassPatch;

/** The label of nodes that can run Kata pods, the one that Kata's own installer uses. */
export const nodeLabel = { "katacontainers.io/kata-runtime": "true" };

/** Lets an object of the cluster be set over what others have made of it. */
export const force = { "pulumi.com/patchForce": "true" };

const repairedAt = "kata-containers/repaired";
const paths = (...annotations: string[]) => annotations.map((annotation) => `metadata.annotations["${annotation}"]`);
export const repaired = paths(repairedAt);

/**
 * What makes an object of the cluster that has drifted one that changes: an annotation with the time. Afterwards it stays
 * what it is, whatever it is.
 */
export function repair(drifted = false) {
    return drifted
        ? { annotations: { ...force, [repairedAt]: new Date().toISOString() }, ignoreChanges: [] }
        : { annotations: {}, ignoreChanges: paths(repairedAt, ...Object.keys(force)) };
}
