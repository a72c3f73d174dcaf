// Resource options that depend on the probe, which Pulumi accepts only as values when a resource is created.

import type { CustomResourceOptions, ResourceTransform } from "@pulumi/pulumi";

/** `replace`: the drifted resource must be replaced, not updated. */
export type Drifted = { replace?: boolean } | undefined;

/**
 * Ignores the properties at `paths` unless the probe finds drift. Then their new values update or replace the resource. Until
 * then the resource keeps the values of its last repair.
 */
export function ignoreUnlessDrifted(
    drifted: Promise<Drifted>,
    paths: string[],
): Pick<CustomResourceOptions, "ignoreChanges" | "transforms"> {
    const transform: ResourceTransform = async ({ props, opts }) => {
        const found = await drifted;
        if (found === undefined) return undefined;
        const ignoreChanges = opts.ignoreChanges?.filter((path) => !paths.includes(path));
        const replaceOnChanges = [...(opts.replaceOnChanges ?? []), ...(found.replace ? paths : [])];
        return { props, opts: { ...opts, ignoreChanges, replaceOnChanges } };
    };
    return { ignoreChanges: paths, transforms: [transform] };
}
