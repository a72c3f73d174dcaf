// The cgroup driver of the kubelet and of containerd, which are changed and restored together.

import { expect } from "chai";
import {
    args,
    files,
    kubectl,
    names,
    onNode,
    ready,
    startOnEveryNode,
    startPod,
    TestStack,
    times,
} from "../support/lab";

describe("the cgroup driver", function () {
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
        kubectl("delete", "pods", "--all", "--wait=true", "--timeout=60s");
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
});
