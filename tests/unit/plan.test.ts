import type { Unwrap } from "@pulumi/pulumi";
import { expect } from "chai";
import { archives, compareVersions, defaultVersion, isVersion, traits } from "../../src/kata/releases";
import { makePlan, type Settings } from "../../src/plan";

const plan = (settings: Unwrap<Settings>) => makePlan(settings);
const sum = "ab".repeat(32);
const known = (version: string, kind = "kata-static") =>
    Object.values(archives(version, "go")).every(({ url, sha256 }) => url.includes(`/${version}/${kind}-`) && sha256);

describe("the table of releases", () => {
    it("has the newest release with checksums for both architectures as default", () => {
        expect(defaultVersion).to.equal("3.32.0");
        expect(plan({}).archives.map(([architecture]) => architecture)).to.deep.equal(["amd64", "arm64"]);
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
        it(`knows the archives of ${version}`, () => {
            const urls = Object.values(archives(version, "go")).map(({ url }) => url);
            const page = "https://github.com/kata-containers/kata-containers/releases/download";
            expect(urls).to.deep.equal(names.map((name) => `${page}/${version}/${name}`));
        });
    }

    it("knows the sums that were published", () => {
        for (const version of ["2.2.2", "2.2.3", "2.4.1", "3.1.3", "3.2.0", "3.7.0", "3.28.0", "3.32.0"]) {
            expect(known(version), version).to.be.ok;
        }
        for (const version of ["3.8.0", "4.1.0"]) {
            expect(known(version), version).not.to.be.ok;
        }
        const all = ["2.2.2", "3.2.0", "3.3.0", "3.4.0", "3.5.0", "3.6.0", "3.7.0", "3.28.0", "3.32.0"].flatMap(
            (version) => Object.values(archives(version, "go")).map(({ sha256 }) => sha256),
        );
        expect(all.every((sum) => /^[0-9a-f]{64}$/.test(sum!))).to.equal(true);
        expect(new Set(all).size).to.equal(all.length);
    });

    it("chooses the runtime that the release's main archive has", () => {
        expect([plan({}).shim, plan({}).configuration]).to.deep.equal([
            "bin/containerd-shim-kata-v2",
            "share/defaults/kata-containers/configuration-qemu.toml",
        ]);
        const rust = plan({ version: "4.1.0", release: { sha256: { amd64: sum } } });
        expect([rust.shim, rust.configuration]).to.deep.equal([
            "runtime-rs/bin/containerd-shim-kata-v2",
            "share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml",
        ]);
        expect(plan({ version: "4.0.0", release: { sha256: { amd64: sum } } }).shim).to.equal(
            "bin/containerd-shim-kata-v2",
        );
        expect(Object.keys(traits("3.3.0").runtimes)).to.deep.equal(["go"]);
    });

    it("knows the overhead of a release", () => {
        expect(plan({}).overhead).to.deep.equal({ cpu: "10m", memory: "290Mi" });
        const version = "4.0.0";
        expect(plan({ version }).overhead).to.deep.equal({ cpu: "250m", memory: "320Mi" });
        expect(plan({ version, qemu: { overhead: { cpu: "1" } } }).overhead).to.deep.equal({
            cpu: "1",
            memory: "320Mi",
        });
        expect(plan({ qemu: { overhead: { enabled: false } } }).overhead).to.equal(undefined);
    });

    it("orders versions by their numbers", () => {
        const versions = ["3.2.0", "3.10.0", "2.5.2", "3.2.1", "4.0.0"];
        expect([...versions].sort(compareVersions)).to.deep.equal(["2.5.2", "3.2.0", "3.2.1", "3.10.0", "4.0.0"]);
        expect(compareVersions("3.2.0", "3.2.0")).to.equal(0);
    });

    it("takes three numbers for a version and nothing else", () => {
        expect(["2.0.0", "3.32.0", "10.0.0"].every(isVersion)).to.equal(true);
        expect(["1.9.9", "3.32", "3.32.0-rc0", "03.1.0", " 3.1.0", "", "3.1.0\n", 3, null].some(isVersion)).to.equal(
            false,
        );
    });
});

describe("the plan", () => {
    it("replaces the placeholders of the url for each architecture", () => {
        const url = "https://mirror/{version}/{arch}/{archive}";
        expect(plan({ release: { url } }).archives.map(([, archive]) => archive.url)).to.deep.equal([
            "https://mirror/3.32.0/amd64/kata-static-3.32.0-amd64.tar.zst",
            "https://mirror/3.32.0/arm64/kata-static-3.32.0-arm64.tar.zst",
        ]);
        const [, amd64] = plan({ version: "2.2.2", release: { url } }).archives[0]!;
        expect(amd64.url).to.equal("https://mirror/2.2.2/x86_64/kata-static-2.2.2-x86_64.tar.xz");
    });

    it("takes the sums given, and only those, for the known ones", () => {
        const given = (sha256: object) =>
            plan({ release: { sha256 } }).archives.map(([arch, { sha256 }]) => [arch, sha256]);
        expect(given({ arm64: sum.toUpperCase() })).to.deep.equal([["arm64", sum]]);
        expect(given({ amd64: sum, arm64: null })).to.deep.equal([["amd64", sum]]);
        expect(given({}).map(([architecture]) => architecture)).to.deep.equal(["amd64", "arm64"]);
    });

    it("lets systemd's control groups work, unless told otherwise", () => {
        const settings = (
            settings: { [key: string]: unknown },
            cgroupDriver: "systemd" | "cgroupfs" | undefined = "systemd",
        ) => plan({ kubelet: { cgroupDriver }, qemu: { settings } }).settings;
        const key = "runtime.sandbox_cgroup_only";
        expect(settings({})).to.deep.equal([[key, "true"]]);
        expect(settings({ [key]: false })).to.deep.equal([[key, "false"]]);
        expect(settings({ [key]: null })).to.deep.equal([[key, "true"]]);
        expect(settings({}, "cgroupfs")).to.deep.equal([]);
        expect(plan({}).settings).to.deep.equal([]);
    });

    it("has the settings in one order, whatever the order they are given in", () => {
        const settings = { "runtime.b": 2, "agent.kata.a": "x", "hypervisor.qemu.c": null };
        expect(plan({ qemu: { settings } }).settings).to.deep.equal([
            ["agent.kata.a", '"x"'],
            ["runtime.b", "2"],
        ]);
    });
});
