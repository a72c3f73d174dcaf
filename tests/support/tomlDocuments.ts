// TOML as people and programs write it, and worse: files to edit, together with what is known of each of their lines.

import { parse as parseToml } from "smol-toml";
import type { Random } from "./random";

export const parse = (text: string): any => parseToml(text, { integersAsBigInt: "asNeeded" });

/** The way to a table from the root; a number is a place in an array of tables. */
export type Path = (string | number)[];

export interface Line {
    text: string;
    table: Path;
    /** The key of the entry that the line belongs to, its first part where it is dotted. */
    key?: string;
    /** The key of the entry that is commented out here. */
    commented?: string;
}

export interface Document {
    lines: Line[];
    /** The tables with a header of their own, in the order of their headers. */
    tables: Path[];
    text: string;
}

/** A table that a document is to have, with random entries or these; a key that is a list is written with dots. */
export interface Wanted {
    path: string[];
    entries?: [key: string | string[], value: string][];
}

const tableNames = [
    ...["hypervisor", "qemu", "agent", "kata", "runtime", "factory", "b-c", "under_score", "42"],
    ...["io.containerd.grpc.v1.cri", "two words", "ünï", "", "it's", 'q"uote', "back\\slash", "#", "[x]", "a=b"],
];
/** Keys that tests set; a generated value, a commented-out one or none may be there. */
export const bareKeys = ["enable_debug", "default_memory", "kernel_params", "valid_paths", "path", "x-1", "7"];
const oddKeys = ["with space", "a.b", "#c", "é", 'quo"te', "it's", "[k]", "k = v", ""];
/** What would be structure, if it did not stand in a string or a comment. */
const lookalikes = [
    ...["[runtime]", "enable_debug = true", "# comment", "[[a]]", "]", "}", "{", "[", "=", "a = [", "#", "plain", ""],
    ...["default_memory = 1", '"', "'", "\\", "\t", "C:\\dir\\", "  indented", "[hypervisor.qemu]", "'''", "🦀"],
];

const text = (random: Random) => random.list(random.below(4), () => random.pick(lookalikes)).join(" ");

function basicString(random: Random): string {
    const escapes = random.chance(0.2) ? random.pick(["\\u00e9", "\\U0001F980", "\\t", "\\\\", '\\"']) : "";
    return `${JSON.stringify(text(random)).slice(0, -1)}${escapes}"`;
}
const literalString = (random: Random) => `'${text(random).replaceAll("'", "")}'`;

function longString(random: Random): string {
    const lines = random.list(1 + random.below(4), () => text(random));
    if (random.chance(0.3)) {
        lines.unshift("");
    }
    if (random.chance(0.5)) {
        const inside = lines.join("\n").replaceAll("'''", "");
        // One or two quotes may stand before the closing ones.
        return `'''${inside.replace(/'+$/, "")}${random.pick(["", "", "'", "''"])}'''`;
    }
    const escaped = lines.join("\n").replaceAll("\\", "\\\\").replaceAll('"""', '""\\"').replace(/"+$/, "");
    const joined = random.chance(0.2) ? escaped.replace("\n", "\\\n") : escaped;
    return `"""${joined}${random.pick(["", "", '"', '""'])}"""`;
}

function scalar(random: Random): string {
    switch (random.below(4)) {
        case 0:
            return basicString(random);
        case 1:
            return literalString(random);
        default:
            return random.pick([
                "true",
                "false",
                "0",
                "4096",
                "-1",
                "1_000",
                "0xff",
                "0.5",
                "6e-7",
                "inf",
                "1979-05-27",
            ]);
    }
}

function inlineTable(random: Random): string {
    const entries = random.list(
        random.below(3),
        (i) => `${random.pick(["k", '"k.]"', "'}'", "d.e"])}${i} = ${scalar(random)}`,
    );
    // The number goes into the quotes of a quoted key.
    return `{ ${entries.map((entry) => entry.replace(/^(["'].*?)(["'])(\d) =/, "$1$3$2 =")).join(", ")} }`;
}

function array(random: Random, depth = 0): string {
    const items = random.list(random.below(4), () => {
        if (depth < 2 && random.chance(0.2)) return array(random, depth + 1);
        if (random.chance(0.1)) return longString(random);
        return random.chance(0.1) ? inlineTable(random) : scalar(random);
    });
    if (random.chance(0.5)) {
        return `[${items.join(", ")}]`;
    }
    const remark = () => (random.chance(0.3) ? ` # ${text(random).replaceAll("\t", " ")}` : "");
    const before = () => (random.chance(0.2) ? `  #enable_debug = [${remark()}\n` : "");
    return `[${remark()}\n${items.map((item) => `${before()}  ${item},${remark()}\n`).join("")}]`;
}

/** The text of a value, of one line or several. */
function value(random: Random): string {
    const kind = random.below(10);
    if (kind < 5) return scalar(random);
    if (kind < 7) return longString(random);
    return kind < 9 ? array(random) : inlineTable(random);
}

/** One part of a key, in one of the ways it can be written. */
function keyPart(random: Random, part: string): string {
    const ways = [JSON.stringify(part)];
    if (!part.includes("'")) ways.push(`'${part}'`);
    if (/^[\w-]+$/.test(part)) ways.push(part, part, part, part);
    return random.pick(ways);
}
const keyPath = (random: Random, path: string[]) =>
    path.map((part) => keyPart(random, part)).join(random.pick([".", ".", ".", " . ", ". ", "\t."]));

export function generate(random: Random, wanted: Wanted[] = []): Document {
    for (;;) {
        const document = attempt(random, wanted);
        try {
            parse(document.text);
            return document;
        } catch {
            // Names that do not go together, such as a table and an array of tables of the same name.
        }
    }
}

function attempt(random: Random, wanted: Wanted[]): Document {
    const lines: Line[] = [];
    const tables: Path[] = [];
    const style = {
        indent: random.pick(["", "", "  ", "\t"]),
        equals: random.pick([" = ", " = ", "=", "  =\t"]),
        newline: random.chance(0.25) ? "\r\n" : "\n",
        remarks: random.pick([0, 0.2, 0.5]),
    };
    let table: Path = [];

    const add = (text: string, about: Partial<Line> = {}) =>
        lines.push(...text.split("\n").map((text) => ({ text, table, ...about })));
    const indent = () => (random.chance(0.7) ? style.indent : random.pick(["", " ", "\t", "    "]));
    const remark = () =>
        random.chance(style.remarks)
            ? `${random.pick([" ", "  ", "\t", ""])}# ${text(random).replaceAll("\t", " ")}`
            : "";
    const entry = (key: string, value: string, first = key) =>
        add(`${indent()}${key}${style.equals}${value}${remark()}`, { key: first });

    function filler() {
        if (random.chance(0.2)) add(random.pick(["", "", "  ", "\t"]));
        if (random.chance(0.2))
            add(`${indent()}#${random.pick(["", " ", "## "])}${text(random).replaceAll("\t", " ")}`);
        // A lookalike in a comment is a commented-out entry like any other.
        const last = lines.at(-1);
        const found = /^[ \t]*#[ \t]*([A-Za-z0-9_-]+)[ \t]*=/.exec(last?.text ?? "");
        if (last && found && last.key === undefined) last.commented = found[1]!;
    }

    function body() {
        for (const key of random.shuffled(bareKeys).slice(0, random.below(5))) {
            filler();
            if (random.chance(0.3)) {
                add(`${indent()}#${random.pick(["", " ", "\t"])}${key}${style.equals}${scalar(random)}`, {
                    commented: key,
                });
                if (random.chance(0.5)) continue;
            }
            entry(random.chance(0.1) ? JSON.stringify(key) : key, value(random), key);
        }
        for (const key of random.shuffled(oddKeys).slice(0, random.below(3))) {
            filler();
            entry(keyPart(random, key), value(random), key);
        }
        if (random.chance(0.1)) {
            entry(keyPath(random, ["dotted", random.pick(oddKeys)]), value(random), "dotted");
        }
        filler();
    }

    const header = (open: string, path: string[], close: string) => {
        const space = random.pick(["", "", " "]);
        add(`${indent()}${open}${space}${keyPath(random, path)}${space}${close}${remark()}`);
    };
    function begin(path: Path) {
        table = path;
        tables.push(path);
    }

    filler();
    body();
    const seen = new Set(wanted.map(({ path }) => path.join("\0")));
    const sections: (() => void)[] = wanted.map(({ path, entries }) => () => {
        begin(path);
        header("[", path, "]");
        if (!entries) return body();
        for (const [key, value] of entries) {
            filler();
            const path = [key].flat();
            entry(keyPath(random, path), value, path[0]);
        }
        filler();
    });
    for (let n = random.below(6); n > 0; n--) {
        const path = random.list(1 + random.below(3), () => random.pick(tableNames));
        if (seen.has(path.join("\0"))) continue;
        seen.add(path.join("\0"));
        sections.push(() => {
            begin(path);
            header("[", path, "]");
            body();
        });
    }
    if (random.chance(0.25)) {
        const name = random.pick(["array", "a rray"]);
        const count = 1 + random.below(3);
        const nested = random.chance(0.5);
        sections.push(() => {
            for (let i = 0; i < count; i++) {
                begin([name, i]);
                header("[[", [name], "]]");
                body();
                if (!nested) continue;
                begin([name, i, "sub"]);
                header("[", [name, "sub"], "]");
                body();
            }
        });
    }
    for (const section of random.shuffled(sections)) section();

    // Without a newline at its end an empty last line would be none.
    const end = random.chance(0.8) || lines.at(-1)?.text === "" ? style.newline : "";
    return { lines, tables, text: lines.map(({ text }) => text).join(style.newline) + end };
}

/** The lines of a file that holds no strings of several lines, with what can be read of them without a parser. */
export function describeLines(text: string): Document {
    const lines: Line[] = [];
    const tables: Path[] = [];
    let table: Path = [];
    for (const line of text.replace(/\n$/, "").split("\n")) {
        const header = /^\s*\[([^[\]]+)\]/.exec(line);
        if (header) {
            table = Array.from(header[1]!.matchAll(/"([^"]*)"|([\w-]+)/g), ([, quoted, bare]) => quoted ?? bare!);
            tables.push(table);
        }
        const key = /^\s*([\w-]+)\s*=/.exec(line)?.[1];
        const commented = /^\s*#\s*([\w-]+)\s*=/.exec(line)?.[1];
        // A line that is none of these goes on with the value before it.
        const previous = lines.at(-1);
        const goesOn = !header && !key && !/^\s*(#|$)/.test(line) ? previous?.key : undefined;
        lines.push({ text: line, table, key: key ?? goesOn, commented });
    }
    return { lines, tables, text };
}
