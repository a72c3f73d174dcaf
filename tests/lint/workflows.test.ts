// The files in .github.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { read, root, tracked } from "./files";

/** Runs a command with the tools that lint needs. */
const run = (command: string) =>
    execFileSync("bash", ["-c", `tools=$(lab/lab checks) && eval "$tools" && ${command}`], {
        cwd: root,
        encoding: "utf8",
    });

describe("lint: .github", function () {
    // The first run builds actionlint.
    this.timeout(10 * 60 * 1000);
    const workflows = tracked(".github/workflows");

    it("actionlint and shellcheck find nothing in the workflows", () => {
        expect(workflows).to.have.length.at.least(3);
        expect(run("actionlint 2>&1 || :")).to.equal("");
    });

    it("actionlint is in force", () => {
        const wrong = "on: push\njobs: { a: { runs-on: ubuntu-24.04, steps: [{ run: 'echo $a' }] } }\n";
        expect(run(`printf %s '${wrong.replaceAll("'", "'\\''")}' | actionlint - 2>&1 || :`)).to.contain("SC2086");
    });

    it("workflows use actions by commit, with the version in a comment", () => {
        const uses = workflows.flatMap((path) => read(path).match(/uses: .*/g) ?? []);
        const others = uses.filter((use) => !/^uses: (\.\/.*|[\w/-]+@[0-9a-f]{40} # v[\d.]+)$/.test(use));
        expect(others).to.deep.equal([]);
    });

    it("each script that a workflow runs exists", () => {
        const scripts = workflows.flatMap(
            (path) => read(path).match(/(?<=\s)(?:scripts|tests|lab)\/[\w./-]*\w/g) ?? [],
        );
        expect(scripts).to.include.members(["scripts/prepareRelease.sh", "tests/virtualization/run.sh"]);
        expect(scripts.filter((path) => !existsSync(join(root, path)))).to.deep.equal([]);
    });

    it("Dependabot knows every Go module", () => {
        const known = read(".github/dependabot.yml")
            .match(/- \/.*/g)!
            .map((line) => line.slice(3));
        const modules = tracked("*go.mod").map((path) =>
            path.replace(/\/go\.mod$/, "").replace(/(toolchain)\/.*/, "$1/*"),
        );
        expect([...new Set(modules)].sort()).to.deep.equal(known.sort());
    });
});
