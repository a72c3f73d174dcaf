import { expect } from "chai";
import fc from "fast-check";
import type { RolloutArgs } from "../../../src";
import { waves } from "../../../src/node/rollout";

describe("the waves of a rollout", () => {
    const cases: [title: string, rollout: RolloutArgs | undefined, waves: string][] = [
        ["changes one node at a time by default", undefined, "a b c d e"],
        ["changes maxUnavailable nodes at once", { maxUnavailable: 2 }, "ab cd e"],
        ["rounds a fraction down", { maxUnavailable: 0.5 }, "ab cd e"],
        ["changes at least one node at once", { maxUnavailable: 0.01 }, "a b c d e"],
        ["accepts a maxUnavailable above the number of nodes", { maxUnavailable: 100 }, "abcde"],
        ["changes a canary alone, before all others", { canary: "c", maxUnavailable: 3 }, "c abd e"],
        ["changes all other nodes at once after a canary", { canary: "a", maxUnavailable: 5 }, "a bcde"],
    ];
    for (const [title, rollout, expected] of cases) {
        it(title, () => {
            const groups = waves([..."abcde"], rollout).map((wave) => wave.join(""));
            expect(groups.join(" ")).to.equal(expected);
        });
    }

    it("changes the nodes in the order of their names, because some languages do not keep the order of `nodes`", () => {
        const nodes = ["worker-2", "10", "b", "worker-10", "2", "a"];
        const ordered = [["a"], ["10"], ["2"], ["b"], ["worker-10"], ["worker-2"]];
        expect(waves(nodes, { canary: "a" })).to.deep.equal(ordered);
        expect(waves(nodes.toReversed(), { canary: "a" })).to.deep.equal(ordered);
    });

    it("changes every node exactly once, the canary first, and never more than maxUnavailable at once", () => {
        const limits = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.double({ min: 0.001, max: 0.999, noNaN: true }));
        const nodes = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 20 });
        fc.assert(
            fc.property(nodes, limits, fc.option(fc.nat()), (nodes, maxUnavailable, at) => {
                const canary = at === null ? undefined : nodes[at % nodes.length];
                const groups = waves(nodes, { maxUnavailable, canary: canary || undefined });
                expect(groups.flat().toSorted()).to.deep.equal(nodes.toSorted());
                if (canary) expect(groups[0]).to.deep.equal([canary]);
                const limit = maxUnavailable < 1 ? Math.max(1, maxUnavailable * nodes.length) : maxUnavailable;
                for (const group of groups) expect(group.length).to.be.within(1, limit);
            }),
        );
    });
});
