// Calls of the Kubernetes API, in parallel and without the time that kubectl takes to start.

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { kubectl } from "../tests/support/lab";

export interface Call {
    method: string;
    path: string;
    body?: object;
}

/** The API server of the current kubeconfig, whose user has a client certificate. */
export class Api {
    private readonly server: string;
    private readonly agent: Agent;

    constructor() {
        const { clusters, users } = JSON.parse(
            kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"),
        );
        const decoded = (text: string) => Buffer.from(text, "base64");
        this.server = clusters[0].cluster.server;
        this.agent = new Agent({
            ca: decoded(clusters[0].cluster["certificate-authority-data"]),
            cert: decoded(users[0].user["client-certificate-data"]),
            key: decoded(users[0].user["client-key-data"]),
            keepAlive: true,
            maxSockets: 20,
        });
    }

    async send({ method, path, body }: Call): Promise<IncomingMessage> {
        const type = method === "PATCH" ? "application/strategic-merge-patch+json" : "application/json";
        const sent = request(`${this.server}${path}`, { method, agent: this.agent, headers: { "Content-Type": type } });
        sent.end(body && JSON.stringify(body));
        const [answer] = await once(sent, "response");
        return answer;
    }

    async call(call: Call, ...allowed: number[]): Promise<void> {
        const answer = await this.send(call);
        const text = (await answer.toArray()).join("");
        const status = answer.statusCode!;
        if (status >= 300 && !allowed.includes(status)) throw new Error(`${call.method} ${call.path}: ${text}`);
    }

    close(): void {
        this.agent.destroy();
    }
}
