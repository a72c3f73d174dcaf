// Configurations of containerd as tools and people leave them, planned, applied and removed; the real containerd tells how
// it understands the result. These tests need the programs that the lab has built.

import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "smol-toml";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell, type Sandbox } from "../support/shells";

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "kata-containers-lab");
const programs: { [version: string]: string | undefined } = Object.fromEntries(
    Object.entries({
        "1.6.20": [/^node-[0-9a-f]+$/, "usr/bin/containerd"],
        "2.3.7": [/^containerd-/, "containerd"],
        "nvidia-ctk": [/^nvidia-ctk-/, "nvidia-ctk"],
    }).map(([version, [folder, program]]) => [
        version,
        (existsSync(cache) ? readdirSync(cache) : [])
            .filter((name) => (folder as RegExp).test(name))
            .map((name) => join(cache, name, program as string))
            .find(existsSync),
    ]),
);
const text = (id: string) => readFileSync(join(__dirname, "../fixtures/cases", `${id}.toml`), "utf8");

/** Functions for scripts: `activate` and `deactivate` change the files in this folder, `to_change` tells what they would change. */
const functions = `
HANDLERS=\${HANDLERS:-kata-qemu} REQUESTED=$HANDLERS GROUPED="" CONTAINERD_CONFIG=$PWD/etc/config.toml
mkdir -p etc
with() { CONTAINERD=$1 CONTAINERD_VERSION=$2 CONTAINERD_MAJOR=\${2%%.*} CGROUP_DRIVER=$3; }
say() { :; }
config_of() { echo "$PWD/kata-config/$1/configuration.toml"; }
plan_containerd() {
    OWN_HANDLERS=$HANDLERS
    dump_now
    prepare_runtime
    echo "$SIGNATURE" >"$WORK_DIR/kata"
    for handler in $HANDLERS; do want_managed_file "$WORK_DIR/kata" "$(config_of "$handler")"; done
    want_runtime
    if [ -n "$CGROUP_DRIVER" ]; then printf 'kubelet.cgroupDriver\\tx\\t%s\\n' "$CGROUP_DRIVER" >>"$WORK_DIR/edits"; fi
    want_file "$WORK_DIR/edits" "$STATE_DIR/edits"
    unwant_rest
}
plan_removal() {
    CGROUP_DRIVER=""
    dump_now
    prepare_removal
    want_runtime
    unwant_rest
}
change() { begin; carry_out_plan; commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"; }
activate() { empty_plan; plan_containerd; change; }
deactivate() { empty_plan; plan_removal; change; remove_folders; rm -f "$STATE_DIR/edits"; }
to_change() { empty_plan; plan_containerd; cut -f 2 "$WORK_DIR/plan"; }
ctk() { ${programs["nvidia-ctk"]} runtime configure --runtime=containerd --config="$PWD/etc/config.toml" --drop-in-config="$PWD/etc/config.d/99-nvidia.toml" "$@" 2>/dev/null; }
strip() {
    for file in etc/*.toml etc/*/*.toml; do
        if [ ! -f "$file" ] || [ "\${file##*/}" = kata-containers.toml ]; then continue; fi
        grep -v '^ *#' "$file" >stripped || :
        cat stripped >"$file"
    done
}
`;

inEveryShell("containerd", (sandbox) => {
    /** Runs a script with a containerd; \`$PWD/etc\` stands for /etc/containerd and \`$PWD/kata\` for /opt/kata. */
    const run = (version: string, driver: string, files: { [name: string]: string }, script: string) => {
        for (const [name, content] of Object.entries(files)) write(sandbox(), name, content);
        return sandbox().run(`${functions}\nwith ${programs[version]} ${version} "${driver}"\n${script}`);
    };
    const write = (to: Sandbox, name: string, content: string) =>
        to.write(
            name,
            content
                .replaceAll("/etc/containerd/config.d", to.path("etc/none"))
                .replaceAll("/etc/containerd", to.path("etc"))
                .replaceAll("/opt/kata/", to.path("kata/")),
        );
    const ok = async (...args: Parameters<typeof run>) => {
        const result = await run(...args);
        expect(result.status, result.stderr).to.equal(0);
        return result.stdout;
    };
    const refused = async (...args: Parameters<typeof run>) => {
        const result = await run(...args);
        expect(result.status, result.stdout).to.equal(1);
        return result.stderr.replaceAll(sandbox().path("etc"), "/etc/containerd");
    };
    const file = (name = "etc/config.toml") => readFileSync(sandbox().path(name), "utf8");
    /** The runtimes in a dump. */
    const runtimes = (dump: string) => {
        const { plugins } = parse(dump) as any;
        return (plugins["io.containerd.cri.v1.runtime"] ?? plugins["io.containerd.grpc.v1.cri"]).containerd.runtimes;
    };
    const need = (context: Mocha.Context, ...versions: string[]) => {
        if (versions.some((version) => !programs[version])) context.skip();
    };

    for (const id of ["runc-options-only", "runc-not-named", "version-2-only"]) {
        it(`${id}: sets the cgroup driver of a runc that the file does not name, and restores every byte`, async function () {
            need(this, "2.3.7");
            for (const [driver, systemd] of [
                ["systemd", true],
                ["cgroupfs", false],
            ] as const) {
                const dump = await ok("2.3.7", driver, { "etc/config.toml": text(id) }, "activate; dump");
                expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(systemd);
                expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("/kata-config/kata-qemu/");
                expect(await ok("2.3.7", driver, {}, "to_change")).to.equal("");
                await ok("2.3.7", "", {}, "deactivate");
                expect(file().replaceAll(sandbox().path("etc"), "/etc/containerd")).to.equal(text(id));
            }
        });
    }

    it("takes a runtime of the type runc.v1 for runc, which containerd 1.x has on machines with cgroup v1", async function () {
        need(this, "1.6.20");
        const dump = '[plugins.a.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v1"\n';
        expect(await ok("1.6.20", "", { "etc/dumped": dump }, "runc_drivers etc/dumped")).to.equal("runc\t\n");
    });

    it("keeps the runtimes of a file of version 2 with the names of version 3, as on Azure's images", async function () {
        need(this, "2.3.7");
        const runtime = (name: string) => `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${name}`;
        const own = `version = 2\n${runtime("runc]")}\n  runtime_type = "io.containerd.runc.v2"\n${runtime("runc.options]")}\n  SystemdCgroup = true\n`;
        const dump = await ok("2.3.7", "", { "etc/config.toml": own }, "activate; dump");
        expect(runtimes(dump)).to.have.all.keys("runc", "kata-qemu");
        expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
        await ok("2.3.7", "", {}, "deactivate");
        expect(file()).to.equal(own);
    });

    it("keeps the runtimes of a file of version 2 with the old names that has another table with a new name", async function () {
        need(this, "2.3.7");
        const table = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes';
        const own = `version = 2\n${table}.runc]\n  runtime_type = "io.containerd.runc.v2"\n${table}.mine]\n  runtime_type = "io.containerd.mine.v2"\n`;
        for (const other of ['"io.containerd.cri.v1.runtime"', '"io.containerd.cri.v1.runtime".containerd']) {
            const files = { "etc/config.toml": `${own}[plugins.${other}]\n` };
            const dump = await ok("2.3.7", "", files, "activate; dump");
            expect(runtimes(dump)).to.have.all.keys("runc", "mine", "kata-qemu");
            await ok("2.3.7", "", {}, "deactivate");
        }
    });

    it("refuses to edit a main file on a read-only file system, as on Flatcar, and accepts one that need not be edited", async function () {
        need(this, "2.3.7");
        const readOnly =
            "is_writable() { case $1 in */config.toml) return 1 ;; esac; }; CONTAINERD_UNIT=containerd.service; mkdir -p etc/conf.d; to_change";
        const error = await refused("2.3.7", "", { "etc/config.toml": "version = 3\n" }, readOnly);
        expect(error).to.contain("/etc/containerd/config.toml is on a read-only file system").and.contain("copy it to");
        const files = { "etc/config.toml": `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n` };
        expect(await ok("2.3.7", "", files, readOnly)).to.contain("/etc/conf.d/kata-containers.toml");
    });

    it("sets the cgroup driver in a drop-in for a runc that the main file does not name", async function () {
        need(this, "2.3.7");
        const files = { "etc/config.toml": `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n` };
        const dump = await ok("2.3.7", "systemd", files, "mkdir -p etc/conf.d; activate; dump");
        expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
    });

    it("refuses a cgroup driver that a drop-in read later overrides, and names that file", async function () {
        need(this, "2.3.7");
        const plugin = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]\nSystemdCgroup = false\n`;
        const files = {
            "etc/config.toml": `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n`,
            "etc/conf.d/zz.toml": `version = 3\n${plugin}`,
        };
        expect(await refused("2.3.7", "systemd", files, "to_change")).to.contain(
            "the cgroup driver of the runtime runc is not systemd, because of /etc/containerd/conf.d/zz.toml",
        );
    });

    it("refuses a handler that a file imported by name redefines, and names that file", async function () {
        need(this, "2.3.7");
        const options = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu.options]\nConfigPath = "/x"\n`;
        const files = {
            "etc/config.toml": `version = 3\nimports = ["/etc/containerd/conf.d/*.toml", "/etc/containerd/zz.toml"]\n`,
            "etc/zz.toml": `version = 3\n${options}`,
        };
        expect(await refused("2.3.7", "", files, "mkdir -p etc/conf.d; to_change")).to.contain(
            'the runtime kata-qemu is not the managed one: /etc/containerd/zz.toml sets its ConfigPath to "/x"',
        );
    });

    for (const version of ["1.6.20", "2.3.7"]) {
        it(`self-import: installs into a file that imports itself (containerd ${version})`, async function () {
            need(this, version);
            for (const form of ["/etc/containerd/config.toml", "config.toml"]) {
                const given = text("self-import").replace("/etc/containerd/config.toml", form);
                write(sandbox(), "etc/config.toml", given);
                const before = file();
                const dump = await ok(version, "cgroupfs", {}, "activate; dump");
                expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("/kata-config/kata-qemu/");
                expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(false);
                await ok(version, "", {}, "deactivate");
                expect(file()).to.equal(before);
            }
        });
    }

    it("comment-in-imports: disables the import from /opt/kata behind a comment", async function () {
        need(this, "2.3.7");
        const files = {
            "etc/config.toml": text("comment-in-imports"),
            "kata/containerd/config.d/kata-deploy.toml": "version = 3\n",
        };
        const main = await ok("2.3.7", "", files, 'mkdir -p etc/conf.d; to_change >/dev/null; cat "$WORK_DIR/main"');
        expect(parse(main).imports).to.deep.equal([sandbox().path("etc/conf.d/*.toml")]);
        expect(await ok("2.3.7", "", files, 'cp "$WORK_DIR/main" marked; unmark marked')).to.equal(file());
    });

    it("disables an import from /opt/kata with a comment in parentheses on its line", async function () {
        need(this, "2.3.7");
        const imports = `imports = [\n "/opt/kata/a.toml", "/etc/containerd/conf.d/*.toml", # (both)\n]\n`;
        const files = { "etc/config.toml": `version = 3\n${imports}`, "kata/a.toml": "version = 3\n" };
        const main = await ok("2.3.7", "", files, 'mkdir -p etc/conf.d; to_change >/dev/null; cat "$WORK_DIR/main"');
        expect(parse(main).imports).to.deep.equal([sandbox().path("etc/conf.d/*.toml")]);
    });

    it("version-1: advises config migrate only if that containerd has it", async function () {
        need(this, "1.6.20", "2.3.7");
        const files = { "etc/config.toml": text("version-1") };
        const older = await refused("1.6.20", "", files, "CONTAINERD_UNIT=containerd.service; to_change");
        expect(older).to.contain("has configuration version 1").and.contain("begin it with `version = 2`");
        expect(older).to.not.contain("migrate");
        const newer = await refused("2.3.7", "", files, "CONTAINERD_UNIT=containerd.service; to_change");
        expect(newer).to.contain("config.toml config migrate");
    });

    it("cri-disabled: says that CRI is disabled, and in which file", async function () {
        need(this, "1.6.20", "2.3.7");
        for (const version of ["1.6.20", "2.3.7"]) {
            const files = { "etc/config.toml": text("cri-disabled") };
            expect(await refused(version, "", files, "CONTAINERD_UNIT=containerd.service; require_cri")).to.contain(
                "CRI is disabled: disabled_plugins in /etc/containerd/config.toml names it",
            );
            await ok(
                version,
                "",
                { "etc/config.toml": 'disabled_plugins = ["restart"]\nversion = 2\n' },
                "require_cri",
            );
        }
    });

    const nvidia17 = (dropIn: string) => ({
        "etc/config.toml": text("nvidia-1.7-main"),
        [dropIn]: text("nvidia-1.7-drop-in"),
    });
    it("nvidia-1.7-main, nvidia-1.7-drop-in: installs into the drop-in that replaces the runtimes, and restores every byte", async function () {
        need(this, "1.6.20");
        const dropIn = "etc/conf.d/99-nvidia.toml";
        const dump = await ok("1.6.20", "cgroupfs", nvidia17(dropIn), "cp -r etc before; activate; dump");
        expect(runtimes(dump)).to.have.all.keys("runc", "nvidia", "kata-qemu");
        expect([runtimes(dump).runc, runtimes(dump).nvidia].map((r) => r.options.SystemdCgroup)).to.deep.equal([
            false,
            false,
        ]);
        expect(await ok("1.6.20", "cgroupfs", {}, "to_change")).to.equal("");
        // Without that file, the main file is in force.
        const alone = await ok("1.6.20", "cgroupfs", {}, `mv ${dropIn} away; dump; mv away ${dropIn}`);
        expect(runtimes(alone)).to.have.all.keys("runc", "kata-qemu");
        await ok("1.6.20", "", {}, "deactivate; diff -r before etc");
    });

    it("nvidia-1.7-main, nvidia-1.7-drop-in: refuses a file imported by name that replaces the runtimes, and names it and the fix", async function () {
        need(this, "1.6.20");
        const files = nvidia17("etc/99-nvidia.toml");
        files["etc/config.toml"] = files["etc/config.toml"]!.replace("conf.d/*.toml", "99-nvidia.toml");
        const error = await refused("1.6.20", "", files, "to_change");
        expect(error).to.contain("no runtime kata-qemu, because /etc/containerd/99-nvidia.toml replaces the runtimes");
        expect(error).to.contain("move those of /etc/containerd/99-nvidia.toml into /etc/containerd/config.toml");
    });

    it("refuses the handler of the default runtime", async function () {
        need(this, "1.6.20", "2.3.7");
        const plugin = `plugins."io.containerd.grpc.v1.cri".containerd`;
        const nvidia = `[${plugin}]\ndefault_runtime_name = "nvidia"\n[${plugin}.runtimes.nvidia]\nruntime_type = "io.containerd.runc.v2"\n`;
        for (const version of ["1.6.20", "2.3.7"]) {
            const files = { "etc/config.toml": `version = 2\n${nvidia}` };
            const error = await run(
                version,
                "",
                files,
                "HANDLERS=nvidia CONTAINERD_UNIT=containerd.service; to_change",
            );
            expect(error.stderr).to.contain("nvidia is containerd's default runtime (default_runtime_name)");
        }
    });

    for (const version of ["1.6.20", "2.3.7"]) {
        const activated = async (context: Mocha.Context) => {
            need(context, version);
            const files = { "etc/config.toml": text("comments-stripped") };
            await ok(version, "systemd", files, "activate; strip");
            expect(file()).to.contain("kata-qemu").and.contain("SystemdCgroup = true").and.not.contain("#");
        };
        const clean = async () => {
            const { runc, "kata-qemu": kata } = runtimes(await ok(version, "", {}, "dump"));
            expect(kata).to.equal(undefined);
            expect(runc.options.SystemdCgroup).to.equal(false);
            expect(file()).to.not.contain("kata");
        };
        it(`comments-stripped: an update finds its entries and marks them again (containerd ${version})`, async function () {
            await activated(this);
            const main = sandbox().path("etc/config.toml");
            expect(await ok(version, "systemd", {}, "to_change")).to.equal(`${main}\n`);
            const dump = await ok(version, "systemd", {}, "activate; dump");
            expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
            expect(file().match(/#kata-containers:(begin|was)/g)).to.have.length(2);
            expect(await ok(version, "systemd", {}, "to_change")).to.equal("");
            await ok(version, "", {}, "deactivate");
            await clean();
        });
        it(`comments-stripped: a removal finds its entries (containerd ${version})`, async function () {
            await activated(this);
            await ok(version, "", {}, "deactivate");
            await clean();
        });
    }

    for (const version of ["1.6.20", "2.3.7"]) {
        it(`keeps an earlier handler as long as it is listed, and restores every byte (containerd ${version})`, async function () {
            need(this, version);
            const table = (runtime: string, type: string) =>
                `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${runtime}]\nruntime_type = "${type}"\n`;
            const given = `version = 2\n${table("runc", "io.containerd.runc.v2")}${table("kata-qemu", "x.y.z")}`;
            await ok(version, "systemd", { "etc/config.toml": given }, "activate");
            const handlers = (list: string) => `HANDLERS="${list}"; `;
            const [alone, both] = [handlers("kata"), handlers("kata kata-qemu")];
            const change = (script: string) => ok(version, "systemd", {}, script);
            const kept = runtimes(await change(`${both}activate; dump`));
            for (const handler of ["kata", "kata-qemu"]) {
                expect(kept[handler].runtime_type).to.equal(`io.containerd.${handler}.v2`);
                expect(kept[handler].options.ConfigPath).to.equal(
                    sandbox().path(`kata-config/${handler}/configuration.toml`),
                );
            }
            expect(await change(`${both}to_change`)).to.equal("");
            const dropped = runtimes(await change(`${alone}activate; dump`));
            expect(dropped.kata.runtime_type).to.equal("io.containerd.kata.v2");
            expect(dropped["kata-qemu"].runtime_type).to.equal("x.y.z");
            expect(existsSync(sandbox().path("kata-config/kata-qemu/configuration.toml"))).to.equal(false);
            await change(`${alone}deactivate`);
            expect(file()).to.equal(given);
        });
    }

    describe("with a snapshotter of its own", () => {
        const rows = ["overlayfs linux/amd64 ok", "native linux/amd64 ok", "devmapper linux/amd64 skip", "nydus - ok"];
        /** A containerd with these snapshotters, and a class that uses one of them. */
        const uses = (name: string) => `
            GROUPED="kata-qemu\truntime-class\tconfidential\nkata-qemu\tsnapshotter\t${name}\n" CONTAINERD_SOCKET=/s
            timeout() { shift; "$@"; }
            ctr() { case "$*" in *nydus*) return 1 ;; esac; printf 'io.containerd.snapshotter.v1  %s\n' ${rows.map((row) => `"${row}"`).join(" ")}; }
`;
        const images = `plugins."io.containerd.cri.v1.images"`;
        const snapshotters = (dump: string) => [
            runtimes(dump)["kata-qemu"].snapshotter,
            (parse(dump) as any).plugins["io.containerd.cri.v1.images"].runtime_platforms?.["kata-qemu"]?.snapshotter,
        ];
        const mains = {
            "a drop-in folder": `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n`,
            "a file of version 3": `version = 3\n[${images}.runtime_platforms.kata-qemu]\nsnapshotter = "x"\n`,
            "a file of version 2": `version = 2\n`,
        };
        for (const [form, main] of Object.entries(mains)) {
            it(`writes the snapshotter of a class into ${form}, changes it and restores every byte`, async function () {
                need(this, "2.3.7");
                this.timeout(120000);
                write(sandbox(), "etc/config.toml", main);
                const before = file();
                const change = (snapshotter: string, script: string) => `${uses(snapshotter)}${script}\n`;
                const script = [
                    change("native", "mkdir -p etc/conf.d; activate; dump >native; to_change >unchanged"),
                    change("overlayfs", "to_change >/dev/null; describe_runtime_drift FILE >drift"),
                    change("overlayfs", "activate; dump >overlayfs"),
                    change("", "activate; dump >default"),
                    change("native", "activate; strip"),
                    change("", "deactivate"),
                ];
                await ok("2.3.7", "", {}, script.join(""));
                expect(snapshotters(file("native"))).to.deep.equal(["native", "native"]);
                expect(file("unchanged")).to.equal("");
                expect(file("drift")).to.equal(
                    "the snapshotter of the runtime kata-qemu is native in FILE, was overlayfs\n",
                );
                expect(snapshotters(file("overlayfs"))).to.deep.equal(["overlayfs", "overlayfs"]);
                expect(snapshotters(file("default"))).to.deep.equal(["", undefined]);
                expect(file()).to.equal(before);
                expect(readdirSync(sandbox().path("etc/conf.d"))).to.deep.equal([]);
            });
        }

        it("writes the snapshotter into the table of the runtime alone for containerd 1.7", async () => {
            const { stdout } = await sandbox().run(
                `${functions}\n${uses("native")}CONTAINERD_MAJOR=1 CRI_PLUGIN=io.containerd.grpc.v1.cri; runtime_tables`,
            );
            const { plugins } = parse(stdout) as any;
            expect(plugins).to.have.all.keys("io.containerd.grpc.v1.cri");
            const runtime = plugins["io.containerd.grpc.v1.cri"].containerd.runtimes["kata-qemu"];
            expect(runtime).to.include({ snapshotter: "native", runtime_type: "io.containerd.kata-qemu.v2" });
            expect(runtime.options).to.have.all.keys("ConfigPath");
        });

        it("refuses a snapshotter that is missing, unhealthy or not running, and one of containerd 1.6", async function () {
            need(this, "1.6.20", "2.3.7");
            const files = {
                "etc/config.toml": 'version = 2\n[proxy_plugins.nydus]\ntype = "snapshot"\naddress = "/none.sock"\n',
            };
            const error = (name: string, version = "2.3.7") => refused(version, "", files, `${uses(name)}to_change`);
            for (const name of ["erofs", "devmapper"]) {
                expect(await error(name)).to.contain(
                    `containerd has no healthy snapshotter ${name} (runtimeClasses.confidential.snapshotter); it has: overlayfs native nydus`,
                );
            }
            expect(await error("nydus")).to.contain(
                "the snapshotter nydus (runtimeClasses.confidential.snapshotter) does not answer containerd",
            );
            expect(await error("native", "1.6.20")).to.contain(
                "containerd 1.6.20 has no snapshotters for single runtimes (runtimeClasses.confidential.snapshotter is native)",
            );
        });

        it("refuses a shim that requires block devices on a snapshotter without them, also on the default one", async function () {
            need(this, "1.6.20", "2.3.7");
            const needs = (name: string) =>
                `${uses(name)}GROUPED="$GROUPED\nkata-qemu\tneeds\tkvm,block_snapshotter\n"; `;
            const files = { "etc/config.toml": "version = 2\n" };
            for (const [version, script, found] of [
                ["1.6.20", needs(""), "overlayfs"],
                ["2.3.7", needs(""), "overlayfs"],
                ["2.3.7", needs("native"), "native"],
            ] as const) {
                expect(await refused(version, "", files, `${script}to_change`)).to.contain(
                    `the shim of runtimeClasses.confidential requires a snapshotter with block devices, and would get ${found}`,
                );
            }
            const devmapper = `${needs("devmapper")}ctr() { echo io.containerd.snapshotter.v1 devmapper linux/amd64 ok; }; `;
            await ok("2.3.7", "", files, `${devmapper}to_change`);
        });

        it("refuses another snapshotter for the runtime in a file imported by name, and names that file", async function () {
            need(this, "2.3.7");
            const files = {
                "etc/config.toml": `version = 3\nimports = ["/etc/containerd/conf.d/*.toml", "/etc/containerd/zz.toml"]\n`,
                "etc/zz.toml": `version = 3\n[${images}.runtime_platforms.kata-qemu]\nsnapshotter = "x"\n`,
            };
            expect(await refused("2.3.7", "", files, `mkdir -p etc/conf.d; ${uses("native")}to_change`)).to.contain(
                'the runtime kata-qemu has the snapshotter "x" instead of "native", because of /etc/containerd/zz.toml',
            );
        });
    });

    it("installs into a drop-in folder that is imported by a relative path", async function () {
        need(this, "2.3.7");
        for (const path of ["conf.d/*.toml", "./conf.d/*.toml"]) {
            const foreign = `version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu.options]\nConfigPath = "/x"\n`;
            const files = { "etc/config.toml": `version = 3\nimports = ["${path}"]\n`, "etc/conf.d/zz.toml": foreign };
            const dump = await ok("2.3.7", "systemd", files, "activate; dump");
            expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("/kata-config/kata-qemu/");
            expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
            expect(file("etc/conf.d/kata-containers.toml")).to.contain("kata-qemu");
            expect(await ok("2.3.7", "systemd", {}, "to_change")).to.equal("");
            await ok("2.3.7", "", {}, "deactivate");
            expect([file(), file("etc/conf.d/zz.toml")]).to.deep.equal(Object.values(files));
        }
    });

    it("names the file that redefines a runtime, if its import is a relative path", async function () {
        need(this, "2.3.7");
        const files = {
            "etc/config.toml": `version = 3\nimports = ["conf.d/*.toml", "./last/zz.toml"]\n`,
            "etc/last/zz.toml": `version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu.options]\nConfigPath = "/x"\n`,
        };
        expect(await refused("2.3.7", "", files, "mkdir -p etc/conf.d; to_change")).to.contain(
            'the runtime kata-qemu is not the managed one: /etc/containerd/last/zz.toml sets its ConfigPath to "/x"',
        );
    });

    it("resolves relative imports as each containerd does", async function () {
        need(this, "1.6.20");
        // containerd 1.x resolves a pattern in its working folder.
        const zz = `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.zz]\nruntime_type = "a.b.c"\n`;
        const files = { "etc/config.toml": `version = 2\nimports = ["conf.d/*.toml"]\n`, "etc/conf.d/a.toml": zz };
        expect(
            runtimes(await ok("1.6.20", "", files, 'to_change >/dev/null; cat "$WORK_DIR/dump"')),
        ).to.not.have.property("zz");
        const named = { ...files, "etc/config.toml": `version = 2\nimports = ["conf.d/a.toml"]\n` };
        expect(await refused("1.6.20", "", named, "to_change")).to.contain("/conf.d/a.toml replaces the runtimes");
    });

    it("chooses a writable one of several imported folders, preferably below /etc", async () => {
        const choose = async (imports: string[], readOnly = "none", major = 2) => {
            sandbox().write("main", `imports = ${JSON.stringify(imports)}\n`);
            const { stdout, stderr } = await sandbox().run(
                `CONTAINERD_CONFIG=/etc/c/config.toml CONTAINERD_MAJOR=${major}
                is_writable() { case $1 in *${readOnly}*) return 1 ;; esac; }; imported_folder main`,
            );
            return stdout.trim() + stderr;
        };
        expect(await choose(["/usr/lib/c/*.toml", "/run/c/*.toml", "/etc/c/a/*.toml", "/etc/c/b/*.toml"])).to.equal(
            "/etc/c/a",
        );
        expect(await choose(["/usr/lib/c/*.toml", "/run/c/*.toml", "/etc/c/x.toml"], "/usr")).to.equal("/run/c");
        expect(await choose(["/etc/c/a/*.toml", "/run/c/*.toml"], "/etc")).to.equal("/run/c");
        expect(await choose(["b/*.toml", "/etc/c/a/*.toml"])).to.equal("/etc/c/b");
        expect(await choose(["b/*.toml"], "none", 1)).to.equal("/b");
        expect(await choose(["/etc/c/x.toml", "/etc/c/*"])).to.equal("");
        const { stdout } = await sandbox().run("is_writable $PWD/a/b && echo yes");
        expect(stdout).to.equal("yes\n");
    });

    it("names a replacement for each form that it refuses", async () => {
        const plugin = 'plugins."io.containerd.grpc.v1.cri"';
        const runc = `[${plugin}.containerd.runtimes.runc]\n`;
        const cases = {
            [`[${plugin}]\ncontainerd = { snapshotter = "x" }\n`]: `write that entry as a table of its own, [${plugin}.containerd]`,
            [`[${plugin}.containerd]\nruntimes.runc.runtime_type = "x"\n`]: `write that entry as a table of its own, [${plugin}.containerd.runtimes.NAME]`,
            [`${runc}options.A = 1\n`]: `write them as a table of their own, [${plugin}.containerd.runtimes.NAME.options]`,
            'imports = ["/opt/kata/a.toml", "/x(1).toml"]\n': "write each entry of imports on a line of its own",
        };
        for (const [given, remedy] of Object.entries(cases)) {
            sandbox().write("main", given);
            const { stderr } = await sandbox().run(
                `CRI_PLUGIN=io.containerd.grpc.v1.cri CONTAINERD_MAJOR=2 HANDLERS=kata-qemu KATA_LINK=/opt/kata
                mark main /etc/main out true "" ""`,
            );
            expect(stderr).to.contain("/etc/main cannot be edited safely: line ");
            expect(stderr).to.contain(`  what to do: ${remedy}, then run pulumi again\n`);
        }
    });

    for (const version of ["1.6.20", "2.3.7"]) {
        const given =
            version === "1.6.20"
                ? text("comments-stripped")
                : `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n`;
        const dropIns = "mkdir -p etc/conf.d etc/config.d";
        const both = (dump: string) => {
            const { runc, nvidia, "kata-qemu": kata } = runtimes(dump);
            expect(kata.options.ConfigPath).to.contain("/kata-config/kata-qemu/");
            expect(nvidia.options.BinaryName).to.equal("/usr/bin/nvidia-container-runtime");
            return [runc.options.SystemdCgroup, nvidia.options.SystemdCgroup ?? false];
        };
        const onlyTheirs = async () => {
            const { runc, nvidia, "kata-qemu": kata } = runtimes(await ok(version, "", {}, "dump"));
            expect(kata).to.equal(undefined);
            expect(nvidia.options.BinaryName).to.equal("/usr/bin/nvidia-container-runtime");
            expect([runc.options.SystemdCgroup, nvidia.options.SystemdCgroup ?? false]).to.deep.equal([false, false]);
            expect(await ok(version, "", {}, "grep -r -e kata-qemu -e kata-containers etc || :")).to.equal("");
        };

        it(`gpu-toolkit: installs where nvidia-ctk has replaced the runtimes, and restores every byte (containerd ${version})`, async function () {
            need(this, version, "nvidia-ctk");
            await ok(version, "", { "etc/config.toml": given }, `${dropIns}; ctk; cp -r etc before`);
            expect(both(await ok(version, "systemd", {}, "activate; dump"))).to.deep.equal([true, true]);
            expect(await ok(version, "systemd", {}, "to_change")).to.equal("");
            await ok(version, "", {}, "deactivate; diff -r before etc");
        });

        // It copies this package's entries and driver into its own file.
        const fromFile = "ctk";
        const fromDump = `ctk --config-source=command --executable-path="$PWD/containerd"`;
        const program = `printf '#!/bin/sh\\nexec %s --config %s "$@"\\n' "${programs[version]}" "$PWD/etc/config.toml" >containerd; chmod +x containerd`;

        it(`gpu-toolkit: keeps both runtimes when nvidia-ctk rewrites the configuration, and removes the managed entries after an update (containerd ${version})`, async function () {
            this.timeout(120000);
            need(this, version, "nvidia-ctk");
            await ok(version, "systemd", { "etc/config.toml": given }, `${dropIns}; activate; ${fromFile}`);
            expect(await ok(version, "systemd", {}, "to_change")).to.not.equal("");
            expect(both(await ok(version, "systemd", {}, "activate; dump"))).to.deep.equal([true, true]);
            expect(await ok(version, "systemd", {}, "to_change")).to.equal("");
            // It runs again, for instance after a reboot.
            expect(both(await ok(version, "systemd", {}, `${program}; ${fromDump}; activate; dump`))).to.deep.equal([
                true,
                true,
            ]);
            expect(await ok(version, "systemd", {}, "to_change")).to.equal("");
            await ok(version, "", {}, "deactivate");
            await onlyTheirs();
        });
        for (const command of [fromFile, fromDump]) {
            it(`gpu-toolkit: removes the managed entries after ${command === fromFile ? "nvidia-ctk" : "nvidia-ctk --config-source=command"} has rewritten the configuration (containerd ${version})`, async function () {
                this.timeout(120000);
                need(this, version, "nvidia-ctk");
                await ok(
                    version,
                    "systemd",
                    { "etc/config.toml": given },
                    `${dropIns}; activate; ${program}; ${command}; deactivate`,
                );
                await onlyTheirs();
            });
        }

        if (version === "1.6.20")
            it("gpu-toolkit: restores a disabled runtime in the file that nvidia-ctk has written from the main file (containerd 1.6.20)", async function () {
                this.timeout(120000);
                need(this, version, "nvidia-ctk");
                const theirs = `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata-qemu]\nruntime_type = "io.containerd.theirs.v2"\n`;
                await ok(
                    version,
                    "",
                    { "etc/config.toml": `${given}${theirs}` },
                    `${dropIns}; activate; ctk; activate`,
                );
                expect(await ok(version, "", {}, "to_change")).to.equal("");
                for (const rewritten of [":", "ctk"]) {
                    const dump = await ok(version, "", {}, `${rewritten}; deactivate; dump; activate`);
                    expect(runtimes(dump)["kata-qemu"].runtime_type, rewritten).to.equal("io.containerd.theirs.v2");
                }
            });

        for (const updated of [true, false]) {
            it(`comments-stripped: restores others' entries that were disabled, ${updated ? "after an update" : "at once"} (containerd ${version})`, async function () {
                need(this, version);
                const plugin = `plugins."io.containerd.grpc.v1.cri".containerd.runtimes`;
                const theirs = `[${plugin}.kata-qemu]\n  runtime_type = "io.containerd.theirs.v2"\n  pod_annotations = [\n    "a",\n    "b\tc",\n  ]\n[${plugin}.kata-qemu.options]\n  ConfigPath = "/their&s/configuration.toml"\n`;
                const files = {
                    "etc/config.toml": `version = 2\nimports = ["/opt/kata/a.toml", "/etc/containerd/conf.d/*.toml"]\nroot = "/x"\n${theirs}[${plugin}.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
                    "etc/conf.d/site.toml": version === "1.6.20" ? "" : `version = 2\n${theirs}`,
                    "kata/a.toml": "version = 2\n",
                };
                await ok(version, "systemd", files, "activate; strip");
                expect(file()).to.not.contain("their");
                if (updated) {
                    await ok(version, "systemd", {}, "activate");
                    expect(file()).to.contain("#kata-containers:disabled# [plugins");
                    expect(await ok(version, "systemd", {}, "to_change")).to.equal("");
                }
                await ok(version, "", {}, "deactivate");
                expect(file()).to.contain(theirs);
                if (version !== "1.6.20") expect(file("etc/conf.d/site.toml")).to.contain(theirs);
                const { imports } = parse(file()) as any;
                expect(imports).to.have.members([sandbox().path("kata/a.toml"), sandbox().path("etc/conf.d/*.toml")]);
                const { runc, "kata-qemu": kata } = runtimes(await ok(version, "", {}, "dump"));
                expect(kata).to.deep.include({
                    runtime_type: "io.containerd.theirs.v2",
                    pod_annotations: ["a", "b\tc"],
                });
                expect(kata.options.ConfigPath).to.equal("/their&s/configuration.toml");
                expect(runc.options.SystemdCgroup ?? false).to.equal(false);
            });
        }
    }

    it("removes its entries after containerd config migrate, and after a dump was written back", async function () {
        need(this, "2.3.7");
        const dropIn = `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n`;
        for (const [given, command] of [
            [text("comments-stripped"), "config migrate"],
            [text("version-2-only"), "config migrate"],
            [dropIn, "config dump"],
        ] as const) {
            await ok(
                "2.3.7",
                "systemd",
                { "etc/config.toml": given },
                // A dump names the folder as well, and containerd's own one.
                `mkdir -p etc/conf.d; activate; "$CONTAINERD" --config $CONTAINERD_CONFIG ${command} 2>/dev/null |
                sed "s,'/etc/containerd/conf.d/\\*.toml',,; s/\\[, /[/" >new; cat new >etc/config.toml; deactivate`,
            );
            const { runc, "kata-qemu": kata } = runtimes(await ok("2.3.7", "", {}, "dump"));
            expect(kata, command).to.equal(undefined);
            expect(runc.options.SystemdCgroup, command).to.equal(false);
        }
    });

    it("containerd upgrade: follows an upgrade with config migrate, and removes its entries after an update", async function () {
        need(this, "1.6.20", "2.3.7");
        await ok("1.6.20", "systemd", { "etc/config.toml": text("comments-stripped") }, "activate");
        const migrate = `"$CONTAINERD" --config $CONTAINERD_CONFIG config migrate 2>/dev/null | sed "s,'/etc/containerd/conf.d/\\*.toml',,"`;
        const dump = await ok("2.3.7", "systemd", {}, `${migrate} >new; cat new >etc/config.toml; activate; dump`);
        expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
        expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("/kata-config/kata-qemu/");
        const { runc, "kata-qemu": kata } = runtimes(await ok("2.3.7", "", {}, "deactivate; dump"));
        expect(kata).to.equal(undefined);
        expect(runc.options.SystemdCgroup).to.equal(false);
    });

    it("containerd upgrade: follows an upgrade under a file with version = 2, and restores every byte", async function () {
        need(this, "1.6.20", "2.3.7");
        await ok("1.6.20", "systemd", { "etc/config.toml": text("version-2-only") }, "activate");
        const dump = await ok("2.3.7", "systemd", {}, "activate; dump");
        expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
        expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("/kata-config/kata-qemu/");
        expect(await ok("2.3.7", "systemd", {}, "to_change")).to.equal("");
        await ok("2.3.7", "", {}, "deactivate");
        expect(file()).to.equal(text("version-2-only"));
    });

    it("refuses a begin or end mark without the other and names the line, instead of deleting everything below", async function () {
        need(this, "1.6.20");
        await ok("1.6.20", "systemd", { "etc/config.toml": text("version-2-only") }, "activate");
        const marked = file();
        const begin = marked.split("\n").findIndex((line) => line.startsWith("#kata-containers:begin")) + 1;
        for (const lost of ["begin", "end"]) {
            const torn = `${marked.replace(`#kata-containers:${lost}\n`, "")}[debug]\nlevel = "info"\n`;
            const line = lost === "end" ? begin : torn.split("\n").indexOf("#kata-containers:end") + 1;
            const error = await refused("1.6.20", "", { "etc/config.toml": torn }, "deactivate");
            expect(error).to.contain(`the mark in line ${line} of /etc/containerd/config.toml has no matching mark`);
            expect(error).to.contain("what to do: enclose exactly the lines that this package added");
            expect(file()).to.equal(torn);
        }
    });

    for (const version of ["1.6.20", "2.3.7"]) {
        const gone = "CONTAINERD=/gone; deactivate";

        it(`restores every byte without the program of containerd ${version}, also without marks`, async function () {
            need(this, version);
            const before = `version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\nSystemdCgroup = false\n`;
            write(sandbox(), "etc/config.toml", before);
            const original = file();
            for (const then of ["", "strip; "]) {
                await ok(version, "systemd", {}, `mkdir -p etc/conf.d; activate; ${then} ${gone}`);
                expect(file()).to.equal(original);
                expect(readdirSync(sandbox().path("etc/conf.d"))).to.deep.equal([]);
            }
        });

        it(`creates no file of containerd ${version} that was deleted`, async function () {
            need(this, version);
            const script = `activate; rm etc/config.toml; ${gone}`;
            await ok(version, "systemd", { "etc/config.toml": "version = 2\n" }, script);
            expect(readdirSync(sandbox().path("etc"))).to.deep.equal([]);
        });

        it(`without the program of containerd ${version}, fails if a managed entry would be left behind`, async function () {
            need(this, version);
            const script = `activate; printf '[x]\\ny = "%s"\\n' "$(config_of kata-qemu)" >>etc/config.toml; ${gone}`;
            expect(await refused(version, "", { "etc/config.toml": "version = 2\n" }, script)).to.contain(
                "would still have the runtime of this package with ConfigPath",
            );
        });
    }

    it("proves the change from what CRI reports, if crictl is installed", async () => {
        const cri = (config: string, driver: boolean, snapshotter = "") =>
            JSON.stringify({ config: { containerd: { runtimes: { runc: { options: { SystemdCgroup: driver } }, k: { options: { ConfigPath: config }, baseRuntimeSpec: "", snapshotter }, z: { options: {}, snapshotter: "native" } } } } }, null, 2); // biome-ignore format: one line
        const prove = async (info: string, grouped = "", bin = "/usr/bin", templates = "") => {
            sandbox().write("info", info);
            return sandbox().run(
                `require_handlers() { :; }; require_driver() { :; }; timeout() { echo "$2" >asked; cat info; }
                CONTAINERD=${bin}/containerd CONTAINERD_SOCKET=/x CONTAINERD_UNIT=u CONTAINERD_CONFIG=/c IMPORTED="" TEMPLATE=/t/config-v3.toml.tmpl CONTAINERD_TEMPLATES=${templates} OWN_HANDLERS=kata CGROUP_DRIVER=systemd GROUPED="${grouped}"
                prove_runtime`,
            );
        };
        expect(await prove(cri("/etc/kata-containers/kata/configuration.toml", true))).to.include({ status: 0 });
        expect(readFileSync(sandbox().path("asked"), "utf8")).to.equal("crictl\n");
        const own = sandbox().write("bin/crictl", "");
        chmodSync(own, 0o755);
        expect(await prove("{}", "", sandbox().path("bin"))).to.include({ status: 0 });
        expect(readFileSync(sandbox().path("asked"), "utf8")).to.equal(`${own}\n`);
        expect((await prove(cri("/other", true))).stderr).to.contain(
            "the CRI of the running containerd has no runtime with /etc/kata-containers/kata/configuration.toml",
        );
        expect((await prove(cri("/other", true))).stderr).to.contain(
            "make its ExecStart read /c (systemctl edit u), until",
        );
        expect((await prove(cri("/other", true), "", sandbox().path("bin"), "/t")).stderr).to.match(
            /correct \/t\/config-v3.toml.tmpl .* and restart u, which renders it, until `.*\/bin\/crictl -r unix:\/\/\/x info` shows the same runtimes as `.*\/bin\/containerd --config \/c config dump`/,
        );
        expect((await prove(cri("/etc/kata-containers/kata/configuration.toml", false))).stderr).to.contain(
            "cgroup driver is not systemd",
        );
        const native = `kata\tsnapshotter\tnative\n`;
        const path = "/etc/kata-containers/kata/configuration.toml";
        expect(await prove(cri(path, true, "native"), native)).to.include({ status: 0 });
        expect((await prove(cri(path, true), native)).stderr).to.contain(
            `has no runtime with ${path} and the snapshotter native`,
        );
    });
});

inEveryShell("the proof after a change", (sandbox) => {
    it("reports the unit whose restart rewrote a file", async () => {
        for (const [path, restarted, by] of [
            ["/etc/containerd/config.toml", "containerd.service", "the restart of containerd.service"],
            ["/kubelet.yaml", "kubelet.service", "the restart of kubelet.service"],
            ["/kubelet.yaml", "containerd.service", "another program"],
            ["", "containerd.service", ""],
        ]) {
            sandbox().write(`state/journal/restarted-${restarted}`, "");
            const { status, stderr } = await sandbox().run(
                `has_same_services() { :; }; dump_now() { :; }; take_fingerprint() { :; }; : >work/managed; planner() { [ -z "${path}" ] || plan file "${path}" x; }
                ACTION=deactivate CONTAINERD_UNIT=containerd.service KUBELET_UNIT=kubelet.service KUBELET_CONFIG=/kubelet.yaml
                prove planner`,
            );
            expect(status, stderr).to.equal(path ? 1 : 0);
            if (path) expect(stderr).to.contain(`step "check after the change": ${by} rewrote ${path}; rolling back`);
            await sandbox().run("rm -r state");
        }
    });

    it("takes the cgroup driver from the runtime only where the kubelet does", async () => {
        const cases = {
            "v1.36.2 2": "systemd",
            "v1.34.0 2": "systemd",
            "v1.31.4 2": "systemd",
            "v1.30.9 2": "cgroupfs",
            "v1.36.2 1": "cgroupfs",
            "v1.31.4 2 --feature-gates=KubeletCgroupDriverFromCRI=false": "cgroupfs",
            "v1.29.0 2 --feature-gates=A=false,KubeletCgroupDriverFromCRI=true": "systemd",
            "v1.32.0 2 file": "cgroupfs",
            "v1.32.0 2 folder": "cgroupfs",
        };
        for (const [given, driver] of Object.entries(cases)) {
            const [version, major, gate] = given.split(" ");
            sandbox().write("kubelet", `#!/bin/sh\necho Kubernetes ${version}\n`);
            const gates = gate === "file" ? "featureGates:\n  KubeletCgroupDriverFromCRI: false # no\n" : "";
            const inFolder = gate === "folder" ? "featureGates:\n  KubeletCgroupDriverFromCRI: false\n" : "";
            sandbox().write("config.yaml", `cgroupDriver: cgroupfs\n${gates}`);
            sandbox().write("conf.d/10.conf", inFolder);
            const { stdout, stderr } = await sandbox().run(
                `chmod +x kubelet; KUBELET=$PWD/kubelet CONTAINERD_MAJOR=${major}
                kubelet_pid() { echo 1; }; dumped_driver() { echo systemd; }; curl() { return 7; }
                flag() {
                    case $2 in
                        --feature-gates) echo "${gate?.startsWith("--") ? gate.slice(16) : ""}" ;;
                        --config) echo config.yaml ;;
                        --config-dir) echo conf.d ;;
                    esac
                }
                cgroup_driver`,
            );
            expect(stdout.trim(), given + stderr).to.equal(driver);
        }
    });

    it("asks the running kubelet for its cgroup driver", async () => {
        sandbox().write("config.yaml", "cgroupDriver: cgroupfs\n");
        const { stdout } = await sandbox().run(
            `KUBELET=true KUBELET_CONFIG=$PWD/config.yaml CONTAINERD_MAJOR=1
            kubelet_pid() { echo 1; }
            curl() { echo '{"kubeletconfig":{"a":"b","cgroupDriver":"systemd","c":{}}}'; }
            cgroup_driver`,
        );
        expect(stdout).to.equal("systemd\n");
    });
});

inEveryShell("the kubelet's file without marks", (sandbox) => {
    for (const before of ["kind: x\ncgroupDriver: cgroupfs\nz: 1\n", "kind: x\nz: 1\n"]) {
        it(`comments-stripped: restores the driver: ${JSON.stringify(before)}`, async () => {
            sandbox().write("config.yaml", before);
            const { status, stdout, stderr } = await sandbox().run(
                `KUBELET_CONFIG=$PWD/config.yaml KUBELET_PID=1 CGROUP_DRIVER=systemd; flag() { :; }; kubelet_config_folder() { :; }
                empty_plan; : >"$WORK_DIR/edits"
                prepare_kubelet; grep -v '^#' "$WORK_DIR/kubelet" >config.yaml; cp "$WORK_DIR/edits" "$STATE_DIR/edits"
                : >"$WORK_DIR/edits"; prepare_kubelet; cmp "$WORK_DIR/edits" "$STATE_DIR/edits"
                empty_plan; CGROUP_DRIVER=""; prepare_kubelet; want_kubelet; cut -f 2 "$WORK_DIR/plan" >&2; cat "$WORK_DIR/kubelet"`,
            );
            expect({ status, stdout }).to.deep.equal({ status: 0, stdout: before });
            expect(stderr.trim()).to.equal(sandbox().path("config.yaml"));
        });
    }
});

inEveryShell("debug logs", (sandbox) => {
    it("says what containerd needs for the debug logs of the Go shim, unless it has it", async () => {
        const level = (level: string) => `[debug]\n  address = ""\n  level = "${level}"\n[grpc]\n  level = "debug"\n`;
        const [go, rust] = ["bin/containerd-shim-kata-v2", "runtime-rs/bin/containerd-shim-kata-v2"];
        for (const [debug, shim, dump, flag, says] of [
            ["true", go, level(""), "", true],
            ["true", go, level("info"), "", true],
            ["true", go, level("debug"), "", false],
            ["true", go, level("trace"), "", false],
            ["true", go, level("info"), "debug", false],
            ["true", rust, level("info"), "", false],
            ["false", go, level("info"), "", false],
        ] as const) {
            sandbox().write("work/dump", dump);
            const { status, stdout, stderr } = await sandbox().run(
                `${parsed("activate", ...classArguments("kata-qemu", { debug, "shim-path": shim }))}
                CONTAINERD_SOCKET=/s CONTAINERD_CONFIG=/etc/config.toml
                listener() { echo 1; }; flag() { echo ${flag}; }
                explain_debug`,
            );
            expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
            const words = /^debug logs .*set level = "debug" in the table \[debug\] of \/etc\/config\.toml\n$/;
            expect(stdout, dump).to.match(says ? words : /^$/);
        }
    });
});
