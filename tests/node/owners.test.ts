// Who owns the node after runs that fail.

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("owners", (sandbox) => {
    /** Stages for an owner; the script `download` stands for the download. */
    const stage = (owner: string, download: string) =>
        sandbox().run(`
            architecture() { echo amd64; }
            check_host() { :; }
            download_release() { step release; ${download}; }
            OWNER=${owner} VERSION=3.32.0 URL_AMD64="" URL_ARM64="" SHA256_AMD64=0123456789ab SHA256_ARM64=""
            do_stage`);
    const owners = () => readFileSync(sandbox().path("state/owners"), "utf8");

    it("a component claims the node once its release is downloaded", async () => {
        expect(await stage("acme/shop/prod/kata", ":")).to.include({ status: 0, stderr: "" });
        expect(owners()).to.equal("acme/shop/prod/kata\n");
        await stage("acme/shop/prod/virtual", ":");
        expect(owners()).to.equal("acme/shop/prod/kata\nacme/shop/prod/virtual\n");
    });

    it("a renamed component whose download fails leaves no claim, because nothing would release it", async () => {
        await stage("acme/shop/prod/kata", ":");
        expect((await stage("acme/shop/prod/virtual", "fail finding remedy")).status).to.equal(1);
        expect(owners()).to.equal("acme/shop/prod/kata\n");
    });

    it("another stack is refused before anything is downloaded", async () => {
        await stage("acme/shop/prod/kata", ":");
        const { status, stderr } = await stage("acme/shop/dev/kata", "echo downloaded >&2");
        expect(status).to.equal(1);
        expect(stderr).to.contain("is managed by acme/shop/prod/kata").and.not.contain("downloaded");
    });
});
