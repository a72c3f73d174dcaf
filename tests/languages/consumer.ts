// The package as npm would publish it, installed into an empty folder. All languages are tested with it.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const checkout = join(__dirname, "../..");

/** Runs a command and returns its standard output. */
export async function run(folder: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
    try {
        const options = { cwd: folder, env: { ...process.env, ...env }, maxBuffer: 1 << 26 };
        return (await promisify(execFile)(command, args, options)).stdout;
    } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        throw new Error(`in ${folder}: ${command} ${args.join(" ")}\n${stdout}${stderr}`);
    }
}

let folder: string | undefined;
let tarball: string | undefined;

/** The folder with the installed tarball; made once. */
export async function consumer(): Promise<string> {
    if (folder) return folder;
    folder = mkdtempSync(join(tmpdir(), "kata-consumer-"));
    const printed = await run(checkout, "npm", ["pack", "--silent", "--pack-destination", folder]);
    tarball = join(folder, printed.trim().split("\n").at(-1)!);
    await npmInstall(folder, tarball);
    return folder;
}

/** Installs the tarball into another empty folder, together with other packages. */
export async function installInto(other: string, packages: string[]): Promise<void> {
    await consumer();
    await npmInstall(other, tarball!, ...packages);
}

async function npmInstall(into: string, ...packages: string[]): Promise<void> {
    writeFileSync(join(into, "package.json"), '{ "name": "consumer", "private": true }\n');
    const quick = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
    await run(into, "npm", ["install", ...packages, ...quick]);
}

/** The package inside that folder. */
export const installed = async () => join(await consumer(), "node_modules/kata-containers");

after(function () {
    // The folder holds the packages of several programs.
    this.timeout(5 * 60 * 1000);
    if (folder) rmSync(folder, { recursive: true });
});
