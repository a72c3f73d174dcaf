import { expect } from "chai";
import { parse } from "smol-toml";
import { fixtures, inEveryShell, type Sandbox } from "../support/shells";

const grpc = "io.containerd.grpc.v1.cri";
const cri = "io.containerd.cri.v1.runtime";

interface Form {
    plugin?: string;
    cgroup?: string;
    major?: number;
}
const mark = async (sandbox: Sandbox, text: string, { plugin = grpc, cgroup = "", major = 1 }: Form = {}) => {
    sandbox.write("config.toml", text);
    return sandbox.run(
        `KATA_LINK=/opt/kata HANDLERS=kata-qemu CRI_PLUGIN=${plugin} CONTAINERD_MAJOR=${major}
        mark_containerd config.toml "${cgroup}" "$F_TABLES" ""`,
        { F_TABLES: `${table("kata-qemu", plugin)}\nruntime_type = "io.containerd.kata-qemu.v2"` },
    );
};
const unmark = async (sandbox: Sandbox, text: string) => {
    sandbox.write("marked.toml", text);
    return (await sandbox.run("unmark marked.toml")).stdout;
};
const runtimes = (text: string, plugin = grpc) => (parse(text) as any).plugins[plugin].containerd.runtimes;

const table = (name: string, plugin = grpc) => `[plugins."${plugin}".containerd.runtimes.${name}]`;
const samples: { [name: string]: string } = {
    empty: "",
    "without a runtimes table (Debian)":
        'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri".cni]\n    bin_dir = "/usr/lib/cni"\n',
    "without a final newline": "version = 2",
    "with runc and its options": `version = 2\n  ${table("runc")}\n    runtime_type = "io.containerd.runc.v2"\n    ${table("runc.options")}\n      SystemdCgroup = false # see docs\n`,
    "with runc without options": `version = 2\n${table("runc")}\nruntime_type = 'io.containerd.runc.v2'\n[debug]\nlevel = "info"\n`,
    "with options that do not set it": `version = 2\n${table("runc")}\nruntime_type = "io.containerd.runc.v2"\n${table("runc.options")}\nBinaryName = "x"`,
    "with a table of the handler's name": `version = 2\n# theirs\n${table("kata-qemu")}\n  runtime_type = "io.containerd.kata-qemu.v2"\n\n  note = """\n[debug]\n# x\n"""\n${table("'kata-qemu'.options")}\nConfigPath = "/x"\n[debug]\nlevel = "info"\n`,
    "with Windows line ends": `version = 2\r\n${table("runc")}\r\nruntime_type = "io.containerd.runc.v2"\r\n`,
};
for (const { name, text } of fixtures("containerd-config")) samples[name] = text;
const pluginOf = (text: string) => (text.includes(cri) ? cri : grpc);

inEveryShell("editing containerd's main file", (sandbox) => {
    for (const [name, text] of Object.entries(samples)) {
        for (const cgroup of ["", "true", "false"]) {
            it(`adds the handler and can restore every byte: ${name}, SystemdCgroup ${cgroup || "unchanged"}`, async () => {
                const plugin = pluginOf(text);
                const { status, stdout, stderr } = await mark(sandbox(), text, { plugin, cgroup });
                expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
                const { runc, "kata-qemu": kata, ...others } = runtimes(stdout, plugin);
                expect(kata).to.deep.equal({ runtime_type: "io.containerd.kata-qemu.v2" });
                expect(runc.runtime_type).to.equal("io.containerd.runc.v2");
                expect(others).to.deep.equal({});
                if (cgroup) expect(runc.options.SystemdCgroup).to.equal(cgroup === "true");
                expect(await unmark(sandbox(), stdout)).to.equal(text);
                expect(stdout).to.equal(
                    (await mark(sandbox(), await unmark(sandbox(), stdout), { plugin, cgroup })).stdout,
                );
            });
        }
    }

    it("removes only managed edits from containerd's file, and keeps later changes of others", async () => {
        const text = samples["with runc and its options"]!;
        const { stdout } = await mark(sandbox(), text, { cgroup: "true" });
        const edited = stdout
            .replace("      SystemdCgroup = true", "      SystemdCgroup = false # by hand")
            .replace("version = 2\n", "version = 2\nroot = '/data'\n")
            .concat("[debug]\nlevel = 'debug'\n");
        expect(await unmark(sandbox(), edited)).to.equal(
            text
                .replace("SystemdCgroup = false # see docs", "SystemdCgroup = false # by hand")
                .replace("version = 2\n", "version = 2\nroot = '/data'\n")
                .concat("[debug]\nlevel = 'debug'\n"),
        );
    });

    it("sets the cgroup driver of every runc runtime, and adds no runc if another runtime is the default", async () => {
        const text = `version = 2\n[plugins."${grpc}".containerd]\ndefault_runtime_name = "nvidia"\n${table("nvidia")}\nruntime_type = "io.containerd.runc.v2"\n${table("gvisor")}\nruntime_type = "io.containerd.runsc.v1"\n`;
        const { stdout } = await mark(sandbox(), text, { cgroup: "true" });
        expect(runtimes(stdout)).to.deep.equal({
            nvidia: { runtime_type: "io.containerd.runc.v2", options: { SystemdCgroup: true } },
            gvisor: { runtime_type: "io.containerd.runsc.v1" },
            "kata-qemu": { runtime_type: "io.containerd.kata-qemu.v2" },
        });
    });

    it("does not write runc for containerd 2.x, which keeps the built-in one", async () => {
        const { stdout } = await mark(sandbox(), "version = 3\n", { plugin: cri, major: 2 });
        expect(Object.keys(runtimes(stdout, cri))).to.deep.equal(["kata-qemu"]);
    });

    for (const [form, imports] of Object.entries({
        "in one line": `["/etc/containerd/conf.d/*.toml", "/opt/kata/containerd/config.d/kata-deploy.toml"]`,
        "at the front": `['/opt/kata/a.toml' , "/etc/containerd/conf.d/*.toml"] # both`,
        "on lines of their own": `[\n  "/opt/kata/a.toml", # theirs\n  "/etc/containerd/conf.d/*.toml",\n  "/opt/kata/b.toml"\n]`,
        "with others on the line": `["/etc/containerd/conf.d/*.toml", "/opt/kata/a.toml",\n "/opt/kata/b.toml"]`,
    })) {
        it(`disables imports from /opt/kata and can restore them: imports ${form}`, async () => {
            const text = `version = 3\nimports = ${imports}\nroot = "/opt/kata/"\n`;
            const { status, stdout } = await mark(sandbox(), text, { plugin: cri, major: 2 });
            expect(status).to.equal(0);
            expect(parse(stdout)).to.deep.include({ imports: ["/etc/containerd/conf.d/*.toml"], root: "/opt/kata/" });
            expect(await unmark(sandbox(), stdout)).to.equal(text);
        });
    }

    for (const [form, text] of Object.entries({
        "an inline runtimes table": `[plugins."${grpc}".containerd]\nruntimes = { runc = { runtime_type = "io.containerd.runc.v2" } }\n`,
        "an inline runtime": `[plugins."${grpc}".containerd.runtimes]\nrunc = { runtime_type = "io.containerd.runc.v2" }\n`,
        "dotted keys from above": `[plugins."${grpc}"]\ncontainerd.runtimes.runc.runtime_type = "io.containerd.runc.v2"\n`,
        "an inline plugin": `[plugins]\n"${grpc}" = { containerd = {} }\n`,
        "inline options": `${table("runc")}\nruntime_type = "io.containerd.runc.v2"\noptions = { SystemdCgroup = false }\n`,
        "dotted options": `${table("runc")}\nruntime_type = "io.containerd.runc.v2"\noptions.SystemdCgroup = false\n`,
    })) {
        it(`refuses a containerd configuration with ${form}, and names the line`, async () => {
            const { status, stdout, stderr } = await mark(sandbox(), `version = 2\n${text}`, { cgroup: "true" });
            expect(status).to.equal(4);
            expect(stderr).to.match(/^line [34]: /);
            expect(stdout).to.equal("");
        });
    }
});

const kubelet = async (sandbox: Sandbox, text: string, driver: string) => {
    sandbox.write("config.yaml", text);
    return (await sandbox.run(`mark_yaml config.yaml cgroupDriver ${driver}`)).stdout;
};
inEveryShell("editing the kubelet's file", (sandbox) => {
    for (const text of [
        "kind: KubeletConfiguration\ncgroupDriver: cgroupfs # old\nmaxPods: 110\n",
        "kind: KubeletConfiguration\n# cgroupDriver: cgroupfs\nnested:\n  cgroupDriver: x\n",
        "a: b\ncgroupDriver: cgroupfs",
        '"cgroupDriver": "cgroupfs"\na: b\n',
        "a: b",
        "",
    ]) {
        it(`sets the cgroup driver in the kubelet's file and can restore every byte: ${JSON.stringify(text)}`, async () => {
            const marked = await kubelet(sandbox(), text, "systemd");
            const lines = marked.split("\n").filter((line) => /^cgroupDriver:/.test(line));
            expect(lines).to.deep.equal(["cgroupDriver: systemd"]);
            expect(await unmark(sandbox(), marked)).to.equal(text);
        });
    }

    it("kubelet-duplicate-key: sets the driver in each of several entries, and reads the last one", async () => {
        const text = "a: b\ncgroupDriver: cgroupfs\n# added later\ncgroupDriver: cgroupfs\n";
        const marked = await kubelet(sandbox(), text, "systemd");
        expect(marked.match(/^cgroupDriver: .*$/gm)).to.deep.equal(["cgroupDriver: systemd", "cgroupDriver: systemd"]);
        expect(await unmark(sandbox(), marked)).to.equal(text);
        sandbox().write("config.yaml", "cgroupDriver: systemd\ncgroupDriver: cgroupfs # last\na: b\n");
        expect((await sandbox().run("yaml_get config.yaml cgroupDriver")).stdout).to.equal("cgroupfs\n");
    });

    it("does not change a kubelet configuration that already has the requested cgroup driver", async () => {
        const text = 'a: b\ncgroupDriver: "systemd" # by kubeadm\n';
        expect(await kubelet(sandbox(), text, "systemd")).to.equal(text);
    });
});
