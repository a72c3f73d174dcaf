// The three resources of @pulumi/kubernetes in use, without its types: Pulumi would read a hundred thousand lines of them each
// time it starts this package as a plugin. A real API server checks the values. Also the properties that the objects share.

import type { CustomResource, CustomResourceOptions, Inputs, Output } from "@pulumi/pulumi";
import { type Drifted, ignoreUnlessDrifted } from "../options";

type Constructor<Resource> = new (name: string, args: Inputs, opts?: CustomResourceOptions) => Resource;
interface Patch extends CustomResource {
    readonly handler: Output<string | undefined>;
}

export const NodePatch: Constructor<CustomResource> = require("@pulumi/kubernetes/core/v1/nodePatch").NodePatch;
export const RuntimeClass: Constructor<CustomResource> =
    require("@pulumi/kubernetes/node/v1/runtimeClass").RuntimeClass;
export const RuntimeClassPatch: Constructor<Patch> =
    require("@pulumi/kubernetes/node/v1/runtimeClassPatch").RuntimeClassPatch;

/** The labels of nodes that can run Kata pods: one that is the same as that of kata-deploy, and one for each handler. */
export const nodeLabels = (handlers: string[]): { [label: string]: string } => ({
    "katacontainers.io/kata-runtime": "true",
    ...Object.fromEntries(handlers.map((handler) => [`handler.kata-containers/${handler}`, "true"])),
});

/** Lets the provider overwrite fields that somebody else manages. */
export const force = { "pulumi.com/patchForce": "true" };

const repairedAt = "kata-containers/repaired";
const paths = [repairedAt, ...Object.keys(force)].map((annotation) => `metadata.annotations["${annotation}"]`);

/** Forces an update of a drifted object with an annotation that holds the time; later runs ignore the annotation. */
export function repair(drifted: Promise<Drifted>) {
    return {
        annotations: drifted.then((found) => found && { ...force, [repairedAt]: new Date().toISOString() }),
        options: ignoreUnlessDrifted(drifted, paths),
    };
}
