// Distributions that render containerd's configuration from templates. A function of these tests renders as they do at each start;
// the real containerd tells how it understands the result. These tests need the programs that the lab has built.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "smol-toml";
import { inEveryShell } from "../support/shells";

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "kata-containers-lab");
const find = (folder: RegExp, program: string) =>
    (existsSync(cache) ? readdirSync(cache) : [])
        .filter((name) => folder.test(name))
        .map((name) => join(cache, name, program))
        .find(existsSync);
const programs = {
    "1.6.20": find(/^node-[0-9a-f]+$/, "usr/bin/containerd"),
    "2.3.7": find(/^containerd-/, "containerd"),
};
type Version = keyof typeof programs;

const base = '{{ template "base" . }}';
const kata = (plugin: string, handler = "kata-qemu") =>
    `[plugins.'${plugin}'.containerd.runtimes.${handler}]\nruntime_type = "io.containerd.other.v2"\n`;
const v3 = "io.containerd.cri.v1.runtime";

inEveryShell("a rendered configuration of containerd", (sandbox) => {
    const folder = "etc";
    const files = () =>
        Object.fromEntries(
            readdirSync(sandbox().path(folder), { recursive: true, encoding: "utf8" })
                .filter((name) => /\.(toml|tmpl)$/.test(name) && name !== "config.toml")
                .map((name) => [name, readFileSync(sandbox().path(`${folder}/${name}`), "utf8")]),
        );
    const fixture = (name: string) =>
        readFileSync(join(__dirname, `../fixtures/rendered-config/${name}.toml`), "utf8").replace(
            /\/var\/lib\/rancher\/\w+\/agent\/etc\/containerd/g,
            sandbox().path(folder),
        );
    /** Runs a script on a node whose release has this built-in template. `start` is a start of the distribution. */
    const run = (version: Version, builtIn: string, script: string, release = "1.35.0") =>
        sandbox().run(
            `mkdir -p etc
            cat >base <<'BASE'
${fixture(builtIn)}BASE
            HANDLERS=kata-qemu OWN_HANDLERS=kata-qemu REQUESTED=kata-qemu GROUPED="" CGROUP_DRIVER="" DISTRIBUTION=rke2
            CONTAINERD=${programs[version]} CONTAINERD_VERSION=${version} CONTAINERD_MAJOR=${version[0]}
            CONTAINERD_UNIT=rke2-server.service CONTAINERD_CONFIG=$PWD/etc/config.toml CONTAINERD_TEMPLATES=$PWD/etc
            say() { :; }
            kubelet_version() { echo ${release}; }
            start() {
                local template=base
                for file in ${builtIn.startsWith("v3") ? "etc/config-v3.toml.tmpl" : ""} etc/config.toml.tmpl; do
                    if [ -f "$file" ]; then template=$file && break; fi
                done
                awk 'NR == FNR { base = base $0 "\\n"; next } $0 == "${base.replaceAll('"', '\\"')}" { printf "%s", base; next } { print }' base "$template" >rendered
                if [ "$template" = base ]; then cp base rendered; fi
                cat rendered >etc/config.toml
            }
            plan_containerd() { prepare_runtime; want_containerd; unwant_rest; }
            plan_removal() { prepare_removal; want_containerd; unwant_rest; }
            change() { begin; carry_out_plan; commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"; start; }
            activate() { empty_plan; plan_containerd; change; }
            deactivate() { empty_plan; plan_removal; change; remove_folders; }
            to_change() { empty_plan; plan_containerd; cut -f 2 "$WORK_DIR/plan"; }
            config_of() { echo "$PWD/kata-config/$1/configuration.toml"; }
            ${script}`,
        );
    const ok = async (...args: Parameters<typeof run>) => {
        const { status, stdout, stderr } = await run(...args);
        expect(status, stderr).to.equal(0);
        return stdout;
    };
    const refused = async (...args: Parameters<typeof run>) => {
        const { status, stdout, stderr } = await run(...args);
        expect(status, stdout).to.equal(1);
        return stderr.replaceAll(`${sandbox().path(folder)}/`, "");
    };
    const runtimes = (dump: string) => {
        const { plugins } = parse(dump) as any;
        return (plugins[v3] ?? plugins["io.containerd.grpc.v1.cri"]).containerd.runtimes;
    };
    /** Activates, checks what containerd then understands and that nothing is left to change, and deactivates. */
    const activated = async (version: Version, builtIn: string, before = "start") => {
        const dump = await ok(version, builtIn, `${before}; activate; dump`);
        expect(runtimes(dump)["kata-qemu"].options.ConfigPath).to.contain("kata-config/kata-qemu/");
        expect(runtimes(dump).runc.options.SystemdCgroup).to.equal(true);
        expect(await ok(version, builtIn, "to_change")).to.equal("");
        const result = files();
        await ok(version, builtIn, "deactivate");
        return result;
    };
    beforeEach(function () {
        if (!programs["1.6.20"] || !programs["2.3.7"]) this.skip();
    });

    it("gets a file in the drop-in folder that it imports, which did not exist", async () => {
        expect(await activated("2.3.7", "v3-with-imports")).to.have.all.keys("config-v3.toml.d/kata-containers.toml");
        expect(existsSync(sandbox().path("etc/config-v3.toml.d"))).to.equal(false);
        expect(readFileSync(sandbox().path("etc/config.toml"), "utf8")).to.equal(fixture("v3-with-imports"));
    });

    const others: { [kind: string]: (builtIn: string) => string } = {
        "that includes the built-in one": () => `# mine\n${base}\n[debug]\n  level = "info"\n`,
        "without a final newline": () => `# mine\n${base}\n[debug]\n  level = "info"`,
        "that is a copy of the rendered file": fixture,
    };
    for (const [version, builtIn, template] of [
        ["2.3.7", "v3", "config-v3.toml.tmpl"],
        ["1.6.20", "v2", "config.toml.tmpl"],
    ] as const) {
        it(`gets a template that includes the built-in one, if it imports no folder (${builtIn})`, async () => {
            const written = await activated(version, builtIn);
            expect(written).to.have.all.keys(template);
            expect(written[template]!.split("\n")[1]).to.equal(base);
            expect(files()).to.deep.equal({});
            expect(readFileSync(sandbox().path("etc/config.toml"), "utf8")).to.equal(fixture(builtIn));
        });

        for (const [kind, content] of Object.entries(others)) {
            it(`keeps somebody else's template ${kind}, and restores every byte of it (${builtIn})`, async () => {
                sandbox().write(`etc/${template}`, content(builtIn));
                const written = await activated(version, builtIn);
                expect(written[template]).to.match(/^#kata-containers:begin/m);
                expect(written[template]!.startsWith(content(builtIn))).to.equal(true);
                expect(files()).to.deep.equal({ [template]: content(builtIn) });
            });
        }
    }

    it("replaces the managed template by a drop-in file when an upgraded release imports a folder", async () => {
        await ok("2.3.7", "v3", "start; activate");
        const dump = await ok("2.3.7", "v3-with-imports", "start; activate; dump");
        expect(runtimes(dump)).to.include.keys("kata-qemu", "runc");
        expect(files()).to.have.all.keys("config-v3.toml.d/kata-containers.toml");
    });

    it("loses the managed lines of somebody else's template when an upgraded release imports a folder", async () => {
        const mine = `${base}\n[debug]\n  level = "info"\n`;
        sandbox().write("etc/config-v3.toml.tmpl", mine);
        await ok("2.3.7", "v3", "start; activate");
        await ok("2.3.7", "v3-with-imports", "start; activate");
        expect(files()["config-v3.toml.tmpl"]).to.equal(mine);
        expect(await ok("2.3.7", "v3-with-imports", "to_change")).to.equal("");
        await ok("2.3.7", "v3-with-imports", "deactivate");
        expect(files()).to.deep.equal({ "config-v3.toml.tmpl": mine });
    });

    it("gets the lines into the template that is rendered without the built-in one, and so imports no folder", async () => {
        sandbox().write("etc/config-v3.toml.tmpl", fixture("v3"));
        expect(await activated("2.3.7", "v3-with-imports")).to.have.all.keys("config-v3.toml.tmpl");
    });

    it("disables somebody else's runtime of that name in the drop-in folder, and restores it", async () => {
        const other = kata(v3) + kata(v3, "mine");
        sandbox().write("etc/config-v3.toml.d/kata-deploy.toml", other);
        const written = await activated("2.3.7", "v3-with-imports");
        expect(written["config-v3.toml.d/kata-deploy.toml"]).to.contain("#kata-containers:disabled#");
        expect(files()).to.deep.equal({ "config-v3.toml.d/kata-deploy.toml": other });
    });

    it("refuses a template that has a runtime of that name", async () => {
        sandbox().write("etc/config-v3.toml.tmpl", `${base}\n${kata(v3)}`);
        const error = await refused("2.3.7", "v3", "start; activate");
        expect(error).to.contain("the runtime kata-qemu is in config.toml already, which rke2 renders");
        expect(error).to.contain(
            "config-v3.toml.tmpl has its tables, remove them there and restart rke2-server.service",
        );
    });

    it("refuses a template that was changed since the last start", async () => {
        sandbox().write("etc/config-v3.toml.tmpl", `${base}\n`);
        const error = await refused("2.3.7", "v3", "start; sleep 1.1; echo x >>etc/config-v3.toml.tmpl; activate");
        expect(error).to.contain("config-v3.toml.tmpl was changed after config.toml was rendered from it");
        expect(error).to.contain("restart rke2-server.service");
    });

    it("refuses a release whose templates cannot include the built-in one", async () => {
        const error = await refused("1.6.20", "v2", "start; activate", "1.27.4");
        expect(error).to.contain("rke2 1.27.4 has no drop-in folder for containerd");
        expect(error).to.contain("upgrade rke2 to 1.28 or later");
        expect(files()).to.deep.equal({});
    });

    it("never has an edit in the rendered file itself", async () => {
        for (const builtIn of ["v3", "v3-with-imports"]) {
            expect(await ok("2.3.7", builtIn, "start; empty_plan; plan_containerd; cut -f 2 work/plan")).to.not.match(
                /\/config\.toml$/m,
            );
        }
    });
});
