// Who owns the node: what is claimed, refused and released.

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell } from "../support/shells";

inEveryShell("owners", (sandbox) => {
    type Claim = [owner: string, node?: string, handlers?: string];
    const claimed = ([owner, node = "worker-1", handlers = "kata-qemu"]: Claim, ...more: string[]) =>
        parsed("stage", `--owner=${owner}`, `--node=${node}`, `--handlers=${handlers}`, ...more);
    /** Stages for an owner; the script `download` stands for the download. */
    const stage = (claim: Claim, download = ":") =>
        sandbox().run(`
            check_host() { :; }
            check_node_name() { :; }
            download_release() { step release; ${download}; }
            ${claimed(claim, "--release=3.32.0", "--url-amd64=/a", "--sha256-amd64=0123456789ab")}
            do_stage`);
    const release = (claim: Claim) =>
        sandbox().run(`${claimed(claim)}; if release_claim; then echo released; else echo last; fi`);
    const owners = () => readFileSync(sandbox().path("state/owners"), "utf8");
    const kata = "acme/shop/prod/kata";
    const virtual = "acme/shop/prod/virtual";

    it("a component claims the node once its release is downloaded", async () => {
        expect(await stage([kata])).to.include({ status: 0, stderr: "" });
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n`);
        await stage([kata]);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n`);
    });

    it("a claim has all handlers in one order, and other components with one of them are refused", async () => {
        await stage([kata, "worker-1", "kata-clh,kata-qemu"]);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-clh,kata-qemu\n`);
        const { stderr } = await stage([virtual, "worker-1", "kata-qemu"]);
        expect(stderr).to.contain(
            `with the handlers kata-clh,kata-qemu; ${virtual} with kata-qemu cannot manage it too: two components`,
        );
        const classes = [...classArguments("kata-qemu"), ...classArguments("kata-clh")];
        const { stdout } = await sandbox().run(`${parsed("activate", ...classes)}; claimed_handlers`);
        expect(stdout).to.equal("kata-clh,kata-qemu\n");
    });

    it("a changed handler of a component replaces its claim", async () => {
        await stage([kata]);
        expect(await stage([kata, "worker-1", "kata"])).to.include({ status: 0, stdout: "" });
        expect(owners()).to.equal(`${kata}\tworker-1\tkata\n`);
    });

    it("a renamed component takes the node over, and the removal of either gives up only its own claim", async () => {
        await stage([kata]);
        expect((await stage([virtual])).stdout).to.contain(`taking over this node from ${kata}`);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n${virtual}\tworker-1\tkata-qemu\n`);
        expect((await release([kata])).stdout).to.equal(
            `nothing to undo: this node is managed by ${virtual} as worker-1\nreleased\n`,
        );
        expect((await release([kata])).stdout).to.contain("nothing to undo");
        expect((await release([virtual])).stdout).to.equal("last\n");
    });

    it("a component whose node was taken over is refused, and the error names both components", async () => {
        await stage([kata]);
        await stage([virtual]);
        const { status, stderr } = await stage([kata], "echo downloaded >&2");
        expect(status).to.equal(1);
        expect(stderr)
            .to.contain(`is managed by ${virtual} with the handlers kata-qemu; it took the node over from ${kata}`)
            .and.not.contain("downloaded");
        expect(await stage([virtual])).to.include({ status: 0 });
    });

    it("another handler of another component is refused, and the error names both components", async () => {
        await stage([kata]);
        const { status, stderr } = await stage([virtual, "worker-1", "kata"], "echo downloaded >&2");
        expect(status).to.equal(1);
        expect(stderr)
            .to.contain(
                `this node is managed by ${kata} with the handlers kata-qemu; ${virtual} with kata cannot manage it too`,
            )
            .and.not.contain("downloaded");
    });

    it("corrected name: the removal of the earlier name of a node leaves the node installed", async () => {
        await stage([kata, "worker"]);
        expect(await stage([kata, "worker.example.com"])).to.include({ status: 0, stdout: "", stderr: "" });
        expect((await release([kata, "worker"])).stdout).to.equal(
            `nothing to undo: this node is managed by ${kata} as worker.example.com\nreleased\n`,
        );
        expect(owners()).to.equal(`${kata}\tworker.example.com\tkata-qemu\n`);
        expect((await release([kata, "worker.example.com"])).stdout).to.equal("last\n");
    });

    it("a renamed component whose download fails leaves no claim, because nothing would release it", async () => {
        await stage([kata]);
        expect((await stage([virtual], "fail finding remedy")).status).to.equal(1);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n`);
    });

    it("another stack is refused before anything is downloaded", async () => {
        await stage([kata]);
        for (const handler of ["kata-qemu", "kata"]) {
            const { status, stderr } = await stage(["acme/shop/dev/kata", "worker-1", handler], "echo downloaded >&2");
            expect(status).to.equal(1);
            expect(stderr).to.contain(`is managed by ${kata}`).and.not.contain("downloaded");
        }
    });
});
