// The order in which nodes are switched.

import type { Rollout } from "../args";

/** The nodes in groups: those of one are switched at once, and only when all of them are healthy comes the next. */
export function waves(nodes: string[], rollout: Rollout | undefined): string[][] {
    const { maxUnavailable, canary } = rollout ?? {};
    const given = maxUnavailable ?? 1;
    const size = given < 1 ? Math.max(1, Math.floor(given * nodes.length)) : given;
    const others = nodes.filter((node) => node !== canary);
    return [...(canary ? [[canary]] : []), ...slices(others, size)];
}

function slices<T>(items: T[], size: number): T[][] {
    return items.length === 0 ? [] : [items.slice(0, size), ...slices(items.slice(size), size)];
}
