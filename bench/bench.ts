// Shared by all parts of the bench: nodes, archives and results.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inventory, nodes } from "../tests/support/lab";
import type { Nodes, Release } from "./nodes";
import { table } from "./statistics";

export type Size = "miniature" | "small" | "large";

export class Bench {
    private readonly results: { [part: string]: unknown } = {};
    private readonly targets: [what: string, target: string, measured: string, met: string][] = [];

    /**
     * @param archives the folder that is served at `address`
     * @param file the JSON file for the results
     */
    constructor(
        readonly rounds: number,
        private readonly archives: string,
        private readonly address: string,
        private readonly file: string,
    ) {}

    get nodes(): Nodes {
        return nodes();
    }

    containerd = (name: string) => inventory().nodes[name]!.containerd;

    /** `miniature` is the lab's own release, for measurements in which the archive does not matter. */
    archive(size: Size): { release: Release; about: string } {
        if (size === "miniature") {
            const { url, checksums } = inventory().releases;
            // One archive under the names of both versions that the bench installs.
            return { release: { url, sha256: checksums["3.32.0"]!.qemu! }, about: "a miniature" };
        }
        const read = (name: string) => readFileSync(join(this.archives, size, name), "utf8").trim();
        const url = `${this.address}/${size}/{version}/{archive}`;
        return { release: { url, sha256: { amd64: read("sha256") } }, about: read("about") };
    }

    say(title: string): void {
        console.log(`\n## ${title}`);
    }

    print(title: string, text: string): void {
        console.log(`\n${title}\n\n${text}`);
    }

    /** Written at once, so that a later failure loses nothing. */
    record(what: string, result: unknown): void {
        this.results[what] = result;
        this.write();
    }

    /** A row of the table of targets at the end. */
    target(what: string, target: string, measured: string, met: boolean): void {
        this.targets.push([what, target, measured, met ? "yes" : "no"]);
        this.write();
    }

    finish(): void {
        if (this.targets.length === 0) return;
        this.say("Targets");
        this.print("ratios within this run", table(["measurement", "target", "measured", "met"], this.targets));
    }

    private write(): void {
        writeFileSync(this.file, `${JSON.stringify({ ...this.results, targets: this.targets }, withoutOutput, 1)}\n`);
    }
}

const withoutOutput = (key: string, value: unknown) => (key === "output" ? undefined : value);
