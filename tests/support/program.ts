// The node program with a shell file of the tests in it.

import { readFileSync } from "node:fs";
import { type Program, programOf, readProgram } from "../../src/node/program";

const last = 'main "$@" </dev/null\n';

/** The node program with one file more, before the line that runs it. The file can define what the program then uses. */
export function programWith(file: string): Program {
    const { text } = readProgram();
    if (!text.endsWith(last)) throw new Error(`the node program must end with ${last}`);
    return programOf(`${text.slice(0, -last.length)}${readFileSync(file, "utf8")}${last}`);
}
