// Who owns the node: what is claimed, refused and released.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell } from "../support/shells";

inEveryShell("owners", (sandbox) => {
    type Claim = [owner: string, node?: string, handlers?: string];
    const claimed = ([owner, node = "worker-1", handlers = "kata-qemu"]: Claim, ...more: string[]) =>
        parsed("stage", `--owner=${owner}`, `--node=${node}`, `--handlers=${handlers}`, ...more);
    /** Stages for an owner; the script `download` stands for the download. */
    const stage = (claim: Claim, download = ":", sum = "0123456789ab") =>
        sandbox().run(`
            check_host() { :; }
            check_node_name() { :; }
            download_release() { step release; ${download}; }
            ${claimed(claim, "--release=3.32.0", "--url-amd64=/a", `--sha256-amd64=${sum}`)}
            do_stage; printf '%s\\n' --sha256-amd64=${sum} >"$(record_of stage)"`);
    /** Releases a claim, as the commands for the removal do, which do not name the handlers. */
    const release = ([owner, node = "worker-1"]: Claim) =>
        sandbox().run(
            `${parsed("deactivate", `--owner=${owner}`, `--node=${node}`)}
            if release_claim; then echo released; else echo last; fi`,
        );
    const owners = () => readFileSync(sandbox().path("state/owners"), "utf8");
    const refused = async (claim: Claim, finding: string) => {
        const { status, stderr } = await stage(claim, "echo downloaded >&2");
        expect(status).to.equal(1);
        expect(stderr).to.contain(finding).and.not.contain("downloaded");
        expect(stderr).to.contain("what to do: set another handler in runtimeClasses");
    };
    const kata = "acme/shop/prod/kata";
    const virtual = "acme/shop/prod/virtual";
    const foreign = "acme/shop/dev/kata in test:index:Platform";

    it("a component claims the node once its release is downloaded", async () => {
        expect(await stage([kata])).to.include({ status: 0, stderr: "" });
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n`);
        await stage([kata]);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n`);
    });

    it("a claim has all handlers in one order, and other components with one of them are refused", async () => {
        await stage([kata, "worker-1", "kata-clh,kata-qemu"]);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-clh,kata-qemu\n`);
        const managed = `the handler kata-qemu of this node is managed by ${kata}; `;
        await refused([virtual, "worker-1", "kata-next,kata-qemu"], `${managed}${virtual} cannot manage it too`);
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
        await refused([kata], `kata-qemu of this node is managed by ${virtual}; it took the node over from ${kata}`);
        expect(await stage([virtual])).to.include({ status: 0 });
    });

    it("components with other handlers share the node, also those of other stacks, and each claim is the last one to its handlers", async () => {
        await stage([kata]);
        for (const claim of [
            [virtual, "worker-1", "kata-qemu-next"],
            [foreign, "worker-1", "kata"],
        ] as Claim[]) {
            expect(await stage(claim)).to.include({ status: 0, stdout: "", stderr: "" });
        }
        expect(owners()).to.equal(
            `${kata}\tworker-1\tkata-qemu\n${virtual}\tworker-1\tkata-qemu-next\n${foreign}\tworker-1\tkata\n`,
        );
        for (const owner of [kata, virtual, foreign]) expect((await release([owner])).stdout).to.equal("last\n");
        // A rename releases only the claim to the same handlers.
        await stage(["acme/shop/prod/renamed", "worker-1", "kata-qemu-next"]);
        expect((await release([virtual])).stdout).to.contain("acme/shop/prod/renamed as worker-1\nreleased");
        expect(owners()).to.contain(kata).and.contain(foreign).and.not.contain(virtual);
    });

    it("refuses a handler that another component still has, although it has claimed others since", async () => {
        await stage([kata, "worker-1", "kata"]);
        sandbox().write("state/classes", `kata\towner\t${kata}\nkata-qemu\towner\t${kata}\n`);
        await refused([virtual], `the handler kata-qemu of this node is managed by ${kata}; ${virtual} cannot`);
        expect(await stage([kata])).to.include({ status: 0 });
        // The administrator has removed the claim of a component that no longer exists.
        sandbox().write("state/owners", "");
        expect(await stage([virtual])).to.include({ status: 0 });
    });

    it("the removal of one component leaves the claim, the records and the staged releases of another one", async () => {
        await stage([kata]);
        await stage([virtual, "worker-1", "kata-next"], ":", "ba9876543210");
        const trees = ["3.32.0-0123456789ab", "4.1.0-ba9876543210"];
        for (const tree of trees) sandbox().write(`releases/${tree}/bin/shim`, "");
        const unstage = (owner: string) =>
            sandbox().run(`say() { :; }; ${parsed("unstage", `--owner=${owner}`, "--node=worker-1")}; do_unstage`);
        // Only its -stage resource is being replaced.
        sandbox().write("state/classes", `kata-qemu\towner\t${kata}\n`);
        sandbox().write("state/managed", "/x\n");
        await unstage(kata);
        expect(owners()).to.contain(kata);

        sandbox().write("state/classes", `kata-next\towner\t${virtual}\n`);
        expect(await unstage(kata)).to.include({ status: 0, stderr: "" });
        expect(owners()).to.equal(`${virtual}\tworker-1\tkata-next\n`);
        expect(readdirSync(sandbox().path("releases"))).to.deep.equal([trees[1]]);
        expect(readdirSync(sandbox().path("state")).filter((name) => name.startsWith("stage-"))).to.have.length(1);
        expect((await unstage(kata)).status).to.equal(0);

        sandbox().write("state/managed", "");
        sandbox().write("state/classes", "");
        // A component whose claim was removed by hand has left its record.
        sandbox().write("releases/3.32.0-aaaaaaaaaaaa/bin/shim", "");
        sandbox().write("state/stage-aaaaaaaaaaaa", "--sha256-amd64=aaaaaaaaaaaa\n");
        expect(await unstage(virtual)).to.include({ status: 0, stderr: "" });
        expect([existsSync(sandbox().path("state")), existsSync(sandbox().path("releases"))]).to.deep.equal([
            false,
            false,
        ]);
    });

    it("keeps where the services are for the removal of another component from a node without containerd", async () => {
        await stage([kata]);
        await stage([virtual, "worker-1", "kata-next"]);
        const deactivate = async (owner: string) => {
            sandbox().write("state/services", "CONTAINERD=/none\n");
            const { stderr } = await sandbox().run(`
                ${parsed("deactivate", `--owner=${owner}`, "--node=worker-1")}
                find_containerd() { CONTAINERD=/none; }; find_handlers() { HANDLERS=kata-next; }; no_sandboxes() { :; }
                plan_deactivation() { :; }; change_node() { :; }; remove_boot_unit() { :; }
                do_deactivate`);
            expect(stderr).to.equal("");
            return existsSync(sandbox().path("state/services"));
        };
        expect(await deactivate(kata)).to.equal(true);
        sandbox().write("state/owners", `${virtual}\tworker-1\tkata-next\n`);
        expect(await deactivate(virtual)).to.equal(false);
    });

    it("a failed first stage keeps the state of an installation whose claim was removed by hand", async () => {
        sandbox().write("state/managed", "/x\n");
        const { status } = await sandbox().run(`${claimed([virtual])}; (exit 1) || { trap leave EXIT; exit 1; }`);
        expect(status).to.equal(1);
        expect(existsSync(sandbox().path("state/managed"))).to.equal(true);
    });

    it("corrected name: the removal of the earlier name of a node leaves the node installed", async () => {
        await stage([kata, "worker"]);
        expect(await stage([kata, "worker.example.com"])).to.include({ status: 0, stdout: "", stderr: "" });
        expect((await release([kata, "worker"])).stdout).to.equal(
            `nothing to undo: this node is managed by ${kata} as worker.example.com\nreleased\n`,
        );
        expect(owners()).to.equal(`${kata}\tworker.example.com\tkata-qemu\n`);
        expect(readdirSync(sandbox().path("state")).join()).to.contain("stage-");
        expect((await release([kata, "worker.example.com"])).stdout).to.equal("last\n");
    });

    it("a renamed component whose download fails leaves no claim, because nothing would release it", async () => {
        await stage([kata]);
        expect((await stage([virtual], "fail finding remedy")).status).to.equal(1);
        expect(owners()).to.equal(`${kata}\tworker-1\tkata-qemu\n`);
    });

    it("another stack with the same handler is refused before anything is downloaded", async () => {
        await stage([kata]);
        await refused([foreign], `the handler kata-qemu of this node is managed by ${kata}; ${foreign} cannot`);
    });
});
