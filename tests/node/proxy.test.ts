// Downloads through an HTTP proxy, with each of the programs that a node may have for them.

import { createHash } from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { archive, release } from "../support/archive";
import { HttpProxy, mirrorHost } from "../support/httpProxy";
import { inEveryShell, type Sandbox } from "../support/shells";

const tools = [
    { name: "curl", tool: "curl", command: "exec /usr/bin/curl", schemes: ["http", "https"] },
    { name: "wget", tool: "wget", command: "exec /usr/bin/wget", schemes: ["http", "https"] },
    // It asks a proxy for an https URL without a tunnel. Debian's build has no timeouts, and crashes on `-T`.
    { name: "busybox wget", tool: "wget", command: "shift 5; exec /usr/bin/busybox wget -q", schemes: ["http"] },
];

inEveryShell("downloading through a proxy", (sandbox) => {
    let proxy: HttpProxy | undefined;
    afterEach(() => proxy?.stop());

    /** The node has only one of the programs, and an environment that would lead elsewhere. */
    function download(
        sandbox: Sandbox,
        { tool, command }: (typeof tools)[number],
        url: string,
        data: Buffer,
        to: string,
    ) {
        sandbox.write(`path/${tool}`, `#!/bin/sh\necho "$*" >>arguments\n${command} "$@"\n`);
        chmodSync(sandbox.path(`path/${tool}`), 0o755);
        const other = tool === "curl" ? "wget" : "curl";
        return sandbox.run(
            // A shell may have a wget of its own.
            `have() { [ $1 != ${other} ] && command -v $1 >/dev/null; }; wget() { "$PWD/path/wget" "$@"; }
            HOST_CHECKS=warn; download_release 3.32.0-abc "$R_URL" "$R_SUM"`,
            {
                R_URL: url,
                R_SUM: createHash("sha256").update(data).digest("hex"),
                KATA_URL_PROXY: to,
                http_proxy: "http://127.0.0.1:1",
                HTTPS_PROXY: "http://127.0.0.1:1",
                NO_PROXY: "*",
                no_proxy: mirrorHost,
                CURL_CA_BUNDLE: proxy!.certificate,
                WGETRC: sandbox.write("wgetrc", `ca_certificate = ${proxy!.certificate}\n`),
            },
        );
    }

    for (const tool of tools) {
        for (const scheme of tool.schemes) {
            it(`proxy and sudo: ${tool.name} downloads ${scheme} through release.proxy, whatever the environment says`, async () => {
                const data = archive(sandbox(), "kata.tar.zst", release);
                proxy = await HttpProxy.start(sandbox().folder, data);
                const url = `${scheme}://${mirrorHost}/kata.tar.zst`;
                const result = await download(sandbox(), tool, url, data, proxy.url);
                expect(result).to.include({ status: 0, stderr: "" });
                expect(proxy.asked.at(-1)).to.equal(scheme === "http" ? `GET ${url}` : `CONNECT ${mirrorHost}:443`);
                const shown = result.stdout + readFileSync(sandbox().path("arguments"), "utf8");
                expect(shown).to.not.match(/p(@|%40)ss/);
            });
        }
    }

    it("proxy and sudo: a proxy that rejects the password is an error that names release.proxy, and is asked once", async () => {
        const data = archive(sandbox(), "kata.tar.zst", release);
        proxy = await HttpProxy.start(sandbox().folder, data);
        const wrong = proxy.url.replace("kata:", "other:");
        const { status, stderr } = await download(
            sandbox(),
            tools[0]!,
            `https://${mirrorHost}/kata.tar.zst`,
            data,
            wrong,
        );
        expect(status).to.equal(1);
        expect(stderr)
            .to.match(/could not download .*407/)
            .and.contain("release.proxy");
        expect(proxy.asked).to.have.length(1);
    });

    it("proxy and sudo: a download that cannot connect is an error that names release.proxy", async () => {
        const data = archive(sandbox(), "kata.tar.zst", release);
        proxy = await HttpProxy.start(sandbox().folder, data);
        const { status, stderr } = await download(sandbox(), tools[0]!, `https://${mirrorHost}/kata.tar.zst`, data, "");
        expect(status).to.equal(1);
        expect(stderr).to.contain("could not download").and.contain("set release.proxy to an HTTP proxy");
    });
});
