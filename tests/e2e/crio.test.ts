// A node whose container runtime is the real CRI-O.

import { expect } from "chai";
import {
    args,
    changes,
    containerOf,
    expectAlive,
    inLab,
    kubectl,
    onNode,
    removePods,
    shimRecord,
    startPod,
    TestStack,
    up,
} from "../support/lab";
import { inWhole } from "../support/sample";

const node = "crio-1";

(inLab(node) ? describe : describe.skip)("a node with CRI-O", function () {
    this.timeout(20 * 60 * 1000);
    const folder = "/etc/crio/conf.d";
    const managed = `${folder}/zz-kata-containers.conf`;
    const sometimes = inWhole("crio") ? it : it.skip;
    const given = (version: string, more: Parameters<typeof args>[1] = {}) => args(version, more, [node]);
    /** Everything that this package may leave, and the files of others. */
    const files = () =>
        onNode(
            node,
            `find /etc /opt /usr/local /var/lib/kubelet/config.yaml /var/lib/kata-containers-node -type f -exec sha256sum {} + \\
                -o -type l -printf '%l %p\\n' -o -type d -print 2>/dev/null | sort -k 2`,
        );
    const running = () => onNode(node, "systemctl show -p MainPID --value crio");
    const inForce = () => onNode(node, "crio status config 2>/dev/null");
    const restart = () => onNode(node, "systemctl restart crio");
    const twoClasses = { runtimeClasses: { "kata-clh": {}, "kata-qemu": {} } };
    let stack: TestStack;
    let filesBefore: string;
    let runc: string;

    before(async () => {
        up(`${node}=crio`);
        // As kata-deploy leaves it.
        const table = [
            "[crio.runtime.runtimes.kata-old]",
            'runtime_type = "vm"',
            'runtime_config_path = "/opt/kata/share/old.toml"',
        ];
        onNode(
            node,
            `mkdir -p /opt/kata/bin /opt/kata/share; cp /bin/true /opt/kata/bin/containerd-shim-kata-v2; echo >/opt/kata/share/old.toml
            printf '%s\n' '${table.join("' '")}' 'runtime_path = "/opt/kata/bin/containerd-shim-kata-v2"' >${folder}/99-kata-deploy`,
        );
        restart();
        expect(inForce()).to.contain("runtimes.kata-old]");
        stack = await TestStack.create("crio");
        startPod(`runc-${node}`, node);
        runc = containerOf(`runc-${node}`);
        filesBefore = files();
    });
    after(async () => {
        await stack?.remove();
        kubectl("delete", "pods", "--all", "--wait=true", "--force", "--grace-period=0");
    });

    sometimes("is refused a snapshotter, which CRI-O does not have", async () => {
        const pid = running();
        const error = await stack.fail(
            given("3.32.0", { runtimeClasses: { "kata-qemu": { snapshotter: "devmapper" } } }),
        );
        expect(error).to.contain("CRI-O has no snapshotters (runtimeClasses.kata-qemu.snapshotter)");
        expect(running()).to.equal(pid);
        await stack.destroy();
        expect(files()).to.equal(filesBefore);
    });

    it("is installed with one restart of CRI-O, and a guest boots through the handler", async () => {
        const { outputs, log } = await stack.up(given("3.32.0", { rollout: { verify: true } }));
        const { verified, ...status } = outputs.nodeStatuses[node]!;
        expect(status).to.deep.equal({
            kataVersions: { "kata-qemu": "3.32.0" },
            distribution: "kubeadm",
            containerRuntimeVersion: "cri-o://1.36.3",
            cgroupDriver: "cgroupfs",
            kvm: false,
            sandboxes: { "kata-qemu": {} },
        });
        expect(verified["kata-qemu"]).to.match(/^Kata 3\.32\.0 booted a guest at /);
        expect(log.match(/restarting /g)).to.have.length(1);
        expect(log).to.contain("restarting crio.service").and.not.contain("private mount");
        expect(log).to.contain("removing runtime kata-old from cri-o");
        expect(onNode(node, "crictl pods --name verification -q; find /etc/crio -name '.*'")).to.equal("");
        expect(inForce()).to.contain("runtimes.kata-qemu]");
        expect(containerOf(`runc-${node}`)).to.equal(runc);
        await stack.up(given("3.32.0"));
    });

    it("runs a pod through the handler", () => {
        startPod(`kata-${node}`, node, "kata-qemu");
        expectAlive(`kata-${node}`);
        expect(shimRecord(node)).to.include({
            release: "3.32.0",
            configPath: "/etc/kata-containers/kata-qemu/configuration.toml",
        });
    });

    sometimes("gets another handler by a second component", async () => {
        const other = await TestStack.create("crio-other");
        try {
            await other.up(args("3.7.0", { runtimeClasses: { "kata-clh": {} } }, [node]), { name: "other" });
            expect(inForce()).to.contain("runtimes.kata-clh]").and.to.contain("runtimes.kata-qemu]");
            startPod(`clh-${node}`, node, "kata-clh");
            removePods(node, `clh-${node}`, `kata-${node}`);
        } finally {
            await other.remove();
        }
        expect(inForce()).to.not.contain("runtimes.kata-clh]");
        startPod(`kata-${node}`, node, "kata-qemu");
    });

    it("is not changed by an unchanged program, also after a restart of CRI-O, over which its pods run on", async () => {
        const kata = containerOf(`kata-${node}`);
        const pid = running();
        expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({});
        expect(running()).to.equal(pid);
        restart();
        expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({});
        expect(containerOf(`kata-${node}`)).to.equal(kata);
        expectAlive(`kata-${node}`);
    });

    sometimes(
        "gets debug logs without a restart or a verification if the network plugin refuses it, and another version under a running sandbox",
        async () => {
            const pid = running();
            const kata = containerOf(`kata-${node}`);
            // As plugins that ask the API server for the pod.
            const plugin = "/usr/lib/cni/ptp";
            onNode(
                node,
                `mv ${plugin} ${plugin}.real; cat >${plugin} <<'PLUGIN'
#!/bin/sh
case $CNI_COMMAND:$CNI_ARGS in
    ADD:*=kata-containers-verification*) echo '{"cniVersion":"1.0.0","code":100,"msg":"pod not found"}'; exit 1 ;;
esac
exec ${plugin}.real
PLUGIN
            chmod +x ${plugin}`,
            );
            const debug = await stack.up(given("3.32.0", { debug: true, rollout: { verify: true } }));
            onNode(node, `mv ${plugin}.real ${plugin}`);
            expect(debug.log).to.contain('set log_level = "debug"');
            expect(debug.outputs.nodeStatuses[node]!.verified["kata-qemu"]).to.equal(
                "not verified: the network plugins refuse a sandbox that is not a pod of the cluster",
            );
            const { outputs } = await stack.up(given("3.7.0"));
            expect(running()).to.equal(pid);
            expect(outputs.nodeStatuses[node]!.sandboxes["kata-qemu"]).to.deep.equal({ "3.32.0": 1 });
            expect(containerOf(`kata-${node}`)).to.equal(kata);
            removePods(node, `kata-${node}`);
            await stack.up(given("3.32.0"));
        },
    );

    sometimes(
        "is repaired when somebody removes the file of this package, or CRI-O has dropped its runtime",
        async () => {
            onNode(node, `rm ${managed}`);
            expect((await stack.up(given("3.32.0"))).log).to.contain(
                `runtime table kata-qemu is missing from ${managed}`,
            );
            expect(changes(await stack.preview(given("3.32.0")))).to.deep.equal({});
            const link = "/usr/local/bin/containerd-shim-kata-qemu-v2";
            onNode(node, `mv ${link} /root/shim; systemctl restart crio; mv /root/shim ${link}`);
            expect(inForce()).to.not.contain("runtimes.kata-qemu]");
            expect((await stack.up(given("3.32.0"))).log).to.contain(
                "the running CRI-O does not have the runtime kata-qemu",
            );
            expect(inForce()).to.contain("runtimes.kata-qemu]");
            expect(changes(await stack.preview(given("3.32.0")))).to.deep.equal({});
        },
    );

    sometimes(
        "keeps the drop-in files of others, and names the one that changes its runtime or breaks the configuration",
        async () => {
            const mine = `${folder}/zzz-mine.conf`;
            const pid = running();
            for (const [content, message] of [
                ['[crio.runtime.runtimes.kata-clh]\nruntime_path = "/bin/true"\n', `because of ${mine}`],
                ["broken = [\n", `CRI-O rejects the new configuration: `],
            ] as const) {
                onNode(node, `printf %s '${content}' >${mine}`);
                expect(await stack.fail(given("3.32.0", twoClasses))).to.contain(message);
                expect(onNode(node, `cat ${mine}`)).to.equal(content.trim());
            }
            onNode(node, `rm ${mine}`);
            expect(running()).to.equal(pid);
            await stack.up(given("3.32.0"));
        },
    );

    sometimes("is rolled back if CRI-O does not start with the change", async () => {
        const before = files();
        const unit = "/run/systemd/system/crio.service.d/refuse.conf";
        onNode(
            node,
            `mkdir -p ${unit.slice(0, unit.lastIndexOf("/"))}
            printf '[Service]\\nExecStartPre=/bin/sh -c "! grep -rq kata-clh ${folder}"\\n' >${unit}; systemctl daemon-reload`,
        );
        try {
            const error = await stack.fail(given("3.32.0", twoClasses));
            expect(error).to.contain("cri-o is unhealthy with the new configuration; rolling back");
            expect(error).to.contain("rolled back; cri-o and the kubelet are healthy");
        } finally {
            onNode(node, `rm ${unit}; systemctl daemon-reload`);
        }
        await stack.up(given("3.32.0"));
        expect(files()).to.equal(before);
        expect(inForce()).to.contain("runtimes.kata-qemu]").and.not.contain("runtimes.kata-clh]");
    });

    sometimes("accepts the cgroup driver in force, and writes it into its file", async () => {
        const { outputs } = await stack.up(given("3.32.0", { kubelet: { cgroupDriver: "cgroupfs" } }));
        expect(outputs.nodeStatuses[node]!.cgroupDriver).to.equal("cgroupfs");
        expect(onNode(node, `cat ${managed}`)).to.contain('cgroup_manager = "cgroupfs"');
        await stack.up(given("3.32.0"));
    });

    sometimes("is removed while a sandbox runs, if forced, and every file is as before", async () => {
        startPod(`kata-${node}`, node, "kata-qemu");
        expect(await stack.failDestroy()).to.contain("sandboxes still run on Kata Containers: default/kata-crio-1");
        await stack.up(given("3.32.0", { forceRemoval: true }));
        await stack.destroy();
        kubectl("delete", "pod", `kata-${node}`, "--wait=true", "--force", "--grace-period=0");
        expect(files()).to.equal(filesBefore);
        await stack.up(given("3.32.0"));
        startPod(`kata-${node}`, node, "kata-qemu");
    });

    it("is removed, and every file is as before", async () => {
        removePods(node, `kata-${node}`);
        await stack.destroy();
        expect(files()).to.equal(filesBefore);
        expect(inForce()).to.contain("runtimes.kata-old]").and.not.contain("kata-qemu");
        expect(containerOf(`runc-${node}`)).to.equal(runc);
        expectAlive(`runc-${node}`);
    });

    sometimes("is removed from a node whose services are stopped", async () => {
        await stack.up(given("3.32.0"));
        onNode(node, "systemctl stop kubelet crio");
        await stack.destroy();
        onNode(node, "systemctl start crio kubelet");
        expect(files()).to.equal(filesBefore);
        expect(inForce()).to.not.contain("kata-qemu");
    });
});
