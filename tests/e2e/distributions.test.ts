// Nodes of other distributions than kubeadm, as stand-ins: their units, folders and templates, with the real containerd and kubelet.

import { expect } from "chai";
import { args, changes, containerOf, kubectl, onNode, removePods, startPod, TestStack, up } from "../support/lab";

interface Kind {
    node: string;
    kind: "rke2" | "k3s";
    unit: string;
    data: string;
    /** The file that this package adds, in the folder of containerd's configuration. */
    managed: string;
    role: string;
}
const kinds: Kind[] = [
    {
        node: "server-1",
        kind: "rke2",
        role: "an RKE2 server with a drop-in folder",
        unit: "rke2-server",
        data: "/var/lib/rancher/rke2",
        managed: "config-v3.toml.d/kata-containers.toml",
    },
    {
        node: "agent-1",
        kind: "k3s",
        role: "a k3s agent without a drop-in folder, with its own name and data folder",
        unit: "k3s-lab",
        data: "/srv/rancher/k3s",
        managed: "config-v3.toml.tmpl",
    },
];

for (const { node, kind, role, unit, data, managed } of kinds) {
    describe(`a stand-in for ${role}`, function () {
        this.timeout(20 * 60 * 1000);
        const folder = `${data}/agent/etc/containerd`;
        const given = (version: string, more: Parameters<typeof args>[1] = {}) => args(version, more, [node]);
        /** Everything that this package may leave, and the configuration that the distribution renders. */
        const files = () =>
            onNode(
                node,
                `find /etc /opt /usr/local ${data}/agent/etc /var/lib/kata-containers-node -type f -exec sha256sum {} + \\
                    -o -type l -printf '%l %p\\n' -o -type d -print 2>/dev/null | sort -k 2`,
            );
        const running = () => onNode(node, `systemctl show -p MainPID --value ${unit}`);
        const restartUnit = () => {
            onNode(node, `systemctl restart ${unit}`);
            settle();
        };
        /** Waits until the unit runs and the kubelet is healthy. */
        const settle = () =>
            onNode(
                node,
                `i=0; until [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ]; do i=$((i + 1)); [ $i -lt 600 ]; sleep 0.2; done; sleep 3`,
            );
        const rendered = () => onNode(node, `cat ${folder}/config.toml ${folder}/*.d/*.toml 2>/dev/null || :`);
        let stack: TestStack;
        let filesBefore: string;
        let runc: string;

        before(async () => {
            up(`${node}=${kind}`);
            stack = await TestStack.create(`distribution-${kind}`);
            startPod(`runc-${node}`, node);
            runc = containerOf(`runc-${node}`);
            filesBefore = files();
        });
        after(async () => {
            await stack?.remove();
            kubectl("delete", "pods", "--all", "--wait=true", "--force", "--grace-period=0");
        });

        it("is installed, with one restart of its unit", async () => {
            const { outputs, log } = await stack.up(given("3.32.0"));
            const { verified, ...status } = outputs.nodeStatuses[node]!;
            expect(status).to.deep.equal({
                kataVersions: { "kata-qemu": "3.32.0" },
                distribution: kind,
                containerRuntimeVersion: "containerd://2.3.7",
                cgroupDriver: "cgroupfs",
                kvm: false,
                sandboxes: { "kata-qemu": {} },
            });
            expect(verified).to.deep.equal({});
            expect(log.match(/restarting /g)).to.have.length(1);
            expect(log).to.contain(`restarting ${unit}.service`);
            expect(onNode(node, `cat ${folder}/${managed}`)).to.contain("runtimes.kata-qemu");
        });

        it("runs a pod through the handler", () => {
            startPod(`kata-${node}`, node, "kata-qemu");
            expect(kubectl("exec", `kata-${node}`, "--", "echo", "alive")).to.equal("alive");
        });

        it("is not changed by an unchanged program, also after a restart of its unit, over which its pods run on", async () => {
            const kata = containerOf(`kata-${node}`);
            const pid = running();
            expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({});
            expect(running()).to.equal(pid);
            restartUnit();
            expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({});
            expect(rendered()).to.contain("runtimes.kata-qemu");
            expect(containerOf(`kata-${node}`)).to.equal(kata);
            expect(kubectl("exec", `kata-${node}`, "--", "echo", "alive")).to.equal("alive");
        });

        it("gets debug logs without a restart, and another version under a running sandbox", async () => {
            const pid = running();
            const kata = containerOf(`kata-${node}`);
            await stack.up(given("3.32.0", { debug: true }));
            expect(running()).to.equal(pid);
            const { outputs } = await stack.up(given("3.7.0"));
            expect(running()).to.equal(pid);
            expect(outputs.nodeStatuses[node]!.sandboxes["kata-qemu"]).to.deep.equal({ "3.32.0": 1 });
            expect(containerOf(`kata-${node}`)).to.equal(kata);
            removePods(node, `kata-${node}`);
            await stack.up(given("3.32.0"));
        });

        it("is repaired when somebody removes the file of this package", async () => {
            onNode(node, `rm ${folder}/${managed}`);
            restartUnit();
            expect(rendered()).to.not.contain("runtimes.kata-qemu");
            expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({ [`kata-${node}-activate`]: "update" });
            expect(rendered()).to.contain("runtimes.kata-qemu");
            expect(changes(await stack.preview(given("3.32.0")))).to.deep.equal({});
        });

        it("refuses another cgroup driver, and names what the distribution goes by", async () => {
            const pid = running();
            const error = await stack.fail(given("3.32.0", { kubelet: { cgroupDriver: "systemd" } }));
            expect(error).to.contain(`the cgroup driver of this node is cgroupfs, not systemd, and ${kind} sets it`);
            expect(error).to.contain(`${kind} takes the driver from the way its service is started`);
            expect(running()).to.equal(pid);
            const { outputs } = await stack.up(given("3.32.0", { kubelet: { cgroupDriver: "cgroupfs" } }));
            expect(outputs.nodeStatuses[node]!.cgroupDriver).to.equal("cgroupfs");
            await stack.up(given("3.32.0"));
        });

        if (kind === "k3s")
            it("is not restarted while its server does not answer", async () => {
                const pid = running();
                const before = files();
                onNode(node, "systemctl stop lab-server");
                try {
                    const error = await stack.fail(
                        given("3.32.0", { runtimeClasses: { "kata-clh": {}, "kata-qemu": {} } }),
                    );
                    expect(error).to.match(
                        /no server of this agent answers \([0-9.]+:6443\), so k3s-lab\.service would not start containerd again/,
                    );
                    expect(running()).to.equal(pid);
                } finally {
                    onNode(node, "systemctl start lab-server");
                }
                await stack.up(given("3.32.0"));
                expect(files()).to.equal(before);
            });

        it("is rolled back if its unit does not start with the change", async () => {
            const before = files();
            onNode(
                node,
                `mkdir -p /run/systemd/system/${unit}.service.d
                printf '[Service]\\nExecStartPre=/bin/sh -c "! grep -rq kata-clh ${folder}/${managed}"\\n' >/run/systemd/system/${unit}.service.d/refuse.conf
                systemctl daemon-reload`,
            );
            try {
                const error = await stack.fail(
                    given("3.32.0", { runtimeClasses: { "kata-clh": {}, "kata-qemu": {} } }),
                );
                expect(error).to.contain("containerd is unhealthy with the new configuration; rolling back");
                expect(error).to.contain("rolled back; containerd and the kubelet are healthy");
            } finally {
                onNode(node, `rm -r /run/systemd/system/${unit}.service.d; systemctl daemon-reload`);
            }
            await stack.up(given("3.32.0"));
            expect(files()).to.equal(before);
        });

        it("is removed while a sandbox runs, if forced, and every file is as before", async () => {
            startPod(`kata-${node}`, node, "kata-qemu");
            expect(await stack.failDestroy()).to.contain("sandboxes still run on Kata Containers");
            await stack.up(given("3.32.0", { forceRemoval: true }));
            await stack.destroy();
            kubectl("delete", "pod", `kata-${node}`, "--wait=true", "--force", "--grace-period=0");
            expect(files()).to.equal(filesBefore);
            expect(containerOf(`runc-${node}`)).to.equal(runc);
            expect(kubectl("exec", `runc-${node}`, "--", "echo", "alive")).to.equal("alive");
        });

        it("keeps the templates and drop-in files of others", async () => {
            const mine = `# mine\n{{ template "base" . }}\n\n[debug]\n  level = "info"`;
            const other = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.mine]\n  runtime_type = "io.containerd.runc.v2"\n`;
            onNode(
                node,
                `mkdir -p ${folder}/config-v3.toml.d; cat >${folder}/config-v3.toml.d/mine.toml <<'END'\n${other}END
                printf %s '${mine}' >${folder}/config-v3.toml.tmpl`,
            );
            expect(await stack.fail(given("3.32.0"))).to.contain("was changed after");
            restartUnit();
            await stack.destroy();
            const before = files();
            await stack.up(given("3.32.0"));
            startPod(`kata-${node}`, node, "kata-qemu");
            removePods(node, `kata-${node}`);
            await stack.destroy();
            expect(files()).to.equal(before);
            onNode(node, `rm -r ${folder}/config-v3.toml.d ${folder}/config-v3.toml.tmpl`);
            restartUnit();
        });
    });
}
