// Runs of an action as a systemd unit. A script stands for systemd-run: like systemd, it starts the command in a session, a
// folder and an environment of its own.

import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { environments, inEveryShell } from "../support/shells";

const systemdRun = `#!/bin/bash
printf '%s\\n' "$@" >>"\${0%/*}/../told"
while [[ $1 == --* ]]; do
    case $1 in --setenv=*) set_env+=("\${1#*=}") ;; esac
    shift
done
cd "\${0%/*}/.."
setsid env -i "\${set_env[@]}" "$@" </dev/null >/dev/null 2>&1 &
echo $! >main-pid
wait $!
`;

inEveryShell("a run of an action", (sandbox) => {
    beforeEach(function () {
        const title = this.currentTest!.parent!.title;
        const { shell } = environments.find(({ name }) => title.endsWith(`${name})`))!;
        const program = execFileSync("which", [shell[0]!], { encoding: "utf8" }).trim();
        symlinkSync(program, sandbox().path("path/sh"));
        chmodSync(sandbox().write("path/systemd-run", systemdRun), 0o755);
    });

    /** Runs a script that can run the node program as `program ACTION ARGUMENT...`, in which activate does `work`. */
    const run = (work: string, script: string, env = {}) =>
        sandbox().run(
            `sandbox=$PWD
            id() { echo 0; }
            runs_as_root() { [ ! -e "$sandbox/other-user" ]; }
            record() { :; }
            do_probe() { ls "$WORK_DIR/plan" >"$sandbox/started"; while :; do sleep 0.1; done; }
            do_activate() { cd "$sandbox"; ${work}
            }
            until_exists() { within 15 [ -e "$1" ] || echo "no $1"; }
            program() { sh "$0" "$@"; }
            if [ $# -gt 0 ]; then main "$@"; exit; fi
            set +e
            ${script}`,
            env,
        );
    const activate = "activate --owner=acme/shop/prod/kata --node=worker-1 --version=4.1.0";
    const folderOfRuns = () => execFileSync("find", ["run", "-type", "f"], { cwd: sandbox().folder, encoding: "utf8" });

    it("a run prints its action first, and passes on the output and the exit status", async () => {
        const { status, stdout, stderr } = await run("echo out; echo err >&2; exit 7", `program ${activate}`);
        expect({ status, stderr }).to.deep.equal({ status: 7, stderr: "" });
        const [first, ...rest] = stdout.split("\n");
        expect(first).to.equal("activating Kata Containers 4.1.0 on worker-1");
        expect(rest.slice(0, 2)).to.deep.equal(["out", "err"]);
        const { stdout: succeeded } = await run("echo out", `program ${activate} && echo success`);
        expect(succeeded.split("\n").slice(1)).to.deep.equal(["out", "success", ""]);
    });

    it("passes arguments on as they are, and variables in the environment only", async () => {
        const setting = "--set=a.b=\"$HOME $$ %h $A 'x' * \\n\"";
        const env = {
            KATA_URL_QUERIES: "?signature=a b*$c'd\"e",
            https_proxy: "http://user:word@proxy:3128",
            NO_PROXY: "10.0.0.0/8",
            OTHER: "other",
        };
        const { stdout, stderr } = await run(
            'printf "%s\\n" "$(settings_of k)" "$KATA_URL_QUERIES" "$https_proxy" "$NO_PROXY"; env | grep -c ^OTHER= || cat',
            `program ${activate} --class=k '${setting.replaceAll("'", "'\\''")}'`,
            env,
        );
        expect(stderr).to.equal("");
        const { OTHER: _, ...passed } = env;
        const setTo = `a\tb\t${setting.slice("--set=a.b=".length)}`;
        expect(stdout.split("\n").slice(1)).to.deep.equal([setTo, ...Object.values(passed), "0", ""]);
        const told = readFileSync(sandbox().path("told"), "utf8");
        expect(told).to.not.match(/signature|word@|HOME/);
        expect(told).to.match(/^--unit=kata-containers-activate-.*\.service$/m);
        expect(folderOfRuns().trim().split("\n").sort()).to.deep.equal(["run/lock", "run/log/activate", "run/run"]);
    });

    it("a run completes when its caller is killed in the middle", async () => {
        const { stdout } = await run(
            "touch started; until_exists killed; echo alive; touch done",
            `program ${activate} >/dev/null & caller=$!
            until_exists started; kill -KILL $caller; touch killed; until_exists done; cat run/log/activate`,
        );
        expect(stdout).to.equal("alive\n");
    });

    it("a run changes nothing if its caller has ended before it begins", async () => {
        const { stdout } = await run(
            "touch began",
            'sleep 0 & gone=$!; wait; sh "$0" --work some.service $gone; echo "status $?"',
        );
        expect(stdout).to.equal("status 1\n");
        expect(existsSync(sandbox().path("began"))).to.equal(false);
    });

    it("a run changes nothing if the process id of its caller now belongs to another user", async () => {
        const { stdout } = await run("touch began", `touch other-user; program ${activate}; echo "status $?"`);
        expect(stdout).to.match(/the connection was lost before the work began[\s\S]*status 1\n$/);
        expect(existsSync(sandbox().path("began"))).to.equal(false);
    });

    it("names the unit that holds the lock to a run that waits for it", async () => {
        const { stdout } = await run(
            "touch started; until_exists go; echo worked",
            `program ${activate} >first & until_exists started
            program ${activate} >second & within 20 grep -q waiting second; touch go; wait; cat second`,
        );
        const [unit] = readFileSync(sandbox().path("told"), "utf8").match(/kata-containers-activate-\S+\.service/)!;
        expect(stdout).to.contain("waiting for another run on this node: activate of acme/shop/prod/kata since ");
        expect(stdout).to.contain(`, unit ${unit}\nthe other run has finished; continuing\nworked\n`);
        expect(readFileSync(sandbox().path("first"), "utf8")).to.match(/^activating .*\nworked\n$/);
    });

    it("refuses a machine without systemd", async () => {
        const { status, stderr } = await sandbox().run("have() { return 1; }; run_in_unit activate");
        expect(status).to.equal(1);
        expect(stderr).to.contain("this machine does not run systemd").and.contain("remove this node from `nodes`");
    });

    for (const [system, words] of [
        ["bottlerocket", "this is the admin container of Bottlerocket, whose host does not allow changes"],
        ["nixos", "this machine runs NixOS, which writes its services and their configurations itself"],
    ] as const) {
        it(`refuses ${system} and names the alternative (${words})`, async () => {
            const { status, stderr } = await sandbox().run(`system_name() { echo ${system}; }; run_in_unit activate`);
            expect(status).to.equal(1);
            expect(stderr)
                .to.contain(words)
                .and.match(/remove this node from `nodes`, and (use|add) /);
        });
    }

    it("fails with one error if systemd-run fails", async () => {
        sandbox().write("path/systemd-run", "#!/bin/sh\necho Failed to connect to bus: no >&2; exit 1\n");
        const { status, stdout, stderr } = await run("touch began", `program ${activate}`);
        expect(status).to.equal(1);
        expect(stdout).to.contain("\nFailed to connect to bus: no\n");
        expect(stderr).to.match(
            /^error: node \S+, step "start": the unit kata-containers-activate-\S+ did not start or was killed\n/,
        );
        expect(stderr).to.contain("then run pulumi again");
    });

    it("a run fails with an error if its unit is killed", async () => {
        const { status, stdout, stderr } = await run("echo working; kill -KILL $$", `program ${activate}`);
        expect(status).to.not.equal(0);
        expect(stdout).to.contain("\nworking\n");
        expect(stderr).to.contain("did not start or was killed");
    });

    it("leaves no folder of a probe behind when a signal ends it", async () => {
        sandbox().write("tmp/keep", "");
        const { stdout } = await run(
            "",
            `sh() { command sh "$@" & probe=$!; until_exists started; env kill "-$signal" $probe; wait $probe; ls -A tmp; rm started; }
            export TMPDIR=$PWD/tmp; for signal in HUP PIPE TERM; do program probe --node=worker-1; done`,
        );
        expect(stdout).to.equal("keep\nkeep\nkeep\n");
    });

    for (const [when, state, words] of [
        ["when its unit is stopped", "running", /^rolling back\nrestored\nrolled back.*\n$/],
        ["at boot if its unit is stopped by a shutdown", "stopping", /^$/],
    ] as const) {
        it(`rolls a change back ${when}`, async () => {
            const { status, stdout } = await run(
                `systemctl() { echo ${state}; }; roll_back() { echo restored; }; gate_runtime() { :; }; gate_kubelet() { :; }; commit() { rm -r "$JOURNAL"; }
            mkdir "$JOURNAL"; touch started; while :; do sleep 0.1; done`,
                `program ${activate} & caller=$!
            until_exists started; env kill -TERM -- "-$(cat main-pid)"; wait $caller`,
            );
            expect(status).to.not.equal(0);
            const [, after] = stdout.split(/error: .*stopped by a signal\n.*\n/);
            expect(after).to.match(words);
            expect(existsSync(sandbox().path("state/journal"))).to.equal(state === "stopping");
        });
    }
});
