// Runs the editors of TOML and of the kubelet's YAML on generated files; a TOML parser tells whether the result is right.

import { expect } from "chai";
import fc from "fast-check";
import { isTomlValue, tomlLiteral } from "../../src/kata/toml";
import { Batch, checkCases, showing } from "../support/batch";
import { seeds } from "../support/random";
import { fixtures, inEveryShell } from "../support/shells";
import {
    bareKeys,
    chance,
    type Document,
    describeLines,
    documents,
    entry,
    type Line,
    maybe,
    type Path,
    parse,
    table,
} from "../support/tomlDocuments";

const same = (a: Path, b: Path) => JSON.stringify(a) === JSON.stringify(b);
const at = (root: any, path: Path) => path.reduce((table, part) => table[part], root);

interface Setting {
    /** A table of the document, or "*" for each table that has the key, even if commented out. */
    table: Path | "*";
    key: string;
    value: unknown;
}

const words = [
    ...["a", " ", '"', "\\", "'", "\t", "\n", "#", "[x]", "=", "é", "漢", "🦀", "\x01", "\x7f", "$(id)", "%s", "&"],
];
const scalar = fc.oneof(
    { weight: 3, arbitrary: fc.boolean() },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, -5, 4096, 2 ** 53 - 1, 0.5, -1e-7, 123.456) },
    // A negative zero would not equal the zero that is written for it.
    { weight: 1, arbitrary: fc.oneof(fc.maxSafeInteger(), fc.double()).map((number) => number + 0) },
    { weight: 4, arbitrary: fc.array(fc.constantFrom(...words), { maxLength: 7 }).map((words) => words.join("")) },
    { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 10 }) },
);
const settingValue = fc
    .oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) })
    .filter(isTomlValue);

const debugSetting = fc.boolean().map((value): Setting => ({ table: "*", key: "enable_debug", value }));
const anySetting = fc.record({
    tableIndex: fc.nat(99),
    key: fc.constantFrom(...bareKeys.slice(1), "new_key", "added"),
    value: settingValue,
});

/** A document of the given kind with settings for its tables. */
const settingCases = (document: fc.Arbitrary<Document>) =>
    fc
        .tuple(document, maybe(50, debugSetting), fc.array(anySetting, { maxLength: 3 }))
        .map(([document, debug, choices]) => {
            // Elements of arrays of tables have no name.
            const named = document.tables.filter((path) => path.every((part) => typeof part === "string"));
            const settings = debug ? [debug] : [];
            for (const { tableIndex, key, value } of named.length > 0 ? choices : []) {
                const table = named[tableIndex % named.length]!;
                if (!settings.some((other) => other.key === key && same(other.table as Path, table))) {
                    settings.push({ table, key, value });
                }
            }
            return { document, settings };
        });

const quoted = (path: Path) =>
    path.map((part) => (/^[\w-]+$/.test(String(part)) ? part : JSON.stringify(part))).join(".");
const settingLine = ({ table, key, value }: Setting) =>
    [table === "*" ? table : quoted(table), key, tomlLiteral(value)].join("\t");

/** The tables that a setting changes. */
const tablesOf = ({ table, key }: Setting, { lines }: Document): Path[] =>
    table !== "*"
        ? [table]
        : lines
              .filter((line) => line.table.length > 0 && (line.key ?? line.commented) === key)
              .map((line) => line.table)
              .filter((path, i, all) => all.findIndex((other) => same(other, path)) === i);

/** The lines that a setting replaces: those of the entry, or else the first one where it is commented out. */
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
    // The last line may have no line end.
    const without = (line: string) => line.replace(/\r$/, "");
    expect(isSubsequence(kept.map(without), lines.map(without)), "all other lines are kept in order").to.equal(true);
    expect(lines.length).to.equal(kept.length + added);
}

const kataDocuments = documents(
    ...[["hypervisor", "qemu"], ["agent", "kata"], ["runtime"]].map((path) => maybe(70, table(path))),
);
const kataFixtures = fixtures("kata-config").map(({ text }) => describeLines(text));

inEveryShell("toml_set", (sandbox) => {
    for (const seed of seeds) {
        it(`toml_set changes the named entries of any TOML file and nothing else (seed ${seed})`, async () => {
            const groups = [
                { arbitrary: settingCases(kataDocuments), count: 120 },
                ...kataFixtures.map((document) => ({ arbitrary: settingCases(fc.constant(document)), count: 1 })),
            ];
            await checkCases(seed, groups, async (cases) => {
                const batch = new Batch(sandbox());
                for (const [i, { document, settings }] of cases.entries()) {
                    batch.file(`${i}.toml`, document.text);
                    const lines = settings.map(settingLine).join("\n");
                    batch.try(`once-${i}`, "toml_set", `${i}.toml`, lines);
                    batch.try(`twice-${i}`, "toml_set", `once-${i}.out`, lines);
                }
                const result = await batch.run();
                return (i) => {
                    const { document, settings } = cases[i]!;
                    const once = result(`once-${i}`);
                    showing({ text: document.text, settings, once }, () => {
                        expect(once).to.include({ status: 0, stderr: "" });
                        checkSettings(document, settings, once.stdout);
                        expect(result(`twice-${i}`)).to.deep.equal(once);
                    });
                };
            });
        }).timeout(120000);
    }
});

const begin = "#kata-containers:begin";
const end = "#kata-containers:end";
/** The mark before the original of a line that the program changed or disabled. */
const mark = /^#kata-containers:(disabled|was\([^)]*\))# /;

type Edit = typeof foreignEdits extends fc.Arbitrary<infer E> ? E : never;
/** An edit by someone else, at the last place or at an index that is reduced to the number of places. */
const foreignEdits = fc.record({
    kind: fc.oneof(
        { weight: 48, arbitrary: fc.constant("insert") },
        { weight: 30, arbitrary: fc.constant("change") },
        { weight: 10, arbitrary: fc.constant("change managed") },
        { weight: 12, arbitrary: fc.constant("delete") },
    ),
    index: fc.oneof({ weight: 6, arbitrary: fc.nat(9999) }, { weight: 1, arbitrary: fc.constant("last" as const) }),
    text: fc.constantFrom("  ", "# by hand", "by_hand = true", "[by.hand]"),
});

/** Makes the edit; also returns the file that unmark should make of the result. */
function editMarked({ kind, index, text }: Edit, original: string, marked: string): { edited: string; wanted: string } {
    const lines = marked.replace(/\n$/, "").split("\n");
    const blockEnd = lines.lastIndexOf(end);
    let inBlock = false;
    let was: string | undefined;
    // Each managed line has the original that it replaces, if there is one; nobody inserts a line before a fixed one.
    const parts = lines.map((text) => {
        const fixed = inBlock || was !== undefined;
        if (inBlock || text.startsWith(begin)) {
            inBlock = text !== end;
            return { text, managed: true, fixed, original: undefined };
        }
        if (was !== undefined) {
            const original = was;
            was = undefined;
            return { text, managed: true, fixed, original };
        }
        const [prefix, kind] = mark.exec(text) ?? [];
        const rest = text.slice(prefix?.length ?? 0);
        if (prefix !== undefined && kind !== "disabled") was = rest;
        return { text, managed: prefix !== undefined, fixed, original: was === undefined ? rest : undefined };
    });

    const theirs = parts.filter(({ managed }) => !managed);
    const replacing = parts.filter(({ managed, original }) => managed && original !== undefined);
    const place = (count: number) => (index === "last" ? count - 1 : index % count);
    const before = place(parts.length + 1);
    let added = "";
    if (kind === "change managed" && replacing.length > 0) {
        const part = replacing[place(replacing.length)]!;
        part.text += " # by hand";
        // A changed line is theirs now; a disabled one stays disabled.
        part.original = part.text.replace(mark, "");
    } else if (theirs.length > 0 && kind !== "insert") {
        const part = theirs[place(theirs.length)]!;
        if (kind === "delete") parts.splice(parts.indexOf(part), 1);
        else part.text = part.original = `${part.text} # by hand`;
    } else if (!parts[before]?.fixed) {
        added = text;
        parts.splice(before, 0, { text, managed: false, fixed: false, original: text });
    }

    const bare = original !== "" && !original.endsWith("\n");
    const afterBlock = added !== "" && blockEnd !== -1 && before > blockEnd;
    const left = parts.flatMap(({ original }) => original ?? []);
    return {
        edited: parts.map(({ text }) => text).join("\n") + (marked.endsWith("\n") ? "\n" : ""),
        wanted: left.join("\n") + (left.length > 0 && (!bare || afterBlock) ? "\n" : ""),
    };
}

/** Expects all lines of the original in order, unchanged or behind a mark. */
function checkLines(original: string, marked: string) {
    const lines = marked.split("\n").map((line) => line.replace(mark, ""));
    expect(isSubsequence(original.replace(/\n$/, "").split("\n"), lines), "all lines are kept in order").to.equal(true);
}

interface Form {
    plugin: string;
    handler: string;
    cgroup: "" | "true" | "false";
    /** The major version of containerd; 1 drops the built-in runc if there is a table of runtimes. */
    major: "1" | "2";
    /** Whether the runtime is in this file and not in one that it imports. */
    here: boolean;
}
const plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"] as const;
const handlers = ["kata-qemu", "kata", "k"];
const runc = "io.containerd.runc.v2";

const forms = (plugin: string, handler: string): fc.Arbitrary<Form> =>
    fc
        .record({
            plugin: fc.constant(plugin),
            handler: fc.constant(handler),
            cgroup: fc.constantFrom("" as const, "true" as const, "false" as const),
            major: fc.constantFrom("1" as const, "2" as const),
            here: chance(85),
        })
        .map((form) => (form.here ? form : { ...form, cgroup: "", major: "2" }));

interface ContainerdCase {
    form: Form;
    document: Document;
    /** Whether the program may refuse the file, because a runtime is written in a form that it does not edit. */
    refusable: boolean;
    edit: Edit;
}

/** Files with the tables of containerd's configuration. */
function containerdDocuments(plugin: string, handler: string): fc.Arbitrary<Document> {
    const top = ["plugins", plugin, "containerd"];
    const runtimes = [...top, "runtimes"];
    const type = fc
        .constantFrom(runc, runc, "io.containerd.kata.v2")
        .chain((type) => entry("runtime_type", `"${type}"`));
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
    const tablesOf = (name: string) => {
        const path = [...runtimes, name];
        const note = `"""\n[plugins."${plugin}".containerd.runtimes.${handler}]\n# ${name.replace("\\", "/")}\n"""`;
        const entries = [type, entry("pod_annotations", '[\n  "a", # ]\n]'), entry("note", note)];
        const options = [
            entry("BinaryName", '"x"'),
            fc.oneof(entry("SystemdCgroup", "true"), entry("SystemdCgroup", "false")),
        ];
        return fc.tuple(
            table(
                path,
                entries.map((entry) => maybe(80, entry)),
            ),
            maybe(
                50,
                table(
                    [...path, "options"],
                    options.map((entry) => maybe(60, entry)),
                ),
            ),
            maybe(10, table([...path, "options", "more"], [entry("x", "1")])),
        );
    };
    const others = [
        table(["plugins"], []),
        table(["plugins", plugin], [entry(["cni", "bin_dir"], '"/opt/cni/bin"')]),
        table(top, [entry("default_runtime_name", '"runc"')]),
        table(runtimes, []),
        table(["plugins", "other", "containerd", "runtimes", "runc"], [type]),
    ];
    return documents(...others.map((table) => maybe(50, table)), ...names.map((name) => maybe(25, tablesOf(name))));
}

/** Files with a runtime in a form that the program may refuse. */
function refusableDocuments(plugin: string, handler: string): fc.Arbitrary<Document> {
    const top = ["plugins", plugin, "containerd"];
    const runtimes = [...top, "runtimes"];
    const inline = `{ runtime_type = "${runc}", options = { SystemdCgroup = false } }`;
    const type = entry("runtime_type", `"${runc}"`);
    const tables = [
        table(["plugins"], [entry(plugin, `{ containerd.runtimes.runc = ${inline} }`)]),
        table(top, [entry("runtimes", `{ runc = ${inline} }`)]),
        table(runtimes, [entry("runc", inline)]),
        table(runtimes, [entry(["runc", "runtime_type"], `"${runc}"`)]),
        table(["plugins", plugin], [entry(["containerd", "runtimes", handler, "x"], "1")]),
        table([...runtimes, "runc"], [type, entry("options", "{ SystemdCgroup = false }")]),
        table([...runtimes, "runc"], [type, entry(["options", "SystemdCgroup"], "false")]),
    ];
    return fc.oneof(...tables.map((table) => documents(table)));
}

const containerdCase = (form: fc.Arbitrary<Form>, document: fc.Arbitrary<Document>, refusable = false) =>
    fc.record<ContainerdCase>({ form, document, refusable: fc.constant(refusable), edit: foreignEdits });
const containerdCases = fc.oneof(
    ...plugins.flatMap((plugin) =>
        handlers.flatMap((handler) => {
            const form = forms(plugin, handler);
            return [
                { weight: 95, arbitrary: containerdCase(form, containerdDocuments(plugin, handler)) },
                { weight: 5, arbitrary: containerdCase(form, refusableDocuments(plugin, handler), true) },
            ];
        }),
    ),
);
const realContainerdCases = fixtures("containerd-config").map(({ text }) => {
    const plugin = plugins.find((plugin) => text.includes(plugin));
    const form = fc.oneof(
        ...(plugin ? [plugin] : plugins).flatMap((plugin) => handlers.map((handler) => forms(plugin, handler))),
    );
    return containerdCase(form, fc.constant(describeLines(text)));
});

const configPath = "/etc/kata-containers/x/configuration.toml";
const runtimeTables = ({ plugin, handler, here }: Form) => {
    const table = `plugins."${plugin}".containerd.runtimes.${handler}`;
    const type = `io.containerd.${handler}.v2`;
    return here ? `[${table}]\nruntime_type = "${type}"\n[${table}.options]\nConfigPath = "${configPath}"` : "";
};

/** Empty tables mean nothing to containerd, and unmark removes a table that only held managed entries. */
function withoutEmpty(table: any): any {
    if (typeof table !== "object" || Array.isArray(table) || table instanceof Date) return table;
    const full = Object.entries(table).map(([key, value]) => [key, withoutEmpty(value)] as const);
    return Object.fromEntries(full.filter(([, value]) => typeof value !== "object" || Object.keys(value).length > 0));
}

function checkContainerd(
    text: string,
    { plugin, handler, cgroup, major, here }: Form,
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
    if (major === "1" && Object.keys(runtimes).length === 0) runtimes.runc = { runtime_type: runc };
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

inEveryShell("mark_containerd", (sandbox) => {
    for (const seed of seeds) {
        it(`mark_containerd adds the runtime to any containerd configuration, and unmark removes it but keeps edits of others (seed ${seed})`, async () => {
            const groups = [
                { arbitrary: containerdCases, count: 120 },
                ...realContainerdCases.map((arbitrary) => ({ arbitrary, count: 1 })),
            ];
            let refused = 0;
            await checkCases(seed, groups, async (cases) => {
                const batch = new Batch(sandbox());
                const versionLine = ({ document }: ContainerdCase) =>
                    document.tables.length === 0 ? "version = 2" : "";
                for (const [i, each] of cases.entries()) {
                    const { form, document } = each;
                    batch.file(`${i}.toml`, document.text);
                    const additions = [form.cgroup, runtimeTables(form), versionLine(each)];
                    batch.set("CRI_PLUGIN", form.plugin);
                    batch.set("HANDLERS", form.handler);
                    batch.set("CONTAINERD_MAJOR", form.major);
                    batch.set("KATA_LINK", "/opt/kata");
                    batch.try(`marked-${i}`, "mark_containerd", `${i}.toml`, ...additions);
                    batch.try(`back-${i}`, "unmark", `marked-${i}.out`);
                    batch.try(`again-${i}`, "mark_containerd", `back-${i}.out`, ...additions);
                }
                const result = await batch.run();
                const edits = new Batch(sandbox());
                const edited = cases.map(({ document, edit }, i) => {
                    const each = editMarked(edit, document.text, result(`marked-${i}`).stdout);
                    edits.file(`edited-${i}`, each.edited);
                    edits.try(`kept-${i}`, "unmark", `edited-${i}`);
                    return each;
                });
                const kept = await edits.run();
                return (i) => {
                    const { form, refusable, document } = cases[i]!;
                    const { text } = document;
                    const marked = result(`marked-${i}`);
                    showing({ text, form, marked }, () => {
                        if (marked.status === 4) {
                            refused++;
                            expect(refusable, "refused for a reason").to.equal(true);
                            expect(marked.stdout).to.equal("");
                            const [, line] = /^line (\d+): .+\n.+\n$/.exec(marked.stderr) ?? [];
                            expect(document.lines[Number(line) - 1]?.text).to.match(/[{.]/);
                            return;
                        }
                        expect(marked).to.include({ status: 0, stderr: "" });
                        checkContainerd(text, form, versionLine(cases[i]!), marked.stdout);
                        expect(result(`back-${i}`)).to.deep.equal({ status: 0, stdout: text, stderr: "" });
                        expect(result(`again-${i}`).stdout).to.equal(marked.stdout);
                        showing({ edited: edited[i]!.edited }, () =>
                            expect(kept(`kept-${i}`).stdout).to.equal(edited[i]!.wanted),
                        );
                    });
                };
            });
            expect(refused).to.be.lessThan((120 + realContainerdCases.length) / 10);
        }).timeout(120000);
    }
});

/** The runtimes of a parsed configuration by name, or an empty object in its place. */
const runtimesIn = (root: any, plugin: string) =>
    ["plugins", plugin, "containerd", "runtimes"].reduce((table, name) => (table[name] ??= {}), root);

inEveryShell("originals", (sandbox) => {
    for (const seed of seeds) {
        it(`comments-stripped: originals restores the meaning of any containerd configuration that has lost its marks (seed ${seed})`, async () => {
            await checkCases(seed, [{ arbitrary: containerdCases, count: 60 }], async (cases) => {
                const batch = new Batch(sandbox());
                const stripped = (i: number) => sandbox().path(`stripped-${i}`);
                for (const [i, { form, document }] of cases.entries()) {
                    batch.file(`${i}.toml`, document.text);
                    batch.set("CRI_PLUGIN", form.plugin);
                    batch.set("HANDLERS", form.handler);
                    batch.set("CONTAINERD_MAJOR", form.major);
                    batch.set("KATA_LINK", "/opt/kata");
                    batch.try(`marked-${i}`, "mark_containerd", `${i}.toml`, form.cgroup, runtimeTables(form), "");
                    batch.try(`record-${i}`, "record_disabled", `${i}.toml`, stripped(i));
                }
                const result = await batch.run();
                const restoring = new Batch(sandbox());
                for (const [i, { form, document }] of cases.entries()) {
                    const marked = result(`marked-${i}`).stdout;
                    restoring.file(`stripped-${i}`, marked.replaceAll(/^#kata-containers:.*(\n|$)/gm, ""));
                    restoring.file(`${i}/managed`, configPath);
                    const before: any = { runc: {}, ...runtimesIn(parse(document.text), form.plugin) };
                    const drivers = Object.entries<any>(before).map(([name, { options }]) =>
                        [name.replaceAll(/[\\"]/g, "\\$&"), options?.SystemdCgroup ?? "", form.cgroup].join("\t"),
                    );
                    const edits = form.cgroup === "" ? [] : drivers;
                    restoring.file(`${i}/edits`, `${result(`record-${i}`).stdout}${edits.join("\n")}\n`);
                    restoring.set("STATE_DIR", `${i}`);
                    restoring.set("CONTAINERD_CONFIG", stripped(i));
                    restoring.try(`restored-${i}`, "originals", stripped(i), `${i}.out`);
                    restoring.try(`text-${i}`, "cat", `${i}.out`);
                }
                const restored = await restoring.run();
                return (i) => {
                    const { form, document } = cases[i]!;
                    const marked = result(`marked-${i}`);
                    if (marked.status === 4) return;
                    const { stdout } = restored(`text-${i}`);
                    showing({ text: document.text, form, marked: marked.stdout, stdout }, () => {
                        expect(restored(`restored-${i}`)).to.include({ status: 0, stderr: "" });
                        const before = parse(document.text);
                        const after = parse(stdout);
                        // The runc that was added for containerd 1.x stays, as it is what containerd has built in.
                        if (!runtimesIn(before, form.plugin).runc) delete runtimesIn(after, form.plugin).runc;
                        expect(withoutEmpty(after)).to.deep.equal(withoutEmpty(before));
                    });
                };
            });
        }).timeout(120000);
    }
});

const drivers = ["cgroupfs", "systemd"] as const;
const isDriver = (line: string) => /^cgroupDriver\s*:/.test(line);

/** The kubelet's configuration as kubeadm and people write it. */
const kubeletBlocks = [
    ["maxPods: 110"],
    ["clusterDNS:", "- 10.96.0.10", "# cgroupDriver: cgroupfs", "- 10.96.0.11"],
    ["authentication:", "  anonymous:", "    enabled: false", "  cgroupDriver: nested"],
    ["text: |", "  cgroupDriver: text", "", "  # no comment"],
    ["cgroupDriverOf: another", "xcgroupDriver: another"],
    ["# cgroupDriver: commented", "#cgroupDriver: commented"],
    ["", "  ", '"quoted": "cgroupDriver: x"'],
    ["evictionHard: { memory.available: 100Mi } # remark"],
];
const driverLines = drivers.flatMap((driver) => [
    `cgroupDriver: ${driver}`,
    `cgroupDriver: "${driver}"   # by kubeadm`,
    `cgroupDriver:   '${driver}'`,
    `cgroupDriver : ${driver} # (a remark)`,
]);
const kubeletConfigurations = fc
    .record({
        blocks: fc.shuffledSubarray(kubeletBlocks),
        driver: maybe(70, fc.tuple(fc.constantFrom(...driverLines), fc.nat(99))),
        newline: chance(20).map((windows) => (windows ? "\r\n" : "\n")),
        finalNewline: chance(80),
        empty: chance(5),
    })
    .map(({ blocks, driver, newline, finalNewline, empty }) => {
        if (empty) return "";
        if (driver) blocks = blocks.toSpliced(driver[1] % (blocks.length + 1), 0, [driver[0]]);
        const lines = ["kind: KubeletConfiguration", ...blocks.flat()];
        return lines.join(newline) + (finalNewline || lines.at(-1) === "" ? newline : "");
    });
const kubeletCases = fc.record({
    text: kubeletConfigurations,
    driver: fc.constantFrom(...drivers),
    edit: foreignEdits,
});

/** Expects the wanted driver among the effective lines, and all other lines unchanged. */
function checkKubelet(text: string, driver: string, marked: string) {
    const linesOf = (text: string) => text.split("\n").filter((line, i, all) => line !== "" || i < all.length - 1);
    const wanted = linesOf(text).map((line) => (isDriver(line) ? `cgroupDriver: ${driver}` : line));
    if (!wanted.some(isDriver)) wanted.push(`cgroupDriver: ${driver}`);
    const effective = linesOf(marked).filter((line) => !line.startsWith("#kata-containers:"));
    // A line that already has the wanted driver is kept, however it is written.
    const withoutQuotes = (line: string) => line.replaceAll(/[ \t]*(#.*)?\r?$|["']/g, "");
    const plain = (line: string) => withoutQuotes(line).replace(/\s*:\s*/, ": ");
    const stated = linesOf(text).find(isDriver);
    if (stated !== undefined && withoutQuotes(stated) === `cgroupDriver: ${driver}`) expect(marked).to.equal(text);
    expect(effective.map((line) => (isDriver(line) ? plain(line) : line))).to.deep.equal(wanted);
    checkLines(text, marked);
}

inEveryShell("mark_yaml", (sandbox) => {
    for (const seed of seeds) {
        it(`mark_yaml sets the driver in any kubelet configuration, and unmark restores it but keeps edits of others (seed ${seed})`, async () => {
            await checkCases(seed, [{ arbitrary: kubeletCases, count: 80 }], async (cases) => {
                const batch = new Batch(sandbox());
                for (const [i, { text, driver }] of cases.entries()) {
                    batch.file(`${i}.yaml`, text);
                    batch.try(`marked-${i}`, "mark_yaml", `${i}.yaml`, "cgroupDriver", driver);
                    batch.try(`back-${i}`, "unmark", `marked-${i}.out`);
                    batch.try(`again-${i}`, "mark_yaml", `back-${i}.out`, "cgroupDriver", driver);
                }
                const result = await batch.run();
                const edits = new Batch(sandbox());
                const edited = cases.map(({ text, edit }, i) => {
                    const each = editMarked(edit, text, result(`marked-${i}`).stdout);
                    edits.file(`edited-${i}`, each.edited);
                    edits.try(`kept-${i}`, "unmark", `edited-${i}`);
                    return each;
                });
                const kept = await edits.run();
                return (i) => {
                    const { text, driver } = cases[i]!;
                    const marked = result(`marked-${i}`);
                    showing({ text, driver, marked, edited: edited[i]!.edited }, () => {
                        expect(marked).to.include({ status: 0, stderr: "" });
                        checkKubelet(text, driver, marked.stdout);
                        expect(result(`back-${i}`)).to.deep.equal({ status: 0, stdout: text, stderr: "" });
                        expect(result(`again-${i}`).stdout).to.equal(marked.stdout);
                        expect(kept(`kept-${i}`).stdout).to.equal(edited[i]!.wanted);
                    });
                };
            });
        }).timeout(120000);
    }
});
