// The shims of Kata Containers: one row holds all facts about a shim.

import { Shim } from "../args";
import { type ByRelease, type Engine, traits, until } from "./releases";

interface Row {
    /** The first release with this shim. */
    since: string;
    engine: Engine;
    /** The hypervisor's table in Kata's configuration file: `[hypervisor.TABLE]`. */
    hypervisor: string;
    /** The default overhead of a pod. */
    overhead: ByRelease<{ cpu: string; memory: string }>;
}

const qemuOverhead: Row["overhead"] = [
    ["2.0.0", { cpu: "10m", memory: "290Mi" }],
    ["4.0.0", { cpu: "250m", memory: "320Mi" }],
];

export const shims: Record<Shim, Row> = {
    qemu: { since: "2.0.0", engine: "go", hypervisor: "qemu", overhead: qemuOverhead },
    // Release 3.3.0 contains it too, but under a name that no later release uses.
    "qemu-runtime-rs": { since: "3.4.0", engine: "rust", hypervisor: "qemu", overhead: qemuOverhead },
};

/** The agent's table in Kata's configuration file: `[agent.TABLE]`. */
export const agent = "kata";

/** The places of an implementation's files in the release tree. */
const engines: Record<Engine, { program: string; configurations: string }> = {
    go: { program: "bin/containerd-shim-kata-v2", configurations: "share/defaults/kata-containers" },
    rust: {
        program: "runtime-rs/bin/containerd-shim-kata-v2",
        configurations: "share/defaults/kata-containers/runtime-rs",
    },
};

/** A requirement of a shim on its host. */
export type Need = "kvm" | "vhost_vsock" | "vhost_net" | "sev_snp" | "tdx" | "se" | "vfio";

export function needs(_shim: Shim, _version: string): Need[] {
    return ["kvm", "vhost_vsock", "vhost_net"];
}

export function engineOf(shim: Shim): Engine {
    return shims[shim].engine;
}

/** The paths of the shim's program and of its configuration file in the release tree. */
export function paths(shim: Shim, _version?: string): { program: string; configuration: string } {
    const { program, configurations } = engines[engineOf(shim)];
    return { program, configuration: `${configurations}/configuration-${shim}.toml` };
}

export function overhead(shim: Shim, version: string): { cpu: string; memory: string } {
    return until(shims[shim].overhead, version).at(-1)!;
}

export function isShim(value: unknown): value is Shim {
    return Object.values(Shim).includes(value as Shim);
}

/** The shim of a RuntimeClass named `kata-SHIM`; undefined for other names. */
export function derivedShim(runtimeClass: string, version: string): Shim | undefined {
    const name = /^kata-(.*)$/s.exec(runtimeClass)?.[1];
    return name === Shim.Qemu ? traits(version).kataQemu : isShim(name) ? name : undefined;
}
