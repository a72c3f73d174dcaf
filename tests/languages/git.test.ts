// The package as a plugin from a git address with a tag.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { version } from "../../package.json";
import { checkout } from "./consumer";
import { address, serve } from "./gitServer";
import { Project } from "./project";

describe("a git address", function () {
    this.timeout(15 * 60 * 1000);
    const source = `https://${address}/acme/kata-containers.git@v${version}`;
    const folder = mkdtempSync(join(tmpdir(), "kata-git-"));
    let server: Server;
    let project: Project;

    before(async () => {
        const clone = join(folder, "clone");
        copyCheckout(clone);
        const git = (...args: string[]) => execFileSync("git", args, { cwd: clone });
        git("init", "--quiet");
        git("add", "--all");
        git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=all");
        git("tag", `v${version}`);
        git("clone", "--quiet", "--bare", clone, join(folder, "served/acme/kata-containers.git"));
        const serving = await serve(join(folder, "served"));
        server = serving.server;
        process.env.SSL_CERT_FILE = serving.certificate;
        project = await Project.create("yaml", source);
    });
    after(async () => {
        delete process.env.SSL_CERT_FILE;
        server?.close();
        await project?.remove();
        rmSync(folder, { recursive: true });
    });

    it("adds the package from a git address under the name of its owner, and previews a program", async () => {
        const file = join(project.folder, `sdks/acme-kata-containers/kata-containers-${version}.yaml`);
        expect(readFileSync(file, "utf8")).to.contain(`downloadUrl: git://${address}/acme/kata-containers.git`);
        const { did } = await project.preview();
        expect(did).to.include({ kata: "create", "kata-worker-1-activate": "create", "kata-kata-qemu": "create" });
    });
});

/** Copies the files that git would commit. */
function copyCheckout(to: string): void {
    const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
        cwd: checkout,
        encoding: "utf8",
    });
    for (const name of list.split("\0").filter(Boolean)) {
        mkdirSync(dirname(join(to, name)), { recursive: true });
        cpSync(join(checkout, name), join(to, name));
    }
}
