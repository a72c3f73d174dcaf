import { connect, createServer } from "node:net";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { connectionDefaults } from "../../../src/args";
import { programOf } from "../../../src/node/program";
import { sendProgram } from "../../../src/node/send";
import type { Endpoint } from "../../../src/node/ssh";
import { type Answer, SshServer } from "../../support/sshServer";

describe("sending the node program", () => {
    const program = programOf("echo Käse\n".repeat(10_000));
    const servers: { stop(): void }[] = [];
    const start = async (answer?: Answer) => {
        const server = await SshServer.start(answer);
        servers.push(server);
        return server;
    };
    afterEach(() => {
        for (const server of servers.splice(0)) server.stop();
    });
    const endpoint = ({ connection }: SshServer, more: object = {}) =>
        ({ ...connectionDefaults, ...connection, ...more }) as Endpoint;
    const failure = (endpoint: Endpoint) =>
        sendProgram("worker-1", endpoint, program).then(
            () => "it did not fail",
            (error: Error) => error.message,
        );

    it("sends the whole node program on standard input, with its id as the argument", async () => {
        const node = await start({});
        await sendProgram("worker-1", endpoint(node), program);
        expect(node.commands[0]!.endsWith(`\nsend \\\n--program=${program.id}`)).to.equal(true);
        expect(node.inputs.map((input) => gunzipSync(input).toString())).to.deep.equal([program.text]);
    });

    it("sends the node program through a bastion", async () => {
        const [bastion, node] = [await start(), await start({})];
        await sendProgram("worker-1", endpoint(node, { proxy: endpoint(bastion) }), program);
        expect([bastion.connections, node.inputs.length]).to.deep.equal([1, 1]);
    });

    it("waits for a machine that is starting, also behind a bastion", async () => {
        const [bastion, node, place] = [await start(), await start({}), await start()];
        place.stop();
        const relay = createServer((socket) => {
            const onward = connect(node.connection.port, "127.0.0.1");
            for (const each of [socket, onward]) each.on("error", () => {});
            socket.pipe(onward).pipe(socket);
        });
        servers.push({ stop: () => relay.close() });
        setTimeout(() => relay.listen(place.connection.port, "127.0.0.1"), 500);
        const starting = endpoint(node, { port: place.connection.port });
        await Promise.all([
            sendProgram("worker-1", starting, program),
            sendProgram("worker-1", { ...starting, proxy: endpoint(bastion) }, program),
        ]);
        expect(node.inputs).to.have.length(2);
    });

    it("retries a refused login dialErrorLimit times, because a machine that is starting may not know the user yet", async () => {
        const node = await start({});
        expect(await failure(endpoint(node, { password: "wrong", dialErrorLimit: 2 }))).to.equal(
            "could not send the node program to worker-1: 127.0.0.1 does not let root log in (All configured authentication methods failed): check user, privateKey, password or the agent, also with ssh",
        );
        expect(node.connections).to.equal(3);
    });

    it("reports a different host key", async () => {
        const [node, other] = [await start({}), await start()];
        const { hostKey } = other.connection;
        expect(await failure(endpoint(node, { hostKey, dialErrorLimit: 0 }))).to.match(
            /^could not send the node program to worker-1: 127\.0\.0\.1 presents a host key that differs from hostKey/,
        );
        expect(node.commands).to.deep.equal([]);
    });

    it("reports the error of a node without a retry", async () => {
        const stderr = "error: on worker-1, admin is not root: log in as root\n";
        const node = await start({ stderr, code: 1 });
        expect(await failure(endpoint(node))).to.equal(
            "could not send the node program to worker-1: on worker-1, admin is not root: log in as root",
        );
        expect(node.connections).to.equal(1);
    });
});
