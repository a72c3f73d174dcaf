// The layout and the language of the node program, as far as shellcheck does not check them.

import { expect } from "chai";
import { programFiles } from "../../src/node/program";
import { read, tracked } from "./files";
import { assigned, assignedCalls, code, functions, locals, words } from "./shell";

const files = programFiles().map(([name, text]) => {
    const program = code(text);
    return { name, text, code: program, functions: functions(program) };
});
const definitions = new Map(files.flatMap((file, i) => file.functions.map(({ name }) => [name, i] as const)));
const names = new Set(definitions.keys());

/** What a program of these lines reports. */
const sample = (...lines: string[]) => code(`${lines.join("\n")}\n`);

describe("lint: the node program", () => {
    it("no file of the node program calls a function of a later file", () => {
        const forward = files.flatMap((file, i) =>
            file.functions.flatMap(({ name, body }) =>
                words(body)
                    .filter((word) => (definitions.get(word) ?? i) > i)
                    .map((word) => `${file.name}: ${name} calls ${word} of ${files[definitions.get(word)!]!.name}`),
            ),
        );
        expect(forward).to.deep.equal([]);
    });

    it("the node program defines each function once", () => {
        const all = files.flatMap((file) => file.functions.map(({ name }) => name));
        expect(all.filter((name, i) => all.indexOf(name) !== i)).to.deep.equal([]);
        expect(all.length).to.be.greaterThan(100);
    });

    it("the node program has no assignment in front of a function call", () => {
        expect(files.flatMap((file) => assignedCalls(file.code, names))).to.deep.equal([]);
    });

    it("the lint finds an assignment in front of a function call", () => {
        const calls = [
            'A="" B=$x flag',
            "if A=1 flag; then",
            'x=$(A=$(cat "$1") flag "$2")',
            'A=1 \\\n    B=2 flag "$1"',
        ];
        for (const call of calls) expect(assignedCalls(sample(call), names), call).to.have.length(1);
        for (const other of [
            "A=1 awk",
            "A=1; flag",
            "A=$(flag 1)",
            "# A=1 flag",
            "echo 'A=1 flag'",
            'echo "A=1 flag"',
        ]) {
            expect(assignedCalls(sample(other), names), other).to.deep.equal([]);
        }
    });

    it("every variable of the node program is `local` or an upper-case global", () => {
        const leaks = files.flatMap((file) =>
            file.functions.flatMap(({ name, body }) =>
                assigned(body)
                    .filter((variable) => /^[a-z]/.test(variable) && !locals(body).includes(variable))
                    .map((variable) => `${file.name}: ${name} sets ${variable}`),
            ),
        );
        expect(leaks).to.deep.equal([]);
    });

    it("10-basics.sh lists all global variables of the node program", () => {
        const list = /^# All global variables[\s\S]*?\n#\n([\s\S]*?)\n\n/m.exec(files[0]!.text)![1]!;
        const listed = list.match(/\b[A-Z][A-Z0-9_]+\b/g)!.filter((name, i, all) => all.indexOf(name) === i);
        const fromOutside = ["LC_ALL", "PATH", "IFS"];
        const used = new Set(files.flatMap((file) => assigned(file.code)));
        const set = [...used].filter(
            (name) => /^[A-Z]/.test(name) && !/^[ET]_/.test(name) && !fromOutside.includes(name),
        );
        expect(listed.sort()).to.deep.equal(set.sort());
    });

    it("the node program has at most 1,800 lines of code and comments outside of distributions and cri", () => {
        const numbered = files.filter(({ name }) => !name.includes("/"));
        const lines = numbered.flatMap(({ text }) => text.split("\n").filter((line) => line.trim()));
        expect(lines.length).to.be.at.most(1800).and.greaterThan(1000);
    });

    it("the first line of each file of the node program states its purpose", () => {
        for (const { name, text } of files.slice(1, -1))
            expect(text.split("\n")[0], name).to.match(/^# [A-Z].*[\w`.:,]$/i);
    });
});

describe("lint: distributions", () => {
    const distributions = ["kubeadm", "k3s", "rke2", "k0s", "microk8s"];
    const allowed =
        /^(lab|docs|tests|bench|examples|\.ci|\.github)\/|^(README|CHANGELOG|CONTRIBUTING)\.md$|^package(-lock)?\.json$|^src\/(args|node\/drain)\.ts$|^schema\.json$/;

    it("distributions are named only in their own files of the node program, in the reference, the lab, the documentation and tests", () => {
        const named = tracked()
            .filter((path) => !allowed.test(path) && /\.(sh|ts|json|md|yaml|yml)$/.test(path))
            .flatMap((path) => {
                const text = read(path);
                const found = distributions.filter((name) => new RegExp(`\\b${name}\\b`, "i").test(text));
                return found
                    .filter((name) => path !== `node/distributions/${name}.sh`)
                    .map((name) => `${path}: ${name}`);
            });
        expect(named).to.deep.equal([]);
    });
});
