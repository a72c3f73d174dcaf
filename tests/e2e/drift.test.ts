// Drift: changes of nodes and cluster objects by others. A preview shows them with the reason, `up` repairs them, and the next
// preview is clean.

import { remote } from "@pulumi/command";
import type { CustomResource, CustomResourceOptions, Inputs } from "@pulumi/pulumi";
import { expect } from "chai";
import type { KataContainers, KataContainersArgs } from "../../src";
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

// Without its types, which are large.
const Deployment: new (name: string, args: Inputs, opts?: CustomResourceOptions) => CustomResource =
    require("@pulumi/kubernetes/apps/v1/deployment").Deployment;

/** Workloads: one whose pods use the RuntimeClass, and one that only waits for the component. */
function workloads(kata: KataContainers): void {
    const labels = { app: "web" };
    const runtimeClassName = kata.runtimeClassNames["kata-qemu"]!;
    new Deployment("web", {
        metadata: { name: "web" },
        spec: {
            replicas: 0,
            selector: { matchLabels: labels },
            template: {
                metadata: { labels },
                spec: { runtimeClassName, containers: [{ name: "main", image: "busybox:lab" }] },
            },
        },
    });
    new Deployment(
        "other",
        {
            metadata: { name: "other" },
            spec: {
                replicas: 0,
                selector: { matchLabels: labels },
                template: {
                    metadata: { labels },
                    spec: { containers: [{ name: "main", image: "busybox:lab" }] },
                },
            },
        },
        { dependsOn: [kata] },
    );
}

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
    let installed: Said;
    let uid: string;
    const filesBefore: { [node: string]: string } = {};

    before(async () => {
        for (const node of names()) filesBefore[node] = files(node);
        for (const node of names()) {
            onNode(
                node,
                "cp -a /etc/containerd /root/containerd.before; cp -a /var/lib/kubelet/config.yaml /root/kubelet.before",
            );
        }
        stack = await TestStack.create("drift", workloads);
        installed = await stack.up(asked());
        uid = deploymentId();
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
    /**
     * Expects that a preview shows these updates and reasons, that `up` makes the same updates and leaves the workloads
     * unchanged, and that the next preview is clean.
     */
    const repaired = async (did: object, ...reasons: (string | RegExp)[]) => {
        const preview = await stack.preview(asked());
        for (const reason of reasons) expect(said(preview)).to.match(new RegExp(reason));
        expect(changes(preview)).to.deep.equal(did);
        const up = await stack.up(asked());
        expect(changes(up)).to.deep.equal(did);
        expect(up.did).to.include({ web: "same", other: "same" });
        expect(deploymentId()).to.equal(uid);
        await clean();
    };
    const everywhere = (script: string) => names().map((node) => onNode(node, script));
    const runtimeTables = () => everywhere("containerd config dump | grep -c 'runtimes.kata-qemu\\]'");
    const deploymentId = () => kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.uid}");

    it("installs every node before a resource that depends on the component", () => {
        const { order } = installed;
        for (const workload of ["web", "other"]) {
            const before = order.slice(0, order.indexOf(`begin ${workload}`));
            const names = ["kata-owner", "kata-kata-qemu", "kata-wave-1", "kata-wave-2"];
            for (const name of [...names, ...Object.keys(every("create", ["stage", "activate", "label"]))]) {
                expect(before, workload).to.include(`end ${name}`);
            }
        }
    });

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
        const reason = (node: string) =>
            `${node} has drifted: runtime table kata-qemu is missing from /etc/containerd/`;
        await repaired(updates("activate"), ...names().map(reason));
        expect(runtimeTables()).to.deep.equal(["1", "1"]);
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
            "the entries of this package in /etc/containerd/config.toml were changed",
            "/opt/kata was changed, it was a link to kata-releases/3.32.0-",
            "/etc/modules-load.d/kata-containers.conf is missing",
            "worker-2 has drifted: .*/etc/kata-containers/kata-qemu/configuration.toml was changed",
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
            ...names().map(
                (node) => `${node} has drifted: release tree /opt/kata-releases/3.32.0-[0-9a-f]{12} has been modified`,
            ),
        );
        onNode(first, "rm -r /opt/kata-releases");
        await repaired(
            { ...updates("stage", [first]), ...updates("activate", [first]) },
            "worker-1 has drifted: release tree /opt/kata-releases/3.32.0-[0-9a-f]{12} is missing",
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
            "worker-1 has drifted: cgroupDriver is systemd in /var/lib/kubelet/config.yaml, was cgroupfs",
        );
    });

    it("repairs a node whose state folder was removed", async () => {
        onNode(second, "rm -r /var/lib/kata-containers-node");
        await repaired(
            { ...updates("stage", [second]), ...updates("activate", [second]) },
            "not installed yet, or by another version of this package: worker-2",
        );
    });

    it("repairs the label of a node and the RuntimeClass", async () => {
        const labels = ["katacontainers.io/kata-runtime-", "handler.kata-containers/kata-qemu-"];
        kubectl("label", "node", first, ...labels);
        kubectl("label", "node", second, "katacontainers.io/kata-runtime=false", "--overwrite");
        kubectl("patch", "runtimeclass", "kata-qemu", "--type=merge", "-p", '{"overhead":{"podFixed":{"cpu":"1"}}}');
        await repaired(
            { ...updates("label"), "kata-kata-qemu": "update" },
            "worker-1 has drifted: label katacontainers.io/kata-runtime is missing; label handler.kata-containers/kata-qemu is missing",
            'worker-2 has drifted: label katacontainers.io/kata-runtime is "false", was "true"',
            "RuntimeClass kata-qemu: overhead.podFixed.cpu was changed by kubectl-patch",
        );
        kubectl("delete", "runtimeclass", "kata-qemu");
        await repaired({ "kata-kata-qemu": "replace" }, "RuntimeClass kata-qemu: is missing");
        expect(kubectl("get", "runtimeclass", "kata-qemu", "-o", "jsonpath={.overhead.podFixed.cpu}")).to.equal("10m");
        expect(
            kubectl(
                "get",
                "nodes",
                "-l",
                "katacontainers.io/kata-runtime=true,handler.kata-containers/kata-qemu=true",
                "-o",
                "name",
            ).split("\n"),
        ).to.have.length(2);
    });

    it("replaces a command of a node and the RuntimeClass without a change of the workloads", async () => {
        const replaced = await stack.up(asked(), {}, `kata-${first}-activate`);
        expect(changes(replaced)).to.deep.equal({ [`kata-${first}-activate`]: "replace" });
        const runtimeClasses = { "kata-qemu": { handler: "kata" } };
        const changed = await stack.up(asked({ runtimeClasses }));
        expect(changes(changed)).to.deep.equal({
            ...updates("stage"),
            ...updates("activate"),
            ...updates("label"),
            "kata-kata-qemu": "replace",
        });
        for (const { did } of [replaced, changed]) expect(did).to.include({ web: "same", other: "same" });
        expect(deploymentId()).to.equal(uid);
        await stack.up(asked());
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
        /** Connections that fail soon, and more for the second node. */
        const given = (more: Partial<KataContainersArgs> = {}, connection: object = {}) => {
            const given = asked(more);
            for (const node of names()) {
                Object.assign(given.nodes[node]!.connection, { dialErrorLimit: 1, perDialTimeout: 2 });
            }
            Object.assign(given.nodes[second]!.connection, connection);
            return given;
        };
        const debugged = () =>
            everywhere("grep -c '^enable_debug = true' /etc/kata-containers/kata-qemu/configuration.toml || :");
        /** Runs while the second node accepts no connection. The test's open connection still works. */
        const withoutSecond = async <T>(operation: () => Promise<T>): Promise<T> => {
            onNode(second, "systemctl stop ssh");
            try {
                return await operation();
            } finally {
                onNode(second, "systemctl restart ssh");
            }
        };

        before(() => stack.up(given()));
        after(() => stack.up(asked()));

        it("leaves an unreachable node unchanged with a warning, and repairs it once it is back", async () => {
            everywhere("rm /etc/modules-load.d/kata-containers.conf");
            const up = await withoutSecond(() => stack.up(given()));
            expect(changes(up)).to.deep.equal(updates("activate", [first]));
            expect(said(up)).to.match(
                /warning: could not probe worker-2, so its drift is not repaired now: unreachable: connect ECONNREFUSED \S+:\d+/,
            );
            expect(changes(await stack.up(given()))).to.deep.equal(updates("activate", [second]));
            await clean(given());
        });

        it("shows a change of the version at an unreachable node in a preview, and fails to update it", async () => {
            const next = given({ debug: true });
            const { version, release } = args("4.1.0");
            await withoutSecond(async () => {
                const preview = await stack.preview(given({ version, release }));
                expect(changes(preview)).to.deep.include({ ...updates("stage"), ...updates("activate") });
                expect(said(preview)).to.contain(
                    "could not probe worker-2, so its drift is not repaired now: unreachable: connect ECONNREFUSED",
                );
                expect(await stack.fail(next)).to.match(/kata-worker-2-activate[\s\S]*connection refused/);
            });
            const [one, two] = debugged();
            expect([one === "0", two]).to.deep.equal([false, "0"]);
            expect(changes(await stack.up(next))).to.deep.equal(updates("activate", [second]));
            expect(debugged()[1]).to.not.equal("0");
            await stack.up(given());
        });

        it("updates a node whose probe fails if the program changes it", async () => {
            onNode(second, "mv /usr/bin/mktemp /usr/bin/mktemp.away");
            try {
                const unchanged = await stack.preview(given());
                expect(changes(unchanged)).to.deep.equal({});
                expect(said(unchanged)).to.match(
                    /could not probe worker-2, so its drift is not repaired now: the command failed with exit status 127: .*mktemp/,
                );
                expect(changes(await stack.up(given({ debug: true })))).to.deep.equal(updates("activate"));
                expect(debugged()).to.not.include("0");
            } finally {
                onNode(second, "mv /usr/bin/mktemp.away /usr/bin/mktemp");
            }
            await clean(given({ debug: true }));
            await stack.up(given());
        });

        const objects = () => kubectl("get", "runtimeclass,nodes", "-o", "jsonpath={.items[*].metadata.labels}");
        /** The error of an update that would change everything, which must be the same as that of a preview, and change nothing. */
        const refused = async (given: KataContainersArgs): Promise<string> => {
            const before = objects();
            const changed = { ...given, debug: true, runtimeClasses: { "kata-qemu": { labels: { changed: "true" } } } };
            const error = oneError(await errorOf(stack.preview(changed)));
            expect(oneError(await errorOf(stack.up(changed)))).to.equal(error);
            expect(debugged()).to.deep.equal(["0", "0"]);
            expect(objects()).to.equal(before);
            return error;
        };
        /**
         * The error in the diagnostics of Pulumi, which must be the only one. In a program of the automation API, Pulumi shows it
         * again for the outputs of the stack.
         */
        const oneError = (output: string): string => {
            const errors = output.match(/^ {4}error: (?:.*\n)(?: {6}.*\n)*/gm);
            expect(new Set(errors), output).to.have.property("size", 1);
            return errors![0]!;
        };

        it("reports an unreachable node as one error with drift: enforce, and changes nothing", async () => {
            const error = await refused(given({ drift: "enforce" }, { port: 1 }));
            expect(error).to.contain("worker-2: connect ECONNREFUSED").and.not.contain("worker-1:");
        });

        it("reports a different host key as one error at every preview and update, and changes nothing", async () => {
            const error = await refused(given({}, { hostKey: connection(first).hostKey }));
            expect(error).to.match(/worker-2: \S+ presents a host key that differs from hostKey/);
        });

        it("gives up on a node that does not answer within the limit", async () => {
            onNode(second, "kill -STOP $(systemctl show -p MainPID --value ssh)");
            try {
                const preview = await stack.preview(given({ debug: true }));
                expect(changes(preview)).to.deep.equal(updates("activate"));
                expect(said(preview)).to.contain(
                    "could not probe worker-2, so its drift is not repaired now: unreachable: Timed out while waiting for handshake",
                );
            } finally {
                // The test's open connection still works.
                onNode(second, "kill -CONT $(systemctl show -p MainPID --value ssh)");
            }
        });

        it("skips a node whose address is not known yet", async () => {
            const program = () => {
                const { host, ...rest } = connection(second);
                const machine = new remote.Command("machine", {
                    connection: connection(first),
                    create: `echo ${host}`,
                });
                const given = asked();
                given.nodes[second]!.connection = { ...rest, host: machine.stdout.apply((text) => text.trim()) };
                return given;
            };
            const preview = await stack.preview(program);
            expect(said(preview)).to.not.contain("warning");
            await stack.up(asked());
            expect(changes(await stack.up(program))).to.deep.equal({});
            await stack.up(asked());
        });
    });

    it("does not probe nodes with drift: off", async () => {
        expect(changes(await stack.up(asked({ drift: "off" })))).to.deep.equal({});
        onNode(first, "rm /etc/modules-load.d/kata-containers.conf");
        await clean(asked({ drift: "off" }));
        expect(said(await stack.preview(asked()))).to.contain("modules-load.d/kata-containers.conf is missing");
        await stack.up(asked());
    });

    it("shows no secret in the output or the state of a preview", async () => {
        const preview = await stack.preview(asked());
        expect(preview.log + stack.state()).to.not.match(/PRIVATE KEY|hunter/);
    });

    it("destroys a resource that depends on the component before it changes a node", async () => {
        const { order } = await stack.destroy();
        const before = order.slice(
            0,
            order.findIndex((event) => event.startsWith("begin kata-")),
        );
        expect(before).to.include.members(["end web", "end other"]);
    });
});
