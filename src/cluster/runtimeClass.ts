// The RuntimeClass that pods name.

import { all, type Output, type Resource } from "@pulumi/pulumi";
import type * as args from "../args";
import { lateError } from "../check/errors";
import type { Plan } from "../plan";
import type { RuntimeClassDrift } from "./drift";
import { force, nodeLabel, RuntimeClass, RuntimeClassPatch, repair, repaired } from "./kubernetes";

/**
 * It may come before the nodes are switched, because it selects those that have the label. So one of that name that is
 * there already is found out before any node is touched. With it comes the plan, once it is known that it agrees with one
 * that is adopted.
 */
export function runtimeClass(
    name: string,
    given: args.RuntimeClass | undefined,
    plan: Output<Plan>,
    owner: Output<string>,
    drift: RuntimeClassDrift | undefined,
    parent: Resource,
): { resource: Resource; agreed: Output<Plan> } {
    const adopt = given?.adopt ?? false;
    const { annotations, ignoreChanges } = repair(drift !== undefined);
    const spec = {
        metadata: {
            name: plan.runtimeClassName,
            labels: given?.labels,
            // Where a provider would write over an object that exists, two owners are still a conflict.
            annotations: { ...given?.annotations, "kata-containers/owner": owner, ...(adopt && force), ...annotations },
        },
        overhead: plan.apply(({ overhead }) => overhead && { podFixed: overhead }),
        scheduling: { nodeSelector: nodeLabel, tolerations: given?.tolerations },
    };
    if (!adopt) {
        const resource = new RuntimeClass(
            `${name}-runtime-class`,
            { ...spec, handler: plan.handler },
            // Kubernetes lets no one change a handler, and the provider does not know. The name is fixed, so the old one
            // has to go first.
            {
                parent,
                replaceOnChanges: ["handler", ...(drift?.replace ? repaired : [])],
                deleteBeforeReplace: true,
                ignoreChanges,
            },
        );
        return { resource, agreed: plan };
    }
    // A patch gives up what it has set when it goes. The handler is required, so it must stay others'. Where the component
    // has made the RuntimeClass itself, the alias makes that an error; or the old resource would delete what this adopts.
    const aliases = [{ type: "kubernetes:node.k8s.io/v1:RuntimeClass" }];
    const patch = new RuntimeClassPatch(`${name}-runtime-class`, spec, { parent, aliases, ignoreChanges });
    const agreed = all([patch.handler, plan]).apply(([handler, plan]) => {
        if (handler !== undefined && handler !== plan.handler) {
            const reason = `must be "${handler}": that is what the RuntimeClass "${plan.runtimeClassName}" has, which is adopted`;
            throw lateError(name, [{ path: "runtimeClass.handler", reason }]);
        }
        return plan;
    });
    return { resource: patch, agreed };
}
