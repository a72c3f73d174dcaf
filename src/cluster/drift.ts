// Whether the node's label and the RuntimeClass still are as they were applied, by what the cluster says of them.

import { nodeLabel } from "./kubernetes";

/** What a node reads of an object: its metadata, or why there is none. */
export interface Metadata {
    kind?: string;
    code?: number;
    metadata?: { labels?: { [key: string]: string }; managedFields?: { manager?: string; fieldsV1?: object }[] };
}

export function labelDrift({ kind, metadata }: Metadata): string | undefined {
    if (kind !== "PartialObjectMetadata") return undefined;
    const [[key, wanted]] = Object.entries(nodeLabel) as [[string, string]];
    const value = metadata?.labels?.[key];
    if (value === wanted) return undefined;
    return `label ${key} is ${value === undefined ? "missing" : `"${value}", was "${wanted}"`}`;
}

/** What is set by a RuntimeClass of ours, as the API server names it where it keeps who manages which field. */
const managed = [
    ["metadata", "annotations", "kata-containers/owner"],
    ["handler"],
    ["scheduling", "nodeSelector"],
    ["overhead", "podFixed", "cpu"],
    ["overhead", "podFixed", "memory"],
];

export interface RuntimeClassDrift {
    reason: string;
    /** It has to be made anew: it is not there, or is another one. */
    replace: boolean;
}

/** Whoever changes a field manages it from then on, so what is not Pulumi's any more was changed. */
export function runtimeClassDrift(
    { kind, code, metadata }: Metadata,
    { adopt, overhead }: { adopt: boolean; overhead: boolean },
): RuntimeClassDrift | undefined {
    if (kind === "Status" && code === 404) return { reason: "is missing", replace: true };
    if (kind !== "PartialObjectMetadata") return undefined;
    const managers = metadata?.managedFields ?? [];
    const changes = managed
        .filter(([top]) => (top !== "handler" || !adopt) && (top !== "overhead" || overhead))
        .flatMap((path) => {
            const owners = managers.filter(({ fieldsV1 }) => has(fieldsV1, path)).map(({ manager }) => manager ?? "");
            if (owners.some((owner) => owner.startsWith("pulumi-kubernetes"))) return [];
            return `${path.join(".")} ${owners.length > 0 ? `was changed by ${owners.join(" and ")}` : "is missing"}`;
        });
    const replace = changes.some((change) => change.startsWith("handler"));
    return changes.length > 0 ? { reason: changes.join(", "), replace } : undefined;
}

function has(fields: object | undefined, path: string[]): boolean {
    let at: unknown = fields;
    for (const name of path) at = (at as { [name: string]: unknown } | undefined)?.[`f:${name}`];
    return at !== undefined;
}
