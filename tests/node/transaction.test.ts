import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell, type Sandbox } from "./shells";

const picture = (sandbox: Sandbox) =>
    execFileSync(
        "sh",
        ["-c", "cd machine && find . | sort | xargs ls -ld --time-style=+ && find . -type f | sort | xargs cat"],
        {
            cwd: sandbox.folder,
            encoding: "utf8",
        },
    );

const plan = `printf '%s\\nnew\\n' "$SIGNATURE" >"$NEXT/new"
: >"$NEXT/plan"; : >"$NEXT/own"
want_own_file "$NEXT/new" "$PWD/machine/etc/deep/er/own"
want_own_link /opt/kata/shim "$PWD/machine/link"
want_own_link kata-releases/x "$PWD/machine/kata"
want_file "$NEXT/new" "$PWD/machine/config"
unwant_rest
`;

inEveryShell("a transaction", (sandbox) => {
    beforeEach(() => {
        sandbox().write("machine/config", "old\n");
        execFileSync("chmod", ["0640", sandbox().path("machine/config")]);
        sandbox().write("machine/kata/theirs", "theirs\n");
        symlinkSync("elsewhere", sandbox().path("machine/link"));
    });

    it("changes all that is planned, keeps modes, sets others' things aside", async () => {
        const result = await sandbox().run(`${plan} begin; carry_out_plan; commit`);
        expect(result).to.include({ status: 0, stderr: "" });
        const after = picture(sandbox());
        expect(after).to.match(/-rw-r-----.*\.\/config\n/);
        expect(after).to.match(/link -> \/opt\/kata\/shim\n/);
        expect(after).to.match(/kata -> kata-releases\/x\n/);
        expect(after).to.match(/link.before-kata-containers -> elsewhere\n/);
        expect(readFileSync(sandbox().path("machine/kata.before-kata-containers/theirs"), "utf8")).to.equal("theirs\n");
        expect(existsSync(sandbox().path("state/journal"))).to.equal(false);
    });

    it("plans nothing where all is as asked", async () => {
        const result = await sandbox().run(`${plan} begin; carry_out_plan; commit; ${plan} cat "$NEXT/plan" >&2`);
        expect(result).to.include({ status: 0, stderr: "" });
    });

    it("gives back what was there when nothing is wanted any more", async () => {
        const before = picture(sandbox());
        const result = await sandbox().run(`${plan} begin; carry_out_plan; commit
            : >"$NEXT/plan"; : >"$NEXT/own"; echo old >"$NEXT/old"
            want_file "$NEXT/old" "$PWD/machine/config"
            unwant_rest
            begin; carry_out_plan; commit; remove_folders`);
        expect(result).to.include({ status: 0, stderr: "" });
        expect(picture(sandbox())).to.equal(before);
    });

    // A process can be killed between any two of its commands. The program tells where: each command that changes the
    // machine or the journal is counted, and the run is cut before the nth.
    it("puts everything back wherever it is cut off", async () => {
        const before = picture(sandbox());
        let cuts = 0;
        for (let n = 1; ; n++) {
            const result = await sandbox().run(`
                COUNT=0
                cut() { COUNT=$((COUNT + 1)); if [ $COUNT = ${n} ]; then exit 99; fi; }
                mv() { cut; command mv "$@"; }
                rm() { cut; command rm "$@"; }
                cp() { cut; command cp "$@"; }
                ln() { cut; command ln "$@"; }
                mkdir() { cut; command mkdir "$@"; }
                cat() { cut; command cat "$@"; }
                ${plan} begin; carry_out_plan`);
            if (result.status === 0) {
                expect(picture(sandbox())).to.not.equal(before);
            } else {
                expect(result.status, result.stderr).to.equal(99);
                cuts++;
            }
            const recovery = await sandbox().run("if journal_open; then put_back; commit; fi");
            expect(recovery).to.include({ status: 0, stderr: "" });
            expect(picture(sandbox())).to.equal(before);
            await sandbox().run('rm -rf "$STATE"');
            if (result.status === 0) break;
        }
        expect(cuts).to.be.greaterThan(20);
    }).timeout(120000);
});
