// Nodes of other distributions than kubeadm, as stand-ins: their units, folders and templates, with the real containerd and kubelet.

import { expect } from "chai";
import {
    args,
    bootNode,
    changes,
    containerOf,
    expectAlive,
    inLab,
    killNode,
    kubectl,
    onNode,
    removePods,
    startPod,
    TestStack,
    up,
} from "../support/lab";
import { everything, inWhole } from "../support/sample";

interface Kind {
    node: string;
    distribution: "rke2" | "k3s" | "k0s" | "microk8s";
    /** Of the lab. */
    kind?: string;
    unit: string;
    /** The kubelet's, if it is another one. */
    kubeletUnit?: string;
    data: string;
    /** The folder of containerd's configuration; by default that in the data folder. */
    folder?: string;
    /** The file that this package adds or edits, in that folder. */
    managed: string;
    /** How the distribution loses what this package added; by default the file is deleted. */
    lose?: string;
    /** What the distribution goes by when it sets the cgroup driver. */
    driver?: string;
    /** The files that contain containerd's configuration, in that folder. */
    rendered?: string;
    containerd?: string;
    role: string;
}
const kinds: Kind[] = [
    {
        node: "server-1",
        distribution: "rke2",
        role: "an RKE2 server with a drop-in folder",
        unit: "rke2-server",
        data: "/var/lib/rancher/rke2",
        managed: "config-v3.toml.d/kata-containers.toml",
    },
    {
        node: "agent-1",
        distribution: "k3s",
        role: "a k3s agent without a drop-in folder, with its own name and data folder",
        unit: "k3s-lab",
        data: "/srv/rancher/k3s",
        managed: "config-v3.toml.tmpl",
    },
    {
        node: "worker-3",
        distribution: "k0s",
        role: "a k0s worker of release 1.36, with another data folder",
        unit: "k0sworker",
        data: "/srv/k0s",
        folder: "/etc/k0s",
        managed: "containerd.d/kata-containers.toml",
        rendered: "containerd.toml containerd.d/*.toml",
        driver: "worker profile",
    },
    {
        node: "worker-4",
        distribution: "k0s",
        kind: "k0s-1.35",
        role: "a k0s worker of release 1.35",
        unit: "k0sworker",
        data: "/srv/k0s",
        folder: "/etc/k0s",
        managed: "containerd.d/kata-containers.toml",
        rendered: "/run/k0s/containerd-cri.toml",
        driver: "worker profile",
        containerd: "1.6.20",
    },
    {
        node: "snap-1",
        distribution: "microk8s",
        role: "MicroK8s, whose containerd does not find shims by its PATH",
        unit: "snap.microk8s.daemon-containerd",
        kubeletUnit: "snap.microk8s.daemon-kubelite",
        data: "/var/snap/microk8s/current",
        folder: "/var/snap/microk8s/current/args",
        managed: "containerd-template.toml",
        rendered: "containerd.toml",
        // The test installs on revision x2.
        lose: "snap revert microk8s --revision x1",
        driver: "--cgroup-driver in /var/snap/microk8s/current/args/kubelet",
        containerd: "1.7.29",
    },
];

for (const tested of kinds.filter(({ node }) => inLab(node))) {
    const { node, distribution, kind = distribution, role, unit, kubeletUnit = "", data, managed } = tested;
    const { folder = `${data}/agent/etc/containerd`, containerd = "2.3.7" } = tested;
    const { lose = `rm ${folder}/${managed}; systemctl restart ${unit}` } = tested;
    const isK0s = distribution === "k0s";
    const isSnap = distribution === "microk8s";
    const sometimes = (applies = true) => (applies && inWhole(kind) ? it : () => undefined);
    describe(`a stand-in for ${role}`, function () {
        this.timeout(20 * 60 * 1000);
        const given = (version: string, more: Parameters<typeof args>[1] = {}) => args(version, more, [node]);
        /** Everything that this package may leave, and the configuration that the distribution renders. */
        const files = () =>
            onNode(
                node,
                `find /etc /opt /usr/local ${folder} /var/lib/kata-containers-node -type f -exec sha256sum {} + \\
                    -o -type l -printf '%l %p\\n' -o -type d -print 2>/dev/null | sort -k 2`,
            );
        const running = () =>
            onNode(node, `systemctl show -p MainPID --value ${unit}; cat /run/k0s/*.pid 2>/dev/null || :`);
        const restartUnit = () => {
            onNode(node, `systemctl restart ${unit} ${kubeletUnit}`);
            settle();
        };
        /** Waits until the unit runs and the kubelet is healthy. */
        const settle = () =>
            onNode(
                node,
                `i=0; until [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ]; do i=$((i + 1)); [ $i -lt 600 ]; sleep 0.2; done; sleep 3`,
            );
        const rendered = () =>
            onNode(node, `cd ${folder}; cat ${tested.rendered ?? "config.toml *.d/*.toml"} 2>/dev/null || :`);
        let stack: TestStack;
        let filesBefore: string;
        let runc: string;

        before(async () => {
            up(`${node}=${kind}`);
            stack = await TestStack.create(`distribution-${kind}`);
            startPod(`runc-${node}`, node);
            runc = containerOf(`runc-${node}`);
            if (isSnap) {
                onNode(node, "snap refresh microk8s");
                settle();
            }
            filesBefore = files();
        });
        after(async () => {
            await stack?.remove();
            kubectl("delete", "pods", "--all", "--wait=true", "--force", "--grace-period=0");
        });

        it(`is installed, with one restart of ${isK0s ? "containerd by k0s itself" : "its unit"}`, async () => {
            const { outputs, log } = await stack.up(given("3.32.0"));
            const { verified, ...status } = outputs.nodeStatuses[node]!;
            expect(status).to.deep.equal({
                kataVersions: { "kata-qemu": "3.32.0" },
                distribution,
                containerRuntimeVersion: `containerd://${containerd}`,
                cgroupDriver: "cgroupfs",
                kvm: false,
                sandboxes: { "kata-qemu": {} },
            });
            expect(verified).to.deep.equal({});
            const restarts = log.match(/^.*(?:restarting|has restarted) .*$/gm);
            expect(restarts).to.have.length(1);
            expect(restarts![0]).to.contain(
                isK0s ? "waiting until k0s has restarted containerd" : `restarting ${unit}.service`,
            );
            expect(onNode(node, `cat ${folder}/${managed}`)).to.contain("runtimes.kata-qemu");
            // The unit of the kubelet was found although the kubelet has left its cgroup.
            if (isK0s)
                expect(onNode(node, `cat /proc/$(cat /run/k0s/kubelet.pid)/cgroup`)).to.contain(
                    "/system.slice/containerd.service",
                );
        });

        it("runs a pod through the handler", () => {
            startPod(`kata-${node}`, node, "kata-qemu");
            expectAlive(`kata-${node}`);
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
            expectAlive(`kata-${node}`);
        });

        sometimes()("gets debug logs without a restart, and another version under a running sandbox", async () => {
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

        sometimes()(`is repaired when what this package added is lost by: ${lose}`, async () => {
            onNode(node, lose);
            settle();
            expect(rendered()).to.not.contain("runtimes.kata-qemu");
            expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({ [`kata-${node}-activate`]: "update" });
            expect(rendered()).to.contain("runtimes.kata-qemu");
            expect(changes(await stack.preview(given("3.32.0")))).to.deep.equal({});
        });

        sometimes(isSnap)(
            "keeps its runtimes and pods over a refresh of the snap, and when an earlier revision returns",
            async () => {
                startPod(`kata-${node}`, node, "kata-qemu");
                const kata = containerOf(`kata-${node}`);
                for (const command of ["snap refresh microk8s", "snap revert microk8s --revision x2"]) {
                    onNode(node, command);
                    settle();
                    expect(rendered()).to.contain("runtimes.kata-qemu");
                    expect(changes(await stack.up(given("3.32.0")))).to.deep.equal({});
                }
                expect(containerOf(`kata-${node}`)).to.equal(kata);
                expectAlive(`kata-${node}`);
                removePods(node, `kata-${node}`);
            },
        );

        sometimes()("refuses another cgroup driver, and names what the distribution goes by", async () => {
            const pid = running();
            const error = await stack.fail(given("3.32.0", { kubelet: { cgroupDriver: "systemd" } }));
            expect(error).to.contain(
                `the cgroup driver of this node is cgroupfs, not systemd, and ${distribution} sets it`,
            );
            const { driver = "way its service is started" } = tested;
            expect(error).to.match(new RegExp(`${distribution} takes the driver from (the )?${driver}`));
            expect(running()).to.equal(pid);
            const { outputs } = await stack.up(given("3.32.0", { kubelet: { cgroupDriver: "cgroupfs" } }));
            expect(outputs.nodeStatuses[node]!.cgroupDriver).to.equal("cgroupfs");
            await stack.up(given("3.32.0"));
        });

        sometimes(kind === "k3s")("is not restarted while its server does not answer", async () => {
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

        sometimes()("is rolled back if its containerd does not start with the change", async () => {
            const before = files();
            const [refuse, permit] = isK0s
                ? [
                      `cd ${data}/bin; mkdir real; mv containerd real
                      printf '#!/bin/sh\\n! grep -q kata-clh ${folder}/${managed} || exit 1\\nexec ${data}/bin/real/containerd "$@"\\n' >containerd
                      chmod +x containerd`,
                      `cd ${data}/bin; mv real/containerd containerd; rmdir real`,
                  ]
                : [
                      `mkdir -p /run/systemd/system/${unit}.service.d
                      printf '[Service]\\nExecStartPre=/bin/sh -c "! grep -rq kata-clh ${folder}/${managed}"\\n' >/run/systemd/system/${unit}.service.d/refuse.conf
                      systemctl daemon-reload`,
                      `rm -r /run/systemd/system/${unit}.service.d; systemctl daemon-reload`,
                  ];
            onNode(node, refuse);
            try {
                const error = await stack.fail(
                    given("3.32.0", { runtimeClasses: { "kata-clh": {}, "kata-qemu": {} } }),
                );
                expect(error).to.contain("containerd is unhealthy with the new configuration; rolling back");
                expect(error).to.contain("rolled back; containerd and the kubelet are healthy");
            } finally {
                onNode(node, permit);
            }
            await stack.up(given("3.32.0"));
            expect(files()).to.equal(before);
        });

        sometimes(isK0s)(
            "is restored at boot if a run was killed while k0s restarts containerd, and the power failed then",
            async () => {
                const before = files();
                onNode(
                    node,
                    `setsid sh -c 'until grep -q kata-clh ${folder}/${managed}; do sleep 0.1; done; systemctl kill -s KILL "kata-containers-activate-*"' >/dev/null 2>&1 </dev/null &`,
                );
                const error = await stack.fail(
                    given("3.32.0", { runtimeClasses: { "kata-clh": {}, "kata-qemu": {} } }),
                );
                expect(error).to.contain("did not start or was killed");
                expect(onNode(node, `ls -A ${folder}/containerd.d`)).to.match(/^kata-containers.toml(\nlab.toml)?$/);
                killNode(node);
                bootNode(node);
                expect(rendered()).to.not.contain("kata-clh");
                await stack.up(given("3.32.0"));
                expect(files()).to.equal(before);
                // It has started again.
                kubectl("wait", "--for=condition=Ready", `pod/runc-${node}`, "--timeout=120s");
                runc = containerOf(`runc-${node}`);
            },
        );

        sometimes()("is removed while a sandbox runs, if forced, and every file is as before", async () => {
            startPod(`kata-${node}`, node, "kata-qemu");
            expect(await stack.failDestroy()).to.contain("sandboxes still run on Kata Containers");
            await stack.up(given("3.32.0", { forceRemoval: true }));
            // The removal restarts the kubelet's unit, which may start a control plane first.
            const slow = everything && kubeletUnit;
            if (slow) onNode(node, `cp -p ${folder}/kubelite /root; echo --lab-wait=70s >>${folder}/kubelite`);
            await stack.destroy();
            if (slow) onNode(node, `mv /root/kubelite ${folder}`);
            kubectl("delete", "pod", `kata-${node}`, "--wait=true", "--force", "--grace-period=0");
            expect(files()).to.equal(filesBefore);
            await stack.up(given("3.32.0"));
            startPod(`kata-${node}`, node, "kata-qemu");
        });

        it("is removed, and every file is as before", async () => {
            removePods(node, `kata-${node}`);
            await stack.destroy();
            expect(files()).to.equal(filesBefore);
            expect(containerOf(`runc-${node}`)).to.equal(runc);
            expectAlive(`runc-${node}`);
        });

        sometimes()("is removed from a node whose services are stopped", async () => {
            await stack.up(given("3.32.0"));
            onNode(node, `systemctl stop ${unit} ${kubeletUnit}`);
            await stack.destroy();
            onNode(node, `systemctl start ${unit} ${kubeletUnit}`);
            settle();
            expect(rendered()).to.not.contain("runtimes.kata-qemu");
            expect(files()).to.equal(filesBefore);
        });

        if (isK0s)
            it("puts nothing but its file into the folder that k0s watches", () => {
                const events = `journalctl -u ${unit} -o cat | sed -n 's/.*configuration changed: \\([A-Z]*\\).*containerd.d\\/\\([^"]*\\).*/\\1 \\2/p'`;
                expect(onNode(node, `${events} | sort -u`)).to.equal(
                    "CREATE kata-containers.toml\nREMOVE kata-containers.toml",
                );
            });

        sometimes(isK0s)(
            "keeps the drop-in files of others, and disables a runtime of the same name in them",
            async () => {
                const [version, plugin] = containerd.startsWith("1.")
                    ? ["version = 2\n", "io.containerd.grpc.v1.cri"]
                    : ["", "io.containerd.cri.v1.runtime"];
                const runtime = (name: string) =>
                    `[plugins."${plugin}".containerd.runtimes.${name}]\n  runtime_type = "io.containerd.runc.v2"\n`;
                onNode(
                    node,
                    `cat >${folder}/containerd.d/kata-deploy.toml <<'END'\n${version}${runtime("mine")}${runtime("kata-qemu")}END\nsleep 5`,
                );
                const before = files();
                await stack.up(given("3.32.0"));
                expect(onNode(node, `cat ${folder}/containerd.d/kata-deploy.toml`)).to.contain("disabled# [plugins");
                expect(rendered()).to.contain("runtimes.mine");
                startPod(`kata-${node}`, node, "kata-qemu");
                removePods(node, `kata-${node}`);
                await stack.destroy();
                expect(files()).to.equal(before);
            },
        );

        sometimes(isK0s)("refuses a configuration of containerd that k0s does not manage", async () => {
            onNode(node, `sed -i 's/^# k0s_managed=true/# k0s_managed=false/' ${folder}/containerd.toml`);
            expect(await stack.fail(given("3.32.0"))).to.contain("containerd.toml is not managed by k0s");
            onNode(node, `sed -i 's/^# k0s_managed=false/# k0s_managed=true/' ${folder}/containerd.toml`);
        });

        sometimes(isSnap)(
            "has a pod on a runtime that the template had before, and keeps what others wrote in it",
            async () => {
                const before = onNode(
                    node,
                    `cd ${folder}; printf '\n[debug]\n  level = "info"' >>${managed}; cat ${managed}`,
                );
                const { outputs } = await stack.up(
                    given("3.32.0", { runtimeClasses: { kata: { shim: "qemu" } }, rollout: { verify: true } }),
                );
                expect(outputs.nodeStatuses[node]!.verified.kata).to.contain("booted a guest");
                expect(rendered()).to.contain("kata-containers:disabled").and.contain('level = "info"');
                startPod(`kata-${node}`, node, "kata");
                removePods(node, `kata-${node}`);
                await stack.destroy();
                expect(onNode(node, `cat ${folder}/${managed}`)).to.equal(before);
            },
        );

        sometimes(!isK0s && !isSnap)("keeps the templates and drop-in files of others", async () => {
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
