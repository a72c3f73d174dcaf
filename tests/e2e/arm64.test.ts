// A node for arm64: the release, its shim and the containers are programs for arm64.

import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import {
    args,
    changes,
    configOf,
    every,
    expectAlive,
    files,
    inventory,
    kubectl,
    onNode,
    ready,
    removeAllPods,
    removePods,
    shimRecord,
    startPod,
    TestStack,
    times,
    up,
} from "../support/lab";
import { everything } from "../support/sample";

(everything ? describe : describe.skip)("an arm64 machine as a node", function () {
    this.timeout(30 * 60 * 1000);
    const node = "arm-1";
    const given = (version: string, more: Partial<KataContainersArgs> = {}) =>
        args(version, { rollout: { verify: true }, ...more }, [node]);
    /** The shim that `kata-qemu` has by default, and its program in the release. */
    const shims: { [version: string]: [shim: string, program: string] } = {
        "3.32.0": ["qemu", "bin/containerd-shim-kata-v2"],
        "4.1.0": ["qemu-runtime-rs", "runtime-rs/bin/containerd-shim-kata-v2"],
    };
    const tree = (version: string) => {
        const sum = inventory().releases.checksums[version]![shims[version]![0]]!.arm64;
        return `/opt/kata-releases/${version}-${sum.slice(0, 12)}`;
    };
    /** Starts a pod. Its shim is that of the release, and its program is for arm64. */
    const runPod = (pod: string, version: string) => {
        startPod(pod, node, "kata-qemu");
        expect(shimRecord(node)).to.include({
            release: version,
            executable: `${tree(version)}/${shims[version]![1]}`,
            configPath: configOf("kata-qemu"),
        });
        expect(kubectl("exec", pod, "--", "uname", "-m")).to.equal("aarch64");
    };
    let stack: TestStack;
    let filesBefore: string;

    before(async () => {
        up(`${node}=arm64`);
        stack = await TestStack.create("arm64");
        filesBefore = files(node);
    });
    after(async () => {
        removeAllPods();
        await stack?.remove();
    });

    it("installs the release for arm64, and boots a guest", async () => {
        const { outputs } = await stack.up(given("3.32.0"));
        const { verified, ...status } = outputs.nodeStatuses[node]!;
        expect(verified["kata-qemu"]).to.match(/^Kata 3\.32\.0 booted a guest at /);
        expect(status).to.deep.equal({
            kataVersions: { "kata-qemu": "3.32.0" },
            distribution: "kubeadm",
            containerRuntimeVersion: "containerd://1.6.20",
            cgroupDriver: "cgroupfs",
            kvm: false,
            sandboxes: { "kata-qemu": {} },
        });
        expect(onNode(node, "readlink -f /opt/kata")).to.equal(tree("3.32.0"));
    });

    it("runs a pod through the handler on arm64, and another update changes nothing", async () => {
        runPod("kata-arm64", "3.32.0");
        const untouched = times(node);
        expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({});
        expect(times(node)).to.equal(untouched);
    });

    it("changes the version on arm64 while a sandbox keeps running", async () => {
        const updated = await stack.up(given("4.1.0"));
        expect(changes(updated)).to.include(every("update", ["stage", "activate"], [node]));
        const { kataVersions, sandboxes } = updated.outputs.nodeStatuses[node]!;
        expect(kataVersions).to.deep.equal({ "kata-qemu": "4.1.0" });
        expect(sandboxes).to.deep.equal({ "kata-qemu": { "3.32.0": 1 } });
        expectAlive("kata-arm64");
        runPod("kata-next", "4.1.0");
        removePods(node, "kata-arm64", "kata-next");
    });

    it("refuses a shim that is for amd64 only, and changes nothing on arm64", async () => {
        const before = [files(node), times(node)];
        const error = await stack.fail(given("4.1.0", { runtimeClasses: { "kata-qemu": {}, "kata-qemu-snp": {} } }));
        expect(error).to.contain(
            "Kata Containers 4.1.0 cannot be installed on arm64: the shim does not support it, or has no checksum",
        );
        expect([files(node), times(node)]).to.deep.equal(before);
    });

    it("leaves an arm64 machine as it was after destroy, byte for byte", async () => {
        await stack.destroy();
        expect(files(node)).to.equal(filesBefore);
        expect(ready(node)).to.equal(true);
        expect(kubectl("get", "runtimeclass", "-o", "name")).to.equal("");
    });
});
