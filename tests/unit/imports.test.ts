// The layers of src: a file imports only from its own layer and from lower ones, and there is no circle.

import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { expect } from "chai";

const root = join(__dirname, "../../src");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** The files that a file imports, by their paths in src. */
function imports(file: string): string[] {
    const text = readFileSync(join(root, file), "utf8");
    const paths = [...text.matchAll(/from "(\.[^"]*)"/g)].map(([, path]) => path!);
    return paths.map((path) => `${posix.join(posix.dirname(file), path)}.ts`);
}

const layers = [
    "args.ts",
    "run.ts",
    "owner.ts",
    "options.ts",
    "kata/",
    "plan.ts",
    "check/",
    "cluster/",
    "node/",
    "daemon/",
    "runtimeClasses.ts",
    "kataContainers.ts",
    "index.ts",
];
const layer = (file: string) => layers.findIndex((name) => file.startsWith(name));

describe("src", () => {
    it("each file of src imports only from its own layer or a lower one", () => {
        const upward = files
            .flatMap((file) => imports(file).map((imported) => [file, imported] as const))
            .filter(([file, imported]) => layer(imported) > layer(file));
        expect(files.filter((file) => layer(file) < 0)).to.deep.equal([]);
        expect(upward).to.deep.equal([]);
    });

    it("src has no circular imports", () => {
        const visit = (file: string, path: string[]): void => {
            expect(path, `${path.join(" -> ")} -> ${file}`).not.to.include(file);
            for (const imported of imports(file)) visit(imported, [...path, file]);
        };
        for (const file of files) visit(file, []);
    });
});
