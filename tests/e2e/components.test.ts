// Two components of two stacks on the same nodes: each installs, changes, repairs and removes only its own classes.

import { expect } from "chai";
import {
    args,
    changes,
    configOf,
    containerOf,
    every,
    expectAlive,
    files,
    kubectl,
    names,
    onNode,
    removeAllPods,
    removePods,
    startOnEveryNode,
    startPod,
    TestStack,
} from "../support/lab";

describe("two components on the same nodes", function () {
    this.timeout(10 * 60 * 1000);
    const rollout = { maxUnavailable: 2 };
    const one = (more: object = {}) => args("3.32.0", { rollout, ...more });
    const next = { "kata-next": { shim: "qemu-runtime-rs" as const } };
    const two = (more: object = {}) => args("4.1.0", { rollout, runtimeClasses: next, ...more });
    const [first, second] = ["worker-1", "worker-2"] as const;
    let stack: TestStack;
    let other: TestStack;
    let filesBefore: { [node: string]: string };
    let runc: { [node: string]: string };

    before(async () => {
        stack = await TestStack.create("one");
        other = await TestStack.create("two");
        ({ filesBefore, runc } = startOnEveryNode());
    });
    after(async () => {
        removeAllPods();
        await stack.remove();
        await other.remove();
    });

    const labelsOf = (node: string) =>
        Object.keys(JSON.parse(kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels}")))
            .filter((label) => label.includes("kata"))
            .map((label) => label.replace(/^.*\//, ""))
            .sort();
    /** The handlers of this package that containerd knows, and the release to which /opt/kata leads. */
    const installed = (node: string) =>
        onNode(
            node,
            `containerd config dump 2>/dev/null | sed -n "s/ *ConfigPath = ['\\"].*kata-containers.\\(.*\\)\\/.*['\\"]/\\1/p" | sort
            readlink /opt/kata | sed 's,kata-releases/,,; s/-.*//'`,
        ).split("\n");
    const releases = (node: string) => onNode(node, "ls /opt/kata-releases | sed 's/-.*//'").split("\n");

    it("installs a second component with another handler and release, and touches nothing of the first one", async () => {
        await stack.up(one());
        for (const node of names()) startPod(`one-${node}`, node, "kata-qemu");
        const pods = names().map((node) => containerOf(`one-${node}`));
        expect((await other.preview(two())).log)
            .to.not.contain("drifted")
            .and.not.contain("is missing");
        const { outputs } = await other.up(two());
        for (const node of names()) {
            expect(outputs.nodeStatuses[node]!.kataVersions).to.deep.equal({ "kata-next": "4.1.0" });
            expect(outputs.nodeStatuses[node]!.sandboxes).to.deep.equal({ "kata-next": {} });
            expect(installed(node)).to.deep.equal(["kata-next", "kata-qemu", "3.32.0"]);
            expect(releases(node)).to.deep.equal(["3.32.0", "4.1.0"]);
            expect(labelsOf(node)).to.deep.equal(["kata-next", "kata-qemu", "kata-runtime"]);
            startPod(`two-${node}`, node, "kata-next");
            expect(onNode(node, "tail -n 1 /run/kata-miniature/shim.log")).to.contain(configOf("kata-next"));
            expectAlive(`one-${node}`);
        }
        expect(names().map((node) => containerOf(`one-${node}`))).to.deep.equal(pods);
        // A change by the other component is no drift.
        expect(changes(await stack.up(one()))).to.deep.equal({});
        expect(changes(await other.up(two()))).to.deep.equal({});
    });

    it("changes one component, with its own status, and the other one has not drifted", async () => {
        const up = await stack.up(one({ debug: true }));
        expect(changes(up)).to.deep.equal(every("update", ["activate"]));
        for (const node of names()) {
            expect(up.outputs.nodeStatuses[node]!.sandboxes).to.deep.equal({ "kata-qemu": { "3.32.0": 1 } });
            expect(onNode(node, `grep -c 'enable_debug = true' ${configOf("kata-next")} || :`)).to.equal("0");
        }
        const preview = await other.preview(two());
        expect(changes(preview)).to.deep.equal({});
        expect(preview.log).to.not.contain("drifted");
    });

    it("reports the drift of a class to its own component only, and repairs it", async () => {
        onNode(first, `sed -i s/2048/512/ ${configOf("kata-next")}`);
        const tables = "'/runtimes.kata-next\\]/,/runtimes.kata-qemu\\]/{/kata-qemu\\]/!d}'";
        onNode(second, `sed -i ${tables} /etc/containerd/conf.d/kata-containers.toml`);
        const untouched = await stack.preview(one({ debug: true }));
        expect(changes(untouched)).to.deep.equal({});
        expect(untouched.log).to.not.contain("drifted");
        const up = await other.up(two());
        expect(up.log)
            .to.contain(`${first} has drifted: ${configOf("kata-next")} was changed`)
            .and.contain(`${second} has drifted: runtime table kata-next is missing from`);
        expect(changes(up)).to.deep.equal(every("update", ["activate"]));
        for (const node of names()) expect(installed(node)).to.deep.equal(["kata-next", "kata-qemu", "3.32.0"]);
        expect(changes(await stack.preview(one({ debug: true })))).to.deep.equal({});
    });

    it("refuses a handler of the other component, and another cgroup driver than it requests, and names both", async () => {
        const same = { runtimeClasses: { mine: { shim: "qemu", handler: "kata-qemu" } } };
        expect(await other.fail(one(same))).to.contain(
            "the handler kata-qemu of this node is managed by organization/e2e/one/kata; organization/e2e/two/kata cannot manage it too",
        );
        await other.up(two());
        await stack.up(one({ debug: true, kubelet: { cgroupDriver: "cgroupfs" } }));
        const systemd = { kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true } };
        expect(await other.fail(two(systemd))).to.contain(
            "organization/e2e/two/kata requests the cgroup driver systemd, but organization/e2e/one/kata, which manages this node too, requests cgroupfs",
        );
        await stack.up(one({ debug: true }));
        for (const node of names()) expectAlive(`two-${node}`);
        await other.up(two());
    });

    it("removes the first component while pods of the other one run, refuses it while its own do, and moves /opt/kata", async () => {
        expect(await stack.failDestroy()).to.match(/sandboxes still run on Kata Containers: default\/one-worker-[12];/);
        kubectl("delete", "pods", ...names().map((node) => `one-${node}`), "--wait=true", "--timeout=180s");
        await stack.destroy();
        expect(kubectl("get", "runtimeclass", "-o", "name")).to.equal("runtimeclass.node.k8s.io/kata-next");
        for (const node of names()) {
            expectAlive(`two-${node}`);
            expect(installed(node)).to.deep.equal(["kata-next", "4.1.0"]);
            expect(releases(node)).to.deep.equal(["4.1.0"]);
            expect(labelsOf(node)).to.deep.equal(["kata-next", "kata-runtime"]);
            expect(onNode(node, "ls /etc/kata-containers; ls /usr/local/bin | grep containerd-shim-kata")).to.equal(
                "kata-next\ncontainerd-shim-kata-next-v2",
            );
            expect(onNode(node, `grep -c kata-releases ${configOf("kata-next")} || :`)).to.equal("0");
            startPod(`again-${node}`, node, "kata-next");
        }
        const preview = await other.preview(two());
        expect(changes(preview)).to.deep.equal({});
        expect(preview.log).to.not.contain("drifted");
    });

    it("restores every file when the last component is removed", async () => {
        for (const node of names()) removePods(node, `two-${node}`, `again-${node}`);
        await other.destroy();
        for (const node of names()) {
            expect(files(node)).to.equal(filesBefore[node]);
            expect(labelsOf(node)).to.deep.equal([]);
            expect(containerOf(`runc-${node}`)).to.equal(runc[node]);
        }
    });
});
