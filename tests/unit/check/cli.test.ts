import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { oldestCli } from "../../../src/check/cli";
import { oneNode } from "../../support/arguments";
import { OldCli, type Seen } from "../../support/oldCli";

describe("the check of the Pulumi CLI", function () {
    this.timeout(120000);
    const running: OldCli[] = [];
    const start = async (refusal?: string) => {
        running.push(await OldCli.start(refusal));
        return running.at(-1)!;
    };
    afterEach(() => {
        for (const cli of running.splice(0)) cli.stop();
    });
    const component = "kata-containers:index:KataContainers";
    const args = { nodes: oneNode };
    const expectOne = ({ errors, registered }: Seen, found: string) => {
        const required = `requires the Pulumi CLI ${oldestCli} or later: ${found}; install it from https://www.pulumi.com/docs/install`;
        expect(errors.join("\n")).to.equal(`KataContainers "kata" ${required}`);
        expect(registered).to.include(component).and.have.length.at.most(2);
    };

    it("old CLI: a program gets one error that names the version, and registers no child of the component", async () => {
        const cli = await start();
        await cli.runProgram(args);
        const found =
            "The installed version of the CLI does not support the `RequirePulumiVersion` RPC. Please upgrade the Pulumi CLI.";
        expectOne(cli.seen, found.slice(0, -1));
    });

    it("old CLI: a plugin returns one error that names the version, and registers no child of the component", async () => {
        const found = 'Pulumi CLI version 3.240.0 does not satisfy the version range ">=3.270.0"';
        const cli = await start(found);
        await cli.construct(args);
        expectOne(cli.seen, found);
    });

    it("README.md, PulumiPlugin.yaml and package.json require the same version", () => {
        const read = (file: string) => readFileSync(join(__dirname, "../../..", file), "utf8");
        expect(read("README.md")).to.contain(`Pulumi ${oldestCli.replace(/\.0$/, "")} or later`);
        expect(read("PulumiPlugin.yaml")).to.contain(`requiredPulumiVersion: ">=${oldestCli}"`);
        expect(JSON.parse(read("package.json")).dependencies["@pulumi/pulumi"]).to.equal(`^${oldestCli}`);
    });
});
