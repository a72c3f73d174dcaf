// What is changed behind the package's back: a preview says so, with the reason, `up` repairs it, and then there is nothing
// left to do.

import { remote } from "@pulumi/command";
import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import {
    args,
    changes,
    connection,
    errorOf,
    every,
    files,
    type Given,
    kubectl,
    names,
    onNode,
    removePods,
    type Said,
    startPod,
    TestStack,
} from "../support/lab";

const [first, second] = ["worker-1", "worker-2"];
/** The warnings and notes of the component. */
const said = ({ log }: Said) => log.replace(/\s+/g, " ");
/** Every node's resource of that kind is updated, and nothing else. */
const updates = (kind: string, on?: string[]) => every("update", [kind], on);

describe("drift", function () {
    this.timeout(10 * 60 * 1000);
    const asked = (more: Partial<KataContainersArgs> = {}) =>
        args("3.32.0", { kubelet: { cgroupDriver: "cgroupfs", changeUnderRunningPods: true }, ...more });
    let stack: TestStack;
    const filesBefore: { [node: string]: string } = {};

    before(async () => {
        for (const node of names()) filesBefore[node] = files(node);
        for (const node of names()) {
            onNode(
                node,
                "cp -a /etc/containerd /root/containerd.before; cp -a /var/lib/kubelet/config.yaml /root/kubelet.before",
            );
        }
        stack = await TestStack.create("drift");
        await stack.up(asked());
    });
    after(async () => {
        await stack.remove();
        // The driver that somebody else has set is theirs and stays.
        onNode(first, "cp -a /root/kubelet.before /var/lib/kubelet/config.yaml; systemctl restart kubelet");
        for (const node of names()) {
            expect(files(node)).to.equal(filesBefore[node]);
            onNode(node, "rm -r /root/containerd.before /root/kubelet.before");
        }
    });

    const clean = async (given: Given = asked()) => {
        const preview = await stack.preview(given);
        expect(changes(preview)).to.deep.equal({});
        expect(said(preview)).to.not.contain("warning");
    };
    /** All that belongs to a kind of drift. */
    const repaired = async (did: object, ...reasons: (string | RegExp)[]) => {
        const preview = await stack.preview(asked());
        for (const reason of reasons) expect(said(preview)).to.match(new RegExp(reason));
        expect(changes(preview)).to.deep.equal(did);
        expect(changes(await stack.up(asked()))).to.deep.equal(did);
        await clean();
    };
    const everywhere = (script: string) => names().map((node) => onNode(node, script));
    const installed = () => everywhere("containerd config dump | grep -c 'runtimes.kata-qemu\\]'");

    it("there is none, in ten previews, whatever others have changed elsewhere in the files", async () => {
        everywhere(`echo '# by an administrator' >>/etc/containerd/config.toml
            echo '# by an administrator' >>/var/lib/kubelet/config.yaml
            touch /etc/kata-containers/kata-qemu/configuration.toml
            mkdir -p /opt/kata-releases/mine`);
        for (let i = 0; i < 10; i++) await clean();
        everywhere(`sed -i '/by an administrator/d' /etc/containerd/config.toml /var/lib/kubelet/config.yaml
            rmdir /opt/kata-releases/mine`);
    });

    it("of the runtime table: Kubespray has written containerd's files anew", async () => {
        everywhere(`find /etc/containerd -name kata-containers.toml -delete
            cp -a /root/containerd.before/. /etc/containerd; systemctl restart containerd`);
        const reason = (node: string) => `${node}: runtime table kata-qemu is missing from /etc/containerd/`;
        await repaired(updates("runtime"), ...names().map(reason));
        expect(installed()).to.deep.equal(["1", "1"]);
    });

    it("of what is in the table, of Kata's configuration, of links and the modules file", async () => {
        onNode(
            first,
            `sed -i 's/privileged_without_host_devices = true/privileged_without_host_devices = false/' /etc/containerd/config.toml
            ln -sfn somewhere /opt/kata; rm /etc/modules-load.d/kata-containers.conf`,
        );
        onNode(
            second,
            `echo 'enable_debug = true' >>/etc/kata-containers/kata-qemu/configuration.toml
            rm /usr/local/bin/containerd-shim-kata-qemu-v2`,
        );
        await repaired(
            updates("runtime"),
            "what is applied for the runtime kata-qemu in /etc/containerd/config.toml is changed",
            "/opt/kata is changed, it was a link to kata-releases/3.32.0-",
            "/etc/modules-load.d/kata-containers.conf is missing",
            "worker-2: .*/etc/kata-containers/kata-qemu/configuration.toml is changed",
            "/usr/local/bin/containerd-shim-kata-qemu-v2 is missing",
        );
        onNode(first, "rm /opt/kata.before-kata-containers");
    });

    it("of the release tree: files are gone, or changed, or all of it", async () => {
        onNode(
            first,
            "rm /opt/kata-releases/3.32.0-*/bin/qemu-system-x86_64 || rm /opt/kata-releases/3.32.0-*/share/defaults/kata-containers/*",
        );
        onNode(second, "echo >>$(ls -d /opt/kata-releases/3.32.0-*)/bin/containerd-shim-kata-v2");
        await repaired(
            updates("release"),
            ...names().map(
                (node) => `${node}: release tree /opt/kata-releases/3.32.0-[0-9a-f]{12} is not as it was unpacked`,
            ),
        );
        onNode(first, "rm -r /opt/kata-releases");
        await repaired(
            { ...updates("release", [first]), ...updates("runtime", [first]) },
            "worker-1: release tree /opt/kata-releases/3.32.0-[0-9a-f]{12} is missing",
        );
        expect(everywhere("ls -A /opt/kata-releases | wc -l")).to.deep.equal(["1", "1"]);
    });

    it("of the cgroup driver", async () => {
        onNode(
            first,
            "sed -i 's/^cgroupDriver: .*/cgroupDriver: systemd/' /var/lib/kubelet/config.yaml; grep -q '^cgroupDriver: systemd' /var/lib/kubelet/config.yaml || echo 'cgroupDriver: systemd' >>/var/lib/kubelet/config.yaml",
        );
        await repaired(
            updates("runtime", [first]),
            "worker-1: cgroupDriver is systemd in /var/lib/kubelet/config.yaml, was cgroupfs",
        );
    });

    it("of all that is ours: the state folder was removed", async () => {
        onNode(second, "rm -r /var/lib/kata-containers-node");
        await repaired(
            { ...updates("release", [second]), ...updates("runtime", [second]) },
            "not installed, or by another version: worker-2",
        );
    });

    it("of the label and the RuntimeClass", async () => {
        kubectl("label", "node", first, "katacontainers.io/kata-runtime-");
        kubectl("label", "node", second, "katacontainers.io/kata-runtime=false", "--overwrite");
        kubectl("patch", "runtimeclass", "kata-qemu", "--type=merge", "-p", '{"overhead":{"podFixed":{"cpu":"1"}}}');
        await repaired(
            { ...updates("label"), "kata-runtime-class": "update" },
            "worker-1: label katacontainers.io/kata-runtime is missing",
            'worker-2: label katacontainers.io/kata-runtime is "false", was "true"',
            "RuntimeClass kata-qemu: overhead.podFixed.cpu was changed by kubectl-patch",
        );
        kubectl("delete", "runtimeclass", "kata-qemu");
        await repaired({ "kata-runtime-class": "replace" }, "RuntimeClass kata-qemu: is missing");
        expect(kubectl("get", "runtimeclass", "kata-qemu", "-o", "jsonpath={.overhead.podFixed.cpu}")).to.equal("10m");
        expect(
            kubectl("get", "nodes", "-l", "katacontainers.io/kata-runtime=true", "-o", "name").split("\n"),
        ).to.have.length(2);
    });

    it("of the label and the RuntimeClass is what `pulumi refresh` sees, and nothing else", async () => {
        await stack.up(asked({ drift: "off" }));
        await stack.refresh();
        await clean(asked({ drift: "off" }));
        kubectl("label", "node", first, "katacontainers.io/kata-runtime-");
        kubectl("delete", "runtimeclass", "kata-qemu");
        onNode(second, "rm /etc/modules-load.d/kata-containers.conf");
        await stack.refresh();
        expect(changes(await stack.up(asked({ drift: "off" })))).to.include({
            "kata-worker-1-label": "update",
            "kata-runtime-class": "create",
        });
        expect(onNode(second, "ls /etc/modules-load.d")).to.not.contain("kata-containers");
        await stack.up(asked());
        await clean();
    });

    it("of another kind: sandboxes that still run an old release are reported", async () => {
        startPod("old", first, "kata-qemu");
        const next = args("4.1.0", { kubelet: { cgroupDriver: "cgroupfs", changeUnderRunningPods: true } });
        await stack.up(next);
        const preview = await stack.preview(next);
        expect(changes(preview)).to.deep.equal({});
        expect(said(preview)).to.contain("worker-1: sandboxes still on Kata Containers 3.32.0: 1, of default/old");
        removePods(first, "old");
        await stack.up(asked());
    });

    describe("of a node that cannot be looked at", () => {
        const elsewhere = (more: object, drift: KataContainersArgs["drift"] = undefined) => {
            const given = asked({ qemu: { debug: true }, drift });
            Object.assign(given.nodes[second]!.connection, more);
            return given;
        };
        const debugged = () =>
            everywhere("grep -c '^enable_debug = true' /etc/kata-containers/kata-qemu/configuration.toml || :");
        const others = updates("runtime", [first]);

        it("stays as it is with a warning, and is gone on with when it is back", async () => {
            const unreachable = elsewhere({ port: 1, dialErrorLimit: 0 });
            const up = await stack.up(unreachable);
            expect(changes(up)).to.deep.equal(others);
            expect(said(up)).to.match(/warning: worker-2: connect ECONNREFUSED \S+:1; it cannot be looked at/);
            expect(debugged()[1]).to.equal("0");
            expect(changes(await stack.up(elsewhere({})))).to.deep.equal(updates("runtime", [second]));
            expect(debugged()[1]).to.not.equal("0");
            await stack.up(asked());
        });

        it("or is an error before anything is changed", async () => {
            const error = await errorOf(stack.preview(elsewhere({ port: 1 }, "enforce")));
            expect(error)
                .to.contain('KataContainers "kata" cannot look at every node')
                .and.contain("worker-2: connect ECONNREFUSED");
            expect(error).to.not.contain("worker-1:");
            expect(await stack.fail(elsewhere({ port: 1, dialErrorLimit: 0 }, "enforce"))).to.contain("ECONNREFUSED");
            expect(debugged()).to.deep.equal(["0", "0"]);
        });

        it("has another host key: always an error", async () => {
            const error = await errorOf(stack.preview(elsewhere({ hostKey: connection(first).hostKey })));
            expect(error).to.match(/worker-2: \S+ presents another host key than the one given/);
        });

        it("is slow: it is not waited for without end", async () => {
            onNode(second, "kill -STOP $(systemctl show -p MainPID --value ssh)");
            try {
                const preview = await stack.preview(elsewhere({ perDialTimeout: 2 }));
                expect(changes(preview)).to.deep.equal(others);
                expect(said(preview)).to.contain("worker-2: Timed out while waiting for handshake");
            } finally {
                // The connection that is open already still works.
                onNode(second, "kill -CONT $(systemctl show -p MainPID --value ssh)");
            }
        });

        it("has an address that is not known yet", async () => {
            const given = () => {
                const { host, ...rest } = connection(second);
                const machine = new remote.Command("machine", {
                    connection: connection(first),
                    create: `echo ${host}`,
                });
                const given = asked();
                given.nodes[second]!.connection = { ...rest, host: machine.stdout.apply((text) => text.trim()) };
                return given;
            };
            const preview = await stack.preview(given);
            expect(said(preview)).to.not.contain("warning");
            expect(changes(await stack.up(given))).to.deep.equal({});
            await stack.up(asked());
        });
    });

    it("is not looked for where that is off", async () => {
        await stack.up(asked({ drift: "off" }));
        onNode(first, "rm /etc/modules-load.d/kata-containers.conf");
        await clean(asked({ drift: "off" }));
        expect(said(await stack.preview(asked()))).to.contain("modules-load.d/kata-containers.conf is missing");
        await stack.up(asked());
    });

    it("shows no secret", async () => {
        const preview = await stack.preview(asked());
        expect(preview.log + stack.state()).to.not.match(/PRIVATE KEY|hunter/);
    });
});
