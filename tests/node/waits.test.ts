// Waits: they measure the time that passes, whatever the clock says, and last as long as a unit may take.

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("waiting", (sandbox) => {
    it("measures the time that passes while the clock is set forward and back (clock)", async () => {
        // Each look at this clock sets it by an hour, forward or back. The machine has been up for a second more at each try.
        sandbox().ownProc = true;
        sandbox().write("proc/uptime", "100.90 1.0\n");
        const { stdout, stderr } = await sandbox().run(
            `date() { echo x >>looks; case $(($(wc -l <looks) % 2)) in 0) echo 100000 ;; *) echo 3600 ;; esac; }
            sleep() { :; }
            tries() { echo "$(($(cut -d . -f 1 proc/uptime) + 1)).10 1.0" >proc/new; mv proc/new proc/uptime; echo x >>tried; [ "$(wc -l <tried)" -ge "$1" ]; }
            within 20 tries 15 && echo in time; : >tried
            within 20 tries 30 || echo "too late after $(wc -l <tried | tr -d ' ')"`,
        );
        expect(stderr).to.equal("");
        expect(stdout).to.equal("in time\ntoo late after 20\n");
    });

    it("restarts a unit within the time that the unit may take to stop and to start (slow containerd)", async () => {
        const units: [start: string, stop: string, limit: number][] = [
            ["10min", "1min 30s", 690],
            ["1min 30s", "1min 30s", 180],
            ["5s", "5s", 60],
            ["500ms", "1min 1.500s", 62],
            ["infinity", "1min 30s", 900],
            ["1d 1h", "2min", 900],
            ["14min 59.999s", "0", 900],
        ];
        for (const [start, stop, limit] of units) {
            const { stdout, stderr } = await sandbox().run(
                `systemctl() { case "$*" in show*) echo 'TimeoutStartUSec=${start}'; echo 'TimeoutStopUSec=${stop}' ;; esac; }
                timeout() { echo "$*"; }
                restart_unit containerd.service`,
            );
            expect(stdout + stderr).to.equal(`${limit} systemctl restart containerd.service\n`);
        }
        const endless = await sandbox().run(
            `systemctl() { case "$*" in show*) printf 'TimeoutStartUSec=infinity\\nTimeoutStopUSec=1min 30s\\n' ;; esac; }
            timeout() { echo "$*"; }
            CONTAINERD_TEMPLATES=/t; restart_unit k3s.service`,
        );
        expect(endless.stdout).to.equal("390 systemctl restart k3s.service\n");
        const silent = await sandbox().run(
            `systemctl() { return 1; }; timeout() { echo "$*"; }; restart_unit a.service`,
        );
        expect(silent.stdout).to.equal("180 systemctl restart a.service\n");
    });

    it("waits for a containerd that starts slowly as long as its unit may take (slow containerd)", async () => {
        const { stdout } = await sandbox().run(
            `mkdir -p run; CONTAINERD_UNIT=containerd.service CONTAINERD_PID=1 CONTAINERD_SOCKET=/s
            systemctl() { echo TimeoutStartUSec=10min; echo TimeoutStopUSec=5s; }
            within() { echo "$1 $2" >>waited; }
            cri_is_ok() { :; }
            gate_runtime && echo passed`,
        );
        expect(stdout).to.equal("passed\n");
        expect(readFileSync(sandbox().path("waited"), "utf8")).to.equal("605 containerd_answers\n60 cri_serves\n");
    });

    it("waits two minutes for a containerd that k0s has restarted, whose unit starts without a time limit", async () => {
        const { stdout } = await sandbox().run(
            `mkdir -p run; DISTRIBUTION=k0s CONTAINERD_UNIT=k0sworker.service KUBELET_UNIT=k0sworker.service
            CONTAINERD_PID=1 CONTAINERD_SOCKET=/s CONTAINERD_CONFIG=/none/containerd.toml
            systemctl() { echo TimeoutStartUSec=infinity; echo TimeoutStopUSec=1min 30s; }
            within() { echo "$1 $2" >>waited; }
            cri_is_ok() { :; }
            gate_runtime && echo passed`,
        );
        expect(stdout).to.equal("passed\n");
        expect(readFileSync(sandbox().path("waited"), "utf8")).to.equal(
            "60 k0s_is_current\n120 containerd_answers\n60 cri_serves\n",
        );
    });

    it("waits for a kubelet as long as the service may take that runs containerd as well, and otherwise for a minute", async () => {
        for (const [unit, seconds] of [
            ["k3s.service", 390],
            ["kubelet.service", 60],
        ] as const) {
            const { stdout } = await sandbox().run(
                `KUBELET_UNIT=${unit} CONTAINERD_UNIT=k3s.service CONTAINERD_PID=1 KUBELET_PID=1 CONTAINERD_TEMPLATES=/t
                systemctl() { echo TimeoutStartUSec=infinity; echo TimeoutStopUSec=1min 30s; }
                within() { echo "$1 $2"; }
                gate_kubelet`,
            );
            expect(stdout).to.equal(`${seconds} kubelet_is_healthy\n`);
        }
    });
});
