// The schema that Pulumi infers from the sources is the package's interface in every other language. It is kept in
// schema.json, so that a change of it is seen; `npm run schema` writes it anew.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Analyzer } from "@pulumi/pulumi/provider/experimental/analyzer";
import { generateSchema } from "@pulumi/pulumi/provider/experimental/schema";
import { expect } from "chai";
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
    return JSON.parse(
        JSON.stringify(generateSchema(name, version, description, components, typeDefinitions, dependencies)),
    );
}

describe("the schema", () => {
    let schema: Schema;

    before(() => {
        schema = infer();
        if (process.env.UPDATE_SCHEMA) {
            writeFileSync(file, `${JSON.stringify(schema, null, 4)}\n`);
        }
    });

    it("is the one in schema.json", () => {
        expect(schema, "write it anew: npm run schema").to.deep.equal(read("schema.json"));
    });

    it("has one component, with the outputs it is meant to have", () => {
        expect(Object.keys(schema.resources)).to.deep.equal(["kata-containers:index:KataContainers"]);
        const [component] = Object.values(schema.resources);
        expect(Object.keys(component!.properties).sort()).to.deep.equal(["nodeStatuses", "runtimeClassName"]);
        expect(component!.description).to.match(/^Kata Containers on the nodes/);
    });

    it("describes every property and every enum value", () => {
        const bare: string[] = [];
        const visit = (path: string, value: unknown) => {
            if (typeof value !== "object" || value === null) {
                return;
            }
            for (const [key, child] of Object.entries(value)) {
                const inside = `${path}/${key}`;
                if (/\/(inputProperties|properties|enum)$/.test(path) && !child.description) {
                    bare.push(inside);
                }
                visit(inside, child);
            }
        };
        visit("", schema);
        expect(bare).to.deep.equal([]);
    });

    it("says the default version that the table of releases gives", () => {
        expect(JSON.stringify(schema)).to.contain(`Defaults to \`${defaultVersion}\`, the newest`);
    });

    it("has no text that Pulumi made of a link", () => {
        expect(JSON.stringify(schema)).not.to.contain("[object Object]");
    });
});
