import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Unwrap } from "@pulumi/pulumi";
import { expect } from "chai";
import fc from "fast-check";
import { Shim } from "../../src";
import { type ArchiveName, checksums } from "../../src/kata/checksums";
import {
    architectures,
    archives,
    compareVersions,
    defaultVersion,
    isVersion,
    tested,
    traits,
} from "../../src/kata/releases";
import { derivedShim, paths } from "../../src/kata/shims";
import { type ClassPlan, makePlan, type Settings } from "../../src/plan";

type KnownSettings = Unwrap<Settings>;
/** The plan, and that of its main class. */
const plan = (settings: KnownSettings) => {
    const planned = makePlan(settings);
    return { ...planned, ...planned.classes[0] };
};
const withClass = (runtimeClass: NonNullable<KnownSettings["runtimeClasses"]>[string], name = "kata-qemu") => ({
    runtimeClasses: { [name]: runtimeClass },
});
const sum = "ab".repeat(32);
const page = "https://github.com/kata-containers/kata-containers/releases/download";

describe("the table of releases", () => {
    it("the default version is the newest tested release with confirmed checksums for both architectures", () => {
        expect(defaultVersion).to.equal("4.1.0");
        expect(plan({}).archives.map(([architecture]) => architecture)).to.deep.equal(["amd64", "arm64"]);
        const isConfirmed = (version: string) =>
            architectures.every((each) => /^[0-9a-f]{64}$/.test(checksums["kata-static"][version]?.[each] ?? ""));
        const candidates = Object.keys(checksums["kata-static"]).filter(
            (version) => isConfirmed(version) && tested.includes(version),
        );
        expect(candidates.sort(compareVersions).at(-1)).to.equal(defaultVersion);
        // A newer release has confirmed checksums, but the tests do not install its layout.
        expect(isConfirmed("4.2.0")).to.equal(true);
        expect(tested).not.to.include("4.2.0");
    });

    it("the list of tested releases is the list of releases that the lab builds", () => {
        const installed = readdirSync(join(__dirname, "../../lab/miniature/config"));
        expect(installed.sort(compareVersions)).to.deep.equal(tested);
    });

    for (const [version, ...names] of [
        ["2.2.2", "kata-static-2.2.2-x86_64.tar.xz"],
        ["3.1.3", "kata-static-3.1.3-x86_64.tar.xz"],
        ["3.2.0", "kata-static-3.2.0-amd64.tar.xz", "kata-static-3.2.0-arm64.tar.xz"],
        ["3.7.0", "kata-static-3.7.0-amd64.tar.xz", "kata-static-3.7.0-arm64.tar.xz"],
        ["3.20.0", "kata-static-3.20.0-amd64.tar.xz", "kata-static-3.20.0-arm64.tar.xz"],
        ["3.21.0", "kata-static-3.21.0-amd64.tar.zst", "kata-static-3.21.0-arm64.tar.zst"],
        ["3.32.0", "kata-static-3.32.0-amd64.tar.zst", "kata-static-3.32.0-arm64.tar.zst"],
        ["4.0.0", "kata-static-4.0.0-amd64.tar.zst", "kata-static-4.0.0-arm64.tar.zst"],
        ["4.1.0", "kata-go-static-4.1.0-amd64.tar.zst", "kata-go-static-4.1.0-arm64.tar.zst"],
    ] as [string, ...string[]][]) {
        it(`the archives of Kata ${version} have their published names`, () => {
            const urls = Object.values(archives(version, "go")).map(({ url }) => url);
            expect(urls).to.deep.equal(names.map((name) => `${page}/${version}/${name}`));
        });
    }

    it("the table of checksums has the published releases", () => {
        const isKnown = (version: string) => Object.values(archives(version, "rust")).every(({ sha256 }) => sha256);
        for (const version of ["2.2.2", "2.2.3", "2.4.1", "3.1.3", "3.2.0", "3.7.0", "3.28.0", "3.32.0", "4.2.0"]) {
            expect(isKnown(version), version).to.equal(true);
        }
        for (const version of ["3.8.0", "4.99.0"]) {
            expect(isKnown(version), version).to.equal(false);
        }
    });

    it("each archive has one valid checksum, without the mark for a single source", () => {
        const all = (Object.keys(checksums) as ArchiveName[]).flatMap((name) =>
            Object.keys(checksums[name]).flatMap((version) => {
                expect(isVersion(version), version).to.equal(true);
                const engine = name === "kata-go-static" ? "go" : "rust";
                const published = Object.entries(archives(version, engine));
                const known = published.filter(([, { sha256 }]) => sha256 !== undefined);
                // No checksum is of an architecture for which the release is not published.
                expect(Object.keys(checksums[name][version]!)).to.deep.equal(
                    known.map(([architecture]) => architecture),
                );
                for (const [, { url }] of known) expect(url).to.contain(`/${name}-${version}-`);
                return known.map(([, { sha256 }]) => sha256!);
            }),
        );
        expect(all.length).to.be.greaterThan(60);
        expect(all.filter((sum) => !/^[0-9a-f]{64}$/.test(sum))).to.deep.equal([]);
        expect(new Set(all).size).to.equal(all.length);
    });

    it("the Go shim uses the checksums of kata-go-static from 4.1.0 on", () => {
        const known = (version: string) => plan({ version, ...withClass({ shim: "qemu" }) }).archives;
        for (const version of ["4.1.0", "4.2.0"]) {
            expect(known(version)).to.deep.equal([
                [
                    "amd64",
                    {
                        url: `${page}/${version}/kata-go-static-${version}-amd64.tar.zst`,
                        query: "",
                        sha256: checksums["kata-go-static"][version]!.amd64,
                    },
                ],
            ]);
        }
        expect(known("4.0.0").map(([, { url }]) => url.split("/").at(-1))).to.deep.equal([
            "kata-static-4.0.0-amd64.tar.zst",
            "kata-static-4.0.0-arm64.tar.zst",
        ]);
    });

    it("orders versions by their numbers", () => {
        const versions = ["3.2.0", "3.10.0", "2.5.2", "3.2.1", "4.0.0"];
        expect([...versions].sort(compareVersions)).to.deep.equal(["2.5.2", "3.2.0", "3.2.1", "3.10.0", "4.0.0"]);
        expect(compareVersions("3.2.0", "3.2.0")).to.equal(0);
    });

    it("accepts three numbers as a version and nothing else", () => {
        expect(["2.0.0", "3.32.0", "10.0.0"].every(isVersion)).to.equal(true);
        expect(["1.9.9", "3.32", "3.32.0-rc0", "03.1.0", " 3.1.0", "", "3.1.0\n", 3, null].some(isVersion)).to.equal(
            false,
        );
    });
});

describe("the table of shims", () => {
    it("derives the shim of kata-qemu from the release: qemu before 4.1.0, qemu-runtime-rs from then on", () => {
        for (const version of ["2.0.0", "3.32.0", "4.0.0"]) {
            expect(derivedShim("kata-qemu", version), version).to.equal("qemu");
            expect(traits(version).kataQemu).to.equal("qemu");
        }
        for (const version of ["4.1.0", "4.2.0", "5.0.0"]) {
            expect(derivedShim("kata-qemu", version), version).to.equal("qemu-runtime-rs");
        }
        const shimPath = (version: string) => plan({ version, release: { sha256: { amd64: sum } } }).shimPath;
        expect(shimPath("3.32.0")).to.equal("bin/containerd-shim-kata-v2");
        expect(shimPath("4.0.0")).to.equal("bin/containerd-shim-kata-v2");
        expect(shimPath("4.1.0")).to.equal("runtime-rs/bin/containerd-shim-kata-v2");
    });

    it("derives the shim of any other kata-SHIM from the name alone", () => {
        for (const version of ["3.32.0", "4.1.0"]) {
            expect(derivedShim("kata-qemu-runtime-rs", version)).to.equal("qemu-runtime-rs");
        }
    });

    it("derives no shim from a RuntimeClass name that is not kata-SHIM", () => {
        for (const name of [
            "custom",
            "qemu",
            "kata",
            "kata-",
            "kata-acrn",
            "Kata-qemu",
            "kata-qemu ",
            "my-kata-qemu",
        ]) {
            expect(derivedShim(name, "4.1.0"), name).to.equal(undefined);
        }
        fc.assert(
            fc.property(fc.string(), (text) => {
                const isShim = Object.values(Shim).some((shim) => shim === text);
                expect(derivedShim(`kata-${text}`, "3.32.0")).to.equal(isShim ? text : undefined);
            }),
        );
    });

    it("prefers a given shim to the derived one", () => {
        expect(plan({ version: "4.1.0", ...withClass({ shim: "qemu" }) }).shimPath).to.equal(
            paths("qemu", "4.1.0").program,
        );
        expect(plan({ version: "3.32.0", ...withClass({ shim: "qemu-runtime-rs" }) }).shimPath).to.equal(
            paths("qemu-runtime-rs", "3.32.0").program,
        );
        expect(plan(withClass({ shim: "qemu" }, "custom")).handler).to.equal("custom");
    });

    it("the default overhead of a shim depends on the release", () => {
        expect(plan({ version: "3.32.0" }).overhead).to.deep.equal({ cpu: "10m", memory: "290Mi" });
        expect(plan({}).overhead).to.deep.equal({ cpu: "250m", memory: "320Mi" });
        const version = "4.0.0";
        expect(plan({ version }).overhead).to.deep.equal({ cpu: "250m", memory: "320Mi" });
        expect(plan({ version, ...withClass({ overhead: { cpu: "1" } }) }).overhead).to.deep.equal({
            cpu: "1",
            memory: "320Mi",
        });
        expect(plan(withClass({ overhead: { enabled: false } })).overhead).to.equal(undefined);
    });
});

describe("the plan", () => {
    it("replaces the placeholders of the url for each architecture", () => {
        const url = "https://mirror/{version}/{arch}/{archive}";
        const urls = plan({ version: "3.32.0", release: { url } }).archives.map(([, archive]) => archive.url);
        expect(urls).to.deep.equal([
            "https://mirror/3.32.0/amd64/kata-static-3.32.0-amd64.tar.zst",
            "https://mirror/3.32.0/arm64/kata-static-3.32.0-arm64.tar.zst",
        ]);
        const [, amd64] = plan({ version: "2.2.2", release: { url } }).archives[0]!;
        expect(amd64.url).to.equal("https://mirror/2.2.2/x86_64/kata-static-2.2.2-x86_64.tar.xz");
    });

    it("uses only the given checksums, if there are any", () => {
        const given = (sha256: object) =>
            plan({ release: { sha256 } }).archives.map(([arch, { sha256 }]) => [arch, sha256]);
        expect(given({ arm64: sum.toUpperCase() })).to.deep.equal([["arm64", sum]]);
        expect(given({ amd64: sum, arm64: null })).to.deep.equal([["amd64", sum]]);
        expect(given({}).map(([architecture]) => architecture)).to.deep.equal(["amd64", "arm64"]);
    });

    it("uses the release of the RuntimeClass, with its own checksums or the known ones", () => {
        const release = { sha256: { amd64: sum, arm64: sum } };
        const planned = (runtimeClass: object) => {
            const { version, archives } = plan({ version: "3.32.0", release, ...withClass(runtimeClass) });
            return [version, ...archives.map(([architecture, { sha256 }]) => `${architecture} ${sha256}`)];
        };
        const { amd64, arm64 } = checksums["kata-static"]["4.1.0"]!;
        expect(planned({ version: "4.1.0" })).to.deep.equal(["4.1.0", `amd64 ${amd64}`, `arm64 ${arm64}`]);
        expect(planned({ version: "3.32.0" })).to.deep.equal(["3.32.0", `amd64 ${sum}`, `arm64 ${sum}`]);
        const own = "cd".repeat(32);
        expect(planned({ version: "4.1.0", sha256: { amd64: own } })).to.deep.equal(["4.1.0", `amd64 ${own}`]);
        expect(planned({ sha256: { arm64: own } })).to.deep.equal(["3.32.0", `arm64 ${own}`]);
    });

    it("plans archives only for the architectures on which the shim works", () => {
        const planned = (shim: Shim) => plan(withClass({ shim })).archives.map(([architecture]) => architecture);
        expect(planned("qemu-runtime-rs")).to.deep.equal(["amd64", "arm64"]);
        expect(planned("qemu-snp-runtime-rs")).to.deep.equal(["amd64"]);
    });

    it("enables debug for a RuntimeClass if it is set there, or for all classes", () => {
        const debug = (all: boolean | undefined, own: boolean | undefined) =>
            plan({ debug: all, ...withClass({ debug: own }) }).debug;
        expect(debug(undefined, undefined)).to.equal(false);
        expect(debug(true, undefined)).to.equal(true);
        expect(debug(undefined, true)).to.equal(true);
        expect(debug(true, false)).to.equal(false);
        expect(debug(false, true)).to.equal(true);
        expect(plan({ debug: true }).debug).to.equal(true);
    });

    it("leaves the snapshotter to containerd unless one is given", () => {
        expect(plan({}).snapshotter).to.equal(undefined);
        expect(plan(withClass({ shim: "fc", snapshotter: "devmapper" })).snapshotter).to.equal("devmapper");
    });

    it("boots a guest on each node where host checks are enforced, unless rollout.verify is given", () => {
        expect(plan({}).verify).to.equal(true);
        const classes = plan({ runtimeClasses: { "kata-clh": {}, "kata-qemu-snp": {}, "kata-remote": {} } }).classes;
        expect(classes.map(({ isVerifiable }) => isVerifiable)).to.deep.equal([true, false, false]);
        expect(plan({ hostChecks: "warn" }).verify).to.equal(false);
        expect(plan({ hostChecks: "warn", rollout: { verify: true } }).verify).to.equal(true);
        expect(plan({ rollout: { verify: false } }).verify).to.equal(false);
    });

    it("uses the name of the RuntimeClass as handler, unless one is given", () => {
        expect(plan({}).handler).to.equal("kata-qemu");
        expect(plan(withClass({}, "kata-qemu-runtime-rs")).handler).to.equal("kata-qemu-runtime-rs");
        expect(plan(withClass({ handler: "kata" })).handler).to.equal("kata");
    });

    it("sets sandbox_cgroup_only with the systemd driver, unless the setting is given", () => {
        const settings = (
            settings: { [key: string]: unknown },
            cgroupDriver: "systemd" | "cgroupfs" | undefined = "systemd",
        ) => plan({ kubelet: { cgroupDriver }, ...withClass({ settings }) }).settings;
        const key = "runtime.sandbox_cgroup_only";
        expect(settings({})).to.deep.equal([[key, "true"]]);
        expect(settings({ [key]: false })).to.deep.equal([[key, "false"]]);
        expect(settings({ [key]: null })).to.deep.equal([[key, "true"]]);
        expect(settings({}, "cgroupfs")).to.deep.equal([]);
        expect(plan({}).settings).to.deep.equal([]);
    });

    it("lets the cgroup driver change under running pods if the nodes are drained", () => {
        expect(plan({}).changeUnderRunningPods).to.equal(false);
        expect(plan({ kubelet: { changeUnderRunningPods: true } }).changeUnderRunningPods).to.equal(true);
        expect(makePlan({}, true).changeUnderRunningPods).to.equal(true);
    });

    it("plans each class with its own version, handler, debug, settings and overhead", () => {
        const { classes } = makePlan({
            version: "3.32.0",
            debug: true,
            kubelet: { cgroupDriver: "systemd" },
            runtimeClasses: {
                "kata-qemu": { settings: { "runtime.a": 1 } },
                next: { shim: "qemu-runtime-rs", version: "4.1.0", handler: "kata-next", debug: false },
            },
        });
        const [main, next] = classes as [ClassPlan, ClassPlan];
        expect([main.name, main.version, main.debug]).to.deep.equal(["kata-qemu", "3.32.0", true]);
        expect(main.settings).to.deep.equal([
            ["runtime.a", "1"],
            ["runtime.sandbox_cgroup_only", "true"],
        ]);
        expect([next.name, next.handler, next.version]).to.deep.equal(["next", "kata-next", "4.1.0"]);
        expect([next.debug, next.overhead?.memory, main.overhead?.memory]).to.deep.equal([false, "320Mi", "290Mi"]);
        expect(next.shimPath).to.equal("runtime-rs/bin/containerd-shim-kata-v2");
    });

    it("the main class is the first one by name with the version of the component, or else the first one", () => {
        const order = (classes: { [name: string]: string | undefined }, handlers: { [name: string]: string } = {}) =>
            makePlan({
                version: "3.32.0",
                runtimeClasses: Object.fromEntries(
                    Object.entries(classes).map(([name, version]) => [
                        name,
                        { shim: "qemu", version, handler: handlers[name] },
                    ]),
                ),
            }).classes.map(({ name }) => name);
        expect(order({ c: undefined, b: "3.7.0", a: "3.7.0" })).to.deep.equal(["c", "a", "b"]);
        expect(order({ b: "3.7.0", a: "3.31.0" })).to.deep.equal(["a", "b"]);
        expect(order({ b: "3.32.0", c: undefined, a: "3.7.0" })).to.deep.equal(["b", "a", "c"]);
        // The order of the others is that of their handlers.
        expect(order({ a: undefined, b: undefined, c: undefined }, { b: "z" })).to.deep.equal(["a", "c", "b"]);
    });

    it("downloads each archive once, and in Kata 4.1.0 one for each implementation", () => {
        const releases = (version: string) =>
            makePlan({
                version,
                runtimeClasses: {
                    go: { shim: "qemu" },
                    "go-too": { shim: "qemu", debug: true },
                    rust: { shim: "qemu-runtime-rs" },
                    "amd64-only": { shim: "dragonball" },
                    old: { shim: "qemu", version: "3.7.0" },
                },
            }).releases.map(({ archives }) => archives[0]![1].url.split("/").at(-1));
        expect(releases("3.32.0")).to.have.members([
            "kata-static-3.32.0-amd64.tar.zst",
            "kata-static-3.7.0-amd64.tar.xz",
        ]);
        expect(releases("4.1.0")).to.have.members([
            "kata-go-static-4.1.0-amd64.tar.zst",
            "kata-static-4.1.0-amd64.tar.zst",
            "kata-static-3.7.0-amd64.tar.xz",
        ]);
    });

    it("has an archive only for the architectures on which all classes of that archive work", () => {
        const architectures = (...given: Shim[]) =>
            makePlan({
                version: "3.32.0",
                runtimeClasses: Object.fromEntries(given.map((shim) => [shim, { shim }])),
            }).releases.map(({ archives }) => archives.map(([architecture]) => architecture));
        expect(architectures("qemu", "clh")).to.deep.equal([["amd64", "arm64"]]);
        expect(architectures("qemu", "dragonball")).to.deep.equal([["amd64"]]);
        expect(architectures("clh", "qemu-snp")).to.deep.equal([["amd64"]]);
    });

    it("sorts the settings by their keys", () => {
        const settings = { "runtime.b": 2, "agent.kata.a": "x", "hypervisor.qemu.c": null };
        expect(plan(withClass({ settings })).settings).to.deep.equal([
            ["agent.kata.a", '"x"'],
            ["runtime.b", "2"],
        ]);
    });
});
