// The cgroup driver of the kubelet and of containerd, which are changed and restored together.

import { expect } from "chai";
import {
    args,
    files,
    kubectl,
    names,
    onNode,
    ready,
    removeAllPods,
    startOnEveryNode,
    startPod,
    TestStack,
    times,
} from "../support/lab";
import { describeRare } from "../support/sample";

describeRare("cgroupDriver")("the cgroup driver", function () {
    this.timeout(10 * 60 * 1000);
    let stack: TestStack;
    let filesBefore: { [node: string]: string };
    const driver = (cgroupDriver: "systemd" | "cgroupfs", changeUnderRunningPods = true) =>
        args("3.32.0", { kubelet: { cgroupDriver, changeUnderRunningPods } });

    before(async () => {
        stack = await TestStack.create("cgroup-driver");
        ({ filesBefore } = startOnEveryNode());
    });
    after(async () => {
        removeAllPods();
        await stack.remove();
    });

    it("refuses to change the cgroup driver under running pods, and touches nothing", async () => {
        await stack.up(args("3.32.0"));
        const untouched = names().map(times);
        const error = await stack.fail(driver("systemd", false));
        expect(error).to.match(/containers run on this node; changing the cgroup driver would restart them/);
        expect(error).to.contain("kubelet.changeUnderRunningPods");
        expect(names().map(times)).to.deep.equal(untouched);
    });

    it("changes the cgroup driver of the kubelet and containerd; the nodes stay Ready and start pods", async () => {
        for (const cgroupDriver of ["systemd", "cgroupfs", "systemd"] as const) {
            const { outputs, log } = await stack.up(driver(cgroupDriver));
            expect(log).to.not.match(/node\.sh: /); // an error of the shell itself
            expect(ready(...names())).to.equal(true);
            for (const node of names()) {
                expect(outputs.nodeStatuses[node]).to.include({ cgroupDriver });
                expect(onNode(node, "containerd config dump | grep SystemdCgroup")).to.match(
                    cgroupDriver === "systemd" ? /= true$/ : /= false$/,
                );
                expect(onNode(node, "grep ^cgroupDriver /var/lib/kubelet/config.yaml")).to.equal(
                    `cgroupDriver: ${cgroupDriver}`,
                );
                startPod(`again-${node}`, node);
                kubectl("delete", "pod", `again-${node}`, "--wait=true");
            }
        }
    });

    it("restores the cgroup driver on destroy, byte for byte", async () => {
        await stack.destroy();
        expect(ready(...names())).to.equal(true);
        for (const node of names()) expect(files(node)).to.equal(filesBefore[node]);
        kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s");
    });

    it("runc-options-only, comments-stripped: sets the driver of a runc that the file does not name, and removes its entries after a tool has rewritten the files without comments", async () => {
        const config = "/etc/containerd/config.toml";
        const oom = `$(grep -h restrict_oom_score_adj /root/config.toml || :)`;
        onNode(
            "worker-2",
            `cp -a ${config} /root/config.toml
            cat >${config} <<END
version = 3
[plugins.'io.containerd.cri.v1.runtime']
${oom}
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
END
            systemctl restart containerd`,
        );
        onNode("worker-1", `cp -a ${config} /root/config.toml`);
        const both = (node: string) =>
            onNode(
                node,
                `containerd config dump 2>/dev/null | sed -n "s/^ *SystemdCgroup = //p" | sort -u
                sed -n 's/^cgroupDriver: //p' /var/lib/kubelet/config.yaml`,
            );
        try {
            const { outputs } = await stack.up(driver("systemd"));
            for (const node of names()) {
                expect(both(node), node).to.equal("true\nsystemd");
                expect(outputs.nodeStatuses[node]).to.include({ cgroupDriver: "systemd" });
            }
            onNode("worker-1", `sed -i '/^ *#/d' ${config} /var/lib/kubelet/config.yaml`);
            onNode("worker-2", `containerd config migrate 2>/dev/null >/root/new && cat /root/new >${config}`);

            // worker-1 is removed at once, worker-2 is updated before.
            await stack.up(
                args("3.32.0", { kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true } }, ["worker-2"]),
            );
            expect(both("worker-2")).to.equal("true\nsystemd");
            await stack.destroy();
            for (const node of names()) {
                expect(both(node), node).to.equal("false\ncgroupfs");
                expect(onNode(node, "containerd config dump 2>/dev/null | grep kata || :"), node).to.equal("");
            }
            expect(ready(...names())).to.equal(true);
        } finally {
            for (const node of names()) onNode(node, `mv /root/config.toml ${config}; systemctl restart containerd`);
        }
    });
});
