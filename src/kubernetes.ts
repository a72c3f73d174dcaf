// The three resources of @pulumi/kubernetes that are used here, without its types: these are a hundred thousand lines, and
// Pulumi would read them each time it starts this package as a plugin. A real API server checks what they are given.

import type { CustomResource, CustomResourceOptions, Inputs, Output } from "@pulumi/pulumi";

type Made<Resource> = new (name: string, args: Inputs, opts?: CustomResourceOptions) => Resource;
interface Patched extends CustomResource {
    readonly handler: Output<string | undefined>;
}

export const NodePatch: Made<CustomResource> = require("@pulumi/kubernetes/core/v1/nodePatch").NodePatch;
export const RuntimeClass: Made<CustomResource> = require("@pulumi/kubernetes/node/v1/runtimeClass").RuntimeClass;
export const RuntimeClassPatch: Made<Patched> =
    require("@pulumi/kubernetes/node/v1/runtimeClassPatch").RuntimeClassPatch;
