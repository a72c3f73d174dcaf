// A node with its own kernel, which a container does not have: modules, KVM, cgroup v2, and enforced host checks.

import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
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
    shimRecord,
    startPod,
    TestStack,
    times,
    up,
} from "../support/lab";
import { everything, randomFor, seed } from "../support/sample";

describe("a virtual machine as a node", function () {
    this.timeout(40 * 60 * 1000);
    const node = "machine-1";
    // Each takes minutes on an emulated machine. QEMU needs more modules.
    const hypervisors = everything ? ["clh", "qemu"] : ["qemu"];
    const handlers = hypervisors.map((hypervisor) => `kata-${hypervisor}`);
    const each = <Value>(value: Value) => Object.fromEntries(handlers.map((handler) => [handler, value]));
    // An emulated machine is slow, so features that the container nodes cover, such as drift, are off.
    const given = (more: KataContainersArgs["runtimeClasses"] = {}) =>
        args(
            "3.32.0",
            {
                runtimeClasses: { ...each({}), ...more },
                hostChecks: "enforce",
                kubelet: { cgroupDriver: "systemd" },
                drift: "off",
            },
            [node],
        );
    const modules = () => onNode(node, "lsmod").match(/^(vhost_vsock|vhost_net|kvm_amd)\b/gm) ?? [];
    const powerFailures = ["during a change", "after a change"] as const;
    const chosen = randomFor(seed, "virtual machine").pick(powerFailures);
    const powerFailure = (when: (typeof powerFailures)[number]) => (everything || when === chosen ? it : it.skip);
    let stack: TestStack;
    let filesBefore: string;

    before(async () => {
        up(`${node}=vm`);
        stack = await TestStack.create("virtual-machine");
        filesBefore = files(node);
        expect(modules()).to.deep.equal([]);
    });
    after(() => stack?.remove());

    powerFailure("during a change")(
        "rolls back an interrupted change at boot after a power failure, without another run",
        async () => {
            const faulty = new FaultyNode(node, given());
            faulty.prepare();
            expect(await faulty.stage()).to.include({ status: 0 });
            const { snapshot } = faulty.inspect();
            // At this point containerd's file has the new driver and the kubelet's file has the old one.
            await faulty.fault("power", "note /var/lib/kubelet/config.yaml", faulty.activate);
            expect(onNode(node, "journalctl -b -u kata-containers-node -o cat")).to.contain(
                "an earlier run was interrupted (power failure); rolling it back first",
            );
            const after = faulty.inspect();
            expect(after.snapshot).to.equal(snapshot);
            expect(after.unhealthy).to.equal("");
            expect(ready(node)).to.equal(true);
            expect(await faulty.unstage()).to.include({ status: 0 });
            faulty.restore();
            expect(files(node)).to.equal(filesBefore);
        },
    );

    it("meets the host checks, loads the kernel modules, and uses the cgroup driver systemd on cgroup v2", async () => {
        const { outputs } = await stack.up(given());
        const { verified, ...status } = outputs.nodeStatuses[node]!;
        for (const handler of handlers) expect(verified[handler]).to.match(/^Kata 3\.32\.0 booted a guest at /);
        expect(status).to.deep.equal({
            kataVersions: each("3.32.0"),
            distribution: "kubeadm",
            containerRuntimeVersion: "containerd://2.3.7",
            cgroupDriver: "systemd",
            kvm: true,
            sandboxes: each({}),
        });
        expect(modules()).to.have.members(["vhost_vsock", "vhost_net", "kvm_amd"]);
        expect(ready(node)).to.equal(true);
        expect(onNode(node, "cat /etc/kata-containers/kata-qemu/configuration.toml")).to.match(
            /^sandbox_cgroup_only = true$/m,
        );
    });

    it("runs a pod of each class through its own shim and configuration in a virtual machine", () => {
        for (const hypervisor of hypervisors) {
            const handler = `kata-${hypervisor}`;
            startPod(handler, node, handler);
            expect(shimRecord(node)).to.include({
                ...{ engine: "go", hypervisor, configExists: true },
                configPath: `/etc/kata-containers/${handler}/configuration.toml`,
            });
        }
        removePods(node, ...handlers);
    });

    it("refuses confidential shims on a machine without SEV-SNP and TDX, and changes nothing on it", async () => {
        const before = [files(node), times(node)];
        const error = await stack.fail(given({ "kata-qemu-snp": {}, "kata-qemu-tdx": {} }));
        expect(error).to.contain(`error: node ${node}, step "host checks"`);
        for (const needed of [
            "AMD SEV-SNP is not active (/sys/module/kvm_amd/parameters/sev_snp)",
            "Intel TDX is not active (/sys/module/kvm_intel/parameters/tdx)",
        ])
            expect(error).to.contain(`${needed}, so pods would run unprotected`);
        expect([files(node), times(node)]).to.deep.equal(before);
    });

    powerFailure("after a change")(
        "keeps the installation through a power failure, and the next up has nothing to change",
        async () => {
            killNode(node);
            bootNode(node);
            // The machine loads no module for KVM by itself.
            expect(modules()).to.have.members(["vhost_vsock", "vhost_net", "kvm_amd"]);
            const untouched = times(node);
            const again = given();
            again.nodes[node]!.connection.perDialTimeout = 16;
            const { did } = await stack.up(again);
            expect(did[`kata-${node}-activate`]).to.equal("update");
            expect(times(node)).to.equal(untouched);
        },
    );

    it("leaves a virtual machine as it was after destroy, byte for byte", async () => {
        await stack.destroy();
        expect(files(node)).to.equal(filesBefore);
        expect(ready(node)).to.equal(true);
        expect(kubectl("get", "runtimeclass", "-o", "name")).to.equal("");
    });
});
