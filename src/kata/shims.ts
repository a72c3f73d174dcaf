// The shims of Kata Containers: one row holds all facts about a shim.

import { Shim } from "../args";
import {
    type Architecture,
    architectures,
    type ByRelease,
    compareVersions,
    type Engine,
    latest,
    traits,
} from "./releases";

/** A property that the node must have for a shim. */
export type Need = "kvm" | "vhost_vsock" | "vhost_net" | "sev_snp" | "tdx" | "vfio" | "block_snapshotter";

type Overhead = { cpu: string; memory: string };

interface Row {
    engine: Engine;
    /** The first release with this shim. */
    since: string;
    /** The first release without it, and the shim that replaces it there. */
    until: [release: string, successor: Shim] | undefined;
    /** The architectures for which the release contains all parts, and on which they work. */
    architectures: ByRelease<Architecture[]>;
    /** The hypervisor's table in Kata's configuration file: `[hypervisor.TABLE]`. */
    hypervisor: string;
    /** The default overhead of a pod. Except for `qemu` and `qemu-runtime-rs` before 4.0.0, it is that of kata-deploy. */
    overhead: ByRelease<Overhead>;
    needs: ByRelease<Need[]>;
    /** Labels of the nodes on which its pods can run, in addition to those of this package. */
    nodeSelector: ByRelease<{ [label: string]: string }>;
    /** The snapshotter with which kata-deploy configures it. This package neither sets it up nor selects it by itself. */
    snapshotter: "devmapper" | "nydus" | undefined;
    /** The releases whose configuration file names a part that no archive contains, and the setting that replaces it. */
    incomplete: { since: string; until: string; part: string; setting: string }[];
}

const everywhere: Row["architectures"] = [["2.0.0", ["amd64", "arm64"]]];
const amd64: Row["architectures"] = [["2.0.0", ["amd64"]]];
const small: Row["overhead"] = [["2.0.0", { cpu: "250m", memory: "130Mi" }]];
const ordinary = {
    until: undefined,
    architectures: everywhere,
    nodeSelector: [],
    snapshotter: undefined,
    incomplete: [],
};

const cloudHypervisor = {
    ...ordinary,
    hypervisor: "clh",
    overhead: small,
    needs: [["2.0.0", ["kvm"]]],
} satisfies Partial<Row>;
/** The archives for arm64 lack the configuration file. */
const rustCloudHypervisor = { ...cloudHypervisor, engine: "rust", architectures: amd64 } satisfies Partial<Row>;

const qemuNeeds: Need[] = ["kvm", "vhost_vsock", "vhost_net"];
const qemu = {
    ...ordinary,
    hypervisor: "qemu",
    overhead: [
        ["2.0.0", { cpu: "10m", memory: "290Mi" }],
        ["4.0.0", { cpu: "250m", memory: "320Mi" }],
    ],
    needs: [["2.0.0", qemuNeeds]],
} satisfies Partial<Row>;

/** Pods of confidential containers: the guest pulls the images itself. */
const confidential = {
    ...qemu,
    architectures: amd64,
    overhead: [["2.0.0", { cpu: "1", memory: "2048Mi" }]],
    snapshotter: "nydus",
} satisfies Partial<Row>;
const snp = { ...confidential, needs: [["2.0.0", [...qemuNeeds, "sev_snp"]]] } satisfies Partial<Row>;
const tdx = { ...confidential, needs: [["2.0.0", [...qemuNeeds, "tdx"]]] } satisfies Partial<Row>;
const cocoDev = {
    ...confidential,
    // Kata builds the parts of the guest for arm64 since then.
    architectures: [...amd64, ["3.29.0", ["amd64", "arm64"]]],
    overhead: [["2.0.0", { cpu: "250m", memory: "160Mi" }]],
} satisfies Partial<Row>;

const noQemu = { part: "QEMU with TDX", setting: "hypervisor.qemu.path", since: "3.5.0" };
const noFirmware = {
    part: "a firmware for TDX",
    setting: "hypervisor.qemu.firmware",
    since: "3.5.0",
    until: "3.14.0",
};
const noInitrd = {
    part: "a guest with NVIDIA's driver",
    setting: "hypervisor.qemu.initrd",
    since: "3.5.0",
    until: "3.14.0",
};

const largest: Overhead = { cpu: "1", memory: "10240Mi" };
const nvidia = {
    ...qemu,
    overhead: [
        ["2.0.0", { cpu: "250m", memory: "160Mi" }],
        ["3.19.0", { cpu: "1", memory: "4096Mi" }],
        ["3.28.0", largest],
    ],
    needs: [["2.0.0", [...qemuNeeds, "vfio"]]],
    nodeSelector: [["3.29.0", { "nvidia.com/cc.ready.state": "false" }]],
} satisfies Partial<Row>;
const nvidiaConfidential = {
    ...nvidia,
    architectures: amd64,
    overhead: [
        ["2.0.0", { cpu: "1", memory: "2048Mi" }],
        ["3.19.0", { cpu: "1", memory: "4096Mi" }],
        ["3.23.0", { cpu: "1", memory: "16384Mi" }],
        ["3.24.0", { cpu: "1", memory: "20480Mi" }],
        ["3.28.0", largest],
    ],
    nodeSelector: [["3.29.0", { "nvidia.com/cc.ready.state": "true" }]],
    snapshotter: "nydus",
} satisfies Partial<Row>;
const nvidiaSnp = {
    ...nvidiaConfidential,
    needs: [["2.0.0", [...qemuNeeds, "vfio", "sev_snp"]]],
} satisfies Partial<Row>;
const nvidiaTdx = { ...nvidiaConfidential, needs: [["2.0.0", [...qemuNeeds, "vfio", "tdx"]]] } satisfies Partial<Row>;

export const shims: Record<Shim, Row> = {
    qemu: { ...qemu, engine: "go", since: "2.0.0" },
    // Release 3.3.0 contains it too, but under a name that no later release uses.
    "qemu-runtime-rs": { ...qemu, engine: "rust", since: "3.4.0" },
    clh: { ...cloudHypervisor, engine: "go", since: "2.0.0" },
    "clh-runtime-rs": { ...rustCloudHypervisor, since: "3.30.0" },
    "cloud-hypervisor": {
        ...rustCloudHypervisor,
        since: "3.3.0",
        until: ["3.30.0", Shim.ClhRuntimeRs],
        hypervisor: "cloud-hypervisor",
    },
    dragonball: {
        ...ordinary,
        engine: "rust",
        since: "3.0.0",
        // The configuration file for arm64 names a firmware since then, with which the shim starts no pod.
        architectures: [...everywhere, ["3.26.0", ["amd64"]]],
        hypervisor: "dragonball",
        overhead: small,
        needs: [
            ["3.0.0", ["kvm"]],
            ["3.3.0", ["kvm", "vhost_net"]],
        ],
    },
    fc: {
        ...ordinary,
        engine: "go",
        since: "2.0.0",
        hypervisor: "firecracker",
        overhead: small,
        // Firecracker shares no folders with a guest, so the root of a container must be a block device.
        needs: [["2.0.0", ["kvm", "block_snapshotter"]]],
        snapshotter: "devmapper",
    },
    "qemu-coco-dev": { ...cocoDev, engine: "go", since: "3.5.0" },
    "qemu-coco-dev-runtime-rs": {
        ...cocoDev,
        engine: "rust",
        since: "3.23.0",
        overhead: [...cocoDev.overhead, ["4.0.0", { cpu: "250m", memory: "320Mi" }]],
    },
    "qemu-snp": { ...snp, engine: "go", since: "3.2.0" },
    "qemu-snp-runtime-rs": { ...snp, engine: "rust", since: "3.25.0" },
    "qemu-tdx": {
        ...tdx,
        engine: "go",
        since: "3.2.0",
        incomplete: [{ ...noQemu, until: "3.27.0" }, noFirmware],
    },
    "qemu-tdx-runtime-rs": { ...tdx, engine: "rust", since: "3.25.0" },
    "qemu-nvidia-gpu": {
        ...nvidia,
        engine: "go",
        since: "3.2.0",
        // Kata builds the guest for arm64 since then.
        architectures: [...amd64, ["3.14.0", ["amd64", "arm64"]]],
        incomplete: [noInitrd],
    },
    "qemu-nvidia-gpu-runtime-rs": { ...nvidia, engine: "rust", since: "3.31.0" },
    "qemu-nvidia-gpu-snp": { ...nvidiaSnp, engine: "go", since: "3.5.0", incomplete: [noInitrd] },
    "qemu-nvidia-gpu-snp-runtime-rs": { ...nvidiaSnp, engine: "rust", since: "3.31.0" },
    "qemu-nvidia-gpu-tdx": {
        ...nvidiaTdx,
        engine: "go",
        since: "3.5.0",
        incomplete: [{ ...noQemu, until: "3.19.0" }, noFirmware, noInitrd],
    },
    "qemu-nvidia-gpu-tdx-runtime-rs": { ...nvidiaTdx, engine: "rust", since: "3.31.0" },
    remote: {
        ...ordinary,
        engine: "go",
        since: "3.3.0",
        hypervisor: "remote",
        overhead: [["3.3.0", { cpu: "250m", memory: "120Mi" }]],
        needs: [["3.3.0", []]],
        snapshotter: "nydus",
    },
};

const s390x = "runs on s390x only, and this package supports amd64 and arm64: use qemu or qemu-runtime-rs";
const azure =
    "requires the hypervisor and the guest kernel of Azure Linux, where AKS installs it: use clh or clh-runtime-rs";
const nvidiaCpu = "is a variant of qemu-nvidia-gpu for machines without a GPU: use qemu or qemu-runtime-rs";

/** Other shims in Kata's releases, and why this package does not install them. */
export const unsupported: { [name: string]: string } = {
    acrn: "requires the ACRN hypervisor, which no Kata release contains: use qemu or clh",
    "clh-azure": azure,
    "clh-azure-runtime-rs": azure,
    "openvmm-azure-runtime-rs": azure,
    "qemu-cca":
        "requires Arm CCA, which this package does not support (Kata removed the shim in 4.0.0): use qemu or qemu-runtime-rs",
    "qemu-nvidia-cpu": nvidiaCpu,
    "qemu-nvidia-cpu-runtime-rs": nvidiaCpu,
    "qemu-se": s390x,
    "qemu-se-runtime-rs": s390x,
    "qemu-sev": "is not supported by this package (Kata removed it in 3.19.0): use qemu-snp on machines with SEV-SNP",
    "rs-fc": "is not supported by this package (it has no hypervisor in its archive since Kata 4.1.0): use fc",
    stratovirt: "is not supported by this package (the archives have no hypervisor for it since Kata 3.23.0): use clh",
};

/** The agent's table in Kata's configuration file: `[agent.TABLE]`. */
export const agent = "kata";

const configurations = "share/defaults/kata-containers";
/** The places of an implementation's files in the release tree. */
const engines: Record<Engine, { program: string; configurations: ByRelease<string> }> = {
    go: { program: "bin/containerd-shim-kata-v2", configurations: [["2.0.0", configurations]] },
    rust: {
        program: "runtime-rs/bin/containerd-shim-kata-v2",
        configurations: [
            ["3.0.0", configurations],
            ["3.3.0", `${configurations}/runtime-rs`],
        ],
    },
};

export const engineOf = (shim: Shim): Engine => shims[shim].engine;

/** The paths of the shim's program and of its configuration file in the release tree. */
export function paths(shim: Shim, version: string): { program: string; configuration: string } {
    const { program, configurations } = engines[engineOf(shim)];
    return { program, configuration: `${latest(configurations, version)}/configuration-${shim}.toml` };
}

/** Whether the release is not older than `since`, and older than `until`. */
function isWithin(version: string, since: string, until: string | undefined): boolean {
    return compareVersions(since, version) <= 0 && (until === undefined || compareVersions(version, until) < 0);
}

/** Whether the release contains the shim. */
export const isReleased = (shim: Shim, version: string): boolean =>
    isWithin(version, shims[shim].since, shims[shim].until?.[0]);

/** The architectures on which the shim of the release works. */
export function architecturesOf(shim: Shim, version: string): Architecture[] {
    const published = traits(version).architectures;
    return architectures.filter(
        (each) => published[each] && latest(shims[shim].architectures, version)?.includes(each),
    );
}

export const overhead = (shim: Shim, version: string): Overhead => latest(shims[shim].overhead, version)!;

export const needs = (shim: Shim, version: string): Need[] => latest(shims[shim].needs, version)!;

export const nodeSelector = (shim: Shim, version: string): { [label: string]: string } =>
    latest(shims[shim].nodeSelector, version) ?? {};

/** The parts that the release lacks, and the settings that replace them. */
export const missingParts = (shim: Shim, version: string): { part: string; setting: string }[] =>
    shims[shim].incomplete.filter(({ since, until }) => isWithin(version, since, until));

export function isShim(value: unknown): value is Shim {
    return Object.values(Shim).includes(value as Shim);
}

/** The name of a shim in the name of a RuntimeClass, `kata-SHIM`; undefined for other names. */
export function derivedName(runtimeClass: string, version: string): string | undefined {
    const name = /^kata-(.*)$/s.exec(runtimeClass)?.[1];
    return name === Shim.Qemu ? traits(version).kataQemu : name;
}

/** The shim of a RuntimeClass named `kata-SHIM`; undefined for other names. */
export function derivedShim(runtimeClass: string, version: string): Shim | undefined {
    const name = derivedName(runtimeClass, version);
    return isShim(name) ? name : undefined;
}
