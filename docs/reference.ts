// Generates the reference of arguments and outputs, and the table of Kubespray's variables, from the doc comments in the schema
// and from one example of each argument. `npm run schema` writes both, the tables of the shims and of the
// errors, and the example for the Pulumi Registry.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { everyArgument } from "./everyArgument";
import { chooser, registryFile } from "./registry";
import { shimsFile, shimTables } from "./shims";
import { errorTables, troubleshootingFile } from "./troubleshooting";

interface Type {
    type?: string;
    $ref?: string;
    items?: Type;
    additionalProperties?: Type;
}
interface Property extends Type {
    description: string;
}
interface ObjectType {
    properties: { [name: string]: Property };
    required?: string[];
    enum?: { value: string; description: string }[];
}
interface Schema {
    resources: {
        [token: string]: {
            description: string;
            inputProperties: { [name: string]: Property };
            requiredInputs: string[];
            properties: { [name: string]: Property };
        };
    };
    types: { [token: string]: ObjectType };
}

/** An argument or output. */
export interface Entry {
    /** As in `nodes.NAME.connection.port`. */
    path: string;
    type: string;
    required: boolean;
    description: string;
    values: { value: string; description: string }[];
    example: unknown;
}

/** The keys of maps, if they are not names. */
const keys: { [path: string]: string } = {
    "runtimeClasses.NAME.settings": "TABLE.KEY",
    "runtimeClasses.NAME.labels": "KEY",
    "runtimeClasses.NAME.annotations": "KEY",
    "runtimeClasses.NAME.nodeSelector": "KEY",
    "nodeStatuses.NAME.kataVersions": "HANDLER",
    "nodeStatuses.NAME.sandboxes": "HANDLER",
    "nodeStatuses.NAME.verified": "HANDLER",
};
const kinds: { [type: string]: string } = { string: "string", number: "integer", boolean: "boolean" };

export class Reference {
    /** The path at which the fields of a type are listed. */
    private readonly listed = new Map<ObjectType, string>();

    constructor(private readonly schema: Schema) {}

    private get component() {
        return Object.values(this.schema.resources)[0]!;
    }

    arguments(): Entry[] {
        const { inputProperties, requiredInputs } = this.component;
        return this.entries("", { properties: inputProperties, required: requiredInputs }, everyArgument);
    }

    outputs(): Entry[] {
        return this.entries("", { properties: this.component.properties }, undefined);
    }

    private entries(prefix: string, { properties, required = [] }: ObjectType, example: any): Entry[] {
        return Object.entries(properties).flatMap(([name, property]) => {
            const path = prefix + name;
            const entry = {
                path,
                type: this.kind(path, property),
                required: required.includes(name),
                description: property.description,
                values: this.referred(property)?.enum ?? [],
                example: example?.[name],
            };
            return [entry, ...this.inside(path, property, example?.[name])];
        });
    }

    /** The fields of an argument, of the values of a map, or of the items of a list. */
    private inside(path: string, property: Type, example: any): Entry[] {
        const type = this.referred(property);
        if (type?.properties) {
            if (!this.listed.has(type)) this.listed.set(type, path);
            return this.listed.get(type) === path ? this.entries(`${path}.`, type, example) : [];
        }
        const each = property.additionalProperties ?? property.items;
        if (!each?.$ref || !this.referred(each)) return [];
        const name = property.items ? "[]" : ".NAME";
        return this.inside(path + name, each, Object.values(example ?? {})[0]);
    }

    private referred = ({ $ref }: Type): ObjectType | undefined =>
        $ref === undefined ? undefined : this.schema.types[$ref.replace("#/types/", "")];

    private kind(path: string, property: Type & { description?: string }): string {
        const type = this.referred(property);
        if (type?.enum) return `one of ${type.enum.map(({ value }) => `\`${value}\``).join(", ")}`;
        if (type) {
            const first = this.listed.get(type) ?? path;
            return first === path ? "object" : `object, as in \`${first}\``;
        }
        if (property.additionalProperties) return `map by ${keys[path] ?? "NAME"}`;
        if (property.items) return "list";
        return property.description?.includes("fraction") ? "number" : kinds[property.type!]!;
    }
}

/** The text of a description without its default and its Kubespray variables, and these. */
export function parts(description: string): { text: string; default?: string; kubespray?: string } {
    const found: { default?: string; kubespray?: string } = {};
    const paragraphs = description.split("\n\n").map((paragraph) =>
        paragraph
            // The items of a list stay on lines of their own.
            .replace(/\n(?!- ) */g, " ")
            .split(/(?<=\.) (?=[A-Z`])/)
            .filter((sentence) => {
                const [, value] = /^Defaults to (.*)\.$/.exec(sentence) ?? [];
                const [, variable] = /^Kubespray: (.*)\.$/.exec(sentence) ?? [];
                found.default ??= value;
                found.kubespray ??= variable;
                return value === undefined && variable === undefined;
            })
            .join(" "),
    );
    return { text: paragraphs.filter((paragraph) => paragraph !== "").join("\n\n"), ...found };
}

function section({ path, type, required, description, values, example }: Entry): string {
    const { text, kubespray, ...rest } = parts(description);
    // The fields have examples of their own.
    const isNested = type.startsWith("object") || type === "list" || ["nodes", "runtimeClasses"].includes(path);
    const shown = isNested ? undefined : JSON.stringify(example);
    const facts = [
        `- ${type}${required ? ", required" : ""}`,
        ...values.map(({ value, description }) => `    - \`${value}\`: ${description.replace(/\n/g, " ")}`),
        rest.default && `- default: ${rest.default}`,
        shown && `- example: \`${shown}\``,
        kubespray && `- Kubespray: ${kubespray}`,
    ];
    return [`### \`${path}\``, text, facts.filter(Boolean).join("\n")].join("\n\n");
}

export function markdown(schema: Schema): string {
    const reference = new Reference(schema);
    const { description } = Object.values(schema.resources)[0]!;
    return `${[
        "# Reference of `KataContainers`",
        "<!-- Generated by `npm run schema` from the comments in src/args.ts and the examples in docs/everyArgument.ts. -->",
        description,
        "The names are those of TypeScript, JavaScript, YAML and Java. Python uses underscores (`private_key`); Go and C# use " +
            "a capital letter (`PrivateKey`). Keys that you choose, such as the names of nodes, are the same in all languages. In " +
            'Go, every number outside `settings`, also a whole one, is `pulumi.Float64(22)` and a string is `pulumi.String("…")`; `gone`, `adopt`, ' +
            "`rollout.maxUnavailable`, `rollout.maxParallelDownloads` and `rollout.canary` take `pulumi.BoolRef(true)`, `pulumi.Float64Ref(2)` and " +
            '`pulumi.StringRef("…")`.',
        "In the paths, `NAME` stands for a key that you choose, and `[]` for each item of a list. An argument that is " +
            "not marked as required is optional.",
        "## Arguments",
        ...reference.arguments().map(section),
        "## Outputs",
        ...reference.outputs().map(section),
    ].join("\n\n")}\n`;
}

/** The table of the arguments with a Kubespray variable. */
export function variables(schema: Schema): string {
    const rows = new Reference(schema)
        .arguments()
        // The fields of the bastion have the same variables as those of the node.
        .filter(({ path }) => !path.includes(".proxy."))
        .map(({ path, required, description }) => ({ path, required, ...parts(description) }))
        .filter(({ kubespray }) => kubespray !== undefined)
        .map((row) => `| \`${row.path}\` | ${row.required ? "required" : (row.default ?? "–")} | ${row.kubespray} |`);
    return ["| argument | default | Kubespray variable |", "|---|---|---|", ...rows].join("\n");
}

/** The page with a table between its markers. */
export function withTable(page: string, name: string, table: string): string {
    const [begin, end] = [`<!-- begin: ${name} -->\n`, `<!-- end: ${name} -->`];
    const [before, after] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
    return `${page.slice(0, before)}${table}\n${page.slice(after)}`;
}

/** The page with the table of the arguments with a Kubespray variable. */
export const withVariables = (page: string, schema: Schema) => withTable(page, "variables", variables(schema));

const withTables = (page: string, tables: { [name: string]: string }) =>
    Object.entries(tables).reduce((page, [name, table]) => withTable(page, name, table), page);

/** The page with the tables of the shims. */
export const withShims = (page: string) => withTables(page, shimTables);

/** The page with the tables of the errors. */
export const withErrors = (page: string) => withTables(page, errorTables());

/** The page of the Pulumi Registry with the example. */
export const withChooser = (page: string) => withTable(page, "chooser", chooser());

const folder = join(__dirname, "..");
export const schema = (): Schema => JSON.parse(readFileSync(join(folder, "schema.json"), "utf8"));
export const file = join(folder, "docs/reference.md");
export const kubesprayFile = join(folder, "docs/kubespray.md");

if (require.main === module) {
    writeFileSync(file, markdown(schema()));
    writeFileSync(kubesprayFile, withVariables(readFileSync(kubesprayFile, "utf8"), schema()));
    writeFileSync(shimsFile, withShims(readFileSync(shimsFile, "utf8")));
    writeFileSync(registryFile, withChooser(readFileSync(registryFile, "utf8")));
    writeFileSync(troubleshootingFile, withErrors(readFileSync(troubleshootingFile, "utf8")));
}
