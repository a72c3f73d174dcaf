// Nodes as they are found in the field, on real services. The id of each case is in the title of its test.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
    args,
    changes,
    expectAlive,
    files,
    kubectl,
    names,
    nodes,
    onNode,
    ready,
    removeAllPods,
    removePods,
    startPod,
    TestStack,
} from "../support/lab";
import { describeRare } from "../support/sample";

const [older, newer] = ["worker-1", "worker-2"] as const;
const config = "/etc/containerd/config.toml";
const kubeletConfig = "/var/lib/kubelet/config.yaml";

describeRare("field")("nodes in the field", function () {
    this.timeout(10 * 60 * 1000);
    let stack: TestStack;

    const given = (cgroupDriver: "systemd" | "cgroupfs", on = names()) =>
        args("3.32.0", { kubelet: { cgroupDriver, changeUnderRunningPods: true } }, on);
    const dump = (node: string) => onNode(node, "containerd config dump 2>/dev/null");
    const restart = (node: string) => {
        onNode(node, "systemctl restart containerd kubelet");
        kubectl("wait", "--for=condition=Ready", `node/${node}`, "--timeout=60s");
    };
    /** The drivers of runc in the running containerd and of the running kubelet, and the one that a new pod gets. */
    const drivers = (node: string) => {
        startPod("runc", node);
        const id = kubectl("get", "pod", "runc", "-o", "jsonpath={.status.containerStatuses[0].containerID}");
        const cgroup = onNode(
            node,
            `cat /proc/$(ctr -n k8s.io tasks ls | awk '$1 == "${id.split("//")[1]}" { print $2 }')/cgroup`,
        );
        removePods(node, "runc");
        const { kubeletconfig } = JSON.parse(kubectl("get", "--raw", `/api/v1/nodes/${node}/proxy/configz`));
        return [
            dump(node).includes("SystemdCgroup = true") ? "systemd" : "cgroupfs",
            kubeletconfig.cgroupDriver,
            cgroup.includes("/kubepods.slice/") ? "systemd" : cgroup.includes("/kubepods/") ? "cgroupfs" : cgroup,
        ];
    };
    /** A test on nodes with other configuration files, which are restored after it. */
    const changed = (title: string, on: readonly string[], test: () => Promise<void>) =>
        it(title, async () => {
            for (const node of on)
                onNode(node, `cp -a /etc/containerd /root/containerd; cp -a ${kubeletConfig} /root/config.yaml`);
            try {
                await test();
            } finally {
                await stack.destroy();
                for (const node of on) {
                    onNode(
                        node,
                        `rm -r /etc/containerd; mv /root/containerd /etc; mv /root/config.yaml ${kubeletConfig}`,
                    );
                    restart(node);
                }
            }
        });

    before(async () => {
        stack = await TestStack.create("field");
    });
    after(() => stack.remove());

    changed(
        "runc-options-only, runc-not-named, version-2-only, kubelet health: the running services use the requested cgroup driver",
        [newer],
        async () => {
            // Containers of a lab that may not lower an OOM score do not start without this setting.
            const oom = onNode(newer, `grep restrict_oom_score_adj ${config} || :`);
            onNode(newer, `sed -i 's/^healthzPort: .*/healthzPort: 0/' ${kubeletConfig}`);
            for (const [id, plugin, driver] of [
                ["runc-options-only", "io.containerd.cri.v1.runtime", "cgroupfs"],
                ["runc-not-named", "io.containerd.cri.v1.runtime", "systemd"],
                ["version-2-only", "io.containerd.grpc.v1.cri", "systemd"],
            ] as const) {
                const text = readFileSync(join(__dirname, `../fixtures/cases/${id}.toml`), "utf8");
                onNode(newer, `cat >${config} <<'END'\n${text}${oom && `\n[plugins."${plugin}"]\n${oom}`}\nEND`);
                restart(newer);
                const before = files(newer);
                const { outputs } = await stack.up(given(driver, [newer]));
                expect(outputs.nodeStatuses[newer], id).to.include({ cgroupDriver: driver });
                expect(drivers(newer), id).to.deep.equal([driver, driver, driver]);
                expect(changes(await stack.preview(given(driver, [newer]))), id).to.deep.equal({});
                await stack.destroy();
                expect(files(newer), id).to.equal(before);
            }
        },
    );

    changed("kubelet YAML: refuses a file that cannot be edited safely, with the reason", [newer], async () => {
        onNode(newer, `echo --- >>${kubeletConfig}`);
        restart(newer);
        const before = files(newer);
        const error = await stack.fail(given("systemd", [newer]));
        expect(error).to.match(/config\.yaml cannot be edited safely: line \d+ begins or ends a document/);
        expect(error).to.contain("rewrite it as one plain YAML document");
        await stack.destroy();
        expect(files(newer)).to.equal(before);
    });

    changed(
        "comments-stripped: restores others' runtime and both drivers after real tools have rewritten the files without comments",
        [older, newer],
        async () => {
            const cri = `plugins."io.containerd.grpc.v1.cri"`;
            const runtimes = `${cri}.containerd.runtimes`;
            const theirs = `[${runtimes}.kata-qemu]
runtime_type = "io.containerd.theirs.v2"
[${runtimes}.kata-qemu.options]
ConfigPath = "/srv/theirs.toml"
[${runtimes}.runc]
runtime_type = "io.containerd.runc.v2"
`;
            const oom = onNode(newer, `grep restrict_oom_score_adj ${config} || :`);
            onNode(older, `cat >>${config} <<'END'\n${theirs}END`);
            onNode(newer, `cat >${config} <<'END'\nversion = 2\n[${cri}]\n${oom}\n${theirs}END`);
            names().forEach(restart);
            await stack.up(given("systemd"));
            for (const node of names()) expect(dump(node), node).to.not.contain("theirs");
            onNode(older, "nvidia-ctk runtime configure --runtime=containerd; systemctl restart containerd");
            onNode(newer, `containerd config migrate 2>/dev/null >/root/new; cat /root/new >${config}; rm /root/new`);
            await stack.destroy();
            for (const node of names()) {
                expect(dump(node), node).to.match(/ConfigPath = ["']\/srv\/theirs.toml["']/);
                expect(dump(node), node).to.not.contain("/etc/kata-containers");
                expect(drivers(node), node).to.deep.equal(["cgroupfs", "cgroupfs", "cgroupfs"]);
            }
            expect(ready(...names())).to.equal(true);
        },
    );

    changed("containerd upgrade: follows an upgrade from 1.6 to 2.3, and restores every byte", [older], async () => {
        const programs = ["containerd", "ctr", "containerd-shim-runc-v2"];
        const before = files(older);
        await stack.up(given("systemd", [older]));
        const swap = (script: string) =>
            onNode(
                older,
                `set -e; systemctl stop kubelet containerd; cd /usr/bin; ${script}; systemctl start containerd kubelet`,
            );
        // An older containerd need not read what a newer one has written.
        onNode(older, "mkdir /root/old /root/new");
        for (const program of programs)
            execFileSync("cp", [
                `${nodes()[newer]!.root}/usr/local/bin/${program}`,
                `${nodes()[older]!.root}/root/new/${program}`,
            ]);
        swap(
            `cp -a /var/lib/containerd /root/old/state; mv ${programs.join(" ")} /root/old; cd /root/new; mv ${programs.join(" ")} /usr/bin`,
        );
        try {
            const { outputs } = await stack.up(given("systemd", [older]));
            expect(outputs.nodeStatuses[older]).to.include({
                containerRuntimeVersion: `containerd://${nodes()[newer]!.containerd}`,
                cgroupDriver: "systemd",
            });
            expect(changes(await stack.preview(given("systemd", [older])))).to.deep.equal({});
            expect(drivers(older)).to.deep.equal(["systemd", "systemd", "systemd"]);
            startPod("kata", older, "kata-qemu");
            removePods(older, "kata");
            await stack.destroy();
            expect(drivers(older)).to.deep.equal(["cgroupfs", "cgroupfs", "cgroupfs"]);
        } finally {
            swap(
                // The shims whose state is deleted would stay.
                `pkill -9 -x containerd-shim || :; cd /root/old; mv ${programs.join(" ")} /usr/bin; find /var/lib/containerd -mindepth 1 -delete
                cp -a state/. /var/lib/containerd; rm -r /root/old /root/new`,
            );
        }
        expect(files(older)).to.equal(before);
    });

    it("opt-link: finds sandboxes if /opt is a link, keeps their release, and refuses removal while they run", async () => {
        onNode(newer, "mv /opt /srv/opt && ln -s srv/opt /opt");
        const before = files(newer);
        const release = (version: string) => args(version, {}, [newer]);
        const trees = () => onNode(newer, "ls /opt/kata-releases | sed 's/-.*//' | sort | xargs");
        try {
            await stack.up(release("3.7.0"));
            startPod("kata", newer, "kata-qemu");
            await stack.up(release("3.32.0"));
            const { outputs } = await stack.up(
                args("4.1.0", { runtimeClasses: { "kata-qemu": { shim: "qemu" } } }, [newer]),
            );
            expect(outputs.nodeStatuses[newer]!.sandboxes).to.deep.equal({ "kata-qemu": { "3.7.0": 1 } });
            expect(trees()).to.equal("3.32.0 3.7.0 4.1.0");
            expectAlive("kata");
            expect(await stack.failDestroy()).to.contain("sandboxes still run on Kata Containers: default/kata");
            expect(trees()).to.equal("3.32.0 3.7.0 4.1.0");
            removePods(newer, "kata");
            await stack.destroy();
            expect(files(newer)).to.equal(before);
        } finally {
            removeAllPods();
            await stack.destroy();
            onNode(newer, "rm /opt && mv /srv/opt /opt");
        }
    });
});
