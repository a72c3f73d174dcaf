// A git server over HTTPS.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { join } from "node:path";

/** A separate loopback address and no port, because a plugin's address becomes part of a folder's name and so of PATH. */
export const address = "127.75.65.84";

/** Serves the bare repositories in a folder. `certificate` is the file with the certificate to trust. */
export async function serve(folder: string): Promise<{ server: Server; certificate: string }> {
    mkdirSync(folder, { recursive: true });
    const key = join(folder, "key.pem");
    const certificate = join(folder, "certificate.pem");
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    const subject = ["-subj", "/CN=git", "-addext", `subjectAltName=IP:${address}`];
    execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", certificate], { stdio: "ignore" });
    const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) =>
        answer(folder, request, response),
    );
    await new Promise<void>((resolve, reject) => server.on("error", reject).listen(443, address, resolve));
    return { server, certificate };
}

/** Answers with `git http-backend`, a CGI program. */
function answer(folder: string, request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search } = new URL(request.url!, "https://git");
    const backend = spawn("git", ["http-backend"], {
        env: {
            ...process.env,
            GIT_PROJECT_ROOT: folder,
            GIT_HTTP_EXPORT_ALL: "1",
            PATH_INFO: pathname,
            QUERY_STRING: search.slice(1),
            REQUEST_METHOD: request.method!,
            CONTENT_TYPE: request.headers["content-type"] ?? "",
            HTTP_CONTENT_ENCODING: request.headers["content-encoding"]?.toString() ?? "",
        },
    });
    request.pipe(backend.stdin);
    const parts: Buffer[] = [];
    backend.stdout.on("data", (part) => parts.push(part));
    backend.on("close", () => {
        const output = Buffer.concat(parts);
        const end = output.indexOf("\r\n\r\n");
        for (const line of output.subarray(0, end).toString().split("\r\n")) {
            const [, name, value] = /^(.*?): (.*)$/.exec(line)!;
            if (name === "Status") response.statusCode = Number.parseInt(value!, 10);
            else response.setHeader(name!, value!);
        }
        response.end(output.subarray(end + 4));
    });
}
