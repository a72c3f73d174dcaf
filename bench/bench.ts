// What the parts of the bench share: nodes, archives, and where results go.

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
     * @param file where the results go, for machines
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

    /** The smallest is the lab's own miniature, where the archive is not what is measured. */
    archive(size: Size): { release: Release; about: string } {
        if (size === "miniature") {
            const { url, checksums } = inventory().releases;
            // It is one version, which here goes by the name of another as well.
            return { release: { url, sha256: checksums["3.32.0"]!.go! }, about: "a miniature" };
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

    /** For machines. What was measured until something fails is kept. */
    record(what: string, result: unknown): void {
        this.results[what] = result;
        this.write();
    }

    /** A target of the table at the end, beside what was measured. */
    target(what: string, target: string, measured: string, met: boolean): void {
        this.targets.push([what, target, measured, met ? "yes" : "no"]);
        this.write();
    }

    finish(): void {
        if (this.targets.length === 0) return;
        this.say("Targets");
        this.print("ratios within this run", table(["what", "target", "measured", "met"], this.targets));
    }

    private write(): void {
        writeFileSync(this.file, `${JSON.stringify({ ...this.results, targets: this.targets }, withoutOutput, 1)}\n`);
    }
}

const withoutOutput = (key: string, value: unknown) => (key === "output" ? undefined : value);
