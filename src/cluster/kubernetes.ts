// The resources of @pulumi/kubernetes in use, without its types: Pulumi would read a hundred thousand lines of them each
// time it starts this package as a plugin. A real API server checks the values. Also the properties that the objects share.

import type { CustomResource, CustomResourceOptions, ID, Input, Inputs, Output } from "@pulumi/pulumi";
import { type Drifted, ignoreUnlessDrifted } from "../options";

type Constructor<Resource> = new (name: string, args: Inputs, opts?: CustomResourceOptions) => Resource;
type Readable<Resource> = Constructor<Resource> & {
    get(name: string, id: Input<ID>, opts?: CustomResourceOptions): Resource;
};
interface Patch extends CustomResource {
    readonly handler: Output<string | undefined>;
}

export const NodePatch: Constructor<CustomResource> = require("@pulumi/kubernetes/core/v1/nodePatch").NodePatch;
export const RuntimeClass: Constructor<CustomResource> =
    require("@pulumi/kubernetes/node/v1/runtimeClass").RuntimeClass;
export const RuntimeClassPatch: Constructor<Patch> =
    require("@pulumi/kubernetes/node/v1/runtimeClassPatch").RuntimeClassPatch;

/** The resources of a DaemonSet. Loaded only with one, because each takes some milliseconds. */
export const daemonSetKinds = () => ({
    Namespace: require("@pulumi/kubernetes/core/v1/namespace").Namespace as Constructor<CustomResource>,
    ServiceAccount: require("@pulumi/kubernetes/core/v1/serviceAccount").ServiceAccount as Constructor<CustomResource>,
    ConfigMap: require("@pulumi/kubernetes/core/v1/configMap").ConfigMap as Readable<
        CustomResource & { metadata: Output<{ name: string }>; data: Output<{ [key: string]: string } | undefined> }
    >,
    Secret: require("@pulumi/kubernetes/core/v1/secret").Secret as Constructor<CustomResource>,
    ClusterRole: require("@pulumi/kubernetes/rbac/v1/clusterRole").ClusterRole as Constructor<CustomResource>,
    ClusterRoleBinding: require("@pulumi/kubernetes/rbac/v1/clusterRoleBinding")
        .ClusterRoleBinding as Constructor<CustomResource>,
    Role: require("@pulumi/kubernetes/rbac/v1/role").Role as Constructor<CustomResource>,
    RoleBinding: require("@pulumi/kubernetes/rbac/v1/roleBinding").RoleBinding as Constructor<CustomResource>,
    ValidatingAdmissionPolicy: require("@pulumi/kubernetes/admissionregistration/v1/validatingAdmissionPolicy")
        .ValidatingAdmissionPolicy as Constructor<CustomResource>,
    ValidatingAdmissionPolicyBinding:
        require("@pulumi/kubernetes/admissionregistration/v1/validatingAdmissionPolicyBinding")
            .ValidatingAdmissionPolicyBinding as Constructor<CustomResource>,
    DaemonSet: require("@pulumi/kubernetes/apps/v1/daemonSet").DaemonSet as Readable<
        CustomResource & {
            metadata: Output<{ deletionTimestamp?: string } | undefined>;
            status: Output<{ desiredNumberScheduled?: number; numberReady?: number } | undefined>;
        }
    >,
});

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
export function repair(drifted: Promise<Drifted> | undefined) {
    return {
        annotations: Promise.resolve(drifted).then(
            (found) => found && { ...force, [repairedAt]: new Date().toISOString() },
        ),
        options: ignoreUnlessDrifted(drifted, paths),
    };
}
