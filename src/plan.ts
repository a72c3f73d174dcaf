// From the arguments, all known and checked, to what each node and the RuntimeClass are given.

import type { Unwrap } from "@pulumi/pulumi";
import { CgroupDriver, HostChecks, type KataContainersArgs } from "./args";
import { type Architecture, architectures, archives, defaultVersion, traits } from "./kata/releases";
import { tomlLiteral } from "./kata/toml";

/** The arguments that are the same for every node. */
export type Settings = Omit<KataContainersArgs, "nodes" | "rollout">;

export const defaultHandler = "kata-qemu";
export const sandboxCgroupOnly = "runtime.sandbox_cgroup_only";

export interface Plan {
    version: string;
    /** The architectures whose sum is known: a node of another one is refused. */
    archives: [architecture: Architecture, archive: { url: string; sha256: string }][];
    /** Paths in the release tree. */
    shim: string;
    configuration: string;
    handler: string;
    debug: boolean;
    /** Keys of Kata's configuration and TOML literals, in the order of the keys. */
    settings: [key: string, literal: string][];
    cgroupDriver?: CgroupDriver;
    changeUnderRunningPods: boolean;
    forceRemoval: boolean;
    hostChecks: HostChecks;
    runtimeClassName: string;
    overhead?: { cpu: string; memory: string };
}

export function makePlan(args: Unwrap<Settings>): Plan {
    const version = args.version ?? defaultVersion;
    const release = traits(version);
    const runtime = args.qemu?.runtime ?? release.defaultRuntime;
    const { shim, configuration } = release.runtimes[runtime]!;

    const published = archives(version, runtime, args.release?.url ?? undefined);
    const given = args.release?.sha256;
    const sums = architectures.flatMap((architecture): Plan["archives"] => {
        const archive = published[architecture];
        const sha256 = hasChecksums(given) ? given[architecture]?.toLowerCase() : archive?.sha256;
        return archive && sha256 ? [[architecture, { url: archive.url, sha256 }]] : [];
    });

    const cgroupDriver = args.kubelet?.cgroupDriver ?? undefined;
    const settings: { [key: string]: unknown } = {
        ...(cgroupDriver === CgroupDriver.Systemd && { [sandboxCgroupOnly]: true }),
        ...withoutNull(args.qemu?.settings),
    };

    const overhead = { ...release.overhead, ...withoutNull(args.qemu?.overhead) };
    return {
        version,
        archives: sums,
        shim,
        configuration,
        handler: args.runtimeClass?.handler ?? defaultHandler,
        debug: args.qemu?.debug ?? false,
        settings: Object.keys(settings)
            .sort()
            .map((key) => [key, tomlLiteral(settings[key])]),
        cgroupDriver,
        changeUnderRunningPods: args.kubelet?.changeUnderRunningPods ?? false,
        forceRemoval: args.forceRemoval ?? false,
        hostChecks: args.hostChecks ?? HostChecks.Enforce,
        runtimeClassName: args.runtimeClass?.name ?? defaultHandler,
        overhead: overhead.enabled === false ? undefined : { cpu: overhead.cpu, memory: overhead.memory },
    };
}

/** Sums that the user gives stand instead of the known ones, so that an architecture left out is left out. */
export function hasChecksums<T extends object>(given: T | null | undefined): given is T {
    return Object.values(given ?? {}).some((sum) => sum !== undefined && sum !== null);
}

/** Programs in other languages may give null for what they leave out. */
function withoutNull<T extends object>(values: T | null | undefined): Partial<T> {
    const given = Object.entries(values ?? {}).filter(([, value]) => value !== undefined && value !== null);
    return Object.fromEntries(given) as Partial<T>;
}
