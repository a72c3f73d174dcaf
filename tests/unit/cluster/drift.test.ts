import { expect } from "chai";
import { agreedDrift, labelDrift, type Metadata, runtimeClassDrift } from "../../../src/cluster/drift";

const kind = "PartialObjectMetadata";
/** Metadata with managed fields, as the API server returns it. */
const managed = (...managers: [manager: string, fields: object][]): Metadata => ({
    kind,
    metadata: { managedFields: managers.map(([manager, fieldsV1]) => ({ manager, fieldsV1 })) },
});
const annotation = { "f:metadata": { "f:annotations": { "f:kata-containers/owner": {} } } };
const overhead = (...of: string[]) => ({
    "f:overhead": { "f:podFixed": Object.fromEntries(of.map((name) => [`f:${name}`, {}])) },
});
const scheduling = { "f:scheduling": { "f:nodeSelector": {} } };
const handler = { "f:handler": {} };
const pulumi = "pulumi-kubernetes-12345678";
const created = { adopt: false, hasOverhead: true };

describe("drift of the objects in the cluster", () => {
    it("reports a node label that is missing or has another value", () => {
        const drift = (labels?: { [key: string]: string }, handlers = ["old", "new"]) =>
            labelDrift({ kind, metadata: { labels } }, handlers);
        const key = "katacontainers.io/kata-runtime";
        const [before, after] = ["handler.kata-containers/old", "handler.kata-containers/new"];
        expect(drift({ [key]: "true", [before]: "true", [after]: "true", other: "x" })).to.deep.equal([]);
        expect(drift({ [key]: "false", [after]: "no" })).to.deep.equal([
            `label ${key} is "false", was "true"`,
            `label ${before} is missing`,
            `label ${after} is "no", was "true"`,
        ]);
        for (const labels of [{}, undefined]) expect(drift(labels, [])).to.deep.equal([`label ${key} is missing`]);
    });

    it("reports nothing if the API server did not answer, or if the Node does not exist yet", () => {
        for (const answer of [{}, { kind: "Status", code: 403 }]) {
            expect(labelDrift(answer, ["kata"])).to.deep.equal([]);
            expect(runtimeClassDrift(answer, created)).to.equal(undefined);
        }
        expect(labelDrift({ kind: "Status", code: 404 }, ["kata"])).to.deep.equal([]);
    });

    it("reports drift of the RuntimeClass only if all nodes that could ask the API server report the same", () => {
        const missing = { kind: "Status", code: 404 };
        const unchanged = managed([pulumi, { ...annotation, ...overhead("cpu", "memory"), ...scheduling, ...handler }]);
        const silent = { kind: "Status", code: 403 };
        const agreed = (...answers: Metadata[]) =>
            agreedDrift(
                answers.map((answer, i) => [`node-${i}`, answer]),
                created,
            );
        expect(agreed()).to.deep.equal({ drift: undefined });
        expect(agreed(silent, unchanged, {}, unchanged)).to.deep.equal({ drift: undefined });
        expect(agreed(silent, missing, {}, missing).drift).to.deep.equal({ reason: "is missing", replace: true });
        expect(agreed(missing, unchanged, silent, missing)).to.deep.equal({
            disagreement: "node-0, node-3: is missing; node-1: is unchanged",
        });
        expect(agreed(missing, managed()).disagreement).to.match(/^node-0: is missing; node-1: metadata\.annotations/);
    });

    it("replaces a RuntimeClass that is missing", () => {
        expect(runtimeClassDrift({ kind: "Status", code: 404 }, created)).to.deep.equal({
            reason: "is missing",
            replace: true,
        });
    });

    it("reports nothing if Pulumi manages its fields of the RuntimeClass and others manage only other fields", () => {
        const all = { ...annotation, ...overhead("cpu", "memory"), ...scheduling, ...handler };
        const others = { "f:metadata": { "f:labels": { "f:team": {} } } };
        expect(runtimeClassDrift(managed([pulumi, all], ["kubectl-edit", others]), created)).to.equal(undefined);
        const without = { ...annotation, ...scheduling, ...handler };
        expect(runtimeClassDrift(managed([pulumi, without]), { adopt: false, hasOverhead: false })).to.equal(undefined);
    });

    it("ignores the handler of an adopted RuntimeClass", () => {
        const patch = { ...annotation, ...overhead("cpu", "memory"), ...scheduling };
        const answer = managed([pulumi, patch], ["kubectl-create", handler]);
        expect(runtimeClassDrift(answer, { adopt: true, hasOverhead: true })).to.equal(undefined);
        expect(runtimeClassDrift(answer, created)).to.deep.equal({
            reason: "handler was changed by kubectl-create",
            replace: true,
        });
    });

    it("names the changed field of a RuntimeClass and who changed it", () => {
        const rest = { ...annotation, ...overhead("memory"), ...scheduling, ...handler };
        expect(runtimeClassDrift(managed([pulumi, rest], ["kubectl-edit", overhead("cpu")]), created)).to.deep.equal({
            reason: "overhead.podFixed.cpu was changed by kubectl-edit",
            replace: false,
        });
        expect(
            runtimeClassDrift(managed([pulumi, { ...annotation, ...handler, ...scheduling }]), created)?.reason,
        ).to.equal("overhead.podFixed.cpu is missing, overhead.podFixed.memory is missing");
        expect(runtimeClassDrift({ kind, metadata: {} }, created)?.replace).to.equal(true);
    });
});
