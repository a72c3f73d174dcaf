// The npm tarball on one node: up, pods, another version under a running pod, destroy. In the lab, its pods run on runc. On a
// hosted runner (tests/virtualization), they run in virtual machines, with the two newest releases of Kata Containers.

import { expect } from "chai";
import { checksums } from "../../src/kata/checksums";
import { args, connection, expectAlive, files, inventory, kubectl, onNode, removePods, startPod } from "../support/lab";
import { Project } from "./project";

describe("the npm tarball on one node", function () {
    this.timeout(20 * 60 * 1000);
    const node = "worker-1";
    let project: Project;
    let filesBefore: string;
    const isLab = () => "releases" in inventory();
    const versions = () => (isLab() ? ["4.1.0", "3.32.0"] : Object.keys(checksums["kata-static"])) as [string, string];

    /** Runs `pulumi up` on the example for TypeScript, on this node alone. */
    const install = (version: string) => {
        const lab = isLab() ? `release: ${JSON.stringify(args(version).release)}, hostChecks: "warn",` : "";
        const program = project.example([
            ['        "worker-2": { connection: { host: "192.0.2.12", privateKey } },\n', ""],
            ["192.0.2.11", connection(node).host as string],
            ['version: "3.32.0",', `version: "${version}", ${lab}`],
        ]);
        project.write(program);
        return project.up();
    };
    const status = async () => (await project.outputs()).nodeStatuses!.value[node];
    /** Starts a pod, and checks whether it has a kernel of its own. */
    const startKata = (pod: string) => {
        startPod(pod, node, "kata-qemu");
        const [ofPod, ofNode] = [kubectl("exec", pod, "--", "uname", "-r"), onNode(node, "uname -r")];
        console.log(`      kernel of the pod: ${ofPod}, of the node: ${ofNode}`);
        expect(ofPod !== ofNode).to.equal(!isLab());
    };

    before(async () => {
        project = await Project.create("typescript");
        filesBefore = files(node);
    });
    after(() => project?.remove());

    it("installs a release and starts a Kata pod", async () => {
        const [, version] = versions();
        await install(version);
        expect(await status()).to.deep.include({ kataVersions: { "kata-qemu": version }, kvm: !isLab() });
        startKata("kata-1");
    });

    it("installs the next release under a running pod, and starts another one", async () => {
        const [version, before] = versions();
        await install(version);
        expect(await status()).to.deep.include({
            kataVersions: { "kata-qemu": version },
            sandboxes: { "kata-qemu": { [before]: 1 } },
        });
        expectAlive("kata-1");
        startKata("kata-2");
        removePods(node, "kata-1", "kata-2");
    });

    it("leaves the node as it was after destroy, byte for byte", async () => {
        await project.destroy();
        expect(files(node)).to.equal(filesBefore);
    });
});
