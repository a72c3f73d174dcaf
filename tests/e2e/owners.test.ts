// Renames, moves, two owners, an existing RuntimeClass, a machine that is gone.

import { ComponentResource } from "@pulumi/pulumi";
import { expect } from "chai";
import { apply, args, bootNode, changes, files, killNode, kubectl, names, onNode, TestStack } from "../support/lab";

const runtimeClass = (...path: string[]) =>
    kubectl("get", "runtimeclass", "kata-qemu", "-o", path.length > 0 ? `jsonpath={${path.join(".")}}` : "name");
const runtimeClasses = () => kubectl("get", "runtimeclass", "-o", "name");

describe("owners", function () {
    this.timeout(10 * 60 * 1000);
    const node = "worker-1";
    const given = (more = {}, on = [node]) => args("3.32.0", more, on);
    const owners = () => onNode(node, "cat /var/lib/kata-containers-node/owners");
    const installed = () => onNode(node, "containerd config dump | grep -c 'runtimes.kata-qemu\\]'");
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

    it("a rename and a move with aliases run nothing at all", async () => {
        await stack.up(given());
        const renamed = { name: "virtual", opts: { aliases: [{ name: "kata" }] } };
        const did = (await stack.up(given(), renamed)).did;
        expect(Object.values(did).filter((op) => op !== "same")).to.deep.equal([]);
        // The aliases have done their work.
        expect(changes(await stack.up(given(), { name: "virtual" }))).to.deep.equal({});
        const place = { name: "virtual", parent: moved, opts: { aliases: [{ parent: undefined }] } };
        const again = (await stack.up(given(), place)).did;
        expect(Object.entries(again).filter(([, op]) => op !== "same")).to.deep.equal([["platform", "create"]]);
        expect(owners()).to.equal("organization/e2e/owners/kata");
    });

    it("a rename without aliases stops at the RuntimeClass, and can be taken back or finished", async () => {
        await stack.up(given());
        const error = await stack.fail(given(), { name: "virtual" });
        expect(error).to.match(/kata-containers\/owner|already exists/);
        expect(installed()).to.equal("1");
        await stack.up(given());
        expect(installed()).to.equal("1");
        expect(owners()).to.equal("organization/e2e/owners/kata");
        // Another name for the RuntimeClass lets it through, here up to a release that fails.
        const other = given({ runtimeClass: { name: "kata" } });
        const cut = given({ ...other, release: { ...other.release, sha256: { amd64: "0".repeat(64) } } });
        expect(await stack.fail(cut, { name: "virtual" })).to.contain("the sha256 of");
        await stack.up(given());
        expect(owners()).to.equal("organization/e2e/owners/kata");
        await stack.up(other, { name: "virtual" });
        expect(installed()).to.equal("1");
        expect(owners()).to.equal("organization/e2e/owners/virtual");
        expect(runtimeClasses()).to.equal("runtimeclass.node.k8s.io/kata");
        expect((await stack.up(other, { name: "virtual" })).did["virtual-worker-1-runtime"]).to.equal("same");
    });

    it("a move without aliases ends with the node as asked", async () => {
        await stack.up(given());
        const other = given({ runtimeClass: { name: "kata" } });
        await stack.up(other, { parent: moved });
        expect(installed()).to.equal("1");
        expect(owners()).to.equal("organization/e2e/owners/kata in test:index:Platform");
    });

    describe("a RuntimeClass that is there already", () => {
        const theirs = (overhead: object) =>
            apply({
                apiVersion: "node.k8s.io/v1",
                kind: "RuntimeClass",
                metadata: { name: "kata-qemu", labels: { from: "elsewhere" } },
                handler: "kata-qemu",
                overhead: { podFixed: overhead },
            });
        afterEach(async () => {
            await stack.destroy();
            kubectl("delete", "runtimeclass", "kata-qemu", "--ignore-not-found");
        });

        it("is adopted, kept up, and given back", async () => {
            theirs({ cpu: "250m", memory: "160Mi" });
            await stack.up(given({ runtimeClass: { adopt: true } }));
            expect(runtimeClass(".overhead.podFixed")).to.equal('{"cpu":"10m","memory":"290Mi"}');
            expect(runtimeClass(".metadata.labels")).to.equal('{"from":"elsewhere"}');
            await stack.up(given({ runtimeClass: { adopt: true }, qemu: { overhead: { cpu: "20m" } } }));
            expect(runtimeClass(".overhead.podFixed.cpu")).to.equal("20m");
            await stack.destroy();
            expect(runtimeClass(".metadata.labels")).to.equal('{"from":"elsewhere"}');
            expect(runtimeClass(".scheduling")).to.equal("");
        });

        it("must have the same handler", async () => {
            theirs({ cpu: "250m" });
            expect(await stack.fail(given({ runtimeClass: { adopt: true, handler: "kata" } }))).to.contain(
                'runtimeClass.handler: must be "kata-qemu"',
            );
        });

        it("must be there, and not be of our own making", async () => {
            const adopting = given({ runtimeClass: { adopt: true } });
            expect(await stack.fail(adopting)).to.match(/handler: Required value/);
            await stack.up(given());
            expect(await stack.fail(adopting)).to.match(/handler: Required value|required field/);
            expect(runtimeClass(".handler")).to.equal("kata-qemu");
            await stack.up(given());
        });
    });

    it("a machine that is gone is taken out in two steps, without a connection to it", async () => {
        const gone = "worker-2";
        await stack.up(given({}, names()));
        killNode(gone);
        try {
            const marked = given({ qemu: { debug: true } }, names());
            marked.nodes[gone]!.gone = true;
            expect(changes(await stack.up(marked))).to.deep.equal({ [`kata-${node}-runtime`]: "update" });
            const without = await stack.up(given({ qemu: { debug: true } }));
            expect(without.outputs.nodeStatuses).to.have.all.keys(node);
            expect(stack.state()).to.not.contain(`kata-${gone}-`);
        } finally {
            bootNode(gone);
            await stack.up(given({}, names()));
        }
    });
});
