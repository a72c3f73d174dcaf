// Nodes whose containerd listens elsewhere, which only its file and the kubelet's configuration say.

import { expect } from "chai";
import { args, files, kubectl, names, nodes, onNode, ready, removePods, startPod, TestStack } from "../support/lab";
import { describeRare } from "../support/sample";

describeRare("sockets")("containerd with a non-default socket", function () {
    this.timeout(5 * 60 * 1000);
    const socket = "/data/run/containerd/containerd.sock";
    const link = "/data/link/containerd.sock";
    let stack: TestStack;
    const filesBefore: { [node: string]: string } = {};

    before(async () => {
        stack = await TestStack.create("sockets");
        for (const [node, { containerd }] of Object.entries(nodes())) {
            const table = containerd.startsWith("1.") ? "grpc" : "plugins.'io.containerd.server.v1.grpc'";
            // The kubelet of one node reaches the socket through a link.
            const endpoint = node === names()[0] ? socket : link;
            onNode(
                node,
                `cp -a /etc/containerd/config.toml /root/config.toml; cp -a /var/lib/kubelet/config.yaml /root/config.yaml
                mkdir -p /data && ln -s run/containerd /data/link
                sed -i '/^\\[grpc\\]/,/^$/d' /etc/containerd/config.toml
                printf "\\n[${table}]\\naddress = '${socket}'\\n" >>/etc/containerd/config.toml
                sed -i 's,^containerRuntimeEndpoint: .*,containerRuntimeEndpoint: unix://${endpoint},' /var/lib/kubelet/config.yaml
                systemctl restart containerd kubelet`,
            );
            filesBefore[node] = files(node);
        }
    });
    after(async () => {
        await stack.remove();
        for (const node of names()) {
            expect(files(node)).to.equal(filesBefore[node]);
            onNode(
                node,
                `mv /root/config.toml /etc/containerd/config.toml; mv /root/config.yaml /var/lib/kubelet/config.yaml
                systemctl restart containerd kubelet; rm -r /data`,
            );
        }
        kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s");
    });

    it("finds containerd at the kubelet's endpoint, on every version of containerd (grpc-address-v2, grpc-address-v4)", async () => {
        const { outputs } = await stack.up(args("3.32.0", { runtimeClasses: { "kata-qemu": {} } }));
        for (const [node, { containerd }] of Object.entries(nodes())) {
            expect(outputs.nodeStatuses[node]!.containerRuntimeVersion).to.equal(`containerd://${containerd}`);
            startPod(`elsewhere-${node}`, node, "kata-qemu");
            removePods(node, `elsewhere-${node}`);
        }
        expect(ready(...names())).to.equal(true);
    });
});
