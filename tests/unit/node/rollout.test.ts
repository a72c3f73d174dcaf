import { expect } from "chai";
import fc from "fast-check";
import type { RolloutArgs } from "../../../src";
import { waves } from "../../../src/node/rollout";
import { type Child, deploy } from "../../support/mocks";
import { Random } from "../../support/random";

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

describe("the order of the resources in a rollout", () => {
    const nodesOf = (count: number) => Array.from({ length: count }, (_, i) => `worker-${i + 1}`);
    const children = async (nodes: string[], rollout: RolloutArgs) => {
        const given = Object.fromEntries(
            nodes.map((node) => [node, { connection: { host: node, password: "secret" } }]),
        );
        return (await deploy({ nodes: given, rollout })).children;
    };

    /**
     * Completes the resources in a random order that their dependencies allow, as an engine with any number of processes may, and
     * returns the largest number of nodes that change at the same time.
     */
    function complete(resources: { [name: string]: Child }, nodes: string[], random: Random) {
        const waiting = new Map(Object.entries(resources));
        const changes = new Map(
            nodes.map((node) => [
                node,
                ["drain", "activate", "label", "uncordon"].map((step) => `kata-${node}-${step}`),
            ]),
        );
        let most = 0;
        while (waiting.size > 0) {
            const running = [...waiting.keys()].filter(
                (name) => !waiting.get(name)!.edges.some((on) => waiting.has(on)),
            );
            const changing = nodes.filter((node) => {
                const steps = changes.get(node)!.filter((step) => step in resources);
                return (
                    steps.some((step) => waiting.has(step)) &&
                    steps.some((step) => !waiting.has(step) || running.includes(step))
                );
            });
            most = Math.max(most, changing.length);
            waiting.delete(random.pick(running));
        }
        return most;
    }

    it("changes no more than maxUnavailable nodes at once, in any order that the dependencies allow", async () => {
        const limits = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }));
        const counts = fc.integer({ min: 1, max: 8 });
        const drains = fc.constantFrom(undefined, { kubeconfig: "apiVersion: v1" });
        await fc.assert(
            fc.asyncProperty(
                counts,
                limits,
                drains,
                fc.boolean(),
                fc.integer(),
                async (count, maxUnavailable, drain, isCanary, seed) => {
                    const nodes = nodesOf(count);
                    const canary = isCanary ? nodes.at(-1) : undefined;
                    const resources = await children(nodes, { maxUnavailable, canary, drain });
                    const limit = maxUnavailable < 1 ? Math.max(1, Math.floor(maxUnavailable * count)) : maxUnavailable;
                    const random = new Random(seed);
                    const most = Array.from({ length: 5 }, () => complete(resources, nodes, random));
                    expect(Math.max(...most)).to.be.within(1, limit);
                    for (const node of nodes) expect(resources).to.include.keys(`kata-${node}-activate`);
                },
            ),
            { numRuns: 15 },
        );
    });

    it("needs a number of dependencies that grows with the nodes, not with their square", async () => {
        const resources = Object.values(await children(nodesOf(40), { maxUnavailable: 0.5 }));
        const edges = resources.flatMap((resource) => resource.edges);
        expect(edges.length / resources.length).to.be.at.most(5);
    });
});
