// The programs in the README and in docs/languages.md are those of the examples, which the tests run.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";

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

describe("docs/languages.md", () => {
    const files = {
        typescript: "typescript/index.ts",
        python: "python/__main__.py",
        go: "go/main.go",
        yaml: "yaml/Pulumi.yaml",
        java: "java/src/main/java/example/App.java",
        csharp: "csharp/Program.cs",
    };
    for (const [language, file] of Object.entries(files)) {
        it(`docs/languages.md shows the ${language} program of examples/${file}`, () => {
            const program = lines(block("docs/languages.md", language));
            expect(program.length).to.be.at.least(5);
            expect(lines(read(join("examples", file))).join("\n")).to.contain(program.join("\n"));
        });
    }
});
