// The reference that people read, in docs/reference.md, says all of every argument and is that of today.

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { everyArgument } from "../docs/everyArgument";
import { file, markdown, parts, Reference, schema } from "../docs/reference";
import { problems } from "../src/check/validate";

describe("the reference", () => {
    const reference = new Reference(schema());
    const simple = reference.arguments().filter(({ type }) => /number|text|true|one of|by/.test(type));
    const wrong = (args: unknown) => problems("kata", args, { sshAgent: false });

    it("is the one in docs/reference.md", () => {
        expect(readFileSync(file, "utf8"), "write it anew: npm run schema").to.equal(markdown(schema()));
    });

    it("has an example of every argument, and they are right", () => {
        const shown = reference.arguments().filter(({ type }) => !type.includes("as in"));
        const without = shown.filter(({ example }) => example === undefined);
        expect(without.map(({ path }) => path)).to.deep.equal([]);
        expect(wrong(everyArgument)).to.deep.equal([]);
    });

    it("says the default of every argument that has one", () => {
        const without = simple.filter(({ required, description }) => !required && !parts(description).default);
        expect(without.map(({ path }) => path)).to.deep.equal([
            ...["", ".proxy"].flatMap((proxy) =>
                ["password", "privateKey", "privateKeyPassword", "hostKey"].map(
                    (name) => `nodes.NAME.connection${proxy}.${name}`,
                ),
            ),
            "release.sha256.amd64",
            "release.sha256.arm64",
            "runtimeClass.tolerations[].value",
        ]);
    });

    it("says that a number is whole, and it has to be", () => {
        for (const { path } of reference.arguments().filter(({ type }) => type === "a whole number")) {
            const args = structuredClone(everyArgument);
            const steps = path.replace("NAME", "worker-1").replace("[]", ".0").split(".");
            let inside: any = args;
            for (const step of steps.slice(0, -1)) inside = inside[step];
            inside[steps.at(-1)!] = 1.5;
            expect(wrong(args)[0]?.reason, path).to.match(/^must be a whole number/);
        }
    });

    it("names the Kubespray variables", () => {
        const variables = simple.flatMap(({ description }) => parts(description).kubespray ?? []).join(" ");
        for (const variable of [
            "kata_containers_version",
            "kata_containers_download_url",
            "kata_containers_qemu_overhead",
            "kata_containers_qemu_debug",
            "kata_containers_qemu_default_memory",
            "kubelet_cgroup_driver",
            "serial",
        ]) {
            expect(variables).to.contain(`\`${variable}\``);
        }
    });
});
