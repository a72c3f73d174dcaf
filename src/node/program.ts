// The node program: the shell files of `node`, as one text. Also the files of `daemon`, which run it in the pods of the DaemonSet.
//
// `fflate` compresses a text to the same bytes on every machine; the output of Node.js depends on its version of zlib. The version
// of `fflate` is fixed, because some nodes get the program as an input of a command, so other bytes would be a change.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "fflate";

// The same folders seen from `src` and from `bin`, where the compiler puts this file.
const folder = join(__dirname, "..", "..", "node");
const daemonFolder = join(__dirname, "..", "..", "daemon");

/** The files of `node` run in the order of their numbers; these are the numbers of the files in its folders. */
const numbers: { [folder: string]: string } = { distributions: "51", cri: "52" };

export interface Program {
    text: string;
    /** As it is sent: gzip. */
    packed: Buffer;
    /** The first 12 digits of the text's sha256. */
    id: string;
}

/** The program's files in their order, each as its path in `node` and its text. Tests insert one before the last. */
export function programFiles(): [name: string, text: string][] {
    const position = (name: string) => (numbers[name.split("/")[0]!] ?? "") + name;
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
        .map((name) => name.replaceAll("\\", "/"))
        .filter((name) => name.endsWith(".sh"))
        .sort((a, b) => (position(a) < position(b) ? -1 : 1))
        .map((name) => [name, readFileSync(join(folder, name), "utf8")]);
}

export function readProgram(files = programFiles()): Program {
    return programOf(files.map(([, text]) => text).join(""));
}

export function programOf(text: string): Program {
    const packed = Buffer.from(gzipSync(Buffer.from(text), { level: 9, mtime: 0 }));
    return { text, packed, id: createHash("sha256").update(text).digest("hex").slice(0, 12) };
}

/** The files of `daemon`, by their names. */
export function daemonScripts(): { [name: string]: string } {
    const names = readdirSync(daemonFolder).filter((name) => name.endsWith(".sh"));
    return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(daemonFolder, name), "utf8")]));
}
