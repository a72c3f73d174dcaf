// The RuntimeClass that pods name.

import * as kubernetes from "@pulumi/kubernetes/node/v1/runtimeClass";
import type { Output, Resource } from "@pulumi/pulumi";
import type { RuntimeClass } from "./args";
import { nodeLabel } from "./nodeResources";
import type { Plan } from "./plan";

export function runtimeClass(
    name: string,
    args: RuntimeClass | undefined,
    plan: Output<Plan>,
    parent: Resource,
    dependsOn: Resource[],
): kubernetes.RuntimeClass {
    return new kubernetes.RuntimeClass(
        `${name}-runtime-class`,
        {
            metadata: {
                name: plan.runtimeClassName,
                labels: args?.labels,
                annotations: args?.annotations,
            },
            handler: plan.handler,
            overhead: plan.apply(({ overhead }) => overhead && { podFixed: overhead }),
            scheduling: { nodeSelector: nodeLabel, tolerations: args?.tolerations },
        },
        // Kubernetes lets no one change a handler, and the provider does not know. The name is fixed, so the old one
        // has to go first.
        { parent, dependsOn, replaceOnChanges: ["handler"], deleteBeforeReplace: true },
    );
}
