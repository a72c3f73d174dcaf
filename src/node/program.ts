// The node program: the shell files of `node`, in the order of their names, as one text.
//
// Pulumi keeps what a command is given twice in the state, for each node, and writes the state anew with each step. So the
// program is sent packed. The library packs the same everywhere, where Node.js goes by the version of its zlib; a newer one may
// not, and then each node would get the same program again, so its version is fixed.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "fflate";

// The same folder seen from `src` and from `bin`, where the compiler puts this file.
const folder = join(__dirname, "..", "..", "node");

export interface Program {
    text: string;
    /** As it is sent: gzip, in base64. */
    packed: string;
    /** The first 12 digits of the text's sha256. */
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
