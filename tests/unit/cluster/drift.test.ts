import { expect } from "chai";
import { labelDrift, type Metadata, runtimeClassDrift } from "../../../src/cluster/drift";

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
        const labels = (labels?: { [key: string]: string }) => labelDrift({ kind, metadata: { labels } });
        const key = "katacontainers.io/kata-runtime";
        expect(labels({ [key]: "true", other: "x" })).to.equal(undefined);
        expect(labels({ [key]: "false" })).to.equal(`label ${key} is "false", was "true"`);
        expect(labels({})).to.equal(`label ${key} is missing`);
        expect(labels()).to.equal(`label ${key} is missing`);
    });

    it("reports nothing if the API server did not answer, or if the Node does not exist yet", () => {
        for (const answer of [{}, { kind: "Status", code: 403 }]) {
            expect(labelDrift(answer)).to.equal(undefined);
            expect(runtimeClassDrift(answer, created)).to.equal(undefined);
        }
        expect(labelDrift({ kind: "Status", code: 404 })).to.equal(undefined);
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
