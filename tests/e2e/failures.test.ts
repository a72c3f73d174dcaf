// Failures on a node: one error that names the node, the step, the finding and the fix, and the node is as it was before.

import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { type KataContainersArgs, Shim } from "../../src";
import {
    args,
    bootNode,
    connection,
    files,
    inventory,
    killNode,
    nodes,
    onNode,
    TestStack,
    times,
} from "../support/lab";

describe("failures", function () {
    this.timeout(10 * 60 * 1000);
    const node = "worker-1";
    let stack: TestStack;
    let filesBefore: string;

    before(async () => {
        stack = await TestStack.create("failures");
        filesBefore = files(node);
    });
    after(() => stack.remove());

    const wrong = (more: Partial<KataContainersArgs>) => args("3.32.0", more, [node]);
    const refuses = async (given: KataContainersArgs, step: string, finding: RegExp, remedy: RegExp) => {
        const error = await stack.fail(given);
        expect(error).to.contain(`error: node ${node}, step "${step}": `);
        expect(error).to.match(finding);
        expect(error).to.match(remedy);
        expect(error).to.not.contain("PRIVATE KEY");
        expect(files(node)).to.equal(filesBefore);
    };
    /** The arguments with changes to the release. */
    const release = (more: object) => wrong({ release: { ...args("3.32.0").release, ...more } });

    it("refuses an archive with a wrong checksum", () =>
        refuses(
            release({ sha256: { amd64: "0".repeat(64) } }),
            "release",
            /the sha256 of http.* is [0-9a-f]{64}, not 0{64}/,
            /release\.sha256/,
        ));

    it("refuses a truncated archive", () => {
        const archiveUrl = inventory()
            .releases.url.replace("{version}", "3.32.0")
            .replace("{archive}", "kata-static-3.32.0-amd64.tar.zst");
        onNode(
            node,
            `cd /tmp && curl -sO ${archiveUrl} && head -c 100000 kata-static-3.32.0-amd64.tar.zst >/srv/short.tar.zst && rm kata-static*`,
        );
        return refuses(
            release({ url: "/srv/short.tar.zst" }),
            "release",
            /the sha256 of \/srv\/short.tar.zst is/,
            /release\.url/,
        );
    });

    it("reports a download server that does not answer", () =>
        refuses(
            release({ url: "http://127.0.0.1:1/{archive}" }),
            "release",
            /could not download \S+: curl: \(7\)/,
            /a mirror or to a path on the node/,
        ));

    it("refuses a node without KVM and vhost_vsock with hostChecks: enforce", () =>
        refuses(
            wrong({ hostChecks: "enforce" }),
            "host checks",
            /does not meet the requirements of its RuntimeClasses:[\s\S]*vhost_vsock is missing/,
            /hostChecks/,
        ));

    it("reports a full disk, and leaves no file behind", async () => {
        onNode(node, "mount -t tmpfs -o size=1m none /opt");
        try {
            const error = await stack.fail(wrong({}));
            expect(error).to.contain("the disk is full");
            expect(error).to.contain("free space on the filesystem of /opt/kata-releases");
        } finally {
            onNode(node, "umount /opt");
        }
        expect(files(node)).to.equal(filesBefore);
    });

    const refusesMounted = async (mount: string, umount: string, finding: string, remedy: string) => {
        onNode(node, mount);
        try {
            const error = await stack.fail(wrong({}));
            expect(error).to.contain(`error: node ${node}, step "release": ${finding}`);
            expect(error).to.contain(remedy);
        } finally {
            onNode(node, umount);
        }
        expect(files(node)).to.equal(filesBefore);
    };
    it("refuses releases on a filesystem that is mounted noexec, before it downloads (opt-noexec)", () =>
        refusesMounted(
            "mount -t tmpfs -o noexec none /opt",
            "umount /opt",
            "no program can be executed in /opt/kata-releases: ",
            "without noexec",
        ));
    it("refuses a /opt/kata that is a mount point, before it downloads (opt/kata a mount)", () =>
        refusesMounted(
            "mkdir /opt/kata && mount -t tmpfs none /opt/kata",
            "umount /opt/kata && rmdir /opt/kata",
            "/opt/kata is a mount point, and must become a link",
            "unmount it",
        ));

    describe("failures of activate", () => {
        // The stage command of the node succeeds and stays in the stack, so the release tree stays on the node.
        const activateRefuses = async (given: KataContainersArgs, step: string, finding: RegExp, remedy: RegExp) => {
            const untouched = times(node);
            const error = await stack.fail(given);
            expect(error).to.contain(`error: node ${node}, step "${step}": `);
            expect(error).to.match(finding);
            expect(error).to.match(remedy);
            return untouched;
        };

        it("reports a containerd that is not running", async () => {
            onNode(node, "systemctl stop containerd");
            try {
                await activateRefuses(
                    wrong({}),
                    "containerd",
                    /the kubelet's container runtime is not running: .* listens on \/run\/containerd\/containerd\.sock/,
                    /start it/,
                );
            } finally {
                onNode(node, "systemctl start containerd");
            }
        });

        it("refuses services with a mount namespace of their own", async () => {
            for (const unit of ["containerd", "kubelet"]) {
                const folder = `/run/systemd/system/${unit}.service.d`;
                const restart = `systemctl daemon-reload && systemctl restart ${unit}`;
                onNode(
                    node,
                    `mkdir ${folder}; printf '[Service]\\nPrivateTmp=yes\\n' >${folder}/test.conf; ${restart}`,
                );
                try {
                    const finding = new RegExp(`${unit}\\.service runs in a mount namespace of its own`);
                    await activateRefuses(wrong({}), unit, finding, /remove the options .* PrivateTmp/);
                } finally {
                    onNode(node, `rm -r ${folder}; ${restart}`);
                }
            }
        });

        it("refuses a containerd configuration that cannot be edited safely", async () => {
            onNode(
                node,
                `cp -a /etc/containerd/config.toml /root/config.toml
                printf '\\n[plugins."io.containerd.grpc.v1.cri".containerd]\\nruntimes = { runc = { runtime_type = "io.containerd.runc.v2" } }\\n' >>/etc/containerd/config.toml`,
            );
            try {
                await activateRefuses(
                    wrong({}),
                    "containerd configuration",
                    /config\.toml cannot be edited safely: line \d+: plugins.*runtimes is an inline table/,
                    /write that entry as a table of its own/,
                );
            } finally {
                onNode(node, "mv /root/config.toml /etc/containerd/config.toml");
            }
        });

        it("refuses a setting whose table does not exist in the release's configuration", async () => {
            const settings = { "netmon.path": "/x" };
            const untouched = await activateRefuses(
                wrong({ runtimeClasses: { "kata-qemu": { settings } } }),
                "Kata configuration",
                /settings names the table "netmon"/,
                /use one of its tables: hypervisor\.qemu .*runtime/,
            );
            expect(times(node)).to.equal(untouched);
        });

        it("lost machine: names the node and says what happens next if its power is cut during activate", async () => {
            const untouched = onNode(node, "sha256sum /etc/containerd/config.toml");
            const folder = "/run/systemd/system/containerd.service.d";
            onNode(
                node,
                `mkdir -p ${folder}
                printf '[Service]\\nExecStartPre=/bin/sh -c "touch /run/starting; sleep 60"\\n' >${folder}/test.conf
                systemctl daemon-reload`,
            );
            const failed = stack.fail(wrong({}));
            while (!onNode(node, "ls /run").includes("starting")) await new Promise((done) => setTimeout(done, 500));
            killNode(node);
            const error = await failed;
            bootNode(node);
            expect(error).to.match(
                /warning: worker-1: the connection was lost during activate\. The node completes the change or rolls it back by itself: run pulumi up again/,
            );
            onNode(node, "timeout 60 sh -c 'until systemctl is-active -q containerd kubelet; do sleep 1; done'");
            expect(onNode(node, "sha256sum /etc/containerd/config.toml")).to.equal(untouched);
            expect(onNode(node, "ls /var/lib/kata-containers-node")).to.not.contain("journal");
        });

        /** Runs a test while a unit runs a script before each start. */
        const beforeStart = async (unit: string, script: string, test: () => Promise<void>) => {
            onNode(
                node,
                `mkdir -p /run/systemd/system/${unit}.service.d
                cat >/run/systemd/system/${unit}.service.d/test.sh <<'END'
${script}
END
                printf '[Service]\\nExecStartPre=/bin/sh /run/systemd/system/${unit}.service.d/test.sh\\n' >/run/systemd/system/${unit}.service.d/test.conf
                systemctl daemon-reload`,
            );
            try {
                await test();
            } finally {
                onNode(node, `rm -r /run/systemd/system/${unit}.service.d && systemctl daemon-reload`);
            }
        };
        const rollsBack = async (given: KataContainersArgs, finding: string, words: string, step = "change") => {
            const untouched = files(node);
            const error = await stack.fail(given);
            expect(error).to.contain(`error: node ${node}, step "${step}": ${finding}`);
            expect(error).to.contain(words);
            expect(error).to.contain("rolled back; containerd and the kubelet are healthy");
            expect(files(node)).to.equal(untouched);
        };

        it("rolls back a node whose containerd does not start with the new configuration", () =>
            beforeStart(
                "containerd",
                "! grep -q kata-qemu /etc/containerd/config.toml || { echo no such luck >&2; exit 1; }",
                () =>
                    rollsBack(
                        wrong({}),
                        "containerd is unhealthy with the new configuration; rolling back",
                        "no such luck",
                    ),
            ));

        it("rolls back a node whose CRI plugin fails after containerd started", () =>
            beforeStart(
                "containerd",
                `cd /var/lib/containerd
                if grep -q kata-qemu /etc/containerd/config.toml; then { mv -n io.containerd.grpc.v1.cri cri || mkdir cri; } && touch io.containerd.grpc.v1.cri
                elif [ -e cri ]; then rm io.containerd.grpc.v1.cri && mv cri io.containerd.grpc.v1.cri; fi`,
                () =>
                    rollsBack(
                        wrong({}),
                        "containerd is unhealthy with the new configuration; rolling back",
                        "failed to recover state",
                    ),
            ));

        it("rolls back a node whose containerd.service generates its configuration, and names the unit", async () => {
            onNode(node, "cp /etc/containerd/config.toml /root/generated.toml");
            await beforeStart("containerd", "cp /root/generated.toml /etc/containerd/config.toml", () =>
                rollsBack(
                    wrong({}),
                    "the restart of containerd.service rewrote /etc/containerd/config.toml; rolling back",
                    "systemctl cat containerd.service",
                    "check after the change",
                ),
            );
        });

        it("rolls back a node whose kubelet refuses the cgroup driver, and its containerd too", () =>
            beforeStart(
                "kubelet",
                "! grep -q '^cgroupDriver: systemd' /var/lib/kubelet/config.yaml || { echo no such driver >&2; exit 1; }",
                () =>
                    rollsBack(
                        wrong({ kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true } }),
                        "the kubelet is unhealthy with the new configuration; rolling back",
                        "no such driver",
                    ),
            ));

        it("refuses a handler that another stack manages on the node", async () => {
            const program = onNode(node, "sha256sum /var/lib/kata-containers-node/node.sh");
            const other = await TestStack.create("other");
            try {
                const runtimeClasses = { other: { shim: Shim.Qemu, handler: "kata-qemu" } };
                const error = await other.fail(wrong({ runtimeClasses }));
                expect(error).to.contain(
                    `error: node ${node}, step "owner": the handler kata-qemu of this node is managed by organization/e2e/failures/kata; organization/e2e/other/kata cannot manage it too`,
                );
            } finally {
                await other.remove();
            }
            expect(onNode(node, "sha256sum /var/lib/kata-containers-node/node.sh")).to.equal(program);
        });

        it("installs Kata once the causes of all failures are fixed", async () => {
            const { outputs } = await stack.up(wrong({}));
            expect(outputs.nodeStatuses[node]!.kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
        });

        it("ignores an unprivileged user's process that is named containerd, and does not run its program (kubelet's runtime)", async () => {
            // The kernel calls a program that was replaced while it runs `PATH (deleted)`.
            onNode(
                node,
                `systemctl stop containerd
                su kata -c 'mkdir /tmp/fake && cd /tmp/fake && cp /bin/sleep containerd && {
                    ./containerd 600 >/dev/null 2>&1 & until pgrep -u kata -x containerd >/dev/null; do sleep 0.1; done; rm containerd
                    printf "#!/bin/sh\\nid >/tmp/fake/ran\\necho containerd x v1.7.0\\n" >containerd && chmod 755 containerd
                }'`,
            );
            try {
                const { log } = await stack.preview(wrong({}));
                expect(log).to.contain("the kubelet's container runtime is not running");
                await activateRefuses(wrong({}), "containerd", /kubelet's container runtime is not running/, /start/);
            } finally {
                onNode(
                    node,
                    "pkill -u kata -x containerd; ls /tmp/fake >/root/fake; rm -r /tmp/fake; systemctl start containerd",
                );
            }
            expect(onNode(node, "cat /root/fake; rm /root/fake")).to.equal("containerd");
        });
    });

    describe("failures of connections", () => {
        const through = async (more: object) => {
            const { privateKey: _, ...rest } = connection(node);
            const given = { ...wrong({}), nodes: { [node]: { connection: { ...rest, ...more } } } };
            const { did, outputs } = await stack.up(given);
            expect(did[`kata-${node}-activate`]).to.equal("update");
            expect(outputs.nodeStatuses[node]!.kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
        };
        it("connects as a user with passwordless sudo", () =>
            through({ user: "kata", privateKey: connection(node).privateKey }));
        it("connects with a password", () => through({ user: "kata", password: "kata-lab" }));
        it("connects through a bastion", () =>
            through({ privateKey: connection(node).privateKey, proxy: connection("worker-2") }));
        it("connects with the key of an SSH agent", async () => {
            const started = execFileSync("ssh-agent", ["-s"], { encoding: "utf8" });
            const [, socket] = /SSH_AUTH_SOCK=([^;]+)/.exec(started)!;
            const [, pid] = /SSH_AGENT_PID=(\d+)/.exec(started)!;
            try {
                execFileSync("ssh-add", ["-q", nodes()[node]!.privateKeyFile], {
                    env: { ...process.env, SSH_AUTH_SOCK: socket },
                });
                const sent = "/run/kata-containers-node/program-*";
                onNode(node, `rm ${sent}`);
                await through({ agentSocketPath: socket });
                // The program came as an input of the command: an agent may have certificates.
                expect(onNode(node, `ls ${sent} 2>&1 || :`)).to.contain("No such file");
            } finally {
                process.kill(Number(pid));
            }
            await through({ privateKey: connection(node).privateKey });
        });
        it("refuses to connect to a node with a different host key", async () => {
            const given = wrong({});
            given.nodes[node]!.connection = {
                ...connection(node),
                hostKey: connection("worker-2").hostKey,
                dialErrorLimit: 0,
            };
            for (const drift of ["warn", "off"] as const) {
                const error = await stack.fail({ ...given, drift });
                expect(error).to.contain("presents a host key that differs from hostKey");
            }
        });
    });
});
