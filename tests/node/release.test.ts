import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { archive, release } from "../support/archive";
import { inEveryShell, type Sandbox } from "../support/shells";

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

const download = (sandbox: Sandbox, url: string, sum: string, script = "") =>
    sandbox.run(
        `${preferred(sandbox)}; ${script}
        HOST_CHECKS=warn; download_release 3.32.0-abc "$R_URL" "$R_SUM"`,
        { R_URL: url, R_SUM: sum },
    );

/** Puts a program before those of the machine, for every user. */
function program(sandbox: Sandbox, name: string, script: string) {
    chmodSync(sandbox.write(`path/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
    chmodSync(sandbox.folder, 0o711);
    chmodSync(sandbox.write("seen", ""), 0o666);
}
/** Functions, because a shell may have programs of its own. */
const preferred = (sandbox: Sandbox) =>
    readdirSync(sandbox.path("path"))
        .map((name) => `${name}() { ${sandbox.path(`path/${name}`)} "$@"; }`)
        .join("; ");

inEveryShell("downloading a release", (sandbox) => {
    let server: Server | undefined;
    afterEach(() => server?.close());
    const serve = async (
        handle: (respond: {
            range: string | undefined;
            send(data: Buffer): void;
            cut(data: Buffer, bytes?: number): void;
            continue(data: Buffer, bytes: number): void;
            refuse(): void;
        }) => void,
    ) => {
        server = createServer(({ url, headers: { range } }, response) => {
            if (url!.startsWith("/moved")) {
                response
                    .writeHead(302, { location: url!.slice("/moved".length) })
                    .end("It is elsewhere.\n".repeat(1000));
                return;
            }
            handle({
                range,
                send: (data) => response.end(data),
                cut: (data, bytes = data.length / 2) => {
                    response.writeHead(200, { "content-length": data.length });
                    response.write(data.subarray(0, bytes), () => response.destroy());
                },
                continue: (data, bytes) => {
                    const [first, size] = [Number(/^bytes=(\d+)-$/.exec(range!)![1]), data.length];
                    const headers = {
                        "content-range": `bytes ${first}-${size - 1}/${size}`,
                        "content-length": size - first,
                    };
                    response.writeHead(206, headers);
                    response.write(data.subarray(first, first + bytes), () => {
                        if (first + bytes < size) response.destroy();
                        else response.end();
                    });
                },
                refuse: () => response.writeHead(404).end(),
            });
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server!.once("listening", resolve));
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };

    it("mirror: sends the query of the URL, and shows it neither in a list of processes nor in the log", async () => {
        const data = archive(sandbox(), "kata.tar.zst", release);
        const asked: (string | undefined)[] = [];
        server = createServer(({ url }, response) => {
            asked.push(url);
            response.end(url?.endsWith("?X-Amz-Signature=5ecret&b=%2F") ? data : "");
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server!.once("listening", resolve));
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/kata.tar.zst`;
        const query = "?X-Amz-Signature=5ecret&b=%2F";
        for (const [tool, hidden] of [
            ["curl", ":"],
            // A shell may have a wget of its own.
            ["wget", 'have() { [ $1 != curl ] && command -v $1 >/dev/null; }; wget() { "$PWD/path/wget" "$@"; }'],
        ]) {
            sandbox().write(`path/${tool}`, `#!/bin/sh\necho "$*" >>arguments\nexec /usr/bin/${tool} "$@"\n`);
            chmodSync(sandbox().path(`path/${tool}`), 0o755);
            const result = await sandbox().run(
                `${hidden}
                HOST_CHECKS=warn; download_release 3.32.0-${tool} "$R_URL" "$R_SUM" "$R_QUERY"`,
                { R_URL: url, R_SUM: sha256(data), R_QUERY: query },
            );
            expect(result).to.include({ status: 0, stderr: "" });
            expect(asked.at(-1)).to.equal(`/kata.tar.zst${query}`);
            expect(result.stdout).to.contain(`downloading ${url}\n`).and.not.contain("5ecret");
            expect(readFileSync(sandbox().path("arguments"), "utf8")).to.not.contain("5ecret");
        }
        expect(asked).to.have.length(2);
    });

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

    it("does not download a release again that busybox tar unpacked", async () => {
        const data = archive(
            sandbox(),
            "kata.tar.zst",
            `${release}; ln -s shim opt/kata/bin/link; touch -hd @1 opt/kata/bin/*`,
        );
        program(sandbox(), "tar", 'exec busybox tar "$@"');
        const run = () => download(sandbox(), sandbox().path("kata.tar.zst"), sha256(data));
        expect(await run()).to.include({ status: 0, stderr: "" });
        expect((await run()).stdout).to.contain("already unpacked");
        // The fingerprint is that of the archive, whenever and by whatever it was unpacked.
        const trees = () => readFileSync(sandbox().path("state/trees"), "utf8");
        const before = trees();
        rmSync(sandbox().path("path/tar"));
        rmSync(sandbox().path("releases"), { recursive: true });
        expect(await run()).to.include({ status: 0, stderr: "" });
        expect(trees()).to.equal(before);
    });

    it("notices that a link of a release was changed", async () => {
        const data = archive(sandbox(), "kata.tar.zst", `${release}; ln -s shim opt/kata/bin/link`);
        const run = () => download(sandbox(), sandbox().path("kata.tar.zst"), sha256(data));
        await run();
        rmSync(sandbox().path("releases/3.32.0-abc/bin/link"));
        symlinkSync("sham", sandbox().path("releases/3.32.0-abc/bin/link"));
        expect((await run()).stdout).to.contain("has been modified; downloading it again");
    });

    /** busybox has a tar of its own, and runs it instead of one of the sandbox. */
    const skipWithOwnTar = (test: Mocha.Context) => sandbox().environment.name === "busybox" && test.skip();

    it("unpacks as root where setpriv cannot change the user", async function () {
        skipWithOwnTar(this);
        const data = archive(sandbox(), "kata.tar.zst", release);
        program(sandbox(), "setpriv", 'exec busybox setpriv "$@"');
        program(sandbox(), "tar", `id -u >>${sandbox().path("seen")}; exec /usr/bin/tar "$@"`);
        const result = await download(sandbox(), sandbox().path("kata.tar.zst"), sha256(data));
        expect(result).to.include({ status: 0, stderr: "" });
        expect(readFileSync(sandbox().path("seen"), "utf8")).to.equal("0\n");
        expect(statSync(sandbox().path("releases/3.32.0-abc/bin/shim"))).to.include({ uid: 0, gid: 0 });
    });

    /** With blocks of 4 KiB instead of 1 MiB, so that a GiB is 4 MiB. */
    const smallBlocks = () => program(sandbox(), "dd", 'shift; exec /usr/bin/dd bs=4096 "$@"');

    it("stops a download that does not end", async () => {
        smallBlocks();
        let sent = 0;
        server = createServer((_, response) => {
            const block = Buffer.alloc(65536);
            const send = () => {
                while (!response.destroyed && response.write(block)) sent += block.length;
                sent += block.length;
            };
            response.on("drain", send);
            send();
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server!.once("listening", resolve));
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/kata.tar.zst`;
        const { status, stderr } = await download(sandbox(), url, "0".repeat(64));
        expect(status).to.equal(1);
        expect(stderr).to.match(/kata.tar.zst is larger than 4 GiB\n {2}what to do: check release.url/);
        expect(sent)
            .to.be.greaterThan(16 << 20)
            .and.lessThan(64 << 20);
        expect(readdirSync(sandbox().path("releases"))).to.deep.equal([]);
    });

    it("stops unpacking an archive that leaves too little free space", async function () {
        skipWithOwnTar(this);
        const data = archive(sandbox(), "kata.tar.zst", `${release}; head -c 80M /dev/zero >opt/kata/image`);
        const full = "reserved_space() { echo 999999999999; }";
        const refused = async (size: string) => {
            const { status, stderr } = await download(sandbox(), sandbox().path("kata.tar.zst"), sha256(data), full);
            expect(status).to.equal(1);
            expect(stderr).to.match(
                new RegExp(
                    `unpacks to more than ${size} MiB, and more would leave less than \\d+ MiB free on the disk.*\n {2}what to do: free space on`,
                ),
            );
            expect(readdirSync(sandbox().path("releases"))).to.deep.equal([]);
        };
        await refused("(\\d|80)");
        // A tar that would never end.
        program(sandbox(), "tar", "head -c 5M >part; exec sleep 600");
        await refused("5");
    });

    it("passes on a stream up to a limit", async () => {
        smallBlocks();
        const run = (mib: number) =>
            sandbox().run(
                `${preferred(sandbox())}; head -c ${mib << 20} /dev/zero | bounded 1 | wc -c; cat "$WORK_DIR/archive.larger" 2>/dev/null || echo no`,
            );
        expect((await run(3)).stdout).to.equal(`${3 << 20}\nno\n`);
        expect((await run(9)).stdout).to.equal(`${4 << 20}\n1 GiB\n`);
    });

    it("keeps a tenth of the disk free, except for the size of a release", async () => {
        const free = (gib: number) => `free_space() { echo ${gib * 1048576}; }; reserved_space .`;
        const size = statfsSync(sandbox().folder);
        const tenth = Math.floor((size.blocks * size.bsize) / 10240);
        expect((await sandbox().run(free(1000000))).stdout).to.equal(`${tenth}\n`);
        expect((await sandbox().run(free(3))).stdout).to.equal(`${0.5 * 1048576}\n`);
        expect((await sandbox().run(free(2))).stdout).to.equal(`${-0.5 * 1048576}\n`);
    });

    const chcon = 'echo "$*" >>labels';
    it("labels a release for SELinux, programs as bin_t", async () => {
        const data = archive(
            sandbox(),
            "kata.tar.zst",
            `${release}; mkdir -p opt/kata/libexec opt/kata/runtime-rs/bin`,
        );
        program(sandbox(), "chcon", chcon);
        const result = await download(
            sandbox(),
            sandbox().path("kata.tar.zst"),
            sha256(data),
            "selinux_mode() { echo 1; }",
        );
        expect(result).to.include({ status: 0, stderr: "" });
        const tree = "releases/.staging/content/opt/kata";
        const labels = readFileSync(sandbox().path("labels"), "utf8").replaceAll(`${sandbox().folder}/`, "").trim();
        const [folder, all, ...programs] = labels.split("\n");
        expect([folder, all]).to.deep.equal(["-t usr_t releases", `-t usr_t -R ${tree}`]);
        expect(programs.sort()).to.deep.equal(
            ["bin", "libexec", "runtime-rs/bin"].map((name) => `-t bin_t -R ${tree}/${name}`),
        );
    });

    it("labels nothing without SELinux", async () => {
        const data = archive(sandbox(), "kata.tar.zst", release);
        program(sandbox(), "chcon", chcon);
        const result = await download(sandbox(), sandbox().path("kata.tar.zst"), sha256(data), "selinux_mode() { :; }");
        expect(result).to.include({ status: 0, stderr: "" });
        expect(existsSync(sandbox().path("labels"))).to.equal(false);
    });

    it("does without labels where SELinux is permissive", async () => {
        const data = archive(sandbox(), "kata.tar.zst", release);
        program(sandbox(), "chcon", "exit 1");
        const result = await download(
            sandbox(),
            sandbox().path("kata.tar.zst"),
            sha256(data),
            "selinux_mode() { echo 0; }",
        );
        expect(result).to.include({ status: 0, stderr: "" });
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

    refused("a wrong checksum", /the sha256 of .* is [0-9a-f]{64}, not 0{64}/, async () => {
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
    refused(
        "a filesystem without labels where SELinux is enforcing, before the download,",
        /SELinux is enforcing, and .* cannot be labelled: chcon: Operation not supported/,
        async () => {
            program(sandbox(), "chcon", "echo 'chcon: Operation not supported' >&2; exit 1");
            archive(sandbox(), "kata.tar.zst", release);
            return download(sandbox(), sandbox().path("kata.tar.zst"), "0".repeat(64), "selinux_mode() { echo 1; }");
        },
    );
    refused("a server that answers 404", /could not download .*: .*404/, async () =>
        download(sandbox(), `${await serve(({ refuse }) => refuse())}/kata.tar.zst`, "0".repeat(64)),
    );
    refused("a server that closes the connection three times", /could not download .*: /, async () => {
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

    const large = (sandbox: Sandbox) =>
        archive(sandbox, "kata.tar.zst", `${release}; head -c 5000000 /dev/urandom >opt/kata/image`);
    it("resumes a download whose connection breaks, instead of beginning again", async () => {
        const data = large(sandbox());
        const ranges: (string | undefined)[] = [];
        const url = await serve((respond) => {
            ranges.push(respond.range);
            if (respond.range) respond.continue(data, 2_000_000);
            else respond.cut(data, 2_000_000);
        });
        const result = await download(sandbox(), `${url}/moved/kata.tar.zst`, sha256(data));
        expect(result.status, result.stderr).to.equal(0);
        expect(ranges).to.deep.equal([undefined, "bytes=2000000-", "bytes=4000000-"]);
        expect(result.stdout).to.not.contain("retrying");
    });
    it("begins again if the server cannot resume a download", async () => {
        const data = large(sandbox());
        const ranges: (string | undefined)[] = [];
        const url = await serve(({ range, send, cut }) => {
            ranges.push(range);
            if (ranges.length < 3) cut(data, 2_000_000);
            else send(data);
        });
        const result = await download(sandbox(), `${url}/kata.tar.zst`, sha256(data));
        expect(result.status, result.stderr).to.equal(0);
        expect(ranges).to.deep.equal([undefined, "bytes=2000000-", undefined]);
        expect(result.stdout).to.contain("retrying");
    });
});
