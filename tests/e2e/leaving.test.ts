// The removal of Kata from nodes that have left the cluster: their services do not run any longer.

import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import { args, files, kubectl, names, onNode, removePods, startPod, TestStack } from "../support/lab";
import { describeRare } from "../support/sample";

interface Leaving {
    /** What happens on each node. */
    leave: string;
    /** The states of the kubelet and containerd after that. */
    states: RegExp;
    /** The files that are lost. */
    lost?: RegExp;
    more?: Partial<KataContainersArgs>;
}

describeRare("leaving")("nodes that have left the cluster", function () {
    this.timeout(10 * 60 * 1000);
    const more = { kubelet: { cgroupDriver: "systemd" } } as const;
    const reset = "systemctl stop kubelet; rm /var/lib/kubelet/config.yaml /etc/kubernetes/kubelet.conf";
    const lost = /(config\.yaml|kubelet\.conf)$/;
    const ways: { [title: string]: Leaving } = {
        "whose kubelet is stopped": { leave: "systemctl stop kubelet", states: /^inactive active$/ },
        "whose kubelet is stopped and has lost its files": { leave: reset, states: /^inactive active$/, lost, more },
        "whose kubelet fails again and again because it has lost its files": {
            leave: `${reset}; systemctl start kubelet; sleep 11`,
            states: /^activ\w+ active$/,
            lost,
            more,
        },
        "whose containerd is stopped, but not the kubelet": {
            leave: "systemctl stop containerd",
            states: /^activ\w+ inactive$/,
            more,
        },
        "whose kubelet and containerd are stopped": {
            leave: "systemctl stop kubelet containerd",
            states: /^inactive inactive$/,
            more,
        },
        "whose containerd was removed": {
            leave: `systemctl stop kubelet containerd; program=$(command -v containerd)
                echo $program >/root/program; mv $program /root/containerd`,
            states: /^inactive inactive$/,
            lost: /\/bin\/containerd$/,
            more,
        },
    };
    const states = (node: string) => onNode(node, "systemctl is-active kubelet containerd || :").replace("\n", " ");
    const rejoin = (node: string) =>
        onNode(
            node,
            `[ ! -e /root/containerd ] || mv /root/containerd "$(cat /root/program)"
            cp -a /root/config.yaml /var/lib/kubelet; cp -a /root/kubelet.conf /etc/kubernetes
            systemctl start containerd; systemctl restart kubelet`,
        );
    let stack: TestStack;
    let before: { [node: string]: string };

    beforeEach(async () => {
        stack = await TestStack.create("leaving");
        for (const node of names()) {
            onNode(node, "cp -a /var/lib/kubelet/config.yaml /etc/kubernetes/kubelet.conf /root");
        }
        before = Object.fromEntries(names().map((node) => [node, files(node)]));
    });
    /** The nodes join again, and are as they were before. */
    afterEach(async () => {
        names().map(rejoin);
        for (const node of names()) {
            startPod(`again-${node}`, node);
            kubectl("delete", "pod", `again-${node}`, "--wait=true", "--timeout=120s");
        }
        await stack.remove();
        for (const node of names()) expect(files(node)).to.equal(before[node]);
    });

    for (const [title, { leave, states: expected, lost, more }] of Object.entries(ways)) {
        it(`restores the files of nodes ${title}, and leaves the services as they are`, async () => {
            await stack.up(args("3.32.0", more));
            for (const node of names()) {
                onNode(node, leave);
                if (leave.includes(reset)) kubectl("delete", "node", node);
                // This one is taken out of `nodes`; the other one is removed with the component.
                if (!more && node === "worker-1") await stack.up(args("3.32.0", {}, ["worker-2"]));
            }
            const { log } = await stack.destroy();
            expect(log).to.not.match(/node\.sh: /); // an error of the shell itself
            for (const node of names()) {
                expect(states(node)).to.match(expected);
                const kept = before[node]!.split("\n").filter((line) => !lost?.test(line));
                expect(files(node).split("\n")).to.deep.equal(kept);
            }
        });
    }

    it("refuses to remove Kata while sandboxes run that a stopped containerd cannot report", async () => {
        const node = "worker-1";
        await stack.up(args("3.32.0", {}, [node]));
        startPod("kata", node, "kata-qemu");
        onNode(node, "systemctl stop kubelet containerd");
        const error = await stack.failDestroy();
        expect(error).to.match(/sandboxes still run on Kata Containers: [0-9a-f]{64}/);
        expect(error).to.match(/without a kubelet: \S*ctr --address \S+ -n k8s\.io tasks kill -a -s KILL on the node/);
        rejoin(node);
        removePods(node, "kata");
    });
});
