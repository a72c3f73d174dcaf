import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { readProgram } from "../../src/program";

describe("the node program", () => {
    const folder = join(__dirname, "..", "..", "src", "node");

    it("is every file of src/node, in the order of their names", () => {
        const files = readdirSync(folder).sort();
        const { text, id } = readProgram();
        expect(files).not.to.deep.equal([]);
        expect(text).to.equal(files.map((file) => readFileSync(join(folder, file), "utf8")).join(""));
        expect(text.startsWith("#!/bin/sh\n")).to.equal(true);
        expect(text.endsWith('main "$@" </dev/null\n')).to.equal(true);
        expect(id).to.match(/^[0-9a-f]{12}$/);
    });
});
