import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { inEveryShell, type Sandbox } from "../support/shells";

const configuration = "opt/kata/share/defaults/kata-containers/configuration-qemu.toml";
const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

/** An archive of the files that `script` makes. */
function archive(sandbox: Sandbox, name: string, script: string): Buffer {
    sandbox.write("content/keep", "");
    const compress = name.endsWith("xz") ? "xz -0" : "zstd -q";
    execFileSync(
        "sh",
        ["-ec", `cd content; ${script}; tar -c --owner=1001 --group=123 ./opt | ${compress} >../${name}`],
        {
            cwd: sandbox.folder,
        },
    );
    return readFileSync(sandbox.path(name));
}
const release = `mkdir -p opt/kata/bin ${configuration.replace(/\/[^/]*$/, "")}; echo '[runtime]' >${configuration}; echo shim >opt/kata/bin/shim`;

const download = (sandbox: Sandbox, url: string, sum: string) =>
    sandbox.run(`HOST_CHECKS=warn VERSION=3.32.0 TREE=3.32.0-abc; download_release "$R_URL" "$R_SUM"`, {
        R_URL: url,
        R_SUM: sum,
    });

inEveryShell("downloading a release", (sandbox) => {
    let server: Server | undefined;
    afterEach(() => server?.close());
    const serve = async (
        handle: (respond: { send(data: Buffer): void; cut(data: Buffer): void; refuse(): void }) => void,
    ) => {
        server = createServer((_, response) =>
            handle({
                send: (data) => response.end(data),
                cut: (data) => {
                    response.writeHead(200, { "content-length": data.length });
                    response.write(data.subarray(0, data.length / 2), () => response.destroy());
                },
                refuse: () => response.writeHead(404).end(),
            }),
        ).listen(0, "127.0.0.1");
        await new Promise((resolve) => server!.once("listening", resolve));
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };

    for (const name of ["kata.tar.xz", "kata.tar.zst"]) {
        it(`unpacks ${name} from a path on the node, owned by root`, async () => {
            const data = archive(sandbox(), name, release);
            const result = await download(sandbox(), sandbox().path(name), sha256(data));
            expect(result).to.include({ status: 0, stderr: "" });
            const shim = sandbox().path("releases/3.32.0-abc/bin/shim");
            expect(readFileSync(shim, "utf8")).to.equal("shim\n");
            expect(statSync(shim)).to.include({ uid: 0, gid: 0 });
            expect(readdirSync(sandbox().path("releases"))).to.deep.equal(["3.32.0-abc"]);
        });
    }

    it("downloads a release once and not again", async () => {
        let requests = 0;
        const data = archive(sandbox(), "kata.tar.zst", release);
        const url = await serve(({ send }) => {
            requests++;
            send(data);
        });
        for (const said of ["unpacked Kata Containers 3.32.0", "already unpacked"]) {
            const result = await download(sandbox(), `${url}/kata.tar.zst`, sha256(data));
            expect(result.status, result.stderr).to.equal(0);
            expect(result.stdout).to.contain(said);
        }
        expect(requests).to.equal(1);
    });

    it("unpacks no setuid program and no pipe", async () => {
        const data = archive(
            sandbox(),
            "kata.tar.zst",
            `${release}; chmod 6777 opt/kata/bin/shim; mkfifo opt/kata/pipe; ln -s shim opt/kata/bin/link`,
        );
        const result = await download(sandbox(), sandbox().path("kata.tar.zst"), sha256(data));
        expect(result.status, result.stderr).to.equal(0);
        const tree = sandbox().path("releases/3.32.0-abc");
        expect(statSync(`${tree}/bin/shim`).mode & 0o7777).to.equal(0o755);
        expect(existsSync(`${tree}/pipe`)).to.equal(false);
        expect(existsSync(`${tree}/bin/link`)).to.equal(true);
    });

    const refused = (archive: string, finding: RegExp, run: () => Promise<{ status: number | null; stderr: string }>) =>
        it(`reports ${archive} and leaves nothing behind`, async () => {
            const { status, stderr } = await run();
            expect(status).to.equal(1);
            expect(stderr).to.match(/^error: node .*, step "release": /);
            expect(stderr).to.match(finding);
            expect(stderr).to.contain("what to do: ");
            const left = existsSync(sandbox().path("releases")) ? readdirSync(sandbox().path("releases")) : [];
            expect(left).to.deep.equal([]);
        });

    refused("a wrong sum", /the sha256 of .* is [0-9a-f]{64}, not 0{64}/, async () => {
        archive(sandbox(), "kata.tar.zst", release);
        return download(sandbox(), sandbox().path("kata.tar.zst"), "0".repeat(64));
    });
    refused("a truncated archive", /the sha256 of/, async () => {
        const data = archive(sandbox(), "kata.tar.zst", release);
        sandbox().write("short.tar.zst", data.subarray(0, data.length / 2));
        return download(sandbox(), sandbox().path("short.tar.zst"), sha256(data));
    });
    refused("an archive that is no release", /does not look like a Kata Containers release/, async () => {
        const data = archive(sandbox(), "other.tar.zst", "mkdir -p opt/other");
        return download(sandbox(), sandbox().path("other.tar.zst"), sha256(data));
    });
    refused("a file that is no archive", /cannot be unpacked/, async () => {
        const path = sandbox().write("text.tar.zst", "text");
        return download(sandbox(), path, sha256(Buffer.from("text")));
    });
    refused("a path that does not exist", /the file .* does not exist/, () =>
        download(sandbox(), "/nowhere/kata.tar.zst", "0".repeat(64)),
    );
    refused("a server that answers 404", /download of .* incomplete: .*404/, async () =>
        download(sandbox(), `${await serve(({ refuse }) => refuse())}/kata.tar.zst`, "0".repeat(64)),
    );
    refused("a server that closes the connection three times", /download of .* incomplete/, async () => {
        const data = archive(sandbox(), "kata.tar.zst", `${release}; head -c 300000 /dev/urandom >opt/kata/image`);
        return download(sandbox(), `${await serve(({ cut }) => cut(data))}/kata.tar.zst`, sha256(data));
    });

    it("retries when a server closes the connection", async () => {
        const data = archive(sandbox(), "kata.tar.zst", `${release}; head -c 300000 /dev/urandom >opt/kata/image`);
        let requests = 0;
        const url = await serve(({ cut, send }) => (requests++ === 0 ? cut(data) : send(data)));
        const result = await download(sandbox(), `${url}/kata.tar.zst`, sha256(data));
        expect(result.status, result.stderr).to.equal(0);
        expect(result.stdout).to.contain("retrying");
    });
});
