import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { daemonScripts, programFiles, programOf, readProgram } from "../../../src/node/program";

describe("the node program", () => {
    const folder = join(__dirname, "../../../node");

    it("the node program has its files in the order of their numbers, with distributions and cri between 50 and 60", () => {
        const names = programFiles().map(([name]) => name);
        const numbered = names.filter((name) => !name.includes("/"));
        expect(numbered).to.deep.equal([...numbered].sort());
        expect(numbered.every((name) => /^\d\d-[a-z]+\.sh$/.test(name))).to.equal(true);
        const release = names.indexOf("50-release.sh");
        const distributions = names.filter((name) => name.startsWith("distributions/"));
        expect(distributions).to.include("distributions/kubeadm.sh");
        const cri = names.filter((name) => name.startsWith("cri/"));
        expect(cri).to.include("cri/containerd.sh");
        expect(names.slice(release, release + distributions.length + cri.length + 2)).to.deep.equal([
            "50-release.sh",
            ...distributions,
            ...cri,
            "60-kata.sh",
        ]);
        expect(names.slice(-2)).to.deep.equal(["90-main.sh", "99-run.sh"]);
    });

    it("the node program is the text of all its files, and its id is the beginning of that text's sha256", () => {
        const { text, id } = readProgram();
        const files = programFiles().map(([name]) => readFileSync(join(folder, name), "utf8"));
        expect(text).to.equal(files.join(""));
        expect(text.startsWith("#!/bin/sh\n")).to.equal(true);
        expect(text.endsWith('\nmain "$@" </dev/null\n')).to.equal(true);
        expect(id).to.equal(createHash("sha256").update(text).digest("hex").slice(0, 12));
    });

    it("the node program runs main in a separate file, so that tests can insert a file before it", () => {
        const files = programFiles();
        const [name, text] = files.at(-1)!;
        expect([name, text]).to.deep.equal(["99-run.sh", 'main "$@" </dev/null\n']);
        const extended = readProgram([...files.slice(0, -1), ["extra.sh", "extra\n"], [name, text]]);
        expect(extended.text.endsWith(`\nextra\n${text}`)).to.equal(true);
    });

    it("the node program is compressed to the same bytes everywhere, and gzip decompresses it", () => {
        const { text, packed } = programOf("echo 'Käse'\n".repeat(100));
        expect(execFileSync("gzip", ["-dc"], { input: packed, encoding: "utf8" })).to.equal(text);
        expect(packed.toString("base64")).to.equal("H4sIAAAAAAACA0tNzshXUPc+vKQ4VZ1rlDPKGeWMckY4BwCt0BzNFAUAAA==");
    });

    it("the scripts of the DaemonSet are the files of the folder daemon, which the package contains", () => {
        const scripts = daemonScripts();
        expect(Object.keys(scripts)).to.deep.equal(["pod.sh", "runner.sh"]);
        for (const [name, text] of Object.entries(scripts)) {
            expect(text).to.equal(readFileSync(join(folder, "../daemon", name), "utf8"));
        }
        const { files } = JSON.parse(readFileSync(join(folder, "../package.json"), "utf8"));
        expect(files).to.include.members(["node", "daemon"]);
    });
});
