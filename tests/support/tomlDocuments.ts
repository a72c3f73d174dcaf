// Generates TOML documents in every form that people and programs write, with what is known about each of their lines.

import fc from "fast-check";
import { parse as parseToml } from "smol-toml";

export const parse = (text: string): any => parseToml(text, { integersAsBigInt: "asNeeded" });

/** The path of a table from the root; a number is an index in an array of tables. */
export type Path = (string | number)[];

export interface Line {
    text: string;
    table: Path;
    /** The key of the entry that the line belongs to, its first part if it is dotted. */
    key?: string;
    /** The key of an entry that is commented out on this line. */
    commented?: string;
}

export interface Document {
    lines: Line[];
    /** The tables that have a header, in the order of their headers. */
    tables: Path[];
    text: string;
}

interface Style {
    indent: string;
    equals: string;
    newline: string;
    remarks: boolean;
}
/** One or more lines, which become text when the style of the document is known. */
type Piece = (style: Style) => Omit<Line, "table">;
interface Section {
    /** Sections are sorted by rank. */
    rank: number;
    path: Path;
    pieces: Piece[];
}

/** Keys that tests set; a document has a generated value for each, has it commented out, or does not have it. */
export const bareKeys = ["enable_debug", "default_memory", "kernel_params", "valid_paths", "path", "x-1", "7"];
const oddKeys = ["with space", "a.b", "#c", "é", 'quo"te', "it's", "[k]", "k = v", ""];
const tableNames = [
    ...["hypervisor", "qemu", "agent", "kata", "runtime", "factory", "b-c", "under_score", "42"],
    ...["io.containerd.grpc.v1.cri", "two words", "ünï", "", "it's", 'q"uote', "back\\slash", "#", "[x]", "a=b"],
];
/** Texts that would be structure outside of strings and comments. */
const lookalikes = [
    ...["[runtime]", "enable_debug = true", "# comment", "[[a]]", "]", "}", "{", "[", "=", "a = [", "#", "plain", ""],
    ...["default_memory = 1", '"', "'", "\\", "\t", "C:\\dir\\", "  indented", "[hypervisor.qemu]", "'''", "🦀"],
];

/** A value with the given probability in percent, else undefined. */
export const maybe = <T>(percent: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.oneof(
        { withCrossShrink: true },
        { weight: 100 - percent, arbitrary: fc.constant(undefined) },
        { weight: percent, arbitrary },
    );
/** True with the given probability in percent. */
export const chance = (percent: number) => maybe(percent, fc.constant(true)).map(Boolean);

const text = fc
    .array(
        fc.oneof(
            { weight: 7, arbitrary: fc.constantFrom(...lookalikes) },
            { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 5 }) },
        ),
        { maxLength: 3 },
    )
    .map((words) => words.join(" "));

const basicString = fc
    .tuple(text, maybe(20, fc.constantFrom("\\u00e9", "\\U0001F980", "\\t", "\\\\", '\\"')))
    .map(([text, suffix = ""]) => `${JSON.stringify(text).slice(0, -1)}${suffix}"`);
const literalString = text.map((text) => `'${text.replaceAll("'", "")}'`);

const longText = fc
    .tuple(fc.array(text, { minLength: 1, maxLength: 4 }), chance(30))
    .map(([lines, newlineFirst]) => (newlineFirst ? ["", ...lines] : lines).join("\n"));
// One or two quotes may precede the closing ones.
const longLiteralString = fc
    .tuple(longText, fc.constantFrom("", "", "'", "''"))
    .map(([inside, quotes]) => `'''${inside.replaceAll("'''", "").replace(/'+$/, "")}${quotes}'''`);
const longBasicString = fc
    .tuple(longText, chance(20), fc.constantFrom("", "", '"', '""'))
    .map(([inside, continued, quotes]) => {
        const escaped = inside.replaceAll("\\", "\\\\").replaceAll('"""', '""\\"').replace(/"+$/, "");
        return `"""${continued ? escaped.replace("\n", "\\\n") : escaped}${quotes}"""`;
    });
const longString = fc.oneof(longLiteralString, longBasicString);

const numbersAndDates = fc.oneof(
    {
        weight: 9,
        arbitrary: fc.constantFrom("0", "4096", "-1", "1_000", "0xff", "0.5", "6e-7", "inf", "1979-05-27"),
    },
    { weight: 1, arbitrary: fc.integer().map(String) },
    { weight: 1, arbitrary: fc.double({ noInteger: true, noNaN: true, noDefaultInfinity: true }).map(String) },
);
const scalar = fc.oneof(
    { weight: 8, arbitrary: numbersAndDates },
    { weight: 2, arbitrary: fc.constantFrom("true", "false") },
    { weight: 5, arbitrary: basicString },
    { weight: 5, arbitrary: literalString },
);

// The index keeps the keys apart.
const inlineKeys = [
    (i: number) => `k${i}`,
    (i: number) => `"k${i}.]"`,
    (i: number) => `'}${i}'`,
    (i: number) => `d.e${i}`,
];
const inlineTable = fc
    .array(fc.tuple(fc.constantFrom(...inlineKeys), scalar), { maxLength: 2 })
    .map((entries) => `{ ${entries.map(([key, value], i) => `${key(i)} = ${value}`).join(", ")} }`);

/** A comment at the end of a line. */
const trailing = text.map((text) => `# ${text.replaceAll("\t", " ")}`);

function array(depth = 0): fc.Arbitrary<string> {
    const item = fc.oneof(
        { weight: 65, arbitrary: scalar },
        { weight: 8, arbitrary: longString },
        { weight: 7, arbitrary: inlineTable },
        ...(depth < 2 ? [{ weight: 20, arbitrary: array(depth + 1) }] : []),
    );
    const space = maybe(30, trailing).map((comment) => (comment ? ` ${comment}` : ""));
    const line = fc.tuple(maybe(20, space), item, space).map(([before, item, after]) => ({
        item,
        text: `${before === undefined ? "" : `  #enable_debug = [${before}\n`}  ${item},${after}\n`,
    }));
    return fc
        .tuple(fc.boolean(), space, fc.array(line, { maxLength: 3 }))
        .map(([long, space, lines]) =>
            long
                ? `[${space}\n${lines.map(({ text }) => text).join("")}]`
                : `[${lines.map(({ item }) => item).join(", ")}]`,
        );
}

/** The text of a value, on one line or several. */
const value = fc.oneof(
    { weight: 5, arbitrary: scalar },
    { weight: 2, arbitrary: longString },
    { weight: 2, arbitrary: array() },
    { weight: 1, arbitrary: inlineTable },
);

/** One part of a key, in one of the forms that TOML has for it. */
function keyPart(part: string): fc.Arbitrary<string> {
    const forms = [JSON.stringify(part)];
    if (!part.includes("'")) forms.push(`'${part}'`);
    if (/^[\w-]+$/.test(part)) forms.unshift(part, part, part, part);
    return fc.constantFrom(...forms);
}
const dot = fc.constantFrom(".", ".", ".", " . ", ". ", "\t.");
const keyPath = (path: string[]) => fc.tuple(dot, ...path.map(keyPart)).map(([dot, ...parts]) => parts.join(dot));

const indent = maybe(30, fc.constantFrom("", " ", "\t", "    "));
const remark = maybe(
    35,
    fc.tuple(fc.constantFrom(" ", "  ", "\t", ""), trailing).map(([space, comment]) => space + comment),
);

const blankLine = fc.constantFrom("", "", "  ", "\t").map(
    (text): Piece =>
        () => ({ text }),
);
const comment = fc.tuple(indent, fc.constantFrom("", " ", "## "), text).map(([indent, space, text]): Piece => {
    const comment = `#${space}${text.replaceAll("\t", " ")}`;
    // A comment can look like an entry that is commented out; then it is one.
    const commented = /^#[ \t]*([A-Za-z0-9_-]+)[ \t]*=/.exec(comment)?.[1];
    return (style) => ({ text: `${indent ?? style.indent}${comment}`, commented });
});
const filler = fc
    .tuple(maybe(20, blankLine), maybe(20, comment))
    .map((pieces) => pieces.filter((piece) => piece !== undefined));

const assignment = (written: fc.Arbitrary<string>, key: string, value: fc.Arbitrary<string>) =>
    fc.tuple(indent, written, value, remark).map(
        ([indent, written, value, remark = ""]): Piece =>
            (style) => ({
                text: `${indent ?? style.indent}${written}${style.equals}${value}${style.remarks ? remark : ""}`,
                key,
            }),
    );

/** An entry with this value, after comments and blank lines; a key of several parts is written with dots. */
export function entry(key: string | string[], value: string): fc.Arbitrary<Piece[]> {
    const path = [key].flat();
    return fc
        .tuple(filler, assignment(keyPath(path), path[0]!, fc.constant(value)))
        .map(([filler, entry]) => [...filler, entry]);
}

const oneOfEach = <T>(keys: readonly string[], make: (key: string) => fc.Arbitrary<T>, maxLength: number) =>
    fc
        .uniqueArray(fc.oneof(...keys.map((key) => make(key).map((made) => ({ key, made })))), {
            selector: ({ key }) => key,
            maxLength,
        })
        .map((each) => each.map(({ made }) => made));

const commentedOut = (key: string) =>
    fc.tuple(indent, fc.constantFrom("", " ", "\t"), scalar).map(
        ([indent, space, value]): Piece =>
            (style) => ({
                text: `${indent ?? style.indent}#${space}${key}${style.equals}${value}`,
                commented: key,
            }),
    );
const bareEntry = (key: string) =>
    fc
        .tuple(
            filler,
            maybe(30, fc.tuple(commentedOut(key), fc.boolean())),
            assignment(
                chance(10).map((quoted) => (quoted ? JSON.stringify(key) : key)),
                key,
                value,
            ),
        )
        .map(([filler, [commented, alone] = [undefined, false], entry]) => [
            ...filler,
            ...(commented ? [commented] : []),
            ...(alone ? [] : [entry]),
        ]);
const oddEntry = (key: string) =>
    fc.tuple(filler, assignment(keyPart(key), key, value)).map(([filler, entry]) => [...filler, entry]);
const dottedEntry = fc.oneof(
    ...oddKeys.map((key) => assignment(keyPath(["dotted", key]), "dotted", value).map((piece) => [piece])),
);
const body = fc
    .tuple(oneOfEach(bareKeys, bareEntry, 4), oneOfEach(oddKeys, oddEntry, 2), maybe(10, dottedEntry), filler)
    .map(([bare, odd, dotted = [], filler]) => [...bare, ...odd, dotted, filler].flat());

const rank = fc.nat(1000);
const headerForm = fc.tuple(indent, fc.constantFrom("", "", " "), remark);
const headerLine =
    (path: string, [indent, space, remark = ""]: [string?, string?, string?], [open, close] = ["[", "]"]): Piece =>
    (style) => ({
        text: `${indent ?? style.indent}${open}${space}${path}${space}${close}${style.remarks ? remark : ""}`,
    });
const header = (path: string[], brackets?: [string, string]) =>
    fc.tuple(keyPath(path), headerForm).map(([path, form]) => headerLine(path, form, brackets));

/** A table with these entries, or with any. */
export const table = (path: string[], entries?: fc.Arbitrary<Piece[] | undefined>[]): fc.Arbitrary<Section> =>
    fc
        .tuple(
            rank,
            header(path),
            entries ? fc.tuple(...entries, filler).map((pieces) => pieces.flatMap((piece) => piece ?? [])) : body,
        )
        .map(([rank, header, body]) => ({ rank, path, pieces: [header, ...body] }));

const anyPart = fc.oneof(...tableNames.map((name) => keyPart(name).map((written) => ({ name, written }))));
const anyTable = fc
    .tuple(rank, fc.array(anyPart, { minLength: 1, maxLength: 3 }), dot, headerForm, body)
    .map(([rank, parts, dot, form, body]): Section => {
        const written = parts.map(({ written }) => written).join(dot);
        return { rank, path: parts.map(({ name }) => name), pieces: [headerLine(written, form), ...body] };
    });

/** An array of tables; a table in each element is optional. */
const arrayOfTables = fc.oneof(
    ...["array", "a rray"].map((name) => {
        const element = fc.tuple(header([name], ["[[", "]]"]), body);
        const nested = fc.tuple(header([name, "sub"]), body);
        return fc
            .tuple(rank, fc.boolean(), fc.array(fc.tuple(element, nested), { minLength: 1, maxLength: 3 }))
            .map(([rank, withNested, elements]): Section[] =>
                elements.flatMap(([element, nested], i) => [
                    { rank, path: [name, i], pieces: element.flat() },
                    ...(withNested ? [{ rank, path: [name, i, "sub"], pieces: nested.flat() }] : []),
                ]),
            );
    }),
);

const style = fc.record<Style>({
    indent: fc.constantFrom("", "", "  ", "\t"),
    equals: fc.constantFrom(" = ", " = ", "=", "  =\t"),
    newline: chance(25).map((windows) => (windows ? "\r\n" : "\n")),
    remarks: chance(67),
});

function assemble(style: Style, root: Piece[], sections: Section[], finalNewline: boolean): Document {
    const names = sections.map(({ path }) => JSON.stringify(path));
    const unique = sections.filter((_, i) => names.indexOf(names[i]!) === i).sort((a, b) => a.rank - b.rank);
    const lines = [{ path: [], pieces: root }, ...unique].flatMap(({ path, pieces }) =>
        pieces.flatMap((piece) => {
            const { text, ...about } = piece(style);
            return text.split("\n").map((text): Line => ({ text, table: path, ...about }));
        }),
    );
    // An empty last line without a newline would be no line.
    const end = finalNewline || lines.at(-1)?.text === "" ? style.newline : "";
    return {
        lines,
        tables: unique.map(({ path }) => path),
        text: lines.map(({ text }) => text).join(style.newline) + end,
    };
}

function isValid({ text }: Document): boolean {
    try {
        parse(text);
        return true;
    } catch {
        // Names that exclude each other, for example a table and an array of tables with the same name.
        return false;
    }
}

/** Documents with these tables among others. */
export const documents = (...wanted: fc.Arbitrary<Section | (Section | undefined)[] | undefined>[]) =>
    fc
        .tuple(
            style,
            fc.tuple(filler, body),
            fc.tuple(...wanted),
            fc.array(anyTable, { maxLength: 5 }),
            maybe(25, arrayOfTables),
            chance(80),
        )
        .map(([style, root, wanted, tables, array = [], finalNewline]) => {
            const sections = [...wanted.flat(), ...tables, ...array].filter((section) => section !== undefined);
            return assemble(style, root.flat(), sections, finalNewline);
        })
        .filter(isValid);

/** Describes the lines of a file without multi-line strings, as far as a reader without a parser can. */
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
        // A line that is none of these continues the value before it.
        const previous = lines.at(-1);
        const continued = !header && !key && !/^\s*(#|$)/.test(line) ? previous?.key : undefined;
        lines.push({ text: line, table, key: key ?? continued, commented });
    }
    return { lines, tables, text };
}
