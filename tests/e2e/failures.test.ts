// What goes wrong on a node: one error that says where, what and what to do, and the node as before.

import { execFileSync } from "node:child_process";
import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import { args, connection, files, inventory, nodes, onNode, TestStack, times } from "../support/lab";

describe("a node where something is wrong", function () {
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
    /** The release as it is, but for what is given. */
    const release = (more: object) => wrong({ release: { ...args("3.32.0").release, ...more } });

    it("a wrong sum", () =>
        refuses(
            release({ sha256: { amd64: "0".repeat(64) } }),
            "release",
            /the sha256 of http.* is [0-9a-f]{64}, not 0{64}/,
            /release\.sha256/,
        ));

    it("a truncated download", () => {
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

    it("a server that is gone", () =>
        refuses(
            release({ url: "http://127.0.0.1:1/{archive}" }),
            "release",
            /could not be read whole: curl: \(7\)/,
            /a mirror or a path on the node/,
        ));

    it("no KVM, with the host checks enforced", () =>
        refuses(
            wrong({ hostChecks: "enforce" }),
            "host checks",
            /cannot run Kata Containers:[\s\S]*vhost_vsock is missing/,
            /hostChecks/,
        ));

    it("no room", async () => {
        onNode(node, "mount -t tmpfs -o size=1m none /opt");
        try {
            const error = await stack.fail(wrong({}));
            expect(error).to.contain("the disk is full");
            expect(error).to.contain("make room in /opt/kata-releases");
        } finally {
            onNode(node, "umount /opt");
        }
        expect(files(node)).to.equal(filesBefore);
    });

    describe("after the release is there", () => {
        // A failed Runtime leaves the Release of its node in the stack, so the release itself stays.
        const runtimeRefuses = async (given: KataContainersArgs, step: string, finding: RegExp, remedy: RegExp) => {
            const untouched = times(node);
            const error = await stack.fail(given);
            expect(error).to.contain(`error: node ${node}, step "${step}": `);
            expect(error).to.match(finding);
            expect(error).to.match(remedy);
            return untouched;
        };

        it("a containerd that does not run", async () => {
            onNode(node, "systemctl stop containerd");
            try {
                await runtimeRefuses(wrong({}), "containerd", /containerd does not run on this node/, /start it/);
            } finally {
                onNode(node, "systemctl start containerd");
            }
        });

        it("a configuration that cannot be edited safely", async () => {
            onNode(
                node,
                `cp -a /etc/containerd/config.toml /root/config.toml
                printf '\\n[plugins."io.containerd.grpc.v1.cri".containerd]\\nruntimes = { runc = { runtime_type = "io.containerd.runc.v2" } }\\n' >>/etc/containerd/config.toml`,
            );
            try {
                await runtimeRefuses(
                    wrong({}),
                    "containerd configuration",
                    /config\.toml cannot be edited safely: line \d+: plugins.*runtimes is an inline table/,
                    /write that entry as a table of its own/,
                );
            } finally {
                onNode(node, "mv /root/config.toml /etc/containerd/config.toml");
            }
        });

        it("a setting whose table the release has not", async () => {
            const settings = { "netmon.path": "/x" };
            const untouched = await runtimeRefuses(
                wrong({ qemu: { settings } }),
                "Kata configuration",
                /names the table "netmon"/,
                /its tables are: hypervisor\.qemu .*runtime/,
            );
            expect(times(node)).to.equal(untouched);
        });

        /** A unit that does something before it starts, for the time of a test. */
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
        const isPutBack = async (given: KataContainersArgs, finding: string, words: string) => {
            const untouched = files(node);
            const error = await stack.fail(given);
            expect(error).to.contain(`error: node ${node}, step "change": ${finding}`);
            expect(error).to.contain(words);
            expect(error).to.contain("the node is as it was before, containerd and the kubelet are well");
            expect(files(node)).to.equal(untouched);
        };

        it("a containerd that does not start with the new configuration is put back", () =>
            beforeStart(
                "containerd",
                "! grep -q kata-qemu /etc/containerd/config.toml || { echo no such luck >&2; exit 1; }",
                () => isPutBack(wrong({}), "containerd is not well with the new configuration", "no such luck"),
            ));

        it("a containerd whose CRI dies after it has started is put back", () =>
            beforeStart(
                "containerd",
                `cd /var/lib/containerd
                if grep -q kata-qemu /etc/containerd/config.toml; then { mv -n io.containerd.grpc.v1.cri cri || mkdir cri; } && touch io.containerd.grpc.v1.cri
                elif [ -e cri ]; then rm io.containerd.grpc.v1.cri && mv cri io.containerd.grpc.v1.cri; fi`,
                () =>
                    isPutBack(
                        wrong({}),
                        "containerd is not well with the new configuration",
                        "failed to recover state",
                    ),
            ));

        it("a kubelet that refuses the driver is put back, and containerd with it", () =>
            beforeStart(
                "kubelet",
                "! grep -q '^cgroupDriver: systemd' /var/lib/kubelet/config.yaml || { echo no such driver >&2; exit 1; }",
                () =>
                    isPutBack(
                        wrong({ kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true } }),
                        "the kubelet is not well with the new configuration",
                        "no such driver",
                    ),
            ));

        it("another stack that wants the node too", async () => {
            const program = onNode(node, "sha256sum /var/lib/kata-containers-node/node.sh");
            const other = await TestStack.create("other");
            try {
                const error = await other.fail(wrong({ runtimeClass: { name: "other" } }));
                expect(error).to.contain(
                    `error: node ${node}, step "owner": this node belongs to organization/e2e/failures/kata, and organization/e2e/other/kata wants it too`,
                );
            } finally {
                await other.remove();
            }
            expect(onNode(node, "sha256sum /var/lib/kata-containers-node/node.sh")).to.equal(program);
        });

        it("and then goes through where nothing is wrong any more", async () => {
            const { outputs } = await stack.up(wrong({}));
            expect(outputs.nodeStatuses[node]).to.include({ kataVersion: "3.32.0" });
        });
    });

    describe("reached in other ways", () => {
        const through = async (more: object) => {
            const { privateKey: _, ...rest } = connection(node);
            const given = { ...wrong({}), nodes: { [node]: { connection: { ...rest, ...more } } } };
            const { did, outputs } = await stack.up(given);
            expect(did[`kata-${node}-runtime`]).to.equal("update");
            expect(outputs.nodeStatuses[node]).to.include({ kataVersion: "3.32.0" });
        };
        it("a user with passwordless sudo", () => through({ user: "kata", privateKey: connection(node).privateKey }));
        it("a password", () => through({ user: "kata", password: "kata-lab" }));
        it("a bastion", () => through({ privateKey: connection(node).privateKey, proxy: connection("worker-2") }));
        it("an SSH agent", async () => {
            const started = execFileSync("ssh-agent", ["-s"], { encoding: "utf8" });
            const [, socket] = /SSH_AUTH_SOCK=([^;]+)/.exec(started)!;
            const [, pid] = /SSH_AGENT_PID=(\d+)/.exec(started)!;
            try {
                execFileSync("ssh-add", ["-q", nodes()[node]!.privateKeyFile], {
                    env: { ...process.env, SSH_AUTH_SOCK: socket },
                });
                await through({ agentSocketPath: socket });
            } finally {
                process.kill(Number(pid));
            }
            await through({ privateKey: connection(node).privateKey });
        });
        it("but not where the host key is another's", async () => {
            const given = wrong({});
            given.nodes[node]!.connection = {
                ...connection(node),
                hostKey: connection("worker-2").hostKey,
                dialErrorLimit: 0,
            };
            expect(await stack.fail(given)).to.contain("presents another host key than the one given");
            expect(await stack.fail({ ...given, drift: "off" })).to.match(/host key mismatch/);
        });
    });
});
