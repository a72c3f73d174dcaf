// The RuntimeClass that pods name.

import { RuntimeClass } from "@pulumi/kubernetes/node/v1/runtimeClass";
import { RuntimeClassPatch } from "@pulumi/kubernetes/node/v1/runtimeClassPatch";
import type { Output, Resource } from "@pulumi/pulumi";
import type * as args from "./args";
import { nodeLabel } from "./nodeResources";
import type { Plan } from "./plan";

/**
 * It may come before the nodes are switched, because it selects those that have the label. So one of that name that is
 * there already is found out before any node is touched.
 */
export function runtimeClass(
    name: string,
    given: args.RuntimeClass | undefined,
    plan: Output<Plan>,
    owner: Output<string>,
    parent: Resource,
): RuntimeClass | RuntimeClassPatch {
    const adopt = given?.adopt ?? false;
    return new (adopt ? RuntimeClassPatch : RuntimeClass)(
        `${name}-runtime-class`,
        {
            metadata: {
                name: plan.runtimeClassName,
                labels: given?.labels,
                // Where a provider would write over an object that exists, two owners are still a conflict.
                annotations: {
                    ...given?.annotations,
                    ...(adopt && { "pulumi.com/patchForce": "true" }),
                    "kata-containers/owner": owner,
                },
            },
            handler: plan.handler,
            overhead: plan.apply(({ overhead }) => overhead && { podFixed: overhead }),
            scheduling: { nodeSelector: nodeLabel, tolerations: given?.tolerations },
        },
        {
            parent,
            // Kubernetes lets no one change a handler, and the provider does not know. The name is fixed, so the old one
            // has to go first.
            replaceOnChanges: ["handler"],
            deleteBeforeReplace: true,
            // Whether it is adopted or its own, it is the same one.
            aliases: [{ type: `kubernetes:node.k8s.io/v1:RuntimeClass${adopt ? "" : "Patch"}` }],
        },
    );
}
