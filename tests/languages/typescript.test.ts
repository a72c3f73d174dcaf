// The npm tarball in strict TypeScript projects, as an ES module and as CommonJS, with the oldest and the newest packages of Pulumi.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { dependencies } from "../../package.json";
import { checkout, installInto, run } from "./consumer";

const packages = Object.entries(dependencies).filter(([name]) => name.startsWith("@pulumi/"));
const releases = {
    oldest: packages.map(([name, range]) => `${name}@${range.replace("^", "")}`),
    newest: packages.map(([name]) => `${name}@latest`),
};
const formats = { "an ES module": "module", CommonJS: "commonjs" };

/** Runs a program in a preview with mocks of Pulumi, and prints the types of its resources. */
const runner = `
    const pulumi = require("@pulumi/pulumi");
    const types = [];
    const call = ({ inputs }) => inputs;
    const newResource = ({ type, name, inputs }) => {
        types.push(type);
        return { id: name, state: inputs };
    };
    pulumi.runtime.setMocks({ call, newResource }, "project", "dev", true, "acme");
    import("./index.js").then(() => pulumi.runtime.disconnect()).then(() => console.log(types.join("\\n")));
`;

for (const [release, wanted] of Object.entries(releases)) {
    describe(`TypeScript with the ${release} packages of Pulumi`, function () {
        this.timeout(5 * 60 * 1000);
        let folder: string;
        const project = (type: string) => join(folder, type);
        before(async () => {
            folder = mkdtempSync(join(tmpdir(), "kata-typescript-"));
            await installInto(folder, wanted);
            for (const type of Object.values(formats)) {
                mkdirSync(project(type));
                writeFileSync(join(project(type), "package.json"), JSON.stringify({ type }));
                const program = readFileSync(join(__dirname, "programs/daemon/index.ts"), "utf8");
                writeFileSync(join(project(type), "index.ts"), program);
                writeFileSync(join(project(type), "run.cjs"), runner);
            }
        });
        after(() => rmSync(folder, { recursive: true }));

        for (const [title, type] of Object.entries(formats)) {
            it(`${title} compiles in strict mode with the ${release} packages of Pulumi`, async () => {
                const options = ["--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--types", "node"];
                const types = ["--typeRoots", join(checkout, "node_modules/@types"), "--skipLibCheck"];
                await run(project(type), join(checkout, "node_modules/.bin/tsc"), [...options, ...types, "index.ts"]);
            });

            for (const version of ["20", "22", "24"]) {
                it(`${title} loads all resources in Node.js ${version} with the ${release} packages of Pulumi`, async () => {
                    const node = join(process.env.LAB_NODES!, `node-${version}/bin/node`);
                    const registered = await run(project(type), node, ["run.cjs"]);
                    expect(registered.trim().split("\n")).to.include.members([
                        "kubernetes:apps/v1:DaemonSet",
                        "kubernetes:node.k8s.io/v1:RuntimeClass",
                        "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
                    ]);
                });
            }
        }
    });
}
