// What a container cannot show: a kernel of its own, with modules, KVM and cgroup v2, and the host checks enforced.

import { expect } from "chai";
import { FaultyNode } from "../support/faults";
import {
    args,
    bootNode,
    files,
    killNode,
    kubectl,
    onNode,
    ready,
    removePods,
    startPod,
    TestStack,
    times,
    up,
} from "../support/lab";

describe("a virtual machine as a node", function () {
    this.timeout(20 * 60 * 1000);
    const node = "machine-1";
    // An emulated machine takes a minute for all that containers show as well, such as drift.
    const given = () =>
        args("3.32.0", { hostChecks: "enforce", kubelet: { cgroupDriver: "systemd" }, drift: "off" }, [node]);
    const modules = () => onNode(node, "lsmod").match(/^(vhost_vsock|vhost_net|kvm_amd)\b/gm) ?? [];
    let stack: TestStack;
    let filesBefore: string;

    before(async () => {
        up(`${node}=vm`);
        stack = await TestStack.create("virtual-machine");
        filesBefore = files(node);
        expect(modules()).to.deep.equal([]);
    });
    after(() => stack.remove());

    it("is as it was when its power went in the middle of a change, before anyone runs anything", async () => {
        const faulty = new FaultyNode(node, given());
        faulty.prepare();
        expect(await faulty.stage()).to.include({ status: 0 });
        const { picture } = faulty.look();
        // containerd's file has the new driver by then, the kubelet's the old one.
        await faulty.fault("power", "note /var/lib/kubelet/config.yaml", faulty.activate);
        expect(onNode(node, "journalctl -b -u kata-containers-node -o cat")).to.contain(
            "an earlier run was cut off: the machine lost power; putting the node back first",
        );
        const after = faulty.look();
        expect(after.picture).to.equal(picture);
        expect(after.ills).to.equal("");
        expect(ready(node)).to.equal(true);
        expect(await faulty.unstage()).to.include({ status: 0 });
        faulty.restore();
        expect(files(node)).to.equal(filesBefore);
    });

    it("fulfils the host checks, gets its modules, and the driver systemd on cgroup v2", async () => {
        const { outputs } = await stack.up(given());
        expect(outputs.nodeStatuses[node]).to.deep.equal({
            kataVersion: "3.32.0",
            containerdVersion: "2.3.7",
            cgroupDriver: "systemd",
            kvm: true,
            sandboxes: {},
        });
        expect(modules()).to.have.members(["vhost_vsock", "vhost_net", "kvm_amd"]);
        expect(ready(node)).to.equal(true);
        expect(onNode(node, "cat /etc/kata-containers/kata-qemu/configuration.toml")).to.match(
            /^sandbox_cgroup_only = true$/m,
        );
    });

    it("runs a pod through the handler", () => {
        startPod("kata-machine", node, "kata-qemu");
        expect(onNode(node, "tail -n 1 /run/kata-miniature/shim.log")).to.contain(
            '"configPath":"/etc/kata-containers/kata-qemu/configuration.toml","configExists":true',
        );
        removePods(node, "kata-machine");
    });

    it("is the same after its power went, and the command has nothing to do", async () => {
        killNode(node);
        bootNode(node);
        expect(modules()).to.include.members(["vhost_vsock", "vhost_net"]);
        const untouched = times(node);
        const again = given();
        again.nodes[node]!.connection.perDialTimeout = 16;
        const { did } = await stack.up(again);
        expect(did[`kata-${node}-runtime`]).to.equal("update");
        expect(times(node)).to.equal(untouched);
    });

    it("is as it was after destroy, byte for byte", async () => {
        await stack.destroy();
        expect(files(node)).to.equal(filesBefore);
        expect(ready(node)).to.equal(true);
        expect(kubectl("get", "runtimeclass", "-o", "name")).to.equal("");
    });
});
