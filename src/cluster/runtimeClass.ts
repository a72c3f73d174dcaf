// The RuntimeClasses that pods name.

import { all, type Output, output, type Resource, type ResourceHookBinding, runtime } from "@pulumi/pulumi";
import type * as args from "../args";
import { entryPath } from "../check/checks";
import { lateError } from "../check/errors";
import type { ClassPlan } from "../plan";
import { ownerAnnotation, type RuntimeClassDrift } from "./drift";
import { force, nodeLabels, RuntimeClass, RuntimeClassPatch, repair } from "./kubernetes";

export interface RuntimeClassContext {
    /** The name of the component. */
    name: string;
    /** The name of the RuntimeClass. */
    runtimeClassName: string;
    given: args.RuntimeClass;
    plan: Output<ClassPlan>;
    owner: Output<string>;
    drift: Promise<RuntimeClassDrift | undefined>;
    /** Refuse to create a RuntimeClass that exists. */
    refuseExisting: { hooks?: ResourceHookBinding };
    parent: Resource;
}

/**
 * Creates the RuntimeClass before any node is activated, so that an existing one of that name is an error while no node has
 * changed. This is safe because it selects only labelled nodes. `confirmed` fails if it adopts a RuntimeClass with another
 * handler.
 */
export function createRuntimeClass(context: RuntimeClassContext): { resource: Resource; confirmed: Output<unknown> } {
    const { name, runtimeClassName, given, plan, owner, drift, refuseExisting, parent } = context;
    const adopt = given.adopt ?? false;
    // A patch of a missing object is created again by an update.
    const { annotations, options } = repair(drift.then((found) => found && { replace: found.replace && !adopt }));
    // In a preview, another argument that is not known yet must not show the RuntimeClass as changed or replaced.
    const handler = runtime.isDryRun()
        ? output(given.handler).apply((handler) => handler ?? runtimeClassName)
        : plan.handler;
    const spec = {
        metadata: {
            name: runtimeClassName,
            labels: given.labels,
            // Even if a provider overwrites existing objects, two owners conflict.
            annotations: annotations.then((repaired) => ({
                ...given.annotations,
                [ownerAnnotation]: owner,
                ...(adopt && force),
                ...repaired,
            })),
        },
        overhead: plan.apply(({ overhead }) => overhead && { podFixed: overhead }),
        scheduling: {
            nodeSelector: all([handler, plan.nodeSelector]).apply(([handler, nodeSelector]) => ({
                ...nodeSelector,
                ...given.nodeSelector,
                ...nodeLabels([handler]),
            })),
            tolerations: given.tolerations,
        },
    };
    if (!adopt) {
        const resource = new RuntimeClass(
            `${name}-${runtimeClassName}`,
            { ...spec, handler },
            // Kubernetes rejects a change of the handler, which the provider does not know. The name is fixed, so the old
            // RuntimeClass must be deleted first.
            {
                parent,
                replaceOnChanges: ["handler"],
                deleteBeforeReplace: true,
                ...refuseExisting,
                ...options,
            },
        );
        return { resource, confirmed: plan };
    }
    // Deleting a patch releases its fields. `handler` is required, so the patch must not own it. If the component created the
    // RuntimeClass itself, the alias makes its adoption an error; otherwise the old resource would delete it.
    const aliases = [{ type: "kubernetes:node.k8s.io/v1:RuntimeClass" }];
    const patch = new RuntimeClassPatch(`${name}-${runtimeClassName}`, spec, { parent, aliases, ...options });
    const confirmed = all([patch.handler, plan]).apply(([handler, plan]) => {
        if (handler !== undefined && handler !== plan.handler) {
            const path = `${entryPath("runtimeClasses", runtimeClassName)}.handler`;
            const reason = `must be "${handler}", the handler of the existing RuntimeClass that is adopted`;
            throw lateError(name, [{ path, reason }]);
        }
    });
    return { resource: patch, confirmed };
}
