import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";

const failpoints = join(__dirname, "../../support/failpoints.sh");

describe("failpoints", () => {
    let folder: string;
    const arm = (...faults: string[]) =>
        writeFileSync(join(folder, "armed"), faults.map((line) => `${line}\n`).join(""));
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "kata-failpoints-"));
        arm();
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    /** Runs the commands of a change, as the node program does, and lists the failpoints that were reached. */
    const change = (script = "") => {
        execFileSync(
            "sh",
            [
                "-eu",
                "-c",
                `. ${failpoints}\nFAILPOINTS=$PWD STATE_DIR=$PWD JOURNAL=$PWD/journal WORK_DIR=$PWD/work\n${script}\n${commands}`,
            ],
            {
                cwd: folder,
            },
        );
        return readFileSync(join(folder, "reached"), "utf8").trimEnd().split("\n");
    };
    const commands = `
        touch new other gone
        mv new before
        mkdir "$JOURNAL"
        mkdir folder
        mkdir "$JOURNAL/next" && printf /etc/file >"$JOURNAL/next/path"
        mv "$JOURNAL/next" "$JOURNAL/0"
        mv -T before file
        mv other file
        (rm -f gone)
        rm -rf "$JOURNAL/next"
        timeout 5 true systemctl restart containerd
        mv "$JOURNAL" "$JOURNAL.done"
        rm file`;
    const names = [
        "begin",
        "note /etc/file",
        "write file",
        "write file (2)",
        "remove gone",
        "restart containerd",
        "commit",
    ];

    it("names each failpoint after its command while the journal is open, and counts repeated names", () => {
        expect(change()).to.deep.equal(names);
    });

    for (const [index, name] of names.entries()) {
        it(`lets the fault happen once, just before the command of the failpoint "${name}"`, () => {
            arm(`test ${name}`);
            change('fault_test() { printf "%s\\n" "$(wc -l <reached)" >>happened; [ -d journal ] || touch closed; }');
            expect(readFileSync(join(folder, "happened"), "utf8")).to.equal(`${index + 1}\n`);
            expect(existsSync(join(folder, "closed"))).to.equal(name === "begin");
        });
    }

    it("lets several faults happen in their order", () => {
        arm("test begin", "other remove gone", "test commit", "other begin");
        change('for fault in test other; do eval "fault_$fault() { echo $fault >>happened; }"; done');
        expect(readFileSync(join(folder, "happened"), "utf8")).to.equal("test\nother\ntest\n");
        expect(readFileSync(join(folder, "armed"), "utf8")).to.equal("other begin\n");
    });

    it("names no command of another process than the unit", () => {
        expect(() => change("WORK_DIR=$PWD/runner")).to.throw(/ENOENT.*reached/);
    });
});
