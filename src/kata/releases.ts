// What differs between Kata releases, in one table, and the checksums of their archives.

import type { CgroupDriver, Runtime } from "../args";

export type Architecture = "amd64" | "arm64";
export const architectures: Architecture[] = ["amd64", "arm64"];

/** What is true of one release. */
export interface Traits {
    /** How the release spells each architecture it is published for. */
    architectures: Partial<Record<Architecture, string>>;
    /** The ending of the archive's name. */
    format: "tar.xz" | "tar.zst";
    /** Each runtime the release has: its archive, and its shim and configuration in it. */
    runtimes: Partial<Record<Runtime, { archive: string; shim: string; configuration: string }>>;
    defaultRuntime: Runtime;
    /** The cgroup drivers under which it can start a pod. */
    cgroupDrivers: CgroupDriver[];
    overhead: { cpu: string; memory: string };
}

const defaults = "share/defaults/kata-containers";
const go = { shim: "bin/containerd-shim-kata-v2", configuration: `${defaults}/configuration-qemu.toml` };
const rust = {
    shim: "runtime-rs/bin/containerd-shim-kata-v2",
    configuration: `${defaults}/runtime-rs/configuration-qemu-runtime-rs.toml`,
};

/** What changed with which release, oldest first: a release has all that came until then. */
const history: [since: string, Partial<Traits>][] = [
    [
        "2.0.0",
        {
            architectures: { amd64: "x86_64" },
            format: "tar.xz",
            runtimes: { go: { archive: "kata-static", ...go } },
            defaultRuntime: "go",
            cgroupDrivers: ["cgroupfs"],
            overhead: { cpu: "10m", memory: "290Mi" },
        },
    ],
    ["2.3.0", { cgroupDrivers: ["cgroupfs", "systemd"] }],
    ["3.2.0", { architectures: { amd64: "amd64", arm64: "arm64" } }],
    // 3.3.0 has a Rust runtime with QEMU too, under a name of its own that no later release has.
    ["3.4.0", { runtimes: { go: { archive: "kata-static", ...go }, rust: { archive: "kata-static", ...rust } } }],
    ["3.21.0", { format: "tar.zst" }],
    ["4.0.0", { overhead: { cpu: "250m", memory: "320Mi" } }],
    [
        "4.1.0",
        {
            runtimes: { go: { archive: "kata-go-static", ...go }, rust: { archive: "kata-static", ...rust } },
            defaultRuntime: "rust",
        },
    ],
];

/** The sha256 of `kata-static` for amd64 and arm64. The project publishes none; these are Kubespray's. */
const checksums: { [version: string]: [amd64: string, arm64?: string] } = {
    "3.32.0": [
        "1449ecea50bd91fa73a94648db195d18950fe869ba4b1f12d05f55f1fa7c1b01",
        "8736c054d9223974735394f822000823baef509e1c33405ec798240fa9b6e4b5",
    ],
    "3.31.0": [
        "68c2786a0b97023f62f3eca02dc868b78a794e5469d4ddd6cc9e0bd4a7212b0b",
        "42a7e67a2c2bf3e97a615c99a293b2bc01ea9c84111fc2bf4abeedb7adc9c2ac",
    ],
    "3.30.0": [
        "e65aa5e5bd9f4d59bcd12a8c44a00966406e7329511dd3f756026b6eedc8ad26",
        "3f9df0cc898716caa3dd29315d1d5a1e9a6ad2b355ed6a4698eca81a8fbcdc41",
    ],
    "3.29.0": [
        "19d0241405bc2b8fdc74240f381ab021880d1d8c7adf1fd7859f8f6370e735f3",
        "f1309973134d48015a3b283d26f53d66c42bb590c53813c8ed2254212a24d1ad",
    ],
    "3.28.0": [
        "99cefb46d70bc27b7bcffd7595be9010c6bed43e1cdfcf8078554c19e7c9b19d",
        "f63d54507d1f18635d94475077e4c2330de4d8e05cedf25f7c38f063b0e66a91",
    ],
    "3.7.0": [
        "bebf218cafdc082476c7dabbcc5439aee6a41d6dda24dd3cfffbe0a6ae94e23d",
        "23e0d5c4e38c6944729a11c631f947abc5aab19427a44d8691bfb9ad1c38b831",
    ],
    "3.6.0": [
        "d418859e123d04edd71e79c8f532213e5281ec7170b97cdfe3cf85487187d60f",
        "38277c8d1b9f3c4ea1089338f9251238551b88a5259e8e8ed45fe392ec1ed4bd",
    ],
    "3.5.0": [
        "cd0e6a70828db3f9e27390f08c863edda36824c201c35eaa0a4c7498b7e4c9e3",
        "fa4cf67d010244c4f8d0e6d450d04e28d1bbce5ad1a3cbc0154adff628d56c0c",
    ],
    "3.4.0": [
        "13f2c2442a4bbcafddcb4739428bee95eb26600516a96e29576fa0ff31152e44",
        "f961a283a9da3c6be8a6442842913b036cf0354b9e99d5a8d7a5cc9d923bcd8f",
    ],
    "3.3.0": [
        "72e29c7b3ee325e0049bf694bbb843ed07c3eb0a05d89c2b3a1635241e4bafe8",
        "5437f0162e08154260c58642f433d8a9154fb6d443ca2c1ddee675154ec88c9d",
    ],
    "3.2.0": [
        "21bb8484a060450d6522f29bed7d88d773c28520774eaa2c522b6f47fd12c4a1",
        "40627b7ac677ce0f5ffc73b32c1a8bc553e75b746b6cdf8f14642ac27dac3148",
    ],
    "3.1.3": ["266c906222c85b67867dea3c9bdb58c6da0b656be3a29f9e0bed227c939f3f26"],
    "2.4.1": ["e234ffce779d451dc2a170b394b91d35b96e44ea50dc4a3256defa603efdf607"],
    "2.2.3": ["e207ab5c8128b50fe61f4f6f98fd34af0fa5ebc0793862be6d13a2674321774f"],
    "2.2.2": ["2e3ac77b8abd4d839cf16780b57aee8f3d6e1f19489edd7d6d8069ea3cc3c18a"],
};

const oldest = history[0]![0];
const pattern = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/;

/** Negative, zero or positive, as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: string, b: string): number {
    const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)];
    return left.map((part, i) => part - right[i]!).find((difference) => difference !== 0) ?? 0;
}

/** Whether this is a release the package can install: three numbers, 2.0.0 or later. */
export function isVersion(value: unknown): value is string {
    return typeof value === "string" && pattern.test(value) && compareVersions(value, oldest) >= 0;
}

export function traits(version: string): Traits {
    const changes = history.filter(([since]) => compareVersions(since, version) <= 0).map(([, change]) => change);
    return Object.assign({}, ...changes);
}

/** The first release that has a trait, for errors. */
export function firstWith(wanted: (traits: Traits) => boolean): string {
    return history.map(([since]) => since).find((since) => wanted(traits(since)))!;
}

/** The newest release whose checksums are known for both architectures. */
export const defaultVersion = Object.keys(checksums)
    .filter((version) => architectures.every((_, i) => checksums[version]![i]))
    .sort(compareVersions)
    .at(-1)!;

export const defaultUrl = "https://github.com/kata-containers/kata-containers/releases/download/{version}/{archive}";

export interface Archive {
    url: string;
    /** Absent where this package does not know it. */
    sha256?: string;
}

/** The archives of a release, for each architecture it is published for. `template` is `release.url`. */
export function archives(
    version: string,
    runtime: Runtime,
    template: string = defaultUrl,
): Partial<Record<Architecture, Archive>> {
    const { architectures: spelled, format, runtimes } = traits(version);
    const kind = runtimes[runtime]!.archive;
    const known = kind === "kata-static" ? (checksums[version] ?? []) : [];
    return Object.fromEntries(
        architectures.flatMap((architecture, i) => {
            const arch = spelled[architecture];
            if (arch === undefined) {
                return [];
            }
            const values = { version, arch, archive: `${kind}-${version}-${arch}.${format}` };
            const url = template.replace(/\{(version|arch|archive)\}/g, (_, name: keyof typeof values) => values[name]);
            return [[architecture, { url, sha256: known[i] }]];
        }),
    );
}
