// The schema that Pulumi infers from the sources is the interface of the package in every other language. It is stored in
// schema.json, so that changes are visible in a diff; `npm run schema` writes it.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Analyzer } from "@pulumi/pulumi/provider/experimental/analyzer";
import { generateSchema } from "@pulumi/pulumi/provider/experimental/schema";
import { expect } from "chai";
import { connectionDefaults } from "../src/args";
import { defaultVersion } from "../src/kata/releases";

const root = join(__dirname, "..");
const file = join(root, "schema.json");
const read = (name: string) => JSON.parse(readFileSync(join(root, name), "utf8"));

interface Property {
    description?: string;
}

interface Schema {
    resources: { [token: string]: { description?: string; inputProperties: object; properties: object } };
    types: { [token: string]: { properties?: { [name: string]: Property }; enum?: Property[] } };
}

function infer(): Schema {
    const { name, version, description, ...rest } = read("package.json");
    const analyzer = new Analyzer(root, name, { name, version, description, ...rest }, new Set(["KataContainers"]));
    const { components, typeDefinitions, dependencies } = analyzer.analyze();
    const inferred = generateSchema(name, version, description, components, typeDefinitions, dependencies);
    return JSON.parse(JSON.stringify({ ...registryFacts(read("package.json")), ...inferred }));
}

/** The Pulumi Registry shows these and sorts packages by them; Pulumi does not infer them. */
const registryFacts = ({ name, keywords, license }: { name: string; keywords: string[]; license: string }) => ({
    name,
    displayName: "Kata Containers",
    keywords: [...keywords, "kind/component", "category/infrastructure"],
    license,
});

describe("the schema", () => {
    let schema: Schema;

    before(() => {
        schema = infer();
        if (process.env.UPDATE_SCHEMA) {
            writeFileSync(file, `${JSON.stringify(schema, null, 4)}\n`);
        }
    });

    it("schema.json is the schema that Pulumi infers from the source, with facts for the Pulumi Registry", () => {
        expect(schema, "update it with: npm run schema").to.deep.equal(read("schema.json"));
    });

    it("the schema has one component with its outputs", () => {
        expect(Object.keys(schema.resources)).to.deep.equal(["kata-containers:index:KataContainers"]);
        const [component] = Object.values(schema.resources);
        expect(Object.keys(component!.properties).sort()).to.deep.equal([
            "daemonSetStatus",
            "nodeStatuses",
            "runtimeClassNames",
        ]);
        expect(component!.description).to.match(/^Kata Containers on the nodes/);
    });

    it("the schema describes every property and every enum value", () => {
        const undescribed: string[] = [];
        const visit = (path: string, value: unknown) => {
            if (typeof value !== "object" || value === null) {
                return;
            }
            for (const [key, child] of Object.entries(value)) {
                const inside = `${path}/${key}`;
                if (/\/(inputProperties|properties|enum)$/.test(path) && !child.description) {
                    undescribed.push(inside);
                }
                visit(inside, child);
            }
        };
        visit("", schema);
        expect(undescribed).to.deep.equal([]);
    });

    it("the schema states the default version from the table of releases", () => {
        expect(JSON.stringify(schema)).to.contain(`Defaults to \`${defaultVersion}\`. Kubespray`);
    });

    it("the schema includes the inherited members of a connection, with their descriptions", () => {
        const members = (type: string) => schema.types[`kata-containers:index:${type}`]!.properties!;
        const { proxy, ...inherited } = members("Connection");
        expect(proxy).not.to.equal(undefined);
        expect(Object.keys(inherited)).to.have.length(10);
        expect(inherited).to.deep.equal(members("ProxyConnection"));
    });

    it("the schema states the defaults of a connection that the code applies", () => {
        const members = schema.types["kata-containers:index:Connection"]!.properties!;
        for (const [name, value] of Object.entries(connectionDefaults)) {
            expect(members[name]!.description, name).to.contain(`Defaults to \`${value}\``);
        }
    });

    it("no description in the schema contains a link that Pulumi has rewritten", () => {
        expect(JSON.stringify(schema)).not.to.contain("[object Object]");
    });
});
