// Adds a release of Kata Containers: downloads its archives, checks their layout, and adds their sums to
// src/kata/checksums.ts and a line to CHANGELOG.md.
//
//     npm run add-release -- VERSION [--url URL] [--sums FILE]
//
// URL is a mirror or a path, as in `release.url` of the component. FILE has the sums of a second source, as sha256sum prints
// them ("SUM  ARCHIVE"). A sum that FILE does not confirm is marked with "?".

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
    copyFileSync,
    createReadStream,
    createWriteStream,
    existsSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import type { ArchiveName } from "../src/kata/checksums";
import { type Architecture, archives, compareVersions, defaultUrl, isVersion, traits } from "../src/kata/releases";
import { architecturesOf, engineOf, isReleased, isShim, paths, shims } from "../src/kata/shims";

type Sums = { [name: string]: string };

/** Adds a release to the repository in `root`; if it fails, it changes nothing. `known` has sums of a second source. */
export async function addRelease(version: string, root: string, url = defaultUrl, known: Sums = {}): Promise<void> {
    if (!isVersion(version)) throw new Error(`"${version}" is not a version that this package can install`);
    const [table, changelog] = [join(root, "src/kata/checksums.ts"), join(root, "CHANGELOG.md")];
    let rows = readFileSync(table, "utf8");
    if (rows.includes(`"${version}": {`)) throw new Error(`${version} is already in ${table}`);
    for (const name of new Set(Object.values(traits(version).archives))) {
        rows = withRow(rows, name, version, await sumsOf(version, name, url, known));
    }
    writeFileSync(table, rows);
    writeFileSync(changelog, withLine(readFileSync(changelog, "utf8"), `- knows Kata Containers ${version}.`));
}

/** Downloads and checks the archive of this name for each architecture, and returns their sums. */
async function sumsOf(version: string, name: ArchiveName, url: string, known: Sums): Promise<Sums> {
    const engine = traits(version).archives.rust === name ? "rust" : "go";
    const folder = mkdtempSync(join(tmpdir(), "kata-release-"));
    const sums: Sums = {};
    try {
        for (const [architecture, { url: from, query }] of Object.entries(archives(version, engine, url))) {
            const archive = archives(version, engine, "{archive}")[architecture as Architecture]!.url;
            const file = join(folder, archive);
            if (!(await fetched(from + query, file))) {
                console.log(`${from} does not exist`);
                continue;
            }
            checkLayout(file, version, name, architecture as Architecture);
            const sum = await sha256(file);
            if (known[archive] && known[archive] !== sum)
                throw new Error(`the sha256 of ${from} is ${sum}, not ${known[archive]}`);
            sums[architecture] = known[archive] ? sum : `${sum}?`;
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
    if (Object.keys(sums).length === 0) throw new Error(`${version} has no archive ${name} at ${url}`);
    return sums;
}

/** Copies a URL or a path to a file; false if it does not exist. */
async function fetched(from: string, to: string): Promise<boolean> {
    if (!/^https?:/.test(from)) {
        if (existsSync(from)) copyFileSync(from, to);
        return existsSync(to);
    }
    const response = await fetch(from);
    if (response.status === 404) return false;
    if (!response.ok) throw new Error(`download of ${from} failed: ${response.status} ${response.statusText}`);
    await pipeline(response.body!, createWriteStream(to));
    return true;
}

async function sha256(file: string): Promise<string> {
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    return hash.digest("hex");
}

/** Fails unless the archive has the shims that this package installs from it, and nothing outside of opt/kata. */
function checkLayout(file: string, version: string, name: ArchiveName, architecture: Architecture): void {
    const list = execFileSync("tar", ["-tf", file], { encoding: "utf8", maxBuffer: 1 << 26 });
    const entries = list.split("\n").map((entry) => entry.replace(/^\.\//, ""));
    const outside = entries.find((entry) => !/^(opt\/(kata\/.*)?)?$/.test(entry));
    if (outside !== undefined) throw new Error(`${basename(file)} has an entry outside of opt/kata: ${outside}`);
    const expected = Object.keys(shims)
        .filter(isShim)
        .filter((shim) => isReleased(shim, version) && architecturesOf(shim, version).includes(architecture))
        .filter((shim) => traits(version).archives[engineOf(shim)] === name)
        .flatMap((shim) => Object.values(paths(shim, version)));
    const missing = [...new Set(expected)].filter((path) => !entries.includes(`opt/kata/${path}`));
    if (missing.length > 0) throw new Error(`${basename(file)} lacks ${missing.join(", ")} in opt/kata`);
}

/** The table of checksums with another row, in front of the first older release. */
function withRow(table: string, name: ArchiveName, version: string, sums: Sums): string {
    const start = table.indexOf(`"${name}": {`);
    const older = [...table.slice(start).matchAll(/^ {8}"(.*)": \{$/gm)].find(
        ([, other]) => compareVersions(other!, version) < 0,
    );
    const at = start + older!.index;
    const lines = Object.entries(sums).map(([architecture, sum]) => `            ${architecture}: "${sum}",\n`);
    return `${table.slice(0, at)}        "${version}": {\n${lines.join("")}        },\n${table.slice(at)}`;
}

/** The changelog with another line in the section of the next release. */
function withLine(changelog: string, line: string): string {
    const next = "## Unreleased\n\n";
    const text = changelog.includes(next) ? changelog : changelog.replace(/^## /m, `${next}\n## `);
    return text.replace(next, `${next}${line}\n`);
}

async function main(): Promise<void> {
    const { positionals, values } = parseArgs({
        allowPositionals: true,
        options: { url: { type: "string" }, sums: { type: "string" } },
    });
    const [version = ""] = positionals;
    const lines = values.sums ? readFileSync(values.sums, "utf8").trim().split("\n") : [];
    const known = Object.fromEntries(lines.map((line) => line.split(/\s+\*?/).reverse()));
    await addRelease(version, join(__dirname, ".."), values.url, known);
    console.log(`added ${version}; review the diff, then run: npx mocha tests/unit/plan.test.ts`);
}

if (require.main === module) {
    main().catch((error: Error) => {
        console.error(`error: ${error.message}`);
        process.exitCode = 1;
    });
}
