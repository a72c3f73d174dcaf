// The script that adds a Kata release, with small archives on a server of the test.

import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { addRelease } from "../scripts/addRelease";
import { Shim } from "../src";
import type { Architecture, Engine } from "../src/kata/releases";
import { architecturesOf, engineOf, isReleased, paths } from "../src/kata/shims";
import { errorOf } from "./support/lab";

const checkout = join(__dirname, "..");
const filesOf = (engine: Engine, architecture: Architecture) => {
    const shims = Object.values(Shim)
        .filter((shim) => engineOf(shim) === engine && isReleased(shim, "9.8.7"))
        .filter((shim) => architecturesOf(shim, "9.8.7").includes(architecture));
    return [...new Set(shims.flatMap((shim) => Object.values(paths(shim, "9.8.7"))))];
};
const go = filesOf("go", "amd64");
const rust = filesOf("rust", "amd64");
/** The archive for arm64 lacks the shims that work on amd64 only. */
const rustOnArm64 = filesOf("rust", "arm64");

describe("npm run add-release", () => {
    let root: string;
    let server: Server;
    let url: string;
    /** The published archives, by name. */
    let published: { [archive: string]: Buffer };

    /** An archive with these files in opt/kata. */
    function archive(files: string[]): Buffer {
        const content = mkdtempSync(join(root, "content-"));
        for (const file of files) {
            mkdirSync(join(content, "opt/kata", dirname(file)), { recursive: true });
            writeFileSync(join(content, "opt/kata", file), file);
        }
        return execFileSync("tar", ["-C", content, "--zstd", "-c", "."]);
    }
    const sum = (name: string) => createHash("sha256").update(published[name]!).digest("hex");
    const table = () => readFileSync(join(root, "src/kata/checksums.ts"), "utf8");
    const changelog = () => readFileSync(join(root, "CHANGELOG.md"), "utf8");

    beforeEach(async () => {
        root = mkdtempSync(join(tmpdir(), "kata-add-"));
        mkdirSync(join(root, "src/kata"), { recursive: true });
        for (const file of ["src/kata/checksums.ts", "CHANGELOG.md"])
            copyFileSync(join(checkout, file), join(root, file));
        published = {
            "kata-static-9.8.7-amd64.tar.zst": archive(rust),
            "kata-static-9.8.7-arm64.tar.zst": archive([...rustOnArm64, "VERSION"]),
            "kata-go-static-9.8.7-amd64.tar.zst": archive(go),
        };
        server = createServer(({ url }, response) => {
            const data = published[url!.replace("/9.8.7/", "")];
            response.writeHead(data ? 200 : 404).end(data);
        }).listen(0, "127.0.0.1");
        await once(server, "listening");
        url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/{version}/{archive}`;
    });
    afterEach(() => {
        server.close();
        rmSync(root, { recursive: true });
    });

    it("adds the sums of all archives that are published, newest first, and a line in the changelog", async () => {
        const before = table();
        await addRelease("9.8.7", root, url, {
            "kata-static-9.8.7-amd64.tar.zst": sum("kata-static-9.8.7-amd64.tar.zst"),
        });
        const row = (...lines: string[]) =>
            `        "9.8.7": {\n${lines.map((line) => `            ${line},\n`).join("")}        },\n`;
        const all = row(
            `amd64: "${sum("kata-static-9.8.7-amd64.tar.zst")}"`,
            `arm64: "${sum("kata-static-9.8.7-arm64.tar.zst")}?"`,
        );
        const goOnly = row(`amd64: "${sum("kata-go-static-9.8.7-amd64.tar.zst")}?"`);
        expect(table())
            .to.contain(`"kata-static": {\n${all}        "4.`)
            .and.contain(`"kata-go-static": {\n${goOnly}        "4.`);
        expect(table().replace(all, "").replace(goOnly, "")).to.equal(before);
        expect(changelog()).to.match(/^# Changelog\n\n## Unreleased\n\n- knows Kata Containers 9\.8\.7\.\n\n## \d/);
        const rejected = await errorOf(addRelease("9.8.7", root, url));
        expect(rejected).to.match(/^9\.8\.7 is already in /);
    });

    it("reads archives from a path, and runs as a command", async () => {
        for (const [name, data] of Object.entries(published)) writeFileSync(join(root, name), data);
        // A path of 9.8.6 does not exist.
        const command = ["--import=tsx", "scripts/addRelease.ts", "9.8.6", "--url", join(root, "{archive}")];
        const failure = await errorOf(promisify(execFile)(process.execPath, command, { cwd: checkout }));
        expect(failure).to.contain(`error: 9.8.6 has no archive kata-go-static at ${root}/{archive}`);
        await addRelease("9.8.7", root, join(root, "{archive}"));
        expect(table()).to.contain('"9.8.7": {');
    });

    const refused = (title: string, change: () => void, error: RegExp, known = {}) =>
        it(`rejects ${title}, and changes nothing`, async () => {
            const before = [table(), changelog()];
            change();
            expect(await errorOf(addRelease("9.8.7", root, url, known))).to.match(error);
            expect([table(), changelog()]).to.deep.equal(before);
        });
    refused(
        "an archive without a shim",
        () => {
            published["kata-static-9.8.7-arm64.tar.zst"] = archive(rustOnArm64.slice(1));
        },
        /arm64\.tar\.zst lacks runtime-rs\/bin\/containerd-shim-kata-v2 in opt\/kata$/,
    );
    refused(
        "an archive with a file outside of opt/kata",
        () => {
            published["kata-go-static-9.8.7-amd64.tar.zst"] = archive([...go, "../../etc/passwd"]);
        },
        /has an entry outside of opt\/kata: etc\/$/,
    );
    refused(
        "an archive whose sum differs from the one of the second source",
        () => {},
        /the sha256 of .* is [0-9a-f]{64}, not 0{64}$/,
        {
            "kata-static-9.8.7-amd64.tar.zst": "0".repeat(64),
        },
    );
    refused(
        "a release that is not published",
        () => {
            published = {};
        },
        /^9\.8\.7 has no archive kata-go-static at http:/,
    );
});
