import { expect } from "chai";
import type { RolloutArgs } from "../../../src";
import { waves } from "../../../src/node/rollout";

describe("waves", () => {
    const cases: [title: string, rollout: RolloutArgs | undefined, waves: string][] = [
        ["one node at a time", undefined, "a b c d e"],
        ["so many nodes at once", { maxUnavailable: 2 }, "ab cd e"],
        ["a fraction, rounded down", { maxUnavailable: 0.5 }, "ab cd e"],
        ["at least one", { maxUnavailable: 0.01 }, "a b c d e"],
        ["more than there are", { maxUnavailable: 100 }, "abcde"],
        ["a canary alone, before all others", { canary: "c", maxUnavailable: 3 }, "c abd e"],
        ["all at once after a canary", { canary: "a", maxUnavailable: 5 }, "a bcde"],
    ];
    for (const [title, rollout, expected] of cases) {
        it(title, () => {
            const groups = waves([..."abcde"], rollout).map((wave) => wave.join(""));
            expect(groups.join(" ")).to.equal(expected);
        });
    }
});
