// The differences between Kata releases, in one table, and their archives.

import { CgroupDriver, Shim } from "../args";
import { type ArchiveName, checksums } from "./checksums";

export type Architecture = "amd64" | "arm64";
export const architectures: Architecture[] = ["amd64", "arm64"];

/** The two implementations of Kata's containerd shim. */
export type Engine = "go" | "rust";

/** The properties of one release. */
export interface Traits {
    /** The spelling of each architecture for which the release is published. */
    architectures: Partial<Record<Architecture, string>>;
    /** The extension of the archive's name. */
    format: "tar.xz" | "tar.zst";
    /** The archive that contains the shims of each implementation. */
    archives: Record<Engine, ArchiveName>;
    /** The shim of a RuntimeClass named `kata-qemu`. */
    kataQemu: Shim;
    /** The cgroup drivers under which it can start a pod. */
    cgroupDrivers: CgroupDriver[];
}

/** The changes by release, oldest first. A release has all changes up to its own version. */
const history: [since: string, Partial<Traits>][] = [
    [
        "2.0.0",
        {
            architectures: { amd64: "x86_64" },
            format: "tar.xz",
            archives: { go: "kata-static", rust: "kata-static" },
            kataQemu: Shim.Qemu,
            cgroupDrivers: [CgroupDriver.Cgroupfs],
        },
    ],
    ["2.3.0", { cgroupDrivers: [CgroupDriver.Cgroupfs, CgroupDriver.Systemd] }],
    ["3.2.0", { architectures: { amd64: "amd64", arm64: "arm64" } }],
    ["3.21.0", { format: "tar.zst" }],
    ["4.1.0", { archives: { go: "kata-go-static", rust: "kata-static" }, kataQemu: Shim.QemuRuntimeRs }],
];

/** The releases that the tests install with the file layout of the real archives. */
export const tested = ["2.2.2", "3.7.0", "3.32.0", "4.1.0"];

const oldest = history[0]![0];
const pattern = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/;

/** Negative if `a` is older than `b`, positive if it is newer, otherwise zero. */
export function compareVersions(a: string, b: string): number {
    const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)];
    return left.map((part, i) => part - right[i]!).find((difference) => difference !== 0) ?? 0;
}

/** Whether this package can install the release: three numbers, 2.0.0 or later. */
export function isVersion(value: unknown): value is string {
    return typeof value === "string" && pattern.test(value) && compareVersions(value, oldest) >= 0;
}

/** Values by the release since which they apply, oldest first. */
export type ByRelease<T> = [since: string, value: T][];

/** The values that apply to a release, oldest first. */
export function until<T>(values: ByRelease<T>, version: string): T[] {
    return values.filter(([since]) => compareVersions(since, version) <= 0).map(([, value]) => value);
}

/** The value that applies to a release. */
export function latest<T>(values: ByRelease<T>, version: string): T | undefined {
    return until(values, version).at(-1);
}

export function traits(version: string): Traits {
    return Object.assign({}, ...until(history, version));
}

/** The first release with a trait, for errors. */
export function firstWith(wanted: (traits: Traits) => boolean): string {
    return history.map(([since]) => since).find((since) => wanted(traits(since)))!;
}

/** The newest of the tested releases whose checksums two sources confirm for both architectures. */
export const defaultVersion = tested
    .filter((version) =>
        architectures.every((architecture) => {
            const sum = checksums["kata-static"][version]?.[architecture];
            return sum !== undefined && !sum.endsWith("?");
        }),
    )
    .sort(compareVersions)
    .at(-1)!;

export const defaultUrl = "https://github.com/kata-containers/kata-containers/releases/download/{version}/{archive}";

export interface Archive {
    url: string;
    /** The query of the URL, which may be a signature and is kept secret; may be empty. */
    query: string;
    /** Absent if this package has no checksum for the archive. */
    sha256?: string;
}

/** The query of an http or https URL is not part of the name of its archive. A path may contain any character. */
export function splitQuery(url: string): [address: string, query: string] {
    const at = /^https?:/.test(url) ? url.indexOf("?") : -1;
    return at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at)];
}

/** The archive with an implementation, for each architecture of the release. `template` is `release.url`. */
export function archives(
    version: string,
    engine: Engine,
    template: string = defaultUrl,
): Partial<Record<Architecture, Archive>> {
    const { architectures: spelled, format, archives } = traits(version);
    const name = archives[engine];
    return Object.fromEntries(
        architectures.flatMap((architecture) => {
            const arch = spelled[architecture];
            if (arch === undefined) {
                return [];
            }
            const values = { version, arch, archive: `${name}-${version}-${arch}.${format}` };
            const url = template.replace(/\{(version|arch|archive)\}/g, (_, key: keyof typeof values) => values[key]);
            const [address, query] = splitQuery(url);
            return [
                [
                    architecture,
                    { url: address, query, sha256: checksums[name][version]?.[architecture]?.replace("?", "") },
                ],
            ];
        }),
    );
}
