// The last gate of a change: a guest boots through the handler, from the node's own pause image.

import { expect } from "chai";
import { FaultyNode } from "../support/faults";
import { args, files, kubectl, names, nodes, onNode, removeAllPods, startPod, TestStack, times } from "../support/lab";

describe("the verification of a node", function () {
    this.timeout(10 * 60 * 1000);
    const kernel = (path: string) => ({ "kata-qemu": { settings: { "hypervisor.qemu.kernel": path } } });
    const given = (more: object = {}) => args("3.32.0", { rollout: { verify: true, maxUnavailable: 2 }, ...more });
    const broken = () => given({ runtimeClasses: kernel("/missing/kernel") });
    /** What a verification could leave on a node. The log of a shim has a line for each container. */
    const left = (node: string) =>
        onNode(
            node,
            `for i in $(seq 50); do pgrep -f 'shim.*verification' >/dev/null || break; sleep 0.1; done
            ctr -n k8s.io containers ls -q | grep verification
            ctr -n k8s.io tasks ls | grep verification
            ctr -n k8s.io snapshots ls | grep verification
            pgrep -af 'shim.*verification'
            find /sys/fs/cgroup /var/lib/kata-containers-node -name '*verification*' 2>/dev/null || :`,
        );
    const booted = (node: string) =>
        onNode(node, "grep -c kata-containers-verification /run/kata-miniature/shim.log || :");
    let stack: TestStack;

    before(async () => {
        stack = await TestStack.create("verification");
    });
    after(() => stack.remove());

    it("rolls back a first install with a configuration that boots no guest, and reports the shim's error", async () => {
        const before = names().map(files);
        const error = await stack.fail(broken());
        for (const [i, node] of names().entries()) {
            expect(error).to.contain(
                `error: node ${node}, step "verification": Kata Containers 3.32.0 could not boot a guest`,
            );
            expect(left(node)).to.equal("");
            // The stage command succeeded, and its files stay.
            expect(files(node).replace(/^.*(kata-containers-node|kata-releases).*\n?/gm, "")).to.equal(before[i]);
        }
        expect(error).to.contain(
            "hypervisor.qemu.kernel: stat /missing/kernel: no such file or directory; rolling back",
        );
        expect(error).to.contain("set rollout.verify to false");
        expect(error).to.contain("rolled back; containerd and the kubelet are healthy");
    });

    let verified: { [node: string]: string };
    it("boots a guest through the handler with its configuration, and says so in the status", async () => {
        const { outputs } = await stack.up(given());
        verified = {};
        for (const node of names()) {
            verified[node] = outputs.nodeStatuses[node]!.verified["kata-qemu"]!;
            expect(verified[node]).to.match(/^Kata 3\.32\.0 booted a guest at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
            expect(outputs.nodeStatuses[node]!.sandboxes).to.deep.equal({ "kata-qemu": {} });
            expect(JSON.parse(onNode(node, "grep verification /run/kata-miniature/shim.log | tail -n 1"))).to.include({
                namespace: "k8s.io",
                configPath: "/etc/kata-containers/kata-qemu/configuration.toml",
                configExists: true,
            });
            expect(left(node)).to.equal("");
        }
    });

    it("waits in activate until the kubelet reports the handler, with containerd 2.x", () => {
        const node = names().find((name) => !nodes()[name]!.containerd.startsWith("1"))!;
        const handlers = kubectl("get", "node", node, "-o", "jsonpath={.status.runtimeHandlers[*].name}");
        expect(handlers.split(" ")).to.include("kata-qemu");
    });

    it("keeps the record if the command runs again, and boots a guest if the record is missing", async () => {
        const untouched = names().map(times);
        const counts = names().map(booted);
        const again = given();
        for (const { connection } of Object.values(again.nodes)) connection.perDialTimeout = 16;
        const { outputs } = await stack.up(again);
        for (const node of names()) {
            expect(outputs.nodeStatuses[node]!.verified).to.deep.equal({ "kata-qemu": verified[node] });
            onNode(node, "rm /var/lib/kata-containers-node/verified");
        }
        expect(names().map(booted)).to.deep.equal(counts);
        const { outputs: next } = await stack.up(given());
        for (const [i, node] of names().entries()) {
            expect(next.nodeStatuses[node]!.verified["kata-qemu"]).to.match(/^Kata 3\.32\.0 booted a guest at /);
            expect(Number(booted(node))).to.equal(Number(counts[i]) + 1);
        }
        expect(names().map(times)).to.deep.equal(untouched);
    });

    it("rolls back a change to a configuration that boots no guest, and keeps the node and its record as they were", async () => {
        for (const node of names()) startPod(`runc-${node}`, node);
        const before = names().map(files);
        const error = await stack.fail(broken());
        expect(error).to.contain("stat /missing/kernel: no such file or directory; rolling back");
        expect(names().map(files)).to.deep.equal(before);
        for (const node of names()) expect(left(node)).to.equal("");
        removeAllPods();
    });

    it("installs a configuration that boots no guest with rollout.verify: false, and does not report an earlier verification", async () => {
        const { outputs } = await stack.up({ ...broken(), rollout: { verify: false, maxUnavailable: 2 } });
        for (const node of names()) expect(outputs.nodeStatuses[node]!.verified).to.deep.equal({});
    });

    it("fails without a rollback if rollout.verify is the only change and no guest boots", async () => {
        const untouched = names().map(times);
        const error = await stack.fail(broken());
        expect(error).to.contain("stat /missing/kernel: no such file or directory");
        expect(error).to.not.contain("rolling back");
        expect(names().map(times)).to.deep.equal(untouched);
        await stack.destroy();
    });

    for (const kind of ["program", "power"] as const) {
        it(`removes the guest of an interrupted run in the next run (${kind})`, async () => {
            await Promise.all(
                names().map(async (name) => {
                    const node = new FaultyNode(name, { rollout: { verify: true } });
                    node.prepare();
                    expect(await node.stage()).to.include({ status: 0 });
                    const { snapshot } = node.inspect();
                    await node.fault(kind, "end guest", node.activate);
                    expect(onNode(name, "ctr -n k8s.io containers ls -q")).to.contain("kata-containers-verification");
                    const { status, output } = await node.activate();
                    expect(status, output).to.equal(0);
                    expect(output).to.contain('"verified":{"kata-qemu":"Kata');
                    expect(left(name)).to.equal("");
                    // A removal does the same.
                    onNode(
                        name,
                        `echo overlayfs >/var/lib/kata-containers-node/verification
                        ctr -n k8s.io run -d --null-io --runtime io.containerd.kata-qemu.v2 \
                            --runtime-config-path /etc/kata-containers/kata-qemu/configuration.toml \
                            "$(ctr -n k8s.io images ls -q | grep -m 1 /pause)" kata-containers-verification`,
                    );
                    expect(await node.deactivate()).to.include({ status: 0 });
                    expect(left(name)).to.equal("");
                    expect(node.inspect()).to.deep.equal({ snapshot, unhealthy: "" });
                    expect(await node.unstage()).to.include({ status: 0 });
                    node.restore();
                }),
            );
        });
    }
});
