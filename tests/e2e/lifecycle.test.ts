// The whole life of a component on two real nodes, one with containerd 1.6 and one with 2.x: up, pods, changes, destroy.

import { expect } from "chai";
import {
    args,
    changes,
    containerOf,
    every,
    expectAlive,
    files,
    kubectl,
    names,
    nodes,
    type Outputs,
    onNode,
    ready,
    removeAllPods,
    removePods,
    startOnEveryNode,
    startPod,
    TestStack,
    times,
} from "../support/lab";

const services = (node: string) =>
    onNode(node, "systemctl show -p ActiveEnterTimestampMonotonic --value containerd kubelet").split(/\s+/);
const kataConfiguration = (node: string) => onNode(node, "cat /etc/kata-containers/kata-qemu/configuration.toml");
const shimLog = (node: string) => onNode(node, "tail -n 1 /run/kata-miniature/shim.log");
describe("the lifecycle on real nodes", function () {
    this.timeout(10 * 60 * 1000);
    let stack: TestStack;
    let filesBefore: { [node: string]: string };
    let runc: { [node: string]: string };

    before(async () => {
        stack = await TestStack.create("lifecycle");
        ({ filesBefore, runc } = startOnEveryNode());
    });
    after(async () => {
        removeAllPods();
        await stack.remove();
    });

    const checkStatuses = ({ nodeStatuses }: Outputs, version: string, more: object = {}) => {
        for (const node of names()) {
            const { containerRuntimeVersion, ...status } = nodeStatuses[node]!;
            expect(status).to.deep.include({
                kataVersions: { "kata-qemu": version },
                kvm: false,
                distribution: "kubeadm",
                ...more,
            });
            expect(containerRuntimeVersion.startsWith(`containerd://${nodes()[node]!.containerd}`)).to.equal(true);
        }
    };

    it("installs Kata 2.2.2 on every node, with a RuntimeClass", async () => {
        const up = await stack.up(args("2.2.2"));
        const { outputs } = up;
        expect(changes(up)).to.deep.equal({
            ...every("create", ["stage", "activate", "label"]),
            "kata-owner": "create",
            "kata-wave-1": "create",
            "kata-wave-2": "create",
            "kata-kata-qemu": "create",
        });
        expect(outputs.runtimeClassNames).to.deep.equal({ "kata-qemu": "kata-qemu" });
        checkStatuses(outputs, "2.2.2", { cgroupDriver: "cgroupfs", sandboxes: { "kata-qemu": {} } });
        const { handler, overhead, scheduling } = JSON.parse(kubectl("get", "runtimeclass", "kata-qemu", "-o", "json"));
        expect({ handler, overhead, scheduling }).to.deep.equal({
            handler: "kata-qemu",
            overhead: { podFixed: { cpu: "10m", memory: "290Mi" } },
            scheduling: {
                nodeSelector: { "katacontainers.io/kata-runtime": "true", "handler.kata-containers/kata-qemu": "true" },
            },
        });
    });

    it("runs a pod through the handler on every node, with the pod overhead", () => {
        for (const node of names()) {
            startPod(`kata-${node}`, node, "kata-qemu");
            const log = JSON.parse(shimLog(node));
            expect(log).to.include({
                configPath: "/etc/kata-containers/kata-qemu/configuration.toml",
                configExists: true,
            });
            expect(log.executable).to.match(/^\/opt\/kata-releases\/2\.2\.2-[0-9a-f]{12}\/bin\//);
            const { overhead } = JSON.parse(kubectl("get", "pod", `kata-${node}`, "-o", "json")).spec;
            expect(overhead).to.deep.equal({ cpu: "10m", memory: "290Mi" });
        }
    });

    it("leaves the nodes untouched by a second up, even if the commands run again", async () => {
        expect(changes(await stack.up(args("2.2.2")))).to.deep.equal({});
        const untouched = names().map(times);
        const again = args("2.2.2");
        for (const { connection } of Object.values(again.nodes)) connection.perDialTimeout = 16;
        expect(changes(await stack.up(again))).to.deep.equal(every("update", ["stage", "activate"]));
        expect(names().map(times)).to.deep.equal(untouched);
        await stack.up(args("2.2.2"));
    });

    it("turns debug on and off for hypervisor, agent and shim without a restart", async () => {
        const running = names().map(services);
        for (const debug of [true, false]) {
            expect(changes(await stack.up(args("2.2.2", { debug })))).to.deep.equal(every("update", ["activate"]));
            for (const node of names()) {
                const lines = kataConfiguration(node)
                    .split("\n")
                    .filter((line) => /enable_debug *=/.test(line) && !line.startsWith("#"));
                expect(lines).to.deep.equal(Array(4).fill(`enable_debug = ${debug}`));
            }
        }
        expect(names().map(services)).to.deep.equal(running);
    });

    it("changes the version under a running sandbox, which keeps its files", async () => {
        const settings = { "hypervisor.qemu.default_memory": 1024 };
        const { outputs } = await stack.up(args("3.32.0", { runtimeClasses: { "kata-qemu": { settings } } }));
        checkStatuses(outputs, "3.32.0", { sandboxes: { "kata-qemu": { "2.2.2": 1 } } });
        for (const node of names()) {
            expect(kataConfiguration(node)).to.match(/^default_memory = 1024$/m);
            expectAlive(`kata-${node}`);
            startPod(`kata2-${node}`, node, "kata-qemu");
            expect(JSON.parse(shimLog(node)).executable).to.match(/3\.32\.0-/);
            kubectl("delete", "pod", `kata2-${node}`, "--wait=true");
        }
        const next = await stack.up(args("4.1.0"));
        checkStatuses(next.outputs, "4.1.0", { sandboxes: { "kata-qemu": { "2.2.2": 1 } } });
        const trees = (node: string) => onNode(node, "ls /opt/kata-releases").replace(/-\w+/g, "");
        for (const node of names()) {
            expectAlive(`kata-${node}`);
            expect(trees(node)).to.equal("2.2.2\n3.32.0\n4.1.0");
            removePods(node, `kata-${node}`);
        }
        // The previous release is kept, so that a return to it needs no download; an older one is removed once no sandbox uses it.
        await stack.up(args("4.1.0", { debug: true }));
        expect(names().map(trees)).to.deep.equal(names().map(() => "3.32.0\n4.1.0"));
        const { overhead } = JSON.parse(kubectl("get", "runtimeclass", "kata-qemu", "-o", "json"));
        expect(overhead.podFixed).to.deep.equal({ cpu: "250m", memory: "320Mi" });
        for (const node of names()) {
            startPod(`kata-${node}`, node, "kata-qemu");
            expect(JSON.parse(shimLog(node)).executable).to.match(/4\.1\.0-[0-9a-f]{12}\/runtime-rs\/bin\//);
            removePods(node, `kata-${node}`);
        }
    });

    it("installs Kata 3.7.0, and 4.1.0 with the Go shim", async () => {
        checkStatuses((await stack.up(args("3.7.0"))).outputs, "3.7.0");
        const go = args("4.1.0", { runtimeClasses: { "kata-qemu": { shim: "qemu" } } });
        checkStatuses((await stack.up(go)).outputs, "4.1.0");
        for (const node of names()) {
            startPod(`kata-${node}`, node, "kata-qemu");
            expect(JSON.parse(shimLog(node)).executable).to.match(/4\.1\.0-[0-9a-f]{12}\/bin\//);
            removePods(node, `kata-${node}`);
        }
    });

    it("replaces the RuntimeClass when the handler changes", async () => {
        const { did } = await stack.up(args("4.1.0", { runtimeClasses: { "kata-qemu": { handler: "kata" } } }));
        expect(did["kata-kata-qemu"]).to.match(/replace/);
        expect(kubectl("get", "runtimeclass", "kata-qemu", "-o", "jsonpath={.handler}")).to.equal("kata");
        for (const node of names()) {
            startPod(`kata-${node}`, node, "kata-qemu");
            removePods(node, `kata-${node}`);
            expect(onNode(node, "ls /etc/kata-containers")).to.equal("kata");
        }
    });

    it("keeps no credential in plain text in the state", () => {
        const state = stack.state();
        expect(state).to.not.contain("PRIVATE KEY");
        expect(state).to.contain("kata-containers:index:KataContainers");
    });

    it("leaves every node as it was after destroy, byte for byte, with its runc pods running", async () => {
        await stack.destroy();
        expect(kubectl("get", "runtimeclass", "-o", "name")).to.equal("");
        for (const node of names()) {
            expect(files(node)).to.equal(filesBefore[node]);
            expect(containerOf(`runc-${node}`)).to.equal(runc[node]);
            expectAlive(`runc-${node}`);
            expect(kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels}")).to.not.match(/kata-?containers/);
        }
        expect(ready(...names())).to.equal(true);
    });
});
