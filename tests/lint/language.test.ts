// The texts that people read: plain English, without the words in banned.ts.

import { expect } from "chai";
import { banned } from "./banned";
import { read, tracked } from "./files";

const isText = (path: string) => /\.(sh|ts|md)$/.test(path);

/** Every banned word in the lines, with its place and its rule. */
const problems = (path: string, lines: string[]): string[] =>
    lines.flatMap((line, i) =>
        Object.entries(banned)
            .filter(([, pattern]) => pattern.test(line))
            .map(([rule]) => `${path}:${i + 1}: ${rule}: ${line.trim()}`),
    );

/** Markdown without its code. Headings may be questions. */
const prose = (text: string) =>
    text
        .replace(/^```[\s\S]*?^```/gm, (code) => code.replace(/[^\n]/g, ""))
        .replace(/`[^`\n]*`/g, "code")
        .replace(/^#+ (What|Where|Whose)\b/gm, "#");

/** The titles of the tests, each on its line. */
function titles(text: string): string[] {
    const lines = text.split("\n").map(() => "");
    for (const { 0: call, 2: title, index } of text.matchAll(/\b(?:it|describe|inEveryShell)\(\s*(["'`])(.*?)\1/g)) {
        const line = text.slice(0, index + call.length).split("\n").length - 1;
        lines[line] = title!.replace(/^[a-z]/, (letter) => letter.toUpperCase());
    }
    return lines;
}

describe("lint: language", () => {
    for (const [texts, paths, linesOf] of [
        ["the node program", ["node", "daemon"], (text: string) => text.split("\n")],
        ["the comments and errors of src", ["src"], (text: string) => text.split("\n")],
        ["the documentation", ["*.md"], (text: string) => prose(text).split("\n")],
        ["the titles of the tests", ["tests"], titles],
    ] as const) {
        it(`finds no banned word in ${texts}`, () => {
            const found = tracked(...paths)
                .filter(isText)
                .flatMap((path) => problems(path, linesOf(read(path))));
            expect(found).to.deep.equal([]);
        });
    }

    it("finds banned words and allows their neighbours", () => {
        const wrong = [
            "mend it",
            "it is not well",
            "puts the node back",
            "is to be removed",
            "looks at it",
            "// What is there",
            "Where to download",
        ];
        for (const line of wrong) expect(problems("file", [line]), line).to.have.length(1);
        const right = ["recommend it", "as well as", "is well-formed", "back to", "to what", '"none"', "What to do"];
        expect(problems("file", right)).to.deep.equal([]);
    });
});
