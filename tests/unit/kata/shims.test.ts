import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { Shim } from "../../../src";
import { problems } from "../../../src/check/validate";
import { type Architecture, archives, compareVersions, type Engine } from "../../../src/kata/releases";
import {
    architecturesOf,
    engineOf,
    isReleased,
    missingParts,
    needs,
    nodeSelector,
    overhead,
    paths,
    shims,
    unsupported,
} from "../../../src/kata/shims";
import { oneNode } from "../../support/arguments";

const names = Object.values(Shim);

/** The configuration files in the archives, as `VERSION ARCHITECTURE go|rust`. */
const files = new Map(
    readFileSync(join(__dirname, "../../fixtures/kata-shims.txt"), "utf8")
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => {
            const [version, architecture, engine, ...shims] = line.split(" ");
            return [`${version} ${architecture} ${engine}`, shims];
        }),
);
const published = [...files.keys()].map((key) => key.split(" ") as [string, Architecture]);

/** The paths in the archive with an implementation, as in the Makefiles of Kata. */
function contents(version: string, architecture: Architecture, engine: Engine): string[] {
    const shims = files.get(`${version} ${architecture} ${engine}`) ?? [];
    const isApart = engine === "rust" && compareVersions(version, "3.3.0") >= 0;
    const folder = `share/defaults/kata-containers/${isApart ? "runtime-rs/" : ""}`;
    const program = `${engine === "rust" ? "runtime-rs/" : ""}bin/containerd-shim-kata-v2`;
    return [...(shims.length > 0 ? [program] : []), ...shims.map((name) => `${folder}configuration-${name}.toml`)];
}

/** The implementation, the table, and the overhead with 2.2.2, 3.7.0, 3.32.0 and 4.1.0; `-` if the release lacks the shim. */
const facts = `
    qemu                           go   qemu             10m/290Mi  10m/290Mi  10m/290Mi   250m/320Mi
    qemu-runtime-rs                rust qemu             -          10m/290Mi  10m/290Mi   250m/320Mi
    clh                            go   clh              250m/130Mi 250m/130Mi 250m/130Mi  250m/130Mi
    clh-runtime-rs                 rust clh              -          -          250m/130Mi  250m/130Mi
    cloud-hypervisor               rust cloud-hypervisor -          250m/130Mi -           -
    dragonball                     rust dragonball       -          250m/130Mi 250m/130Mi  250m/130Mi
    fc                             go   firecracker      250m/130Mi 250m/130Mi 250m/130Mi  250m/130Mi
    qemu-coco-dev                  go   qemu             -          250m/160Mi 250m/160Mi  250m/160Mi
    qemu-coco-dev-runtime-rs       rust qemu             -          -          250m/160Mi  250m/320Mi
    qemu-snp                       go   qemu             -          1/2048Mi   1/2048Mi    1/2048Mi
    qemu-snp-runtime-rs            rust qemu             -          -          1/2048Mi    1/2048Mi
    qemu-tdx                       go   qemu             -          1/2048Mi   1/2048Mi    1/2048Mi
    qemu-tdx-runtime-rs            rust qemu             -          -          1/2048Mi    1/2048Mi
    qemu-nvidia-gpu                go   qemu             -          250m/160Mi 1/10240Mi   1/10240Mi
    qemu-nvidia-gpu-runtime-rs     rust qemu             -          -          1/10240Mi   1/10240Mi
    qemu-nvidia-gpu-snp            go   qemu             -          1/2048Mi   1/10240Mi   1/10240Mi
    qemu-nvidia-gpu-snp-runtime-rs rust qemu             -          -          1/10240Mi   1/10240Mi
    qemu-nvidia-gpu-tdx            go   qemu             -          1/2048Mi   1/10240Mi   1/10240Mi
    qemu-nvidia-gpu-tdx-runtime-rs rust qemu             -          -          1/10240Mi   1/10240Mi
    remote                         go   remote           -          250m/120Mi 250m/120Mi  250m/120Mi`;

describe("the rows of the shims", () => {
    const releases = ["2.2.2", "3.7.0", "3.32.0", "4.1.0"];

    for (const line of facts.trim().split("\n")) {
        const [name, engine, table, ...overheads] = line.trim().split(/\s+/) as [Shim, Engine, string];
        it(`the row of ${name} has the facts of the tested releases`, () => {
            expect(shims[name]).to.include({ engine, hypervisor: table });
            releases.forEach((version, i) => {
                const isThere = isReleased(name, version);
                const { cpu, memory } = isThere ? overhead(name, version) : {};
                expect(isThere ? `${cpu}/${memory}` : "-", version).to.equal(overheads[i]);
            });
        });
    }

    it("a release has exactly the shims whose configuration files are in its archives for amd64", () => {
        for (const [version, architecture] of published.filter(([, architecture]) => architecture === "amd64")) {
            const isListed = (name: Shim) =>
                contents(version, architecture, engineOf(name)).includes(paths(name, version).configuration);
            const expected = names.filter(isListed);
            expect(
                names.filter((name) => isReleased(name, version)),
                version,
            ).to.deep.equal(expected);
        }
    });

    it("the facts of the tests cover every shim", () => {
        expect(facts.match(/^ {4}\S+/gm)!.map((name) => name.trim())).to.deep.equal(names);
    });

    it("every configuration file of a release belongs to a supported shim, or to one that is refused with a reason", () => {
        const all = [...files.values()].flat();
        expect(all.filter((name) => !names.includes(name as Shim) && !unsupported[name])).to.deep.equal([]);
        expect(Object.keys(unsupported).filter((name) => names.includes(name as Shim))).to.deep.equal([]);
    });

    it("every row has values from its first release on", () => {
        for (const name of names) {
            const { since } = shims[name];
            expect(overhead(name, since), name).to.have.all.keys("cpu", "memory");
            expect(needs(name, since), name).to.be.an("array");
            // The architectures of a release may begin later.
            expect(architecturesOf(name, since), name).to.include("amd64");
        }
    });

    it("overheads and node selectors follow the changes of kata-deploy", () => {
        const memory = (shim: Shim, ...versions: string[]) => versions.map((version) => overhead(shim, version).memory);
        expect(memory("qemu-nvidia-gpu", "3.18.0", "3.19.0", "3.27.0", "3.28.0")).to.deep.equal([
            "160Mi",
            "4096Mi",
            "4096Mi",
            "10240Mi",
        ]);
        expect(
            memory("qemu-nvidia-gpu-tdx", "3.18.0", "3.19.0", "3.22.0", "3.23.0", "3.24.0", "3.27.0", "3.28.0"),
        ).to.deep.equal(["2048Mi", "4096Mi", "4096Mi", "16384Mi", "20480Mi", "20480Mi", "10240Mi"]);
        expect(nodeSelector("qemu-nvidia-gpu", "3.28.0")).to.deep.equal({});
        expect(nodeSelector("qemu-nvidia-gpu", "3.29.0")).to.deep.equal({ "nvidia.com/cc.ready.state": "false" });
        expect(nodeSelector("qemu-nvidia-gpu-snp", "4.1.0")).to.deep.equal({ "nvidia.com/cc.ready.state": "true" });
        expect(nodeSelector("qemu-snp", "4.1.0")).to.deep.equal({});
    });

    it("each shim needs the devices that its hypervisor opens", () => {
        expect(needs("qemu", "4.1.0")).to.deep.equal(["kvm", "vhost_vsock", "vhost_net"]);
        expect(needs("clh", "4.1.0")).to.deep.equal(["kvm"]);
        expect(needs("fc", "4.1.0")).to.deep.equal(["kvm", "block_snapshotter"]);
        expect(needs("dragonball", "3.2.0")).to.deep.equal(["kvm"]);
        expect(needs("dragonball", "3.3.0")).to.deep.equal(["kvm", "vhost_net"]);
        expect(needs("remote", "4.1.0")).to.deep.equal([]);
        for (const name of names) {
            const expected = [/-snp/, /-tdx/, /nvidia/].map((part) => part.test(name));
            const found = ["sev_snp", "tdx", "vfio"] as const;
            expect(
                found.map((need) => needs(name, "4.1.0").includes(need)),
                name,
            ).to.deep.equal(expected);
        }
    });

    it("a shim works on the architectures for which its release has all parts", () => {
        const both = ["amd64", "arm64"];
        expect(architecturesOf("qemu", "3.1.3")).to.deep.equal(["amd64"]);
        expect(architecturesOf("qemu", "3.2.0")).to.deep.equal(both);
        expect(architecturesOf("clh", "4.1.0")).to.deep.equal(both);
        expect(architecturesOf("clh-runtime-rs", "4.1.0")).to.deep.equal(["amd64"]);
        expect(architecturesOf("dragonball", "3.25.0")).to.deep.equal(both);
        expect(architecturesOf("dragonball", "3.26.0")).to.deep.equal(["amd64"]);
        expect(architecturesOf("qemu-coco-dev", "3.28.0")).to.deep.equal(["amd64"]);
        expect(architecturesOf("qemu-coco-dev", "3.29.0")).to.deep.equal(both);
        expect(architecturesOf("qemu-snp", "4.1.0")).to.deep.equal(["amd64"]);
    });

    it("a release lacks parts of the shims with a placeholder in their configuration file", () => {
        const missing = (shim: Shim, version: string) => missingParts(shim, version).map(({ setting }) => setting);
        const [path, firmware, initrd] = ["path", "firmware", "initrd"].map((key) => `hypervisor.qemu.${key}`);
        expect(missing("qemu-tdx", "3.4.0")).to.deep.equal([]);
        expect(missing("qemu-tdx", "3.5.0")).to.deep.equal([path, firmware]);
        expect(missing("qemu-tdx", "3.14.0")).to.deep.equal([path]);
        expect(missing("qemu-tdx", "3.26.0")).to.deep.equal([path]);
        expect(missing("qemu-tdx", "3.27.0")).to.deep.equal([]);
        expect(missing("qemu-nvidia-gpu-tdx", "3.7.0")).to.deep.equal([path, firmware, initrd]);
        expect(missing("qemu-nvidia-gpu-tdx", "3.19.0")).to.deep.equal([]);
        expect(missing("qemu-nvidia-gpu", "3.13.0")).to.deep.equal([initrd]);
    });

    it("each shim of a release is installed from existing files, or refused with the reason", () => {
        const shim = fc.constantFrom(...names, ...Object.keys(unsupported));
        const counts = { installed: 0, refused: 0 };
        fc.assert(
            fc.property(shim, fc.constantFrom(...published), (shim, [version, architecture]) => {
                const runtimeClass = { shim, sha256: { [architecture]: "a".repeat(64) } };
                const args = { nodes: oneNode, version, runtimeClasses: { kata: runtimeClass } };
                const found = problems("kata", args, { sshAgent: false });
                for (const { path, reason } of found) {
                    expect(path).to.match(/^runtimeClasses\["kata"\]\.(shim|sha256|settings)/);
                    expect(reason).to.contain(`"${shim}"`);
                }
                if (found.length > 0) {
                    counts.refused += 1;
                    return;
                }
                counts.installed += 1;
                const engine = engineOf(shim as Shim);
                const archive = archives(version, engine)[architecture]!.url;
                expect(archive.includes("kata-go-static")).to.equal(version === "4.1.0" && engine === "go");
                expect(contents(version, architecture, engine)).to.include.members(
                    Object.values(paths(shim as Shim, version)),
                );
            }),
            { numRuns: 2000 },
        );
        expect(Math.min(counts.installed, counts.refused)).to.be.greaterThan(200);
    });
});
