// The package as npm would publish it, installed into an empty folder: what every language is tested with.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const checkout = join(__dirname, "../..");

/** Runs a command to its end, and gives what it printed. */
export function run(folder: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
    try {
        return execFileSync(command, args, {
            cwd: folder,
            env: { ...process.env, ...env },
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"],
            maxBuffer: 1 << 26,
        });
    } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        throw new Error(`in ${folder}: ${command} ${args.join(" ")}\n${stdout}${stderr}`);
    }
}

let folder: string | undefined;

/** An empty folder into which the tarball was installed; made once. */
export function consumer(): string {
    if (!folder) {
        folder = mkdtempSync(join(tmpdir(), "kata-consumer-"));
        const tarball = run(checkout, "npm", ["pack", "--silent", "--pack-destination", folder])
            .trim()
            .split("\n")
            .at(-1)!;
        writeFileSync(join(folder, "package.json"), '{ "name": "consumer", "private": true }\n');
        npm("install", "--save-exact", join(folder, tarball));
    }
    return folder;
}
export const npm = (...args: string[]) =>
    run(consumer(), "npm", [...args, "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]);

/** The package inside that folder. */
export const installed = () => join(consumer(), "node_modules/kata-containers");

after(() => {
    if (folder) rmSync(folder, { recursive: true });
});
