// The work on a node is a systemd unit: it survives the session that started it, and an administrator can stop it.

import { spawn } from "node:child_process";
import { expect } from "chai";
import { activate, deactivate, quote, send, stage, unstage } from "../../src/node/commands";
import { programFiles, readProgram } from "../../src/node/program";
import { makePlan } from "../../src/plan";
import { args, files, inventory, onNode, sshOptions } from "../support/lab";
import { describeRare, everything } from "../support/sample";

describeRare("sessions")("sessions", function () {
    this.timeout(10 * 60 * 1000);
    const node = "worker-2";
    const claim = { owner: "organization/e2e/sessions/kata", node };
    const program = readProgram(programFiles());
    const plan = () => {
        const { nodes: _, ...settings } = args("3.32.0");
        return makePlan(settings as Parameters<typeof makePlan>[0]);
    };
    let filesBefore: string;

    /** Runs a command in a session. `seen` resolves when it has printed these words. */
    const start = (text: string, stdin: string | Buffer = "") => {
        const { host, port, user } = inventory().nodes[node]!;
        const child = spawn("ssh", [...sshOptions(node), "-p", `${port}`, `${user}@${host}`, text]);
        let output = "";
        const ended = new Promise<{ status: number | null; output: string }>((resolve) =>
            child.on("close", (status) => resolve({ status, output })),
        );
        for (const stream of [child.stdout, child.stderr]) {
            stream.on("data", (data) => {
                output += data;
            });
        }
        child.stdin.end(stdin);
        const seen = async (words: string) => {
            while (!output.includes(words)) {
                if (child.exitCode !== null) throw new Error(output);
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        };
        return { ended, seen };
    };
    const run = (text: string, stdin?: Buffer) => start(text, stdin).ended;
    const units = () =>
        onNode(node, "systemctl list-units --all --plain --no-legend 'kata-containers-*-*' | cut -d ' ' -f 1");

    /** Makes each start of containerd take longer. */
    const slowContainerd = (seconds: number) =>
        onNode(
            node,
            `mkdir -p /run/systemd/system/containerd.service.d
            printf '%s\\n' '[Service]' 'ExecStartPre=/bin/sleep ${seconds}' 'TimeoutStartSec=600' >/run/systemd/system/containerd.service.d/slow.conf
            systemctl daemon-reload`,
        );
    const usualContainerd = () =>
        onNode(node, "rm -r /run/systemd/system/containerd.service.d && systemctl daemon-reload");

    before(async () => {
        filesBefore = files(node);
        const sent = await run(send(program), program.packed);
        expect(sent.status, sent.output).to.equal(0);
        const { status, output } = await run(stage(plan(), claim, program));
        expect(status, output).to.equal(0);
    });
    after(async () => {
        for (const text of [deactivate(plan(), claim), unstage(claim)]) {
            const { status, output } = await run(text);
            expect(status, output).to.equal(0);
        }
        expect(files(node)).to.equal(filesBefore);
    });
    afterEach(() => expect(units()).to.equal(""));

    it("completes a change whose session is killed in the middle, as by KillUserProcesses=yes", async () => {
        slowContainerd(8);
        try {
            // logind kills the scope of a session.
            const session = start(
                `systemd-run --quiet --scope --collect --unit=session-test sh -c ${quote(activate(plan(), claim, program))}`,
            );
            await session.seen("restarting containerd");
            onNode(node, "systemctl kill --signal=KILL session-test.scope");
            expect((await session.ended).status).to.not.equal(0);
            const unit = units();
            expect(unit).to.match(/^kata-containers-activate-\S+\.service$/);
            const { status, output } = await run(activate(plan(), claim, program));
            expect(status, output).to.equal(0);
            expect(output).to.match(/^activating Kata Containers 3\.32\.0 on worker-2\n/);
            expect(output)
                .to.contain(`waiting for another run on this node: activate of ${claim.owner} since `)
                .and.contain(`, unit ${unit}\nthe other run has finished; continuing\n`);
            expect(output).to.contain("\nnothing to change\n");
            expect(JSON.parse(output.trim().split("\n").at(-1)!).kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
        } finally {
            usualContainerd();
        }
    });

    it("rolls a change back when an administrator stops its unit", async () => {
        slowContainerd(8);
        const active = files(node);
        try {
            const session = start(deactivate(plan(), claim));
            await session.seen("restarting containerd");
            onNode(node, `systemctl stop ${units()}`);
            const { status, output } = await session.ended;
            expect(status, output).to.equal(1);
            expect(output).to.contain("stopped by a signal");
            expect(output).to.contain("rolled back; containerd and the kubelet are healthy");
            expect(files(node)).to.equal(active);
        } finally {
            usualContainerd();
        }
    });

    it("fails with one error if systemd cannot start the unit", async () => {
        onNode(
            node,
            "mkdir -p /root/path && printf '#!/bin/sh\\necho no bus >&2\\nexit 1\\n' >/root/path/systemd-run && chmod +x /root/path/systemd-run",
        );
        const { status, output } = await run(`PATH=/root/path:$PATH; export PATH; ${activate(plan(), claim, program)}`);
        onNode(node, "rm -r /root/path");
        expect(status).to.equal(1);
        expect(output).to.match(
            /\nno bus\nerror: node worker-2, step "start": the unit kata-\S+ did not start or was killed\n/,
        );
    });

    (everything ? it : it.skip)("waits for a containerd that takes 130 s to start (slow containerd)", async () => {
        slowContainerd(130);
        try {
            const { status, output } = await run(deactivate(plan(), claim));
            expect(status, output).to.equal(0);
            expect(output).to.contain("containerd is healthy").and.not.contain("rolling back");
        } finally {
            usualContainerd();
        }
    });
});
