// Whose the node is, when runs fail.

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("owners", (sandbox) => {
    /** Stages for an owner; what brings the release is `bring`. */
    const stage = (owner: string, bring: string) =>
        sandbox().run(`
            architecture() { echo amd64; }
            check_host() { :; }
            bring_release() { step release; ${bring}; }
            OWNER=${owner} VERSION=3.32.0 URL_AMD64="" SHA256_AMD64=0123456789ab
            do_stage`);
    const owners = () => readFileSync(sandbox().path("state/owners"), "utf8");

    it("a component claims the node when its release is there", async () => {
        expect(await stage("acme/shop/prod/kata", ":")).to.include({ status: 0, stderr: "" });
        expect(owners()).to.equal("acme/shop/prod/kata\n");
        await stage("acme/shop/prod/virtual", ":");
        expect(owners()).to.equal("acme/shop/prod/kata\nacme/shop/prod/virtual\n");
    });

    it("a renamed one whose release fails leaves no claim, for nobody would give it up", async () => {
        await stage("acme/shop/prod/kata", ":");
        expect((await stage("acme/shop/prod/virtual", "fail finding remedy")).status).to.equal(1);
        expect(owners()).to.equal("acme/shop/prod/kata\n");
    });

    it("another stack is refused before anything is brought", async () => {
        await stage("acme/shop/prod/kata", ":");
        const { status, stderr } = await stage("acme/shop/dev/kata", "echo brought >&2");
        expect(status).to.equal(1);
        expect(stderr).to.contain("belongs to acme/shop/prod/kata").and.not.contain("brought");
    });
});
