// An HTTP proxy in this process, and a mirror that is reached only through it.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";

/** No name server knows it. */
export const mirrorHost = "mirror.invalid";
const credentials = "kata:p@ss word";

export class HttpProxy {
    /** What was asked of the proxy, such as `GET http://…` or `CONNECT host:port`. */
    readonly asked: string[] = [];
    private readonly sockets = new Set<Socket>();
    private servers: Server[] = [];
    /** The URL of the proxy, with a user and a password. */
    url = "";
    /** The file with the certificate of the mirror. */
    certificate = "";

    /** `folder` gets the key of the mirror. */
    static async start(folder: string, data: Buffer): Promise<HttpProxy> {
        const self = new HttpProxy();
        const key = join(folder, "key.pem");
        self.certificate = join(folder, "certificate.pem");
        const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        const subject = ["-subj", "/CN=mirror", "-addext", `subjectAltName=DNS:${mirrorHost}`];
        execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", self.certificate], {
            stdio: "ignore",
        });
        const mirror = (_: IncomingMessage, response: ServerResponse) => response.end(data);
        const plain = await self.listen(createServer(mirror));
        const tls = await self.listen(
            createTlsServer({ key: readFileSync(key), cert: readFileSync(self.certificate) }, mirror),
        );
        const proxy = createServer((incoming, response) => {
            if (!self.accepts(incoming)) return response.writeHead(407).end();
            return request({ port: plain, path: new URL(incoming.url!).pathname }, (answer) =>
                answer.pipe(response),
            ).end();
        });
        proxy.on("connect", (incoming, client: Socket) => {
            client.on("error", () => {});
            if (!self.accepts(incoming)) return client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
            client.write("HTTP/1.1 200 OK\r\n\r\n");
            const upstream = connect(tls, "127.0.0.1").on("error", () => {});
            return client.pipe(upstream).pipe(client);
        });
        const [user, password] = credentials.split(":").map(encodeURIComponent);
        self.url = `http://${user}:${password}@127.0.0.1:${await self.listen(proxy)}`;
        return self;
    }

    stop(): void {
        for (const server of this.servers) server.close();
        for (const socket of this.sockets) socket.destroy();
    }

    private accepts({ method, url, headers }: IncomingMessage): boolean {
        this.asked.push(`${method} ${url}`);
        return headers["proxy-authorization"] === `Basic ${Buffer.from(credentials).toString("base64")}`;
    }

    private async listen(server: Server): Promise<number> {
        this.servers.push(server);
        server.on("connection", (socket) => this.sockets.add(socket));
        await once(server.listen(0, "127.0.0.1"), "listening");
        return (server.address() as AddressInfo).port;
    }
}
