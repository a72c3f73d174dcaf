import { expect } from "chai";
import fc from "fast-check";
import { namesOf, objectName } from "../../../src/daemon/names";
import { maxUnavailable, selectorText } from "../../../src/daemon/pods";
import { policySpec } from "../../../src/daemon/policy";
import { daemonSetStatus } from "../../../src/daemon/status";

describe("the names of the objects of a DaemonSet", () => {
    it("a valid name is kept, and another one gets a hash", () => {
        expect(objectName("kata")).to.equal("kata-containers-kata");
        expect(objectName("k".repeat(34))).to.equal(`kata-containers-${"k".repeat(34)}`);
        expect(objectName("My Kata!")).to.match(/^kata-containers-my-kata-[0-9a-f]{6}$/);
        expect(objectName("漢字")).to.match(/^kata-containers-[0-9a-f]{6}$/);
        expect(objectName("k".repeat(35))).to.match(/^kata-containers-k{27}-[0-9a-f]{6}$/);
        expect(objectName("trailing-")).to.match(/^kata-containers-trailing-[0-9a-f]{6}$/);
    });

    it("any two names have two objects, whose names are DNS labels of at most 50 characters", () => {
        const name = fc.oneof(
            fc.string({ unit: "binary" }),
            fc.string({ maxLength: 100 }),
            fc.stringMatching(/^[-a-zA-Z]+$/),
        );
        fc.assert(
            fc.property(name, name, (one, other) => {
                expect(objectName(one)).to.match(/^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$/);
                if (one !== other) expect(objectName(one)).to.not.equal(objectName(other));
            }),
        );
    });

    it("the namespace is the given one, or has the name of the object", () => {
        expect(namesOf("kata", undefined)).to.deep.equal({
            object: "kata-containers-kata",
            namespace: "kata-containers-kata",
            cluster: "kata-containers-kata",
            files: "kata-containers-kata-files",
            rollout: "kata-containers-kata-rollout",
            release: "kata-containers-kata-release",
        });
        expect(namesOf("kata", "vm")).to.include({
            object: "kata-containers-kata",
            namespace: "vm",
            cluster: "kata-containers-kata.vm",
        });
    });
});

describe("maxUnavailable of a DaemonSet", () => {
    it("a fraction is a percentage, rounded down but at least 1%", () => {
        const expected: [number, number | string][] = [
            [1, 1],
            [12, 12],
            [Number.MAX_SAFE_INTEGER, 2147483647],
            [0.25, "25%"],
            [0.29, "29%"],
            [0.999, "99%"],
            [0.001, "1%"],
            [1e-9, "1%"],
        ];
        for (const [limit, value] of expected) expect(maxUnavailable(limit), String(limit)).to.equal(value);
    });
});

describe("the node selector in an annotation", () => {
    it("has the labels in their order, whatever the order of the arguments", () => {
        expect(selectorText({ b: "2", a: "1", "example.com/c": "" })).to.equal("a=1,b=2,example.com/c=");
        expect(selectorText({})).to.equal("");
    });
});

describe("daemonSetStatus", () => {
    const now = Date.parse("2026-11-26T10:00:00Z");
    const failed = (reason: string, time = "09:15:00") => `failed 0123456789 2026-11-26T${time}Z ${reason}`;
    const statusOf = (nodes: number, ready: number, entries: { [node: string]: string }) =>
        daemonSetStatus({ desiredNumberScheduled: nodes, numberReady: ready }, entries, now);

    it("counts the nodes, and shows the reasons of the first three that failed", () => {
        const entries = {
            d: failed("four"),
            b: failed("step host: two"),
            c: failed(""),
            a: failed("one\nline"),
            e: "changing 0123456789 2026-11-26T09:15:00Z",
        };
        expect(statusOf(10, 5, entries)).to.deep.equal({
            nodes: 10,
            ready: 5,
            updating: 1,
            failed: 4,
            reasons: { a: "one\nline", b: "step host: two", c: "" },
        });
    });

    it("ignores failures that are older than an hour", () => {
        const entries = { a: failed("old", "08:59:59"), b: failed("recent", "09:00:00"), c: failed("new", "10:00:05") };
        expect(statusOf(10, 5, entries)).to.deep.equal({
            nodes: 10,
            ready: 5,
            updating: 3,
            failed: 2,
            reasons: { b: "recent", c: "new" },
        });
        const recent = failed("now").replace(/ 2026\S+/, ` ${new Date().toISOString()}`);
        const old = "failed 0123456789 2020-01-01T00:00:00Z old";
        expect(daemonSetStatus({ desiredNumberScheduled: 5 }, { a: recent, b: old })).to.include({ failed: 1 });
    });

    it("counts no more nodes as failed than are not ready, even if the objects are read at different times", () => {
        expect(statusOf(1, 1, { a: failed("one") })).to.include({ updating: 0, failed: 0, ready: 1 });
        expect(statusOf(4, 3, { a: failed("one"), b: failed("two") })).to.include({ updating: 0, failed: 1, ready: 3 });
        expect(statusOf(1, 2, { a: failed("one") })).to.include({ updating: 0, failed: 0, ready: 2 });
    });

    it("is empty before the DaemonSet has a status, and ignores entries that it does not know", () => {
        const empty = { nodes: 0, ready: 0, updating: 0, failed: 0, reasons: {} };
        expect(daemonSetStatus(undefined, undefined)).to.deep.equal(empty);
        expect(daemonSetStatus({}, { a: "failed", b: "", c: "failed 1" })).to.deep.equal(empty);
    });
});

describe("the policy of a DaemonSet", () => {
    const spec = policySpec(namesOf("kata", "vm"));
    const expressions = spec.validations.map(({ expression }: { expression: string }) => expression);

    it("applies to the updates of Nodes by the account of the pods, and fails closed", () => {
        expect(spec.failurePolicy).to.equal("Fail");
        expect(spec.matchConstraints.resourceRules).to.deep.equal([
            { apiGroups: [""], apiVersions: ["*"], operations: ["UPDATE"], resources: ["nodes"] },
        ]);
        expect(spec.matchConditions).to.deep.equal([
            {
                name: "account",
                expression: "request.userInfo.username == 'system:serviceaccount:vm:kata-containers-kata'",
            },
        ]);
    });

    it("permits only the own Node, the labels of this package and the annotation with the status", () => {
        expect(expressions).to.have.length(4);
        expect(expressions[0]).to.contain("== [object.metadata.name]");
        for (const field of ["?spec", "metadata.?ownerReferences", "metadata.?finalizers"]) {
            expect(expressions[1]).to.contain(`object.${field} == oldObject.${field}`);
        }
        const allowed = /key == '([^']*)'|startsWith\('([^']*)'\)/g;
        const keys = (expression: string) =>
            new Set([...expression.matchAll(allowed)].map(([, is, starts]) => is ?? starts));
        expect([...keys(expressions[2])]).to.deep.equal(["katacontainers.io/kata-runtime", "handler.kata-containers/"]);
        expect([...keys(expressions[3])]).to.deep.equal(["status.kata-containers/kata-containers-kata"]);
    });
});
