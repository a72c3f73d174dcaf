// The reference in docs/reference.md and the table of variables in docs/kubespray.md are complete and up to date.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { everyArgument } from "../docs/everyArgument";
import { file, kubesprayFile, markdown, parts, Reference, schema, variables, withVariables } from "../docs/reference";
import { problems } from "../src/check/validate";

describe("the reference", () => {
    const reference = new Reference(schema());
    const simple = reference.arguments().filter(({ type }) => /number|integer|string|boolean|one of|map/.test(type));
    const found = (args: unknown) => problems("kata", args, { sshAgent: false });

    it("docs/reference.md is the generated reference", () => {
        expect(readFileSync(file, "utf8"), "update it with: npm run schema").to.equal(markdown(schema()));
    });

    it("docs/everyArgument.ts has a valid example of every argument", () => {
        const shown = reference.arguments().filter(({ type }) => !type.includes("as in"));
        const without = shown.filter(({ example }) => example === undefined);
        expect(without.map(({ path }) => path)).to.deep.equal([]);
        expect(found(everyArgument)).to.deep.equal([]);
    });

    it("the reference states the default of every argument that has one", () => {
        const without = simple.filter(({ required, description }) => !required && !parts(description).default);
        expect(without.map(({ path }) => path)).to.deep.equal([
            ...[".proxy", ""].flatMap((proxy) =>
                ["password", "privateKey", "privateKeyPassword", "hostKey"].map(
                    (name) => `nodes.NAME.connection${proxy}.${name}`,
                ),
            ),
            "release.sha256.amd64",
            "release.sha256.arm64",
            "runtimeClasses.NAME.tolerations[].value",
            "rollout.drain.kubeconfig",
        ]);
    });

    it("the reference lists as integer exactly the numbers that validation requires to be whole", () => {
        for (const { path } of reference.arguments().filter(({ type }) => type === "integer")) {
            const args = structuredClone(everyArgument);
            const steps = path
                .replace("nodes.NAME", "nodes.worker-1")
                .replace("runtimeClasses.NAME", "runtimeClasses.kata-qemu")
                .replace("[]", ".0")
                .split(".");
            let inside: any = args;
            for (const step of steps.slice(0, -1)) inside = inside[step];
            inside[steps.at(-1)!] = 1.5;
            expect(found(args)[0]?.reason, path).to.match(/^must be a whole number/);
        }
    });

    it("the reference names the Kubespray variables", () => {
        const named = reference.arguments().flatMap(({ description }) => parts(description).kubespray ?? []);
        for (const variable of [
            "kata_containers_version",
            "kata_containers_download_url",
            "kata_containers_qemu_overhead",
            "kata_containers_qemu_debug",
            "kata_containers_qemu_default_memory",
            "kubelet_cgroup_driver",
            "https_proxy",
            "serial",
        ]) {
            expect(named.join(" ")).to.contain(`\`${variable}\``);
        }
    });
});

describe("the table of Kubespray variables", () => {
    it("docs/kubespray.md has the generated table of variables", () => {
        const page = readFileSync(kubesprayFile, "utf8");
        expect(page).to.match(/^<!-- begin: variables -->\n\|[\s\S]*\|\n<!-- end: variables -->$/m);
        expect(page, "update it with: npm run schema").to.equal(withVariables(page, schema()));
    });

    it("the table of Kubespray variables has every variable that examples/kubespray reads", () => {
        const example = readFileSync(join(__dirname, "../examples/kubespray/fromKubespray.ts"), "utf8");
        const read = [
            ...[...example.matchAll(/\btext\(\w+, "(\w+)"\)/g)].map(([, name]) => name!),
            ...[...example.matchAll(/\bkata\("(\w+)"\)/g)].map(([, name]) => `kata_containers_${name}`),
        ];
        expect(read).to.include.members(["ansible_host", "kata_containers_version", "kubelet_cgroup_driver"]);
        const table = variables(schema());
        expect(read.filter((name) => !table.includes(`\`${name}\``))).to.deep.equal([]);
    });
});
