// Resource options that depend on the probe. Pulumi accepts them as values when a resource is created, or later from a transform.

import type { CustomResourceOptions, ResourceTransform } from "@pulumi/pulumi";

/** `replace`: the drifted resource must be replaced, not updated. */
export type Drifted = { replace?: boolean } | undefined;

/**
 * Ignores the properties at `paths` unless the probe finds drift. Then their new values update or replace the resource. Until
 * then the resource keeps the values of its last repair. Without a probe, no transform is needed, which Pulumi would call for
 * each resource.
 */
export function ignoreUnlessDrifted(drifted: Promise<Drifted> | undefined, paths: string[]): CustomResourceOptions {
    if (drifted === undefined) return { ignoreChanges: paths };
    const transform: ResourceTransform = async ({ props, opts }) => {
        const found = await drifted;
        if (found === undefined) {
            return { props, opts: { ...opts, ignoreChanges: [...(opts.ignoreChanges ?? []), ...paths] } };
        }
        if (found.replace) {
            return { props, opts: { ...opts, replaceOnChanges: [...(opts.replaceOnChanges ?? []), ...paths] } };
        }
        // Pulumi forgets `hideDiffs` if a transform sets options. The node program, which is hidden, changes only on drift.
        return undefined;
    };
    return { transforms: [transform] };
}
