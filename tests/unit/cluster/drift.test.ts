import { expect } from "chai";
import { labelDrift, type Metadata, runtimeClassDrift } from "../../../src/cluster/drift";

const kind = "PartialObjectMetadata";
/** What the API server says of who manages what, as it says it. */
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
const ours = "pulumi-kubernetes-12345678";
const made = { adopt: false, overhead: true };

describe("drift in the cluster", () => {
    it("of the label", () => {
        const labels = (labels?: { [key: string]: string }) => labelDrift({ kind, metadata: { labels } });
        const key = "katacontainers.io/kata-runtime";
        expect(labels({ [key]: "true", other: "x" })).to.equal(undefined);
        expect(labels({ [key]: "false" })).to.equal(`label ${key} is "false", was "true"`);
        expect(labels({})).to.equal(`label ${key} is missing`);
        expect(labels()).to.equal(`label ${key} is missing`);
    });

    it("is none where nobody could be asked, or the Node is not there yet", () => {
        for (const answer of [{}, { kind: "Status", code: 403 }]) {
            expect(labelDrift(answer)).to.equal(undefined);
            expect(runtimeClassDrift(answer, made)).to.equal(undefined);
        }
        expect(labelDrift({ kind: "Status", code: 404 })).to.equal(undefined);
    });

    it("of a RuntimeClass that is not there, which is made anew", () => {
        expect(runtimeClassDrift({ kind: "Status", code: 404 }, made)).to.deep.equal({
            reason: "is missing",
            replace: true,
        });
    });

    it("of a RuntimeClass is none where Pulumi manages what it has set, whatever others have set besides", () => {
        const all = { ...annotation, ...overhead("cpu", "memory"), ...scheduling, ...handler };
        const others = { "f:metadata": { "f:labels": { "f:team": {} } } };
        expect(runtimeClassDrift(managed([ours, all], ["kubectl-edit", others]), made)).to.equal(undefined);
        const without = { ...annotation, ...scheduling, ...handler };
        expect(runtimeClassDrift(managed([ours, without]), { adopt: false, overhead: false })).to.equal(undefined);
    });

    it("of a RuntimeClass that is adopted leaves its handler to others", () => {
        const patch = { ...annotation, ...overhead("cpu", "memory"), ...scheduling };
        const answer = managed([ours, patch], ["kubectl-create", handler]);
        expect(runtimeClassDrift(answer, { adopt: true, overhead: true })).to.equal(undefined);
        expect(runtimeClassDrift(answer, made)).to.deep.equal({
            reason: "handler was changed by kubectl-create",
            replace: true,
        });
    });

    it("of a RuntimeClass names the field and who changed it", () => {
        const rest = { ...annotation, ...overhead("memory"), ...scheduling, ...handler };
        expect(runtimeClassDrift(managed([ours, rest], ["kubectl-edit", overhead("cpu")]), made)).to.deep.equal({
            reason: "overhead.podFixed.cpu was changed by kubectl-edit",
            replace: false,
        });
        expect(runtimeClassDrift(managed([ours, { ...annotation, ...handler, ...scheduling }]), made)?.reason).to.equal(
            "overhead.podFixed.cpu is missing, overhead.podFixed.memory is missing",
        );
        expect(runtimeClassDrift({ kind, metadata: {} }, made)?.replace).to.equal(true);
    });
});
