// The node program with a shell file of the tests in it.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Program, programFiles, readProgram } from "../../src/node/program";

/** The node program with one more file, before the one that runs it. The file can define what the program then uses. */
export function programWith(file: string): Program {
    const files = programFiles();
    return readProgram([...files.slice(0, -1), [basename(file), readFileSync(file, "utf8")], files.at(-1)!]);
}
