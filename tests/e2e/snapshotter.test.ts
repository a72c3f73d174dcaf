// A RuntimeClass with a snapshotter of its own: refused where containerd cannot use it, and in force where it can.

import { expect } from "chai";
import {
    args,
    changes,
    containerOf,
    expectAlive,
    files,
    names,
    onNode,
    removeAllPods,
    removePods,
    startOnEveryNode,
    startPod,
    TestStack,
    times,
} from "../support/lab";
import { describeRare } from "../support/sample";

describeRare("snapshotter")("a snapshotter for one RuntimeClass on real nodes", function () {
    this.timeout(10 * 60 * 1000);
    const second = "worker-2";
    const given = (snapshotter: string | undefined, on = [second] as string[]) =>
        args("3.32.0", { runtimeClasses: { "kata-qemu": { snapshotter } }, rollout: { verify: true } }, on);
    let stack: TestStack;
    let filesBefore: { [node: string]: string };

    before(async () => {
        stack = await TestStack.create("snapshotter");
        ({ filesBefore } = startOnEveryNode());
    });
    after(async () => {
        removeAllPods();
        await stack.remove();
    });

    const infoOf = (id: string): { Snapshotter: string; SnapshotKey: string } =>
        JSON.parse(onNode(second, `ctr -n k8s.io containers info ${id}`));
    /** The snapshotter of a pod's container. */
    const snapshotterOf = (pod: string) => infoOf(/\/\/(\w+)/.exec(containerOf(pod))![1]!).Snapshotter;

    it("refuses a snapshotter on containerd 1.6 before anything is changed", async () => {
        await stack.up(given(undefined, names()));
        const before = names().map(times);
        expect(await stack.fail(given("native", names()))).to.contain(
            "containerd 1.6.20 has no snapshotters for single runtimes (runtimeClasses.kata-qemu.snapshotter is native)",
        );
        expect(names().map(times)).to.deep.equal(before);
    });

    it("refuses a snapshotter that the node does not have before anything is changed, and names those that it has", async () => {
        const before = times(second);
        expect(await stack.fail(given("nydus"))).to.match(
            /containerd has no healthy snapshotter nydus \(runtimeClasses\.kata-qemu\.snapshotter\); it has: .*\bnative\b/,
        );
        expect(times(second)).to.equal(before);
    });

    it("runs the containers of a pod and its sandbox on the snapshotter of its class, and other pods on the default one", async () => {
        startPod("earlier", second, "kata-qemu");
        const { outputs } = await stack.up(given("native"));
        expect(outputs.nodeStatuses[second]!.verified["kata-qemu"]).to.match(/^Kata 3\.32\.0 booted a guest/);
        startPod("kata", second, "kata-qemu");
        const containers = onNode(second, "ctr -n k8s.io containers ls | awk '/kata-qemu/ { print $1 }'").split("\n");
        const native = containers.map(infoOf).filter(({ Snapshotter }) => Snapshotter === "native");
        expect(native).to.have.length(2);
        const snapshots = onNode(second, "ctr -n k8s.io snapshots --snapshotter native ls");
        for (const { SnapshotKey } of native) expect(snapshots).to.contain(SnapshotKey);
        expect(snapshots).to.not.contain("verification");
        for (const pod of ["earlier", `runc-${second}`]) expect(snapshotterOf(pod)).to.equal("overlayfs");
        expectAlive("earlier");
        expect(changes(await stack.up(given("native")))).to.deep.equal({});
    });

    it("reports a changed snapshotter as drift, and repairs it", async () => {
        const dropIn = "/etc/containerd/conf.d/kata-containers.toml";
        onNode(second, `sed -i s/native/overlayfs/ ${dropIn}`);
        const preview = await stack.preview(given("native"));
        expect(preview.log).to.contain(
            `the snapshotter of the runtime kata-qemu is overlayfs in ${dropIn}, was native`,
        );
        expect(changes(await stack.up(given("native")))).to.deep.equal({ [`kata-${second}-activate`]: "update" });
        expect(changes(await stack.up(given("native")))).to.deep.equal({});
    });

    it("returns to the default snapshotter for new pods when the argument is removed, and keeps running pods", async () => {
        await stack.up(given(undefined));
        startPod("later", second, "kata-qemu");
        expect(snapshotterOf("later")).to.equal("overlayfs");
        expect(snapshotterOf("kata")).to.equal("native");
        expectAlive("kata");
    });

    it("restores every file on destroy", async () => {
        removePods(second, "earlier", "kata", "later");
        await stack.destroy();
        for (const node of names()) expect(files(node)).to.equal(filesBefore[node]);
    });
});
