// The values for each node and for the RuntimeClasses, made from arguments that are known and valid.

import type { Unwrap } from "@pulumi/pulumi";
import { CgroupDriver, HostChecks, type KataContainersArgs, type Rollout } from "./args";
import { type Architecture, architectures, archives, defaultVersion, type Engine } from "./kata/releases";
import {
    architecturesOf,
    derivedShim,
    engineOf,
    type Need,
    needs,
    nodeSelector,
    overhead,
    paths,
    shims,
} from "./kata/shims";
import { tomlLiteral } from "./kata/toml";

/** The arguments that are the same for every node, and those of the DaemonSet. */
export type Settings = Omit<KataContainersArgs, "nodes" | "rollout"> & { rollout?: Pick<Rollout, "verify"> };

export const defaultRuntimeClasses: NonNullable<Settings["runtimeClasses"]> = { "kata-qemu": {} };
const sandboxCgroupOnly = "runtime.sandbox_cgroup_only";

/** An archive for each architecture with a known checksum. A node of another architecture is rejected. */
type Archives = [architecture: Architecture, archive: { url: string; query: string; sha256: string }][];

/** The values of one RuntimeClass. */
export interface ClassPlan {
    /** The name of the RuntimeClass. */
    name: string;
    handler: string;
    version: string;
    archives: Archives;
    /** Paths in the release tree. */
    shimPath: string;
    configuration: string;
    needs: Need[];
    nodeSelector: { [label: string]: string };
    debug: boolean;
    /** undefined: that of containerd's CRI plugin. */
    snapshotter: string | undefined;
    /** Whether a guest can boot from an image on the node. */
    isVerifiable: boolean;
    /** Keys of Kata's configuration and TOML literals, in the order of the keys. */
    settings: [key: string, literal: string][];
    overhead?: { cpu: string; memory: string };
}

export interface Plan {
    /** In the order of the handlers, but the main class first: `/opt/kata` leads to its release. */
    classes: [ClassPlan, ...ClassPlan[]];
    /** The archives of all classes, each once, for the architectures on which all classes work. */
    releases: { version: string; archives: Archives }[];
    /** The URL of the HTTP proxy for the archives, which may contain a password; may be empty. */
    proxy: string;
    cgroupDriver?: CgroupDriver;
    changeUnderRunningPods: boolean;
    forceRemoval: boolean;
    hostChecks: HostChecks;
    verify: boolean;
}

/** `drained`: the nodes are drained before a change, so that only pods of DaemonSets are running on them. */
export function makePlan(args: Unwrap<Settings>, drained = false): Plan {
    const classes = planClasses(args);
    const releases = new Map<string, Plan["releases"][number]>();
    for (const { version, archives } of classes) {
        const key = JSON.stringify([version, archives[0]]);
        // A class that works on one architecture only: `stage` refuses nodes of the other one, before it downloads.
        const found = releases.get(key)?.archives ?? archives;
        releases.set(key, { version, archives: archives.length < found.length ? archives : found });
    }
    const hostChecks = args.hostChecks ?? HostChecks.Enforce;
    return {
        classes,
        releases: [...releases.values()],
        proxy: args.release?.proxy ?? "",
        cgroupDriver: args.kubelet?.cgroupDriver ?? undefined,
        changeUnderRunningPods: drained || (args.kubelet?.changeUnderRunningPods ?? false),
        forceRemoval: args.forceRemoval ?? false,
        hostChecks,
        verify: args.rollout?.verify ?? hostChecks === HostChecks.Enforce,
    };
}

/** The main class is the first one with the version of the component, or else the first one. */
function planClasses(args: Unwrap<Settings>): Plan["classes"] {
    const given = Object.entries(args.runtimeClasses ?? defaultRuntimeClasses) as [string, RuntimeClass][];
    const classes = given.sort(by(([name]) => name)).map(([name, given]) => planClass(name, withoutNull(given), args));
    const main = classes.find(({ version }) => version === (args.version ?? defaultVersion)) ?? classes[0]!;
    return [main, ...classes.filter((other) => other !== main).sort(by(({ handler }) => handler))];
}

/** Compares texts in the same way everywhere, whatever the locale. */
function by<T>(text: (item: T) => string) {
    return (a: T, b: T) => (text(a) < text(b) ? -1 : 1);
}

type RuntimeClass = NonNullable<Unwrap<Settings>["runtimeClasses"]>[string];

function planClass(name: string, given: Partial<RuntimeClass>, args: Unwrap<Settings>): ClassPlan {
    const version = given.version ?? args.version ?? defaultVersion;
    const shim = given.shim ?? derivedShim(name, version)!;
    const { program, configuration } = paths(shim, version);
    const settings: { [key: string]: unknown } = {
        ...(args.kubelet?.cgroupDriver === CgroupDriver.Systemd && { [sandboxCgroupOnly]: true }),
        ...withoutNull(given.settings),
    };
    const { enabled, ...podFixed } = { enabled: true, ...overhead(shim, version), ...withoutNull(given.overhead) };
    return {
        name,
        handler: given.handler ?? name,
        version,
        archives: plannedArchives(version, engineOf(shim), given, args).filter(([architecture]) =>
            architecturesOf(shim, version).includes(architecture),
        ),
        shimPath: program,
        configuration,
        needs: needs(shim, version),
        nodeSelector: nodeSelector(shim, version),
        debug: given.debug ?? args.debug ?? false,
        snapshotter: given.snapshotter,
        isVerifiable: shims[shim].snapshotter !== "nydus",
        settings: Object.keys(settings)
            .sort()
            .map((key) => [key, tomlLiteral(settings[key])]),
        overhead: enabled ? podFixed : undefined,
    };
}

function plannedArchives(
    version: string,
    engine: Engine,
    { sha256: own }: Partial<RuntimeClass>,
    { version: main, release }: Unwrap<Settings>,
): Archives {
    const published = archives(version, engine, release?.url ?? undefined);
    const given = [own, version === (main ?? defaultVersion) ? release?.sha256 : undefined].find(hasChecksums);
    return architectures.flatMap((architecture): Archives => {
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
