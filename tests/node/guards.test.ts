// Guards before a change: a question that is not answered is an error, and never "nothing runs".

import { expect } from "chai";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell } from "../support/shells";

inEveryShell("guards fail closed", (sandbox) => {
    const containerd = `CONTAINERD_PID=1 CONTAINERD=/usr/bin/containerd CONTAINERD_SOCKET=/s CONTAINERD_UNIT=containerd.service CONTAINERD_CONFIG=/c CHANGE_UNDER_RUNNING_PODS=false
        CRI_DUMP_TABLE='plugins."io.containerd.cri.v1.runtime".containerd'
        timeout() { shift; "$@"; }`;
    /** ctr with a running container of Kata's runtime, or one that does not answer some question. */
    const ctr = (silent = "") => `ctr() {
        case "$*" in
            ${silent ? `*"${silent}"*) return 1 ;;` : ""}
            *"tasks ls") printf 'TASK PID STATUS\\nabc 1 RUNNING\\nold 2 STOPPED\\n' ;;
            *"containers ls") printf 'CONTAINER IMAGE RUNTIME\\nabc - io.containerd.kata-qemu.v2\\nold - io.containerd.old.v2\\n' ;;
        esac
    }`;
    const nothing = "ctr() { echo 'TASK PID STATUS'; }";
    const runtime = (name: string) =>
        `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.${name}]\nruntime_type = 'io.containerd.${name}.v2'\n`;
    const run = (script: string) =>
        sandbox().run(`${containerd}; pod_names() { tr '\\n' ' '; }; ${script}; echo passed`);
    const refused = async (script: string, finding: string | RegExp) => {
        const { status, stdout, stderr } = await run(script);
        expect(status, stdout + stderr).to.equal(1);
        expect(stdout).to.not.contain("passed");
        expect(stderr).to.match(finding instanceof RegExp ? finding : new RegExp(finding));
        expect(stderr.match(/^error: /gm)).to.have.length(1);
        expect(stderr).to.contain("what to do: ");
    };
    const passed = async (script: string) => {
        const { status, stdout, stderr } = await run(script);
        expect(status, stderr).to.equal(0);
        expect(stdout).to.match(/passed\n$/);
    };

    it("refuses to change the cgroup driver while containers run, or if containerd does not say whether any do", async () => {
        await passed(`${nothing}; refuse_running_containers`);
        await refused(`${ctr()}; refuse_running_containers`, "1 containers run on this node");
        await refused(`${ctr("tasks ls")}; refuse_running_containers`, "containerd does not list its containers");
    });

    it("refuses to remove a runtime in use, or if containerd does not say whether it is in use", async () => {
        sandbox().write("work/dump", runtime("runc"));
        sandbox().write("work/dump.now", runtime("runc") + runtime("kata-qemu") + runtime("old"));
        await refused(`${ctr()}; check_removed_runtimes`, "runtime kata-qemu is still in use by abc");
        for (const silent of ["tasks ls", "containers ls"]) {
            await refused(`${ctr(silent)}; check_removed_runtimes`, "containerd does not list its containers");
        }
        await passed(`${nothing}; check_removed_runtimes`);
        sandbox().write("work/dump", runtime("runc") + runtime("kata-qemu") + runtime("old"));
        await passed(`${ctr("ls")}; check_removed_runtimes`);
    });

    it("keeps the earlier handlers of a class on which containers run, and refuses if containerd does not say which run", async () => {
        sandbox().write(
            "state/classes",
            ["kata", "kata-qemu", "old"].map((name) => `${name}\truntime-class\tk\n`).join(""),
        );
        const find = `${parsed("activate", ...classArguments("kata", { "runtime-class": "k" }))}; find_handlers; echo "handlers: $HANDLERS"`;
        expect((await run(`${ctr()}; ${find}`)).stdout).to.equal("handlers: kata kata-qemu\npassed\n");
        expect((await run(`${nothing}; ${find}`)).stdout).to.equal("handlers: kata\npassed\n");
        await refused(`${ctr("tasks ls")}; ${find}`, "containerd does not list its containers");
        // The handler of a class that is removed.
        sandbox().write("state/classes", "kata-qemu\truntime-class\tother\n");
        expect((await run(`${ctr()}; ${find}`)).stdout).to.equal("handlers: kata\npassed\n");
        sandbox().write("state/classes", "kata\truntime-class\tk\n");
        expect((await run(`${ctr("ls")}; ${find}`)).stdout).to.equal("handlers: kata\npassed\n");
    });

    it("treats a configuration that containerd cannot print as a change of all runtimes", async () => {
        sandbox().write("work/dump", runtime("runc"));
        sandbox().write("work/dump.now", "");
        await refused(
            `${ctr()}; check_removed_runtimes`,
            /containerd does not accept its present configuration, so the runtimes in use are not known/,
        );
        await passed(`${nothing}; check_removed_runtimes`);
        const { stdout } = await run("dumped_driver work/dump; dumped_driver work/dump.now");
        expect(stdout).to.equal("cgroupfs\nunknown\npassed\n");
    });

    it("kills no sandbox if containerd does not list its containers", () =>
        refused(
            `${ctr("tasks ls")}; sandboxes() { printf 'tree\\tabc\\n'; }; kill_sandboxes`,
            "containerd does not list its containers",
        ));

    it("starts no action if its lock cannot be taken, and does not report this as another run", async () => {
        for (const status of [66, 127]) {
            const { stdout, stderr } = await sandbox().run(`flock() { return ${status}; }; work a.service recover`);
            expect(stdout).to.equal("");
            expect(stderr).to.contain(`the lock ${sandbox().folder}/run/lock cannot be taken`);
            expect(stderr).to.contain("what to do: install flock");
        }
    });

    it("reports a lock that cannot be taken, and does not report this as another run", async () => {
        sandbox().write("run/lock", "");
        const probe = (flock: string) =>
            sandbox().run(`flock() { ${flock}; }
                drifted() { echo drift; }; revision() { :; }; ask_cluster() { echo null >work/node; echo {} >work/runtime-classes; }
                ${parsed("probe", "--owner=me")}; printf 'me\\tn\\tkata\\n' >state/owners
                do_probe`);
        expect((await probe("return 0")).stdout).to.contain('"drift":["drift"]');
        expect((await probe("return 1")).stdout).to.contain('"drift":[]');
        for (const status of [66, 127]) {
            const { status: ended, stdout, stderr } = await probe(`return ${status}`);
            expect(ended).to.equal(1);
            expect(stdout).to.equal("");
            expect(stderr).to.contain("the lock run/lock cannot be taken".replace("run/", `${sandbox().folder}/run/`));
        }
    });

    it("refuses a change of a path that became read-only, before it begins, and edits the target of a link", async () => {
        const change = (kind: string, path: string) =>
            sandbox().run(
                `runtime_planned() { return 1; }; kubelet_planned() { return 1; }; dumped_driver() { :; }
                is_writable() { case $1 in *read-only*) return 1 ;; esac; }; install_boot_unit() { echo begins; exit; }
                mkdir -p read-only; ln -sfn "$PWD/work/x" read-only/link; CONTAINERD_PID="" CONTAINERD_UNIT=c KUBELET_UNIT=k CONTAINERD_CONFIG=/c KUBELET_CONFIG=/k
                empty_plan; plan ${kind} "$PWD/${path}" y; change_node planner`,
            );
        for (const kind of ["link", "remove", "move"]) {
            const { status, stdout, stderr } = await change(kind, "read-only/containerd-shim-kata-v2");
            expect(status).to.equal(1);
            expect(stdout).to.equal("");
            expect(stderr).to.match(
                /read-only\/containerd-shim-kata-v2 is on a read-only file system; nothing was changed\n.*writable/,
            );
        }
        expect(await change("remove", "work/x")).to.include({ status: 0, stdout: "begins\n" });
        expect(await change("file", "read-only/link")).to.include({ status: 0, stdout: "begins\n" });
    });
});
