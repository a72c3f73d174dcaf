import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { programOf, readProgram } from "../../../src/node/program";

describe("the node program", () => {
    const folder = join(__dirname, "../../../node");

    it("is every file of node, in the order of their names", () => {
        const files = readdirSync(folder)
            .filter((file) => file.endsWith(".sh"))
            .sort();
        const { text, id } = readProgram();
        expect(files).not.to.deep.equal([]);
        expect(text).to.equal(files.map((file) => readFileSync(join(folder, file), "utf8")).join(""));
        expect(text.startsWith("#!/bin/sh\n")).to.equal(true);
        expect(text.endsWith('main "$@" </dev/null\n')).to.equal(true);
        expect(id).to.equal(createHash("sha256").update(text).digest("hex").slice(0, 12));
    });

    it("is packed with the same bytes everywhere, and unpacked by the tools of a node", () => {
        const { text, packed } = programOf("echo 'Käse'\n".repeat(100));
        expect(execFileSync("sh", ["-c", "base64 -d | gzip -dc"], { input: packed, encoding: "utf8" })).to.equal(text);
        expect(packed).to.equal("H4sIAAAAAAACA0tNzshXUPc+vKQ4VZ1rlDPKGeWMckY4BwCt0BzNFAUAAA==");
    });
});
