import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { KataContainers } from "../../src";
import { nodeLabel } from "../../src/cluster/kubernetes";
import { defaultVersion } from "../../src/kata/releases";
import { readProgram } from "../../src/node/program";
import { hostKey, oneNode, privateKey, threeNodes } from "../support/arguments";
import { dependencies, deploy, resolved, secretValue, status, unknown } from "../support/mocks";

const command = "command:remote:Command";

describe("KataContainers", () => {
    it("makes a Release, a Runtime and a label for each node, and one RuntimeClass", async () => {
        const { children } = await deploy({ nodes: threeNodes });
        const types = Object.entries(children).map(([name, { type }]) => `${name} ${type}`);
        const nodes = Object.keys(threeNodes).flatMap((node) => [
            `kata-${node}-release ${command}`,
            `kata-${node}-runtime ${command}`,
            `kata-${node}-label kubernetes:core/v1:NodePatch`,
        ]);
        expect(types).to.have.members([
            ...nodes,
            "kata-owner pulumi:index:Stash",
            "kata-runtime-class kubernetes:node.k8s.io/v1:RuntimeClass",
        ]);
    });

    it("hangs every child under itself", async () => {
        const { children, component } = await deploy({ nodes: oneNode });
        for (const [name, { opts }] of Object.entries(children)) {
            expect(opts.parent, name).to.equal(component);
        }
    });

    it("makes sure of the RuntimeClass, then switches one node after the other", async () => {
        const { children } = await deploy({ nodes: threeNodes });
        const order = async (name: string) => (await dependencies(children[name]!)).sort();
        expect(children["kata-worker-3-release"]!.opts.dependsOn).to.equal(undefined);
        expect(children["kata-runtime-class"]!.opts.dependsOn).to.equal(undefined);
        expect(await order("kata-worker-1-runtime")).to.deep.equal(["kata-runtime-class", "kata-worker-1-release"]);
        expect(await order("kata-worker-2-runtime")).to.deep.equal(["kata-worker-1-runtime", "kata-worker-2-release"]);
        expect(await order("kata-worker-3-runtime")).to.deep.equal(["kata-worker-2-runtime", "kata-worker-3-release"]);
        expect(await order("kata-worker-2-label")).to.deep.equal(["kata-worker-2-runtime"]);
    });

    it("switches as many nodes at once as it may", async () => {
        const { children } = await deploy({ nodes: threeNodes, rollout: { maxUnavailable: 2 } });
        expect(await dependencies(children["kata-worker-2-runtime"]!)).to.have.members([
            "kata-worker-2-release",
            "kata-runtime-class",
        ]);
        expect(await dependencies(children["kata-worker-3-runtime"]!)).to.have.members([
            "kata-worker-3-release",
            "kata-worker-1-runtime",
            "kata-worker-2-runtime",
        ]);
    });

    it("gives the commands what the provider needs and nothing it must not have", async () => {
        const { children } = await deploy({ nodes: oneNode });
        const { inputs: release, opts } = children["kata-worker-1-release"]!;
        const { inputs: runtime } = children["kata-worker-1-runtime"]!;
        expect(release).to.have.all.keys("addPreviousOutputInEnv", "connection", "create", "delete", "stdin");
        expect(runtime).to.have.all.keys("addPreviousOutputInEnv", "connection", "create", "delete");
        expect(release.addPreviousOutputInEnv).to.equal(false);
        expect(release.stdin).to.equal(readProgram().packed);
        expect(opts).to.deep.include({ deleteBeforeReplace: true, hideDiffs: ["stdin"] });
        expect(release.create)
            .to.match(/^sh -c '/)
            .and.contain("--owner=acme/shop/prod/kata");
        expect(release.create)
            .to.match(/stage \\$/m)
            .and.contain(`--version=${defaultVersion}`);
        expect(release.delete).to.match(/unstage \\\n--owner=acme\/shop\/prod\/kata$/);
        expect(runtime.create)
            .to.match(/activate \\$/m)
            .and.contain(`--program=${readProgram().id}`);
        expect(runtime.delete).to.match(/deactivate \\\n--owner=acme\/shop\/prod\/kata \\\n--handler=kata-qemu$/);
    });

    it("waits for a node that is just starting, and for its bastion", async () => {
        const proxy = { host: "bastion", password: "p" };
        const { children } = await deploy({
            nodes: { a: { connection: { host: "a", password: "p", dialErrorLimit: 3, hostKey, proxy } }, ...oneNode },
        });
        const connection = (node: string) => secretValue(children[`kata-${node}-runtime`]!.inputs.connection);
        expect(connection("worker-1")).to.include({ dialErrorLimit: 20, port: 22, user: "root", hostKey });
        expect(connection("a").dialErrorLimit).to.equal(3);
        expect(connection("a").proxy).to.deep.include({ host: "bastion", dialErrorLimit: 20 });
    });

    it("keeps connections secret and its own inputs free of credentials", async () => {
        const secrets = { privateKey, password: "hunter-2", privateKeyPassword: "hunter-3" };
        const connection = { host: "192.0.2.11", ...secrets, agentSocketPath: "/run/hunter-4" };
        const { inputs, children } = await deploy({
            nodes: { a: { connection: { ...connection, proxy: { ...connection, host: "bastion" } } } },
        });
        expect(inputs.nodes.a.connection).to.deep.equal({ host: "192.0.2.11", proxy: { host: "bastion" } });
        for (const [name, { inputs }] of Object.entries(children)) {
            const { connection, stdin: _, ...others } = inputs;
            expect(JSON.stringify(others), name).not.to.match(/hunter|PRIVATE/);
            expect(secretValue(connection)?.password, name).to.equal(connection && "hunter-2");
        }
    });

    it("labels the node by its name in Kubernetes, whoever else manages its labels", async () => {
        const { children } = await deploy({ nodes: oneNode });
        expect(children["kata-worker-1-label"]!.inputs.metadata).to.deep.equal({
            name: "worker-1",
            labels: { "katacontainers.io/kata-runtime": "true" },
            annotations: { "pulumi.com/patchForce": "true" },
        });
    });

    it("makes a RuntimeClass for the labelled nodes, with the overhead of the release", async () => {
        const { children } = await deploy({ nodes: oneNode });
        const { inputs, opts } = children["kata-runtime-class"]!;
        expect(inputs).to.deep.include({
            metadata: { name: "kata-qemu", annotations: { "kata-containers/owner": "acme/shop/prod/kata" } },
            handler: "kata-qemu",
            overhead: { podFixed: { cpu: "10m", memory: "290Mi" } },
            scheduling: { nodeSelector: nodeLabel },
        });
        expect(opts).to.deep.include({ replaceOnChanges: ["handler"], deleteBeforeReplace: true });
    });

    it("makes the RuntimeClass as asked", async () => {
        const tolerations = [{ key: "vm", operator: "Exists", effect: "NoSchedule" }];
        const { children } = await deploy({
            nodes: oneNode,
            qemu: { overhead: { enabled: false } },
            runtimeClass: { name: "vm", handler: "kata-vm", labels: { a: "b" }, annotations: { c: "d" }, tolerations },
        });
        const { inputs } = children["kata-runtime-class"]!;
        expect(inputs).to.deep.include({
            metadata: {
                name: "vm",
                labels: { a: "b" },
                annotations: { c: "d", "kata-containers/owner": "acme/shop/prod/kata" },
            },
            handler: "kata-vm",
            scheduling: { nodeSelector: nodeLabel, tolerations },
        });
        expect(inputs).not.to.have.property("overhead");
        expect(children["kata-worker-1-runtime"]!.inputs.create).to.contain("--handler=kata-vm");
    });

    it("adopts a RuntimeClass with a patch, without its handler", async () => {
        const type = "kubernetes:node.k8s.io/v1:RuntimeClass";
        const own = (await deploy({ nodes: oneNode })).children["kata-runtime-class"]!;
        const adopted = (await deploy({ nodes: oneNode, runtimeClass: { adopt: true } })).children[
            "kata-runtime-class"
        ]!;
        expect(adopted.opts.aliases).to.deep.include({ type });
        expect(adopted.type).to.equal(`${type}Patch`);
        expect(adopted.inputs.metadata.annotations["pulumi.com/patchForce"]).to.equal("true");
        expect(adopted.inputs).to.not.have.property("handler");
        expect(adopted.inputs.overhead).to.deep.equal(own.inputs.overhead);
    });

    it("keeps its first name as the owner, for renames", async () => {
        const { opts, inputs } = (await deploy({ nodes: oneNode })).children["kata-owner"]!;
        expect(inputs).to.deep.equal({ input: "acme/shop/prod/kata" });
        expect(opts.ignoreChanges).to.deep.equal(["input"]);
    });

    it("runs nothing on a machine that is gone, now or later", async () => {
        const { children, component } = await deploy({
            nodes: { ...threeNodes, "worker-2": { ...threeNodes["worker-2"], gone: true } },
        });
        for (const [name, { opts }] of Object.entries(children)) {
            const gone = name.includes("worker-2");
            expect(opts.retainOnDelete, name).to.equal(gone ? true : undefined);
            if (gone) expect(opts.ignoreChanges, name).to.deep.equal(["*"]);
        }
        expect(await resolved(component.nodeStatuses)).to.have.all.keys("worker-1", "worker-3");
    });

    it("kills sandboxes on removal where it is told to", async () => {
        const { children } = await deploy({ nodes: oneNode, forceRemoval: true });
        expect(children["kata-worker-1-runtime"]!.inputs.delete).to.match(/\n--force=true$/);
        expect(children["kata-worker-1-runtime"]!.inputs.create).to.not.contain("--force");
    });

    describe("drains", () => {
        const kubelet = { cgroupDriver: "systemd" };

        it("each node before its Runtime, by the kubectl of this machine, and uncordons it after that", async () => {
            const drain = { kubeconfig: "apiVersion: v1", timeout: 60 };
            const { children, inputs } = await deploy({ nodes: threeNodes, kubelet, rollout: { drain } });
            const { type, inputs: drained } = children["kata-worker-2-drain"]!;
            expect(type).to.equal("command:local:Command");
            expect(secretValue(drained.stdin)).to.equal("apiVersion: v1");
            expect(drained.create).to.match(/ kata-containers drain worker-2 systemd 60$/);
            expect(drained.delete).to.match(/ kata-containers uncordon worker-2 '' 60$/);
            const uncordoned = children["kata-worker-2-uncordon"]!.inputs;
            expect(uncordoned.create).to.match(/ kata-containers uncordon worker-2 systemd 60$/);
            expect(uncordoned.delete).to.match(/ kata-containers drain worker-2 '' 60$/);
            const order = (name: string) => dependencies(children[`kata-worker-2-${name}`]!);
            expect(await order("drain")).to.have.members(["kata-worker-2-release", "kata-worker-1-uncordon"]);
            expect(await order("runtime")).to.deep.equal(["kata-worker-2-drain"]);
            expect(await order("uncordon")).to.deep.equal(["kata-worker-2-runtime"]);
            expect(children["kata-worker-2-runtime"]!.inputs.create).to.contain("--change-under-running-pods=true");
            expect(inputs.rollout.drain).to.deep.equal({ timeout: 60 });
        });

        it("by that of a control-plane node", async () => {
            const controlPlane = { host: "192.0.2.1", password: "hunter-2", hostKey };
            const { children, inputs } = await deploy({
                nodes: oneNode,
                kubelet,
                rollout: { drain: { controlPlane } },
            });
            const { type, inputs: drained } = children["kata-worker-1-drain"]!;
            expect(type).to.equal(command);
            expect(secretValue(drained.connection)).to.include({ host: "192.0.2.1", password: "hunter-2" });
            expect(drained.create).to.match(/^sh -c '[\s\S]*sudo[\s\S]* drain worker-1 systemd 600$/);
            expect(drained.delete).to.match(/^sh -c '[\s\S]*sudo[\s\S]* uncordon worker-1 '' 600$/);
            expect(inputs.rollout.drain.controlPlane).to.deep.equal({ host: "192.0.2.1", hostKey });
        });
    });

    it("gives the RuntimeClass's name and each node's status", async () => {
        const { component } = await deploy({ nodes: threeNodes });
        expect(await resolved(component.runtimeClassName)).to.equal("kata-qemu");
        expect(await resolved(component.nodeStatuses)).to.deep.equal({
            "worker-1": status,
            "worker-2": status,
            "worker-3": status,
        });
    });

    it("says which node's status is none", async () => {
        const { component } = await deploy({ nodes: oneNode }, { stdout: "all is well" });
        const message = await resolved(component.nodeStatuses).catch((error) => error.message);
        expect(message).to.equal("node worker-1: its last line must be its status as JSON, and is: all is well");
    });

    it("previews with what is not known yet", async () => {
        const connection = { host: unknown(), privateKey: pulumi.secret(privateKey), hostKey };
        const { component, children } = await deploy(
            { nodes: { a: { connection } }, version: unknown(), runtimeClass: { labels: { a: unknown() } } },
            { preview: true },
        );
        expect(Object.keys(children)).to.have.length(5);
        expect(pulumi.isUnknown(children["kata-a-release"]!.inputs.create)).to.equal(true);
        expect(children["kata-a-release"]!.inputs.delete).to.contain("unstage");
        expect(await resolved(component.nodeStatuses)).to.equal(undefined);
    });

    it("previews the texts of the commands, but no status", async () => {
        const { component, children } = await deploy({ nodes: oneNode }, { preview: true });
        expect(children["kata-worker-1-runtime"]!.inputs.create).to.contain("--version=");
        expect(await resolved(component.nodeStatuses)).to.equal(undefined);
        expect(await resolved(component.runtimeClassName)).to.equal("kata-qemu");
    });

    it("warns once of all nodes whose host key is not checked", async () => {
        const connection = { password: "p" };
        const { warnings } = await deploy({
            nodes: { a: { connection: { host: "a", ...connection } }, b: { connection: { host: "b", ...connection } } },
        });
        expect(warnings).to.have.length(1);
        expect(warnings[0]).to.contain("any host key is accepted for a, b");
        expect((await deploy({ nodes: oneNode })).warnings).to.deep.equal([]);
    });
});

describe("what is wrong", () => {
    const thrown = (args: unknown): pulumi.InputPropertiesError => {
        try {
            new KataContainers("kata", args as never);
        } catch (error) {
            return error as pulumi.InputPropertiesError;
        }
        throw new Error("nothing was thrown");
    };

    it("is said all at once, in one InputPropertiesError", () => {
        const error = thrown({
            nodes: { a: { connection: { host: "", password: "p" } } },
            version: "new",
            rollout: { maxUnavailable: 0 },
        });
        expect(pulumi.InputPropertiesError.isInstance(error)).to.equal(true);
        expect(error.message).to.equal('KataContainers "kata" has 3 arguments that are wrong:');
        expect(error.errors.map(({ propertyPath }) => propertyPath.trim())).to.have.members([
            'nodes["a"].connection.host',
            "version",
            "rollout.maxUnavailable",
        ]);
        expect(inspect(error)).to.contain(
            '  - version: must be a Kata release such as "3.32.0", 2.0.0 or later; it is "new"',
        );
        expect(inspect(error).split("\n")).to.have.length(4);
    });

    it("is said before anything is registered", async () => {
        const registered: string[] = [];
        await pulumi.runtime.setMocks({
            newResource: ({ name }) => {
                registered.push(name);
                return { id: name, state: {} };
            },
            call: () => ({}),
        });
        thrown({});
        expect(registered).to.deep.equal([]);
    });

    it("never shows a credential, and keeps the engine from showing it", () => {
        const hidden = "hunter-2";
        const error = thrown({
            nodes: {
                a: {
                    connection: {
                        host: `${hidden}@a`,
                        privateKey: hidden,
                        password: [hidden],
                        hostKey: hidden,
                        user: `${hidden} x`,
                        agentSocketPath: `${hidden}\n`,
                    },
                },
                b: hidden,
            },
            release: { url: `https://user:${hidden}@mirror/{archive}` },
        });
        expect(error.errors).to.have.length(8);
        expect(JSON.stringify(error.errors) + error.message + error.stack + inspect(error)).not.to.contain(hidden);
        for (const { propertyPath } of error.errors) {
            expect(propertyPath).to.match(/ $/);
        }
    });

    it("is said when it is known, where it was not before, and not shown: it may be secret", async () => {
        const later = { version: pulumi.secret("hunter-2"), qemu: { overhead: { cpu: pulumi.output("hunter-3") } } };
        const error = await rejection(deploy({ nodes: oneNode, ...later }));
        expect(error.message).to.contain('KataContainers "kata" has 2 arguments that are wrong:\n  - version: must be');
        expect(error.message).to.contain("  - qemu.overhead.cpu: must be a Kubernetes quantity");
        expect(error.message).not.to.contain("hunter");
        expect(pulumi.RunError.isInstance(error)).to.equal(true);
    });

    it("is said of a connection when it is known", async () => {
        const connection = { host: pulumi.output("no host"), privateKey: pulumi.secret("/root/.ssh/id"), hostKey };
        const error = await rejection(deploy({ nodes: { a: { connection } } }));
        expect(error.message).to.contain('- nodes["a"].connection.host: must be a host name');
        expect(error.message).to.contain('- nodes["a"].connection.privateKey: must be the private key itself');
        expect(error.message).not.to.contain("/root");
    });
});

/** The first error that comes of it. Pulumi leaves those of a resource's inputs to the process. */
async function rejection(deployment: Promise<unknown>): Promise<Error> {
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    try {
        return await new Promise<Error>((resolve, reject) => {
            process.on("unhandledRejection", (error) => resolve(error as Error));
            deployment.then(() => setTimeout(() => reject(new Error("nothing was rejected")), 500), resolve);
        });
    } finally {
        process.removeAllListeners("unhandledRejection");
        for (const listener of listeners) {
            process.on("unhandledRejection", listener);
        }
    }
}
