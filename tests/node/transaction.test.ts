import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell, type Sandbox } from "../support/shells";

const snapshot = (sandbox: Sandbox) =>
    execFileSync(
        "sh",
        ["-c", "cd machine && find . | sort | xargs ls -ld --time-style=+ && find . -type f | sort | xargs cat"],
        {
            cwd: sandbox.folder,
            encoding: "utf8",
        },
    );

const plan = `printf '%s\\nnew\\n' "$SIGNATURE" >"$WORK_DIR/new"
empty_plan
want_managed_file "$WORK_DIR/new" "$PWD/machine/etc/deep/er/managed"
want_managed_link /opt/kata/shim "$PWD/machine/link"
want_managed_link kata-releases/x "$PWD/machine/kata"
want_file "$WORK_DIR/new" "$PWD/machine/config"
unwant_rest
`;

inEveryShell("a transaction", (sandbox) => {
    beforeEach(() => {
        sandbox().write("machine/config", "old\n");
        execFileSync("chmod", ["0640", sandbox().path("machine/config")]);
        sandbox().write("machine/kata/theirs", "theirs\n");
        symlinkSync("elsewhere", sandbox().path("machine/link"));
    });

    it("a transaction carries out the plan, keeps modes and displaces files of others", async () => {
        const result = await sandbox().run(`${plan} begin; carry_out_plan; commit`);
        expect(result).to.include({ status: 0, stderr: "" });
        const after = snapshot(sandbox());
        expect(after).to.match(/-rw-r-----.*\.\/config\n/);
        expect(after).to.match(/link -> \/opt\/kata\/shim\n/);
        expect(after).to.match(/kata -> kata-releases\/x\n/);
        expect(after).to.match(/link.kata-containers-displaced -> elsewhere\n/);
        expect(readFileSync(sandbox().path("machine/kata.kata-containers-displaced/theirs"), "utf8")).to.equal(
            "theirs\n",
        );
        expect(existsSync(sandbox().path("state/journal"))).to.equal(false);
    });

    it("the plan is empty if the node is as requested", async () => {
        const result = await sandbox().run(`${plan} begin; carry_out_plan; commit; ${plan} cat "$WORK_DIR/plan" >&2`);
        expect(result).to.include({ status: 0, stderr: "" });
    });

    it("an empty request removes all managed files and restores the displaced ones", async () => {
        const before = snapshot(sandbox());
        const result = await sandbox().run(`${plan} begin; carry_out_plan; commit
            empty_plan; echo old >"$WORK_DIR/old"
            want_file "$WORK_DIR/old" "$PWD/machine/config"
            unwant_rest
            begin; carry_out_plan; commit; remove_folders`);
        expect(result).to.include({ status: 0, stderr: "" });
        expect(snapshot(sandbox())).to.equal(before);
    });

    // A process can be killed between any two of its commands. Each command that changes the machine or the journal is
    // counted, and the run is interrupted before the nth.
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
        const recovery = await sandbox().run("RUN_DIR=$PWD; recover");
        expect(recovery).to.include({ status: 0, stderr: "" });
    };
    /** Interrupts a script before each of its commands in turn, until it completes. */
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
            await sandbox().run('rm -rf "$STATE_DIR"');
            if (result.status === 0) return n - 1;
        }
    };

    it("a transaction is rolled back wherever it is interrupted", async () => {
        const before = snapshot(sandbox());
        const cuts = await everywhere(
            async () => {},
            `CUT; ${plan} begin; carry_out_plan`,
            async (cut) => {
                if (!cut) expect(snapshot(sandbox())).to.not.equal(before);
                await recover();
                expect(snapshot(sandbox())).to.equal(before);
            },
        );
        expect(cuts).to.be.greaterThan(20);
    }).timeout(120000);

    it("a transaction is complete or rolled back wherever its commit is interrupted, and leaves no backups", async () => {
        const before = snapshot(sandbox());
        await sandbox().run(`cp -a machine original; ${plan} begin; carry_out_plan; commit; rm -rf "$STATE_DIR"`);
        const after = snapshot(sandbox());
        const cuts = await everywhere(
            () => sandbox().run(`rm -rf machine; cp -a original machine; ${plan} begin; carry_out_plan`),
            "CUT; commit",
            async () => {
                await recover();
                expect(snapshot(sandbox())).to.be.oneOf([before, after]);
            },
        );
        expect(cuts).to.be.greaterThan(2);
    }).timeout(120000);

    it("an interrupted rollback is completed by the next run", async () => {
        const before = snapshot(sandbox());
        const cuts = await everywhere(
            () => sandbox().run(`${plan} begin; carry_out_plan`),
            "CUT; roll_back",
            async () => {
                await recover();
                expect(snapshot(sandbox())).to.equal(before);
            },
        );
        expect(cuts).to.be.greaterThan(5);
    }).timeout(120000);

    it("a transaction is rolled back on a full disk", async () => {
        const before = snapshot(sandbox());
        await sandbox().run(`${plan} begin; carry_out_plan`);
        // Copies and writes would need space.
        const result =
            await sandbox().run(`cp() { exit 98; }; cat() { case $1 in "$JOURNAL"/*) command cat "$@" ;; *) exit 97 ;; esac; }
            roll_back`);
        expect(result).to.include({ status: 0, stderr: "" });
        expect(snapshot(sandbox())).to.equal(before);
    });
});
