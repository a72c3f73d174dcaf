import { expect } from "chai";
import { parse as parseToml } from "smol-toml";
import { fixtures, inEveryShell, type Sandbox } from "../support/shells";

const parse = (text: string): any => parseToml(text, { integersAsBigInt: "asNeeded" });

// As in Kata 2.2.2: keys commented out, the same key in several tables.
const old = `# Copyright
[hypervisor.qemu]
path = "/opt/kata/bin/qemu"
# Default memory in MiB.
default_memory = 2048
kernel_params = "a=b # no comment"
valid_paths = ["/opt/[x]",
  "# not a comment",
]
# If enable_debug is set, QEMU says more.
#enable_debug = true

[agent.kata]
#enable_debug = true

[netmon]
#enable_debug = true
[runtime]
sandbox_cgroup_only=false
#enable_debug = true
`;
// As in Kata 3.24.0 and later.
const recent = `[hypervisor.qemu]
enable_debug = false # quiet
text = """
[runtime]
enable_debug = false
"""
[hypervisor.qemu.factory]
enable_template = false
[agent.kata]
enable_debug = false
[runtime]
  enable_debug = false
`;

const set = async (sandbox: Sandbox, text: string, settings: string[][]) => {
    sandbox.write("config.toml", text);
    const lines = settings.map((fields) => fields.join("\t")).join("\n");
    return sandbox.run('toml_set config.toml "$LINES_TO_SET"', { LINES_TO_SET: lines });
};
const debug = (value: string) => ["*", "enable_debug", value];

/** The lines of `after` that are not in `before`. */
const changed = (before: string, after: string) =>
    after.split("\n").filter((line, i, all) => count(all.slice(0, i + 1), line) > count(before.split("\n"), line));
const count = (lines: string[], wanted: string) => lines.filter((line) => line === wanted).length;

inEveryShell("editing Kata's configuration", (sandbox) => {
    it("enables debug in every table of Kata's configuration that has the key, even as a comment", async () => {
        const first = await set(sandbox(), old, [debug("true")]);
        expect(first).to.include({ status: 0, stderr: "" });
        expect(parse(first.stdout)).to.deep.equal({
            hypervisor: { qemu: { ...parse(old).hypervisor.qemu, enable_debug: true } },
            agent: { kata: { enable_debug: true } },
            netmon: { enable_debug: true },
            runtime: { sandbox_cgroup_only: false, enable_debug: true },
        });
        expect(first.stdout).to.contain("# If enable_debug is set, QEMU says more.");
        const second = await set(sandbox(), recent, [debug("true")]);
        const result = parse(second.stdout);
        expect([result.hypervisor.qemu, result.agent.kata, result.runtime].map((t) => t.enable_debug)).to.deep.equal([
            true,
            true,
            true,
        ]);
        expect(result.hypervisor.qemu.text).to.equal("[runtime]\nenable_debug = false\n");
        expect(result.hypervisor.qemu.factory).to.deep.equal({ enable_template: false });
    });

    it("writes enable_debug = false explicitly, so that no component of Kata uses its own default", async () => {
        const { stdout } = await set(sandbox(), old, [debug("false")]);
        expect(count(stdout.split("\n"), "enable_debug = false")).to.equal(4);
    });

    it("replaces, enables and adds keys in Kata's configuration, and changes nothing else", async () => {
        const { stdout } = await set(sandbox(), old, [
            ["hypervisor.qemu", "default_memory", "4096"],
            ["hypervisor.qemu", "valid_paths", '["/x"]'],
            ["agent.kata", "enable_debug", "true"],
            ["runtime", "name", '"a\\\\b \\"c\\" $(d) `e` & \\u0007"'],
        ]);
        expect(changed(old, stdout)).to.have.members([
            "default_memory = 4096",
            'valid_paths = ["/x"]',
            "enable_debug = true",
            'name = "a\\\\b \\"c\\" $(d) `e` & \\u0007"',
        ]);
        const result = parse(stdout);
        expect(result.runtime.name).to.equal('a\\b "c" $(d) `e` & \u0007');
        expect(result.agent.kata.enable_debug).to.equal(true);
        expect(result.hypervisor.qemu).to.not.have.property("enable_debug");
    });

    it("finds the end of a multi-line TOML string, even after additional quotes", async () => {
        const text = `[a]\nlist = ["""x"""", '''y''''', "z"]\nkey = 1\n[b]\nkey = 2\n`;
        const { stdout } = await set(sandbox(), text, [["b", "key", "3"]]);
        expect(parse(stdout)).to.deep.equal({ a: { list: ['x"', "y''", "z"], key: 1 }, b: { key: 3 } });
    });

    it("recognizes a TOML key in any quoting", async () => {
        const text = `['a"b\\c']\n'enable_debug' = false\n`;
        const { stdout } = await set(sandbox(), text, [['"a\\"b\\\\c"', "enable_debug", "true"]]);
        expect(parse(stdout)).to.deep.equal({ 'a"b\\c': { enable_debug: true } });
    });

    it("sets keys in every element of an array of TOML tables", async () => {
        const text = "[[a]]\n[a.b]\nenable_debug = false\n[[a]]\nenable_debug = false\n[a.b]\n#enable_debug = false\n";
        const { stdout } = await set(sandbox(), text, [debug("true")]);
        const on = { enable_debug: true };
        expect(parse(stdout)).to.deep.equal({ a: [{ b: on }, { ...on, b: on }] });
    });

    it("names the table of a setting if it does not exist in Kata's configuration", async () => {
        const { status, stderr } = await set(sandbox(), old, [["hypervisor.clh", "path", '"x"']]);
        expect(status).to.not.equal(0);
        expect(stderr.trim()).to.equal("hypervisor.clh");
    });

    for (const { name, text } of fixtures("kata-config")) {
        it(`changes only the requested keys in ${name}`, async () => {
            const { stdout } = await set(sandbox(), text, [
                debug("true"),
                ["hypervisor.qemu", "default_memory", "4096"],
                ["runtime", "sandbox_cgroup_only", "true"],
            ]);
            const wanted = parse(text);
            wanted.hypervisor.qemu.default_memory = 4096;
            wanted.runtime.sandbox_cgroup_only = true;
            const tables = [wanted.hypervisor.qemu, wanted.agent.kata, wanted.runtime];
            if (wanted.netmon) tables.push(wanted.netmon);
            for (const table of tables) table.enable_debug = true;
            expect(parse(stdout)).to.deep.equal(wanted);
        });
    }
});
