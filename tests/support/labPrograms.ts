// Programs that the lab has built, for tests that ask a real one.

import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "kata-containers-lab");

/** The path of a program in a folder of the lab's cache, if the lab has built it. */
export const labProgram = (folder: RegExp, program: string) =>
    (existsSync(cache) ? readdirSync(cache) : [])
        .filter((name) => folder.test(name))
        .map((name) => join(cache, name, program))
        .find(existsSync);
