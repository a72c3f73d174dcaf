// One command on a machine over SSH, for reading: the connections, ways to log in and host keys are those of the command
// provider, which does all that changes something.

import type { types } from "@pulumi/command";
import type { Unwrap } from "@pulumi/pulumi";
import { Client, type ClientChannel, type ConnectConfig, type ServerHostKeyAlgorithm } from "ssh2";

export type Endpoint = Unwrap<types.input.remote.ConnectionArgs>;
type Hop = Omit<Endpoint, "proxy">;

/** The machine at the other end is not the one it has to be. */
export class HostKeyError extends Error {}
/** Nobody answers there, which may be different a moment later. */
export class UnansweredError extends Error {}

export interface Result {
    stdout: string;
    stderr: string;
    /** The exit status; undefined where the command was ended by a signal. */
    code: number | undefined;
}

/** Connections that end together; those that go through the same bastion share one to it. */
export class Connections {
    private readonly bastions = new Map<string, Promise<Client>>();
    private readonly clients: Client[] = [];

    /** Runs a command, over a connection of its own. */
    async run({ proxy, ...to }: Endpoint, command: string): Promise<Result> {
        const client = await this.connect(to, proxy && (await this.through(proxy, to)));
        const channel = await new Promise<ClientChannel>((resolve, reject) =>
            client.on("error", reject).exec(command, (error, channel) => (error ? reject(error) : resolve(channel))),
        );
        const output = { stdout: "", stderr: "" };
        channel.on("data", (data: Buffer) => {
            output.stdout += data;
        });
        channel.stderr.on("data", (data: Buffer) => {
            output.stderr += data;
        });
        const code = await new Promise<number | undefined>((resolve, reject) => {
            client.on("close", () => reject(new Error("the connection was lost")));
            channel.on("close", (code?: number) => resolve(code));
        });
        client.end();
        return { ...output, code };
    }

    end(): void {
        for (const client of this.clients) client.destroy();
    }

    private async through(proxy: Hop, to: Hop): Promise<ClientChannel> {
        const key = JSON.stringify(proxy);
        const bastion = this.bastions.get(key) ?? this.connect(proxy);
        this.bastions.set(key, bastion);
        const client = await bastion;
        return new Promise((resolve, reject) =>
            client.forwardOut("127.0.0.1", 0, to.host, to.port ?? 22, (error, channel) =>
                error ? reject(error) : resolve(channel),
            ),
        );
    }

    private connect(to: Hop, sock?: ClientChannel): Promise<Client> {
        const client = new Client();
        this.clients.push(client);
        const [type, key] = to.hostKey?.split(" ") ?? [];
        let foreign = false;
        const config: ConnectConfig = {
            sock,
            host: to.host,
            port: to.port ?? 22,
            username: to.user ?? "root",
            password: to.password,
            privateKey: to.privateKey,
            passphrase: to.privateKeyPassword,
            // The keys of an agent are not tried beside a key that is given.
            agent: to.privateKey ? undefined : (to.agentSocketPath ?? process.env.SSH_AUTH_SOCK),
            // In the command provider's order; what is not given is not tried.
            authHandler: [
                ...(to.privateKey ? (["publickey"] as const) : []),
                ...(to.password ? (["password", "keyboard-interactive"] as const) : []),
                ...(to.privateKey ? [] : (["agent"] as const)),
            ],
            readyTimeout: (to.perDialTimeout ?? 15) * 1000,
            ...(key && {
                algorithms: { serverHostKey: [type as ServerHostKeyAlgorithm] },
                hostVerifier: (presented: Buffer) => {
                    foreign = !presented.equals(Buffer.from(key, "base64"));
                    return !foreign;
                },
            }),
        };
        client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) =>
            finish(prompts.map(() => to.password ?? "")),
        );
        return new Promise((resolve, reject) => {
            client.on("ready", () => resolve(client));
            client.on("error", (error) => {
                if (foreign) reject(new HostKeyError(`${to.host} presents another host key than the one given`));
                else reject(error.level === "client-authentication" ? error : new UnansweredError(error.message));
            });
            client.on("close", () => reject(new UnansweredError("the connection was closed")));
            client.connect(config);
        });
    }
}
