import { connect, createServer, type Server } from "node:net";
import { expect } from "chai";
import type { ConnectionArgs } from "../../../src";
import { limits } from "../../../src/node/probe";
import { deploy, resolved, unknown } from "../../support/mocks";
import { type Answer, SshServer } from "../../support/sshServer";

const answer = (more: object = {}): Answer => ({
    stdout: JSON.stringify({
        stage: { generation: "", drift: [] },
        activate: { generation: "", drift: [] },
        old: [],
        ...more,
    }),
});

describe("drift", function () {
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
    /** What becomes of a component with these nodes. */
    const see = async (connections: { [node: string]: ConnectionArgs }, more: object = {}, preview = true) => {
        const nodes = Object.fromEntries(
            Object.entries(connections).map(([node, connection]) => [node, { connection }]),
        );
        return deploy({ nodes, drift: undefined, ...more }, { preview });
    };
    const generation = (text: string) => /--generation=(\S+)/.exec(text)?.[1];
    const failure = async (args: Parameters<typeof see>) => {
        const { component } = await see(...args);
        return resolved(component.runtimeClassName).then(
            () => {
                throw new Error("this had to fail");
            },
            ({ message }: Error) => message,
        );
    };

    it("of none the texts say nothing, and the generation that was recorded stays", async () => {
        const never = await start(answer());
        const once = await start(answer({ activate: { generation: "0123456789ab", drift: [] } }));
        const { children, warnings } = await see({ a: never.connection, b: once.connection });
        expect(generation(children["kata-a-release"]!.inputs.create)).to.equal(undefined);
        expect(generation(children["kata-a-runtime"]!.inputs.create)).to.equal(undefined);
        expect(generation(children["kata-b-release"]!.inputs.create)).to.equal(undefined);
        expect(generation(children["kata-b-runtime"]!.inputs.create)).to.equal("0123456789ab");
        expect(warnings).to.deep.equal([]);
        expect(never.commands).to.have.length(1);
        expect(never.commands[0])
            .to.match(/^sh -c '/)
            .and.match(/\ndrift \\\n--node=a \\\n--runtime-class=kata-qemu$/);
    });

    it("is told with the reason, and changes the text of what has to be done", async () => {
        const drift = ["runtime table kata-qemu is missing from config.toml", "cgroupDriver is systemd, was cgroupfs"];
        const node = await start(answer({ activate: { generation: "0123456789ab", drift } }));
        const { children, warnings } = await see({ a: node.connection });
        expect(warnings.join()).to.contain(`a: ${drift.join("; ")}`);
        expect(generation(children["kata-a-release"]!.inputs.create)).to.equal(undefined);
        expect(generation(children["kata-a-runtime"]!.inputs.create)).to.equal("0123456789ab");
    });

    it("a node that has nothing of ours gets all", async () => {
        const node = await start({ stdout: "0123456789ab\n" });
        const { children, warnings } = await see({ a: node.connection });
        for (const name of ["kata-a-release", "kata-a-runtime"]) {
            expect(generation(children[name]!.inputs.create)).to.equal("0123456789ab");
        }
        expect(warnings).to.deep.equal([]);
    });

    it("of the label and the RuntimeClass makes these change, and leaves them alone otherwise", async () => {
        const metadata = (labels: object) => ({ kind: "PartialObjectMetadata", metadata: { labels } });
        const [fine, changed] = [
            await start(answer({ node: metadata({ "katacontainers.io/kata-runtime": "true" }) })),
            await start(answer({ node: metadata({}), runtimeClass: { kind: "Status", code: 404 } })),
        ];
        const { children, warnings } = await see({ a: fine.connection, b: changed.connection });
        const stamp = "kata-containers/repaired";
        const annotations = (name: string) => children[name]!.inputs.metadata.annotations;
        expect(annotations("kata-a-label")).to.not.have.property(stamp);
        expect(children["kata-a-label"]!.opts.ignoreChanges).to.include(`metadata.annotations["${stamp}"]`);
        for (const name of ["kata-b-label", "kata-runtime-class"]) {
            expect(annotations(name)).to.have.property(stamp);
            expect(children[name]!.opts.ignoreChanges).to.deep.equal([]);
        }
        expect(children["kata-runtime-class"]!.opts.replaceOnChanges).to.include(`metadata.annotations["${stamp}"]`);
        expect(warnings.join()).to.contain("b: label katacontainers.io/kata-runtime is missing");
        expect(warnings.join()).to.contain("RuntimeClass kata-qemu: is missing");
    });

    it("is not looked for where it is off, on a machine that is gone, and at an address that is not known yet", async () => {
        const node = await start(answer());
        await see({ a: node.connection }, { drift: "off" });
        await see({}, { nodes: { a: { connection: node.connection, gone: true } } });
        const { children } = await see({ a: { ...node.connection, host: unknown() } });
        expect(children).to.include.keys("kata-a-runtime");
        expect(node.connections).to.equal(0);
    });

    it("a node that cannot be reached stays as it is, with a warning, while the others go on", async () => {
        const [down, up] = [await start(), await start(answer())];
        down.stop();
        const { children, warnings } = await see({ a: down.connection, b: up.connection });
        expect(warnings.join()).to.match(/a: connect ECONNREFUSED 127\.0\.0\.1:\d+; it cannot be looked at/);
        for (const name of ["kata-a-release", "kata-a-runtime"]) {
            expect(children[name]!.opts.ignoreChanges).to.deep.equal(["*"]);
            expect(children[name]!.opts.retainOnDelete).to.equal(undefined);
        }
        expect(children["kata-b-runtime"]!.opts.ignoreChanges).to.equal(undefined);
    });

    it("or is one error with all such nodes, where drift is enforced", async () => {
        const [down, up, other] = [await start(), await start(answer()), await start()];
        down.stop();
        const connections = {
            a: down.connection,
            b: up.connection,
            c: { ...other.connection, password: "hunter-2" },
        };
        const message = await failure([connections, { drift: "enforce" }]);
        expect(message).to.match(
            /^KataContainers "kata" cannot look at every node, and changed nothing:\n {2}- [ac]: /,
        );
        expect(message).to.contain("- a: connect ECONNREFUSED");
        expect(message).to.contain("- c: All configured authentication methods failed");
        expect(message).to.contain("set drift to").and.not.contain("hunter");
    });

    it("another host key is an error always", async () => {
        const [node, other] = [await start(answer()), await start()];
        const connection = { ...node.connection, hostKey: other.connection.hostKey };
        expect(await failure([{ a: connection }])).to.contain("a: 127.0.0.1 presents another host key");
        expect(node.commands).to.deep.equal([]);
    });

    it("a node that says nothing is given up, whether it never greets or never answers", async () => {
        const silent = createServer().listen(0, "127.0.0.1");
        servers.push(silent);
        const slow = await start();
        const { port } = silent.address() as { port: number };
        const { answer } = limits;
        limits.answer = 2000;
        const { warnings } = await see({
            a: { ...slow.connection, port, perDialTimeout: 1 },
            b: slow.connection,
        }).finally(() => {
            limits.answer = answer;
        });
        expect(warnings.join()).to.match(/a: Timed out while waiting for handshake/);
        expect(warnings.join()).to.contain("b: no answer within 2 s");
    });

    it("what the node says against it is passed on", async () => {
        const refusing = await start({
            stderr: "error: on worker-1, admin is not root: log in as root\nmore",
            code: 1,
        });
        const strange = await start({ stdout: "Last login: today" });
        const { warnings } = await see({ a: refusing.connection, b: strange.connection });
        expect(warnings.join()).to.contain("a: on worker-1, admin is not root: log in as root; it cannot");
        expect(warnings.join()).to.contain("b: its answer must be one line of JSON, and is: Last login: today");
    });

    it("in an update a machine that is just starting is waited for", async () => {
        const [node, place] = [await start(answer()), await start()];
        place.stop();
        const relay = createServer((socket) => {
            socket.pipe(connect(node.connection.port, "127.0.0.1")).pipe(socket);
        });
        servers.push(relay);
        setTimeout(() => relay.listen(place.connection.port, "127.0.0.1"), 1000);
        const connection = { ...node.connection, port: place.connection.port };
        const { children, warnings } = await see({ a: connection }, {}, false);
        expect(warnings.join()).to.not.contain("cannot be looked at");
        expect(children["kata-a-runtime"]!.opts.ignoreChanges).to.equal(undefined);
    });

    it("nodes behind one bastion share a connection to it", async () => {
        const [bastion, a, b] = [await start(), await start(answer()), await start(answer())];
        const proxy = bastion.connection as ConnectionArgs["proxy"];
        const { warnings } = await see({ a: { ...a.connection, proxy }, b: { ...b.connection, proxy } });
        expect(warnings).to.deep.equal([]);
        expect([bastion.connections, a.commands.length, b.commands.length]).to.deep.equal([1, 1, 1]);
    });
});
