// The proof that the kubelet sees the runtime: the status of its Node lists it.

import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("the runtime handlers that the kubelet reports", (sandbox) => {
    const reported = (answer: string, more = ":") =>
        sandbox().run(`
            REQUESTED=kata-qemu NODE=worker-1 CONTAINERD_MAJOR=2 KUBELET_UNIT=kubelet.service
            kubelet_pid() { echo 1; }
            kubelet_status_interval() { echo 0; }
            within() { echo "$1" >limit; shift; "$@"; }
            sleep() { :; }
            ask_cluster() { cat >"$WORK_DIR/node" <<'END'
${answer}
END
            }
            ${more}; require_reported_handlers; echo passed`);
    const node = (...names: string[]) =>
        JSON.stringify({
            metadata: { managedFields: [{ fieldsV1: { "f:status": { "f:runtimeHandlers": {} } } }] },
            status: {
                images: [{ names: ["registry.k8s.io/pause:3.6"] }],
                runtimeHandlers: names.map((name) => ({ name, features: { userNamespaces: true } })),
            },
        });

    it("accepts a Node that reports the handler or no handlers, and a cluster that cannot be asked", async () => {
        const pretty = JSON.stringify(JSON.parse(node("", "runc", "kata-qemu")), null, 2);
        for (const answer of [node("runc", "kata-qemu"), pretty, node(), '{"status":{}}', "null"]) {
            expect((await reported(answer)).stdout, answer).to.equal("passed\n");
        }
        expect((await reported(node("runc"), "CONTAINERD_MAJOR=1")).stdout).to.equal("passed\n");
    });

    it("refuses a Node that reports only other runtime handlers", async () => {
        const { status, stderr } = await reported(node("", "runc", "kata-qemu-2"));
        expect(status).to.equal(1);
        expect(stderr).to.contain("the kubelet does not see the runtime kata-qemu of containerd");
        expect(stderr).to.contain("of the Node worker-1 lists runc kata-qemu-2 ; rolling back");
        expect(stderr).to.contain("systemctl restart kubelet.service");
    });

    it("waits for as long as the kubelet may take to report its status", async () => {
        sandbox().ownProc = true;
        for (const [config, flags, seconds] of [
            ["", "", 30],
            ["nodeStatusUpdateFrequency: 0s\n", "", 30],
            ["nodeStatusUpdateFrequency: 20s\n", "", 50],
            ["nodeStatusUpdateFrequency: 1m5s\n", "", 95],
            ["nodeStatusUpdateFrequency: 1m\n", "", 90],
            ["nodeStatusUpdateFrequency: 100ms\n", "", 30],
            ["nodeStatusUpdateFrequency: 20s\n", "--node-status-update-frequency=1m0s", 90],
        ] as const) {
            const file = sandbox().write("config", config);
            sandbox().write("proc/30/cmdline", `kubelet\0--config=${file}\0${flags}\0`);
            const { stdout } = await sandbox().run(`
                REQUESTED=kata-qemu CONTAINERD_MAJOR=2
                kubelet_pid() { echo 30; }
                within() { echo "$1"; }
                require_reported_handlers`);
            expect(stdout, config + flags).to.equal(`${seconds}\n`);
        }
    });
});
