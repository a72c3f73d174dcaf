// What the README shows in each language stands in a program that is run.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";

const root = join(__dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
/** Without what differs in a text that is indented more, or wrapped. */
const lines = (text: string) => text.trim().split(/\n\s*/);

describe("the README's program", () => {
    const [, section] = /^## In other languages\n(.*?)^## /ms.exec(read("README.md"))!;
    const files: { [language: string]: string } = {
        python: "python/__main__.py",
        go: "go/main.go",
        yaml: "yaml/Pulumi.yaml",
        java: "java/src/main/java/example/App.java",
        csharp: "csharp/Program.cs",
    };
    for (const [language, file] of Object.entries(files)) {
        it(`in ${language} is that of the example`, () => {
            const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(section!)!;
            expect(lines(read(join("examples", file))).join("\n")).to.contain(lines(code!).join("\n"));
        });
    }
});
