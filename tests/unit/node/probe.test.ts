import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import type { ConnectionArgs } from "../../../src";
import { connectionDefaults } from "../../../src/args";
import { nodeLabels } from "../../../src/cluster/kubernetes";
import { probeNodes } from "../../../src/node/probe";
import { programOf } from "../../../src/node/program";
import { type Deployment, deploy, rejection, unknown } from "../../support/mocks";
import { type Answer, SshServer } from "../../support/sshServer";

const answer = (more: object = {}): Answer => ({
    stdout: JSON.stringify({
        stage: { revision: "", drift: [] },
        activate: { revision: "", drift: [] },
        oldSandboxes: [],
        handlers: [],
        ...more,
    }),
});

describe("a probe", function () {
    this.timeout(60_000);
    const servers: (SshServer | Server)[] = [];
    const start = async (given?: Answer) => {
        const server = await SshServer.start(given);
        servers.push(server);
        return server;
    };
    afterEach(() => {
        for (const server of servers.splice(0)) server instanceof SshServer ? server.stop() : server.close();
    });
    /** Deploys a component with these nodes. */
    const deployNodes = async (
        connections: { [node: string]: ConnectionArgs },
        more: object = {},
        preview = true,
        registered: string[] = [],
    ) => {
        const nodes = Object.fromEntries(
            Object.entries(connections).map(([node, connection]) => [node, { connection }]),
        );
        return deploy({ nodes, drift: undefined, ...more }, { preview, registered });
    };
    /** The revisions of a node's commands. They are ignored properties: Pulumi keeps the values of the last update. */
    const revisions = ({ children }: Deployment, node: string) => {
        const { inputs: stage, opts: stageOptions } = children[`kata-${node}-stage`]!;
        const { inputs: activate, opts: activateOptions } = children[`kata-${node}-activate`]!;
        expect(`${stage.create}${activate.create}${activate.delete}`).to.not.contain("--revision");
        expect([undefined, "delete"]).to.include(stageOptions.ignoreChanges?.[0]);
        expect([undefined, "stdin"]).to.include(activateOptions.ignoreChanges?.[0]);
        return {
            stage: stageOptions.ignoreChanges ? "ignored" : /--revision=(\S+)$/.exec(stage.delete)?.[1],
            activate: activateOptions.ignoreChanges ? "ignored" : activate.stdin,
        };
    };
    const unchanged = { stage: "ignored", activate: "ignored" };
    /** The error of a deployment that must fail, and the children that it registered nevertheless. */
    const failure = async (...args: Parameters<typeof deployNodes>) => {
        const registered: string[] = [];
        const { message } = await rejection(deployNodes(args[0], args[1], args[2], registered));
        return { message, registered };
    };

    it("ignores the revisions of a node that has not drifted", async () => {
        const node = await start(answer());
        const deployment = await deployNodes({ a: node.connection });
        expect(revisions(deployment, "a")).to.deep.equal(unchanged);
        expect(deployment.warnings).to.deep.equal([]);
        expect(node.commands).to.have.length(1);
        expect(node.commands[0])
            .to.match(/^sh -c '/)
            .and.match(/\nprobe \\\n--owner=acme\/shop\/prod\/kata \\\n--node=a \\\n--runtime-class=kata-qemu$/);
    });

    it("reports drift with the reason, and changes the revision of the drifted step", async () => {
        const drift = ["runtime table kata-qemu is missing from config.toml", "cgroupDriver is systemd, was cgroupfs"];
        const node = await start(answer({ activate: { revision: "0123456789ab", drift } }));
        const deployment = await deployNodes({ a: node.connection });
        expect(deployment.warnings.join()).to.contain(`a has drifted: ${drift.join("; ")}`);
        expect(revisions(deployment, "a")).to.deep.equal({ stage: "ignored", activate: "0123456789ab" });
    });

    it("changes both revisions of a node without the current node program", async () => {
        const node = await start({ stdout: "0123456789ab\n" });
        const deployment = await deployNodes({ a: node.connection });
        expect(revisions(deployment, "a")).to.deep.equal({ stage: "0123456789ab", activate: "0123456789ab" });
        expect(deployment.warnings).to.deep.equal([]);
    });

    it("updates the label and the RuntimeClass only if they have drifted", async () => {
        const metadata = (labels: object) => ({ kind: "PartialObjectMetadata", metadata: { labels } });
        const [unchanged, changed] = [
            await start(answer({ node: metadata({ "katacontainers.io/kata-runtime": "true" }) })),
            await start(answer({ node: metadata({}), runtimeClasses: { "kata-qemu": { kind: "Status", code: 404 } } })),
        ];
        const { children, warnings } = await deployNodes({ a: unchanged.connection, b: changed.connection });
        const repaired = "kata-containers/repaired";
        const annotations = (name: string) => children[name]!.inputs.metadata.annotations;
        expect(annotations("kata-a-label")).to.not.have.property(repaired);
        expect(children["kata-a-label"]!.opts.ignoreChanges).to.include(`metadata.annotations["${repaired}"]`);
        for (const name of ["kata-b-label", "kata-kata-qemu"]) {
            expect(annotations(name)).to.have.property(repaired);
            expect(children[name]!.opts.ignoreChanges).to.equal(undefined);
        }
        expect(children["kata-kata-qemu"]!.opts.replaceOnChanges).to.include(`metadata.annotations["${repaired}"]`);
        expect(warnings.join()).to.contain("b has drifted: label katacontainers.io/kata-runtime is missing");
        expect(warnings.join()).to.contain("RuntimeClass kata-qemu: is missing");
    });

    it("changes the RuntimeClass only if all nodes report the same drift, and otherwise names what each reports", async () => {
        const missing = answer({ runtimeClasses: { "kata-qemu": { kind: "Status", code: 404 } } });
        const [a, b] = [
            await start(missing),
            await start(answer({ runtimeClasses: { "kata-qemu": { kind: "PartialObjectMetadata" } } })),
        ];
        const { children, warnings } = await deployNodes({ a: a.connection, b: b.connection });
        expect(warnings.join()).to.match(
            /RuntimeClass kata-qemu: not repaired, because the nodes report different states \(a: is missing; b: .*is missing.*\)/,
        );
        expect(children["kata-kata-qemu"]!.inputs.metadata.annotations).to.not.have.property(
            "kata-containers/repaired",
        );
    });

    it("probes each node once for all RuntimeClasses, and repairs only the one that has drifted", async () => {
        const missing = { kind: "Status", code: 404 };
        const node = await start(answer({ runtimeClasses: { next: missing } }));
        const runtimeClasses = { "kata-qemu": {}, next: { shim: "qemu-runtime-rs" } };
        const { children, warnings } = await deployNodes({ a: node.connection }, { runtimeClasses });
        expect(node.commands).to.have.length(1);
        expect(node.commands[0]).to.match(/\n--runtime-class=kata-qemu \\\n--runtime-class=next$/);
        expect(warnings.join()).to.contain("RuntimeClass next: is missing").and.not.contain("kata-qemu: is missing");
        const repaired = (name: string) => children[name]!.inputs.metadata.annotations["kata-containers/repaired"];
        expect([repaired("kata-kata-qemu"), typeof repaired("kata-next")]).to.deep.equal([undefined, "string"]);
    });

    it("repairs the label of a handler that is missing", async () => {
        const node = { kind: "PartialObjectMetadata", metadata: { labels: nodeLabels(["kata-qemu"]) } };
        const [a, b] = [
            await start(answer({ node, handlers: ["kata-qemu"] })),
            await start(answer({ node, handlers: ["kata-qemu", "old"] })),
        ];
        const { children, warnings } = await deployNodes({ a: a.connection, b: b.connection });
        const repaired = (name: string) => children[name]!.inputs.metadata.annotations["kata-containers/repaired"];
        expect(warnings.join())
            .to.contain("b has drifted: label handler.kata-containers/old is missing")
            .and.not.contain("a: ");
        expect([repaired("kata-a-label"), typeof repaired("kata-b-label")]).to.deep.equal([undefined, "string"]);
    });

    it("does not connect with drift off, to a node that is gone, or to an address that is not known yet", async () => {
        const node = await start(answer());
        await deployNodes({ a: node.connection }, { drift: "off" });
        await deployNodes({}, { nodes: { a: { connection: node.connection, gone: true } } });
        const deployment = await deployNodes({ a: { ...node.connection, host: unknown() } });
        expect(revisions(deployment, "a")).to.deep.equal(unchanged);
        expect(node.connections).to.equal(0);
    });

    it("ignores nothing but the revisions of an unreachable node, and warns that its drift is unknown", async () => {
        const [down, up] = [await start(), await start(answer({ stage: { revision: "0123456789ab", drift: ["x"] } }))];
        down.stop();
        const deployment = await deployNodes({ a: down.connection, b: up.connection });
        expect(deployment.warnings.join()).to.match(
            /could not probe a, so its drift is not repaired now: unreachable: connect ECONNREFUSED 127\.0\.0\.1:\d+/,
        );
        expect(revisions(deployment, "a")).to.deep.equal(unchanged);
        expect(revisions(deployment, "b")).to.deep.equal({ stage: "0123456789ab", activate: "ignored" });
        for (const name of ["kata-a-stage", "kata-a-activate"]) {
            const { ignoreChanges, retainOnDelete } = deployment.children[name]!.opts;
            expect(ignoreChanges).to.have.length(1);
            expect(retainOnDelete).to.equal(undefined);
        }
    });

    it("reports all unreachable nodes in one error with drift: enforce", async () => {
        const [down, up, other] = [await start(), await start(answer()), await start()];
        down.stop();
        const connections = {
            a: down.connection,
            b: up.connection,
            c: { ...other.connection, password: "hunter-2" },
        };
        const { message, registered } = await failure(connections, { drift: "enforce" });
        expect(message).to.match(
            /^KataContainers "kata" could not probe all nodes; nothing was changed:\n {2}- [ac]: /,
        );
        expect(message).to.contain("- a: connect ECONNREFUSED");
        expect(message).to.contain(
            "- c: 127.0.0.1 does not let root log in (All configured authentication methods failed): check user,",
        );
        expect(message).to.contain("set drift to").and.not.contain("hunter");
        expect(registered).to.have.members(["kata", "kata-owner"]);
    });

    it("rejects a host key that differs from hostKey, with any value of drift", async () => {
        const [node, other] = [await start(answer()), await start()];
        const connection = { ...node.connection, hostKey: other.connection.hostKey };
        const { message, registered } = await failure({ a: connection }, { drift: "warn" });
        expect(message).to.contain("fix these errors, or set `gone: true`").and.not.contain("set drift");
        expect(message).to.match(/^KataContainers "kata" could not probe all nodes; nothing was changed:\n/);
        expect(message).to.contain("a: 127.0.0.1 presents a host key that differs from hostKey");
        expect(registered).to.have.members(["kata", "kata-owner"]);
        expect(node.commands).to.deep.equal([]);
    });

    it("gives up on a node that sends no SSH banner or does not answer within the timeout", async () => {
        const silent = createServer().listen(0, "127.0.0.1");
        servers.push(silent);
        const slow = await start();
        const { port } = silent.address() as { port: number };
        const endpoint = { ...connectionDefaults, ...slow.connection, perDialTimeout: 1 } as never;
        const probed = probeNodes(
            {
                name: "kata",
                component: new pulumi.ComponentResource("test:index:Test", "test"),
                owner: pulumi.output("acme/shop/prod/kata"),
                endpoints: { a: pulumi.output({ ...(endpoint as object), port } as never), b: pulumi.output(endpoint) },
                program: programOf(""),
                drift: "enforce",
                runtimeClasses: { "kata-qemu": { adopt: false, hasOverhead: pulumi.output(true) } },
            },
            { answer: 2000, start: 0, pause: 1000 },
        );
        const message = await probed.then(
            () => "the probe did not fail",
            (error: Error) => error.message,
        );
        expect(message).to.match(/- a: Timed out while waiting for handshake/);
        expect(message).to.contain("- b: no answer within 2 s");
    });

    it("passes on the error of a node, and output that is not JSON", async () => {
        const refusing = await start({
            stderr: "error: on worker-1, admin is not root: log in as root\nmore",
            code: 1,
        });
        const strange = await start({ stdout: "Last login: today" });
        const { warnings } = await deployNodes({ a: refusing.connection, b: strange.connection });
        expect(warnings.join()).to.contain(
            "could not probe a, so its drift is not repaired now: on worker-1, admin is not root: log in as root",
        );
        expect(warnings.join()).to.contain(
            "could not probe b, so its drift is not repaired now: the last line of output must be the result of the probe in JSON, but is: Last login: today; remove what prints it",
        );
    });

    it("passes on what a node says to do about its error", async () => {
        const stderr = 'error: node a, step "probe": the lock cannot be taken\n  what to do: install flock\n';
        const refusing = await start({ stderr, code: 1 });
        const { warnings } = await deployNodes({ a: refusing.connection });
        expect(warnings.join()).to.contain(
            'could not probe a, so its drift is not repaired now: node a, step "probe": the lock cannot be taken; install flock',
        );
    });

    it("refusal message: reports the output of a machine that accepts a login and refuses the command", async () => {
        const stdout = 'Please login as the user "ubuntu" rather than the user "root".\r\n\x1b\n';
        const refusing = await start({ stdout, code: 142 });
        const { warnings } = await deployNodes({ a: refusing.connection });
        expect(warnings.join()).to.contain(
            'could not probe a, so its drift is not repaired now: the command failed with exit status 142: Please login as the user "ubuntu" rather than the user "root".',
        );
    });

    it("rejects a machine without a key of the type of hostKey like one with another key", async () => {
        const node = await start(answer());
        const key = Buffer.concat([Buffer.from("0000000b", "hex"), Buffer.from("ssh-ed25519"), Buffer.alloc(36)]);
        const connection = { ...node.connection, hostKey: `ssh-ed25519 ${key.toString("base64")}` };
        const { message } = await failure({ a: connection }, { drift: "warn" });
        expect(message).to.contain("a: 127.0.0.1 presents a host key that differs from hostKey");
    });

    it("retries a failed connection to a bastion", async () => {
        const [bastion, node] = [await start(), await start(answer())];
        const relay = createServer((socket) => {
            socket.on("error", () => {});
            if (tries++ === 0) socket.destroy();
            else socket.pipe(connect(bastion.connection.port, "127.0.0.1")).pipe(socket);
        });
        let tries = 0;
        servers.push(relay.listen(0, "127.0.0.1"));
        await once(relay, "listening");
        const { port } = relay.address() as { port: number };
        const proxy = { ...bastion.connection, port } as ConnectionArgs["proxy"];
        const { warnings } = await deployNodes({ a: { ...node.connection, proxy } }, {}, false);
        expect(warnings.join()).to.not.contain("unreachable");
        expect([tries, node.commands.length]).to.deep.equal([2, 1]);
    });

    it("waits in an update for a machine that is starting", async () => {
        const [node, place] = [await start(answer()), await start()];
        place.stop();
        const relay = createServer((socket) => {
            socket.pipe(connect(node.connection.port, "127.0.0.1")).pipe(socket);
        });
        servers.push(relay);
        setTimeout(() => relay.listen(place.connection.port, "127.0.0.1"), 1000);
        const connection = { ...node.connection, port: place.connection.port };
        const { warnings } = await deployNodes({ a: connection }, {}, false);
        expect(warnings.join()).to.not.contain("unreachable");
        expect(node.commands).to.have.length(1);
    });

    it("shares one connection to a bastion between the nodes behind it", async () => {
        const [bastion, a, b] = [await start(), await start(answer()), await start(answer())];
        const proxy = bastion.connection as ConnectionArgs["proxy"];
        const { warnings } = await deployNodes({ a: { ...a.connection, proxy }, b: { ...b.connection, proxy } });
        expect(warnings).to.deep.equal([]);
        expect([bastion.connections, a.commands.length, b.commands.length]).to.deep.equal([1, 1, 1]);
    });
});
