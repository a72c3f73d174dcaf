// Archives of small releases.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Sandbox } from "./shells";

const configuration = "opt/kata/share/defaults/kata-containers/configuration-qemu.toml";

/** The script that makes the files of a release. */
export const release = `mkdir -p opt/kata/bin ${configuration.replace(/\/[^/]*$/, "")}; echo '[runtime]' >${configuration}; echo shim >opt/kata/bin/shim`;

/** An archive of the files that `script` makes. */
export function archive(sandbox: Sandbox, name: string, script: string): Buffer {
    sandbox.write("content/keep", "");
    const compress = name.endsWith("xz") ? "xz -0" : "zstd -q";
    execFileSync(
        "sh",
        ["-ec", `cd content; ${script}; tar -c --owner=1001 --group=123 ./opt | ${compress} >../${name}`],
        { cwd: sandbox.folder },
    );
    return readFileSync(sandbox.path(name));
}
