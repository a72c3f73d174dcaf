// Drift of a node's labels and of the RuntimeClass, found in their metadata.

import { nodeLabels } from "./kubernetes";

/** The metadata of an object, or the status that the API server returned instead. */
export interface Metadata {
    kind?: string;
    code?: number;
    metadata?: {
        labels?: { [key: string]: string };
        annotations?: { [key: string]: string };
        managedFields?: { manager?: string; fieldsV1?: object }[];
    };
}

/** The annotation of a RuntimeClass with the component that manages it. */
export const ownerAnnotation = "kata-containers/owner";

/** The drift of the labels of a node that has these handlers. */
export function labelDrift({ kind, metadata }: Metadata, handlers: string[]): string[] {
    if (kind !== "PartialObjectMetadata") return [];
    return Object.entries(nodeLabels(handlers)).flatMap(([key, expected]) => {
        const value = metadata?.labels?.[key];
        if (value === expected) return [];
        return `label ${key} is ${value === undefined ? "missing" : `"${value}", was "${expected}"`}`;
    });
}

/** The fields that this package sets in a RuntimeClass, as in the managed fields of the API server. */
const managed = [
    ["metadata", "annotations", ownerAnnotation],
    ["handler"],
    ["scheduling", "nodeSelector"],
    ["overhead", "podFixed", "cpu"],
    ["overhead", "podFixed", "memory"],
];

export interface RuntimeClassDrift {
    reason: string;
    /** The RuntimeClass must be created again: it is missing, or its handler differs. */
    replace: boolean;
}

/** How the component manages the RuntimeClass. */
export interface Managed {
    adopt: boolean;
    hasOverhead: boolean;
}

/**
 * The drift of the RuntimeClass as all nodes that could ask the API server report it, and if they contradict each other, what
 * each of them reports.
 */
export function agreedDrift(
    answers: [node: string, runtimeClass: Metadata][],
    applied: Managed,
): { drift?: RuntimeClassDrift; disagreement?: string } {
    const reports = new Map<string, { drift: RuntimeClassDrift | undefined; nodes: string[] }>();
    for (const [node, answer] of answers) {
        if (answer.kind !== "PartialObjectMetadata" && !(answer.kind === "Status" && answer.code === 404)) continue;
        const drift = runtimeClassDrift(answer, applied);
        const reason = drift?.reason ?? "is unchanged";
        reports.set(reason, { drift, nodes: [...(reports.get(reason)?.nodes ?? []), node] });
    }
    const [first] = reports.values();
    if (reports.size < 2) return { drift: first?.drift };
    const said = [...reports].map(([reason, { nodes }]) => `${nodes.join(", ")}: ${reason}`);
    return { disagreement: said.join("; ") };
}

/** A change of a field makes its author the manager of the field, so a field that Pulumi does not manage was changed. */
export function runtimeClassDrift(
    { kind, code, metadata }: Metadata,
    { adopt, hasOverhead }: Managed,
): RuntimeClassDrift | undefined {
    if (kind === "Status" && code === 404) return { reason: "is missing", replace: true };
    if (kind !== "PartialObjectMetadata") return undefined;
    const managers = metadata?.managedFields ?? [];
    const changes = managed
        .filter(([top]) => (top !== "handler" || !adopt) && (top !== "overhead" || hasOverhead))
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
