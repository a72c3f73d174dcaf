// Links, paths, commands and code in the documentation are valid.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { expect } from "chai";
import * as ts from "typescript";
import { everyArgument } from "../docs/everyArgument";
import { scripts } from "../package.json";
import type { Shim } from "../src";
import { problems } from "../src/check/validate";
import { archives, defaultVersion } from "../src/kata/releases";
import { derivedName, engineOf } from "../src/kata/shims";

/** The parser of mocha. */
const { load } = createRequire(require.resolve("mocha"))("js-yaml");
const root = join(__dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const filesIn = (folder: string, ending: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(ending) && !file.includes("node_modules"))
        .map((file) => join(folder, file))
        .sort();

/** The text without code, which may look like links or headings. */
const prose = (page: string) => read(page).replace(/^ *```.*?^ *```/gms, "");
/** The blocks of code in these languages, without the indentation of a list. */
const blocks = (page: string, language: string) =>
    [...read(page).matchAll(/^( *)```(\w+)\n(.*?)^ *```/gms)]
        .filter(([, , name]) => name === language)
        .map(([, indentation, , text]) => text!.replaceAll(new RegExp(`^${indentation}`, "gm"), ""));
/** The anchors that GitHub gives the headings of a page. */
const anchors = (page: string) =>
    [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
            .toLowerCase()
            .replace(/[^\p{L}\p{N}\s_-]/gu, "")
            .replace(/ /g, "-"),
    );
const links = (page: string) =>
    [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target!)
        // Others are on the Pulumi Registry.
        .filter((target) => !/^(\w+:|\/registry\/)/.test(target));
/** The rows of the first table with this header, as cells. */
const table = (page: string, header: string) => {
    const [, rows] = new RegExp(`^\\| ${header} \\|.*\n\\|[-|]+\n((?:\\|.*\n)+)`, "m").exec(read(page)) ?? [];
    return (rows ?? "")
        .trim()
        .split("\n")
        .map((row) =>
            row
                .split("|")
                .slice(1, -1)
                .map((cell) => cell.trim()),
        );
};
const code = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

const pages = [
    ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"],
    ...["bench/README.md", "bench/results.md", "lab/README.md", "tests/README.md", ".github/pull_request_template.md"],
    ...filesIn("docs", ".md"),
    ...filesIn("examples", ".md"),
];

describe("the documentation", () => {
    for (const page of pages) {
        it(`${page} has no broken link`, () => {
            const broken = links(page).filter((target) => {
                const [file, anchor] = target.split("#");
                const path = file ? join(dirname(page), file) : page;
                if (!existsSync(join(root, path))) return true;
                return (
                    anchor !== undefined &&
                    (statSync(join(root, path)).isDirectory() || !anchors(path).includes(anchor))
                );
            });
            expect(broken).to.deep.equal([]);
        });
    }

    for (const source of filesIn("docs/pictures", ".dot")) {
        it(`${source} is rendered: if this fails, run make pictures`, () => {
            const sum = createHash("sha256").update(read(source)).digest("hex");
            const picture = read(source.replace(/dot$/, "svg"));
            expect(picture.endsWith(`</svg>\n<!-- sha256 of the source: ${sum} -->\n`)).to.equal(true);
        });
    }

    it("README.md links to every page of docs", () => {
        const linked = links("README.md").map((target) => target.split("#")[0]);
        expect(linked).to.include.members(filesIn("docs", ".md"));
    });
});

describe("code in the documentation", () => {
    /** The blocks of all pages, each with its page. */
    const all = (language: string) =>
        pages.flatMap((page) => blocks(page, language).map((text): [string, string] => [page, text]));

    /** Whether it shows arguments of the component alone. */
    const isArguments = (text: string) => /^\w+: /.test(text);

    it("every block of code in the documentation is in a language that is tested", () => {
        const languages = pages.flatMap((page) => [...read(page).matchAll(/^ *```(\w+)$/gm)].map(([, name]) => name!));
        // readme.test.ts compares the last ones with the programs in examples/.
        const tested = ["sh", "yaml", "typescript", "python", "go", "java", "csharp"];
        expect([...new Set(languages)]).to.have.members(tested);
    });

    it("a shell accepts every block of commands in the documentation", () => {
        const commands = all("sh");
        expect(commands).to.have.length.at.least(15);
        for (const [page, input] of commands) {
            const { stderr } = spawnSync("sh", ["-n"], { input, encoding: "utf8" });
            expect(stderr, `${page}:\n${input}`).to.equal("");
        }
    });

    it("every block of YAML in the documentation is valid", () => {
        for (const [page, text] of all("yaml")) expect(load(text), page).to.be.an("object");
    });

    it("every program in TypeScript in the documentation is valid", () => {
        for (const [page, text] of all("typescript").filter(([, text]) => !isArguments(text))) {
            const { diagnostics } = ts.transpileModule(text, { reportDiagnostics: true });
            expect(diagnostics, page).to.deep.equal([]);
        }
    });

    it("the component accepts all arguments that the documentation shows in TypeScript and YAML", () => {
        const { nodes } = everyArgument;
        const { privateKey } = nodes["worker-1"]!.connection;
        const fragments = all("typescript")
            .filter(([, text]) => isArguments(text))
            .map(([page, text]) => [page, { nodes, ...new Function("privateKey", `return {${text}}`)(privateKey) }]);
        const programs = all("yaml")
            .map(([page, text]) => [page, load(text.replace(/"\$\{privateKey\}"/g, JSON.stringify(privateKey)))])
            .filter(([, { resources }]) => resources)
            .map(([page, { resources }]) => [page, resources.kata.properties]);
        expect([...fragments, ...programs]).to.have.length.at.least(8);
        for (const [page, args] of [...fragments, ...programs]) {
            expect(problems("kata", args, { sshAgent: false }), page).to.deep.equal([]);
        }
    });

    it("the documentation names only targets of make and scripts of npm that exist", () => {
        const targets = [...read("Makefile").matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name!);
        const commands = pages.flatMap((page) => [
            ...code(prose(page)),
            ...blocks(page, "sh").flatMap((text) => text.split("\n")),
        ]);
        const named = (start: RegExp) =>
            commands.flatMap((text) => (start.exec(text)?.[1] ?? "").split(" ")).filter((word) => word !== "");
        const made = named(/^make((?: [a-z][a-z0-9-]*)+)/);
        const ran = named(/^npm run(?: -s)? ([a-z:-]+)/);
        expect(made.length + ran.length).to.be.at.least(15);
        expect(made.filter((name) => !targets.includes(name))).to.deep.equal([]);
        expect(ran.filter((name) => !Object.hasOwn(scripts, name))).to.deep.equal([]);
    });

    it("the sources name only pages of the documentation that exist", () => {
        const sources = [...filesIn("src", ".ts"), ...filesIn("node", ".sh"), ...filesIn("lab", ".sh")].map(read);
        const named = sources.flatMap((text) => text.match(/\bdocs\/[\w-]+\.md\b/g) ?? []);
        expect(named).to.have.length.at.least(3);
        expect(named.filter((page) => !existsSync(join(root, page)))).to.deep.equal([]);
    });
});

describe("docs/air-gapped.md", () => {
    it("docs/air-gapped.md downloads the archive of the default release from its default URL", () => {
        const engine = engineOf(derivedName("kata-qemu", defaultVersion) as Shim);
        const { url } = archives(defaultVersion, engine).amd64!;
        expect(read("docs/air-gapped.md")).to.contain(`curl -fLO ${url}\n`);
    });

    it("docs/air-gapped.md names the archives of each release", () => {
        const rows = table("docs/air-gapped.md", "release").map(([, names]) => code(names!));
        const expected = ["4.1.0", "4.0.0", "3.20.0", "3.1.0"].map((version) => {
            const names = (["rust", "go"] as const).map((engine) => archives(version, engine, "{archive}").amd64!.url);
            return [...new Set(names)].map((name) => name.replace(version, "VERSION").replace("amd64", "ARCH"));
        });
        const files = rows.map((names) => names.filter((name) => name.startsWith("kata-") && name.includes(".tar")));
        expect(files).to.deep.equal(expected);
    });
});

describe("docs/node-changes.md", () => {
    /** The node program without its comments. */
    const program = filesIn("node", ".sh")
        .map(read)
        .join("\n")
        .replace(/^\s*#.*$/gm, "");

    it("docs/node-changes.md names only paths that the node program uses", () => {
        const paths = table("docs/node-changes.md", "path").flatMap(([path]) => code(path!));
        const names = table("docs/node-changes.md", "file").flatMap(([file]) => code(file!));
        expect(paths).to.have.length.at.least(9);
        expect(names).to.have.length.at.least(11);
        // Placeholders such as VERSION stand for variables, so the parts between them are compared.
        const parts = (path: string) => path.split(/[A-Z]{3,}/).map((part) => part.replace(/\/$/, ""));
        // A path may be composed of a folder and a name.
        const has = (part: string) =>
            program.includes(part) || [dirname(part), `/${basename(part)}`].every((half) => program.includes(half));
        const known = (path: string) => parts(path).every((part) => !/[a-z]/.test(part) || has(part));
        const unknown = [...paths, ...names.map((name) => `/${name}`)].filter((path) => !known(path));
        expect(unknown).to.deep.equal([]);
    });

    it("docs/node-changes.md names the marks and suffixes that the node program writes", () => {
        const text = prose("docs/node-changes.md");
        for (const word of ["begin", "end", "was(", "disabled#"].map((mark) => `#kata-containers:${mark}`)) {
            expect(text).to.contain(word);
            expect(program).to.contain(word);
        }
        for (const suffix of ["backup", "new", "displaced"].map((name) => `.kata-containers-${name}`)) {
            expect(text).to.contain(suffix);
            expect(program).to.contain(suffix);
        }
    });
});

describe("docs/architecture.md", () => {
    it("docs/architecture.md names every file of src and node", () => {
        const words = code(read("docs/architecture.md"));
        const files = [...filesIn("src", ".ts"), ...filesIn("node", ".sh")];
        expect(files.filter((file) => !words.includes(file))).to.deep.equal([]);
    });

    it("docs/architecture.md names only files that exist", () => {
        const paths = code(read("docs/architecture.md")).filter((word) =>
            /^(src|node|tests|lab|docs|bench|examples|scripts|\.github)\//.test(word),
        );
        expect(paths.filter((path) => !existsSync(join(root, path)))).to.deep.equal([]);
    });
});
