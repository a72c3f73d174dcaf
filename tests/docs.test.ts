// Links and paths in the documentation exist.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect } from "chai";
import type { Shim } from "../src";
import { archives, defaultVersion } from "../src/kata/releases";
import { derivedName, engineOf } from "../src/kata/shims";

const root = join(__dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const filesIn = (folder: string, ending: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(ending) && !file.includes("node_modules"))
        .map((file) => join(folder, file))
        .sort();

/** The text without code, which may look like links or headings. */
const prose = (page: string) => read(page).replace(/^```.*?^```/gms, "");
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

describe("the documentation", () => {
    const pages = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CODE_OF_CONDUCT.md",
        ...filesIn("docs", ".md"),
        ...filesIn("examples", ".md"),
    ];

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

    it("README.md links to every page of docs", () => {
        const linked = links("README.md").map((target) => target.split("#")[0]);
        expect(linked).to.include.members(filesIn("docs", ".md"));
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
