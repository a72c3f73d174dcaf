// The name of the node: the kubelet's own decides.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("the name of the node", (sandbox) => {
    /** A client certificate as the API server signs them, in PEM form, with its key behind it. */
    const certificate = (subject: string) => {
        const file = join(sandbox().folder, "made.pem");
        const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"];
        execFileSync("openssl", [...args, "-subj", subject, "-keyout", `${file}.key`, "-out", file], { stdio: "pipe" });
        return readFileSync(file, "utf8");
    };
    const check = (node: string, flags = "", config = "kubelet.conf", running = true) =>
        sandbox().run(`
            kubelet_pid() { ${running ? "echo 1" : ":"}; }
            kubelet_kubeconfig() { echo "$PWD/${config}"; }
            flag() { echo '${flags}'; }
            uname() { echo Machine; }
            NODE='${node}'
            check_node_name; echo changed`);

    it("wrong name: refuses a machine whose kubelet has another name in its certificate", async () => {
        const data = Buffer.from(certificate("/O=system:nodes/CN=system:node:worker-1")).toString("base64");
        sandbox().write("kubelet.conf", `users:\n- name: kubelet\n  user:\n    client-certificate-data: ${data}\n`);
        expect((await check("worker-1")).stdout).to.equal("changed\n");
        const { status, stdout, stderr } = await check("worker-9", "worker-9");
        expect({ status, stdout }).to.deep.equal({ status: 1, stdout: "" });
        expect(stderr).to.contain("this machine is the node worker-1 in Kubernetes, not worker-9; nothing was changed");
        expect(stderr).to.contain("correct the name or the connection of worker-9 in `nodes`");
    });

    it("wrong name: reads the certificate in the file that the kubeconfig names, with its key in front of it", async () => {
        const pem = certificate("/CN=system:node:worker-1.example.com/O=system:nodes");
        const key = readFileSync(sandbox().path("made.pem.key"), "utf8");
        const file = sandbox().write("pki/current.pem", key + pem);
        sandbox().write("kubelet.conf", `users:\n- name: kubelet\n  user:\n    client-certificate: ${file}\n`);
        expect((await check("worker-1.example.com")).status).to.equal(0);
        expect((await check("worker-1")).stderr).to.contain("is the node worker-1.example.com");
    });

    it("wrong name: without a certificate of a node, the kubelet's flag decides, else the name of the machine", async () => {
        const data = Buffer.from(certificate("/O=system:masters/CN=admin")).toString("base64");
        sandbox().write("kubelet.conf", `    client-certificate-data: ${data}\n`);
        expect((await check("other", "Other")).status).to.equal(0);
        expect((await check("machine", "Other")).stderr).to.contain("is the node other in Kubernetes, not machine");
        expect((await check("machine")).status).to.equal(0);
        expect((await check("Machine")).stderr).to.contain("is the node machine in Kubernetes, not Machine");
    });

    it("wrong name: the check accepts a machine without a kubelet, which activate refuses later", async () => {
        expect((await check("worker-9", "", "missing", false)).stdout).to.equal("changed\n");
    });

    it("asks the cluster with the kubelet's credentials, from files or from data, and not without any", async () => {
        const asked = async (user: string, text = "") => {
            sandbox().write("kubelet.conf", `clusters:\n- cluster:\n    server: "https://api:6443" # ours\n${user}`);
            return sandbox().run(`
                kubelet_pid() { echo 1; }
                kubelet_kubeconfig() { echo "$PWD/kubelet.conf"; }
                curl() { while [ "$1" != -o ]; do shift; done; echo "asked $3" >"$2"; }
                NODE=worker-1 GROUPED=""
                rm -f "$WORK_DIR/server"; ask_cluster; cat "$WORK_DIR/node" "$WORK_DIR/credentials"; ${text}`);
        };
        const files = "    client-key: /etc/key.pem\n    client-certificate: '/etc/cert.pem'\n";
        expect((await asked(`    certificate-authority: /etc/ca.pem\n${files}`)).stdout).to.equal(
            "asked https://api:6443/api/v1/nodes/worker-1\n" +
                'cacert = "/etc/ca.pem"\nkey = "/etc/key.pem"\ncert = "/etc/cert.pem"\n',
        );
        const { stdout } = await asked(
            `    certificate-authority-data: Y2E=\n${files}`,
            'cat "$WORK_DIR/certificate-authority"',
        );
        expect(stdout).to.contain('work/certificate-authority"\n').and.match(/\nca$/);
        expect((await asked("    exec:\n      command: aws\n")).stdout).to.equal("null");
        sandbox().write("kubelet.conf", files);
        const { status, stdout: unknown } = await sandbox().run(`
            kubelet_pid() { echo 1; }; kubelet_kubeconfig() { echo "$PWD/kubelet.conf"; }
            NODE=worker-1 GROUPED=""; rm -f "$WORK_DIR/server"; ask_cluster; cat "$WORK_DIR/node"`);
        expect({ status, unknown }).to.deep.equal({ status: 0, unknown: "null" });
    });

    it("refuses a Node that was deleted from the cluster, because the label would create it again", async () => {
        const exists = (answer: string) =>
            sandbox().run(`
                NODE=worker-1 KUBELET_UNIT=kubelet.service
                ask_cluster() { echo '${answer}' >"$WORK_DIR/node"; }
                check_node_exists; echo exists`);
        const { status, stderr } = await exists('{"kind":"Status","status":"Failure","code":404}');
        expect(status).to.equal(1);
        expect(stderr).to.contain("the cluster has no Node worker-1").and.contain("systemctl restart kubelet.service");
        expect((await exists('{"kind":"PartialObjectMetadata","metadata":{"name":"worker-1"}}')).status).to.equal(0);
        expect((await exists("null")).status).to.equal(0);
    });
});
