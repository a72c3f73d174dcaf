import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { KataContainers } from "../../src";
import { connectionDefaults } from "../../src/args";
import { nodeLabels } from "../../src/cluster/kubernetes";
import { defaultVersion } from "../../src/kata/releases";
import { readProgram } from "../../src/node/program";
import { hostKey, oneNode, privateKey, threeNodes } from "../support/arguments";
import {
    type Deployment,
    dependencies,
    deploy,
    rejection,
    resolved,
    secretValue,
    sources,
    status,
    unknown,
} from "../support/mocks";

const command = "command:remote:Command";

describe("KataContainers", () => {
    it("creates a stage command, an activate command and a label for each node, and one RuntimeClass", async () => {
        const { children } = await deploy({ nodes: threeNodes });
        const types = Object.entries(children).map(([name, { type }]) => `${name} ${type}`);
        const nodes = Object.keys(threeNodes).flatMap((node) => [
            `kata-${node}-stage ${command}`,
            `kata-${node}-activate ${command}`,
            `kata-${node}-label kubernetes:core/v1:NodePatch`,
        ]);
        expect(types).to.have.members([
            ...nodes,
            "kata-owner pulumi:index:Stash",
            "kata-kata-qemu kubernetes:node.k8s.io/v1:RuntimeClass",
            ...[1, 2, 3].map((wave) => `kata-wave-${wave} pulumi:index:Stash`),
        ]);
    });

    it("the component is the parent of every child resource", async () => {
        const { children, component } = await deploy({ nodes: oneNode });
        for (const [name, { opts }] of Object.entries(children)) {
            expect(opts.parent, name).to.equal(component);
        }
    });

    it("creates the RuntimeClass first, then activates one node after the other", async () => {
        const { children } = await deploy({ nodes: threeNodes });
        const order = async (name: string) => (await dependencies(children[name]!)).sort();
        expect(children["kata-worker-3-stage"]!.opts.dependsOn).to.equal(undefined);
        expect(children["kata-kata-qemu"]!.opts.dependsOn).to.equal(undefined);
        expect(await order("kata-worker-1-activate")).to.deep.equal(["kata-kata-qemu", "kata-worker-1-stage"]);
        expect(await order("kata-wave-1")).to.deep.equal(["kata-worker-1-activate", "kata-worker-1-label"]);
        expect(await order("kata-worker-2-activate")).to.deep.equal(["kata-wave-1", "kata-worker-2-stage"]);
        expect(await order("kata-wave-2")).to.deep.equal(["kata-worker-2-activate", "kata-worker-2-label"]);
        expect(await order("kata-worker-3-activate")).to.deep.equal(["kata-wave-2", "kata-worker-3-stage"]);
        expect(await order("kata-worker-2-label")).to.deep.equal(["kata-worker-2-activate"]);
    });

    it("activates as many nodes at once as rollout.maxUnavailable allows", async () => {
        const { children } = await deploy({ nodes: threeNodes, rollout: { maxUnavailable: 2 } });
        expect(await dependencies(children["kata-worker-2-activate"]!)).to.have.members([
            "kata-worker-2-stage",
            "kata-kata-qemu",
        ]);
        expect(await dependencies(children["kata-worker-3-activate"]!)).to.have.members([
            "kata-worker-3-stage",
            "kata-wave-1",
        ]);
        expect(await dependencies(children["kata-wave-1"]!)).to.include.members([
            "kata-worker-1-activate",
            "kata-worker-2-activate",
        ]);
    });

    it("registers every child before the constructor returns, so that dependsOn waits for all of them", async () => {
        const { created, children } = await deploy({ nodes: threeNodes, rollout: { maxUnavailable: 2 } });
        expect(created).to.have.members(Object.keys(children));
        expect(created).to.include.members(["kata-kata-qemu", "kata-worker-3-label", "kata-wave-2"]);
    });

    it("puts one barrier between two waves, so that the number of dependencies is linear in the number of nodes", async () => {
        const nodes = Object.fromEntries(
            Array.from({ length: 200 }, (_, i) => {
                return [`worker-${i}`, { connection: { host: `192.0.2.${i}`, privateKey, hostKey } }];
            }),
        );
        const { component, children } = await deploy({ nodes, rollout: { maxUnavailable: 0.25 } });
        const isBarrier = (name: string) => name.startsWith("kata-wave-");
        for (const [name, { edges }] of Object.entries(children)) {
            expect(edges.length, name).to.be.at.most(isBarrier(name) ? 100 : 5);
        }
        expect(Object.keys(children).filter(isBarrier)).to.have.length(4);
        const edges = Object.values(children).flatMap(({ edges }) => edges);
        expect(edges.length).to.be.at.most(5 * Object.keys(children).length);
        expect(await sources(component.runtimeClassNames)).to.deep.equal(["kata-wave-4"]);
    });

    it("downloads on as many nodes at once as rollout.maxParallelDownloads allows, in the order of the waves", async () => {
        const nodes = Object.fromEntries(
            [..."abcde"].map((node, i) => [node, { connection: { host: `192.0.2.${i}`, privateKey, hostKey } }]),
        );
        const stages = async (rollout: object) => {
            const { children } = await deploy({ nodes, rollout: { canary: "d", maxUnavailable: 2, ...rollout } });
            const edges = [..."dabce"].map((node) => children[`kata-${node}-stage`]!.edges);
            return edges.map((names) => names.filter((name) => name.endsWith("-stage")).join());
        };
        expect(await stages({})).to.deep.equal(["", "", "", "", ""]);
        expect(await stages({ maxParallelDownloads: 5 })).to.deep.equal(["", "", "", "", ""]);
        const two = ["", "", "kata-d-stage", "kata-a-stage", "kata-b-stage"];
        expect(await stages({ maxParallelDownloads: 2 })).to.deep.equal(two);
        const one = ["", "kata-d-stage", "kata-a-stage", "kata-b-stage", "kata-c-stage"];
        expect(await stages({ maxParallelDownloads: 1 })).to.deep.equal(one);
    });

    it("sets only those properties of the commands that are safe with the command provider", async () => {
        const { children } = await deploy({ nodes: oneNode });
        const { inputs: stage, opts } = children["kata-worker-1-stage"]!;
        const { inputs: activate } = children["kata-worker-1-activate"]!;
        expect(stage).to.have.all.keys("addPreviousOutputInEnv", "connection", "create", "delete", "stdin");
        expect(activate).to.have.all.keys("addPreviousOutputInEnv", "connection", "create", "delete", "stdin");
        expect(activate.stdin).to.equal("");
        expect(stage.addPreviousOutputInEnv).to.equal(false);
        expect(stage.stdin).to.equal("");
        expect(stage.create).to.contain(`--program=${readProgram().id} `);
        expect(opts).to.deep.include({ deleteBeforeReplace: true, hideDiffs: ["stdin"] });
        expect(stage.create)
            .to.match(/^sh -c '/)
            .and.contain("--owner=acme/shop/prod/kata");
        expect(stage.create)
            .to.match(/stage \\$/m)
            .and.contain(`--release=${defaultVersion}`);
        expect(stage.delete).to.match(/unstage \\\n--owner=acme\/shop\/prod\/kata \\\n--node=worker-1$/);
        expect(activate.create)
            .to.match(/activate \\$/m)
            .and.contain(`--program=${readProgram().id}`);
        expect(activate.delete).to.match(/deactivate \\\n--owner=acme\/shop\/prod\/kata \\\n--node=worker-1$/);
    });

    it("keeps the node program in the state only of nodes whose SSH agent may have certificates", async () => {
        const [key, word, agent] = [{ privateKey }, { password: "p" }, { agentSocketPath: "/run/agent" }];
        let number = 0;
        const to = (login: object, proxy?: object) => ({
            connection: {
                host: `192.0.2.${++number}`,
                hostKey,
                ...login,
                proxy: proxy && { host: "bastion", ...proxy },
            },
        });
        const sent = { a: to(key), b: to(word), c: to({ ...key, ...agent }), d: to(key, word) };
        const { children } = await deploy({ nodes: { ...sent, e: to(agent), f: to(key, agent), g: to(agent, key) } });
        for (const node of "abcdefg") {
            const wanted = node in sent ? "" : `\n\n${readProgram().packed.toString("base64")}`;
            expect(children[`kata-${node}-stage`]!.inputs.stdin, node).to.equal(wanted);
        }
    });

    it("applies the defaults of a connection to a node and to its bastion", async () => {
        const proxy = { host: "bastion", password: "p" };
        const { children } = await deploy({
            nodes: { a: { connection: { host: "a", password: "p", dialErrorLimit: 3, hostKey, proxy } }, ...oneNode },
        });
        const connection = (node: string) => secretValue(children[`kata-${node}-activate`]!.inputs.connection);
        expect(connection("worker-1")).to.include({ ...connectionDefaults, hostKey });
        expect(connectionDefaults).to.deep.equal({ port: 22, user: "root", dialErrorLimit: 20, perDialTimeout: 15 });
        expect(connection("a").dialErrorLimit).to.equal(3);
        expect(connection("a").proxy).to.deep.include({ host: "bastion", ...connectionDefaults });
    });

    it("the component keeps connections secret, and its own inputs free of credentials", async () => {
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

    it("labels the node by its name in Kubernetes, even if others manage its labels", async () => {
        const { children } = await deploy({ nodes: oneNode });
        expect(children["kata-worker-1-label"]!.inputs.metadata).to.deep.equal({
            name: "worker-1",
            labels: { "katacontainers.io/kata-runtime": "true", "handler.kata-containers/kata-qemu": "true" },
            annotations: { "pulumi.com/patchForce": "true" },
        });
    });

    it("labels the node with every handler that it has, and in a preview that does not know them with the requested one", async () => {
        const stdout = JSON.stringify({ ...status, kataVersions: { new: "4.1.0", "kata-qemu": "4.1.0" } });
        const args = { nodes: oneNode, runtimeClasses: { "kata-qemu": { handler: "new" } } };
        const labels = ({ children }: Deployment) => children["kata-worker-1-label"]!.inputs.metadata.labels;
        expect(labels(await deploy(args, { stdout }))).to.deep.equal(nodeLabels(["new", "kata-qemu"]));
        expect(labels(await deploy(args, { preview: true }))).to.deep.equal(nodeLabels(["new"]));
        const runtimeClasses = { "kata-qemu": { handler: unknown() } };
        const { children } = await deploy({ nodes: oneNode, runtimeClasses }, { preview: true });
        expect(pulumi.isUnknown(children["kata-worker-1-label"]!.inputs.metadata.labels)).to.equal(true);
        expect(pulumi.isUnknown(children["kata-kata-qemu"]!.inputs.scheduling.nodeSelector)).to.equal(true);
    });

    it("creates a RuntimeClass for the labelled nodes, with the overhead of the release", async () => {
        const { children } = await deploy({ nodes: oneNode });
        const { inputs, opts } = children["kata-kata-qemu"]!;
        expect(inputs).to.deep.include({
            metadata: { name: "kata-qemu", annotations: { "kata-containers/owner": "acme/shop/prod/kata" } },
            handler: "kata-qemu",
            overhead: { podFixed: { cpu: "250m", memory: "320Mi" } },
            scheduling: { nodeSelector: nodeLabels(["kata-qemu"]) },
        });
        expect(opts).to.deep.include({ replaceOnChanges: ["handler"], deleteBeforeReplace: true });
    });

    it("creates the RuntimeClass with the requested properties", async () => {
        const tolerations = [{ key: "vm", operator: "Exists", effect: "NoSchedule" }];
        const runtimeClass = {
            shim: "qemu",
            overhead: { enabled: false },
            handler: "kata-vm",
            labels: { a: "b" },
            annotations: { c: "d" },
            tolerations,
        };
        const { children } = await deploy({ nodes: oneNode, runtimeClasses: { vm: runtimeClass } });
        const { inputs } = children["kata-vm"]!;
        expect(inputs).to.deep.include({
            metadata: {
                name: "vm",
                labels: { a: "b" },
                annotations: { c: "d", "kata-containers/owner": "acme/shop/prod/kata" },
            },
            handler: "kata-vm",
            scheduling: { nodeSelector: nodeLabels(["kata-vm"]), tolerations },
        });
        expect(inputs).not.to.have.property("overhead");
        expect(children["kata-worker-1-activate"]!.inputs.create).to.contain("--class=kata-vm");
    });

    it("merges nodeSelector with the labels of Kata nodes, which cannot be changed", async () => {
        const labels = nodeLabels(["kata-qemu"]);
        const nodeSelector = { "example.com/pool": "vm", [Object.keys(labels)[0]!]: "false" };
        const { children } = await deploy({ nodes: oneNode, runtimeClasses: { "kata-qemu": { nodeSelector } } });
        expect(children["kata-kata-qemu"]!.inputs.scheduling).to.deep.equal({
            nodeSelector: { "example.com/pool": "vm", ...labels },
        });
    });

    it("uses the name of the RuntimeClass as handler by default", async () => {
        const runtimeClasses = { "kata-qemu-runtime-rs": null };
        const { children, component } = await deploy({ nodes: oneNode, runtimeClasses });
        expect(children["kata-kata-qemu-runtime-rs"]!.inputs.handler).to.equal("kata-qemu-runtime-rs");
        expect(children["kata-worker-1-activate"]!.inputs.create).to.contain("--class=kata-qemu-runtime-rs");
        expect(await resolved(component.runtimeClassNames)).to.deep.equal({
            "kata-qemu-runtime-rs": "kata-qemu-runtime-rs",
        });
    });

    it("creates a RuntimeClass for each entry, all before any node is activated, with one owner", async () => {
        const runtimeClasses = {
            "kata-qemu": {},
            next: { shim: "qemu-runtime-rs", version: "4.1.0", overhead: { enabled: false } },
            mine: { shim: "qemu", adopt: true },
        };
        const { children, component } = await deploy(
            { nodes: oneNode, version: "3.32.0", runtimeClasses },
            { handler: "mine" },
        );
        const inputs = (name: string) => children[`kata-${name}`]!.inputs;
        expect(inputs("kata-qemu").overhead).to.deep.equal({ podFixed: { cpu: "10m", memory: "290Mi" } });
        expect(inputs("next")).to.not.have.property("overhead");
        for (const name of Object.keys(runtimeClasses)) {
            expect(inputs(name).metadata.annotations["kata-containers/owner"]).to.equal("acme/shop/prod/kata");
            expect(inputs(name).scheduling.nodeSelector).to.have.property(`handler.kata-containers/${name}`);
            expect(children["kata-worker-1-activate"]!.edges).to.include(`kata-${name}`);
        }
        expect(await resolved(component.runtimeClassNames)).to.deep.equal({
            ...{ "kata-qemu": "kata-qemu", next: "next", mine: "mine" },
        });
        const words = children["kata-worker-1-activate"]!.inputs.create.match(/^--(class|version)=\S+/gm);
        expect(words).to.deep.equal([
            ...["--class=kata-qemu", "--version=3.32.0", "--class=mine", "--version=3.32.0"],
            ...["--class=next", "--version=4.1.0"],
        ]);
    });

    it("labels a node in a preview with the handlers of all classes", async () => {
        const runtimeClasses = { "kata-qemu": {}, next: { shim: "qemu" } };
        const { children } = await deploy({ nodes: oneNode, runtimeClasses }, { preview: true });
        expect(Object.keys(children["kata-worker-1-label"]!.inputs.metadata.labels)).to.have.members([
            ...["katacontainers.io/kata-runtime", "handler.kata-containers/kata-qemu", "handler.kata-containers/next"],
        ]);
    });

    it("adopts a RuntimeClass with a patch that does not own the handler", async () => {
        const type = "kubernetes:node.k8s.io/v1:RuntimeClass";
        const runtimeClasses = { "kata-qemu": { adopt: true } };
        const created = (await deploy({ nodes: oneNode })).children["kata-kata-qemu"]!;
        const adopted = (await deploy({ nodes: oneNode, runtimeClasses })).children["kata-kata-qemu"]!;
        expect(adopted.opts.aliases).to.deep.include({ type });
        expect(adopted.type).to.equal(`${type}Patch`);
        expect(adopted.inputs.metadata.annotations["pulumi.com/patchForce"]).to.equal("true");
        expect(adopted.inputs).to.not.have.property("handler");
        expect(adopted.inputs.overhead).to.deep.equal(created.inputs.overhead);
    });

    it("rejects the adoption of a RuntimeClass with another handler", async () => {
        const { message } = await rejection(
            deploy({ nodes: oneNode, runtimeClasses: { "kata-qemu": { adopt: true } } }, { handler: "other" }),
        );
        expect(message).to.contain(
            'KataContainers "kata" has an invalid argument:\n  - runtimeClasses["kata-qemu"].handler: ' +
                'must be "other", the handler of the existing RuntimeClass that is adopted',
        );
    });

    it("the component keeps its first name in the state as the owner", async () => {
        const { opts, inputs } = (await deploy({ nodes: oneNode })).children["kata-owner"]!;
        expect(inputs).to.deep.equal({ input: "acme/shop/prod/kata" });
        expect(opts.ignoreChanges).to.deep.equal(["input"]);
    });

    it("tells a node its distribution if it is given", async () => {
        const { children } = await deploy({
            nodes: { ...threeNodes, "worker-2": { ...threeNodes["worker-2"], distribution: "k3s" } },
        });
        for (const [name, { inputs }] of Object.entries(children)) {
            if (!/-(stage|activate)$/.test(name)) continue;
            expect(inputs.create.includes("--distribution=k3s"), name).to.equal(name.includes("worker-2"));
        }
    });

    it("never connects to a node that is gone", async () => {
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

    it("kills sandboxes on removal with forceRemoval", async () => {
        const { children } = await deploy({ nodes: oneNode, forceRemoval: true });
        expect(children["kata-worker-1-activate"]!.inputs.delete).to.match(/\n--force=true$/);
        expect(children["kata-worker-1-activate"]!.inputs.create).to.not.contain("--force");
    });

    it("passes rollout.verify to activate, also if it becomes known later", async () => {
        const created = async (verify?: unknown, preview = false) => {
            const { children } = await deploy({ nodes: oneNode, rollout: { verify } }, { preview });
            return children["kata-worker-1-activate"]!.inputs.create;
        };
        expect(await created()).to.match(/\n--verify=true \\\n/);
        expect(await created(pulumi.output(false))).to.match(/\n--verify=false \\\n/);
        expect(pulumi.isUnknown(await created(unknown(), true))).to.equal(true);
    });

    it("outputs the names of the RuntimeClasses and the status of each node", async () => {
        const { component } = await deploy({ nodes: threeNodes });
        expect(await resolved(component.runtimeClassNames)).to.deep.equal({ "kata-qemu": "kata-qemu" });
        expect(await resolved(component.nodeStatuses)).to.deep.equal({
            "worker-1": status,
            "worker-2": status,
            "worker-3": status,
        });
    });

    it("reports the node whose activate command does not end with its status", async () => {
        const { message } = await rejection(deploy({ nodes: oneNode }, { stdout: "all is fine" }));
        expect(message).to.contain(
            "node worker-1: the output of its -activate resource must end with its status in JSON, but ends with: all is fine; remove what prints it, such as a logout file of the login shell, then replace that resource: pulumi up --replace URN (pulumi stack --show-urns lists the URNs)",
        );
    });

    it("previews arguments that are not known yet", async () => {
        const connection = { host: unknown(), privateKey: pulumi.secret(privateKey), hostKey };
        const { component, children } = await deploy(
            {
                nodes: { a: { connection } },
                version: unknown(),
                runtimeClasses: { "kata-qemu": { labels: { a: unknown() } } },
            },
            { preview: true },
        );
        expect(Object.keys(children)).to.have.length(6);
        expect(pulumi.isUnknown(children["kata-a-stage"]!.inputs.create)).to.equal(true);
        expect(children["kata-a-stage"]!.inputs.delete).to.contain("unstage");
        expect(await resolved(component.nodeStatuses)).to.equal(undefined);
    });

    it("does not preview the RuntimeClass as replaced while another argument is not known yet", async () => {
        const { children } = await deploy({ nodes: oneNode, version: unknown() }, { preview: true });
        expect(children["kata-kata-qemu"]!.inputs.handler).to.equal("kata-qemu");
    });

    it("mirror: never shows the query of release.url in plain text, and shows the commands without it", async () => {
        const url = "https://bucket.example.com/{archive}?X-Amz-Signature=0123";
        for (const given of [url, pulumi.output(url), pulumi.secret(url)]) {
            const { inputs, children } = await deploy({ nodes: oneNode, version: "3.32.0", release: { url: given } });
            const stage = children["kata-worker-1-stage"]!.inputs;
            expect(secretValue(inputs.release).url).to.equal(url);
            expect(secretValue(stage.stdin)).to.equal(
                "amd64-1=?X-Amz-Signature=0123 arm64-1=?X-Amz-Signature=0123\n\n",
            );
            expect(secretValue(stage.create) ?? stage.create).to.contain(
                "--url-amd64=https://bucket.example.com/kata-static",
            );
            expect(children["kata-worker-1-activate"]!.inputs.create).to.be.a("string");
            const clear = JSON.stringify([inputs, children["kata-worker-1-stage"]!.inputs], (_, value) =>
                secretValue(value) === undefined ? value : "[secret]",
            );
            expect(clear).to.not.contain("0123");
        }
    });

    it("proxy and sudo: never shows the password of release.proxy in plain text, and shows the commands", async () => {
        const proxy = "http://kata:hunter-2@proxy:3128";
        for (const given of [proxy, pulumi.output(proxy), pulumi.secret(proxy)]) {
            const { inputs, children } = await deploy({ nodes: oneNode, release: { proxy: given } });
            const stage = children["kata-worker-1-stage"]!.inputs;
            expect(secretValue(inputs.release).proxy).to.equal(proxy);
            expect(secretValue(stage.stdin)).to.contain(`\n${proxy}\n`);
            expect(stage.create).to.be.a("string").and.not.contain("hunter-2");
            expect(children["kata-worker-1-activate"]!.inputs.create).to.be.a("string");
            const clear = JSON.stringify([inputs, stage], (_, value) =>
                secretValue(value) === undefined ? value : "",
            );
            expect(clear).to.not.contain("hunter-2");
        }
        const { inputs } = await deploy({ nodes: oneNode, release: { proxy: "http://proxy:3128" } });
        expect(inputs.release.proxy).to.equal("http://proxy:3128");
    });

    it("keeps a secret label of the RuntimeClass secret, and nothing else", async () => {
        const labels = { team: pulumi.secret("hunter-2") };
        const { children } = await deploy({ nodes: oneNode, runtimeClasses: { "kata-qemu": { labels } } });
        expect(secretValue(children["kata-kata-qemu"]!.inputs.metadata).labels.team).to.equal("hunter-2");
        expect(children["kata-kata-qemu"]!.inputs.handler).to.equal("kata-qemu");
        for (const step of ["stage", "activate"]) {
            expect(children[`kata-worker-1-${step}`]!.inputs.create).to.be.a("string");
        }
    });

    it("rejects a secret that previews and the node would show", async () => {
        const settings = { "hypervisor.qemu.default_memory": pulumi.secret(1024) };
        const args = { debug: pulumi.secret(true), runtimeClasses: { "kata-qemu": { settings } } };
        const { message } = await rejection(deploy({ nodes: oneNode, ...args }));
        expect(message).to.contain("- debug: cannot be a secret, because previews and files on the nodes show it");
        expect(message).to.contain(
            '- runtimeClasses["kata-qemu"].settings["hypervisor.qemu.default_memory"]: cannot be a secret',
        );
        expect(message).not.to.contain("1024");
    });

    it("previews the commands and the names of the RuntimeClasses, but no status", async () => {
        const { component, children } = await deploy({ nodes: oneNode }, { preview: true });
        expect(children["kata-worker-1-activate"]!.inputs.create).to.contain("--version=");
        expect(await resolved(component.nodeStatuses)).to.equal(undefined);
        expect(await resolved(component.runtimeClassNames)).to.deep.equal({ "kata-qemu": "kata-qemu" });
    });

    it("warns once about all nodes without a host key", async () => {
        const connection = { password: "p" };
        const { warnings } = await deploy({
            nodes: { a: { connection: { host: "a", ...connection } }, b: { connection: { host: "b", ...connection } } },
        });
        expect(warnings).to.have.length(1);
        expect(warnings[0]).to.contain("Pulumi accepts any host key for a, b");
        expect((await deploy({ nodes: oneNode })).warnings).to.deep.equal([]);
    });
});

describe("KataContainers with rollout.drain", () => {
    const kubelet = { cgroupDriver: "systemd" };

    it("drains each node before it is activated, with the local kubectl, and uncordons it afterwards", async () => {
        const drain = { kubeconfig: "apiVersion: v1", timeout: 60 };
        const { children, inputs } = await deploy({ nodes: threeNodes, kubelet, rollout: { drain } });
        const { type, inputs: drained } = children["kata-worker-2-drain"]!;
        expect(type).to.equal("command:local:Command");
        expect(secretValue(drained.stdin)).to.equal("apiVersion: v1");
        expect(drained.create).to.match(/ kata-containers drain worker-2 systemd 60 [0-9a-f]{12}$/);
        expect(drained.delete).to.match(/ kata-containers uncordon worker-2 '' 60 [0-9a-f]{12}$/);
        const uncordoned = children["kata-worker-2-uncordon"]!.inputs;
        expect(uncordoned.create).to.match(/ kata-containers uncordon worker-2 systemd 60 [0-9a-f]{12}$/);
        expect(uncordoned.delete).to.match(/ kata-containers drain worker-2 '' 60 [0-9a-f]{12}$/);
        const order = (name: string) => dependencies(children[`kata-worker-2-${name}`]!);
        expect(await order("drain")).to.have.members(["kata-worker-2-stage", "kata-wave-1"]);
        expect(await dependencies(children["kata-wave-1"]!)).to.have.members(["kata-worker-1-uncordon"]);
        expect(await order("activate")).to.deep.equal(["kata-worker-2-drain"]);
        expect(await order("uncordon")).to.have.members(
            ["drain", "activate", "label"].map((resource) => `kata-worker-2-${resource}`),
        );
        expect(children["kata-worker-2-activate"]!.inputs.create).to.contain("--change-under-running-pods=true");
        expect(inputs.rollout.drain).to.deep.equal({ timeout: 60 });
    });

    it("notes the requested cgroup driver on the node, so that the commands know whether it will be restored", async () => {
        const annotations = async (args: object) =>
            (await deploy({ nodes: oneNode, ...args })).children["kata-worker-1-label"]!.inputs.metadata.annotations;
        const rollout = { drain: { kubeconfig: "x" } };
        const noted = Object.entries(await annotations({ kubelet, rollout }));
        const none = await annotations({});
        const note = noted.filter(([key]) => !(key in none));
        expect(note).to.have.length(1);
        expect(note[0]!.join()).to.match(/^kata-containers\/cgroup-driver-[0-9a-f]{12},systemd$/);
        expect(await annotations({ kubelet })).to.deep.equal(none);
        expect(await annotations({ rollout })).to.deep.equal(none);
    });

    it("drains with the kubectl of a control-plane node", async () => {
        const controlPlane = { host: "192.0.2.1", password: "hunter-2", hostKey };
        const { children, inputs } = await deploy({
            nodes: oneNode,
            kubelet,
            rollout: { drain: { controlPlane } },
        });
        const { type, inputs: drained } = children["kata-worker-1-drain"]!;
        expect(type).to.equal(command);
        expect(secretValue(drained.connection)).to.include({ host: "192.0.2.1", password: "hunter-2" });
        expect(drained.create).to.match(/^sh -c '[\s\S]*sudo[\s\S]* drain worker-1 systemd 600 [0-9a-f]{12}$/);
        expect(drained.delete).to.match(/^sh -c '[\s\S]*sudo[\s\S]* uncordon worker-1 '' 600 [0-9a-f]{12}$/);
        expect(inputs.rollout.drain.controlPlane).to.deep.equal({ host: "192.0.2.1", hostKey });
    });
});

describe("KataContainers with invalid arguments", () => {
    const thrown = (args: unknown): pulumi.InputPropertiesError => {
        try {
            new KataContainers("kata", args as never);
        } catch (error) {
            return error as pulumi.InputPropertiesError;
        }
        throw new Error("the constructor did not throw");
    };

    it("reports all invalid arguments in one InputPropertiesError", () => {
        const error = thrown({
            nodes: { a: { connection: { host: "", password: "p" } } },
            version: "new",
            rollout: { maxUnavailable: 0 },
        });
        expect(pulumi.InputPropertiesError.isInstance(error)).to.equal(true);
        expect(error.message).to.equal('KataContainers "kata" has 3 invalid arguments:');
        expect(error.errors.map(({ propertyPath }) => propertyPath.trim())).to.have.members([
            'nodes["a"].connection.host',
            "version",
            "rollout.maxUnavailable",
        ]);
        expect(inspect(error)).to.contain(
            '  - version: must be a Kata release such as "4.1.0", 2.0.0 or later; it is "new"',
        );
        expect(inspect(error).split("\n")).to.have.length(4);
    });

    it("rejects invalid arguments before any resource is registered", async () => {
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

    it("an error never shows a credential, and prevents the engine from showing it", () => {
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

    it("an error about an argument shows the value, unless it is secret", () => {
        const error = thrown({
            nodes: { a: { connection: { host: "a", password: "p", port: "hunter-2" }, gone: "yes" } },
            kubelet: { cgroupDriver: "systemd" },
            rollout: { drain: { kubeconfig: ["hunter-2"], timeout: -1 } },
        });
        expect(inspect(error).split("\n").sort()).to.deep.equal([
            '  - nodes["a"].connection.port: must be a whole number from 1 to 65535',
            '  - nodes["a"].gone: must be true or false; it is "yes"',
            "  - rollout.drain.kubeconfig: must be text, and not empty",
            "  - rollout.drain.timeout: must be a whole number from 1 to 86400; it is -1",
            'KataContainers "kata" has 4 invalid arguments:',
        ]);
    });

    it("rejects an invalid value when it becomes known, without showing it, because it may be secret", async () => {
        const overhead = { cpu: pulumi.output("hunter-3") };
        const later = { version: pulumi.output("hunter-2"), runtimeClasses: { "kata-qemu": { overhead } } };
        const rollout = { verify: pulumi.output("hunter-4") };
        const error = await rejection(deploy({ nodes: oneNode, ...later, rollout }));
        expect(error.message).to.contain('KataContainers "kata" has 3 invalid arguments:\n  - version: must be');
        expect(error.message).to.contain("  - rollout.verify: must be true or false");
        expect(error.message).to.contain('  - runtimeClasses["kata-qemu"].overhead.cpu: must be a Kubernetes quantity');
        expect(error.message).not.to.contain("hunter");
        expect(pulumi.RunError.isInstance(error)).to.equal(true);
    });

    it("rejects an invalid connection when it becomes known", async () => {
        const connection = { host: pulumi.output("no host"), privateKey: pulumi.secret("/root/.ssh/id"), hostKey };
        const error = await rejection(deploy({ nodes: { a: { connection } } }));
        expect(error.message).to.contain('- nodes["a"].connection.host: must be a host name');
        expect(error.message).to.contain('- nodes["a"].connection.privateKey: must be the private key itself');
        expect(error.message).not.to.contain("/root");
    });
});
