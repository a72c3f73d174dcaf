// Owners of a node and of the RuntimeClass: renames, moves, two owners, an existing RuntimeClass, a decommissioned machine.

import { ComponentResource } from "@pulumi/pulumi";
import { expect } from "chai";
import { KataContainers, Shim } from "../../src";
import {
    apply,
    args,
    bootNode,
    changes,
    connection,
    errorOf,
    files,
    killNode,
    kubectl,
    names,
    onNode,
    TestStack,
} from "../support/lab";

const runtimeClass = (...path: string[]) =>
    kubectl("get", "runtimeclass", "kata-qemu", "-o", path.length > 0 ? `jsonpath={${path.join(".")}}` : "name");
const runtimeClasses = () => kubectl("get", "runtimeclass", "-o", "name");

describe("owners", function () {
    this.timeout(10 * 60 * 1000);
    const node = "worker-1";
    const given = (more = {}, on = [node]) => args("3.32.0", more, on);
    const owners = () => onNode(node, "cat /var/lib/kata-containers-node/owners");
    const claimed = (name: string) => `organization/e2e/owners/${name}\tworker-1\tkata-qemu`;
    const installed = () => onNode(node, "containerd config dump | grep -c 'runtimes.kata-qemu\\]' || :");
    let stack: TestStack;
    const filesBefore: { [node: string]: string } = {};

    before(async () => {
        for (const name of names()) filesBefore[name] = files(name);
    });
    beforeEach(async () => {
        stack = await TestStack.create("owners");
    });
    afterEach(async () => {
        await stack.remove();
        for (const name of names()) expect(files(name)).to.equal(filesBefore[name]);
        expect(runtimeClasses()).to.equal("");
    });

    const moved = () => new ComponentResource("test:index:Platform", "platform");
    /** The same runtime on the nodes under another RuntimeClass. */
    const another = { runtimeClasses: { kata: { shim: Shim.Qemu, handler: "kata-qemu" } } };

    it("runs nothing on a rename or a move with aliases", async () => {
        await stack.up(given());
        const renamed = { name: "virtual", opts: { aliases: [{ name: "kata" }] } };
        const did = (await stack.up(given(), renamed)).did;
        expect(Object.values(did).filter((op) => op !== "same")).to.deep.equal([]);
        // From here on the aliases are no longer needed.
        expect(changes(await stack.up(given(), { name: "virtual" }))).to.deep.equal({});
        const place = { name: "virtual", parent: moved, opts: { aliases: [{ parent: undefined }] } };
        const again = (await stack.up(given(), place)).did;
        expect(Object.entries(again).filter(([, op]) => op !== "same")).to.deep.equal([["platform", "create"]]);
        expect(owners()).to.equal(claimed("kata"));
    });

    it("stops a rename without aliases at the RuntimeClass; the rename can then be reverted or completed", async () => {
        await stack.up(given());
        const error = await stack.fail(given(), { name: "virtual" });
        expect(error).to.match(/kata-containers\/owner|already exists/);
        expect(installed()).to.equal("1");
        await stack.up(given());
        expect(installed()).to.equal("1");
        expect(owners()).to.equal(claimed("kata"));
        // With another RuntimeClass the rename continues, here up to a release that fails.
        const other = given(another);
        const cut = given({ ...other, release: { ...other.release, sha256: { amd64: "0".repeat(64) } } });
        expect(await stack.fail(cut, { name: "virtual" })).to.contain("the sha256 of");
        await stack.up(given());
        expect(owners()).to.equal(claimed("kata"));
        await stack.up(other, { name: "virtual" });
        expect(installed()).to.equal("1");
        expect(owners()).to.equal(claimed("virtual"));
        expect(runtimeClasses()).to.equal("runtimeclass.node.k8s.io/kata");
        expect((await stack.up(other, { name: "virtual" })).did["virtual-worker-1-activate"]).to.equal("same");
    });

    it("keeps the node installed through a move without aliases", async () => {
        await stack.up(given());
        await stack.up(given(another), { parent: moved });
        expect(installed()).to.equal("1");
        expect(owners()).to.equal(claimed("kata in test:index:Platform"));
    });

    it("wrong name, corrected name: refuses a machine under another node's name before it changes anything, and installs under the corrected one", async () => {
        const wrong = given();
        const { [node]: machine } = wrong.nodes;
        const error = await stack.fail({ ...wrong, nodes: { "worker-9": machine! } });
        expect(error).to.contain("this machine is the node worker-1 in Kubernetes, not worker-9; nothing was changed");
        expect(kubectl("get", "nodes", "-o", "name")).to.not.contain("worker-9");
        expect(files(node)).to.equal(filesBefore[node]);
        expect((await stack.up(given())).outputs.nodeStatuses).to.have.all.keys(node);
        expect([installed(), owners()]).to.deep.equal(["1", claimed("kata")]);
    });

    it("does not create a Node again that was deleted from the cluster", async () => {
        kubectl("delete", "node", node);
        try {
            expect(await stack.fail(given())).to.contain("the cluster has no Node worker-1; nothing was changed");
            expect(kubectl("get", "nodes", "-o", "name")).to.not.contain(node);
        } finally {
            onNode(node, "systemctl restart kubelet");
            while (!kubectl("get", "nodes", "-o", "name").includes(node)) await new Promise((r) => setTimeout(r, 500));
            kubectl("wait", "--for=condition=Ready", `node/${node}`, "--timeout=120s");
        }
        await stack.up(given());
    });

    it("refuses two components of one program with the same handler on the same machine in a preview, and names both", async () => {
        const two = () => {
            new KataContainers("other", given(another));
            return given();
        };
        expect(await errorOf(stack.preview(two))).to.match(
            /KataContainers "(kata|other)" has an invalid argument:\s+- nodes\["worker-1"\]\.connection: has the same address as "worker-1" of urn:\S+::(other|kata), which has the handler kata-qemu too/,
        );
    });

    it("refuses a second component with the same machine under another address on the node, and names both", async () => {
        await stack.up(given());
        const nodes = { [node]: { connection: { ...connection(node), proxy: connection("worker-2") } } };
        const two = () => {
            new KataContainers("other", given({ ...another, nodes }));
            return given();
        };
        const { log } = await stack.up(two);
        expect(log).to.contain("taking over this node from organization/e2e/owners/kata; if it still exists");
        expect(await stack.fail(() => ({ ...two(), debug: true }))).to.match(
            /the handler kata-qemu of this node is managed by organization.e2e.owners.other; it took the node over from organization.e2e.owners.kata/,
        );
        await stack.up(given());
        expect([installed(), owners()]).to.deep.equal(["1", claimed("kata")]);
    });

    describe("owners of an existing RuntimeClass", () => {
        const theirs = (overhead: object) =>
            apply({
                apiVersion: "node.k8s.io/v1",
                kind: "RuntimeClass",
                metadata: { name: "kata-qemu", labels: { from: "elsewhere" } },
                handler: "kata-qemu",
                overhead: { podFixed: overhead },
            });
        const adopting = (more = {}) => ({ runtimeClasses: { "kata-qemu": { adopt: true, ...more } } });
        afterEach(async () => {
            await stack.destroy();
            kubectl("delete", "runtimeclass", "kata-qemu", "--ignore-not-found");
        });

        it("adopts an existing RuntimeClass, updates it, and releases it on destroy", async () => {
            theirs({ cpu: "250m", memory: "160Mi" });
            await stack.up(given(adopting()));
            expect(runtimeClass(".overhead.podFixed")).to.equal('{"cpu":"10m","memory":"290Mi"}');
            expect(runtimeClass(".metadata.labels")).to.equal('{"from":"elsewhere"}');
            await stack.up(given(adopting({ overhead: { cpu: "20m" } })));
            expect(runtimeClass(".overhead.podFixed.cpu")).to.equal("20m");
            await stack.destroy();
            expect(runtimeClass(".metadata.labels")).to.equal('{"from":"elsewhere"}');
            expect(runtimeClass(".scheduling")).to.equal("");
        });

        it("existing RuntimeClass: refuses one with the same values, says how to adopt it, and keeps it on destroy", async () => {
            apply({
                apiVersion: "node.k8s.io/v1",
                kind: "RuntimeClass",
                metadata: { name: "kata-qemu" },
                handler: "kata-qemu",
                overhead: { podFixed: { cpu: "10m", memory: "290Mi" } },
                scheduling: {
                    nodeSelector: {
                        "katacontainers.io/kata-runtime": "true",
                        "handler.kata-containers/kata-qemu": "true",
                    },
                },
            });
            const before = kubectl("get", "runtimeclass", "kata-qemu", "-o", "yaml", "--show-managed-fields");
            const error = await stack.fail(given());
            expect(error).to.contain('set runtimeClasses["kata-qemu"].adopt to true');
            expect(kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels}")).to.not.contain("kata-runtime");
            await stack.destroy();
            expect(kubectl("get", "runtimeclass", "kata-qemu", "-o", "yaml", "--show-managed-fields")).to.equal(before);
            // One of its own can be updated, refreshed, repaired and replaced.
            kubectl("delete", "runtimeclass", "kata-qemu");
            await stack.up(given());
            const relabeled = given({ runtimeClasses: { "kata-qemu": { labels: { team: "a" } } } });
            expect(changes(await stack.up(relabeled))).to.deep.equal({ "kata-kata-qemu": "update" });
            await stack.refresh();
            expect(changes(await stack.up(relabeled))).to.deep.equal({});
            const other = given({ runtimeClasses: { "kata-qemu": { handler: "kata" } } });
            expect(changes(await stack.preview(other))).to.include({ "kata-kata-qemu": "replace" });
            expect(changes(await stack.up(other))).to.include({ "kata-kata-qemu": "replace" });
            kubectl("delete", "runtimeclass", "kata-qemu");
            expect(changes(await stack.up(other))).to.deep.equal({ "kata-kata-qemu": "replace" });
        });

        it("refuses to adopt a RuntimeClass with another handler", async () => {
            theirs({ cpu: "250m" });
            expect(await stack.fail(given(adopting({ handler: "kata" })))).to.contain(
                'runtimeClasses["kata-qemu"].handler: must be "kata-qemu"',
            );
        });

        it("refuses to adopt a RuntimeClass that is missing or that the component created itself", async () => {
            expect(await stack.fail(given(adopting()))).to.match(/handler: Required value/);
            await stack.up(given());
            expect(await stack.fail(given(adopting()))).to.match(/handler: Required value|required field/);
            expect(runtimeClass(".handler")).to.equal("kata-qemu");
            await stack.up(given());
        });
    });

    it("removes a decommissioned machine in two steps, without a connection to it", async () => {
        const gone = "worker-2";
        const never = given({}, names());
        Object.assign(never.nodes[gone]!, { gone: true, connection: { ...connection(gone), host: "192.0.2.1" } });
        expect(await stack.fail(never)).to.contain("worker-2 is gone and was never installed completely");
        await stack.up(given({}, names()));
        killNode(gone);
        try {
            const marked = given({ debug: true }, names());
            marked.nodes[gone]!.gone = true;
            expect(changes(await stack.up(marked))).to.deep.equal({ [`kata-${node}-activate`]: "update" });
            const without = await stack.up(given({ debug: true }));
            expect(without.outputs.nodeStatuses).to.have.all.keys(node);
            expect(stack.state()).to.not.contain(`kata-${gone}-`);
        } finally {
            bootNode(gone);
            // A Node that stays in the cluster keeps its labels.
            kubectl("label", "node", gone, "katacontainers.io/kata-runtime-", "handler.kata-containers/kata-qemu-");
            await stack.up(given({}, names()));
        }
    });
});
