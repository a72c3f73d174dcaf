// CRI-O: its drop-in file, what is refused, and its answers in the form of ctr. The lab has the real one.

import { chmodSync } from "node:fs";
import { expect } from "chai";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell } from "../support/shells";

inEveryShell("CRI-O", (sandbox) => {
    const program = (name: string, script: string) =>
        chmodSync(sandbox().write(`bin/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
    beforeEach(() => {
        // The flags count, then the last file, so it comes first.
        program(
            "crio",
            `driver='# cgroup_manager = "systemd"'
            while [ $# -gt 0 ]; do
                case $1 in
                    status) cat running; exit ;;
                    --config-dir) folder=$2; shift ;;
                    --cgroup-manager=*) driver="[crio.runtime]
cgroup_manager = \\"\${1#*=}\\"" ;;
                    --config=*) [ "$1" = --config=/main.conf ] || exit 1 ;;
                esac
                shift
            done
            echo "$driver"
            find "$folder" -type f | sort -r | while read -r file; do
                if grep -q broken "$file"; then echo "fatal: $file" >&2; exit 1; fi
                grep -v '^#' "$file"
            done`,
        );
        sandbox().write("conf.d/10-crio.conf", '[crio.runtime]\ndefault_runtime = "runc"\n');
        sandbox().write("running", '[crio]\nroot = "/s"\n');
        sandbox().write("proc/40/mountinfo", "423 485 254:0 /x /s/overlay rw,relatime shared:7 - ext4 /dev/vda rw\n");
        sandbox().write("proc/40/cmdline", "crio\0");
        sandbox().write("proc/40/environ", "PATH=/usr/bin\0");
        sandbox().ownProc = true;
    });
    const run = (script: string, ...words: string[]) =>
        sandbox().run(`
            ${parsed("activate", ...(words.length ? words : classArguments("kata-qemu")))}
            STEP=test HANDLERS=$REQUESTED OWN_HANDLERS=$REQUESTED
            CONTAINERD=$PWD/bin/crio CONTAINERD_PID=40 CONTAINERD_SOCKET=/s.sock CONTAINERD_CONFIG=$PWD/conf.d
            CONTAINERD_UNIT=crio.service CTR=$PWD/bin/crictl
            timeout() { shift; "$@"; }
            empty_plan
            cri dump_now
            ${script}`);
    const managed = "conf.d/zz-kata-containers.conf";
    const shown = (text: string) => text.replaceAll(sandbox().folder, "");

    it("gets a drop-in file of its own with a table for each handler", async () => {
        const { stdout, stderr } = await run("cri prepare_runtime; cri want_runtime; cat work/plan work/drop-in");
        expect(stderr).to.equal("");
        expect(shown(stdout)).to.equal(`file\t/${managed}\t/work/drop-in
# Managed by the Pulumi package kata-containers, which overwrites and removes this file.
[crio.runtime.runtimes.kata-qemu]
runtime_path = "/usr/local/bin/containerd-shim-kata-qemu-v2"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "/etc/kata-containers/kata-qemu/configuration.toml"
privileged_without_host_devices = true
`);
    });

    it("gets the cgroup driver together with a control group for conmon", async () => {
        const tables = (driver: string) =>
            run("crio_tables | sed -n 2,4p", `--cgroup-driver=${driver}`, ...classArguments("kata-qemu"));
        expect((await tables("cgroupfs")).stdout).to.contain('cgroup_manager = "cgroupfs"\nconmon_cgroup = "pod"\n');
        expect((await tables("systemd")).stdout).to.contain('cgroup_manager = "systemd"\n[crio.runtime.runtimes');
    });

    it("is refused a snapshotter, the handler of its default runtime, a file that it does not read, and one of somebody else", async () => {
        const refused = async (words: string, ...more: string[]) => {
            const { status, stderr } = await run("cri prepare_runtime", ...more);
            expect(status).to.equal(1);
            expect(shown(stderr)).to.contain(words);
        };
        const snapshotter = classArguments("kata-qemu", { snapshotter: "devmapper" });
        await refused("CRI-O has no snapshotters (runtimeClasses.kata-qemu.snapshotter)", ...snapshotter);
        sandbox().write("conf.d/20.conf", '[crio.runtime]\ndefault_runtime = "kata-qemu"\n');
        await refused("kata-qemu is CRI-O's default runtime (default_runtime)");
        await refused("set default_runtime in /conf.d/20.conf");
        sandbox().write("conf.d/20.conf", "broken\n");
        await refused("CRI-O rejects the new configuration: fatal: /conf.d/20.conf");
        sandbox().write("conf.d/20.conf", "");
        sandbox().write(managed, "mine\n");
        await refused(`/${managed} exists and is not a file of this package`);
    });

    it("names a file that is read later and changes the runtime or the driver, and replaces an earlier one", async () => {
        const table = '[crio.runtime.runtimes.kata-qemu]\nruntime_path = "/opt/kata/bin/containerd-shim-kata-v2"\n';
        sandbox().write("conf.d/99-kata-deploy", table);
        expect((await run("cri prepare_runtime; echo done")).stdout).to.equal("done\n");
        sandbox().write("conf.d/zzz", table);
        expect(shown((await run("cri prepare_runtime")).stderr)).to.contain(
            "with the new configuration the runtime kata-qemu is not the managed one, because of /conf.d/zzz",
        );
        sandbox().write("conf.d/zzz", '[crio.runtime]\ncgroup_manager = "systemd"\n');
        expect(
            shown(
                (await run("cri prepare_runtime", "--cgroup-driver=cgroupfs", ...classArguments("kata-qemu"))).stderr,
            ),
        ).to.contain("CRI-O's cgroup driver is not cgroupfs, because of /conf.d/zzz");
    });

    it("is refused while its storage is a private mount, unless hostChecks is warn or the shim is older", async () => {
        sandbox().write("proc/40/mountinfo", "423 485 254:0 /x /s/overlay rw,relatime - ext4 /dev/vda rw\n");
        const checked = (version: string, ...more: string[]) =>
            run("cri prepare_runtime; echo done", ...more, ...classArguments("kata-qemu", { version }));
        expect((await checked("3.32.0")).stderr)
            .to.contain("/s/overlay is a private mount, so the containers of Kata pods would not find their files")
            .and.to.contain('set skip_mount_home = "true"');
        expect((await checked("3.32.0", "--host-checks=warn")).stdout).to.match(
            /^warning: .* private mount.*\ndone\n$/,
        );
        expect((await checked("3.2.0")).stdout).to.equal("done\n");
    });

    it("has drifted if its file or its runtime is missing", async () => {
        const drift = async () => {
            const prepare = "PROBING=yes; cri prepare_runtime; cri want_runtime";
            const each = `cut -f 2 work/plan | while read -r path; do cri is_runtime_config "$path" && cri describe_runtime_drift "$path"; done`;
            return shown((await run(`${prepare}; ${each}`)).stdout);
        };
        expect(await drift()).to.equal(`runtime table kata-qemu is missing from /${managed}\n`);
        const tables = (await run("crio_tables")).stdout;
        sandbox().write(managed, tables);
        expect(await drift()).to.equal("the running CRI-O does not have the runtime kata-qemu\n");
        sandbox().write("running", `[crio]\nroot = "/s"\n${tables}`);
        expect(await drift()).to.equal("");
        sandbox().write(managed, tables.replace("/run/vc", "/run/vd"));
        expect(await drift()).to.equal(`the entries of this package in /${managed} were changed\n`);
    });

    it("has drifted by the runtimes of this component only, and is not restarted for those of another", async () => {
        const own = "HANDLERS='kata-qemu kata-clh'; OWN_HANDLERS=kata-qemu";
        const files = `${own}; cri prepare_runtime; cri want_runtime; cut -f 2 work/plan | while read -r path; do cri describe_runtime_drift "$path"; done`;
        const tables = (await run(`${own}; crio_tables`)).stdout;
        const qemu = tables.slice(tables.indexOf("[crio.runtime.runtimes.kata-qemu]"));
        sandbox().write(managed, tables);
        sandbox().write("running", `[crio]\nroot = "/s"\n${qemu}`);
        expect(await run(`${files}; cat work/plan`)).to.include({ status: 0, stdout: "" });
        sandbox().write(managed, tables.replace("/run/vc", "/run/vd"));
        expect((await run(files)).stdout).to.equal("");
        sandbox().write(managed, tables.replaceAll("/run/vc", "/run/vd"));
        expect(shown((await run(files)).stdout)).to.equal(`the entries of this package in /${managed} were changed\n`);
    });

    it("is proved by the configuration that it has", async () => {
        const prove = () => run("crio_tables >work/drop-in; DROP_IN=x; cri prove_runtime; echo done");
        expect((await prove()).stderr).to.contain("in the running CRI-O the runtime kata-qemu is not the managed one");
        const tables = (await run("crio_tables")).stdout;
        sandbox().write("running", tables);
        expect((await prove()).stdout).to.equal("done\n");
        sandbox().write("work/runtimes", "kata-qemu\nmine\n");
        expect((await prove()).stderr).to.contain("the running CRI-O no longer has the runtime mine; rolling back");
        sandbox().write("running", `${tables}[crio.runtime.runtimes.mine]\n`);
        expect((await prove()).stdout).to.equal("done\n");
    });

    it("loses the runtimes of others whose files are in the displaced /opt/kata, unless pods run on them", async () => {
        const table = (name: string) =>
            `[crio.runtime.runtimes.${name}]\nruntime_path = "/bin/sh"\nruntime_config_path = "${sandbox().path("kata")}/${name}.toml"\n`;
        const all = `${table("kata-old")}${table("kata-both")}[crio.runtime.runtimes.runc]\nruntime_path = ""\n`;
        sandbox().write("conf.d/99-kata-deploy", `${all}${table("kata-never")}`);
        sandbox().write("running", `[crio]\nroot = "/s"\n${all}`);
        sandbox().write("releases/3.32.0-0123456789ab/kata-both.toml", "");
        const check = "cri prepare_runtime; check_removed_runtimes; cat work/runtimes";
        const list = (handler: string) =>
            `list_tasks() { echo 'a1 - RUNNING' >work/tasks; }; ask_k8s() { echo 'a1 io.containerd.${handler}.v2'; }; pod_names() { sed s,.*,default/pod,; }`;
        expect((await run(`${list("runc")}; ${check}`)).stdout).to.equal(
            "removing runtime kata-old from cri-o\nkata-both\nrunc\n",
        );
        expect((await run(`${list("kata-old")}; ${check}`)).stderr).to.contain(
            "runtime kata-old is still in use by default/pod",
        );
    });

    it("is understood with the flags and the environment that it has", async () => {
        const driver = async () =>
            (await run(`cri prepare_runtime; crio_dumped_driver work/dump; crio_dumped_driver work/dump.now`)).stdout;
        expect(await driver()).to.equal("systemd\nsystemd\n");
        sandbox().write("running", '[crio]\nroot = "/s"\n[crio.runtime]\ncgroup_manager = "cgroupfs"\n');
        expect(await driver()).to.equal("systemd\ncgroupfs\n");
        sandbox().write("proc/40/cmdline", "crio\0-c\0/main.conf\0--cgroup-manager=cgroupfs\0");
        expect(await driver()).to.equal("cgroupfs\ncgroupfs\n");
        sandbox().write("proc/40/cmdline", "crio\0");
        sandbox().write("proc/40/environ", "CONTAINER_CONFIG=/main.conf\0CONTAINER_CGROUP_MANAGER=cgroupfs\0");
        expect(await driver()).to.equal("cgroupfs\ncgroupfs\n");
    });

    it("has its drop-in folder from its flags, its environment or by default", async () => {
        const folder = async () =>
            (await run(`have() { :; }; cri inspect_runtime 40; echo "$CONTAINERD_CONFIG"`)).stdout.trim();
        expect(await folder()).to.equal("/etc/crio/crio.conf.d");
        sandbox().write("proc/40/environ", "A=CONTAINER_CONFIG_DIR=/z\0CONTAINER_CONFIG_DIR=/x/conf.d//\0");
        expect(await folder()).to.equal("/x/conf.d");
        for (const flags of ["-d\0/y/", "--config-dir=/y", "-config-dir\0/y"]) {
            sandbox().write("proc/40/cmdline", `crio\0${flags}\0`);
            expect(await folder(), flags).to.equal("/y");
        }
    });

    it("is asked at its own socket for images as well, and the error has the command that failed", async () => {
        program("crictl", `case "$*" in *"-i unix:///s.sock"*) echo "$*" >&2; exit 1 ;; esac`);
        for (const question of ["containers ls", "tasks ls", "images ls -q"])
            expect((await run(`cri ask ${question}`)).stderr).to.contain("-r unix:///s.sock -i unix:///s.sock");
        expect((await run("VERIFY=true; verify kata-qemu")).stderr).to.match(
            /cri-o does not list its images\n.* until this command answers: \S*crictl -r unix:\/\/\/s\.sock -i unix:\/\/\/s\.sock images;/,
        );
    });

    it("is not verified if the network plugins refuse a sandbox that is not a pod, or the network is not ready", async () => {
        sandbox().write("running", '[crio.image]\npause_image = "pause:1"\n');
        sandbox().write("images", "IMAGE TAG ID\npause 1 x\n");
        const status = (ready: boolean) =>
            JSON.stringify({ status: { conditions: [{ status: ready, type: "NetworkReady" }] } });
        const verified = (reason: string, ready = true) => {
            program(
                "crictl",
                `case "$*" in
                    *" images") cat images ;;
                    *" info") echo '${status(ready)}' ;;
                    *" runp "*) echo "$*" >>calls; echo 'level=fatal msg="run pod sandbox: ${reason}"' >&2; exit 1 ;;
                esac`,
            );
            return run(`log_excerpt() { :; }; embedded_logs() { :; }; config_of() { echo "$PWD/images"; }
                within() { shift; "$@"; }; VERIFY=true; CONTAINERD_MAJOR=; verify kata-qemu; verified kata-qemu; ls state`);
        };
        const plugin =
            'failed to create pod network sandbox k8s_x(1): error adding pod x to CNI network \\"calico\\": not found';
        const passed = await verified(plugin);
        expect(passed.stderr).to.equal("");
        expect(passed.stdout).to.match(
            /not found"\nnot verified: (the network plugins refuse .*)\nnot verified: \1\n$/,
        );
        const early = await verified("", false);
        expect(early.stdout).to.contain("not verified: ").and.not.contain("a guest booted");
        expect((await run("wc -l <calls")).stdout.trim()).to.equal("1");
        expect((await verified("failed to start the guest")).stderr).to.contain("could not boot a guest");
    });

    it("says how to end a guest that does not end", async () => {
        expect((await run("cri guest_remedy")).stdout).to.match(
            /crictl -r unix:\/\/\/s\.sock rmp -f \$\(\S*crictl -r unix:\/\/\/s\.sock pods -q --name '\^kata-containers-verification\$'\)/,
        );
    });

    it("gives the configuration of a containerd that the node had before back", async () => {
        const file = sandbox().write(
            "etc/config.toml",
            "version = 2\n#kata-containers:begin\n[x]\n#kata-containers:end\n",
        );
        const left = (program: string) => {
            sandbox().write("state/services", `CONTAINERD=${program}\nCONTAINERD_CONFIG=${file}\n`);
            return run(
                "CONTAINERD_TEMPLATES=; HANDLERS=; rm -f work/main; cri prepare_removal; cri want_runtime; cat work/plan work/main",
            );
        };
        expect(shown((await left("/usr/bin/containerd")).stdout)).to.equal(
            "file\t/etc/config.toml\t/work/main\nversion = 2\n",
        );
        expect((await left("/usr/bin/crio")).stdout).to.equal("");
        sandbox().write("etc/config.toml", "#kata-containers:begin\n[x]\n#kata-containers:end\n");
        expect(shown((await left("/usr/bin/containerd")).stdout)).to.equal("remove\t/etc/config.toml\t\n");
    });

    it("is removed again after a removal whose connection broke at its end", async () => {
        expect(await run("HANDLERS=; cri prepare_removal; cri want_runtime; cat work/plan; echo done")).to.include({
            status: 0,
            stdout: "done\n",
        });
    });

    it("answers for the handlers and names of its sandboxes", async () => {
        program(
            "crictl",
            `case $* in
                *" --id "*) ;;
                *" pods -q"*) printf '%s\\n' a1 b2 ;;
                *" ps -q"*) echo c3 ;;
                *" images") printf 'IMAGE TAG IMAGE_ID SIZE\\nregistry.k8s.io/pause 3.10.1 7cd 2MB\\n' ;;
                *" inspectp a1") cat <<'END'
{
  "io.kubernetes.cri-o.Labels": "{\\"io.kubernetes.pod.name\\":\\"x\\"}",
  "io.kubernetes.cri-o.RuntimeHandler": "kata-qemu",
  "io.kubernetes.pod.name": "pod",
  "io.kubernetes.pod.namespace": "default"
}
END
                ;;
                *" inspectp b2") echo '  "io.kubernetes.cri-o.RuntimeHandler": "",' ;;
            esac`,
        );
        const { stdout } = await run(`in_k8s containers ls; in_k8s containers ls | containers_on kata-qemu
            echo a1 | pod_names; in_k8s tasks ls; in_k8s images ls -q; list_running_on io.containerd.kata-qemu.v2; cat work/running`);
        expect(stdout).to.equal(`a1 io.containerd.kata-qemu.v2
b2 io.containerd..v2
a1
default/pod
a1 - RUNNING
b2 - RUNNING
c3 - RUNNING
registry.k8s.io/pause:3.10.1
a1
`);
        const asked = async (script: string) => {
            program("crictl", `case $* in *" --id "*) ${script} ;; *" pods -q"*) echo a1 ;; *) exit 1 ;; esac`);
            return (await run("ask_k8s containers ls; echo done")).status;
        };
        expect(await asked(":")).to.equal(0); // it has ended
        expect(await asked("echo a1")).to.equal(1);
        expect(await asked("exit 1")).to.equal(1);
        program("crictl", "exit 1");
        expect((await run("ask_k8s containers ls")).stderr)
            .to.contain("cri-o does not list its containers")
            .and.to.contain("crictl -r unix:///s.sock pods; then run pulumi again");
    });

    it("is not restarted while its unit would end the shims of sandboxes that are not to be killed", async () => {
        sandbox().write("proc/50/cmdline", "containerd-shim-kata-v2\0-id\0a1\0");
        const restart = (kill: string, killed = "") =>
            run(
                `systemctl() { echo ${kill}; }; shims() { echo 50; }; FORCE=true; cri require_lasting_shims "${killed}"; echo done`,
            );
        sandbox().write("proc/50/cgroup", "0::/kata_overhead/1\n");
        expect((await restart("control-group")).stdout).to.equal("done\n");
        sandbox().write("proc/50/cgroup", "0::/system.slice/crio.service\n");
        expect((await restart("process")).stdout).to.equal("done\n");
        expect((await restart("control-group")).stderr).to.contain("a restart of crio.service would end sandboxes");
        expect((await restart("control-group", "b2")).stderr).to.contain(
            "a restart of crio.service would end sandboxes",
        );
        expect((await restart("control-group", "b2\na1")).stdout).to.equal("done\n");
    });

    it("has no backup and no new file in a folder in which it reads every file", async () => {
        const file = "/any/conf.d/zz-kata-containers.conf";
        const { stdout } = await run(`backup_of ${file}; echo; temporary ${file}; echo; backup_of /a/b`);
        expect(stdout).to.equal(
            "/any/.zz-kata-containers.conf.kata-containers-backup\n/any/.zz-kata-containers.conf.kata-containers-new\n/a/.b.kata-containers-backup",
        );
    });
});
