// The programs in the README, in docs/languages.md and on the pages for the Pulumi Registry are those of the examples, which the
// tests run.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { withChooser } from "../docs/reference";
import { programs } from "../docs/registry";

const root = join(__dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
/** The lines without indentation, so that a wrapped or indented text compares equal. */
const lines = (text: string) => text.trim().split(/\n\s*/);
const block = (page: string, language: string) =>
    new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(read(page))?.[1] ?? "";

describe("README.md", () => {
    it("README.md has at most 150 lines", () => {
        expect(read("README.md").split("\n").length - 1).to.be.at.most(150);
    });

    it("the TypeScript program in README.md consists of lines of examples/typescript", () => {
        const program = lines(block("README.md", "typescript"));
        expect(program.length).to.be.at.least(10);
        expect(lines(read("examples/typescript/index.ts"))).to.include.members(program);
    });
});

describe("the pages for the Pulumi Registry", () => {
    it("docs/_index.md has the generated example", () => {
        const page = read("docs/_index.md");
        expect(page, "update it with: npm run schema").to.equal(withChooser(page));
    });

    for (const page of ["docs/_index.md", "docs/installation-configuration.md"]) {
        it(`${page} has the front matter of a page of the Pulumi Registry`, () => {
            expect(read(page)).to.match(/^---\ntitle: .+\nmeta_desc: .{50,160}\nlayout: package\n---\n\n/);
        });
    }

    it("docs/installation-configuration.md states the requirements of README.md", () => {
        const [versions, others] = [read("docs/installation-configuration.md"), read("README.md")].map((page) =>
            ["Pulumi", "Node\\.js", "containerd", "Kubernetes"].map(
                (name) => new RegExp(`${name}[ |]+(\\d[\\d.]*\\d) or later`).exec(page)?.[1],
            ),
        );
        expect(versions).to.deep.equal(others).and.not.include(undefined);
    });
});

describe("docs/languages.md", () => {
    for (const [language, file] of Object.entries(programs)) {
        it(`docs/languages.md shows the ${language} program of examples/${file}`, () => {
            const program = lines(block("docs/languages.md", language));
            expect(program.length).to.be.at.least(5);
            expect(lines(read(join("examples", file))).join("\n")).to.contain(program.join("\n"));
        });
    }
});
