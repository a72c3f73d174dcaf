// The schema as Pulumi's own tools see it, and the SDKs they make of it. That for Go is compiled with each program in Go:
// `gen-sdk`, other than `package add`, gives its folder another name than its imports.

import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkout, consumer, installed, run } from "./consumer";

describe("the schema", function () {
    this.timeout(5 * 60 * 1000);
    const schema = join(checkout, "schema.json");
    const folder = mkdtempSync(join(tmpdir(), "kata-sdks-"));
    after(() => rmSync(folder, { recursive: true }));
    const generate = (language: string) => {
        run(folder, "pulumi", ["package", "gen-sdk", schema, "--language", language, "--out", folder]);
        return join(folder, language);
    };

    it("is right in the eyes of `pulumi schema check`", () => {
        const said = run(folder, "pulumi", ["schema", "check", schema]);
        expect(said).to.not.match(/warning|error/i);
    });

    it("is what the installed package says of itself, as a plugin", () => {
        const said = JSON.parse(run(folder, "pulumi", ["package", "get-schema", installed()]));
        expect(said).to.deep.equal(JSON.parse(readFileSync(schema, "utf8")));
    });

    it("makes an SDK for Node, which compiles", () => {
        const sdk = generate("nodejs");
        expect(JSON.parse(readFileSync(join(sdk, "package.json"), "utf8")).name).to.equal("@pulumi/kata-containers");
        symlinkSync(join(consumer(), "node_modules"), join(sdk, "node_modules"));
        run(sdk, join(checkout, "node_modules/.bin/tsc"), ["--noEmit", "--skipLibCheck"]);
    });

    it("makes an SDK for Python, which compiles", () => {
        const sdk = generate("python");
        expect(readdirSync(sdk)).to.include("pulumi_kata_containers");
        run(sdk, "python3", ["-W", "error", "-m", "compileall", "-q", "pulumi_kata_containers"]);
    });
});
