// A seeded source of randomness, so that what a test generates is the same in every run and a failure can be repeated.

/** The seeds tests run with: a fixed list, or the one that KATA_TEST_SEED gives. */
export const seeds = process.env.KATA_TEST_SEED ? [Number(process.env.KATA_TEST_SEED)] : [1, 20, 300];

export class Random {
    constructor(private state: number) {}

    /** From 0 up to 1 (mulberry32). */
    next(): number {
        this.state = (this.state + 0x6d2b79f5) | 0;
        let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    }

    /** A whole number from 0 up to, but not, `limit`. */
    below(limit: number): number {
        return Math.floor(this.next() * limit);
    }

    chance(probability: number): boolean {
        return this.next() < probability;
    }

    pick<T>(items: readonly T[]): T {
        return items[this.below(items.length)]!;
    }

    /** As many as asked of what `make` makes. */
    list<T>(count: number, make: (i: number) => T): T[] {
        return Array.from({ length: count }, (_, i) => make(i));
    }

    shuffled<T>(items: readonly T[]): T[] {
        const left = [...items];
        return this.list(items.length, () => left.splice(this.below(left.length), 1)[0]!);
    }
}

/** Says which case of which seed failed, and shows what it was. */
export function checked(seed: number, i: number, input: unknown, check: () => void): void {
    try {
        check();
    } catch (error) {
        const where = `KATA_TEST_SEED=${seed}, case ${i}: ${JSON.stringify(input, null, 1)}`;
        throw new Error(`${(error as Error).message}\n${where}`, { cause: error });
    }
}
