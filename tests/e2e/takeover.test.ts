// Nodes on which Kubespray or kata-deploy installed Kata before: taken over under a running pod, and restored.

import { expect } from "chai";
import {
    apply,
    args,
    expectAlive,
    files,
    inventory,
    kubectl,
    onNode,
    removePods,
    shimRecord,
    startPod,
    TestStack,
} from "../support/lab";
import { describeRare } from "../support/sample";

const shim = (node: string) => shimRecord(node).executable;
const theirs = /^\/opt\/kata\/bin\/containerd-shim-kata-v2$/;
const ours = /^\/opt\/kata-releases\/3\.32\.0-[0-9a-f]{12}\/bin\/containerd-shim-kata-v2$/;

/** Unpacks a release over the root of the node, as both of them do. */
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

describeRare("takeover")("an existing installation", function () {
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

            const adopt = args("3.32.0", { runtimeClasses: { "kata-qemu": { adopt: true } } }, [node]);
            const { outputs } = await stack.up(adopt);
            expect(outputs.nodeStatuses[node]!.kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
            expectAlive("theirs");
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

    it("displaces the folder, the runtime table and the wrapper of Kubespray, and restores them on destroy", () =>
        takenOver("worker-1", kubespray()));

    it("displaces the installation of kata-deploy with a drop-in file, and restores it on destroy", () =>
        takenOver(
            "worker-2",
            `${kataDeploy("/etc/containerd/conf.d/kata-deploy.toml")}\nsystemctl restart containerd`,
        ));

    it("displaces the installation of kata-deploy with an imported file in /opt/kata, and restores it on destroy", () =>
        takenOver(
            "worker-2",
            `${kataDeploy("/opt/kata/containerd/config.d/kata-deploy.toml")}
            sed -i 's,^imports = .*,imports = ["/etc/containerd/conf.d/*.toml"\\, "/opt/kata/containerd/config.d/kata-deploy.toml"],' /etc/containerd/config.toml
            systemctl restart containerd`,
        ));
});
