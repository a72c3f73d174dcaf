// A changed handler under running pods: the node keeps the earlier runtime until nothing runs on it.

import { expect } from "chai";
import {
    args,
    changes,
    containerOf,
    every,
    expectAlive,
    files,
    handlerEnds,
    handlersOf,
    kubectl,
    names,
    onNode,
    removeAllPods,
    shimRecord,
    startOnEveryNode,
    startPod,
    TestStack,
} from "../support/lab";
import { describeRare } from "../support/sample";

describeRare("handler")("a changed handler on real nodes", function () {
    this.timeout(10 * 60 * 1000);
    const given = (handler?: string, more: object = {}) =>
        args("3.32.0", { ...more, runtimeClasses: { "kata-qemu": { handler } } });
    const [first, second] = ["worker-1", "worker-2"] as const;
    let stack: TestStack;
    let filesBefore: { [node: string]: string };
    let runc: { [node: string]: string };

    before(async () => {
        stack = await TestStack.create("handler");
        ({ filesBefore, runc } = startOnEveryNode());
    });
    after(async () => {
        removeAllPods();
        await stack.remove();
    });

    /** Ends the main process of a pod. The kubelet must start it again in the same sandbox. */
    const restart = (pod: string, node: string) => {
        const [id, count] = containerOf(pod).replace("containerd://", "").split(" ");
        const sandboxes = () =>
            onNode(
                node,
                `ctr -n k8s.io containers ls -q 'labels."io.kubernetes.pod.name"==${pod},labels."io.cri-containerd.kind"==sandbox'`,
            );
        const sandbox = sandboxes();
        onNode(node, `ctr -n k8s.io tasks kill -s SIGKILL ${id}`);
        const path = "jsonpath={.status.containerStatuses[0].restartCount}";
        kubectl("wait", `--for=${path}=${Number(count) + 1}`, `pod/${pod}`, "--timeout=120s");
        kubectl("wait", "--for=condition=Ready", `pod/${pod}`, "--timeout=120s");
        expectAlive(pod);
        expect(sandboxes()).to.equal(sandbox);
    };
    /** The folders, links and tables of the handlers on a node. */
    const installed = (node: string) =>
        onNode(
            node,
            `ls /etc/kata-containers | xargs; ls /usr/local/bin | sed -n 's/^containerd-shim-\\(kata.*\\)-v2$/\\1/p' | sort | xargs
            containerd config dump 2>/dev/null | sed -n 's/.*containerd\\.runtimes\\.\\(kata[a-z-]*\\)\\]$/\\1/p' | sort | xargs`,
        ).split("\n");
    const three = (handlers: string) => [handlers, handlers, handlers];
    const endsOn = (node: string, pod: string, handler: string) => {
        kubectl("delete", "pod", pod, "--wait=true", "--timeout=180s");
        handlerEnds(handler, node);
    };

    it("labels the nodes with the handler, and its RuntimeClass selects them", async () => {
        await stack.up(given());
        for (const node of names()) {
            expect(handlersOf(node)).to.deep.equal(["kata-qemu"]);
            startPod(`old-${node}`, node, "kata-qemu");
        }
    });

    it("rolls a node back if a change of the handler under a running pod fails", async () => {
        const folder = "/run/systemd/system/containerd.service.d";
        const untouched = files(first);
        onNode(
            first,
            `mkdir -p ${folder}
            echo '! grep -q "runtimes.kata]" /etc/containerd/config.toml' >${folder}/test.sh
            printf '[Service]\\nExecStartPre=/bin/sh ${folder}/test.sh\\n' >${folder}/test.conf; systemctl daemon-reload`,
        );
        try {
            const error = await stack.fail(given("kata"));
            expect(error).to.contain("rolled back; containerd and the kubelet are healthy");
        } finally {
            onNode(first, `rm -r ${folder}; systemctl daemon-reload`);
        }
        const others = (text: string) =>
            text.split("\n").filter((line) => !/kata-containers-node\/(owners|stage-\w+|node.sh)$/.test(line));
        expect(others(files(first))).to.deep.equal(others(untouched));
        restart(`old-${first}`, first);
    });

    it("keeps the earlier runtime under running pods, which can be restarted, and new pods use the new one", async () => {
        const up = await stack.up(given("kata"));
        expect(
            kubectl("get", "runtimeclass", "kata-qemu", "-o", "jsonpath={.handler} {.scheduling.nodeSelector}"),
        ).to.equal('kata {"handler.kata-containers/kata":"true","katacontainers.io/kata-runtime":"true"}');
        for (const node of names()) {
            expect(up.outputs.nodeStatuses[node]!.kataVersions).to.deep.equal({
                kata: "3.32.0",
                "kata-qemu": "3.32.0",
            });
            expect(installed(node)).to.deep.equal(three("kata kata-qemu"));
            expect(handlersOf(node)).to.deep.equal(["kata", "kata-qemu"]);
            expect(onNode(node, "cut -f 3 /var/lib/kata-containers-node/owners")).to.equal("kata");
            restart(`old-${node}`, node);
            // A kubelet that starts ends the pods that do not match its node.
            onNode(node, "systemctl restart kubelet containerd");
            kubectl("wait", "--for=condition=Ready", `node/${node}`, "--timeout=120s");
            restart(`old-${node}`, node);
            startPod(`new-${node}`, node, "kata-qemu");
            const log = shimRecord(node);
            expect(log.configPath).to.equal("/etc/kata-containers/kata/configuration.toml");
        }
        const preview = await stack.preview(given("kata"));
        expect(changes(preview)).to.deep.equal({});
        expect(preview.log).to.not.contain("warning");
    });

    it("reports the earlier runtime as drift once nothing runs on it, and removes it", async () => {
        endsOn(first, `old-${first}`, "kata-qemu");
        const preview = await stack.preview(given("kata"));
        const removal = every("update", ["activate", "label"], [first]);
        expect(changes(preview)).to.deep.equal(removal);
        expect(preview.log).to.contain("worker-1 has drifted: the earlier runtime kata-qemu is no longer in use");
        expect(changes(await stack.up(given("kata")))).to.deep.equal(removal);
        expect(installed(first)).to.deep.equal(three("kata"));
        expect(handlersOf(first)).to.deep.equal(["kata"]);
        const clean = await stack.preview(given("kata"));
        expect(changes(clean)).to.deep.equal({});
        expect(clean.log).to.not.contain("warning");
        expectAlive(`old-${second}`);
        expectAlive(`new-${first}`);
    });

    it("restores every byte on destroy, also of a node that still has the earlier runtime", async () => {
        expect(installed(second)).to.deep.equal(three("kata kata-qemu"));
        for (const node of names()) endsOn(node, `new-${node}`, "kata");
        expect(await stack.failDestroy()).to.match(
            /sandboxes still run on Kata Containers: default\/old-worker-2[\s\S]*labels are already\s+removed/,
        );
        endsOn(second, `old-${second}`, "kata-qemu");
        await stack.destroy();
        for (const node of names()) {
            expect(files(node)).to.equal(filesBefore[node]);
            expect(handlersOf(node)).to.deep.equal([]);
            expect(containerOf(`runc-${node}`)).to.equal(runc[node]);
        }
    });
});
