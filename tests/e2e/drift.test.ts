// Drift: changes of nodes and cluster objects by others. A preview shows them with the reason, `up` repairs them, and the next
// preview is clean.

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
/** The output of a run in one line, with the warnings of the component. */
const said = ({ log }: Said) => log.replace(/\s+/g, " ");
/** An update of the resource of that kind of every node, and of nothing else. */
const updates = (kind: "stage" | "activate" | "label", on?: string[]) => every("update", [kind], on);

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
        // A cgroup driver that was set by another program is kept on destroy.
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
    /** Expects that a preview shows these updates and reasons, that `up` makes the same updates, and that the next preview is clean. */
    const repaired = async (did: object, ...reasons: (string | RegExp)[]) => {
        const preview = await stack.preview(asked());
        for (const reason of reasons) expect(said(preview)).to.match(new RegExp(reason));
        expect(changes(preview)).to.deep.equal(did);
        expect(changes(await stack.up(asked()))).to.deep.equal(did);
        await clean();
    };
    const everywhere = (script: string) => names().map((node) => onNode(node, script));
    const installed = () => everywhere("containerd config dump | grep -c 'runtimes.kata-qemu\\]'");

    it("reports no drift in ten previews after others changed unmanaged parts of the files", async () => {
        everywhere(`echo '# by an administrator' >>/etc/containerd/config.toml
            echo '# by an administrator' >>/var/lib/kubelet/config.yaml
            touch /etc/kata-containers/kata-qemu/configuration.toml
            mkdir -p /opt/kata-releases/mine`);
        for (let i = 0; i < 10; i++) await clean();
        everywhere(`sed -i '/by an administrator/d' /etc/containerd/config.toml /var/lib/kubelet/config.yaml
            rmdir /opt/kata-releases/mine`);
    });

    it("repairs a runtime table that Kubespray overwrote", async () => {
        everywhere(`find /etc/containerd -name kata-containers.toml -delete
            cp -a /root/containerd.before/. /etc/containerd; systemctl restart containerd`);
        const reason = (node: string) => `${node}: runtime table kata-qemu is missing from /etc/containerd/`;
        await repaired(updates("activate"), ...names().map(reason));
        expect(installed()).to.deep.equal(["1", "1"]);
    });

    it("repairs a changed runtime table, Kata configuration, link and modules file", async () => {
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
            updates("activate"),
            "the entries for the runtime kata-qemu in /etc/containerd/config.toml were changed",
            "/opt/kata was changed, it was a link to kata-releases/3.32.0-",
            "/etc/modules-load.d/kata-containers.conf is missing",
            "worker-2: .*/etc/kata-containers/kata-qemu/configuration.toml was changed",
            "/usr/local/bin/containerd-shim-kata-qemu-v2 is missing",
        );
        onNode(first, "rm /opt/kata.kata-containers-displaced");
    });

    it("repairs a release tree whose files were changed or removed", async () => {
        onNode(
            first,
            "rm /opt/kata-releases/3.32.0-*/bin/qemu-system-x86_64 || rm /opt/kata-releases/3.32.0-*/share/defaults/kata-containers/*",
        );
        onNode(second, "echo >>$(ls -d /opt/kata-releases/3.32.0-*)/bin/containerd-shim-kata-v2");
        await repaired(
            updates("stage"),
            ...names().map((node) => `${node}: release tree /opt/kata-releases/3.32.0-[0-9a-f]{12} has been modified`),
        );
        onNode(first, "rm -r /opt/kata-releases");
        await repaired(
            { ...updates("stage", [first]), ...updates("activate", [first]) },
            "worker-1: release tree /opt/kata-releases/3.32.0-[0-9a-f]{12} is missing",
        );
        expect(everywhere("ls -A /opt/kata-releases | wc -l")).to.deep.equal(["1", "1"]);
    });

    it("repairs a changed cgroup driver of the kubelet", async () => {
        onNode(
            first,
            "sed -i 's/^cgroupDriver: .*/cgroupDriver: systemd/' /var/lib/kubelet/config.yaml; grep -q '^cgroupDriver: systemd' /var/lib/kubelet/config.yaml || echo 'cgroupDriver: systemd' >>/var/lib/kubelet/config.yaml",
        );
        await repaired(
            updates("activate", [first]),
            "worker-1: cgroupDriver is systemd in /var/lib/kubelet/config.yaml, was cgroupfs",
        );
    });

    it("repairs a node whose state folder was removed", async () => {
        onNode(second, "rm -r /var/lib/kata-containers-node");
        await repaired(
            { ...updates("stage", [second]), ...updates("activate", [second]) },
            "not installed, or installed by a different package version: worker-2",
        );
    });

    it("repairs the label of a node and the RuntimeClass", async () => {
        kubectl("label", "node", first, "katacontainers.io/kata-runtime-");
        kubectl("label", "node", second, "katacontainers.io/kata-runtime=false", "--overwrite");
        kubectl("patch", "runtimeclass", "kata-qemu", "--type=merge", "-p", '{"overhead":{"podFixed":{"cpu":"1"}}}');
        await repaired(
            { ...updates("label"), "kata-kata-qemu": "update" },
            "worker-1: label katacontainers.io/kata-runtime is missing",
            'worker-2: label katacontainers.io/kata-runtime is "false", was "true"',
            "RuntimeClass kata-qemu: overhead.podFixed.cpu was changed by kubectl-patch",
        );
        kubectl("delete", "runtimeclass", "kata-qemu");
        await repaired({ "kata-kata-qemu": "replace" }, "RuntimeClass kata-qemu: is missing");
        expect(kubectl("get", "runtimeclass", "kata-qemu", "-o", "jsonpath={.overhead.podFixed.cpu}")).to.equal("10m");
        expect(
            kubectl("get", "nodes", "-l", "katacontainers.io/kata-runtime=true", "-o", "name").split("\n"),
        ).to.have.length(2);
    });

    it("shows the drift of labels and the RuntimeClass, and no other drift, to pulumi refresh", async () => {
        await stack.up(asked({ drift: "off" }));
        await stack.refresh();
        await clean(asked({ drift: "off" }));
        kubectl("label", "node", first, "katacontainers.io/kata-runtime-");
        kubectl("delete", "runtimeclass", "kata-qemu");
        onNode(second, "rm /etc/modules-load.d/kata-containers.conf");
        await stack.refresh();
        expect(changes(await stack.up(asked({ drift: "off" })))).to.include({
            "kata-worker-1-label": "update",
            "kata-kata-qemu": "create",
        });
        expect(onNode(second, "ls /etc/modules-load.d")).to.not.contain("kata-containers");
        await stack.up(asked());
        await clean();
    });

    it("reports sandboxes that still run an old release", async () => {
        startPod("old", first, "kata-qemu");
        const next = args("4.1.0", { kubelet: { cgroupDriver: "cgroupfs", changeUnderRunningPods: true } });
        await stack.up(next);
        const preview = await stack.preview(next);
        expect(changes(preview)).to.deep.equal({});
        expect(said(preview)).to.contain(
            "worker-1: sandboxes still running on Kata Containers 3.32.0: 1; pods: default/old",
        );
        removePods(first, "old");
        await stack.up(asked());
    });

    describe("with an unreachable node", () => {
        const elsewhere = (more: object, drift: KataContainersArgs["drift"] = undefined) => {
            const given = asked({ debug: true, drift });
            Object.assign(given.nodes[second]!.connection, more);
            return given;
        };
        const debugged = () =>
            everywhere("grep -c '^enable_debug = true' /etc/kata-containers/kata-qemu/configuration.toml || :");
        const others = updates("activate", [first]);

        it("skips an unreachable node with a warning, and updates it once it is back", async () => {
            const unreachable = elsewhere({ port: 1, dialErrorLimit: 0 });
            const up = await stack.up(unreachable);
            expect(changes(up)).to.deep.equal(others);
            expect(said(up)).to.match(/warning: worker-2: connect ECONNREFUSED \S+:1; unreachable, skipping it/);
            expect(debugged()[1]).to.equal("0");
            expect(changes(await stack.up(elsewhere({})))).to.deep.equal(updates("activate", [second]));
            expect(debugged()[1]).to.not.equal("0");
            await stack.up(asked());
        });

        it("reports an unreachable node as an error with drift: enforce, and changes nothing", async () => {
            const error = await errorOf(stack.preview(elsewhere({ port: 1 }, "enforce")));
            expect(error)
                .to.contain('KataContainers "kata" could not reach all nodes; nothing was changed')
                .and.contain("worker-2: connect ECONNREFUSED");
            expect(error).to.not.contain("worker-1:");
            expect(await stack.fail(elsewhere({ port: 1, dialErrorLimit: 0 }, "enforce"))).to.contain("ECONNREFUSED");
            expect(debugged()).to.deep.equal(["0", "0"]);
        });

        it("reports a different host key as an error at every preview", async () => {
            const error = await errorOf(stack.preview(elsewhere({ hostKey: connection(first).hostKey })));
            expect(error).to.match(/worker-2: \S+ presents a host key that differs from hostKey/);
        });

        it("gives up on a node that does not answer within the limit", async () => {
            onNode(second, "kill -STOP $(systemctl show -p MainPID --value ssh)");
            try {
                const preview = await stack.preview(elsewhere({ perDialTimeout: 2 }));
                expect(changes(preview)).to.deep.equal(others);
                expect(said(preview)).to.contain("worker-2: Timed out while waiting for handshake");
            } finally {
                // The test's open connection still works.
                onNode(second, "kill -CONT $(systemctl show -p MainPID --value ssh)");
            }
        });

        it("skips a node whose address is not known yet", async () => {
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

    it("does not probe nodes with drift: off", async () => {
        await stack.up(asked({ drift: "off" }));
        onNode(first, "rm /etc/modules-load.d/kata-containers.conf");
        await clean(asked({ drift: "off" }));
        expect(said(await stack.preview(asked()))).to.contain("modules-load.d/kata-containers.conf is missing");
        await stack.up(asked());
    });

    it("shows no secret in the output or the state of a preview", async () => {
        const preview = await stack.preview(asked());
        expect(preview.log + stack.state()).to.not.match(/PRIVATE KEY|hunter/);
    });
});
