// Nodes on which somebody else installed Kata before: taken over under a running pod, and given back.

import { expect } from "chai";
import { apply, args, files, inventory, kubectl, onNode, removePods, startPod, TestStack } from "../support/lab";

const shim = (node: string) => JSON.parse(onNode(node, "tail -n 1 /run/kata-miniature/shim.log")).executable;
const theirs = /^\/opt\/kata\/bin\/containerd-shim-kata-v2$/;
const ours = /^\/opt\/kata-releases\/3\.32\.0-[0-9a-f]{12}\/bin\/containerd-shim-kata-v2$/;

/** A release as both of them put it there: unpacked over the root of the node. */
const release = (version: string, archive: string) => {
    const url = inventory().releases.url.replace("{version}", version).replace("{archive}", archive);
    return `curl -s ${url} | tar -C / -x${archive.endsWith("xz") ? "J" : ' -I "zstd -d" -'}f - --no-same-owner`;
};
const table = (plugin: string, handler: string, more = "") =>
    `[plugins."${plugin}".containerd.runtimes.${handler}]\nruntime_type = "io.containerd.${handler}.v2"\n${more}`;

const kubespray = () => `
${release("2.2.2", "kata-static-2.2.2-x86_64.tar.xz")}
cat >/usr/local/bin/containerd-shim-kata-qemu-v2 <<'END'
#!/usr/bin/env bash
KATA_CONF_FILE=/etc/kata-containers/configuration-qemu.toml /opt/kata/bin/containerd-shim-kata-v2 $@
END
chmod 0755 /usr/local/bin/containerd-shim-kata-qemu-v2
mkdir -p /etc/kata-containers
cp /opt/kata/share/defaults/kata-containers/configuration-qemu.toml /etc/kata-containers
echo vhost_vsock >/etc/modules-load.d/kubespray-kata-containers.conf
cat >>/etc/containerd/config.toml <<'END'
${table("io.containerd.grpc.v1.cri", "runc")}
${table("io.containerd.grpc.v1.cri", "kata-qemu")}
END
systemctl restart containerd`;

const kataDeploy = (file: string) => `
${release("3.7.0", "kata-static-3.7.0-amd64.tar.xz")}
mkdir -p ${file.replace(/\/[^/]*$/, "")}
cat >${file} <<'END'
${["kata-qemu", "kata-clh"]
    .map((handler) =>
        table(
            "io.containerd.cri.v1.runtime",
            handler,
            `runtime_path = "/opt/kata/bin/containerd-shim-kata-v2"
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${handler}.options]
ConfigPath = "/opt/kata/share/defaults/kata-containers/configuration-qemu.toml"
`,
        ),
    )
    .join("")}
END`;

describe("a node where Kata was installed before", function () {
    this.timeout(10 * 60 * 1000);
    let stack: TestStack;

    const takenOver = async (node: string, install: string) => {
        const bare = files(node);
        onNode(node, `cp -a /etc/containerd /root/containerd-before\n${install}`);
        apply({
            apiVersion: "node.k8s.io/v1",
            kind: "RuntimeClass",
            metadata: { name: "kata-qemu" },
            handler: "kata-qemu",
            overhead: { podFixed: { cpu: "250m", memory: "160Mi" } },
        });
        stack = await TestStack.create("takeover");
        try {
            const before = files(node);
            startPod("theirs", node, "kata-qemu");
            expect(shim(node)).to.match(theirs);

            const { outputs } = await stack.up(args("3.32.0", { runtimeClass: { adopt: true } }, [node]));
            expect(outputs.nodeStatuses[node]!.kataVersion).to.equal("3.32.0");
            expect(kubectl("exec", "theirs", "--", "echo", "well")).to.equal("well");
            startPod("ours", node, "kata-qemu");
            expect(shim(node)).to.match(ours);
            expect(
                onNode(node, "cat /etc/containerd/config.toml /etc/containerd/conf.d/* 2>/dev/null || :"),
            ).to.contain("#kata-containers:");
            removePods(node, "theirs", "ours");

            await stack.destroy();
            expect(files(node)).to.equal(before);
            startPod("theirs-again", node, "kata-qemu");
            expect(shim(node)).to.match(theirs);
        } finally {
            removePods(node, "--all");
            await stack.remove();
            kubectl("delete", "runtimeclass", "kata-qemu");
            onNode(
                node,
                `rm -rf /opt/kata /etc/kata-containers /etc/modules-load.d/kubespray-kata-containers.conf
                rm -rf /usr/local/bin/containerd-shim-kata-qemu-v2 /etc/containerd && mv /root/containerd-before /etc/containerd
                systemctl restart containerd`,
            );
            expect(files(node)).to.equal(bare);
        }
    };

    it("by Kubespray: its folder, its runtime table and its wrapper are set aside and come back", () =>
        takenOver("worker-1", kubespray()));

    it("by kata-deploy, with a drop-in", () =>
        takenOver(
            "worker-2",
            `${kataDeploy("/etc/containerd/conf.d/kata-deploy.toml")}\nsystemctl restart containerd`,
        ));

    it("by kata-deploy, with a file in /opt/kata that is imported by its name", () =>
        takenOver(
            "worker-2",
            `${kataDeploy("/opt/kata/containerd/config.d/kata-deploy.toml")}
            sed -i 's,^imports = .*,imports = ["/etc/containerd/conf.d/*.toml"\\, "/opt/kata/containerd/config.d/kata-deploy.toml"],' /etc/containerd/config.toml
            systemctl restart containerd`,
        ));
});
