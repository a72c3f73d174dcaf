// NVIDIA's toolkit and this package on the same nodes: nvidia-ctk rewrites containerd's configuration.

import { expect } from "chai";
import {
    apply,
    args,
    changes,
    files,
    kubectl,
    names,
    nodes,
    onNode,
    ready,
    removePods,
    startPod,
    TestStack,
} from "../support/lab";
import { describeRare } from "../support/sample";

describeRare("gpuToolkit")("NVIDIA's toolkit", function () {
    this.timeout(10 * 60 * 1000);
    const given = () => args("3.32.0", { kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true } });
    let stack: TestStack;

    before(async () => {
        stack = await TestStack.create("gpu-toolkit");
        for (const [node, { containerd }] of Object.entries(nodes())) {
            // Like a node that was set up for GPUs, the older one names runc.
            const runc = `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false`;
            onNode(
                node,
                `cp -a /etc/containerd /root/containerd-before
                ln -s "$(command -v runc)" /usr/bin/nvidia-container-runtime
                ${containerd.startsWith("1.") ? `printf '%s\\n' '${runc}' >>/etc/containerd/config.toml` : ""}
                cp -a /etc/containerd /root/containerd-site`,
            );
        }
        apply({
            apiVersion: "node.k8s.io/v1",
            kind: "RuntimeClass",
            metadata: { name: "nvidia" },
            handler: "nvidia",
        });
    });
    after(async () => {
        for (const node of names()) removePods(node, "--all");
        await stack.remove();
        kubectl("delete", "runtimeclass", "nvidia");
        for (const node of names())
            onNode(
                node,
                `rm -r /usr/bin/nvidia-container-runtime /etc/containerd /root/containerd-site && mv /root/containerd-before /etc/containerd
                systemctl restart containerd`,
            );
    });

    const configure = () => {
        for (const node of names())
            onNode(node, "nvidia-ctk runtime configure --runtime=containerd && systemctl restart containerd");
    };
    /** Proves from the running services which runtimes there are, by a pod of each of them. */
    const runs = (...runtimeClasses: string[]) => {
        for (const node of names()) {
            const pods = runtimeClasses.map((runtimeClass) => `${runtimeClass}-${node}`);
            for (const [i, pod] of pods.entries()) startPod(pod, node, runtimeClasses[i]);
            removePods(node, ...pods);
            expect(inForce(node).kata, node).to.equal(runtimeClasses.includes("kata-qemu"));
        }
        expect(ready(...names())).to.equal(true);
    };
    const inForce = (node: string) => {
        const [dump, kubelet] = onNode(
            node,
            "containerd config dump 2>/dev/null; echo =; sed -n 's/^cgroupDriver: //p' /var/lib/kubelet/config.yaml",
        ).split("\n=\n") as [string, string];
        const configz = JSON.parse(kubectl("get", "--raw", `/api/v1/nodes/${node}/proxy/configz`)).kubeletconfig;
        expect(configz.cgroupDriver).to.equal(kubelet);
        return { kata: dump.includes("kata"), driver: kubelet, systemd: dump.includes("SystemdCgroup = true") };
    };
    const repaired = async () => {
        const { outputs } = await stack.up(given);
        expect(changes(await stack.preview(given))).to.deep.equal({});
        for (const node of names()) {
            expect(outputs.nodeStatuses[node]).to.include({ cgroupDriver: "systemd" });
            expect(inForce(node)).to.deep.equal({ kata: true, driver: "systemd", systemd: true });
        }
        runs("kata-qemu", "nvidia");
    };
    const destroyed = async () => {
        await stack.destroy();
        for (const node of names()) {
            expect(inForce(node), node).to.deep.equal({ kata: false, driver: "cgroupfs", systemd: false });
            expect(onNode(node, "grep -r kata /etc/containerd || :"), node).to.equal("");
        }
        runs("nvidia");
    };

    it("gpu-toolkit: repairs the files that nvidia-ctk rewrote, and leaves only the entries of nvidia-ctk after destroy", async () => {
        await stack.up(given);
        configure();
        const { log } = await stack.preview(given);
        for (const node of names()) expect(log).to.match(new RegExp(`${node}.* /etc/containerd/`));
        await repaired();
        await destroyed();
    });

    it("gpu-toolkit: removes the managed entries from files that nvidia-ctk rewrote, without an update in between", async () => {
        for (const node of names())
            onNode(node, "rm -r /etc/containerd && cp -a /root/containerd-site /etc/containerd");
        await stack.up(given);
        configure();
        await destroyed();
    });

    it("gpu-toolkit: installs after nvidia-ctk, and restores every byte", async () => {
        const before = names().map(files);
        await repaired();
        await destroyed();
        expect(names().map(files)).to.deep.equal(before);
    });
});
