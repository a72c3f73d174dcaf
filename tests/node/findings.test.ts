// Nodes that the program refuses and that the lab cannot provide.

import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("checking a node", (sandbox) => {
    it("compares versions by major and minor", async () => {
        const pairs = [
            "1.5.18 1.6 no",
            "1.6.20 1.6 yes",
            "1.10.0 1.6 yes",
            "2.0.0 1.6 yes",
            "2.3.7 2.0 yes",
            "1.34.1 1.34 yes",
            "1.7.35 2.0 no",
        ];
        const script = pairs.map((pair) => {
            const [have, wanted] = pair.split(" ");
            return `if version_at_least ${have} ${wanted}; then echo ${have} ${wanted} yes; else echo ${have} ${wanted} no; fi`;
        });
        expect((await sandbox().run(script.join("\n"))).stdout.trim().split("\n")).to.deep.equal(pairs);
    });

    it("reads command-line flags in both forms, and the last of several counts", async () => {
        const { stdout } = await sandbox().run(
            `sh -c 'sleep 5; :' --config=/etc/a.yaml --root /data --empty= -c /etc/b --twice=a --twice b --twice=c \
                -- --config=/etc/z >/dev/null 2>&1 & pid=$!
            sleep 0.2
            for name in --config --root --empty --conf --twice; do echo "$name: $(flag $pid $name)"; done
            echo "either: $(flag $pid --configuration -c)"
            kill $pid`,
        );
        expect(stdout).to.equal(
            "--config: /etc/a.yaml\n--root: /data\n--empty: \n--conf: \n--twice: c\neither: /etc/b\n",
        );
    });

    const refusal = async (script: string, finding: string) => {
        const { status, stderr } = await sandbox().run(script);
        expect(status).to.equal(1);
        expect(stderr).to.contain(finding);
        expect(stderr).to.contain("what to do: ");
    };

    it("refuses version 1 of containerd's configuration", () => {
        sandbox().write("config.toml", "[plugins.cri.containerd]\n");
        return refusal(
            "CONTAINERD_VERSION=1.6.20 CONTAINERD_MAJOR=1 CONTAINERD_CONFIG=$PWD/config.toml; choose_form",
            "config.toml has configuration version 1, which is the default without a version line",
        );
    });

    it("refuses a kubelet configuration in JSON", () => {
        sandbox().write("config.json", '{ "kind": "KubeletConfiguration" }\n');
        return refusal(
            "KUBELET_CONFIG=$PWD/config.json CGROUP_DRIVER=systemd; prepare_kubelet",
            "config.json cannot be edited safely: it is JSON",
        );
    });

    it("kubelet YAML: refuses forms that cannot be edited safely, and names the line", async () => {
        for (const [text, finding] of Object.entries({
            "kind: KubeletConfiguration\n---\n": "line 2 begins or ends a document",
            "# a\n---\nkind: KubeletConfiguration\n...\n": "line 4 begins or ends a document",
            "kind: KubeletConfiguration\ncgroupDriver:\n  cgroupfs\n": "line 2 has no value",
            "\n  kind: KubeletConfiguration\n  cgroupDriver: cgroupfs\n": "line 2 is indented",
            "---\n{ kind: KubeletConfiguration }\n": "it is JSON",
            "--- { kind: KubeletConfiguration }\n": "line 1 begins or ends a document",
        })) {
            sandbox().write("config.yaml", text);
            await refusal(
                "KUBELET_CONFIG=$PWD/config.yaml CGROUP_DRIVER=systemd; prepare_kubelet",
                `config.yaml cannot be edited safely: ${finding}`,
            );
        }
    });

    it("refuses a cgroup driver that a flag of the kubelet overrides", () => {
        sandbox().write("config.yaml", "kind: KubeletConfiguration\n");
        return refusal(
            `flag() { [ "$2" != --cgroup-driver ] || echo cgroupfs; }
            KUBELET_PID=1 KUBELET_UNIT=kubelet.service KUBELET_CONFIG=$PWD/config.yaml CGROUP_DRIVER=systemd; prepare_kubelet`,
            "the kubelet is started with --cgroup-driver=cgroupfs",
        );
    });

    it("chooses the configuration's form by version and imports", async () => {
        const forms = {
            "1.6.20 version = 2": "io.containerd.grpc.v1.cri, in the main file",
            "2.3.7 version = 3": "io.containerd.cri.v1.runtime, in the main file",
            '2.3.7 version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]':
                "io.containerd.grpc.v1.cri, in /etc/containerd/conf.d/kata-containers.toml",
            "2.3.7 version = 4\nimports = [\n  '/etc/other.toml',\n  '/srv/x/*.toml',\n]":
                "io.containerd.cri.v1.runtime, in /srv/x/kata-containers.toml",
            '1.7.35 version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]':
                "io.containerd.grpc.v1.cri, in the main file",
            "1.6.20 # nothing": "io.containerd.grpc.v1.cri, in the main file",
            "2.1.0 ": "io.containerd.cri.v1.runtime, in the main file",
        };
        for (const [given, form] of Object.entries(forms)) {
            const [, version, text] = /^(\S+) ([\s\S]*)$/.exec(given)!;
            sandbox().write("config.toml", text!);
            const { stdout, stderr } = await sandbox().run(
                `CONTAINERD_VERSION=${version} CONTAINERD_MAJOR=${version![0]} CONTAINERD_CONFIG=$PWD/config.toml; choose_form; echo "$CRI_PLUGIN, in \${DROP_IN:-the main file}"`,
            );
            expect(stdout.trim(), given + stderr).to.equal(form);
        }
    });
});
