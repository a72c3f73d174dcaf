// Runs one command on a machine over SSH: a probe, or one that sends the node program. Connections, ways to log in and host keys
// work as in the command provider, which makes all changes.

import type { Unwrap } from "@pulumi/pulumi";
import { Client, type ClientChannel, type ConnectConfig, type ServerHostKeyAlgorithm } from "ssh2";
import type { connectionDefaults, ProxyConnection } from "../args";
import { readableKey } from "./privateKey";

/** A connection with its defaults. */
type Hop = Unwrap<ProxyConnection> & typeof connectionDefaults;
export type Endpoint = Hop & { proxy?: Hop };

/** There is no connection, so no command has run. */
export class ConnectionError extends Error {}
/** The machine presents a host key that differs from `hostKey`. */
export class HostKeyError extends ConnectionError {}
/** The machine does not answer; a retry may succeed. */
export class UnreachableError extends ConnectionError {}

export interface Result {
    stdout: string;
    stderr: string;
    /** The exit status; undefined if a signal ended the command. */
    code: number | undefined;
}

/** Connections that are closed together. Those through the same bastion share one connection to it. */
export class Connections {
    private readonly bastions = new Map<string, Promise<Client>>();
    private readonly clients: Client[] = [];

    /** Runs a command over a separate connection. */
    async run({ proxy, ...to }: Endpoint, command: string, stdin: string | Buffer = ""): Promise<Result> {
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
        channel.end(stdin);
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
        // The next attempt dials again.
        bastion.catch(() => this.bastions.delete(key));
        const client = await bastion;
        return new Promise((resolve, reject) =>
            client.forwardOut("127.0.0.1", 0, to.host, to.port, (error, channel) =>
                error ? reject(new UnreachableError(error.message)) : resolve(channel),
            ),
        );
    }

    private connect(to: Hop, sock?: ClientChannel): Promise<Client> {
        const client = new Client();
        this.clients.push(client);
        const [type, key] = to.hostKey?.split(" ") ?? [];
        let hasOtherKey = false;
        const config: ConnectConfig = {
            sock,
            host: to.host,
            port: to.port,
            username: to.user,
            password: to.password,
            privateKey: to.privateKey && readableKey(to.privateKey),
            passphrase: to.privateKeyPassword,
            // With a private key, the keys of an agent are not tried.
            agent: to.privateKey ? undefined : (to.agentSocketPath ?? process.env.SSH_AUTH_SOCK),
            // In the order of the command provider.
            authHandler: [
                ...(to.privateKey ? (["publickey"] as const) : []),
                ...(to.password ? (["password", "keyboard-interactive"] as const) : []),
                ...(to.privateKey ? [] : (["agent"] as const)),
            ],
            readyTimeout: to.perDialTimeout * 1000,
            ...(key && {
                algorithms: { serverHostKey: [type as ServerHostKeyAlgorithm] },
                hostVerifier: (presented: Buffer) => {
                    hasOtherKey = !presented.equals(Buffer.from(key, "base64"));
                    return !hasOtherKey;
                },
            }),
        };
        client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) =>
            finish(prompts.map(() => to.password ?? "")),
        );
        return new Promise((resolve, reject) => {
            client.on("ready", () => resolve(client));
            client.on("error", (error) => {
                // A machine that has no key of the type of hostKey.
                hasOtherKey ||= key !== undefined && error.message.includes("no matching host key format");
                const mismatch = `${to.host} presents a host key that differs from hostKey; if the machine was reinstalled, update hostKey`;
                const refusal = `${to.host} does not let ${to.user} log in (${error.message}): check user, privateKey, password or the agent, also with ssh`;
                if (hasOtherKey) reject(new HostKeyError(mismatch));
                else if (error.level === "client-authentication") reject(new ConnectionError(refusal));
                else reject(new UnreachableError(error.message));
            });
            client.on("close", () => reject(new UnreachableError("the connection was closed")));
            client.connect(config);
        });
    }
}
