// containerd's template on a node of MicroK8s, whose service replaces variables in it at each start. A function of these tests
// renders as the service does; the real containerd tells how it understands the result, if the lab has built it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "smol-toml";
import { labProgram } from "../support/labPrograms";
import { inEveryShell } from "../support/shells";

const programs = {
    "1.6.20": labProgram(/^node-[0-9a-f]+$/, "usr/bin/containerd"),
    "2.3.7": labProgram(/^containerd-/, "containerd"),
};
type Version = keyof typeof programs;
const original = readFileSync(join(__dirname, "../../lab/stand-ins/microk8s/containerd-template.toml"), "utf8");
const template = "args/containerd-template.toml";

inEveryShell("containerd's template of MicroK8s", (sandbox) => {
    const run = (version: Version, script: string, handlers = "kata-qemu") =>
        sandbox().run(
            `HANDLERS="${handlers}" OWN_HANDLERS="${handlers}" REQUESTED="${handlers}" GROUPED="" CGROUP_DRIVER="" DISTRIBUTION=microk8s
            CONTAINERD=${programs[version]} CONTAINERD_VERSION=${version} CONTAINERD_MAJOR=${version[0]}
            CONTAINERD_UNIT=snap.microk8s.daemon-containerd.service CONTAINERD_CONFIG=$PWD/${template}
            say() { :; }
            start() {
                sed "s,\\\${SNAP_DATA},$PWD,g; s,\\\${SNAPSHOTTER},native,; s,\\\${RUNTIME},runc,; s,\\\${RUNTIME_TYPE},io.containerd.runc.v2," \\
                    ${template} >args/containerd.toml
            }
            plan_containerd() { dump_now; prepare_runtime; want_runtime; unwant_rest; }
            plan_removal() { dump_now; prepare_removal; want_runtime; unwant_rest; }
            change() { begin; carry_out_plan; commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"; cp "$WORK_DIR/edits" "$STATE_DIR/edits"; start; }
            activate() { empty_plan; plan_containerd; change; }
            deactivate() { empty_plan; plan_removal; change; }
            to_change() { empty_plan; plan_containerd; cut -f 2 "$WORK_DIR/plan"; }
            config_of() { echo "$PWD/kata-config/$1/configuration.toml"; }
            start
            ${script}`,
        );
    const ok = async (...args: Parameters<typeof run>) => {
        const { status, stdout, stderr } = await run(...args);
        expect(status, stderr).to.equal(0);
        return stdout;
    };
    const edited = () => readFileSync(sandbox().path(template), "utf8");
    const runtimes = (dump: string) => {
        const { plugins } = parse(dump) as any;
        return (plugins["io.containerd.cri.v1.runtime"] ?? plugins["io.containerd.grpc.v1.cri"]).containerd.runtimes;
    };
    beforeEach(function () {
        if (!programs["1.6.20"] || !programs["2.3.7"]) this.skip();
    });

    for (const version of Object.keys(programs) as Version[]) {
        for (const [kind, content] of Object.entries({
            "": original,
            " without a final newline": `${original}\n[debug]\n  level = "info"`,
        })) {
            it(`gets the runtimes in marked lines, keeps its variables, and gets every byte back (${version}${kind})`, async () => {
                sandbox().write(template, content);
                const all = runtimes(await ok(version, "activate; dump"));
                expect(all["kata-qemu"].options.ConfigPath).to.contain("kata-config/kata-qemu/");
                expect(all.kata.options.BinaryName).to.equal("kata-runtime");
                expect(all.runc.options?.SystemdCgroup ?? false).to.equal(false);
                expect(edited().startsWith(content)).to.equal(true);
                expect(await ok(version, "to_change")).to.equal("");
                await ok(version, "deactivate");
                expect(edited()).to.equal(content);
            });
        }

        it(`has the runtime kata already, which is disabled for a handler of that name and restored (${version})`, async () => {
            sandbox().write(template, original);
            const all = runtimes(await ok(version, "activate; dump", "kata"));
            expect(all.kata.options).to.have.property("ConfigPath").that.contains("kata-config/kata/");
            expect(all.kata.options).to.not.have.property("BinaryName");
            expect(edited()).to.match(/^#kata-containers:disabled# +BinaryName = "kata-runtime"$/m);
            expect(edited()).to.contain(`snapshotter = "\${SNAPSHOTTER}"`);
            expect(await ok(version, "to_change", "kata")).to.equal("");
            await ok(version, "deactivate", "kata");
            expect(edited()).to.equal(original);
        });
    }

    for (const version of Object.keys(programs) as Version[])
        it(`is refused if its runtimes do not have the kubelet's cgroup driver, and keeps the one that it has (${version})`, async () => {
            const requested = "cgroup_driver() { echo systemd; }; CGROUP_DRIVER=systemd";
            const options = (runtime: string) =>
                `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${runtime}.options]\n`;
            sandbox().write(template, original);
            const { status, stderr } = await run(version, `${requested}; to_change`);
            expect(status).to.equal(1);
            expect(stderr).to.match(
                /the cgroup driver of the runtime (runc|nvidia-container-runtime) is not systemd, which is that of the kubelet/,
            );
            expect(stderr).to.contain(
                "--cgroup-driver in /var/snap/microk8s/current/args/kubelet, together with SystemdCgroup",
            );
            const set = original
                .replace(options("nvidia-container-runtime"), "$&        SystemdCgroup = true\n")
                .concat(options("runc"), "SystemdCgroup = true\n");
            sandbox().write(template, set);
            expect(runtimes(await ok(version, `${requested}; activate; dump`)).runc.options.SystemdCgroup).to.equal(
                true,
            );
            expect(edited().startsWith(set)).to.equal(true);
        });

    it("is named in remedies with the restart that renders it, and with a command that works", async () => {
        const error = async (content: string, script = "to_change") => {
            sandbox().write(template, content);
            const { status, stderr } = await run("2.3.7", script);
            expect(status).to.equal(1);
            return stderr.replaceAll(sandbox().folder, "");
        };
        const restart = "restart snap.microk8s.daemon-containerd.service (which renders it)";
        const command = `until this succeeds: ${programs["2.3.7"]} --config /args/containerd.toml config dump`;
        const invalid = original.replace("oom_score = 0", 'oom_score = "x"');
        expect(await error(invalid))
            .to.contain(`correct /${template} and the files that it imports and ${restart} ${command}`)
            .and.contain("containerd rejects the new configuration");
        const running =
            'list_tasks() { echo RUNNING >"$WORK_DIR/tasks"; }; dump_now; IMPORTED=""; check_removed_runtimes';
        expect(await error(invalid, running)).to.contain(`correct /${template} and ${restart} ${command}`);
        const old = await error(original.replace("version = 2\n", ""));
        expect(old).to.contain(`/${template} has configuration version 1`).and.not.contain("config migrate");
        expect(old).to.contain("begin it with `version = 2`").and.contain("restart snap.microk8s.daemon-containerd");
    });

    it("is in force only as it was rendered at the last start", async () => {
        sandbox().write(template, original);
        await ok("1.6.20", "activate");
        const [now, then] = (
            await ok("1.6.20", `cp ${template} kept; echo >${template}; dump; echo ====; start; dump`)
        ).split("====");
        expect(runtimes(now!)).to.include.keys("kata-qemu");
        expect(runtimes(then!) ?? {}).to.not.include.keys("kata-qemu");
    });

    it("imports a folder by a variable", async () => {
        const importing = original.replace(
            "version = 2",
            `version = 2\nimports = ["\${SNAP_DATA}/args/mine.d/*.toml"]`,
        );
        sandbox().write(template, importing);
        const all = runtimes(await ok("2.3.7", "activate; dump"));
        expect(all["kata-qemu"].options.ConfigPath).to.contain("kata-config/kata-qemu/");
        expect(edited()).to.equal(importing);
        expect(readdirSync(sandbox().path("args/mine.d"))).to.deep.equal(["kata-containers.toml"]);
    });
});
