// The files of the project, for the lint tests.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(__dirname, "../..");

/** The paths of the files that git tracks, or would track, at these paths. */
export const tracked = (...paths: string[]) =>
    execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...paths], {
        cwd: root,
        encoding: "utf8",
    })
        .trim()
        .split("\n");

export const read = (path: string) => readFileSync(join(root, path), "utf8");
