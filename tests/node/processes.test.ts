// Which processes the program takes for the kubelet, for its container runtime and for sandboxes, on a /proc of the test's own.

import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { expect } from "chai";
import { inEveryShell, type Sandbox } from "../support/shells";

interface Process {
    name: string;
    program?: string;
    arguments?: string[];
    /** The real, effective, saved and filesystem user ids. */
    uids?: string;
    parent?: number;
    /** The namespaces that differ from those of the machine. */
    other?: ("user" | "pid" | "mnt")[];
    cgroup?: string;
    /** The inodes of its sockets. */
    sockets?: number[];
    /** In seconds. */
    age?: number;
    path?: string;
}

/** A node whose processes the test describes. The sockets are real. */
class Machine {
    readonly servers: Server[] = [];
    private listening = "Num       RefCount Protocol Flags    Type St Inode Path\n";

    constructor(readonly sandbox: Sandbox) {
        sandbox.ownProc = true;
        for (const space of ["user", "pid", "mnt"]) {
            sandbox.write(`spaces/${space}`, "");
            sandbox.write(`spaces/other-${space}`, "");
        }
        sandbox.write("proc/net/unix", this.listening);
        sandbox.write("proc/uptime", "1000.90 1.00\n");
        this.add(1, { name: "systemd", program: "/lib/systemd/systemd", cgroup: "/init.scope" });
    }

    add(pid: number, given: Process): void {
        const {
            name,
            parent = 1,
            uids = "0 0 0 0",
            cgroup = `/system.slice/${name}.service`,
            other = [],
            sockets = [],
            age = 10,
        } = given;
        const { sandbox } = this;
        const folder = `proc/${pid}`;
        const program = given.program ?? sandbox.path(`bin/${name}`);
        sandbox.write(`${folder}/comm`, `${name}\n`);
        sandbox.write(`${folder}/stat`, `${pid} (${name}) S${" 0".repeat(18)} ${(1000 - age) * 100} 0\n`);
        const ids = `Uid:\t${uids.replaceAll(" ", "\t")}\nGid:\t0\t0\t0\t0`;
        sandbox.write(`${folder}/status`, `Name:\t${name}\nPPid:\t${parent}\n${ids}\n`);
        sandbox.write(`${folder}/cmdline`, `${[program, ...(given.arguments ?? [])].join("\0")}\0`);
        sandbox.write(`${folder}/cgroup`, `0::${cgroup}\n`);
        sandbox.write(`${folder}/environ`, `A=b\0PATH=${given.path ?? "/usr/local/bin:/usr/bin"}\0`);
        symlinkSync(program, sandbox.path(`${folder}/exe`));
        for (const folderName of ["ns", "fd"]) mkdirSync(sandbox.path(`${folder}/${folderName}`));
        for (const space of ["user", "pid", "mnt"] as const) {
            const target = `spaces/${other.includes(space) ? "other-" : ""}${space}`;
            symlinkSync(sandbox.path(target), sandbox.path(`${folder}/ns/${space}`));
        }
        sockets.forEach((inode, fd) => {
            symlinkSync(`socket:[${inode}]`, sandbox.path(`${folder}/fd/${fd + 3}`));
        });
    }

    /** A socket that something listens on: its path, and the path by which it was bound. */
    async listen(inode: number, path: string, bound = path, flags = "00010000"): Promise<string> {
        const { sandbox } = this;
        mkdirSync(sandbox.path(path).replace(/\/[^/]*$/, ""), { recursive: true });
        if (!existsSync(sandbox.path(path))) {
            const server = createServer().listen(sandbox.path(path));
            this.servers.push(server);
            await new Promise((resolve) => server.once("listening", resolve));
        }
        this.listening += `0000000000000000: 00000002 00000000 ${flags} 0001 01 ${inode} ${sandbox.path(bound)}\n`;
        sandbox.write("proc/net/unix", this.listening);
        return sandbox.path(path);
    }

    /** A program that says which version it is and leaves a trace of having run. */
    program(name: string, words: string): string {
        const path = this.sandbox.write(
            `bin/${name}`,
            `#!/bin/sh\ntouch '${this.sandbox.path("ran")}'\necho ${words}\n`,
        );
        chmodSync(path, 0o755);
        return path;
    }
    get ran(): boolean {
        return existsSync(this.sandbox.path("ran"));
    }
}

inEveryShell("finding the kubelet and its container runtime", (sandbox) => {
    let machine: Machine;
    beforeEach(() => {
        machine = new Machine(sandbox());
        sandbox().write("path/ctr", "");
        chmodSync(sandbox().path("path/ctr"), 0o755);
        machine.program("containerd", "containerd github.com/containerd/containerd v1.7.30 abc");
        machine.program("kubelet", "Kubernetes v1.34.1");
    });
    afterEach(() => machine.servers.map((server) => server.close()));

    /** Runs a script where systemd says these things about units, and where waits end at once. */
    const run = (
        script: string,
        units: { [unit: string]: { main?: number; state?: string; detail?: string; restarts?: number } } = {},
        action = "activate",
    ) => {
        const loaded: typeof units = { "kubelet.service": {}, ...units };
        const cases = Object.entries(loaded).map(
            ([unit, { main = 0, state = "active", detail = "", restarts = 0 }]) =>
                `"show -p ActiveState -p SubState ${unit}") printf 'ActiveState=${state}\nSubState=${detail}\n' ;;
                "show -p NRestarts --value ${unit}") echo ${restarts} ;;
                "show -p MainPID --value ${unit}") echo ${main} ;;
                "show -p LoadState --value ${unit}") echo ${state === "not-found" ? state : "loaded"} ;;`,
        );
        const states = Object.entries(loaded).map(([unit, { state = "active" }]) => `"${unit}") echo ${state} ;;`);
        const all = Object.entries(loaded).map(([unit, { main = 0 }]) => `MainPID=${main}\\nId=${unit}\\n`);
        return sandbox().run(
            `ACTION=${action}
            within() { shift; "$@"; }
            systemctl() {
                case "$*" in
                ${cases.join("\n")}
                "show -p Id -p MainPID *.service") printf '${all.join("\\n")}' ;;
                "is-active "*)
                    shift
                    for unit; do case $unit in ${states.join(" ")} *) echo inactive ;; esac; done
                    return 3 ;;
                "list-units "*) printf '%s loaded active running\\n' containerd.service docker.service ssh.service ;;
                *) echo not-found ;;
                esac
            }
            ${script}`,
        );
    };
    const found = async (units = {}) => {
        const { stdout, stderr } = await run(
            'find_containerd; echo "$KUBELET_PID $KUBELET_UNIT, $CONTAINERD_VERSION at $CONTAINERD_SOCKET of $CONTAINERD_UNIT"',
            units,
        );
        return (stdout + stderr).trim().replaceAll(`${sandbox().folder}/`, "");
    };
    const refused = async (finding: string, remedy: string, units = {}) => {
        const { status, stderr } = await run("find_containerd", units);
        expect(status).to.equal(1);
        expect(stderr.replaceAll(`${sandbox().folder}/`, "")).to.contain(finding);
        expect(stderr).to.contain(remedy);
        return stderr;
    };
    /** A kubelet, and containerd on a socket that the kubelet is told of. */
    const usual = async (more: Partial<Process> = {}, containerd: Partial<Process> = {}) => {
        const socket = await machine.listen(500, "run/containerd.sock");
        machine.add(30, { name: "kubelet", arguments: [`--container-runtime-endpoint=unix://${socket}`], ...more });
        machine.add(40, { name: "containerd", sockets: [400, 500], ...containerd });
    };
    const usualFound = "30 kubelet.service, 1.7.30 at run/containerd.sock of containerd.service";

    it("finds the process that listens where the kubelet expects its container runtime", async () => {
        await usual();
        expect(await found()).to.equal(usualFound);
        expect(machine.ran).to.equal(true);
    });

    for (const [title, fake] of Object.entries({
        "an ordinary user": { uids: "1000 1000 1000 1000" },
        "an ordinary user by a setuid program": { uids: "1000 0 0 0" },
        "root of a user namespace": { other: ["user"] },
        "root of a container": { other: ["pid", "mnt"] },
        "root of a container that sees the processes of the machine": { other: ["mnt"], cgroup: "/kubepods/pod1/2" },
    } as { [title: string]: Partial<Process> })) {
        it(`neither takes nor runs a containerd or a kubelet of ${title}`, async () => {
            const socket = await machine.listen(500, "run/containerd.sock");
            machine.program("evil/containerd", "containerd github.com/containerd/containerd v1.7.30 abc");
            machine.add(20, { name: "kubelet", program: sandbox().path("bin/evil/containerd"), ...fake });
            machine.add(21, {
                name: "containerd",
                program: sandbox().path("bin/evil/containerd"),
                sockets: [500],
                ...fake,
            });
            await refused("the kubelet is not running on this node", "systemctl start kubelet");
            machine.add(30, { name: "kubelet", arguments: [`--container-runtime-endpoint=unix://${socket}`] });
            await refused(
                "the kubelet's container runtime is not running: no root process outside of containers listens on run/containerd.sock",
                "start it",
                { "containerd.service": {} },
            );
            expect(machine.ran).to.equal(false);
            machine.add(40, { name: "containerd", sockets: [500] });
            expect(await found()).to.equal(usualFound);
        });
    }

    it("takes no kubelet of an ordinary user or of a login session, even as the main process of kubelet.service", async () => {
        await usual({ uids: "1000 1000 1000 1000" });
        await refused("the kubelet is not running on this node", "what to do", { "kubelet.service": { main: 30 } });
        machine.add(31, { name: "kubelet", cgroup: "/user.slice/user-0.slice/session-1.scope" });
        await refused("the kubelet is not running on this node", "what to do");
        machine.add(32, {
            name: "kubelet",
            cgroup: "/user.slice/user-0.slice/user@0.service/app.slice/kubelet.service",
        });
        await refused("the kubelet is not running on this node", "what to do");
    });

    it("finds the service of a kubelet that left its cgroup (kubelet cgroup)", async () => {
        await usual({ cgroup: "/systemd/system.slice" });
        expect(await found({ "kubelet.service": { main: 30 } })).to.equal(usualFound);
    });

    it("finds the service of a container runtime in a cgroup below it, and with cgroup v1", async () => {
        await usual({}, { cgroup: "/runtime.slice/containerd.service/init" });
        expect(await found()).to.equal(usualFound);
        sandbox().write("proc/40/cgroup", "2:cpu:/a.service\n1:name=systemd:/system.slice/containerd.service\n0::/\n");
        expect(await found()).to.equal(usualFound);
    });

    it("refuses a container runtime that systemd did not start", async () => {
        await usual({}, { cgroup: "/user.slice/user-0.slice/session-1.scope" });
        await refused("containerd (process 40) was not started by systemd", "make it a service");
    });

    it("finds a socket through links, regardless of the path to which it was bound", async () => {
        const socket = await machine.listen(500, "run/c/containerd.sock", "var/run/c/containerd.sock");
        mkdirSync(sandbox().path("var"));
        symlinkSync("../run", sandbox().path("var/run"));
        machine.add(40, { name: "containerd", sockets: [500] });
        for (const endpoint of [socket, socket.replace("/run/", "/var/run/")]) {
            execFileSync("rm", ["-rf", sandbox().path("proc/30")]);
            machine.add(30, { name: "kubelet", arguments: ["--container-runtime-endpoint", endpoint] });
            expect(await found()).to.match(/^30 kubelet.service, 1\.7\.30 at (var\/)?run\/c\/containerd\.sock of /);
        }
    });

    it("ignores connections to the socket, and listeners on another one of that name", async () => {
        await machine.listen(300, "run/containerd.sock", "run/containerd.sock", "00000000");
        await machine.listen(301, "other/containerd.sock");
        machine.add(20, { name: "shim", sockets: [300, 301] });
        await usual();
        expect(await found()).to.equal(usualFound);
    });

    it("takes the service and not systemd, which holds the socket as well", async () => {
        await usual();
        symlinkSync("socket:[500]", sandbox().path("proc/1/fd/9"));
        expect(await found()).to.equal(usualFound);
    });

    it("reads the endpoint from the last flag, the last file or the default (kubelet's runtime)", async () => {
        const flag = "--container-runtime-endpoint";
        const endpoint = async (args: string[], files: { [name: string]: string } = {}) => {
            for (const name of ["conf.d", "proc/30"]) execFileSync("rm", ["-rf", sandbox().path(name)]);
            for (const [name, text] of Object.entries(files)) sandbox().write(name, text);
            machine.add(30, {
                name: "kubelet",
                arguments: args.map((word) => word.replace("@", `${sandbox().folder}/`)),
            });
            return (await run("container_runtime_socket 30")).stdout.trim();
        };
        const config = (value: string) => `kind: KubeletConfiguration\ncontainerRuntimeEndpoint: ${value}\n`;
        expect(await endpoint([])).to.equal("/run/containerd/containerd.sock");
        expect(await endpoint([flag, "unix:///a"])).to.equal("/a");
        expect(await endpoint([`${flag}=/a`])).to.equal("/a");
        expect(await endpoint([`${flag}=unix:/a`])).to.equal("/a");
        expect(await endpoint([`${flag}=unix:///a`, "--v=2", flag, "unix:///b"])).to.equal("/b");
        expect(await endpoint([`${flag}=unix:///a`, "--", `${flag}=unix:///b`])).to.equal("/a");
        expect(await endpoint([`${flag}=tcp://1.2.3.4:5`])).to.equal("tcp://1.2.3.4:5");
        const file = "--config=@config";
        expect(await endpoint([file], { config: config("unix:///c") })).to.equal("/c");
        expect(await endpoint([file, `${flag}=unix:///a`], { config: config("unix:///c") })).to.equal("/a");
        expect(await endpoint([file], { config: config('""') })).to.equal("/run/containerd/containerd.sock");
        expect(await endpoint([file], { config: config('"unix:///c" # here') + config("unix:///d") })).to.equal("/d");
        expect(
            await endpoint([file], {
                config: `# x\n${config("'unix:///c'")}nested:\n  containerRuntimeEndpoint: unix:///n\n`,
            }),
        ).to.equal("/c");
        const json = {
            kind: "KubeletConfiguration",
            containerRuntimeEndpoint: "unix:///j",
            authentication: { anonymous: { enabled: false } },
        };
        expect(await endpoint([file], { config: JSON.stringify(json) })).to.equal("/j");
        expect(await endpoint([file], { config: JSON.stringify(json, undefined, 2) })).to.equal("/j");
        const folder = {
            config: config("unix:///c"),
            "conf.d/10.conf": config("unix:///x"),
            "conf.d/20.conf": "kind: K\n",
            "conf.d/30": config("unix:///y"),
        };
        expect(await endpoint([file, "--config-dir=@conf.d"], folder)).to.equal("/x");
        expect(
            await endpoint([file, "--config-dir=@conf.d"], { ...folder, "conf.d/90/1.conf": config("unix:///z") }),
        ).to.equal("/z");
    });

    for (const program of ["cri-dockerd", "k3s"]) {
        it(`refuses ${program} as the container runtime while a containerd.service runs (kubelet's runtime)`, async () => {
            const socket = await machine.listen(500, `run/${program}.sock`);
            machine.program(program, "containerd x v1.7.30");
            machine.add(30, { name: "kubelet", arguments: [`--container-runtime-endpoint=unix://${socket}`] });
            machine.add(39, { name: "containerd", sockets: [499] });
            machine.add(40, { name: program, sockets: [500] });
            await refused(
                `the kubelet uses bin/${program} (process 40 of ${program}.service) at run/${program}.sock, neither containerd nor CRI-O`,
                "this package supports only containerd 1.6 or later, or on a node of kubeadm CRI-O 1.28 or later",
                { "containerd.service": { main: 39 } },
            );
            expect(machine.ran).to.equal(false);
        });
    }

    it("takes CRI-O at the kubelet's endpoint while a containerd.service runs, unless it is too old or crictl is missing", async () => {
        const socket = await machine.listen(500, "run/crio.sock");
        machine.program("crio", "'crio version 1.36.3\n   GitCommit: unknown'");
        machine.add(30, { name: "kubelet", arguments: [`--container-runtime-endpoint=unix://${socket}`] });
        machine.add(39, { name: "containerd", sockets: [499] });
        machine.add(40, { name: "crio", sockets: [500] });
        await refused("crictl is not installed on this node", "install crictl, which is in the package cri-tools");
        chmodSync(sandbox().write("path/crictl", ""), 0o755);
        expect(await found()).to.equal("30 kubelet.service, 1.36.3 at run/crio.sock of crio.service");
        machine.program("crio", "crio version 1.27.8");
        await refused("cri-o 1.27.8 is too old", "upgrade cri-o to 1.28 or later");
        expect((await run(`DISTRIBUTION=k3s; CONTAINERD_SOCKET=${socket}; find_running_containerd`)).stderr)
            .to.contain("the kubelet uses CRI-O, which this package does not support on a node of k3s")
            .and.to.contain("or on a node of kubeadm CRI-O 1.28 or later");
    });

    it("refuses an endpoint that is not a Unix socket", async () => {
        machine.add(30, { name: "kubelet", arguments: ["--container-runtime-endpoint=tcp://127.0.0.1:5000"] });
        await refused(
            "the kubelet expects its container runtime at tcp://127.0.0.1:5000, which is not a Unix socket",
            "what to do",
        );
    });

    it("does not advise to start a kubelet.service that does not exist, and names the services that run", async () => {
        const error = await refused(
            "found no Kubernetes that this package knows: no kubelet is running, and there is no kubelet.service; running services: containerd.service, docker.service",
            "this package supports nodes of kubeadm, k0s, k3s, microk8s, rke2; or set its `distribution`",
            { "kubelet.service": { state: "not-found" } },
        );
        expect(error).to.not.contain("systemctl start");
    });

    it("asks a containerd for its version only if its file is another one than the recorded one", async () => {
        await usual();
        const units = { "kubelet.service": { main: 30 } };
        await run('find_containerd; mkdir -p "$STATE_DIR"; KUBELET_CONFIG=""; record_services', units);
        execFileSync("rm", [sandbox().path("ran")]);
        expect(await found(units)).to.contain("1.7.30 at");
        expect(machine.ran).to.equal(false);
        machine.program("containerd", "containerd github.com/containerd/containerd v1.7.31 abc");
        expect(await found(units)).to.contain("1.7.31 at");
    });

    it("finds a kubelet on a node where the service of another distribution runs as well", async () => {
        await usual();
        expect(await found({ "k3s*.service": {} })).to.equal(usualFound);
    });

    const runsForAMinute = `30 (kubelet) S${" 0".repeat(18)} 93000 0\n`;
    it("takes the distribution that runs instead of a kubelet.service that fails again and again", async () => {
        const kubelet = { main: 30, restarts: 7 };
        const distribution = async (units: Parameters<typeof run>[1], requested = "") => {
            const { stdout } = await run(
                `sleep() { rm -f after; }
                kubelet_main_pid() { if [ -e after ]; then echo 30; else echo 31; fi; }
                : >after
                DISTRIBUTION=${requested}; find_distribution; echo "$DISTRIBUTION $(kubelet_pid)"`,
                units,
            );
            return stdout.trim();
        };
        machine.add(30, { name: "kubelet" });
        machine.add(40, { name: "k3s-agent" });
        expect(await distribution({ "kubelet.service": kubelet, "k3s*.service": {} })).to.equal("k3s 40");
        expect(await distribution({ "kubelet.service": kubelet }, "k3s")).to.equal("k3s 40");
        expect(await distribution({ "kubelet.service": { main: 30 }, "k3s*.service": {} })).to.equal("kubeadm 30");
        machine.add(50, { name: "kubelet", cgroup: "/system.slice/rke2-agent.service" });
        expect(await distribution({ "kubelet.service": kubelet, "rke2-*.service": {} })).to.equal("rke2 50");
        const { stdout } = await run("sleep() { :; }; find_distribution; echo $DISTRIBUTION", {
            "kubelet.service": kubelet,
            "k3s*.service": {},
        });
        expect(stdout).to.equal("kubeadm\n");
        sandbox().write("proc/30/stat", runsForAMinute);
        expect(await distribution({ "kubelet.service": kubelet, "k3s*.service": {} })).to.equal("kubeadm 30");
    });

    describe("of a distribution that starts both itself", () => {
        const facts = async (units: object) => {
            const { stdout, stderr } = await run(
                `embedded_files() { cat k3s.yaml 2>/dev/null || :; }
                find_containerd
                echo "$DISTRIBUTION: $KUBELET_PID $KUBELET_UNIT, $CONTAINERD_VERSION of $CONTAINERD_UNIT"
                echo "$CONTAINERD"; echo "$CTR"; echo "$CONTAINERD_CONFIG"; echo "$CONTAINERD_TEMPLATES"
                kubelet_kubeconfig "$KUBELET_PID"; kubelet_health_url "$KUBELET_PID"; kubelet_version`,
                { "kubelet.service": { state: "not-found" }, ...units },
            );
            return (stdout + stderr).trim().replaceAll(`${sandbox().folder}/`, "").split("\n");
        };

        it("finds the kubelet and containerd of an rke2-agent, while another containerd.service runs", async () => {
            const bin = "rke2/data/v1.36.3-rke2r1/bin";
            const socket = await machine.listen(500, "run/k3s/containerd.sock");
            const containerd = machine.program(`../${bin}/containerd`, "containerd x v2.3.2-k3s1 abc");
            const kubelet = machine.program(`../${bin}/kubelet`, "Kubernetes v1.36.3+rke2r1");
            machine.program(`../${bin}/ctr`, "");
            const cgroup = "/system.slice/rke2-agent.service";
            machine.add(29, { name: "rke2", cgroup });
            machine.add(30, {
                name: "kubelet",
                program: kubelet.replace("bin/../", ""),
                cgroup,
                arguments: [
                    `--container-runtime-endpoint=unix://${socket}`,
                    "--kubeconfig=/rke2/agent/kubelet.kubeconfig",
                ],
            });
            machine.add(39, { name: "containerd" });
            machine.add(40, {
                name: "containerd",
                program: containerd.replace("bin/../", ""),
                cgroup,
                sockets: [500],
                arguments: ["-c", "/rke2/agent/etc/containerd/config.toml"],
            });
            expect(await facts({ "rke2-*.service": {} })).to.deep.equal([
                "rke2: 30 rke2-agent.service, 2.3.2-k3s1 of rke2-agent.service",
                `${bin}/containerd`,
                `${bin}/ctr`,
                "/rke2/agent/etc/containerd/config.toml",
                "/rke2/agent/etc/containerd",
                "/rke2/agent/kubelet.kubeconfig",
                "http://127.0.0.1:10248/healthz",
                "1.36.3",
            ]);
        });

        it("finds the kubelet, containerd and ctr of a k0sworker with another data folder", async () => {
            const socket = await machine.listen(500, "run/k0s.sock");
            machine.program("k0s", "");
            const containerd = machine
                .program("../k0s/bin/containerd", "containerd x v2.3.1 abc")
                .replace("bin/../", "");
            const kubelet = machine.program("../k0s/bin/kubelet", "Kubernetes v1.36.1").replace("bin/../", "");
            const cgroup = "/system.slice/k0sworker.service";
            machine.add(29, { name: "k0s", cgroup });
            machine.add(30, {
                name: "kubelet",
                program: kubelet,
                parent: 29,
                // Its worker profile has another place for it (kubeletCgroups).
                cgroup: "/system.slice/containerd.service",
                arguments: [`--container-runtime-endpoint=unix://${socket}`, "--kubeconfig=/srv/k0s/kubelet.conf"],
            });
            machine.add(40, {
                name: "containerd",
                program: containerd,
                cgroup,
                sockets: [500],
                arguments: ["--config=/etc/k0s/containerd.toml"],
            });
            const units = { "k0scontroller.service k0sworker.service": {}, "k0sworker.service": { main: 29 } };
            expect(await facts(units)).to.deep.equal([
                "k0s: 30 k0sworker.service, 2.3.1 of k0sworker.service",
                "k0s/bin/containerd",
                "bin/k0s ctr",
                "/etc/k0s/containerd.toml",
                "",
                "/srv/k0s/kubelet.conf",
                "http://127.0.0.1:10248/healthz",
                "1.36.1",
            ]);
        });

        it("finds the kubelet in the process of k3s, and its containerd, which is k3s' program by another name", async () => {
            const bin = "k3s/data/0123/bin";
            const socket = await machine.listen(500, "run/k3s.sock");
            const k3s = machine.program(`../${bin}/k3s`, "k3s version v1.36.3+k3s1").replace("bin/../", "");
            machine.program(`../${bin}/containerd`, "containerd x v2.3.2-k3s1 abc");
            const cgroup = "/system.slice/k3s-lab.service";
            machine.add(30, { name: "k3s-agent", program: k3s, cgroup });
            machine.add(40, {
                name: "containerd",
                program: k3s,
                cgroup,
                sockets: [500],
                arguments: ["-c", "/k3s/agent/etc/containerd/config.toml"],
            });
            sandbox().write(
                "k3s.yaml",
                `container-runtime-endpoint: "unix://${socket}"\nkubelet-arg:\n- "healthz-port=1"\n`,
            );
            expect(await facts({ "k3s*.service": {} })).to.deep.equal([
                "k3s: 30 k3s-lab.service, 2.3.2-k3s1 of k3s-lab.service",
                `${bin}/containerd`,
                "ctr",
                "/k3s/agent/etc/containerd/config.toml",
                "/k3s/agent/etc/containerd",
                "k3s/agent/kubelet.kubeconfig",
                "http://127.0.0.1:1/healthz",
                "1.36.3",
            ]);
        });
    });

    describe("of MicroK8s", () => {
        /** A snap of this confinement, whose services run in their own folder of the test's. */
        const snap = async (confinement = "classic", kubelet = "") => {
            const [program, data] = ["snap/microk8s/x7", "var/snap/microk8s/x7"];
            const socket = await machine.listen(500, "var/snap/microk8s/common/run/containerd.sock");
            machine.program(`../${program}/bin/containerd`, "containerd x v1.7.29 abc");
            machine.program(`../${program}/bin/ctr`, "");
            sandbox().write(`${program}/meta/snap.yaml`, `version: v1.34.1\nconfinement: ${confinement}\n`);
            for (const name of ["snap/microk8s", "var/snap/microk8s"])
                symlinkSync("x7", sandbox().path(`${name}/current`));
            sandbox().write(
                `${data}/args/kubelet`,
                `# --healthz-port=2\n--kubeconfig=\${SNAP_DATA}/credentials/kubelet.config\n${kubelet}` +
                    `--container-runtime-endpoint="$SNAP_COMMON/run/${socket.replace(/.*\//, "")}"\n`,
            );
            machine.add(30, {
                name: "kubelite",
                program: sandbox().path(`${program}/kubelite`),
                cgroup: "/system.slice/snap.microk8s.daemon-kubelite.service",
                arguments: [`--kubelet-args-file=${sandbox().path(data)}/args/kubelet`],
            });
            machine.add(40, {
                name: "containerd",
                program: sandbox().path(`${program}/bin/containerd`),
                cgroup: "/system.slice/snap.microk8s.daemon-containerd.service",
                sockets: [500],
                arguments: ["--config", `${sandbox().path(data)}/args/containerd.toml`],
            });
        };
        const facts = async (more: string, action?: string) => {
            const { stdout, stderr } = await run(
                `microk8s_snap() { echo "$PWD/snap/microk8s/current"; }
                find_containerd; ${more}`,
                { "snap.microk8s.daemon-*.service": {}, "kubelet.service": { state: "not-found" } },
                action,
            );
            return (stdout + stderr).trim().replaceAll(`${sandbox().folder}/`, "").split("\n");
        };

        it("finds the kubelet in kubelite, containerd, and the files by the link to the current revision", async () => {
            await snap();
            const asked = `echo "$DISTRIBUTION: $KUBELET_PID $KUBELET_UNIT, $CONTAINERD_VERSION of $CONTAINERD_UNIT"
                echo "$CONTAINERD"; echo "$CTR"; echo "$CONTAINERD_CONFIG"; fact config_in_force "$CONTAINERD_CONFIG"
                kubelet_kubeconfig "$KUBELET_PID"; kubelet_health_url "$KUBELET_PID"; kubelet_version; kubelet_limit`;
            expect(await facts(asked)).to.deep.equal([
                "microk8s: 30 snap.microk8s.daemon-kubelite.service, 1.7.29 of snap.microk8s.daemon-containerd.service",
                "snap/microk8s/current/bin/containerd",
                "snap/microk8s/current/bin/ctr",
                "var/snap/microk8s/current/args/containerd-template.toml",
                "var/snap/microk8s/current/args/containerd.toml",
                "var/snap/microk8s/current/credentials/kubelet.config",
                "http://127.0.0.1:10248/healthz",
                "1.34.1",
                "420",
            ]);
        });

        it("reads the flags of the kubelet in their file: two in a line, with a space, and the last one", async () => {
            await snap(
                "classic",
                "--cgroup-driver=cgroupfs\n--healthz-port 1 --cgroup-driver='systemd'\n--cgroup-driver-x=y\n",
            );
            const asked = 'kubelet_cgroup_driver "$KUBELET_PID"; kubelet_health_url "$KUBELET_PID"';
            expect(await facts(asked)).to.deep.equal(["systemd", "http://127.0.0.1:1/healthz"]);
        });

        it("refuses the strict snap, without a command that deletes the cluster", async () => {
            await snap("strict");
            const [error, remedy] = await facts("");
            expect(error).to.contain("the snap of MicroK8s on this node is the strict one");
            expect(remedy).to.contain("what to do: remove this node from `nodes`").and.not.contain("snap remove");
        });

        it("allows a removal from the strict snap", async () => {
            await snap("strict");
            sandbox().write("state/services", "DISTRIBUTION=microk8s\n");
            expect(await facts('echo "$DISTRIBUTION"', "deactivate")).to.deep.equal(["microk8s"]);
        });

        it("refuses another cgroup driver, and names the file where it is set", async () => {
            await snap();
            const check = 'require_own_driver "$(cgroup_driver)"; systemd_cgroup; echo accepted';
            const [error, remedy] = await facts(`CGROUP_DRIVER=systemd; ${check}`);
            expect(error).to.contain("the cgroup driver of this node is cgroupfs, not systemd, and microk8s sets it");
            expect(remedy).to.contain("--cgroup-driver in /var/snap/microk8s/current/args/kubelet");
            const accepted = `CGROUP_DRIVER=cgroupfs; ${check}`;
            expect(await facts(accepted)).to.deep.equal(["accepted"]);
        });
    });

    it("refuses a service with a mount namespace of its own, and says what to remove from its unit", async () => {
        await usual({ other: ["mnt"] });
        await refused("kubelet.service runs in a mount namespace of its own", "PrivateMounts, PrivateTmp", {
            "kubelet.service": { main: 30 },
        });
        execFileSync("rm", ["-r", sandbox().path("proc/30"), sandbox().path("proc/40")]);
        await usual({}, { other: ["mnt"] });
        await refused("containerd.service runs in a mount namespace of its own", "PrivateMounts, PrivateTmp");
        execFileSync("rm", ["-r", sandbox().path("proc/30")]);
        machine.add(50, { name: "k3s-agent", other: ["mnt"] });
        await refused("k3s-agent.service runs in a mount namespace of its own", "systemctl cat k3s-agent.service", {
            "k3s*.service": {},
            "kubelet.service": { state: "inactive" },
        });
        expect(machine.ran).to.equal(false);
    });

    it("refuses a running containerd whose program was deleted", async () => {
        await usual();
        execFileSync("rm", [sandbox().path("bin/containerd")]);
        await refused(
            "(process 40) runs, but that program no longer exists",
            "install it again; or, if you are removing Kata from this node, stop",
        );
    });

    it("refuses a containerd that is too old", async () => {
        machine.program("containerd", "containerd github.com/containerd/containerd v1.5.18 abc");
        await usual();
        await refused("containerd 1.5.18 is too old", "upgrade containerd");
    });

    describe("of a containerd that does not find shims by its PATH", () => {
        const path = "/usr/bin:/bin";
        const written = async (before = "") => {
            const { stdout, stderr } = await run(
                `${before}
                find_containerd; CRI_PLUGIN=plugin GROUPED=""
                for HANDLERS in kata-qemu; do runtime_tables | grep '^runtime_'; shim_link kata-qemu; done`,
            );
            return (stdout + stderr).trim().split("\n");
        };
        const type = 'runtime_type = "io.containerd.kata-qemu.v2"';
        const link = (folder: string) => `${folder}/containerd-shim-kata-qemu-v2`;

        for (const version of [
            "1.6.20~ds1",
            "1.6.9",
            "1.6.12-0ubuntu1",
            "1.6.15-k3s1",
            "1.6.8-k3s1",
            "1.7.0",
            "1.7.0-rc.1",
        ]) {
            it(`refuses containerd ${version}, which ignores runtime_path`, async () => {
                machine.program("containerd", `containerd x v${version} abc`);
                await usual({}, { path });
                await refused("containerd's PATH lacks /usr/local/bin", "Environment of containerd.service");
            });
        }

        for (const version of ["1.6.21", "1.6.21-0ubuntu1", "1.6.36", "1.7.1", "1.7.1-k3s1", "1.7.10", "2.0.0"]) {
            it(`gives the runtime of containerd ${version} the path of its shim`, async () => {
                machine.program("containerd", `containerd x v${version} abc`);
                await usual({}, { path });
                expect(await written()).to.deep.equal([
                    type,
                    `runtime_path = "${link("/usr/local/bin")}"`,
                    link("/usr/local/bin"),
                ]);
            });
        }

        it("uses /opt/bin, and the path only if that is not in PATH, on a machine with a read-only /usr/local", async () => {
            const readOnly = "is_writable() { return 1; }";
            await usual();
            expect(await written(readOnly)).to.deep.equal([
                type,
                `runtime_path = "${link("/opt/bin")}"`,
                link("/opt/bin"),
            ]);
            expect(
                await written(`${readOnly}; tr() { command tr "$@" | sed 's,^PATH=,PATH=/opt/bin:,'; }`),
            ).to.deep.equal([type, link("/opt/bin")]);
        });

        for (const [folder, writable] of [
            ["/usr/local/bin", "return 1"],
            ["/opt/bin", ":"],
        ] as const)
            it(`keeps the link of an earlier run in ${folder} when /usr/local changes between writable and read-only`, async () => {
                await usual();
                sandbox().write("state/managed", `/etc/kata-containers/a/configuration.toml\n${link(folder)}\n`);
                expect((await written(`is_writable() { ${writable}; }`)).at(-1)).to.equal(link(folder));
            });

        it("needs no path otherwise", async () => {
            await usual();
            expect(await written()).to.deep.equal([type, link("/usr/local/bin")]);
        });
    });

    describe("on a node that has left the cluster", () => {
        const inactive = { "kubelet.service": { state: "inactive" }, "containerd.service": { state: "inactive" } };
        const deactivate = async (units: Parameters<typeof run>[1], action = "deactivate") => {
            const { stdout, stderr } = await run(
                `find_containerd
                [ -n "$KUBELET_PID" ] || kubelet_version
                echo "kubelet \${KUBELET_PID:-at rest} $KUBELET_UNIT\${KUBELET_CONFIG:+ $KUBELET_CONFIG}"
                echo "containerd \${CONTAINERD_PID:-at rest} $CONTAINERD_UNIT $CONTAINERD_VERSION $CONTAINERD_CONFIG $CONTAINERD_SOCKET"`,
                units,
                action,
            );
            return (stdout + stderr).trim().replaceAll(`${sandbox().folder}/`, "").split("\n");
        };
        const kubeletAtRest = "kubelet at rest kubelet.service config.yaml";
        const containerdAtRest = "containerd at rest containerd.service 1.7.30 config.toml run/containerd.sock";
        const containerdRuns = containerdAtRest.replace("at rest", "40").replace(" config", " /etc/containerd/config");
        beforeEach(async () => {
            sandbox().write("config.yaml", "");
            const { stderr } = await sandbox().run(
                `CONTAINERD=$PWD/bin/containerd CONTAINERD_UNIT=containerd.service CONTAINERD_VERSION=1.6.20
                CONTAINERD_CONFIG=$PWD/config.toml CONTAINERD_SOCKET=$PWD/run/containerd.sock
                KUBELET_PID="" KUBELET_UNIT=kubelet.service KUBELET_CONFIG=$PWD/config.yaml DISTRIBUTION=kubeadm
                record_services`,
            );
            expect(stderr).to.equal("");
        });

        it("deactivate uses what activate recorded about services that do not run", async () => {
            for (const state of ["inactive", "failed"]) {
                const units = { "kubelet.service": { state }, "containerd.service": { state } };
                expect(await deactivate(units)).to.deep.equal([kubeletAtRest, containerdAtRest]);
            }
            const restarting = { state: "activating", detail: "auto-restart" };
            const units = { "kubelet.service": restarting, "containerd.service": restarting };
            expect(await deactivate(units)).to.deep.equal([kubeletAtRest, containerdAtRest]);
        });

        it("deactivate uses the services that run", async () => {
            await usual();
            expect(
                await deactivate({ ...inactive, "containerd.service": {}, "kubelet.service": { main: 30 } }),
            ).to.deep.equal(["kubelet 30 kubelet.service", containerdRuns]);
            execFileSync("rm", ["-r", sandbox().path("proc/30")]);
            expect(await deactivate({ ...inactive, "containerd.service": {} })).to.deep.equal([
                kubeletAtRest,
                containerdRuns,
            ]);
            machine.add(30, {
                name: "kubelet",
                arguments: [`--container-runtime-endpoint=${sandbox().path("run/containerd.sock")}`],
            });
            execFileSync("rm", ["-r", sandbox().path("proc/40")]);
            expect(await deactivate({ ...inactive, "kubelet.service": { main: 30 } })).to.deep.equal([
                "kubelet 30 kubelet.service",
                containerdAtRest,
            ]);
        });

        it("takes a kubelet that systemd restarts again and again for one that does not run", async () => {
            await usual();
            const kubelet = { main: 30, state: "activating", detail: "auto-restart" };
            const left = await deactivate({ "kubelet.service": { ...kubelet, restarts: 7 } });
            expect(left[0]).to.equal(kubeletAtRest);
            // This package has just restarted it.
            const restarted = await deactivate({ ...inactive, "kubelet.service": kubelet });
            expect(restarted[0]).to.equal(kubeletAtRest);
            const once = await deactivate({ "kubelet.service": { main: 30, restarts: 7 } });
            expect(once[0]).to.equal("kubelet 30 kubelet.service");
            sandbox().write("proc/30/stat", runsForAMinute);
            const stable = await deactivate({ "kubelet.service": { ...kubelet, restarts: 7 } });
            expect(stable[0]).to.equal("kubelet 30 kubelet.service");
        });

        it("uses the recorded version of a containerd whose program was removed, and no deleted file of the kubelet", async () => {
            execFileSync("rm", [sandbox().path("bin/containerd"), sandbox().path("config.yaml")]);
            expect(await deactivate(inactive)).to.deep.equal([
                "kubelet at rest kubelet.service",
                containerdAtRest.replace("1.7.30", "1.6.20"),
            ]);
        });

        it("does not take a service that is being started, or that systemd does not know about, for one that does not run", async () => {
            const words = "the kubelet is not running on this node";
            for (const kubelet of [
                { state: "activating", detail: "start" },
                { state: "deactivating" },
                { state: "" },
            ]) {
                const [error] = await deactivate({ ...inactive, "kubelet.service": kubelet });
                expect(error).to.contain(words);
                const [, other] = await deactivate({ ...inactive, "containerd.service": kubelet });
                expect(other ?? "").to.not.contain("at rest");
            }
        });

        it("deactivate needs a record, and activate does not use it", async () => {
            const words = "the kubelet is not running on this node";
            expect((await deactivate(inactive, "activate"))[0]).to.contain(words);
            execFileSync("rm", [sandbox().path("state/services")]);
            expect((await deactivate(inactive))[0]).to.contain(words);
        });

        it("restores a node on which another distribution runs now", async () => {
            expect(await deactivate({ ...inactive, "k3s*.service": {} })).to.deep.equal([
                kubeletAtRest,
                containerdAtRest,
            ]);
        });
    });
});

inEveryShell("finding sandboxes", (sandbox) => {
    const shims = (machine: Machine, folder: string) => {
        const shim = (pid: number, tree: string, more: Partial<Process> = {}, id = `id-${pid}`) =>
            machine.add(pid, {
                name: "containerd-shim",
                program: sandbox().path(`${folder}/${tree}/bin/containerd-shim-kata-v2`),
                arguments: ["-namespace", "k8s.io", "-id", id],
                ...more,
            });
        shim(20, "3.32.0-aaa");
        // Some shims have a mount namespace of their own.
        shim(21, ".gone-77-4.1.0-bbb", { other: ["mnt"] });
        shim(22, "3.7.0-ccc", { uids: "1000 1000 1000 1000" });
        shim(23, "3.7.0-ccc", { uids: "1000 0 0 0" });
        shim(24, "3.7.0-ccc", { other: ["user"] });
        shim(25, "3.7.0-ccc", { other: ["pid", "mnt"] });
        machine.add(26, { name: "bash", program: sandbox().path(`${folder}/3.7.0-ccc/bin/qemu`) });
        machine.add(27, { name: "shim", program: sandbox().path("elsewhere/3.7.0-ccc/containerd-shim-kata-v2") });
    };
    const found = async () => (await sandbox().run("sandboxes")).stdout;

    it("counts the shims that root runs, and no shim that an ordinary user or a container runs", async () => {
        sandbox().write("releases/keep", "");
        shims(new Machine(sandbox()), "releases");
        expect(await found()).to.equal("3.32.0-aaa\tid-20\n.gone-77-4.1.0-bbb\tid-21\n");
    });

    it("counts the shims of every runtime that root runs, except those without a child that are not Kata's", async () => {
        const machine = new Machine(sandbox());
        shims(machine, "releases");
        machine.add(28, { name: "shim", program: "/usr/bin/containerd-shim-runc-v2 (deleted)" });
        machine.add(30, { name: "pause", program: "/pause", parent: 28 });
        // containerd may leave one without its container. A hypervisor need not be a child of Kata's.
        machine.add(31, { name: "shim", program: "/usr/bin/containerd-shim-runc-v2" });
        machine.add(32, { name: "other", program: "/bin/sh", parent: 3 });
        machine.add(29, { name: "shim", program: "/usr/bin/containerd-shim-runc-v2", uids: "1000 1000 1000 1000" });
        expect((await sandbox().run("shims")).stdout).to.equal("20\n21\n27\n28\n");
        machine.add(33, { name: "conmon", program: "/usr/bin/conmon" });
        machine.add(34, { name: "pause", program: "/pause", parent: 33 });
        machine.add(35, { name: "conmonrs", program: "/usr/bin/conmonrs (deleted)" });
        machine.add(36, { name: "pause", program: "/pause", parent: 35 });
        machine.add(37, { name: "conmon", program: "/usr/bin/conmon" });
        expect((await sandbox().run("CONTAINERD=/usr/bin/crio; cri pod_processes")).stdout).to.equal(
            "20\n21\n27\n28\n33\n35\n",
        );
    });

    it("finds sandboxes whose release is reached through a link, and keeps their release (opt-link)", async () => {
        for (const tree of ["3.32.0-aaa", "3.7.0-ccc"]) sandbox().write(`disk/a+b.d/${tree}/keep`, "");
        symlinkSync("disk/a+b.d", sandbox().path("releases"));
        shims(new Machine(sandbox()), "disk/a+b.d");
        expect(await found()).to.equal("3.32.0-aaa\tid-20\n.gone-77-4.1.0-bbb\tid-21\n");
        const { stdout } = await sandbox().run("prune");
        expect(stdout).to.contain("sandboxes run on it");
        expect(existsSync(sandbox().path("disk/a+b.d/3.32.0-aaa"))).to.equal(true);
        expect(existsSync(sandbox().path("disk/a+b.d/3.7.0-ccc"))).to.equal(false);
    });
});
