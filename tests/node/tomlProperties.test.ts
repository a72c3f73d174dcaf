// The editors of TOML and of the kubelet's YAML on generated files, with a real TOML parser to say what the result is.

import { expect } from "chai";
import { tomlLiteral } from "../../src/kata/toml";
import { Batch } from "../support/batch";
import { checked, Random, seeds } from "../support/random";
import { fixtures, inEveryShell } from "../support/shells";
import {
    bareKeys,
    type Document,
    describeLines,
    generate,
    type Line,
    type Path,
    parse,
    type Wanted,
} from "../support/tomlDocuments";

const random = (seed: number) => new Random(seed);

const same = (a: Path, b: Path) => JSON.stringify(a) === JSON.stringify(b);
const at = (root: any, path: Path) => path.reduce((table, part) => table[part], root);

interface Setting {
    /** A table of the document, or each that knows the key. */
    table: Path | "*";
    key: string;
    value: unknown;
}

const words = [
    "a",
    " ",
    '"',
    "\\",
    "'",
    "\t",
    "\n",
    "#",
    "[x]",
    "=",
    "é",
    "漢",
    "🦀",
    "\x01",
    "\x7f",
    "$(id)",
    "%s",
    "&",
];
function randomValue(random: Random, nested = false): unknown {
    switch (random.below(nested ? 4 : 5)) {
        case 0:
            return random.chance(0.5);
        case 1:
            return random.pick([0, 1, -5, 4096, 2 ** 53 - 1, 0.5, -1e-7, 123.456]);
        case 4:
            return random.list(random.below(4), () => randomValue(random, true));
        default:
            return random.list(random.below(8), () => random.pick(words)).join("");
    }
}

function randomSettings(random: Random, { tables }: Document): Setting[] {
    // Elements of arrays of tables cannot be named.
    const named = tables.filter((path) => path.every((part) => typeof part === "string"));
    const settings: Setting[] = random.chance(0.5)
        ? [{ table: "*", key: "enable_debug", value: random.chance(0.5) }]
        : [];
    for (let n = random.below(4); n > 0 && named.length > 0; n--) {
        const table = random.pick(named);
        const key = random.pick([...bareKeys.slice(1), "new_key", "added"]);
        if (!settings.some((other) => other.key === key && same(other.table as Path, table))) {
            settings.push({ table, key, value: randomValue(random) });
        }
    }
    return settings;
}

const quoted = (path: Path) =>
    path.map((part) => (/^[\w-]+$/.test(String(part)) ? part : JSON.stringify(part))).join(".");
const settingLine = ({ table, key, value }: Setting) =>
    [table === "*" ? table : quoted(table), key, tomlLiteral(value)].join("\t");

/** The tables that a setting is for. */
const tablesOf = ({ table, key }: Setting, { lines }: Document): Path[] =>
    table !== "*"
        ? [table]
        : lines
              .filter((line) => line.table.length > 0 && (line.key ?? line.commented) === key)
              .map((line) => line.table)
              .filter((path, i, all) => all.findIndex((other) => same(other, path)) === i);

/** The lines that a setting takes the place of: the entry's, or else those of one that is commented out. */
function replacedLines({ key }: Setting, table: Path, { lines }: Document): Line[] {
    const here = lines.filter((line) => same(line.table, table));
    const entry = here.filter((line) => line.key === key);
    return entry.length > 0 ? entry : here.filter((line) => line.commented === key).slice(0, 1);
}

/** Whether all of `part` is in `whole`, in the same order. */
function isSubsequence(part: string[], whole: string[]): boolean {
    let found = 0;
    for (const line of whole) if (line === part[found]) found++;
    return found === part.length;
}

function checkSettings(document: Document, settings: Setting[], edited: string) {
    const wanted = parse(document.text);
    const replaced = new Set<Line>();
    let added = 0;
    for (const setting of settings) {
        for (const table of tablesOf(setting, document)) {
            at(wanted, table)[setting.key] = setting.value;
            added++;
            for (const line of replacedLines(setting, table, document)) replaced.add(line);
        }
    }
    expect(parse(edited)).to.deep.equal(wanted);
    const carriage = document.text.includes("\r\n") ? "\r" : "";
    const kept = document.lines.filter((line) => !replaced.has(line)).map(({ text }) => text + carriage);
    const lines = edited.replace(/\n$/, "").split("\n");
    // The last line may have had no line end.
    const without = (line: string) => line.replace(/\r$/, "");
    expect(isSubsequence(kept.map(without), lines.map(without)), "the other lines stay, in order").to.equal(true);
    expect(lines.length).to.equal(kept.length + added);
}

const kataTables: Wanted[] = [{ path: ["hypervisor", "qemu"] }, { path: ["agent", "kata"] }, { path: ["runtime"] }];
const kataFixtures = fixtures("kata-config").map(({ text }) => describeLines(text));

inEveryShell("settings in any TOML file", (sandbox) => {
    for (const seed of seeds) {
        it(`change what they name and nothing else (seed ${seed})`, async () => {
            const source = random(seed);
            const documents = [
                ...source.list(120, () =>
                    generate(
                        source,
                        kataTables.filter(() => source.chance(0.7)),
                    ),
                ),
                ...kataFixtures,
            ];
            const cases = documents.map((document) => ({ document, settings: randomSettings(source, document) }));
            const batch = new Batch(sandbox());
            for (const [i, { document, settings }] of cases.entries()) {
                batch.file(`${i}.toml`, document.text);
                batch.set("SETTINGS", settings.map(settingLine).join("\n"));
                batch.try(`once-${i}`, "toml_set", `${i}.toml`);
                batch.try(`twice-${i}`, "toml_set", `once-${i}.out`);
            }
            const result = await batch.run();
            for (const [i, { document, settings }] of cases.entries()) {
                const once = result(`once-${i}`);
                checked(seed, i, { text: document.text, settings, once }, () => {
                    expect(once).to.include({ status: 0, stderr: "" });
                    checkSettings(document, settings, once.stdout);
                    expect(result(`twice-${i}`)).to.deep.equal(once);
                });
            }
        }).timeout(120000);
    }
});

const begin = "#kata-containers:begin";
const end = "#kata-containers:end";
/** The mark before the original of a line that we changed or put out of force. */
const kept = /^#kata-containers:(aside|was\([^)]*\))# /;

/** An edit by someone else at a random place outside our lines, and what unmark is to make of it. */
function foreignEdit(random: Random, original: string, marked: string): { edited: string; wanted: string } {
    const lines = marked.replace(/\n$/, "").split("\n");
    const blockEnd = lines.lastIndexOf(end);
    let inBlock = false;
    let was: string | undefined;
    // Each line of ours has the original that it stands for, if there is one; no line may be put before a fixed one.
    const parts = lines.map((text) => {
        const fixed = inBlock || was !== undefined;
        if (inBlock || text.startsWith(begin)) {
            inBlock = text !== end;
            return { text, ours: true, fixed, original: undefined };
        }
        if (was !== undefined) {
            const original = was;
            was = undefined;
            return { text, ours: true, fixed, original };
        }
        const [mark, kind] = kept.exec(text) ?? [];
        const rest = text.slice(mark?.length ?? 0);
        if (mark !== undefined && kind !== "aside") was = rest;
        return { text, ours: mark !== undefined, fixed, original: was === undefined ? rest : undefined };
    });

    const theirs = parts.filter(({ ours }) => !ours);
    const before = random.below(parts.length + 1);
    let added = "";
    if (theirs.length > 0 && random.chance(0.4)) {
        const changed = random.pick(theirs);
        changed.text = changed.original = `${changed.text} # by hand`;
    } else if (theirs.length > 0 && random.chance(0.2)) {
        parts.splice(parts.indexOf(random.pick(theirs)), 1);
    } else if (!parts[before]?.fixed) {
        added = random.pick(["by_hand = true", "# by hand", "[by.hand]", "  "]);
        parts.splice(before, 0, { text: added, ours: false, fixed: false, original: added });
    }

    const bare = original !== "" && !original.endsWith("\n");
    const afterBlock = added !== "" && blockEnd !== -1 && before > blockEnd;
    const left = parts.flatMap(({ original }) => original ?? []);
    return {
        edited: parts.map(({ text }) => text).join("\n") + (marked.endsWith("\n") ? "\n" : ""),
        wanted: left.join("\n") + (left.length > 0 && (!bare || afterBlock) ? "\n" : ""),
    };
}

/** All lines of the original are there in order, as they were or behind a mark. */
function checkLines(original: string, marked: string) {
    const lines = marked.split("\n").map((line) => line.replace(kept, ""));
    expect(isSubsequence(original.replace(/\n$/, "").split("\n"), lines), "all lines stay, in order").to.equal(true);
}

interface Form {
    plugin: string;
    handler: string;
    cgroup: "" | "true" | "false";
    alone: "" | "yes";
    /** Whether the runtime is written here, and not in a file that this one imports. */
    here: boolean;
}
const plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"] as const;
const runc = "io.containerd.runc.v2";

function randomForm(random: Random, plugin: string = random.pick(plugins)): Form {
    const form: Form = {
        plugin,
        handler: random.pick(["kata-qemu", "kata", "k"]),
        cgroup: random.pick(["", "true", "false"]),
        alone: random.pick(["", "yes"]),
        here: true,
    };
    return random.chance(0.15) ? { ...form, here: false, cgroup: "", alone: "" } : form;
}

/** Tables as containerd's configuration has them; one file in twenty has a runtime in a form that may be refused. */
function containerdTables(random: Random, { plugin, handler }: Form): { wanted: Wanted[]; refusable: boolean } {
    const top = ["plugins", plugin, "containerd"];
    const runtimes = [...top, "runtimes"];
    const type = () => JSON.stringify(random.pick([runc, runc, "io.containerd.kata.v2"]));
    if (random.chance(0.05)) {
        const inline = `{ runtime_type = "${runc}", options = { SystemdCgroup = false } }`;
        const runtime: Wanted = { path: [...runtimes, "runc"], entries: [["runtime_type", `"${runc}"`]] };
        const form = random.pick<Wanted>([
            { path: ["plugins"], entries: [[plugin, `{ containerd.runtimes.runc = ${inline} }`]] },
            { path: top, entries: [["runtimes", `{ runc = ${inline} }`]] },
            { path: runtimes, entries: [["runc", inline]] },
            { path: runtimes, entries: [[["runc", "runtime_type"], `"${runc}"`]] },
            { path: ["plugins", plugin], entries: [[["containerd", "runtimes", handler, "x"], "1"]] },
            { path: runtime.path, entries: [...runtime.entries!, ["options", "{ SystemdCgroup = false }"]] },
            { path: runtime.path, entries: [...runtime.entries!, [["options", "SystemdCgroup"], "false"]] },
        ]);
        return { wanted: [form], refusable: true };
    }
    const wanted: Wanted[] = [
        { path: ["plugins"], entries: [] },
        { path: ["plugins", plugin], entries: [[["cni", "bin_dir"], '"/opt/cni/bin"']] },
        { path: top, entries: [["default_runtime_name", '"runc"']] },
        { path: runtimes, entries: [] },
        { path: ["plugins", "other", "containerd", "runtimes", "runc"], entries: [["runtime_type", type()]] },
    ].filter(() => random.chance(0.5)) as Wanted[];
    const names = [
        "runc",
        "nvidia",
        handler,
        `${handler}-2`,
        "two words",
        'q"uote',
        "back\\slash",
        "a.b",
        "SystemdCgroup",
    ];
    for (const name of names.filter(() => random.chance(0.25))) {
        const path = [...runtimes, name];
        const entries = [
            ["runtime_type", type()],
            ["pod_annotations", '[\n  "a", # ]\n]'],
            ["note", `"""\n[plugins."${plugin}".containerd.runtimes.${handler}]\n# ${name.replace("\\", "/")}\n"""`],
        ] as [string, string][];
        wanted.push({ path, entries: entries.filter(() => random.chance(0.8)) });
        if (random.chance(0.5)) {
            const options = [
                ["BinaryName", '"x"'],
                ["SystemdCgroup", random.pick(["true", "false"])],
            ] as [string, string][];
            wanted.push({ path: [...path, "options"], entries: options.filter(() => random.chance(0.6)) });
        }
        if (random.chance(0.1)) wanted.push({ path: [...path, "options", "more"], entries: [["x", "1"]] });
    }
    return { wanted, refusable: false };
}

const configPath = "/etc/kata-containers/x/configuration.toml";
const runtimeTables = ({ plugin, handler, here }: Form) => {
    const table = `plugins."${plugin}".containerd.runtimes.${handler}`;
    const type = `io.containerd.${handler}.v2`;
    return here ? `[${table}]\nruntime_type = "${type}"\n[${table}.options]\nConfigPath = "${configPath}"\n` : "";
};

/** Tables with nothing in them mean nothing to containerd, and go when ours is all that was in them. */
function withoutEmpty(table: any): any {
    if (typeof table !== "object" || Array.isArray(table) || table instanceof Date) return table;
    const full = Object.entries(table).map(([key, value]) => [key, withoutEmpty(value)] as const);
    return Object.fromEntries(full.filter(([, value]) => typeof value !== "object" || Object.keys(value).length > 0));
}

function checkContainerd(
    text: string,
    { plugin, handler, cgroup, alone, here }: Form,
    versionLine: string,
    marked: string,
) {
    const wanted = parse(text);
    if (versionLine) wanted.version = 2;
    const runtimes = ["plugins", plugin, "containerd", "runtimes"].reduce(
        (table, name) => (table[name] ??= {}),
        wanted,
    );
    delete runtimes[handler];
    if (alone && Object.keys(runtimes).length === 0) runtimes.runc = { runtime_type: runc };
    for (const runtime of Object.values<any>(runtimes)) {
        if (cgroup === "" || runtime.runtime_type !== runc) continue;
        runtime.options = { ...runtime.options, SystemdCgroup: cgroup === "true" };
    }
    if (here) {
        runtimes[handler] = { runtime_type: `io.containerd.${handler}.v2`, options: { ConfigPath: configPath } };
    }
    expect(withoutEmpty(parse(marked))).to.deep.equal(withoutEmpty(wanted));
    checkLines(text, marked);
}

inEveryShell("a runtime in any containerd configuration", (sandbox) => {
    for (const seed of seeds) {
        it(`is all that changes, can be taken out, and leaves others' edits alone (seed ${seed})`, async () => {
            const source = random(seed);
            const generated = source.list(120, () => {
                const form = randomForm(source);
                const { wanted, refusable } = containerdTables(source, form);
                return { form, refusable, document: generate(source, wanted) };
            });
            const real = fixtures("containerd-config").map(({ text }) => {
                const plugin = plugins.find((plugin) => text.includes(plugin));
                return { form: randomForm(source, plugin), refusable: false, document: describeLines(text) };
            });
            const cases = [...generated, ...real].map((each) => ({
                ...each,
                text: each.document.text,
                versionLine: each.document.tables.length === 0 ? "version = 2\n" : "",
            }));
            const batch = new Batch(sandbox());
            for (const [i, { form, text, versionLine }] of cases.entries()) {
                batch.file(`${i}.toml`, text);
                batch.set("PLUGIN", form.plugin);
                batch.set("HANDLER", form.handler);
                batch.set("SYSTEMD_CGROUP", form.cgroup);
                batch.set("ALONE", form.alone);
                batch.set("VERSION_LINE", versionLine);
                batch.set("RUNTIME_TABLES", runtimeTables(form));
                batch.try(`marked-${i}`, "mark_containerd", `${i}.toml`);
                batch.try(`back-${i}`, "unmark", `marked-${i}.out`);
                batch.try(`again-${i}`, "mark_containerd", `back-${i}.out`);
            }
            const result = await batch.run();
            const edits = new Batch(sandbox());
            const refused: number[] = [];
            const checks = cases.map(({ form, refusable, document, text, versionLine }, i) => {
                const marked = result(`marked-${i}`);
                const input = { text, form, marked };
                if (marked.status === 4) {
                    refused.push(i);
                    checked(seed, i, input, () => {
                        expect(refusable, "refused for a reason").to.equal(true);
                        expect(marked.stdout).to.equal("");
                        const [, line] = /^line (\d+): .+\n$/.exec(marked.stderr) ?? [];
                        expect(document.lines[Number(line) - 1]?.text).to.match(/[{.]/);
                    });
                    return () => {};
                }
                checked(seed, i, input, () => {
                    expect(marked).to.include({ status: 0, stderr: "" });
                    checkContainerd(text, form, versionLine, marked.stdout);
                    expect(result(`back-${i}`)).to.deep.equal({ status: 0, stdout: text, stderr: "" });
                    expect(result(`again-${i}`).stdout).to.equal(marked.stdout);
                });
                const { edited, wanted } = foreignEdit(source, text, marked.stdout);
                edits.file(`edited-${i}`, edited);
                edits.try(`kept-${i}`, "unmark", `edited-${i}`);
                return (kept: string) => checked(seed, i, { text, form, edited }, () => expect(kept).to.equal(wanted));
            });
            expect(refused.length).to.be.lessThan(cases.length / 10);
            const kept = await edits.run();
            for (const [i, check] of checks.entries()) if (!refused.includes(i)) check(kept(`kept-${i}`).stdout);
        }).timeout(120000);
    }
});

const drivers = ["cgroupfs", "systemd"] as const;
const isDriver = (line: string) => /^cgroupDriver\s*:/.test(line);

/** The kubelet's configuration, as kubeadm writes it and as people do. */
function kubeletConfiguration(random: Random): string {
    const driver = random.pick(drivers);
    const blocks = [
        ["maxPods: 110"],
        ["clusterDNS:", "- 10.96.0.10", "# cgroupDriver: cgroupfs", "- 10.96.0.11"],
        ["authentication:", "  anonymous:", "    enabled: false", "  cgroupDriver: nested"],
        ["text: |", "  cgroupDriver: text", "", "  # no comment"],
        ["cgroupDriverOf: another", "xcgroupDriver: another"],
        ["# cgroupDriver: commented", "#cgroupDriver: commented"],
        ["", "  ", '"quoted": "cgroupDriver: x"'],
        ["evictionHard: { memory.available: 100Mi } # remark"],
    ].filter(() => random.chance(0.5));
    const line = random.pick([
        `cgroupDriver: ${driver}`,
        `cgroupDriver: "${driver}"   # by kubeadm`,
        `cgroupDriver:   '${driver}'`,
        `cgroupDriver : ${driver} # (a remark)`,
    ]);
    if (random.chance(0.7)) blocks.push([line]);
    const lines = ["kind: KubeletConfiguration", ...random.shuffled(blocks).flat()];
    const newline = random.chance(0.2) ? "\r\n" : "\n";
    return random.chance(0.05) ? "" : lines.join(newline) + (random.chance(0.8) || lines.at(-1) === "" ? newline : "");
}

/** The lines that are in force: the driver's is as wanted, all others are as they were. */
function checkKubelet(text: string, driver: string, marked: string) {
    const linesOf = (text: string) => text.split("\n").filter((line, i, all) => line !== "" || i < all.length - 1);
    const wanted = linesOf(text).map((line) => (isDriver(line) ? `cgroupDriver: ${driver}` : line));
    if (!wanted.some(isDriver)) wanted.push(`cgroupDriver: ${driver}`);
    const inForce = linesOf(marked).filter((line) => !line.startsWith("#kata-containers:"));
    // A line that says so already may say it in other words.
    const plain = (line: string) => line.replaceAll(/\s*(#.*)?\r?$|["']/g, "").replace(/\s*:\s*/, ": ");
    expect(inForce.map((line) => (isDriver(line) ? plain(line) : line))).to.deep.equal(wanted);
    checkLines(text, marked);
}

inEveryShell("the driver in any kubelet configuration", (sandbox) => {
    for (const seed of seeds) {
        it(`is all that changes, can be taken out, and leaves others' edits alone (seed ${seed})`, async () => {
            const source = random(seed);
            const cases = source.list(80, () => ({ text: kubeletConfiguration(source), driver: source.pick(drivers) }));
            const batch = new Batch(sandbox());
            for (const [i, { text, driver }] of cases.entries()) {
                batch.file(`${i}.yaml`, text);
                batch.try(`marked-${i}`, "mark_kubelet", `${i}.yaml`, driver);
                batch.try(`back-${i}`, "unmark", `marked-${i}.out`);
                batch.try(`again-${i}`, "mark_kubelet", `back-${i}.out`, driver);
            }
            const result = await batch.run();
            const edits = new Batch(sandbox());
            const checks = cases.map(({ text, driver }, i) => {
                const marked = result(`marked-${i}`);
                checked(seed, i, { text, driver, marked }, () => {
                    expect(marked).to.include({ status: 0, stderr: "" });
                    checkKubelet(text, driver, marked.stdout);
                    expect(result(`back-${i}`)).to.deep.equal({ status: 0, stdout: text, stderr: "" });
                    expect(result(`again-${i}`).stdout).to.equal(marked.stdout);
                });
                const { edited, wanted } = foreignEdit(source, text, marked.stdout);
                edits.file(`edited-${i}`, edited);
                edits.try(`kept-${i}`, "unmark", `edited-${i}`);
                return (kept: string) =>
                    checked(seed, i, { text, driver, edited }, () => expect(kept).to.equal(wanted));
            });
            const kept = await edits.run();
            for (const [i, check] of checks.entries()) check(kept(`kept-${i}`).stdout);
        }).timeout(120000);
    }
});
