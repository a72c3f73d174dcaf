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
    const generate = async (language: string) => {
        await run(folder, "pulumi", ["package", "gen-sdk", schema, "--language", language, "--out", folder]);
        return join(folder, language);
    };

    it("is right in the eyes of `pulumi schema check`", async () => {
        const said = await run(folder, "pulumi", ["schema", "check", schema]);
        expect(said).to.not.match(/warning|error/i);
    });

    it("is what the installed package says of itself, as a plugin", async () => {
        const said = async (source: string) =>
            JSON.parse(await run(folder, "pulumi", ["package", "get-schema", source]));
        expect(await said(await installed())).to.deep.equal(await said(schema));
    });

    it("makes an SDK for Node, which compiles", async () => {
        const sdk = await generate("nodejs");
        expect(JSON.parse(readFileSync(join(sdk, "package.json"), "utf8")).name).to.equal("@pulumi/kata-containers");
        symlinkSync(join(await consumer(), "node_modules"), join(sdk, "node_modules"));
        await run(sdk, join(checkout, "node_modules/.bin/tsc"), ["--noEmit", "--skipLibCheck"]);
    });

    it("makes an SDK for Python, which compiles", async () => {
        const sdk = await generate("python");
        expect(readdirSync(sdk)).to.include("pulumi_kata_containers");
        await run(sdk, "python3", ["-W", "error", "-m", "compileall", "-q", "pulumi_kata_containers"]);
    });
});
