// Draining a node before its cgroup driver changes.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import { drainScript } from "../../src/node/drain";
import {
    apply,
    args,
    connection,
    files,
    kubectl,
    names,
    nodes,
    onNode,
    ready,
    sshOptions,
    TestStack,
} from "../support/lab";

describe("draining", function () {
    this.timeout(10 * 60 * 1000);
    const unschedulable = () =>
        names().filter((node) => kubectl("get", "node", node, "-o", "jsonpath={.spec.unschedulable}"));
    const given = (cgroupDriver: "systemd" | "cgroupfs", timeout = 120): KataContainersArgs =>
        args("3.32.0", {
            kubelet: { cgroupDriver },
            rollout: { drain: { controlPlane: connection("worker-2"), timeout } },
        });
    const budget = { apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "web" } };
    const filesBefore: { [node: string]: string } = {};
    let stack: TestStack;

    before(async () => {
        stack = await TestStack.create("drain");
        // One of the nodes acts as the control plane: it has kubectl and the kubeconfig of the administrator.
        const { host, port, user } = nodes()["worker-2"]!;
        const copy = (from: string, to: string) =>
            execFileSync("scp", ["-q", ...sshOptions("worker-2"), "-P", `${port}`, from, `${user}@${host}:${to}`]);
        copy(execFileSync("sh", ["-c", "command -v kubectl"], { encoding: "utf8" }).trim(), "/usr/local/bin/kubectl");
        copy(process.env.KUBECONFIG!, "/etc/kubernetes/admin.conf");
        for (const node of names()) filesBefore[node] = files(node);
        apply({
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name: "web" },
            spec: {
                replicas: 2,
                selector: { matchLabels: { app: "web" } },
                template: {
                    metadata: { labels: { app: "web" } },
                    spec: {
                        terminationGracePeriodSeconds: 0,
                        automountServiceAccountToken: false,
                        containers: [
                            {
                                name: "main",
                                image: "busybox:lab",
                                imagePullPolicy: "Never",
                                command: ["sleep", "100000"],
                            },
                        ],
                    },
                },
            },
        });
        kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    });
    after(async () => {
        await stack.remove();
        kubectl("delete", "deployment/web", "--wait=true");
        for (const node of names()) kubectl("uncordon", node);
        onNode("worker-2", "rm /usr/local/bin/kubectl /etc/kubernetes/admin.conf");
    });

    it("drains one node after the other and uncordons it after the change", async () => {
        const { did, outputs, log } = await stack.up(given("systemd"));
        expect(did).to.include({ "kata-worker-1-drain": "create", "kata-worker-2-uncordon": "create" });
        expect(log).to.match(/evicting pod default\/web-/);
        expect(log).to.match(/node\/worker-1 uncordoned/);
        for (const node of names()) expect(outputs.nodeStatuses[node]!.cgroupDriver).to.equal("systemd");
        expect(unschedulable()).to.deep.equal([]);
        expect(ready(...names())).to.equal(true);
        kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    });

    it("skips the drain of a node that has the cgroup driver already", async () => {
        const { log } = await stack.up(given("systemd", 100));
        expect(log).to.match(/skipping drain of worker-1: its cgroup driver is already systemd/);
        expect(log).to.not.match(/evicting/);
    });

    it("respects pod disruption budgets: a node that cannot be drained in time stays cordoned and unchanged", async () => {
        apply({ ...budget, spec: { minAvailable: 2, selector: { matchLabels: { app: "web" } } } });
        const error = await stack.fail(given("cgroupfs", 5));
        expect(error).to.match(/error: node worker-\d could not be drained \(timeout: 5 s\); it stays cordoned/);
        expect(unschedulable()).to.have.length(1);
        for (const node of names()) {
            expect(onNode(node, "grep ^cgroupDriver /var/lib/kubelet/config.yaml")).to.equal("cgroupDriver: systemd");
        }
        kubectl("delete", "pdb", "web");
        const { outputs } = await stack.up(given("cgroupfs", 100));
        for (const node of names()) expect(outputs.nodeStatuses[node]!.cgroupDriver).to.equal("cgroupfs");
        expect(unschedulable()).to.deep.equal([]);
    });

    it("leaves a node cordoned that was cordoned before the drain", async () => {
        kubectl("cordon", "worker-1");
        await stack.up(given("systemd", 100));
        expect(unschedulable()).to.deep.equal(["worker-1"]);
        kubectl("uncordon", "worker-1");
    });

    const web = () => kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}");
    const note = (node: string) =>
        /"kata-containers\/cgroup-driver-[0-9a-f]{12}":"(\w+)"/.exec(
            kubectl("get", "node", node, "-o", "jsonpath={.metadata.annotations}"),
        )?.[1] ?? "";

    it("evicts nothing and uncordons every node when rollout.drain is removed from the arguments", async () => {
        kubectl("rollout", "status", "deployment/web", "--timeout=60s");
        for (const node of names()) expect(note(node)).to.equal("systemd");
        const before = web();
        const { did } = await stack.up(args("3.32.0", { kubelet: { cgroupDriver: "systemd" } }));
        expect(did).to.include({ "kata-worker-1-drain": "delete", "kata-worker-2-uncordon": "delete" });
        expect(web()).to.equal(before);
        expect(unschedulable()).to.deep.equal([]);
        for (const node of names()) expect(note(node)).to.equal("");
    });

    it("drains nodes when kubelet.cgroupDriver is removed from the arguments, before their driver is restored", async () => {
        await stack.up(given("systemd"));
        const { log, outputs } = await stack.up({ ...given("systemd"), kubelet: {} });
        for (const node of names()) expect(outputs.nodeStatuses[node]!.cgroupDriver).to.equal("cgroupfs");
        expect(log).to.match(/evicting pod default\/web-/);
        expect(unschedulable()).to.deep.equal([]);
        for (const node of names()) expect(note(node)).to.equal("");
        const again = await stack.up({ ...given("systemd", 100), kubelet: {} });
        expect(again.log).to.match(/skipping drain of worker-1: its cgroup driver does not change/);
    });

    it("drains a node that leaves, before its cgroup driver is restored, and uncordons it", async () => {
        await stack.up(given("systemd"));
        kubectl("rollout", "status", "deployment/web", "--timeout=60s");
        kubectl("cordon", "worker-2");
        kubectl("delete", "pods", "-l", "app=web");
        kubectl("uncordon", "worker-2");
        kubectl("rollout", "status", "deployment/web", "--timeout=60s");
        const all = given("systemd");
        const { log, order } = await stack.up({ ...all, nodes: { "worker-2": all.nodes!["worker-2"]! } });
        expect(log).to.match(/evicting pod default\/web-[\s\S]*node\/worker-1 uncordoned/);
        const ends = order.filter((step) => step.startsWith("end kata-worker-1-"));
        expect(ends.map((step) => step.split("-").at(-1))).to.deep.equal([
            ...["uncordon", "label", "activate", "drain", "stage"],
        ]);
        expect(files("worker-1")).to.equal(filesBefore["worker-1"]);
        expect(unschedulable()).to.deep.equal([]);
        await stack.up(all);
    });

    it("drains nodes on destroy too, before their cgroup driver is restored", async () => {
        const { log } = await stack.destroy();
        expect(log).to.match(/evicting pod default\/web-/);
        for (const node of names()) expect(note(node)).to.equal("");
        expect(unschedulable()).to.deep.equal([]);
        expect(ready(...names())).to.equal(true);
        for (const node of names()) expect(files(node)).to.equal(filesBefore[node]);
    });

    it("drains and uncordons a node with a kubeconfig, from the machine that runs Pulumi", () => {
        const kubeconfig = readFileSync(process.env.KUBECONFIG!, "utf8");
        const run = (...words: string[]) =>
            spawnSync("sh", ["-c", drainScript, "kata-containers", ...words, "0123456789ab"], {
                input: kubeconfig,
                encoding: "utf8",
                env: { PATH: process.env.PATH, HOME: process.env.HOME },
            });
        expect(run("drain", "worker-1", "systemd", "60")).to.include({ status: 0 });
        expect(unschedulable()).to.deep.equal(["worker-1"]);
        expect(run("uncordon", "worker-1", "", "60").stdout).to.contain("uncordoned");
        expect(unschedulable()).to.deep.equal([]);
        expect(run("drain", "worker-9", "systemd", "60").stdout).to.contain(
            "skipping node worker-9: it does not exist in the cluster",
        );
    });
});
