// docs/troubleshooting.md has every error that the package can print.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import * as ts from "typescript";
import { nodeErrors } from "../docs/nodeErrors";
import { withErrors } from "../docs/reference";
import { troubleshootingFile } from "../docs/troubleshooting";
import { daemonScripts, programFiles } from "../src/node/program";

const page = readFileSync(troubleshootingFile, "utf8");
/** The page without the marks of Markdown and of what varies. */
const shown = page.replace(/\\([|<])/g, "$1");
const program = programFiles()
    .map(([, text]) => text.replace(/^ *#.*$/gm, "").replace(/\\\n/g, ""))
    .join("\n");

describe("docs/troubleshooting.md", () => {
    it("docs/troubleshooting.md has the generated errors", () => {
        expect(page, "update it with: npm run schema").to.equal(withErrors(page));
    });

    it("docs/troubleshooting.md has the finding and the remedy of each error of the node program", () => {
        const calls = [...program.matchAll(/\b(?:fail|explain|finding) "(.*?[^\\])" *\n? +"(.*)/g)];
        expect(calls).to.have.length.at.least(70);
        const words = calls.flatMap(([, finding, remedy]) => [finding!, remedy!]);
        // Up to the first part that varies, or between it and the second one.
        const parts = words.map((word) => /^(?:\$\w+\b|\$\([^()]*\))?([^$"\\(]{8,})/.exec(word)?.[1] ?? "");
        expect(parts.filter((part) => part !== "")).to.have.length.at.least(130);
        expect(parts.filter((part) => !shown.includes(part))).to.deep.equal([]);
    });

    it("docs/troubleshooting.md has the finding and the remedy of each error of the runner", () => {
        const { "runner.sh": runner } = daemonScripts();
        const calls = [...runner!.matchAll(/\bgive_up "(.*?[^\\])" "([a-z].*)"/g)];
        const sentences = [...runner!.matchAll(/\b(?:say|wait_for|warn \w+|echo) "([a-z][^"$]+ [^"$]+)/gi)];
        const parts = [...calls.flatMap(([, ...words]) => words), ...sentences.map(([, sentence]) => sentence)];
        // Up to the first part that varies.
        const fixed = parts.map((part) => part!.split("$")[0]!.trim()).filter((part) => part.split(" ").length > 2);
        expect(fixed).to.have.length.at.least(8);
        const progress = /^(removing|waiting for the end|this node is as requested|drift)/;
        expect(fixed.filter((part) => !progress.test(part) && !shown.includes(part))).to.deep.equal([]);
    });

    it("the errors of a program show its constants, and name its variables and parameters", () => {
        const program = [
            "FOLDER=/opt/folder",
            "# check PATH: a comment",
            "check() {",
            '    local reason="it is too old" value=1',
            `    [ -z "$value" ] || fail "$1 in $FOLDER is $value: $(cat "$FOLDER/it's" | tail -n 1)" \\`,
            '        "$reason; call \\`update\\` or $(remedy)"',
            "}",
            "remedy() { # NAME",
            '    echo "remove this node"',
            "}",
            "do_stage() {",
            '    if true; then step "first"; fi',
            "    check",
            "    [ $# -gt 0 ] || return 0",
            '    step "second"; check',
            "}",
            'do_unstage() { explain "a command failed$' + '{value:+ with $value}" "run pulumi again"; }',
        ];
        expect(nodeErrors([["x.sh", program.join("\n")]])).to.deep.equal({
            errors: [
                {
                    finding: "*PATH* in /opt/folder is *VALUE*: …",
                    remedy: "it is too old; call `update` or remove this node",
                    steps: ["start", "first", "second"],
                },
                { finding: "a command failed with *VALUE*", remedy: "run pulumi again", steps: ["start"] },
            ],
            steps: ["start", "first", "second"],
        });
    });

    it("docs/troubleshooting.md lists each error under the steps that print it", () => {
        const { errors } = nodeErrors();
        const steps = (finding: string) => errors.find((error) => error.finding.includes(finding))?.steps;
        // As the end-to-end tests see them.
        expect(steps("this node is managed by")).to.deep.equal(["owner"]);
        expect(steps("could not download")).to.deep.equal(["release"]);
        expect(steps("is too old")).to.deep.equal(["containerd"]);
        expect(steps("could not boot a guest")).to.deep.equal(["verification"]);
        expect(steps("rewrote")).to.deep.equal(["check after the change"]);
        expect(steps("did not start or was killed")).to.deep.equal(["start"]);
        expect(steps("is unhealthy with the new configuration")).to.deep.equal(["change"]);
        // Every function may print these.
        expect(
            errors.filter(({ steps }) => steps.length === 0).map(({ finding }) => finding.slice(0, 30)),
        ).to.deep.equal([
            "release tree /opt/kata-release",
            "Kata Containers is not active",
            "an interrupted change must be ",
            "a command failed (see its outp",
            "warning: rolled back, but *RUN",
            "stopped by a signal",
        ]);
    });

    it("docs/troubleshooting.md has every sentence of the component, which are its errors and warnings", () => {
        const documentedElsewhere = /^(args\.ts|kata\/|cluster\/drift\.ts)/;
        const missing: string[] = [];
        let count = 0;
        const files = readdirSync(join(__dirname, "../src"), { recursive: true, encoding: "utf8" });
        for (const file of files.filter((file) => file.endsWith(".ts") && !documentedElsewhere.test(file))) {
            const text = readFileSync(join(__dirname, "../src", file), "utf8");
            const visit = (node: ts.Node): void => {
                if (
                    ts.isStringLiteralLike(node) ||
                    ts.isTemplateHead(node) ||
                    ts.isTemplateMiddleOrTemplateTail(node)
                ) {
                    // A script for a shell has more than one line.
                    const sentence = /\n/.test(node.text) ? (/"(error: [^$"]+)/.exec(node.text)?.[1] ?? "") : node.text;
                    const isSentence = /[a-z]+ [a-z]+ [a-z]+/.test(sentence);
                    if (isSentence) count++;
                    if (isSentence && !shown.includes(sentence.trim())) missing.push(`${file}: ${sentence}`);
                }
                ts.forEachChild(node, visit);
            };
            visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
        }
        expect(count).to.be.at.least(90);
        // An error of another package, by which it is recognized. Expressions of the admission policy are no sentences.
        expect(missing.filter((text) => !text.startsWith("daemon/policy.ts:  || key in"))).to.deep.equal([
            "node/ssh.ts: no matching host key format",
        ]);
    });
});
