// The values for each node and for the RuntimeClass, made from arguments that are known and valid.

import type { Unwrap } from "@pulumi/pulumi";
import { CgroupDriver, HostChecks, type KataContainersArgs, type Rollout } from "./args";
import { type Architecture, architectures, archives, defaultVersion, type Engine } from "./kata/releases";
import { architecturesOf, derivedShim, engineOf, overhead, paths } from "./kata/shims";
import { tomlLiteral } from "./kata/toml";

/** The arguments that are the same for every node. */
export type Settings = Omit<KataContainersArgs, "nodes" | "rollout"> & { rollout?: Pick<Rollout, "verify"> };

export const defaultRuntimeClasses: NonNullable<Settings["runtimeClasses"]> = { "kata-qemu": {} };
const sandboxCgroupOnly = "runtime.sandbox_cgroup_only";

export interface Plan {
    version: string;
    /** The architectures with a known checksum. A node of another architecture is rejected. */
    archives: [architecture: Architecture, archive: { url: string; query: string; sha256: string }][];
    /** The URL of the HTTP proxy for the archives, which may contain a password; may be empty. */
    proxy: string;
    /** Paths in the release tree. */
    shimPath: string;
    configuration: string;
    handler: string;
    debug: boolean;
    /** Keys of Kata's configuration and TOML literals, in the order of the keys. */
    settings: [key: string, literal: string][];
    cgroupDriver?: CgroupDriver;
    changeUnderRunningPods: boolean;
    forceRemoval: boolean;
    hostChecks: HostChecks;
    verify: boolean;
    overhead?: { cpu: string; memory: string };
}

/** `drained`: the nodes are drained before a change, so that only pods of DaemonSets are running on them. */
export function makePlan(args: Unwrap<Settings>, drained = false): Plan {
    const [[name, given]] = Object.entries(args.runtimeClasses ?? defaultRuntimeClasses) as [[string, RuntimeClass]];
    const runtimeClass = withoutNull(given);
    const version = runtimeClass.version ?? args.version ?? defaultVersion;
    const shim = runtimeClass.shim ?? derivedShim(name, version)!;
    const { program, configuration } = paths(shim, version);

    const hostChecks = args.hostChecks ?? HostChecks.Enforce;
    const cgroupDriver = args.kubelet?.cgroupDriver ?? undefined;
    const settings: { [key: string]: unknown } = {
        ...(cgroupDriver === CgroupDriver.Systemd && { [sandboxCgroupOnly]: true }),
        ...withoutNull(runtimeClass.settings),
    };
    const { enabled, ...podFixed } = {
        enabled: true,
        ...overhead(shim, version),
        ...withoutNull(runtimeClass.overhead),
    };
    return {
        version,
        archives: plannedArchives(version, engineOf(shim), runtimeClass, args).filter(([architecture]) =>
            architecturesOf(shim, version).includes(architecture),
        ),
        proxy: args.release?.proxy ?? "",
        shimPath: program,
        configuration,
        handler: runtimeClass.handler ?? name,
        debug: runtimeClass.debug ?? args.debug ?? false,
        settings: Object.keys(settings)
            .sort()
            .map((key) => [key, tomlLiteral(settings[key])]),
        cgroupDriver,
        changeUnderRunningPods: drained || (args.kubelet?.changeUnderRunningPods ?? false),
        forceRemoval: args.forceRemoval ?? false,
        hostChecks,
        verify: args.rollout?.verify ?? hostChecks === HostChecks.Enforce,
        overhead: enabled ? podFixed : undefined,
    };
}
type RuntimeClass = NonNullable<Unwrap<Settings>["runtimeClasses"]>[string];

function plannedArchives(
    version: string,
    engine: Engine,
    { sha256: own }: Partial<RuntimeClass>,
    { version: main, release }: Unwrap<Settings>,
): Plan["archives"] {
    const published = archives(version, engine, release?.url ?? undefined);
    const given = [own, version === (main ?? defaultVersion) ? release?.sha256 : undefined].find(hasChecksums);
    return architectures.flatMap((architecture): Plan["archives"] => {
        const archive = published[architecture];
        const sha256 = given ? given[architecture]?.toLowerCase() : archive?.sha256;
        return archive && sha256 ? [[architecture, { url: archive.url, query: archive.query, sha256 }]] : [];
    });
}

/** Whether the user gives checksums. They replace all known ones, so that an omitted architecture is rejected. */
export function hasChecksums<T extends object>(given: T | null | undefined): given is T {
    return Object.values(given ?? {}).some((sum) => sum !== undefined && sum !== null);
}

/** The given values. Programs in other languages may pass null for an omitted value. */
export function withoutNull<T extends object>(values: T | null | undefined): Partial<T> {
    const given = Object.entries(values ?? {}).filter(([, value]) => value !== undefined && value !== null);
    return Object.fromEntries(given) as Partial<T>;
}
