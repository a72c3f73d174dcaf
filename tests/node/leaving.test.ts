// The removal from a node that has left the cluster: its services do not run, and containerd's program may be gone.

import { existsSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("a node that has left the cluster", (sandbox) => {
    /** What `change_node` says and restarts, while these services run; the gates of services that do not run would fail. */
    const change = async (running: { containerd: boolean; kubelet: boolean }, given = "") => {
        const { stdout, stderr } = await sandbox().run(
            `ACTION=deactivate OWNER=acme/shop/prod/kata NODE=worker-1 REQUESTED=kata-qemu FORCE=false VERIFY=false CONTAINERD_UNIT=containerd.service KUBELET_UNIT=kubelet.service
            CONTAINERD_CONFIG=/c KUBELET_CONFIG=/k CONTAINERD_SOCKET=/s CHANGE_UNDER_RUNNING_PODS=false
            CONTAINERD_PID=${running.containerd ? 40 : ""} KUBELET_PID=${running.kubelet ? 30 : ""}
            empty_plan; : >"$WORK_DIR/dump"; : >"$WORK_DIR/dump.now"; plan file /c x; plan file /k x
            begin() { mkdir "$JOURNAL"; }; prove() { :; }; carry_out_plan() { :; }; install_boot_unit() { :; }
            restart_unit() { :; }; log_excerpt() { :; }; list_tasks() { : >"$WORK_DIR/tasks"; }; shims() { :; }
            no_sandboxes() { :; }; sleep() { :; }; kubelet_pid() { echo 30; }; uptime() { echo 1; }
            containerd_answers() { ${running.containerd}; }; cri_is_ok() { :; }; cri_serves() { :; }
            kubelet_is_healthy() { ${running.kubelet && running.containerd}; }
            within() { shift; "$@"; }
            ${given}
            change_node planner`,
        );
        return (stdout + stderr).trim();
    };

    it("restarts and checks only services that run", async () => {
        const containerd = "restarting containerd.service\ncontainerd is healthy";
        const kubelet = "restarting kubelet.service";
        expect(await change({ containerd: true, kubelet: true })).to.equal(
            `${containerd}\n${kubelet}\nthe kubelet is healthy`,
        );
        expect(await change({ containerd: true, kubelet: false })).to.equal(containerd);
        expect(await change({ containerd: false, kubelet: true })).to.equal(kubelet);
        expect(await change({ containerd: false, kubelet: false })).to.equal("");
    });

    it("does not start a stopped kubelet when it kills sandboxes", async () => {
        const forced = `FORCE=true; no_sandboxes() { [ -e killed ]; }; kill_sandboxes() { echo killing; : >killed; }
            systemctl() { echo "systemctl $*"; }`;
        expect(await change({ containerd: true, kubelet: false }, forced)).to.equal(
            "killing\nrestarting containerd.service\ncontainerd is healthy",
        );
    });

    it("does not stop a kubelet in containerd's unit when it kills sandboxes, and kills again what it starts meanwhile", async () => {
        const forced = `FORCE=true KUBELET_UNIT=containerd.service; no_sandboxes() { [ ! -e again ]; }; : >again
            kill_sandboxes() { echo killing; rm again; }; carry_out_plan() { echo changing; : >again; }
            systemctl() { echo "systemctl $*"; }; kill() { echo "kill $*"; }`;
        expect(await change({ containerd: true, kubelet: true }, forced)).to.equal(
            "killing\nchanging\nkilling\nrestarting containerd.service\ncontainerd is healthy\nthe kubelet is healthy",
        );
    });

    it("kills all sandboxes, also those that the kubelet starts meanwhile", async () => {
        const { stdout } = await sandbox().run(
            `say() { :; }; sandbox_names() { :; }; sleep() { :; }; uptime() { echo 1; }; ask_k8s() { :; }; own_sandboxes() { cat left; }
            kill_containers() { cat "$1"; mv next left || : >left; } 2>/dev/null
            printf 'tree\ta\n' >left; printf 'tree\tb\n' >next; kill_sandboxes; echo done`,
        );
        expect(stdout).to.equal("a\nb\ndone\n");
    });

    it("refuses to change the cgroup driver while shims run that a stopped containerd cannot report", async () => {
        const given = "shims() { echo 7; }; list_tasks() { exit 9; }";
        expect(await change({ containerd: false, kubelet: false }, given)).to.contain(
            "1 containers run on this node; changing the cgroup driver would restart them",
        );
        expect(
            await change({ containerd: false, kubelet: false }, `${given}; CHANGE_UNDER_RUNNING_PODS=true`),
        ).to.equal("");
    });

    it("reports a rolled back node as healthy if its services did not run before", async () => {
        const { stdout } = await sandbox().run(
            `ACTION=deactivate EXPLAINED=yes CONTAINERD_PID="" KUBELET_PID=""; mkdir "$JOURNAL"; leave`,
        );
        expect(stdout).to.contain("rolled back;").and.not.contain("unhealthy");
        expect(existsSync(sandbox().path("state/journal"))).to.equal(false);
    });

    it("does not start a service that somebody stopped after an interrupted change, except if that change stopped it", async () => {
        for (const [marker, state, restarted] of [
            ["", "active", "kubelet.service"],
            ["", "failed", "kubelet.service"],
            ["", "inactive", ""],
            ["stopped", "inactive", "kubelet.service"],
        ]) {
            const { stdout, stderr } = await sandbox().run(
                `mkdir -p "$JOURNAL"; record_restart kubelet.service ${marker}; systemctl() { echo ${state}; }
                say() { :; }; restart_unit() { echo "$1"; }; recover`,
            );
            expect((stdout + stderr).trim(), `${marker} ${state}`).to.equal(restarted);
        }
    });
});
