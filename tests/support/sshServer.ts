// SSH servers in this process: a node that gives the same answer to every command, or a bastion.

import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { type Connection, type ParsedKey, Server, utils } from "ssh2";
import type { ConnectionArgs } from "../../src";

export interface Answer {
    stdout?: string;
    stderr?: string;
    code?: number;
    /** When it answers, in ms. */
    after?: number;
}

export class SshServer {
    /** The commands that were run. */
    readonly commands: string[] = [];
    /** The standard input of each command that was answered. */
    readonly inputs: Buffer[] = [];
    connections = 0;
    private readonly open = new Set<Connection>();
    private constructor(
        private readonly server: Server,
        /** The connection to this server. */
        readonly connection: ConnectionArgs & { port: number },
    ) {}

    /** Accepts the password `secret`. Without an answer, commands never end. */
    static async start(answer?: Answer): Promise<SshServer> {
        const { private: key } = utils.generateKeyPairSync("ecdsa", { bits: 256 });
        const parsed = utils.parseKey(key) as ParsedKey;
        const hostKey = `${parsed.type} ${parsed.getPublicSSH().toString("base64")}`;
        const server = new Server({ hostKeys: [key] }).listen(0, "127.0.0.1");
        await once(server, "listening");
        const { port } = server.address() as AddressInfo;
        const self = new SshServer(server, { host: "127.0.0.1", port, password: "secret", hostKey });
        server.on("connection", (client) => self.serve(client, answer));
        return self;
    }

    stop(): void {
        for (const client of this.open) client.end();
        this.server.close();
    }

    private serve(client: Connection, answer: Answer | undefined): void {
        this.connections++;
        this.open.add(client);
        client.on("error", () => {});
        client.on("authentication", (login) =>
            login.method === "password" && login.password === "secret" ? login.accept() : login.reject(["password"]),
        );
        client.on("session", (accept) =>
            accept().on("exec", (accept, _reject, { command }) => {
                this.commands.push(command);
                const channel = accept();
                if (!answer) return;
                const input: Buffer[] = [];
                channel.on("data", (data: Buffer) => input.push(data));
                channel.once("end", () => {
                    this.inputs.push(Buffer.concat(input));
                    setTimeout(() => {
                        channel.stderr.write(answer.stderr ?? "");
                        channel.write(answer.stdout ?? "");
                        channel.exit(answer.code ?? 0);
                        channel.end();
                    }, answer.after ?? 0);
                });
            }),
        );
        client.on("tcpip", (accept, reject, { destIP, destPort }) => {
            const socket = connect(destPort, destIP, () => {
                const channel = accept();
                channel.pipe(socket).pipe(channel);
                channel.on("error", () => {});
            });
            socket.on("error", () => socket.pending && reject());
        });
    }
}
