import { expect } from "chai";
import { Random } from "../../support/random";
import { faultPairs, randomFor, spread } from "../../support/sample";

describe("samples of long tests", () => {
    const kinds = ["connection", "program", "power", "disk", "service"] as const;
    const activate = Array.from({ length: 30 }, (_, i) => `note /etc/${i}`);
    const deactivate = Array.from({ length: 20 }, (_, i) => `remove /etc/${i}`);
    const sampled = (seed: number, node = "2.3.7") =>
        faultPairs(kinds, activate, deactivate, { perKind: 2, seed, node });
    const seeds = Array.from({ length: 50 }, (_, i) => 20260101 + i);

    it("picks the same faults for the same seed, and others for another seed or node", () => {
        for (const seed of seeds) {
            expect(sampled(seed)).to.deep.equal(sampled(seed));
            expect(sampled(seed)).to.not.deep.equal(sampled(seed + 1));
            expect(sampled(seed)).to.not.deep.equal(sampled(seed, "1.6.20"));
        }
    });

    it("picks as many faults of every kind in both directions, for every seed", () => {
        for (const seed of seeds) {
            const pairs = sampled(seed);
            for (const kind of kinds) {
                const ofKind = pairs.filter((pair) => pair.kind === kind);
                expect(new Set(ofKind.map((pair) => pair.activate)).size).to.equal(2);
                expect(new Set(ofKind.map((pair) => pair.deactivate)).size).to.equal(2);
            }
            expect(pairs.every((pair) => activate.includes(pair.activate))).to.equal(true);
            expect(pairs.every((pair) => deactivate.includes(pair.deactivate))).to.equal(true);
        }
    });

    it("reaches every failpoint with every kind of fault within some hundred seeds", () => {
        const picked = new Set(
            Array.from({ length: 500 }, (_, seed) => sampled(seed))
                .flat()
                .flatMap((pair) => [`${pair.kind} ${pair.activate}`, `${pair.kind} ${pair.deactivate}`]),
        );
        expect(picked.size).to.equal(kinds.length * (activate.length + deactivate.length));
    });

    it("tries every failpoint with every kind of fault if no sample is requested", () => {
        const pairs = faultPairs(kinds, activate, deactivate);
        for (const kind of kinds) {
            const ofKind = pairs.filter((pair) => pair.kind === kind);
            expect(ofKind.map((pair) => pair.activate)).to.deep.equal(activate);
            expect(new Set(ofKind.map((pair) => pair.deactivate))).to.deep.equal(new Set(deactivate));
        }
    });

    it("picks one item of each stretch of a list, in order", () => {
        const items = Array.from({ length: 10 }, (_, i) => i);
        for (const seed of seeds) {
            const [first, middle, last] = spread(items, 3, randomFor(seed, "test"));
            expect(first).to.be.within(0, 2);
            expect(middle).to.be.within(3, 5);
            expect(last).to.be.within(6, 9);
        }
    });

    it("uses the whole list if it is shorter than the sample", () => {
        expect(spread(["a", "b"], 3, new Random(1))).to.deep.equal(["a", "b"]);
    });
});
