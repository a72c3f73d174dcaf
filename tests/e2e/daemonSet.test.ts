// The DaemonSet on real nodes: it installs, checks, updates and removes Kata, and never more than it is asked to.

import { execFileSync } from "node:child_process";
import { expect } from "chai";
import {
    entryOf,
    eventually,
    evict,
    expectNoTrace,
    given,
    inNamespace,
    isReady,
    logOf,
    object,
    pods,
    status,
} from "../support/daemonSet";
import {
    apply,
    bootNode,
    changes,
    command,
    configOf,
    containerOf,
    expectAlive,
    files,
    handlersOf,
    killNode,
    kubectl,
    names,
    onNode,
    readInventory,
    removeAllPods,
    removePods,
    shimRecord,
    startPod,
    TestStack,
} from "../support/lab";
import { everything } from "../support/sample";

const owners = "/var/lib/kata-containers-node/owners";

const services = (node: string) =>
    onNode(node, "systemctl show -p ActiveEnterTimestampMonotonic --value containerd kubelet");
const isInstalled = (node: string) =>
    onNode(node, "[ -s /var/lib/kata-containers-node/managed ] && echo yes || :") === "yes";
/** The Events of Nodes whose sandboxes keep Kata from being removed. */
const inUse = () => kubectl("get", "events", "--field-selector", "reason=KataContainersInUse");
const kindsLeft = () =>
    [
        "clusterroles",
        "clusterrolebindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "namespaces",
    ]
        .map((kind) => kubectl("get", kind, "-o", "name"))
        .join("\n")
        .split("\n")
        .filter((name) => name.includes("kata-containers"));

/** When the pod of a node first printed these lines. */
const timesOf = (node: string, ...lines: RegExp[]) => {
    const log = inNamespace("logs", pods()[node]!, "-c", "keep", "--timestamps").split("\n");
    return lines.map((text) => log.find((line) => text.test(line))?.split(" ")[0] ?? "");
};

describe("the DaemonSet on real nodes", function () {
    this.timeout(15 * 60 * 1000);
    let stack: TestStack;
    const filesBefore: { [node: string]: string } = {};

    before(async () => {
        stack = await TestStack.create("daemonset");
        for (const node of names()) {
            startPod(`runc-${node}`, node);
            filesBefore[node] = files(node);
        }
    });
    after(async () => {
        kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--wait=true");
        await stack.remove();
    });

    it("installs Kata on every node, labels it, and says so", async () => {
        const runc = names().map((node) => containerOf(`runc-${node}`));
        const { outputs } = await stack.up(given("3.32.0"));
        expect(outputs.daemonSetStatus).to.deep.equal({ nodes: 2, ready: 2, updating: 0, failed: 0, reasons: {} });
        expect(outputs.runtimeClassNames).to.deep.equal({ "kata-qemu": "kata-qemu" });
        expect(outputs.nodeStatuses).to.deep.equal({});
        for (const node of names()) {
            expect(handlersOf(node)).to.deep.equal(["kata-qemu"]);
            expect(status(node)).to.deep.include({ kataVersions: { "kata-qemu": "3.32.0" }, distribution: "kubeadm" });
            startPod(`kata-${node}`, node, "kata-qemu");
            expect(shimRecord(node)).to.include({ configPath: configOf("kata-qemu") });
        }
        expect(names().map((node) => containerOf(`runc-${node}`))).to.deep.equal(runc);
    });

    it("changes one node at a time, also when all pods start together", () => {
        const changed = names().map((node) => timesOf(node, /activating Kata Containers/, /this node is as requested/));
        const [first, second] = changed.sort();
        expect(second![0]! > first![1]! || first![1]! > first![0]!).to.equal(true);
        expect(second![0]! >= first![1]!, JSON.stringify(changed)).to.equal(true);
    });

    it("changes nothing in a second up, and nothing on a node whose pod is deleted or evicted", async () => {
        const before = names().map((node) => [services(node), files(node)]);
        expect(changes(await stack.up(given("3.32.0")))).to.not.have.property("kata-daemon-set");
        const old = pods();
        const [first, second] = names() as [string, string];
        inNamespace("delete", "pod", old[first]!, "--wait=true");
        evict(old[second]!);
        for (const node of names())
            await eventually(`a new pod on ${node}`, () => pods()[node] !== old[node] && isReady(node));
        expect(names().map((node) => [services(node), files(node)])).to.deep.equal(before);
        for (const node of names()) {
            expectAlive(`kata-${node}`);
            expect(handlersOf(node)).to.deep.equal(["kata-qemu"]);
            expect(logOf(pods()[node]!)).to.not.contain("activating");
        }
    });

    it("changes the version under running sandboxes, with new pods of the DaemonSet, and downloads on one node at a time", async () => {
        const { outputs } = await stack.up(
            given("4.1.0", {
                runtimeClasses: { "kata-qemu": { shim: "qemu-runtime-rs" } },
                rollout: { maxUnavailable: 2, maxParallelDownloads: 1 },
            }),
        );
        expect(outputs.daemonSetStatus).to.deep.include({ ready: 2, failed: 0 });
        const downloads = names().map((node) => timesOf(node, /staging Kata Containers/, /unpacked Kata Containers/));
        expect(downloads.flat()).to.not.include("");
        const [first, second] = downloads.sort() as [string[], string[]];
        expect(second[0]! >= first[1]!, JSON.stringify(downloads)).to.equal(true);
        for (const node of names()) {
            expect(status(node).kataVersions).to.deep.equal({ "kata-qemu": "4.1.0" });
            expect(status(node).sandboxes).to.deep.equal({ "kata-qemu": { "3.32.0": 1 } });
            expectAlive(`kata-${node}`);
            removePods(node, `kata-${node}`);
        }
        await stack.up(given("3.32.0"));
    });

    it("repairs drift and a lost label within the interval", async () => {
        const [node] = names() as [string];
        onNode(node, `echo "# changed by hand" >>${configOf("kata-qemu")}`);
        kubectl("label", "node", node, "katacontainers.io/kata-runtime-");
        await eventually(
            "the configuration is repaired",
            () => !onNode(node, `cat ${configOf("kata-qemu")}`).includes("by hand"),
            60,
        );
        await eventually(
            "the label is there again",
            () =>
                kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels}").includes(
                    '"katacontainers.io/kata-runtime":"true"',
                ),
            60,
        );
        await eventually("the node is ready again", () => isReady(node), 60);
        expect(logOf(pods()[node]!)).to.contain("was changed");
    });

    it("may not do more than it needs", async () => {
        const [node, other] = names() as [string, string];
        const account = `system:serviceaccount:${object}:${object}`;
        const can = (...words: string[]) => {
            try {
                return kubectl("auth", "can-i", `--as=${account}`, ...words);
            } catch (error) {
                return (error as { stdout: string }).stdout.trim();
            }
        };
        for (const words of [
            ["create", "pods"],
            ["get", "secrets", "-n", object],
            ["list", "nodes"],
            ["update", "nodes/status"],
            ["delete", "nodes"],
            ["patch", "daemonsets", "-n", object],
            ["get", `configmaps/${object}-other`, "-n", object],
            ["patch", "runtimeclasses"],
        ]) {
            expect(can(...words), words.join(" ")).to.equal("no");
        }
        const config = (path: string) => kubectl("config", "view", "--raw", "--minify", "-o", `jsonpath=${path}`);
        const token = inNamespace(
            "create",
            "token",
            object,
            "--bound-object-kind=Pod",
            `--bound-object-name=${pods()[node]}`,
        );
        const patch = (name: string, metadata: object) =>
            execFileSync(
                "curl",
                [
                    ...["-sk", "-X", "PATCH", "-H", `Authorization: Bearer ${token}`],
                    ...["-H", "Content-Type: application/merge-patch+json", "-d", JSON.stringify({ metadata })],
                    `${config("{.clusters[0].cluster.server}")}/api/v1/nodes/${name}`,
                ],
                { encoding: "utf8" },
            );
        const denied = /"code": ?(403|422)/;
        expect(patch(other, { labels: { "katacontainers.io/kata-runtime": "false" } })).to.match(denied);
        expect(patch(node, { labels: { "node-role.kubernetes.io/control-plane": "" } })).to.match(denied);
        expect(patch(node, { annotations: { "example.com/other": "x" } })).to.match(denied);
        expect(patch(node, { finalizers: ["example.com/never"] })).to.match(denied);
        const owner = { apiVersion: "v1", kind: "Node", name: other, uid: "0" };
        expect(patch(node, { ownerReferences: [owner] })).to.match(denied);
        expect(patch(node, { labels: { "handler.kata-containers/kata-qemu": "true" } })).to.match(/"kind": ?"Node"/);
    });

    it("moves a node to SSH and back without a new installation", async () => {
        const [node] = names() as [string];
        startPod("moved", node, "kata-qemu");
        const before = [services(node), onNode(node, `stat -c %i ${configOf("kata-qemu")}`)];
        const there = await stack.up(given("3.32.0", {}, {}, [node]));
        expect(there.outputs.nodeStatuses[node]!.kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
        await eventually("the pod is gone", () => pods()[node] === undefined);
        expect(handlersOf(node)).to.deep.equal(["kata-qemu"]);
        const back = await stack.up(given("3.32.0"));
        expect(back.outputs.daemonSetStatus).to.deep.include({ nodes: 2, ready: 2 });
        await eventually("the label is there", () => handlersOf(node).includes("kata-qemu"), 60);
        expect([services(node), onNode(node, `stat -c %i ${configOf("kata-qemu")}`)]).to.deep.equal(before);
        expect(onNode(node, `cut -f 1 ${owners}`)).to.equal(
            `organization/e2e/daemonset/kata in DaemonSet ${object}/${object}`,
        );
        expectAlive("moved");
        removePods(node, "moved");
    });

    it("stops at a node that fails, which keeps its previous state, and says why", async () => {
        const [node] = names() as [string];
        onNode(node, `printf 'acme/other/prod/kata\\t${node}\\tkata-qemu\\n' >>${owners}`);
        const failing = given("2.2.2", {}, { timeout: 60 });
        for (const _ of ["first", "second"]) {
            const error = await stack.fail(failing);
            expect(error).to.contain(`the handler kata-qemu of this node is managed by acme/other/prod/kata`);
        }
        expect(isReady(node)).to.equal(false);
        expect(status(node).kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
        expect(
            kubectl("get", "events", "--field-selector", `involvedObject.kind=Node,involvedObject.name=${node}`),
        ).to.contain("KataContainersFailed");
        // Back to what all nodes had.
        await stack.up(given("3.32.0"));
        expect(isReady(node)).to.equal(true);
        onNode(node, `sed -i /^acme/d ${owners}`);
        const { outputs } = await stack.up(given("2.2.2"));
        expect(outputs.daemonSetStatus).to.deep.include({ ready: 2, failed: 0, reasons: {} });
    });

    it("puts a node that leaves the selector back when its sandboxes have ended", async () => {
        const [stays, leaves] = names() as [string, string];
        for (const node of names()) kubectl("label", "node", node, "example.com/kata=yes");
        await stack.up(given("2.2.2", {}, { nodeSelector: { "example.com/kata": "yes" } }));
        startPod("leaving", leaves, "kata-qemu");
        kubectl("label", "node", leaves, "example.com/kata-");
        await eventually("an Event names the pod", () => inUse().includes("default/leaving"));
        expect(handlersOf(leaves)).to.deep.equal([]);
        expectAlive("leaving");
        expect(isInstalled(leaves)).to.equal(true);
        removePods(leaves, "leaving");
        await eventually("the pod of the DaemonSet has ended", () => pods()[leaves] === undefined);
        expect(files(leaves)).to.equal(filesBefore[leaves]);
        expectNoTrace(leaves);
        expect(isReady(stays)).to.equal(true);
        kubectl("label", "node", leaves, "example.com/kata=yes");
        await eventually("the node is installed again", () => isReady(leaves));
        await stack.up(given("2.2.2"));
        for (const node of names()) kubectl("label", "node", node, "example.com/kata-");
    });

    it("finishes a change whose pods are killed, and without an API server", async () => {
        const [node] = names() as [string];
        onNode(node, "rm -rf /etc/kata-containers");
        await eventually("the repair has begun", () => logOf(pods()[node]!).includes("drift"), 60);
        inNamespace("delete", "pod", pods()[node]!, "--force", "--grace-period=0");
        await eventually(
            "the node is ready again",
            () => isReady(node) && onNode(node, `ls ${configOf("kata-qemu")}`) !== "",
        );
        onNode(node, "iptables -I OUTPUT -p tcp --dport 6443 -j REJECT; rm -rf /etc/kata-containers");
        try {
            await eventually(
                "the drift is noticed",
                () => onNode(node, "ls /run/kata-containers-node/runner-*/log >/dev/null && echo yes") === "yes",
                60,
            );
            await new Promise((resolve) => setTimeout(resolve, 30_000));
        } finally {
            onNode(node, "iptables -D OUTPUT -p tcp --dport 6443 -j REJECT");
        }
        await eventually(
            "the node is ready again",
            () => isReady(node) && onNode(node, `ls ${configOf("kata-qemu")}`) !== "",
            180,
        );
    });

    if (everything) {
        it("repairs a node whose power was cut during a change", async () => {
            const [node] = names() as [string];
            onNode(node, "rm -rf /etc/kata-containers");
            await eventually("the repair has begun", () => logOf(pods()[node]!).includes("drift"), 60);
            killNode(node);
            bootNode(node);
            await eventually(
                "the node is ready again",
                () => isReady(node) && onNode(node, `ls ${configOf("kata-qemu")}`) !== "",
                300,
            );
        });

        it("installs Kata on a node that joins later, whose waiting pod then starts", async () => {
            apply({
                apiVersion: "v1",
                kind: "Pod",
                metadata: { name: "waiting" },
                spec: {
                    nodeSelector: { "kubernetes.io/hostname": "late-1" },
                    runtimeClassName: "kata-qemu",
                    terminationGracePeriodSeconds: 0,
                    containers: [
                        { name: "main", image: "busybox:lab", imagePullPolicy: "Never", command: ["sleep", "100000"] },
                    ],
                },
            });
            command("up", "late-1=2.3");
            readInventory();
            kubectl("wait", "--for=condition=Ready", "pod/waiting", "--timeout=300s");
            kubectl("delete", "pod", "waiting", "--wait=true");
        });

        it("reports a node that joins later and fails, changes the others meanwhile, and installs Kata when the cause ends", async () => {
            const working = names();
            const [repaired] = working as [string];
            for (const node of working) kubectl("label", "node", node, "example.com/kata=yes");
            await stack.up(given("2.2.2", {}, { nodeSelector: { "example.com/kata": "yes" } }));
            const before = working.map(services);
            command("up", "late-2=1.6");
            readInventory();
            const folder = "/etc/systemd/system/containerd.service.d";
            onNode(
                "late-2",
                `mkdir ${folder} && cat >${folder}/refuse.conf <<'END'
[Service]
ExecStartPre=/bin/sh -c "! grep -q kata-qemu /etc/containerd/config.toml"
END
                systemctl daemon-reload`,
            );
            kubectl("label", "node", "late-2", "example.com/kata=yes");
            await eventually("the failure is reported", () => /^failed \w+ .*containerd/.test(entryOf("late-2")));
            const ofNode = "involvedObject.kind=Node,involvedObject.name=late-2";
            expect(kubectl("get", "events", "--field-selector", ofNode)).to.contain("KataContainersFailed");
            expect(handlersOf("late-2")).to.deep.equal([]);
            startPod("runc-late-2", "late-2");
            kubectl("delete", "pod", "runc-late-2", "--wait=true");

            onNode(repaired, `echo "# changed by hand" >>${configOf("kata-qemu")}`);
            await eventually(
                "another node is repaired",
                () => !onNode(repaired, `cat ${configOf("kata-qemu")}`).includes("by hand") && isReady(repaired),
            );
            expect(working.map(services)).to.deep.equal(before);
            expect(working.every(isReady)).to.equal(true);

            onNode("late-2", `rm -r ${folder} && systemctl daemon-reload`);
            await eventually("the node is ready", () => isReady("late-2"), 360);
            expect(handlersOf("late-2")).to.deep.equal(["kata-qemu"]);
            expect(entryOf("late-2")).to.equal("");
            await stack.up(given("2.2.2"));
            for (const node of names()) kubectl("label", "node", node, "example.com/kata-");
        });

        it("leaves Kata on a node with a taint that evicts its pod, which returns without the taint", async () => {
            await stack.up(given("2.2.2", {}, { tolerations: [] }));
            const before = [services("late-2"), files("late-2")];
            kubectl("taint", "node", "late-2", "example.com/evicts=:NoExecute");
            await eventually("the pod is gone", () => pods()["late-2"] === undefined);
            expect(handlersOf("late-2")).to.deep.equal(["kata-qemu"]);
            kubectl("taint", "node", "late-2", "example.com/evicts-");
            await eventually("the pod has returned", () => isReady("late-2"));
            expect([services("late-2"), files("late-2")]).to.deep.equal(before);
            await stack.up(given("2.2.2"));
        });
    }

    it("is refused by a namespace that does not allow privileged pods, and by an image that does not exist", async () => {
        const other = await TestStack.create("refused");
        kubectl("create", "namespace", "baseline");
        kubectl("label", "namespace", "baseline", "pod-security.kubernetes.io/enforce=baseline");
        const runtimeClasses = { other: { shim: "qemu" as const } };
        try {
            const place = { name: "other" };
            const inBaseline = await other.fail(
                given("3.32.0", { runtimeClasses }, { namespace: "baseline", timeout: 60 }),
                place,
            );
            expect(inBaseline).to.contain("privileged");
            expect(isInstalled(names()[0]!)).to.equal(true);
            const image = await other.fail(
                given("3.32.0", { runtimeClasses }, { image: "registry.invalid/none:1", timeout: 60 }),
                place,
            );
            expect(image).to.match(/ErrImagePull|ImagePullBackOff|registry\.invalid/);
            const fixed = await other.up(given("3.32.0", { runtimeClasses }), place);
            expect(fixed.outputs.daemonSetStatus!.ready).to.equal(names().length);
            for (const node of names()) expect(handlersOf(node)).to.deep.equal(["kata-qemu", "other"]);
        } finally {
            await other.remove();
            kubectl("delete", "namespace", "baseline", "--wait=true");
        }
        for (const node of names()) {
            expect(handlersOf(node)).to.deep.equal(["kata-qemu"]);
            expect(isInstalled(node)).to.equal(true);
        }
    });

    it("waits for sandboxes with its removal, and then leaves no trace", async () => {
        const [node] = Object.keys(filesBefore) as [string];
        await stack.up(given("2.2.2", {}, { timeout: 60 }));
        startPod("last", node, "kata-qemu");
        const error = await stack.failDestroy();
        expect(error).to.match(/timed out|timeout|default\/last/i);
        expect(inUse()).to.contain("default/last");
        expectAlive("last");
        removePods(node, "last");
        await stack.destroy();
        for (const name of names()) expectNoTrace(name);
        // Those that have not joined later.
        for (const [name, before] of Object.entries(filesBefore)) {
            expect(files(name)).to.equal(before);
            expectAlive(`runc-${name}`);
        }
        expect(kindsLeft()).to.deep.equal([]);
    });

    it("kills sandboxes with forceRemoval", async () => {
        const [node] = Object.keys(filesBefore) as [string];
        await stack.up(given("3.32.0", { forceRemoval: true }));
        startPod("killed", node, "kata-qemu");
        await stack.destroy();
        expect(files(node)).to.equal(filesBefore[node]);
        expect(onNode(node, "readlink /proc/[0-9]*/exe | grep ^/opt/kata || :")).to.equal("");
        removeAllPods();
    });
});
