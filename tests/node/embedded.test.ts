// Nodes of k3s and RKE2, whose service contains containerd and the kubelet: its settings, and what a restart of it needs.

import { chmodSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("the service of k3s and RKE2", (sandbox) => {
    /** Runs a script on a node whose unit has this command line; `yaml` is the content of config.yaml. */
    const run = async (script: string, given: { command?: string; yaml?: string; distribution?: string } = {}) => {
        const { command = "/usr/local/bin/k3s agent", yaml = "", distribution = "k3s" } = given;
        sandbox().ownProc = true;
        sandbox().write("config.yaml", yaml);
        sandbox().write("proc/7/cmdline", `${command.replaceAll(" ", "\0")}\0`);
        const { status, stdout, stderr } = await sandbox().run(
            `DISTRIBUTION=${distribution} CONTAINERD_TEMPLATES=$PWD/data/agent/etc/containerd CONTAINERD_PID=8
            KUBELET_UNIT=k3s-agent.service CONTAINERD_UNIT=k3s-agent.service
            embedded_files() { cat config.yaml; }
            kubelet_pid() { echo 7; }; unit_of() { echo k3s-agent.service; }
            data_folder() { echo "$PWD/data"; }
            systemctl() {
                case "$*" in
                "show -p MainPID --value k3s-agent.service") echo 7 ;;
                "show -p ExecStart --value k3s-agent.service") echo "{ path=$PWD/k3s ; argv[]=${command} ; ignore_errors=no ; start_time=[n/a] ; pid=7 ; code=(null) ; status=0/0 }" ;;
                esac
            }
            ${script}`,
        );
        return `${status} ${stdout}${stderr}`.trim();
    };

    it("has the settings of its files and of the command line of its unit, which count more", async () => {
        const setting = (command: string, yaml: string, name = "server") =>
            run(`embedded_entry k3s-agent.service ${name}`, { command: `/usr/local/bin/k3s agent${command}`, yaml });
        expect(await setting("", "")).to.equal("0");
        expect(await setting("", 'server: "https://a:1"\n')).to.equal("0 https://a:1");
        expect(await setting(" --server https://b:1 --debug", "server: https://a:1\n")).to.equal("0 https://b:1");
        expect(await setting(" --server=https://b:1", "")).to.equal("0 https://b:1");
        expect(await setting(" --debug --server=x", "", "debug")).to.equal("0 true");
        const flag = (command: string, yaml: string) =>
            run("fact kubelet_flag 7 --healthz-port", { command: `/usr/local/bin/k3s agent${command}`, yaml });
        expect(await flag("", "kubelet-arg:\n- healthz-port=1\n")).to.equal("0 1");
        expect(await flag(" --kubelet-arg=v=2 --kubelet-arg healthz-port=2", "")).to.equal("0 2");
        expect(await flag(" --kubelet-arg=v=2", "kubelet-arg: [healthz-port=1]\n")).to.equal("0");
    });

    it("takes only the entries of kubelet-arg for flags of the kubelet", async () => {
        const entries = async (yaml: string, command = "/usr/local/bin/k3s agent") =>
            (await run("k3s_kubelet_arguments k3s-agent.service", { command, yaml })).replace("0 ", "").split("\n");
        const others = `kube-proxy-arg: ["healthz-bind-address=0.0.0.0:10256"]\nkube-scheduler-arg: config=/s\n
kube-apiserver-arg:\n  - authentication-config=/a\n# kubelet-arg: [x=1]\n`;
        expect(await entries(others)).to.deep.equal(["0"]);
        expect(
            await entries(`kubelet-arg:\n  # one\n  - "feature-gates=A=true,B=false"\n  - --v=2 # two\n${others}`),
        ).to.deep.equal(["feature-gates=A=true,B=false", "v=2"]);
        expect(
            await entries(`"kubelet-arg": ["feature-gates=A=true,B=false", 'v=2',\n  config=/c ] # three\n${others}`),
        ).to.deep.equal(["feature-gates=A=true,B=false", "v=2", "config=/c"]);
        expect(await entries("kubelet-arg: 'v=1,2'\r\n")).to.deep.equal(["v=1,2"]);
        expect(await entries("kubelet-arg:\n- v=1\nkubelet-arg+:\n- v=2\n")).to.deep.equal(["v=1", "v=2"]);
        expect(await entries("kubelet-arg:\n- v=1\nkubelet-arg:\n- a=2\n")).to.deep.equal(["a=2"]);
        expect(
            await entries(
                "kubelet-arg: [a=1]",
                "/usr/local/bin/k3s server --kube-scheduler-arg=config=/s --kubelet-arg=feature-gates=A=true,B=false",
            ),
        ).to.deep.equal(["feature-gates=A=true,B=false"]);
    });

    it("has the endpoint of the kubelet's folder, of its own settings, or the usual one", async () => {
        const endpoint = (command: string, yaml: string, conf = "") => {
            sandbox().write("data/agent/etc/kubelet.conf.d/00-k3s-defaults.conf", conf);
            return run("container_runtime_socket 7", { command: `/usr/local/bin/k3s agent${command}`, yaml });
        };
        const other = "container-runtime-endpoint: unix:///other.sock\n";
        expect(await endpoint("", "")).to.equal("0 /run/k3s/containerd/containerd.sock");
        expect(await endpoint("", other)).to.equal("0 /other.sock");
        expect(await endpoint(" --container-runtime-endpoint /flag.sock", other)).to.equal("0 /flag.sock");
        expect(await endpoint("", other, "containerRuntimeEndpoint: unix:///conf.sock\n")).to.equal("0 /conf.sock");
        for (const docker of ["docker: true\n", `${other}docker: "true"\n`])
            expect(await endpoint("", docker)).to.equal("0 /run/k3s/cri-dockerd/cri-dockerd.sock");
        expect(await endpoint(" --docker", "")).to.equal("0 /run/k3s/cri-dockerd/cri-dockerd.sock");
        expect(await endpoint("", "docker: false\n")).to.equal("0 /run/k3s/containerd/containerd.sock");
    });

    it("has the name of the node in its arguments for the kubelet, its settings or its environment", async () => {
        const name = async (yaml: string, environment = "A=b") => {
            sandbox().write("proc/7/environ", "overwritten");
            sandbox().write("proc/8/environ", `PATH=/bin\0${environment}\0`);
            sandbox().write("proc/8/status", "Name:\tcontainerd\nPPid:\t7\n");
            return run("openssl() { return 127; }; uname() { echo machine; }; KUBELET_PID=7; kubelet_node_name", {
                yaml,
            });
        };
        expect(await name("")).to.equal("0 machine");
        expect(await name("", "K3S_NODE_NAME=Worker-1")).to.equal("0 worker-1");
        expect(await name("node-name: worker-2\n", "K3S_NODE_NAME=worker-1")).to.equal("0 worker-2");
        expect(await name("node-name: a\nkubelet-arg: [hostname-override=worker-3]\n")).to.equal("0 worker-3");
    });

    it("is not restarted while no server answers: the ones that it found, or the one that it was given", async () => {
        const check = (given: Parameters<typeof run>[1], answers = "", environment = "A=b") => {
            sandbox().write("proc/8/environ", `PATH=/bin\0${environment}\0`);
            return run(`http_get() { [ "$1" = "https://${answers}/cacerts" ]; }; check_restart && echo passed`, given);
        };
        const refused = (servers: string) =>
            new RegExp(
                `^1 error: .*: no server of this agent answers \\(${servers}\\), so k3s-agent.service would not start`,
            );
        expect(await check({ command: "/usr/local/bin/k3s server" })).to.equal("0 passed");
        expect(await check({ yaml: "server: https://a:6443\n" })).to.match(refused("a:6443"));
        expect(await check({ yaml: "server: https://a:6443/\n" }, "a:6443")).to.equal("0 passed");
        expect(await check({ command: "/usr/local/bin/k3s agent --server https://b:6443" })).to.match(
            refused("b:6443"),
        );
        expect(await check({}, "", "K3S_URL=https://c:6443")).to.match(refused("c:6443"));
        expect(await check({ distribution: "rke2" }, "", "RKE2_URL=https://d:9345")).to.match(refused("d:9345"));
        expect(await check({})).to.match(/^0 warning: found no address of a server of this agent.*\npassed$/);
        sandbox().write(
            "data/agent/etc/k3s-agent-load-balancer.json",
            '{\n  "ServerURL": "https://a:6443",\n  "ServerAddresses": [\n    "1.2.3.4:6443",\n    "[::1]:6443"\n  ]\n}',
        );
        expect(await check({})).to.match(refused("a:6443 1\\.2\\.3\\.4:6443 \\[::1\\]:6443"));
        expect(await check({}, "[::1]:6443")).to.equal("0 passed");
    });

    it("is not restarted while another release is installed than the one that runs", async () => {
        const check = async (running: string, installed: string) => {
            for (const [file, words] of Object.entries({ "proc/7/exe": running, k3s: installed }))
                chmodSync(sandbox().write(file, `#!/bin/sh\necho "${words} (0123)"\necho go version go1\n`), 0o755);
            return run("check_restart && echo passed", { command: "/usr/local/bin/k3s server" });
        };
        expect(await check("k3s version v1.35.3+k3s1", "k3s version v1.35.3+k3s1")).to.equal("0 passed");
        expect(await check("k3s version v1.35.3+k3s1", "env (GNU coreutils) 9.1")).to.equal("0 passed");
        const refused = await check("k3s version v1.35.2+k3s1", "k3s version v1.35.2+k3s2");
        expect(refused).to.match(/^1 /);
        expect(refused).to.contain(
            "k3s-agent.service runs k3s v1.35.2+k3s1, but v1.35.2+k3s2 is installed; nothing was changed",
        );
        expect(refused).to.contain("restart k3s-agent.service, which starts v1.35.2+k3s2, then run pulumi again");
    });

    it("logs to files of its own, of which errors show what is new", async () => {
        const log = "data/agent/containerd/containerd.log";
        expect(await run("and_log_files")).to.equal("0");
        sandbox().write(log, 'time="1" level=error msg=old\n');
        expect(await run("and_log_files")).to.equal(`0  and ${sandbox().path(log)}`);
        expect(await run("embedded_logs")).to.equal('0   | time="1" level=error msg=old');
        const since = (then: string) => run(`mark_logs; ${then}; embedded_logs`);
        expect(await since(":")).to.equal("0");
        const more = "printf 'level=info msg=x\\ncontainerd: bad\\n'";
        expect(await since(`${more} >>${log}`)).to.equal("0   | containerd: bad");
        expect(await since(`${more} >${log}`)).to.equal("0   | containerd: bad");
        expect(await run("CONTAINERD_TEMPLATES=''; mark_logs; embedded_logs; and_log_files")).to.equal("0");
    });

    it("says in its environment that containerd logs at the level debug", async () => {
        const given =
            "REQUESTED=kata-qemu; given() { if [ $2 = debug ]; then echo true; fi; }; listener() { echo 7; }; : >$WORK_DIR/dump;";
        expect(await run(`${given} explain_debug`)).to.contain(
            "at that level: set CONTAINERD_LOG_LEVEL=debug in the environment of k3s-agent.service (systemctl edit k3s-agent.service)",
        );
        expect(await run(`${given} CONTAINERD_TEMPLATES='' CONTAINERD_CONFIG=/c; explain_debug`)).to.contain(
            'at that level: set level = "debug" in the table [debug] of /c',
        );
    });

    it("is no node if it is a server without an agent", async () => {
        for (const distribution of ["k3s", "rke2"]) {
            const given = { command: "/usr/local/bin/k3s server", distribution };
            const check = "ACTION=activate; systemctl() { :; }; require_distribution";
            expect(await run(check, given)).to.equal("0");
            expect(await run(check, { ...given, yaml: "disable-agent: true\n" })).to.contain(
                `this server of ${distribution} runs without a kubelet, so it is not a node`,
            );
        }
        const flag = { command: "/usr/local/bin/k3s server --disable-agent" };
        expect(await run("fact is_node 7", flag)).to.equal("1");
        expect(await run("fact is_node ''", flag)).to.equal("0");
    });

    it("is found in the folder of another release, if an upgrade has removed the one that was recorded", async () => {
        const program = (release: string) => sandbox().path(`data/data/${release}/bin/containerd`);
        expect(await run(`installed ${program("a")}`)).to.equal(`0 ${program("a")}`);
        sandbox().write("data/data/b/bin/containerd", "");
        expect(await run(`installed ${program("a")}`)).to.equal(`0 ${program("b")}`);
        sandbox().write("data/data/a/bin/containerd", "");
        expect(await run(`chmod +x ${program("a")}; installed ${program("a")}`)).to.equal(`0 ${program("a")}`);
        expect(await run("installed /usr/bin/gone")).to.equal("0 /usr/bin/gone");
    });

    it("has its own cgroup driver: another one is refused, without a place to set it", async () => {
        expect(await run("CGROUP_DRIVER=cgroupfs; require_own_driver cgroupfs")).to.equal("0");
        const error = await run("CGROUP_DRIVER=systemd; require_own_driver cgroupfs");
        expect(error).to.contain("the cgroup driver of this node is cgroupfs, not systemd, and k3s sets it");
        expect(error).to.contain("k3s takes the driver from the way its service is started");
        expect(error).to.contain("is not meant to get another one");
        const asked = `prepare_containerd() { :; }; check_containerd() { :; }; require_snapshotters() { :; }; require_runtimes() { :; }; require_handlers() { :; }
            require_driver() { :; }; cgroup_driver() { echo asked >&2; echo cgroupfs; }; HANDLERS=""; prepare_runtime; prepare_kubelet`;
        expect(await run(`CGROUP_DRIVER=cgroupfs; ${asked}`)).to.equal("0 asked");
        expect(await run(`CGROUP_DRIVER=""; ${asked}`)).to.equal("0");
    });

    it("has no SystemdCgroup of this package in its own containerd, only in one that it does not start", async () => {
        expect(await run("CGROUP_DRIVER=systemd; systemd_cgroup")).to.equal("0");
        expect(await run('CONTAINERD_TEMPLATES=""; CGROUP_DRIVER=systemd; systemd_cgroup')).to.equal("0 true");
    });
});
