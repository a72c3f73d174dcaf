// Distributions that render containerd's configuration from templates. A function of these tests renders as they do at each start;
// the real containerd tells how it understands the result. These tests need the programs that the lab has built.

import {
    existsSync,
    lstatSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    rmSync,
    symlinkSync,
} from "node:fs";
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
    /** The built-in template for a user's config.toml.tmpl, of the same release. */
    const old = (builtIn: string) =>
        builtIn.endsWith("imports")
            ? fixture("v2").replace("version = 2\n", `$&imports = ["${sandbox().path(folder)}/config.toml.d/*.toml"]\n`)
            : fixture("v2");
    /** Runs a script on a node whose release has this built-in template. `start` is a start of the distribution. */
    const run = (version: Version, builtIn: string, script: string, release = "1.35.0") =>
        sandbox().run(
            `mkdir -p etc
            cat >base <<'BASE'
${fixture(builtIn)}BASE
            cat >base-v2 <<'BASE'
${old(builtIn)}BASE
            HANDLERS=kata-qemu OWN_HANDLERS=kata-qemu REQUESTED=kata-qemu GROUPED="" CGROUP_DRIVER="" DISTRIBUTION=rke2
            CONTAINERD=${programs[version]} CONTAINERD_VERSION=${version} CONTAINERD_MAJOR=${version[0]}
            CONTAINERD_PID=1 CONTAINERD_UNIT=rke2-server.service CONTAINERD_CONFIG=$PWD/etc/config.toml CONTAINERD_TEMPLATES=$PWD/etc
            say() { :; }
            kubelet_version() { echo ${release}; }
            start() {
                local base=base
                echo '${base}' >template
                if [ -f etc/config.toml.tmpl ]; then cp etc/config.toml.tmpl template && base=base-v2; fi
                ${builtIn === "v2" ? "" : "if [ -f etc/config-v3.toml.tmpl ]; then cp etc/config-v3.toml.tmpl template && base=base; fi"}
                grep -v '^{{/' template >uncommented
                awk 'NR == FNR { base = base $0 "\\n"; next } $0 == "${base.replaceAll('"', '\\"')}" { printf "%s", base; next } { print }' $base uncommented >rendered
                cat rendered >etc/config.toml
            }
            plan_containerd() { dump_now; prepare_runtime; want_runtime; unwant_rest; }
            plan_removal() { dump_now; prepare_removal; want_runtime; unwant_rest; }
            change() {
                empty_plan; "$1"; begin; carry_out_plan; start
                empty_plan; "$1"; [ ! -s "$WORK_DIR/plan" ] || fail "rewrote $(head -n 1 "$WORK_DIR/plan")" ""
                commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"
            }
            activate() { change plan_containerd; }
            deactivate() { change plan_removal; remove_folders; }
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

    it("keeps the managed template of containerd 1.x when an upgrade to 2.x imports a folder", async () => {
        await ok("1.6.20", "v2", "start; activate");
        const before = files();
        for (const builtIn of ["v3", "v3-with-imports"]) {
            expect(await ok("2.3.7", builtIn, "start; to_change")).to.equal("");
            expect(runtimes(await ok("2.3.7", builtIn, "dump"))).to.include.keys("kata-qemu", "runc");
        }
        expect(files()).to.deep.equal(before);
        await ok("2.3.7", "v3-with-imports", "rm etc/config.toml.tmpl; activate");
        expect(files()).to.deep.equal(before);
        await ok("2.3.7", "v3-with-imports", "HANDLERS='kata-clh kata-qemu'; activate");
        expect(files()).to.have.all.keys("config.toml.tmpl");
        await ok("2.3.7", "v3-with-imports", "deactivate");
        expect(files()).to.deep.equal({});
        await ok("2.3.7", "v3-with-imports", "activate");
        expect(files()).to.have.all.keys("config-v3.toml.d/kata-containers.toml");
    });

    for (const [builtIn, content] of [
        ["v3", "v2"],
        ["v3", "v3"],
        ["v3-with-imports", "v3"],
    ] as const) {
        it(`adds to somebody else's config.toml.tmpl on containerd 2.x, whatever version it has (${content}, ${builtIn})`, async () => {
            const mine = fixture(content);
            sandbox().write("etc/config.toml.tmpl", mine);
            expect(await activated("2.3.7", builtIn)).to.have.all.keys("config.toml.tmpl");
            expect(files()).to.deep.equal({ "config.toml.tmpl": mine });
        });
    }

    it("puts a drop-in file into the folder of the version that somebody else's config.toml.tmpl has", async () => {
        const mine = `${base}\n[debug]\n  level = "info"\n`;
        sandbox().write("etc/config.toml.tmpl", mine);
        expect(await activated("2.3.7", "v3-with-imports")).to.have.all.keys(
            "config.toml.tmpl",
            "config.toml.d/kata-containers.toml",
        );
        expect(files()).to.deep.equal({ "config.toml.tmpl": mine });
    });

    it("replaces the drop-in file by a template when somebody removes the config.toml.tmpl that it belonged to", async () => {
        sandbox().write("etc/config.toml.tmpl", `${base}\n`);
        await ok("2.3.7", "v3-with-imports", "start; activate; rm etc/config.toml.tmpl; activate");
        expect(files()).to.have.all.keys("config.toml.tmpl");
        expect(runtimes(await ok("2.3.7", "v3-with-imports", "dump"))).to.include.keys("kata-qemu", "runc");
        await ok("2.3.7", "v3-with-imports", "deactivate");
        expect(files()).to.deep.equal({});
    });

    it("leaves no trace of the managed template in the rendered file but its tables", async () => {
        const rendered = await ok("2.3.7", "v3", "start; activate; cat etc/config.toml");
        expect(rendered.startsWith(`${fixture("v3")}#kata-containers:begin\n[plugins.`)).to.equal(true);
    });

    it("refuses a template that imports from /opt/kata", async () => {
        for (const builtIn of ["v3", "v3-with-imports"]) {
            const imported = sandbox().write("kata/containerd/kata.toml", "version = 3\n");
            sandbox().write(
                "etc/config-v3.toml.tmpl",
                fixture("v3").replace("version = 3\n", `$&imports = ["${imported}"]\n`),
            );
            const error = await refused("2.3.7", builtIn, "start; activate");
            expect(error).to.contain("config.toml, which rke2 renders, imports a file in");
            expect(error).to.contain("remove it from `imports` in config-v3.toml.tmpl, restart rke2-server.service");
        }
    });

    it("refuses a restart that loses a runtime of others or another default one, and rolls back", async () => {
        const mine = kata(v3, "mine");
        for (const [content, lost] of [
            [`${base}\n${mine}`, "runtime mine"],
            [`${base}\n${mine}[plugins.'${v3}'.containerd]\ndefault_runtime_name = "mine"\n`, "runtime mine"],
            [
                `${base}\n[plugins.'${v3}'.containerd]\ndefault_runtime_name = "other"\n${kata(v3, "other")}`,
                "runtime other",
            ],
        ] as const) {
            sandbox().write("etc/config-v3.toml.tmpl", content);
            const error = await refused(
                "2.3.7",
                "v3-with-imports",
                "start; rm -rf etc/config-v3.toml.tmpl state/journal; activate",
            );
            expect(error).to.contain(
                `after the change containerd has no ${lost} any longer, which config.toml had before`,
            );
            expect(error).to.contain("restart rke2-server.service");
        }
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

    it("edits the target of a template or drop-in file that is a link, keeps the link, and restores the target in a rollback", async () => {
        const mine = `${base}\n`;
        const other = kata(v3) + kata(v3, "mine");
        const target = sandbox().write("mine/template", mine);
        const drop = sandbox().write("mine/drop-in", other);
        const text = (file: string) => readFileSync(file, "utf8");
        for (const [builtIn, link, file, before] of [
            ["v3", "etc/config-v3.toml.tmpl", target, mine],
            ["v3-with-imports", "etc/config-v3.toml.d/kata-deploy.toml", drop, other],
        ] as const) {
            mkdirSync(join(sandbox().path(link), ".."), { recursive: true });
            symlinkSync(file, sandbox().path(link));
            await ok("2.3.7", builtIn, "start; empty_plan; plan_containerd; begin; carry_out_plan; roll_back; commit");
            expect(text(file)).to.equal(before);
            const planned = "empty_plan; plan_containerd; if runtime_planned; then echo planned; fi";
            expect(await ok("2.3.7", builtIn, planned)).to.equal("planned\n");
            await ok("2.3.7", builtIn, "activate");
            expect(text(file)).to.contain("#kata-containers:");
            expect(lstatSync(sandbox().path(link)).isSymbolicLink()).to.equal(true);
            await ok("2.3.7", builtIn, "deactivate");
            expect(text(file)).to.equal(before);
            expect(readlinkSync(sandbox().path(link))).to.equal(file);
            rmSync(sandbox().path(link));
        }
    });

    it("refuses a template that has a runtime of that name", async () => {
        sandbox().write("etc/config-v3.toml.tmpl", `${base}\n${kata(v3)}`);
        const error = await refused("2.3.7", "v3", "start; activate");
        expect(error).to.contain("the runtime kata-qemu is in config.toml already, which rke2 renders");
        expect(error).to.contain(
            "config-v3.toml.tmpl has its tables, remove them there and restart rke2-server.service",
        );
    });

    it("refuses a template that trims the white space behind its end", async () => {
        for (const end of ['{{ template "base" . -}}', "{{- if .}}\nx = 1\n{{ end -}} \n\n"]) {
            sandbox().write("etc/config-v3.toml.tmpl", end);
            const error = await refused(
                "2.3.7",
                "v3",
                `echo '${base}' >etc/config-v3.toml.tmpl; start
                printf '%s' '${end}' >etc/config-v3.toml.tmpl; touch -t 202001010000 etc/config-v3.toml.tmpl; activate`,
            );
            expect(error).to.contain(
                "the action at the end of config-v3.toml.tmpl trims the white space behind it, so lines cannot be added there",
            );
            expect(error).to.contain("end it with }} instead of -}}, restart rke2-server.service");
            expect(files()["config-v3.toml.tmpl"]).to.equal(end);
        }
    });

    it("names the template for a mark that is missing in the rendered file", async () => {
        const error = await refused("2.3.7", "v3", "start; echo '#kata-containers:begin' >>etc/config.toml; activate");
        expect(error).to.contain("of config.toml has no matching mark");
        expect(error).to.contain(
            `together with the mark in its template in ${sandbox().path("etc")}, and restart rke2-server.service`,
        );
    });

    it("refuses a template that was changed since the last start", async () => {
        sandbox().write("etc/config-v3.toml.tmpl", `${base}\n`);
        const error = await refused("2.3.7", "v3", "start; sleep 1.1; echo x >>etc/config-v3.toml.tmpl; activate");
        expect(error).to.contain("config-v3.toml.tmpl was changed after config.toml was rendered");
        expect(error).to.contain("restart rke2-server.service");
        sandbox().write("etc/config.toml.tmpl", "");
        expect(await refused("2.3.7", "v3", "start; sleep 1.1; touch etc/config.toml.tmpl; activate")).to.contain(
            "config.toml.tmpl was changed after config.toml was rendered",
        );
    });

    it("refuses a release whose templates cannot include the built-in one", async () => {
        const error = await refused("1.6.20", "v2", "start; activate", "1.27.4");
        expect(error).to.contain("rke2 1.27.4 has no drop-in folder for containerd");
        expect(error).to.contain("upgrade rke2 to 1.28 or later");
        expect(files()).to.deep.equal({});
    });

    it("keeps the managed template of a stopped distribution, whose release is not known, for another component", async () => {
        await ok("2.3.7", "v3", "start; HANDLERS='kata-clh kata-qemu'; activate");
        await ok("2.3.7", "v3", "activate", "");
        expect(files()["config-v3.toml.tmpl"]).to.contain("kata-qemu").and.not.contain("kata-clh");
    });

    it("never has an edit in the rendered file itself", async () => {
        for (const builtIn of ["v3", "v3-with-imports"]) {
            expect(await ok("2.3.7", builtIn, "start; empty_plan; plan_containerd; cut -f 2 work/plan")).to.not.match(
                /\/config\.toml$/m,
            );
        }
    });
});
