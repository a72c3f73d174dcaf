// The node program: the shell files of `src/node`, in the order of their names, as one text.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// The same folder seen from `src` and from `bin`, where the compiler puts this file.
const folder = join(__dirname, "..", "src", "node");

export interface Program {
    text: string;
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
    return { text, id: createHash("sha256").update(text).digest("hex").slice(0, 12) };
}
