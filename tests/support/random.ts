// Seeds of generated tests. The same seed generates the same cases, so a failure can be repeated.

/** The seeds that tests run with: a fixed list, or the one in KATA_TEST_SEED. */
export const seeds = process.env.KATA_TEST_SEED ? [Number(process.env.KATA_TEST_SEED)] : [1, 20, 300];

/** A seeded picker for tests whose next step depends on the result of the last one; all others use fast-check. */
export class Random {
    constructor(private state: number) {}

    /** From 0 up to 1 (mulberry32). */
    next(): number {
        this.state = (this.state + 0x6d2b79f5) | 0;
        let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    }

    /** An integer from 0 up to, but not including, `limit`. */
    below(limit: number): number {
        return Math.floor(this.next() * limit);
    }

    chance(probability: number): boolean {
        return this.next() < probability;
    }

    pick<T>(items: readonly T[]): T {
        return items[this.below(items.length)]!;
    }
}
