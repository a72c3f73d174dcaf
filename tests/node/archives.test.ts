// Malicious archives: nothing outside the releases' folder is written or changed, and the content is refused or made
// harmless.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect } from "chai";
import { inEveryShell, type Sandbox } from "../support/shells";

interface Member {
    name: string;
    /** As in the header: a file, a hard or symbolic link, a character or block device, a folder, a pipe. */
    type?: "0" | "1" | "2" | "3" | "4" | "5" | "6";
    link?: string;
    mode?: number;
    data?: string;
    owner?: number;
    /** Records of an extended header before this one, which override it. */
    pax?: { [name: string]: string };
}

/** A member of a tar archive: a header of 512 bytes, and the data in blocks of 512. */
function member({ name, type = "0", link = "", mode, data = "", owner = 1001, pax }: Member): Buffer {
    const content = Buffer.from(data);
    const header = Buffer.alloc(512);
    const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
    const fields: [offset: number, text: string][] = [
        [0, name],
        [100, octal(mode ?? (type === "5" ? 0o755 : 0o644), 8)],
        [108, octal(owner, 8)],
        [116, octal(owner, 8)],
        [124, octal(content.length, 12)],
        [136, octal(1_700_000_000, 12)],
        [148, " ".repeat(8)],
        [156, pax ? "x" : type],
        [157, link],
        [257, "ustar\x0000"],
        [265, "someone"],
        [297, "someone"],
        [329, octal(1, 8)],
        [337, octal(3, 8)],
    ];
    for (const [offset, text] of fields) header.write(text, offset, "latin1");
    header.write(
        octal(
            header.reduce((sum, byte) => sum + byte, 0),
            7,
        ),
        148,
        "latin1",
    );
    return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function paxRecord([name, value]: [string, string]): string {
    const rest = ` ${name}=${value}\n`;
    const length = [1, 2, 3, 4].map((digits) => rest.length + digits).find((n) => String(n).length === n - rest.length);
    return `${length}${rest}`;
}

const tar = (members: Member[]) =>
    Buffer.concat([
        ...members.flatMap(({ pax, ...rest }) => [
            ...(pax ? [member({ name: "pax", data: Object.entries(pax).map(paxRecord).join(""), pax })] : []),
            member(rest),
        ]),
        Buffer.alloc(1024),
    ]);

const folder = (name: string, mode?: number): Member => ({ name, type: "5", mode });
const release: Member[] = [
    ...["opt", "opt/kata", "opt/kata/bin", "opt/kata/share", "opt/kata/share/defaults"].map((name) => folder(name)),
    folder("opt/kata/share/defaults/kata-containers"),
    { name: "opt/kata/share/defaults/kata-containers/configuration-qemu.toml", data: "[runtime]\n" },
    { name: "opt/kata/bin/shim", mode: 0o755, data: "shim\n" },
];
const symlink = (name: string, link: string): Member => ({ name, type: "2", link, mode: 0o777 });
const evil = { data: "evil\n", mode: 0o777 };

/** A path and all below it; links are not followed. */
function paths(path: string): string[] {
    const names = lstatSync(path).isDirectory() ? readdirSync(path) : [];
    return [path, ...names.flatMap((name) => paths(join(path, name)))];
}

/** The metadata and content of a path, to detect any change. */
function snapshot(path: string): string {
    const stat = lstatSync(path);
    const content = stat.isFile() ? readFileSync(path, "utf8") : stat.isSymbolicLink() ? readlinkSync(path) : "";
    const { mode, uid, gid, nlink, ino, mtimeMs } = stat;
    return `${path} ${mode.toString(8)} ${uid}:${gid} ${nlink} ${ino} ${mtimeMs} ${content}`;
}

/** Checks that everything in a release's tree is allowed there. */
function checkTree(tree: string) {
    const inodes = paths(tree).map((path) => lstatSync(path).ino);
    for (const path of paths(tree)) {
        const stat = lstatSync(path);
        expect({ uid: stat.uid, gid: stat.gid }, path).to.deep.equal({ uid: 0, gid: 0 });
        if (stat.isSymbolicLink()) {
            const target = resolve(dirname(path), readlinkSync(path).replace(/^\/opt\/kata\//, `${tree}/`));
            expect(relative(tree, target), path).to.not.match(/^\.\.(\/|$)/);
            continue;
        }
        expect(stat.isFile() || stat.isDirectory(), path).to.equal(true);
        expect(stat.mode & 0o6022, path).to.equal(0);
        if (stat.isFile()) expect(stat.nlink, path).to.equal(inodes.filter((ino) => ino === stat.ino).length);
    }
}

/** Files of others, beside the releases and among them. */
function furnish(sandbox: Sandbox) {
    sandbox.write("outside/file", "theirs\n");
    sandbox.write("outside/kata/share/defaults/kata-containers/configuration-qemu.toml", "theirs\n");
    sandbox.write("releases/3.31.0-def/bin/shim", "theirs\n");
    const script = "chmod 0777 outside/kata; mkfifo outside/kata/pipe; chmod 0666 outside/file";
    execFileSync("sh", ["-ec", script], { cwd: sandbox.folder });
    return () => [
        ...["outside", "releases/3.31.0-def"].flatMap((path) => paths(sandbox.path(path)).map(snapshot)),
        ...readdirSync(sandbox.folder).filter((name) => !["work", "state", "seen", "program.sh"].includes(name)),
    ];
}

/** Records the user who unpacks, and who can read the unchecked content: the mode of the folder before and after. */
const recorder = (tool: string, sandbox: Sandbox) => `#!/bin/sh
record() { echo "${tool} $(id -u) $(stat -c %a ${sandbox.path("releases/.staging")})" >>${sandbox.path("seen")}; }
record; ${tool === "zstd" ? "" : "$R_BUSYBOX "}/usr/bin/${tool} "$@"; status=$?; record; exit $status
`;

function download(sandbox: Sandbox, archive: string) {
    sandbox.write("seen", "");
    for (const tool of ["tar", "xz", "zstd"]) sandbox.write(`path/${tool}`, recorder(tool, sandbox));
    execFileSync("sh", ["-ec", "chmod 711 .; chmod 755 path/*; chmod 666 seen"], { cwd: sandbox.folder });
    return sandbox.run(
        // busybox has its own tar and xz, and a setpriv that cannot change the user.
        `setpriv() { /usr/bin/setpriv "$@"; }
        case $(command -v tar) in /*) export R_BUSYBOX= ;; *) export R_BUSYBOX=busybox ;; esac
        HOST_CHECKS=warn; download_release 3.32.0-abc "$R_URL" "$R_SUM"`,
        { R_URL: archive, R_SUM: createHash("sha256").update(readFileSync(archive)).digest("hex") },
    );
}

/** Paths that lead out of the folder that an archive is unpacked in, whichever folder that is. */
const upward = (path: string) => [1, 2, 3, 4, 5].map((n) => "../".repeat(n) + path);
const written = (names: string[]): Member[] => names.map((name) => ({ name, ...evil }));

/** Archives and their outcome; `either` means that one tar refuses and another unpacks without harm. */
const archives: {
    [content: string]: { outcome: "refused" | "harmless" | "either"; members(sandbox: Sandbox): Member[] };
} = {
    "files above the folder": {
        outcome: "either",
        members: () => [...release, ...written(upward("evil")), ...written(upward("outside/file"))],
    },
    "files above the folder, through the tree": {
        outcome: "either",
        members: () => [...release, ...written(upward("outside/file").map((name) => `opt/kata/${name}`))],
    },
    "files above the folder, named in an extended header": {
        outcome: "either",
        members: () => [
            ...release,
            ...upward("outside/file").map((path) => ({ name: "opt/kata/innocent", ...evil, pax: { path } })),
        ],
    },
    "a file at an absolute path": {
        outcome: "either",
        members: (sandbox) => [...release, { name: sandbox.path("outside/file"), ...evil }],
    },
    "a file through a link to an absolute path": {
        outcome: "refused",
        members: (sandbox) => [
            ...release,
            symlink("opt/kata/out", sandbox.path("outside")),
            { name: "opt/kata/out/file", ...evil },
            { name: "opt/kata/out/new", ...evil },
        ],
    },
    "a file through links that go up": {
        outcome: "refused",
        members: () => [
            ...release,
            ...upward("outside").flatMap((to, i) => [
                symlink(`opt/kata/out${i}`, to),
                { name: `opt/kata/out${i}/file`, ...evil },
            ]),
        ],
    },
    "a file that replaces a link that leads out": {
        outcome: "either",
        members: (sandbox) => [
            ...release,
            symlink("opt/kata/bin/x", sandbox.path("outside/file")),
            { name: "opt/kata/bin/x", ...evil },
        ],
    },
    "a link that leads out": {
        outcome: "refused",
        members: () => [...release, symlink("opt/kata/bin/x", "../../etc/passwd")],
    },
    "links that stay inside": {
        outcome: "harmless",
        members: () => [
            ...release,
            ...["shim", "./shim", "../bin/shim", "..", "../bin/not there", "/opt/kata/bin/shim", "..shim"].map(
                (to, i) => symlink(`opt/kata/bin/link${i}`, to),
            ),
            symlink("opt/kata/link", "share/defaults"),
        ],
    },
    "a link that leads out by an absolute path": {
        outcome: "refused",
        members: (sandbox) => [...release, symlink("opt/kata/bin/x", sandbox.path("outside/file"))],
    },
    "a link that leads out through another one": {
        outcome: "refused",
        members: () => [
            ...release,
            folder("opt/kata/a"),
            folder("opt/kata/a/b"),
            symlink("opt/kata/a/b/top", "../.."),
            symlink("opt/kata/bin/x", "../a/b/top/../../outside/file"),
        ],
    },
    "a link that leads out, with line ends in its name": {
        outcome: "refused",
        members: () => [...release, symlink("opt/kata/bin/shim\nopt/kata/bin/x", "/etc/passwd")],
    },
    "a link instead of the tree": {
        outcome: "refused",
        members: (sandbox) => [folder("opt"), symlink("opt/kata", sandbox.path("outside/kata"))],
    },
    "a link above the tree": {
        outcome: "refused",
        members: (sandbox) => [symlink("opt", sandbox.path("outside"))],
    },
    "a link above the tree, going up": {
        outcome: "refused",
        members: () => [symlink("opt", "../../outside")],
    },
    "a link above the tree, going further up": {
        outcome: "refused",
        members: () => [symlink("opt", "../../../outside")],
    },
    "hard links to files outside": {
        outcome: "refused",
        members: (sandbox) => [
            ...release,
            ...[sandbox.path("outside/file"), ...upward("outside/file")].map(
                (link, i): Member => ({ name: `opt/kata/bin/hard${i}`, type: "1", link }),
            ),
        ],
    },
    "a file through a hard link to one outside": {
        outcome: "refused",
        members: (sandbox) => [
            ...release,
            { name: "opt/kata/bin/hard", type: "1", link: sandbox.path("outside/file") },
            { name: "opt/kata/bin/hard", ...evil },
        ],
    },
    "a hard link to a link that leads out": {
        outcome: "refused",
        members: (sandbox) => [
            ...release,
            symlink("opt/kata/bin/soft", sandbox.path("outside/file")),
            { name: "opt/kata/bin/hard", type: "1", link: "opt/kata/bin/soft" },
        ],
    },
    "devices and a pipe": {
        // Where a container may not create devices, tar fails.
        outcome: "either",
        members: () => [
            ...release,
            { name: "opt/kata/bin/memory", type: "3", mode: 0o666 },
            { name: "opt/kata/bin/disk", type: "4", mode: 0o666 },
            { name: "opt/kata/bin/pipe", type: "6", mode: 0o666 },
        ],
    },
    "a pipe instead of a folder": {
        outcome: "refused",
        members: () => [folder("opt"), { name: "opt/kata", type: "6" }],
    },
    "setuid and setgid programs, and files that anyone can write": {
        outcome: "harmless",
        members: () => [
            ...release,
            { name: "opt/kata/bin/setuid", data: "x", mode: 0o4755, owner: 0 },
            { name: "opt/kata/bin/setgid", data: "x", mode: 0o2755 },
            { name: "opt/kata/bin/both", data: "x", mode: 0o6777 },
            { name: "opt/kata/bin/open", data: "x", mode: 0o666 },
            folder("opt/kata/open", 0o777),
            folder("opt/kata/sticky", 0o3777),
            folder("opt/kata", 0o2777),
        ],
    },
    "files of another owner": {
        outcome: "harmless",
        members: () => release.map((member) => ({ ...member, owner: 65534 })),
    },
    "the folder that it is unpacked in, writable for everyone": {
        outcome: "harmless",
        members: () => [folder("./", 0o777), ...release, folder("./", 0o777)],
    },
    "the folder that it is unpacked in, as a link": {
        outcome: "either",
        members: (sandbox) => [...release, symlink(".", sandbox.path("outside"))],
    },
    "the folder that it is unpacked in, by its name": {
        outcome: "refused",
        members: () => [...release, symlink("../.staging", "../outside"), { name: "../.staging/file", ...evil }],
    },
    "files of another release": {
        outcome: "either",
        members: () => [...release, ...written(upward("3.31.0-def/bin/shim"))],
    },
    "files beside the tree": {
        outcome: "harmless",
        members: () => [...release, { name: "etc/passwd", ...evil }, { name: "opt/other", ...evil }],
    },
};

const outcomes = { refused: "is refused", harmless: "is unpacked without harm", either: "does no harm" };

inEveryShell("unpacking an archive", (sandbox) => {
    for (const [content, { outcome, members }] of Object.entries(archives)) {
        for (const name of ["kata.tar.zst", "kata.tar.xz"]) {
            it(`${name} with ${content} ${outcomes[outcome]}`, async () => {
                const compressor = name.endsWith("xz") ? "xz" : "zstd";
                const data = execFileSync(compressor, ["-c"], { input: tar(members(sandbox())) });
                const archive = sandbox().write(name, data);
                const theirs = furnish(sandbox());
                const before = theirs();
                const { status, stderr } = await download(sandbox(), archive);
                expect(theirs()).to.deep.equal(before);

                if (outcome !== "either") expect(status, stderr).to.equal(outcome === "refused" ? 1 : 0);
                const trees = status === 0 ? ["3.31.0-def", "3.32.0-abc"] : ["3.31.0-def"];
                expect(readdirSync(sandbox().path("releases"))).to.deep.equal(trees);
                if (status === 0) checkTree(sandbox().path("releases/3.32.0-abc"));
                else expect(stderr).to.match(/^error: node .*, step "release": /);
                const seen = readFileSync(sandbox().path("seen"), "utf8").trim().split("\n").sort();
                expect(seen).to.deep.equal(
                    [compressor, compressor, "tar", "tar"].sort().map((tool) => `${tool} 65500 700`),
                );
                expect(existsSync(sandbox().path("releases/.staging"))).to.equal(false);
            });
        }
    }
});
