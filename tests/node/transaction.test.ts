import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell, type Sandbox } from "../support/shells";

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
    const cutBefore = (n: number) => `
        COUNT=0
        cut() { COUNT=$((COUNT + 1)); if [ $COUNT = ${n} ]; then exit 99; fi; }
        mv() { cut; command mv "$@"; }
        rm() { cut; command rm "$@"; }
        cp() { cut; command cp "$@"; }
        ln() { cut; command ln "$@"; }
        mkdir() { cut; command mkdir "$@"; }
        cat() { cut; command cat "$@"; }
        `;
    const recover = async () => {
        const recovery = await sandbox().run("RUN=$PWD recover");
        expect(recovery).to.include({ status: 0, stderr: "" });
    };
    /** Cuts a script before each of its commands in turn, until it comes to its end. */
    const everywhere = async (
        prepare: () => Promise<unknown>,
        script: string,
        check: (cut: boolean) => Promise<void>,
    ) => {
        for (let n = 1; ; n++) {
            await prepare();
            const result = await sandbox().run(script.replace("CUT;", cutBefore(n)));
            expect(result.status, result.stderr).to.be.oneOf([0, 99]);
            await check(result.status !== 0);
            await sandbox().run('rm -rf "$STATE"');
            if (result.status === 0) return n - 1;
        }
    };

    it("puts everything back wherever it is cut off", async () => {
        const before = picture(sandbox());
        const cuts = await everywhere(
            async () => {},
            `CUT; ${plan} begin; carry_out_plan`,
            async (cut) => {
                if (!cut) expect(picture(sandbox())).to.not.equal(before);
                await recover();
                expect(picture(sandbox())).to.equal(before);
            },
        );
        expect(cuts).to.be.greaterThan(20);
    }).timeout(120000);

    it("is as asked or as it was wherever the end of it is cut off, with nothing left over", async () => {
        const before = picture(sandbox());
        await sandbox().run(`cp -a machine original; ${plan} begin; carry_out_plan; commit; rm -rf "$STATE"`);
        const after = picture(sandbox());
        const cuts = await everywhere(
            () => sandbox().run(`rm -rf machine; cp -a original machine; ${plan} begin; carry_out_plan`),
            "CUT; commit",
            async () => {
                await recover();
                expect(picture(sandbox())).to.be.oneOf([before, after]);
            },
        );
        expect(cuts).to.be.greaterThan(2);
    }).timeout(120000);

    it("may be cut off while it is put back", async () => {
        const before = picture(sandbox());
        const cuts = await everywhere(
            () => sandbox().run(`${plan} begin; carry_out_plan`),
            "CUT; put_back",
            async () => {
                await recover();
                expect(picture(sandbox())).to.equal(before);
            },
        );
        expect(cuts).to.be.greaterThan(5);
    }).timeout(120000);

    it("puts back without a byte of room", async () => {
        const before = picture(sandbox());
        await sandbox().run(`${plan} begin; carry_out_plan`);
        // Whoever copies or writes would have to find some.
        const result =
            await sandbox().run(`cp() { exit 98; }; cat() { case $1 in "$JOURNAL"/*) command cat "$@" ;; *) exit 97 ;; esac; }
            put_back`);
        expect(result).to.include({ status: 0, stderr: "" });
        expect(picture(sandbox())).to.equal(before);
    });
});
