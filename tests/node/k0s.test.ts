// Nodes of k0s, which reads a folder of drop-in files and restarts containerd with each change in it. A function of these tests renders
// as k0s does; the real containerd tells how it understands the result. These tests need the programs that the lab has built.

import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { expect } from "chai";
import { parse } from "smol-toml";
import { labProgram } from "../support/labPrograms";
import { inEveryShell } from "../support/shells";

const releases = {
    "1.36": {
        version: "2.3.7",
        program: labProgram(/^containerd-/, "containerd"),
        plugin: "io.containerd.cri.v1.runtime",
    },
    "1.35": {
        version: "1.6.20",
        program: labProgram(/^node-[0-9a-f]+$/, "usr/bin/containerd"),
        plugin: "io.containerd.grpc.v1.cri",
    },
};
type Release = keyof typeof releases;

inEveryShell("k0s", (sandbox) => {
    const dropIns = () =>
        Object.fromEntries(
            readdirSync(sandbox().path("etc/containerd.d")).map((name) => [
                name,
                readFileSync(sandbox().path(`etc/containerd.d/${name}`), "utf8"),
            ]),
        );
    /** Runs a script on a node of this release. `start` is a start of k0s; `seen` gets what its folder contains at each flush. */
    const run = async (release: Release, script: string) => {
        const { version, program } = releases[release];
        const { status, stdout, stderr } = await sandbox().run(
            `mkdir -p etc/containerd.d run
            HANDLERS=kata-qemu OWN_HANDLERS=kata-qemu REQUESTED=kata-qemu GROUPED="" CGROUP_DRIVER="" DISTRIBUTION=k0s
            CONTAINERD=${program} CONTAINERD_VERSION=${version} CONTAINERD_MAJOR=${version[0]} CONTAINERD_TEMPLATES=""
            CONTAINERD_UNIT=k0sworker.service KUBELET_UNIT=k0sworker.service CONTAINERD_CONFIG=$PWD/etc/containerd.toml
            CONTAINERD_SOCKET=$PWD/run/containerd.sock CONTAINERD_PID=40 ACTION=activate
            say() { :; }
            flush() { ls -A etc/containerd.d >>seen; }
            k0s_merged_config() { [ ${release} != 1.35 ] || echo "$PWD/run/containerd-cri.toml"; }
            start() {
                if [ ${release} = 1.35 ]; then
                    { "$CONTAINERD" config default; sed '/^version/d' etc/containerd.d/*.toml 2>/dev/null || :; } >run/containerd-cri.toml
                    # The first line is empty up to 1.29.
                    printf '\\n# k0s_managed=true\\nversion = 2\\nimports = [\\n\\t"%s",\\n]\\n' "$PWD/run/containerd-cri.toml"
                else
                    printf '# k0s_managed=true\\nversion = 3\\nimports = ["%s"]\\n' "$PWD/etc/containerd.d/*.toml"
                fi >etc/containerd.toml
            }
            plan_containerd() { dump_now; prepare_runtime; want_runtime; unwant_rest; }
            plan_removal() { dump_now; prepare_removal; want_runtime; unwant_rest; }
            change() { begin; carry_out_plan; commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"; start; }
            activate() { empty_plan; plan_containerd; change; }
            deactivate() { empty_plan; plan_removal; change; remove_folders; }
            to_change() { empty_plan; plan_containerd; cut -f 2 "$WORK_DIR/plan"; }
            config_of() { echo "$PWD/kata-config/$1/configuration.toml"; }
            ${script}`,
        );
        return { status, stdout, stderr: stderr.replaceAll(`${sandbox().folder}/`, "") };
    };
    const ok = async (release: Release, script: string) => {
        const { status, stdout, stderr } = await run(release, script);
        expect(status, stderr + stdout).to.equal(0);
        return stdout;
    };
    const seen = () => [...new Set(readFileSync(sandbox().path("seen"), "utf8").trim().split("\n"))].sort();

    for (const [release, { plugin }] of Object.entries(releases) as [Release, (typeof releases)[Release]][]) {
        const foreign = (name: string) =>
            `${release === "1.35" ? "version = 2\n" : ""}[plugins."${plugin}".containerd.runtimes.${name}]\n  runtime_type = "io.containerd.runc.v2"\n`;
        const runtimes = (dump: string) => (parse(dump) as any).plugins[plugin].containerd.runtimes;

        it(`gets a drop-in file of the form that k0s ${release} understands, and no other file in its folder`, async () => {
            const dump = await ok(release, "start; activate; dump");
            expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("kata-config/kata-qemu/");
            expect(runtimes(dump)).to.have.property("runc");
            const { "kata-containers.toml": file, ...others } = dropIns();
            expect(others).to.deep.equal({});
            expect(parse(file!).version).to.equal(release === "1.35" ? 2 : undefined);
            expect(file).to.contain(`[plugins."${plugin}".containerd.runtimes.kata-qemu]`);
            expect(await ok(release, "to_change")).to.equal("");
            expect(runtimes(await ok(release, "deactivate; dump"))).to.not.have.property("kata-qemu");
            expect(dropIns()).to.deep.equal({});
            expect(seen()).to.deep.equal(["kata-containers.toml"]);
            expect(readdirSync(sandbox().path("etc")).sort()).to.deep.equal(["containerd.d", "containerd.toml"]);
        });

        it(`keeps the drop-in files of others with k0s ${release}, displaces one of its own name, and gives all back`, async () => {
            const before = {
                "a.toml": foreign("kata-qemu"),
                "kata-containers.toml": foreign("kata-qemu"),
                "mine.toml": foreign("mine"),
            };
            for (const [name, text] of Object.entries(before)) sandbox().write(`etc/containerd.d/${name}`, text);
            const dump = await ok(
                release,
                "cat etc/containerd.d/[am]*.toml >x; mv etc/containerd.d/kata-containers.toml y; start; mv y etc/containerd.d/kata-containers.toml; activate; dump",
            );
            expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("kata-config/kata-qemu/");
            expect(runtimes(dump)).to.have.property("mine");
            expect(Object.keys(dropIns())).to.deep.equal(Object.keys(before));
            expect(dropIns()["mine.toml"]).to.equal(before["mine.toml"]);
            expect(dropIns()["a.toml"]).to.contain("#kata-containers:disabled# [plugins.");
            expect(await ok(release, "to_change")).to.equal("");
            await ok(release, "start() { :; }; deactivate");
            expect(dropIns()).to.deep.equal(before);
            expect(seen()).to.deep.equal(Object.keys(before));
        });

        it(`is rolled back from a change without another file in its folder (k0s ${release})`, async () => {
            const before = foreign("kata-qemu");
            sandbox().write("etc/containerd.d/a.toml", before);
            await ok(
                release,
                "start; empty_plan; plan_containerd; begin; carry_out_plan; roll_back; commit; empty_plan",
            );
            expect(dropIns()).to.deep.equal({ "a.toml": before });
            expect(seen()).to.deep.equal(["a.toml", "kata-containers.toml"]);
            expect(readdirSync(sandbox().path("etc")).sort()).to.deep.equal(["containerd.d", "containerd.toml"]);
        });
    }

    it("is removed from a stopped k0s 1.35 after a reboot, which removes the merged configuration that another file imports", async () => {
        const left = await ok(
            "1.35",
            `start; activate; rm run/containerd-cri.toml; ACTION=deactivate CONTAINERD_PID=''
            empty_plan; plan_removal; begin; carry_out_plan; empty_plan; plan_removal; cat "$WORK_DIR/plan"; commit`,
        );
        expect(left).to.equal("");
        expect(dropIns()).to.deep.equal({});
    });

    it("refuses a configuration of containerd that k0s does not manage, and says how to return to one that it does", async () => {
        const { status, stderr } = await run("1.36", "echo 'version = 3' >etc/containerd.toml; prepare_containerd");
        expect(status).to.equal(1);
        expect(stderr).to.contain("etc/containerd.toml is not managed by k0s");
        expect(stderr).to.contain("move its settings into files in etc/containerd.d");
        const lost = await run("1.36", "rm etc/containerd.toml; prepare_containerd");
        expect(lost.status).to.equal(1);
        expect(lost.stderr).to.contain("etc/containerd.toml does not exist");
        expect(lost.stderr).to.contain("restart k0sworker.service, which writes it");
    });

    it("is removed from a configuration that k0s does not manage, and from a stopped k0s that has lost it", async () => {
        const managed = () => existsSync(sandbox().path("etc/containerd.d/kata-containers.toml"));
        await ok(
            "1.36",
            "start; activate; sed -i 1d etc/containerd.toml; start() { :; }; ACTION=deactivate; deactivate",
        );
        expect(managed()).to.equal(false);
        await ok(
            "1.36",
            "start; activate; rm etc/containerd.toml; start() { :; }; ACTION=deactivate CONTAINERD_PID=''; deactivate",
        );
        expect(managed()).to.equal(false);
        await ok(
            "1.36",
            "start; activate; rm -r etc; flush() { :; }; start() { :; }; ACTION=deactivate CONTAINERD_PID=''; deactivate",
        );
    });

    it("waits for a containerd that k0s started after the last change in the folder, and no longer for the one before it", async () => {
        sandbox().ownProc = true;
        mkdirSync(sandbox().path("etc/containerd.d"), { recursive: true });
        const current = async (changedAgo: number, startedAgo: number | undefined) => {
            const now = 10_000;
            const changed = Date.now() / 1000 - changedAgo;
            utimesSync(sandbox().path("etc/containerd.d"), changed, changed);
            sandbox().write("proc/uptime", `${now}.50 1.00\n`);
            if (startedAgo !== undefined)
                sandbox().write("proc/40/stat", `40 (containerd) S${" 0".repeat(18)} ${(now - startedAgo) * 100} 0\n`);
            const pid = startedAgo === undefined ? 41 : 40;
            return (
                await run("1.36", `k0s_containerd_pid() { echo ${pid}; }; k0s_is_current && echo yes || echo no`)
            ).stdout.trim();
        };
        expect(await current(8, undefined)).to.equal("no");
        expect(await current(2, 1000), "ends in a second").to.equal("no");
        expect(await current(2, 1), "ends too").to.equal("no");
        expect(await current(10, 1000), "has not ended").to.equal("no");
        expect(await current(10, 2)).to.equal("yes");
        expect(await current(2000, 1000)).to.equal("yes");
        // Between two processes there is no such file.
        sandbox().write("proc/stat", readFileSync(sandbox().path("proc/40/stat")));
        const gone = await run("1.36", "k0s_is_current || echo no");
        expect(gone.stdout + gone.stderr).to.equal("no\n");
    });

    it("has SystemdCgroup of this package only in a containerd that it does not start", async () => {
        const asked =
            'KUBELET_UNIT=k0sworker.service CGROUP_DRIVER=systemd; echo "[$(systemd_cgroup)]"; fact driver_place';
        expect((await run("1.36", asked)).stdout).to.match(/^\[\]\n.*worker profile/);
        expect((await run("1.36", `CONTAINERD_UNIT=containerd.service; ${asked}`)).stdout).to.match(/^\[true\]\n/);
    });

    it("has the driver of its containerd while it is stopped", async () => {
        const asked = `kubelet_pid() { :; }; kubelet_version() { :; }; CONTAINERD_MAJOR=1; dumped_driver() { echo systemd; }
            kubelet_feature_gate() { :; }; kubelet_cgroup_driver() { :; }; cgroup_driver`;
        expect((await run("1.35", asked)).stdout).to.equal("systemd\n");
    });

    it("shows a change of the kubelet's settings as a drift", async () => {
        const print = (settings: string) =>
            run(
                "1.36",
                `kubelet_pid() { echo 40; }; kubelet_config_folder() { :; }; mkdir -p "$STATE_DIR" "$WORK_DIR"; : >"$STATE_DIR/managed"; : >"$STATE_DIR/classes"
                echo "version = 2" >"$WORK_DIR/dump.now"; CONTAINERD_CONFIG=$PWD/etc
                KUBELET_CONFIG=""; kubelet_flag() { :; }; kubelet_root() { :; }; kubelet_cgroup_driver() { echo cgroupfs; }; ${settings}; fingerprint "$STATE_DIR/managed"`,
            );
        const { stdout } = await print(":");
        expect((await print(":")).stdout).to.equal(stdout);
        for (const changed of ["kubelet_root() { echo /data; }", "CGROUP_DRIVER=cgroupfs"])
            expect((await print(changed)).stdout, changed).to.not.equal(stdout);
        expect((await print("kubelet_cgroup_driver() { echo systemd; }")).stdout).to.equal(stdout);
    });

    it("is no node if it is a controller that runs no worker", async () => {
        const require = async (command: string, kubelet = "") => {
            const { status, stderr } = await run(
                "1.36",
                `systemctl() { case $* in is-active*k0scontroller*) echo active ;; show*ExecStart*) echo '{ path=/k0s ; argv[]=/k0s ${command} ; }' ;; esac; }
                kubelet_pid() { echo "${kubelet}"; }; require_distribution`,
            );
            return status === 0 ? "accepted" : stderr;
        };
        for (const flags of ["", " --data-dir=/srv/single", " --enable-worker=false"])
            expect(await require(`controller${flags}`)).to.contain(
                "this server of k0s runs without a kubelet, so it is not a node",
            );
        for (const flags of ["--enable-worker --no-taints", "--enable-worker=true", "--config /c --single"])
            expect(await require(`controller ${flags}`)).to.equal("accepted");
        expect(await require("controller", "30")).to.equal("accepted");
    });

    it("tells Kata's Go shims the folder of the kubelet, unless it is the usual one", async () => {
        const setting = (root: string) => run("1.36", `flag() { echo ${root}; }; root_setting 30`);
        expect((await setting("/srv/k0s/kubelet")).stdout).to.equal('*\tkubelet_root_dir\t"/srv/k0s/kubelet"\n');
        expect((await setting("/var/lib/kubelet")).stdout).to.equal("");
        expect((await setting("")).stdout).to.equal("");
        expect((await run("1.36", 'root_setting ""')).stdout).to.equal("");
        // A removal from a stopped node, on which another component stays.
        const stopped = await run(
            "1.36",
            `flag() { echo /srv/k0s/kubelet; }; KUBELET_PID=30 KUBELET_CONFIG=""; record_services; root_setting ""`,
        );
        expect(stopped.stdout).to.equal('*\tkubelet_root_dir\t"/srv/k0s/kubelet"\n');
    });
});
