// The reference in docs/reference.md, the table of variables in docs/kubespray.md and those of shims in docs/shims.md are
// complete and up to date.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { everyArgument } from "../docs/everyArgument";
import {
    file,
    kubesprayFile,
    markdown,
    parts,
    Reference,
    schema,
    variables,
    withShims,
    withVariables,
} from "../docs/reference";
import { shimsFile } from "../docs/shims";
import { Shim } from "../src";
import { problems } from "../src/check/validate";
import { shims, unsupported } from "../src/kata/shims";

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
            "daemonSet.tolerations[].value",
            "release.sha256.amd64",
            "release.sha256.arm64",
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

    it("the settings in the reference exist in the configuration file of Kata 4.1.0 and are valid", () => {
        const { description } = reference.arguments().find(({ path }) => path === "runtimeClasses.NAME.settings")!;
        const pairs = [...description.matchAll(/`("[\w.]+": [^`]+)`/g)].map(([, pair]) => pair);
        const settings = JSON.parse(`{${pairs.join(",")}}`);
        expect(Object.keys(settings)).to.have.length.at.least(18);
        const args = { nodes: everyArgument.nodes, runtimeClasses: { "kata-qemu": { settings } } };
        expect(found(args)).to.deep.equal([]);
        const file = readFileSync(join(__dirname, "fixtures/kata-config/configuration-qemu-4.1.0.toml"), "utf8");
        const keys = Object.keys(settings).map((setting) => setting.split(".").at(-1)!);
        const unknown = keys.filter((key) => !new RegExp(`^#? ?${key} =`, "m").test(file));
        // Only the files of the shims for confidential containers have this key.
        expect(unknown).to.deep.equal(["experimental_force_guest_pull"]);
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

describe("the tables of shims", () => {
    it("the reference states the first release of each shim that Kata 2.0.0 does not have", () => {
        const { values } = new Reference(schema()).arguments().find(({ path }) => path.endsWith(".shim"))!;
        for (const { value, description } of values) {
            const { since } = shims[value as Shim];
            expect(description.includes(`Kata ${since}`), `${value}: ${since}`).to.equal(since !== "2.0.0");
        }
    });

    it("docs/shims.md has the generated tables of shims", () => {
        const page = readFileSync(shimsFile, "utf8");
        expect(page, "update it with: npm run schema").to.equal(withShims(page));
        const rows = page.split("\n").filter((line) => line.startsWith("| `"));
        const name = (row: string) => /`([^`]+)`/.exec(row)![1];
        expect(rows.map(name)).to.deep.equal([...Object.values(Shim), ...Object.keys(unsupported)]);
        expect(rows).to.include(
            "| `dragonball` | Rust | `hypervisor.dragonball` | 3.0.0 and later | amd64, arm64; from 3.26.0 amd64 " +
                "| KVM; from 3.3.0 KVM, `vhost_net` | 250m, 130Mi | any | `kata-dragonball` |",
        );
    });
});
