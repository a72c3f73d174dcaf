// The files of a release, as the release workflow makes them.

import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { dependencies, version } from "../package.json";

const checkout = join(__dirname, "..");
const prepare = (tag: string, folder: string) =>
    promisify(execFile)(join(checkout, "scripts/prepareRelease.sh"), [tag, folder]);

describe("a release", function () {
    this.timeout(3 * 60 * 1000);
    const folder = mkdtempSync(join(tmpdir(), "kata-release-"));
    const read = (file: string) => readFileSync(join(folder, file), "utf8");
    /** A project with the tarball, and with the packages of this checkout. */
    const project = join(folder, "node_modules/kata-containers");
    const evaluate = (type: string, script: string) =>
        execFileSync(process.execPath, [`--input-type=${type}`, "-e", script], {
            cwd: folder,
            encoding: "utf8",
        }).trim();

    before(async () => {
        await prepare(`v${version}`, folder);
        mkdirSync(project, { recursive: true });
        execFileSync("tar", ["-xzf", `kata-containers-${version}.tgz`, "-C", project, "--strip-components=1"], {
            cwd: folder,
        });
        symlinkSync(join(checkout, "node_modules"), join(project, "node_modules"));
    });
    after(() => rmSync(folder, { recursive: true }));

    it("a release consists of the tarball, the notes and the SBOM", () => {
        expect(readdirSync(folder).sort()).to.deep.equal([
            `kata-containers-${version}.tgz`,
            "node_modules",
            "notes.md",
            "sbom.json",
        ]);
    });

    it("the notes of a release are the section of its version in CHANGELOG.md", () => {
        const sections = readFileSync(join(checkout, "CHANGELOG.md"), "utf8").split(/^## /m);
        const section = sections.find((text) => text.startsWith(`${version}\n`))!;
        expect(`${version}\n${read("notes.md")}`).to.equal(section);
    });

    it("the SBOM lists the packages that npm installs, without those for development", () => {
        const { bomFormat, components } = JSON.parse(read("sbom.json"));
        const names = components.map(({ group, name }: { group?: string; name: string }) =>
            group ? `${group}/${name}` : name,
        );
        expect(bomFormat).to.equal("CycloneDX");
        expect(names).to.include.members(Object.keys(dependencies)).and.not.include("mocha");
    });

    it("the tarball has the compiled code, the node program and the schema, and no test", () => {
        const files = readdirSync(project, { recursive: true, encoding: "utf8" });
        expect(files).to.include.members(["bin/index.js", "bin/index.d.ts", "src/index.ts"]);
        expect(files).to.include.members(["node/cri/containerd.sh", "daemon/pod.sh", "daemon/runner.sh"]);
        expect(readdirSync(project).sort()).to.deep.equal([
            ...["CHANGELOG.md", "LICENSE", "PulumiPlugin.yaml", "README.md", "bin", "daemon", "docs", "node"],
            ...["node_modules", "package.json", "schema.json", "src", "tsconfig.json"],
        ]);
    });

    it("the tarball can be required and imported, its files too", () => {
        const required = 'typeof require("kata-containers").KataContainers';
        const files = '["bin/plan", "bin/plan.js", "package.json", "schema.json"]';
        const resolved = `${files}.map((file) => require.resolve("kata-containers/" + file).split("kata-containers/")[1])`;
        expect(evaluate("commonjs", `console.log(${required}, ${resolved}.join())`)).to.equal(
            "function bin/plan.js,bin/plan.js,package.json,schema.json",
        );
        const imported = 'import { KataContainers } from "kata-containers"; console.log(typeof KataContainers)';
        expect(evaluate("module", imported)).to.equal("function");
    });

    it("rejects a tag that differs from the version of package.json", async () => {
        const failure = await prepare("v99.0.0", folder).catch(({ stderr }) => stderr);
        expect(failure).to.equal(
            `error: the tag is v99.0.0, but package.json has the version ${version}: set it there, and move the tag\n`,
        );
    });
});
