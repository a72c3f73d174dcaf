// The schema in Pulumi's own tools, and the SDKs they generate from it. The SDKs for Go and Java are compiled with each program in
// these languages instead: unlike `package add`, `gen-sdk` gives the folder of Go a name that differs from its imports.

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

    it("the schema passes pulumi schema check", async () => {
        const said = await run(folder, "pulumi", ["schema", "check", schema]);
        expect(said).to.not.match(/warning|error/i);
    });

    it("schema.json equals the schema that the installed package reports as a plugin, except for facts for the Registry", async () => {
        const said = async (source: string) =>
            JSON.parse(await run(folder, "pulumi", ["package", "get-schema", source]));
        // Pulumi does not infer the facts for the Pulumi Registry.
        const { displayName, keywords, license, ...stored } = await said(schema);
        expect({ displayName, license, keywords }).to.deep.include({
            displayName: "Kata Containers",
            license: "Apache-2.0",
        });
        expect(keywords).to.include("kind/component");
        expect(await said(await installed())).to.deep.equal(stored);
    });

    it("the schema generates an SDK for Node.js that compiles", async () => {
        const sdk = await generate("nodejs");
        expect(JSON.parse(readFileSync(join(sdk, "package.json"), "utf8")).name).to.equal("@pulumi/kata-containers");
        symlinkSync(join(await consumer(), "node_modules"), join(sdk, "node_modules"));
        await run(sdk, join(checkout, "node_modules/.bin/tsc"), ["--noEmit", "--skipLibCheck"]);
    });

    it("the schema generates an SDK for Python that compiles", async () => {
        const sdk = await generate("python");
        expect(readdirSync(sdk)).to.include("pulumi_kata_containers");
        await run(sdk, "python3", ["-W", "error", "-m", "compileall", "-q", "pulumi_kata_containers"]);
    });

    it("the schema generates an SDK for .NET with every name that the C# example uses", async () => {
        const sdk = join(folder, "dotnet");
        await run(folder, join(process.env.LAB_DOTNET!, "gen-sdk"), [schema, sdk]);
        const program = join(checkout, "examples/csharp/Program.cs");
        const python = join(process.env.LAB_CSHARP!, "python3");
        const names = await run(folder, python, [join(__dirname, "csharp.py"), program, sdk]);
        expect(names.trim().split("\n")).to.deep.equal([
            "ConnectionArgs.Host",
            "ConnectionArgs.PrivateKey",
            "KataContainers.NodeStatuses",
            "KataContainers.RuntimeClassNames",
            "KataContainersArgs.Nodes",
            "KataContainersArgs.RuntimeClasses",
            "KataContainersArgs.Version",
            "NodeArgs.Connection",
            "RuntimeClassArgs.Settings",
        ]);
    });
});
