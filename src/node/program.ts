// The node program: the shell files of `node`, in the order of their names, as one text.
//
// The program is sent packed, because Pulumi keeps the inputs of a command twice in the state, for each node, and writes the
// whole state with every step. The output of Node.js' own gzip depends on the version of zlib, and that of this library may
// change in another version. With other bytes every node would get the same program again, so the version is pinned.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "fflate";

// The same folder seen from `src` and from `bin`, where the compiler puts this file.
const folder = join(__dirname, "..", "..", "node");

export interface Program {
    text: string;
    /** The text as it is sent: gzip, in base64. */
    packed: string;
    /** The first 12 digits of the SHA-256 sum of the text. */
    id: string;
}

export function readProgram(): Program {
    const files = readdirSync(folder).filter((file) => file.endsWith(".sh"));
    const text = files
        .sort()
        .map((file) => readFileSync(join(folder, file), "utf8"))
        .join("");
    return programOf(text);
}

export function programOf(text: string): Program {
    const packed = Buffer.from(gzipSync(Buffer.from(text), { level: 9, mtime: 0 })).toString("base64");
    return { text, packed, id: createHash("sha256").update(text).digest("hex").slice(0, 12) };
}
