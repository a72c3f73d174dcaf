// Samples of tests that are too long to run in full each time. KATA_TEST_ALL=1 runs everything instead.

import { createHash } from "node:crypto";
import { Random } from "./random";

/** Run everything, not a sample. */
export const everything = process.env.KATA_TEST_ALL === "1";

/** The seed of all samples: KATA_TEST_SEED, or today's date, so that each day tests something else. */
export const seed = Number(process.env.KATA_TEST_SEED ?? new Date().toISOString().slice(0, 10).replaceAll("-", ""));

/** A source of randomness for one use of a seed, so that uses at the same time do not depend on each other's order. */
export const randomFor = (seed: number, ...use: string[]) =>
    new Random(
        createHash("sha256")
            .update(JSON.stringify([seed, ...use]))
            .digest()
            .readInt32LE(),
    );

/** The kind of node whose tests run in whole. On the other kinds, Kata is installed, used and removed. */
export const inWhole = (kind: string) =>
    everything ||
    kind === randomFor(seed, "kinds of nodes").pick(["rke2", "k3s", "k0s", "k0s-1.35", "microk8s", "crio"]);

/** One item out of each of `count` equal stretches of a list, so that its beginning, middle and end are all in the sample. */
export function spread<T>(items: readonly T[], count: number, random: Random): T[] {
    if (count >= items.length) return [...items];
    const border = (stretch: number) => Math.floor((stretch * items.length) / count);
    return Array.from({ length: count }, (_, i) => random.pick(items.slice(border(i), border(i + 1))));
}

/** Files of end-to-end tests for what is rare on a node. One of each two neighbours runs. */
const rare = [
    ...["cgroupDriver", "field"],
    ...["gpuToolkit", "takeover"],
    ...["sessions", "sockets"],
    ...["handler", "snapshotter"],
    ...["leaving", "removal"],
] as const;
const chosen = spread(rare, rare.length / 2, randomFor(seed, "rare"));
export const describeRare = (file: (typeof rare)[number]) =>
    everything || chosen.includes(file) ? describe : describe.skip;

/** A fault before a failpoint of `activate`, then one before a failpoint of `deactivate`. */
export interface FaultPair<Kind> {
    kind: Kind;
    activate: string;
    deactivate: string;
}

/**
 * The faults to try on a node, by kind. Activations and deactivations alternate, so that each begins where the one before
 * ended.
 * @param perKind how many pairs of each kind: a sample instead of all
 */
export function faultPairs<Kind extends string>(
    kinds: readonly Kind[],
    activate: readonly string[],
    deactivate: readonly string[],
    sample?: { perKind: number; seed: number; node: string },
): FaultPair<Kind>[] {
    return kinds.flatMap((kind) => {
        const choose = (action: string, failpoints: readonly string[]) =>
            sample
                ? spread(failpoints, sample.perKind, randomFor(sample.seed, sample.node, kind, action))
                : [...failpoints];
        const there = choose("activate", activate);
        const back = choose("deactivate", deactivate);
        return Array.from({ length: Math.max(there.length, back.length) }, (_, i) => ({
            kind,
            activate: there[Math.min(i, there.length - 1)]!,
            deactivate: back[Math.min(i, back.length - 1)]!,
        }));
    });
}
