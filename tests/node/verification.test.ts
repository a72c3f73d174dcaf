// The verification boots a guest in a throwaway container.

import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell } from "../support/shells";

const time = /Kata 3\.32\.0 booted a guest at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;

inEveryShell("the verification of a node", (sandbox) => {
    beforeEach(() => {
        sandbox().write("configuration.toml", "[hypervisor.qemu]\n");
        sandbox().write("images", "docker.io/library/busybox:1\nregistry.k8s.io/pause:3.6\n");
        sandbox().write(
            "work/dump.now",
            "[plugins]\n[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image = 'my/pause'\n",
        );
    });

    /** ctr with one container, which is in the file `container` as long as it exists. */
    const prepared = `
        ${parsed("activate", "--verify=true", ...classArguments("kata-qemu"))}
        config_of() { echo "$PWD/configuration.toml"; }
        CONTAINERD_MAJOR=1 CONTAINERD_PID=1 CONTAINERD_SOCKET=/s CONTAINERD_UNIT=containerd.service
        timeout() { shift; "$@"; }
        within() { shift; "$@"; }
        find_containerd() { :; }
        log_excerpt() { echo "  | words of the shim"; }
        boot() { echo "$*" | tee task >container; }
        end_task() { rm -f task; }
        ctr() {
            echo "ctr $*" >>calls
            case "$*" in
                *"images ls"*) cat images ;;
                *" run "*) boot "$@" ;;
                *"tasks ls") printf 'TASK    PID    STATUS\\n%s    42    RUNNING\\n' kata-containers-verification ;;
                *"tasks ls -q") [ ! -e task ] || echo kata-containers-verification ;;
                *"tasks delete"*) end_task ;;
                *"containers ls"*) [ ! -e container ] || echo kata-containers-verification ;;
                *"containers delete"*) rm container ;;
            esac
        }
        change_nothing() { step change; empty_plan; change_node :; }
        `;
    const run = (script: string) => sandbox().run(`${prepared} ${script}`);
    const calls = () => readFileSync(sandbox().path("calls"), "utf8").trim().split("\n");
    const marker = () => existsSync(sandbox().path("state/verification"));

    it("boots the pause image through the handler with its configuration, and removes the container", async () => {
        const { status, stdout, stderr } = await run("verify kata-qemu; verified kata-qemu");
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
        expect(stdout).to.match(time);
        expect(calls().find((call) => call.includes(" run "))).to.equal(
            "ctr --address /s -n k8s.io run -d --null-io --snapshotter  --cgroup /kata-containers-verification" +
                ` --runtime io.containerd.kata-qemu.v2 --runtime-config-path ${sandbox().path("configuration.toml")}` +
                " registry.k8s.io/pause:3.6 kata-containers-verification",
        );
        expect(existsSync(sandbox().path("container"))).to.equal(false);
        expect(marker()).to.equal(false);
    });

    it("deletes the container only when its task has ended, which may take several attempts on a slow machine", async () => {
        const slow = `within() { shift; until "$@"; do echo again >>calls; done; }
            end_task() { [ ! -e tried ] || rm -f task; echo >tried; [ ! -e task ]; }`;
        const { status, stderr } = await run(`${slow}; verify kata-qemu`);
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
        const ends = calls().map((call) => call.replace(/^ctr --address \/s -n k8s\.io /, "").replace(/ kata-.*$/, ""));
        expect(ends.slice(ends.indexOf("tasks delete -f"))).to.deep.equal([
            ...["tasks delete -f", "tasks ls -q", "again"],
            ...[
                "tasks delete -f",
                "tasks ls -q",
                "containers delete",
                "snapshots --snapshotter  rm",
                "containers ls -q",
            ],
        ]);
    });

    it("uses the pause image and the snapshotter of CRI, as containerd 1.x and 2.x print them", async () => {
        const dump = (major: number, text: string) => {
            sandbox().write("work/dump.now", text);
            return run(`CONTAINERD_MAJOR=${major}; verify kata-qemu >/dev/null; grep ' run ' calls | tail -n 1`);
        };
        sandbox().write("images", "docker.io/other/pause:1\nreg/sandbox@sha256:1\n");
        const first =
            "[plugins]\n  [plugins.'io.containerd.grpc.v1.cri']\n    sandbox_image = 'reg/sandbox@sha256:1'\n";
        const table = "  [plugins.'io.containerd.grpc.v1.cri'.containerd]\n    snapshotter = 'zfs'\n";
        expect((await dump(1, first + table)).stdout)
            .to.contain("--snapshotter zfs ")
            .and.contain(" reg/sandbox@sha256:1 ");
        const second = "[plugins]\n  [plugins.'io.containerd.cri.v1.images']\n    snapshotter = 'native'\n";
        const pinned =
            "    [plugins.'io.containerd.cri.v1.images'.pinned_images]\n      sandbox = 'reg/sandbox@sha256:1'\n";
        expect((await dump(2, second + pinned)).stdout)
            .to.contain("--snapshotter native ")
            .and.contain(" reg/sandbox@");
        expect((await dump(2, second)).stdout).to.contain(" docker.io/other/pause:1 ");
    });

    it("boots the guest with the snapshotter of its class", async () => {
        const own = parsed("activate", "--verify=true", ...classArguments("kata-qemu", { snapshotter: "devmapper" }));
        const { status, stderr } = await run(`${own}; verify kata-qemu`);
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
        for (const command of [" run ", " snapshots "])
            expect(calls().find((call) => call.includes(command))).to.contain("--snapshotter devmapper ");
    });

    it("verifies each class once, and names the one whose guest does not boot", async () => {
        const classes = ["kata-qemu", "kata-clh"].flatMap((handler) => classArguments(handler));
        const two = parsed("activate", "--verify=true", ...classes);
        const boots = () => calls().flatMap((call) => / --runtime io\.containerd\.(\S+)\.v2/.exec(call)?.[1] ?? []);
        const failing = `${two}; boot() { case $* in *clh*) return 1 ;; esac; }; change_nothing`;
        expect((await run(failing)).stderr).to.contain("could not boot a guest with the handler kata-clh");
        expect(boots()).to.deep.equal(["kata-qemu", "kata-clh"]);
        const { stdout } = await run(`${two}; change_nothing; verified kata-qemu; verified kata-clh`);
        expect(stdout.match(new RegExp(time, "g"))).to.have.length(2);
        expect(boots()).to.deep.equal(["kata-qemu", "kata-clh", "kata-clh"]);
        await run(`${two}; change_nothing`);
        expect(boots()).to.have.length(3);
    });

    it("boots no guest of a class whose guests run no image of the node", async () => {
        const two = parsed(
            "activate",
            "--verify=true",
            ...[...classArguments("kata-qemu"), ...classArguments("kata-snp"), "--verifiable=false"],
        );
        const { status, stdout } = await run(`${two}; verify kata-snp; echo then; verify kata-snp kata-qemu`);
        expect(status).to.equal(0);
        expect(stdout).to.match(/^then\nbooting a guest with the handler kata-qemu .*\na guest booted\n$/);
    });

    it("boots no guest if rollout.verify is false", async () => {
        const { status, stdout } = await run("VERIFY=false; verify kata-qemu; verify_once; verified kata-qemu");
        expect({ status, stdout }).to.deep.equal({ status: 0, stdout: "" });
        expect(existsSync(sandbox().path("calls"))).to.equal(false);
    });

    it("fails with the output of ctr and the log of the shim, and removes the container", async () => {
        const boot = "boot() { : >container; echo level=warning >&2; echo 'ctr: no kernel' >&2; return 1; }";
        const { status, stdout, stderr } = await run(`${boot}; begin; verify kata-qemu; echo committed`);
        expect(status).to.equal(1);
        expect(stdout).to.not.contain("committed");
        expect(stderr).to.contain(
            'step "verification": Kata Containers 3.32.0 could not boot a guest with the handler kata-qemu: ' +
                "ctr: no kernel; rolling back\n  | words of the shim\n",
        );
        expect(stderr).to.contain("what to do: fix the cause").and.contain("rollout.verify");
        expect(existsSync(sandbox().path("container"))).to.equal(false);
        expect(marker()).to.equal(false);
    });

    it("fails without a rollback if no guest boots and nothing was changed", async () => {
        const { status, stderr } = await run("boot() { return 124; }; change_nothing");
        expect(status).to.equal(1);
        expect(stderr).to.contain("timed out after 240 s").and.not.contain("rolling back");
    });

    it("fails if the program of the container has ended, or if the container cannot be removed", async () => {
        const ended = `ctr() { case "$*" in *"images ls"*) cat images ;; *) : ;; esac; }`;
        expect((await run(`${ended}; verify kata-qemu`)).stderr).to.contain("the test container has exited");
        const { status, stderr } = await run(
            'rm() { case $1 in container) return 1 ;; *) command rm "$@" ;; esac; }; verify kata-qemu',
        );
        expect(status).to.equal(1);
        expect(stderr).to.contain("the guest of the container kata-containers-verification boots but does not end");
        expect(marker()).to.equal(true);
    });

    it("reports a node without a pause image in the status, and does not fail", async () => {
        sandbox().write("images", "docker.io/library/busybox:1\nreg/unpause:1\n");
        const { status, stdout } = await run("verify kata-qemu; echo status:; verified kata-qemu");
        expect(status).to.equal(0);
        expect(stdout).to.match(/status:\nnot verified: containerd has no pause image/);
    });

    it("fails if containerd does not list its images", async () => {
        const { status, stderr } = await run("ctr() { return 1; }; verify kata-qemu");
        expect(status).to.equal(1);
        expect(stderr).to.contain("containerd does not list its images");
    });

    it("verifies once what does not change, and again after a change of the release, the shim or the configuration", async () => {
        await run("change_nothing");
        const runs = () => calls().filter((call) => call.includes(" run ")).length;
        expect(runs()).to.equal(1);
        expect((await run("change_nothing; VERIFY=false; verified kata-qemu")).stdout).to.match(time);
        expect(runs()).to.equal(1);
        for (const [name, value] of [
            ["version", "4.1.0"],
            ["shim-path", "other"],
        ] as const) {
            const changed = parsed("activate", ...classArguments("kata-qemu", { [name]: value }));
            expect((await run(`${changed}; verified kata-qemu`)).stdout).to.equal("");
        }
        expect((await run("verified other")).stdout).to.equal("");
        sandbox().write("configuration.toml", "[hypervisor.clh]\n");
        expect((await run("verified kata-qemu")).stdout).to.equal("");
        await run("change_nothing");
        expect(runs()).to.equal(2);
    });

    it("removes the container of an interrupted run, and tries again later if that fails", async () => {
        sandbox().write("state/verification", "zfs\n");
        sandbox().write("container", "");
        const { stdout } = await run(
            `rm() { case $1 in container) return 1 ;; *) command rm "$@" ;; esac; }; end_left_guest`,
        );
        expect(stdout).to.contain("warning: the container kata-containers-verification of an interrupted run");
        expect(marker()).to.equal(true);
        expect((await run("find_containerd() { fail 'it does not run' ''; }; end_left_guest")).status).to.equal(0);
        expect(marker()).to.equal(true);
        // Without a running containerd, nobody can end it.
        const atRest = await run('CONTAINERD_PID=""; end_guest() { exit 9; }; end_left_guest');
        expect(atRest).to.include({ status: 0, stdout: "" });
        const { status, stdout: quiet } = await run("end_left_guest");
        expect({ status, quiet }).to.deep.equal({ status: 0, quiet: "" });
        expect(calls()).to.include(
            "ctr --address /s -n k8s.io snapshots --snapshotter zfs rm kata-containers-verification",
        );
        expect(existsSync(sandbox().path("container"))).to.equal(false);
        expect(marker()).to.equal(false);
    });

    it("does not count a verification as the sandbox of a pod", async () => {
        const { stdout } = await run(`
            mkdir -p releases/3.32.0-a
            ls() { for pid in 1 2; do echo "l 0 /proc/$pid/exe -> $PWD/releases/3.32.0-a/bin/containerd-shim-kata-v2"; done; }
            runs_as_root() { :; }
            flag() { if [ "$1" = 1 ]; then echo kata-containers-verification; else echo pod; fi; }
            sandboxes`);
        expect(stdout).to.equal("3.32.0-a\tpod\n");
    });
});
