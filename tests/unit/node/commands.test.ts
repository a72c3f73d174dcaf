// The commands for a node, run by real shells as an SSH server would run them.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { isSecret } from "@pulumi/pulumi";
import { expect } from "chai";
import fc from "fast-check";
import {
    activate,
    deactivate,
    probe,
    probeWithProgram,
    quote,
    send,
    stage,
    stageInput,
    unstage,
} from "../../../src/node/commands";
import { type Program, programOf } from "../../../src/node/program";
import { type ClassPlan, makePlan } from "../../../src/plan";
import { hostile } from "../../support/arguments";
import { resolved } from "../../support/mocks";

/** The login shells of SSH servers that this machine has. */
const shells = [["sh"], ["dash"], ["bash"], ["busybox", "sh"], ["zsh"], ["fish"], ["csh"], ["tcsh"]].filter(
    ([shell]) => spawnSync(shell!, ["-c", "exit 0"]).error === undefined,
);

/** Installs the node program, as the real one does. */
const installNode = '[ "$1" != stage ] || mv "$0" "$(dirname "$0")/node.sh"; ';
/** A node program that prints its arguments, each followed by a NUL. */
const text = `${installNode}printf '%s\\0' "$@"\n`;
const program = programOf(text);
const claim = { owner: "acme/shop/prod/kata", node: "worker-1" };

describe("the commands for a node", () => {
    let machine: string;
    let folder: string;
    let kept: string;

    beforeEach(() => {
        machine = mkdtempSync(join(tmpdir(), "kata-commands-"));
        folder = join(machine, "state");
        kept = join(machine, "kept");
    });

    afterEach(() => rmSync(machine, { recursive: true }));

    /** Installs a program that is found first on the PATH of the machine. */
    function install(name: string, script: string) {
        mkdirSync(join(machine, "bin"), { recursive: true });
        writeFileSync(join(machine, "bin", name), `#!/bin/sh\n${script}\n`);
        chmodSync(join(machine, "bin", name), 0o755);
    }

    /** The user is root, or a user with the given script as sudo. */
    const becomeRoot = () => install("id", "echo 0");
    const becomeUser = (sudo: string) => {
        install("id", '[ "$1" = -un ] && echo kata || echo 1000');
        install("sudo", sudo);
    };

    /** Runs a command as an SSH server does, with a folder of this machine instead of that of the node. */
    function run(command: string, { shell = ["sh"], stdin = "" as string | Buffer } = {}) {
        const PATH = join(machine, "bin") + delimiter + process.env.PATH;
        const onMachine = command
            .replaceAll("/var/lib/kata-containers-node", folder)
            .replaceAll("/run/kata-containers-node", kept);
        const [name, ...options] = shell;
        return spawnSync(name!, [...options, "-c", onMachine], {
            env: { ...process.env, PATH, HOME: machine },
            input: stdin,
            encoding: "utf8",
        });
    }

    /** Runs `stage` with a program that was sent before. */
    function staged(command: string, program: Program, { shell = ["sh"], stdin = "" } = {}) {
        const sent = run(send(program), { shell, stdin: program.packed });
        expect([sent.status, sent.stdout + sent.stderr]).to.deep.equal([0, ""]);
        return run(command, { shell, stdin });
    }

    const received = (stdout: string) => stdout.split("\0").slice(0, -1);

    const settings = Object.fromEntries(hostile.map((value, i) => [`runtime.key${i}`, value]));
    const plan = makePlan({
        version: "3.32.0",
        release: { url: `/srv/${hostile.filter((text) => !text.includes("\n")).join("")}/{archive}` },
        runtimeClasses: {
            "kata-qemu": { settings, debug: true, snapshotter: "native" },
            next: { shim: "qemu", version: "2.2.2", handler: "kata-next" },
        },
        kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true },
    });

    it("finds at least one login shell on this machine", () => {
        expect(shells).to.deep.include(["sh"]);
    });

    for (const shell of shells) {
        // csh has no line breaks in quotes, and no argument has any.
        const isCsh = shell[0]!.endsWith("csh");
        const texts = hostile.filter((text) => !isCsh || !text.includes("\n"));

        it(`passes every argument unchanged, under ${shell.join(" ")}`, () => {
            becomeRoot();
            const claim = { owner: `acme/shop/prod/${texts.join("")}`, node: "worker-1" };
            const { stdout, stderr } = staged(stage(plan, claim, program), program, { shell });
            expect(stderr).to.equal("");
            const [main, next] = plan.classes as [ClassPlan, ClassPlan];
            const [[, amd64], [, arm64]] = main.archives as [(typeof main.archives)[0], (typeof main.archives)[0]];
            const [[, { url, sha256 }]] = next.archives as [(typeof main.archives)[0]];
            expect(received(stdout)).to.deep.equal([
                "stage",
                `--program=${program.id}`,
                `--owner=${claim.owner}`,
                "--node=worker-1",
                "--handlers=kata-next,kata-qemu",
                "--host-checks=enforce",
                "--release=3.32.0",
                `--url-amd64=${amd64.url}`,
                `--url-arm64=${arm64.url}`,
                `--sha256-amd64=${amd64.sha256}`,
                `--sha256-arm64=${arm64.sha256}`,
                "--release=2.2.2",
                `--url-amd64=${url}`,
                `--sha256-amd64=${sha256}`,
                "--needs=kvm,vhost_vsock,vhost_net",
            ]);

            const activated = run(activate(plan, claim, program), { shell });
            expect(activated.stderr).to.equal("");
            const sets = main.settings.map(([key, literal]) => `--set=${key}=${literal}`);
            expect(sets).to.have.length(hostile.length + 1);
            expect(received(activated.stdout)).to.deep.equal([
                "activate",
                `--program=${program.id}`,
                `--owner=${claim.owner}`,
                "--node=worker-1",
                "--cgroup-driver=systemd",
                "--change-under-running-pods=true",
                "--host-checks=enforce",
                "--verify=true",
                "--class=kata-qemu",
                "--runtime-class=kata-qemu",
                "--version=3.32.0",
                `--sha256-amd64=${amd64.sha256}`,
                `--sha256-arm64=${arm64.sha256}`,
                "--shim-path=bin/containerd-shim-kata-v2",
                "--kata-config=share/defaults/kata-containers/configuration-qemu.toml",
                "--needs=kvm,vhost_vsock,vhost_net",
                "--debug=true",
                "--snapshotter=native",
                ...sets,
                "--class=kata-next",
                "--runtime-class=next",
                "--version=2.2.2",
                `--sha256-amd64=${sha256}`,
                "--shim-path=bin/containerd-shim-kata-v2",
                "--kata-config=share/defaults/kata-containers/configuration-qemu.toml",
                "--needs=kvm,vhost_vsock,vhost_net",
                "--debug=false",
                "--set=runtime.sandbox_cgroup_only=true",
            ]);

            expect(received(run(deactivate(plan, claim), { shell }).stdout)).to.deep.equal([
                "deactivate",
                `--owner=${claim.owner}`,
                "--node=worker-1",
                "--change-under-running-pods=true",
            ]);
            expect(received(run(unstage(claim), { shell }).stdout)).to.deep.equal([
                "unstage",
                `--owner=${claim.owner}`,
                "--node=worker-1",
            ]);
        });

        it(`quotes any text as one word, under ${shell.join(" ")}`, () => {
            for (const text of ["", ...texts]) {
                const { stdout } = run(`printf '[%s]' ${quote(text)}`, { shell });
                expect(stdout).to.equal(`[${text}]`);
            }
        });

        it(`quotes arbitrary texts as one word each, under ${shell.join(" ")}`, () => {
            const special = fc.constantFrom(..."'\"\\$`!#~*?[]{}()<>|&;=%-^ \t\n\r", "a");
            const word = fc
                .oneof(fc.string({ unit: special }), fc.string({ unit: "binary" }))
                .map((text) => text.replace(isCsh ? /[\0\n]/g : /\0/g, ""));
            fc.assert(
                fc.property(fc.array(word, { minLength: 1, maxLength: 50 }), (words) => {
                    const { stdout } = run(`printf '%s\\0' ${words.map(quote).join(" ")}`, { shell });
                    expect(received(stdout)).to.deep.equal(words);
                }),
                { numRuns: 20 },
            );
        });
    }

    it("becomes root with sudo and keeps every argument and standard input", () => {
        becomeUser('shift; exec env SUDO=yes "$@"');
        const { stdout, stderr } = staged(stage(plan, claim, program), program);
        expect(stderr).to.equal("");
        expect(received(stdout)).to.have.length(15);
        expect(readFileSync(join(folder, "node.sh"), "utf8")).to.equal(text);
    });

    it("mirror: passes the queries of the URLs on standard input, where no list of processes and no error shows them", async () => {
        becomeRoot();
        const url = "https://bucket.example.com/{archive}?X-Amz-Signature=0123-{arch}";
        const runtimeClasses = { go: { shim: "qemu" }, rust: { shim: "qemu-runtime-rs" } } as const;
        const signed = makePlan({ version: "4.1.0", release: { url }, runtimeClasses });
        const asking = programOf(`${installNode}echo "$KATA_URL_QUERIES $*"\n`);
        const command = stage(signed, claim, asking);
        const input = stageInput(signed);
        expect(command).to.contain("--url-amd64=https://bucket.example.com/kata-static-4.1.0-amd64.tar.zst");
        expect(command).to.not.contain("Signature");
        expect(await isSecret(input)).to.equal(true);
        const stdin = await resolved(input);
        const { stdout, stderr } = staged(command, asking, { stdin });
        expect(stderr).to.equal("");
        expect(stdout).to.match(
            /^amd64-1=\?X-Amz-Signature=0123-amd64 amd64-2=\?X-Amz-Signature=0123-amd64 arm64-2=\?X-Amz-Signature=0123-arm64 stage/,
        );
        expect(await resolved(stageInput(plan))).to.equal("");
    });

    it("proxy and sudo: passes the proxy on standard input, through sudo, where no list of processes shows it", async () => {
        becomeUser('shift; exec env -i PATH="$PATH" SUDO=yes "$@"');
        const proxy = "http://kata:p%40ss@proxy:3128";
        const planned = makePlan({ version: "3.32.0", release: { proxy } });
        const asking = programOf(`${installNode}echo "$KATA_URL_QUERIES $KATA_URL_PROXY $*"\n`);
        const command = stage(planned, claim, asking);
        expect(command).to.not.contain("proxy");
        const stdin = await resolved(stageInput(planned));
        const { stdout, stderr } = staged(command, asking, { stdin });
        expect(stderr).to.equal("");
        expect(stdout).to.match(/^ http:\/\/kata:p%40ss@proxy:3128 stage --program/);
    });

    it("explains what to do if sudo asks for a password", () => {
        becomeUser('echo "sudo: a password is required" >&2; exit 1');
        for (const command of [send(program), stage(plan, claim, program)]) {
            const { status, stderr } = run(command, { stdin: program.packed });
            expect(status).to.equal(1);
            expect(stderr).to.match(
                /^sudo: a password is required\nerror: on .*, kata is not root: log in as root, or allow sudo/,
            );
        }
        expect([existsSync(folder), existsSync(kept)]).to.deep.equal([false, false]);
    });

    it("makes the node program readable for root only", () => {
        becomeRoot();
        staged(stage(plan, claim, program), program);
        const modes = [folder, join(folder, "node.sh"), kept, join(kept, `program-${program.id}`)].map(
            (path) => statSync(path).mode & 0o777,
        );
        expect(modes).to.deep.equal([0o700, 0o600, 0o700, 0o600]);
    });

    it("keeps the node programs that were sent and installed if a new one arrives incomplete or is missing", () => {
        becomeRoot();
        staged(stage(plan, claim, program), program);
        const next = programOf(`${text}# of another version`);
        const { status, stderr } = run(send(next), { stdin: next.packed.subarray(0, -20) });
        expect(status).to.equal(1);
        expect(stderr).to.match(/arrived incomplete on /);
        const missing = run(stage(plan, claim, next));
        expect(missing.status).to.equal(1);
        expect(missing.stderr).to.match(/error: the node program is not on .*: if the machine has just restarted/);
        expect(readFileSync(join(folder, "node.sh"), "utf8")).to.equal(text);
        expect(run(`ls ${folder} ${kept}`).stdout).to.equal(`${kept}:\nprogram-${program.id}\n\n${folder}:\nnode.sh\n`);
    });

    it("installs a program that comes on standard input, because it could not be sent before, after the secrets", async () => {
        becomeRoot();
        const asking = programOf(`${installNode}echo "$KATA_URL_PROXY"; cat\n`);
        for (const proxy of ["", "http://kata:word@proxy:3128"]) {
            const planned = makePlan({ version: "3.32.0", release: { proxy } });
            const input = stageInput(planned, asking);
            expect(await isSecret(input)).to.equal(proxy !== "");
            const stdin = await resolved(input);
            const { stdout, stderr } = run(stage(planned, claim, asking), { stdin });
            expect([stdout, stderr]).to.deep.equal([`${proxy}\n`, ""]);
            expect(readFileSync(join(folder, "node.sh"), "utf8")).to.equal(asking.text);
            const incomplete = run(stage(plan, claim, asking), { stdin: stdin.slice(0, -20) });
            expect([incomplete.status, incomplete.stdout]).to.deep.equal([1, ""]);
        }
    });

    it("stages again with a program that was sent once, as if Pulumi had retried the command", () => {
        becomeRoot();
        for (const { status } of [staged(stage(plan, claim, program), program), run(stage(plan, claim, program))]) {
            expect(status).to.equal(0);
        }
    });

    it("fails with the exit status and output of the node program", () => {
        becomeRoot();
        const failing = programOf(`${installNode}echo no >&2; exit 7\n`);
        const { status, stderr } = staged(stage(plan, claim, failing), failing);
        expect([status, stderr]).to.deep.equal([7, "no\n"]);
        expect(run(activate(plan, claim, program)).status).to.equal(7);
    });

    it("reports a missing node program, and has nothing to undo there", () => {
        becomeRoot();
        const activated = run(activate(plan, claim, program));
        expect(activated.status).to.equal(1);
        expect(activated.stderr).to.match(
            /the node program is missing on .*: replace the -stage and -activate resources of this node: pulumi up --replace URN/,
        );
        for (const undo of [deactivate(plan, claim), unstage(claim)]) {
            const { status, stdout } = run(undo);
            expect(status).to.equal(0);
            expect(stdout).to.match(/^nothing to undo: the node program is missing on /);
        }
    });

    it("passes the revision of a node that has drifted", () => {
        expect(unstage(claim, "0123456789ab")).to.match(/--revision=0123456789ab$/);
        expect(unstage(claim, "")).not.to.contain("--revision");
    });

    it("probes with the installed node program only if it is the current one", () => {
        becomeRoot();
        const revision = () => run(probe(program, claim, ["kata-qemu", "next"])).stdout.trim();
        const missing = revision();
        expect(missing).to.match(/^[0-9a-f]{12}$/);
        expect(revision()).to.equal(missing);

        const other = programOf(`${text}# of another version`);
        staged(stage(plan, claim, other), other);
        expect(revision())
            .to.match(/^[0-9a-f]{12}$/)
            .and.not.equal(missing);

        staged(stage(plan, claim, program), program);
        expect(received(revision())).to.deep.equal([
            "probe",
            `--owner=${claim.owner}`,
            `--node=${claim.node}`,
            "--runtime-class=kata-qemu",
            "--runtime-class=next",
        ]);
    });

    it("probes with the program that it sends, and runs nothing of one that arrives incomplete", () => {
        becomeRoot();
        const command = probeWithProgram("worker-1", ["kata-qemu"]);
        for (const shell of shells) {
            const { stdout, stderr } = run(command, { shell, stdin: program.packed });
            expect(stderr).to.equal("");
            expect(received(stdout)).to.deep.equal(["probe", "--node=worker-1", "--runtime-class=kata-qemu"]);
        }
        const long = programOf(`f() {\n${"echo a line\n".repeat(10000)}}\nprintf ran\n`);
        expect(run(command, { stdin: long.packed }).stdout).to.equal("ran");
        expect(run(command, { stdin: long.packed.subarray(0, -20) }).stdout).to.equal("");
    });

    it("shows each changed argument on a line of its own", () => {
        const lines = (version: string) =>
            activate(makePlan({ version }), claim, program)
                .split("\n")
                .map((line) => line.replace(/ \\$/, ""));
        const [before, after] = [lines("3.31.0"), lines("3.32.0")];
        expect(before.filter((line) => !after.includes(line))).to.deep.equal([
            "--version=3.31.0",
            "--sha256-amd64=68c2786a0b97023f62f3eca02dc868b78a794e5469d4ddd6cc9e0bd4a7212b0b",
            "--sha256-arm64=42a7e67a2c2bf3e97a615c99a293b2bc01ea9c84111fc2bf4abeedb7adc9c2ac",
        ]);
    });
});
