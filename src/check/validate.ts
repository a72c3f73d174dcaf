// What is wrong with the arguments, all of it at once. Pure: arguments in, problems out.

import { isIP } from "node:net";
import { CgroupDriver, Drift, HostChecks, type KataContainersArgs, type Node, Runtime } from "../args";
import { architectures, archives, defaultUrl, defaultVersion, firstWith, isVersion, traits } from "../kata/releases";
import { isTomlValue } from "../kata/toml";
import { hasChecksums, type Settings } from "../plan";
import {
    all,
    boolean,
    type Check,
    immediate,
    isLater,
    known,
    leaf,
    list,
    map,
    object,
    oneOf,
    optional,
    type Problem,
    required,
    text,
    wholeNumber,
} from "./checks";

const dnsLabel = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const labelName = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
const hostLabel = "[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?";
const hostName = new RegExp(`^${hostLabel}(\\.${hostLabel})*\\.?$`);
// The control characters of ASCII and Unicode, and its line separators.
const noControls = /^[^\p{Cc}\u2028\u2029]*$/u;

const label = text(
    "lower-case letters, digits and `-`, at most 63, beginning and ending with a letter or a digit",
    new RegExp(`^${dnsLabel}$`),
);
const subdomain = all(
    text(
        "lower-case letters, digits, `-` and `.`, each part beginning and ending with a letter or a digit",
        new RegExp(`^${dnsLabel}(\\.${dnsLabel})*$`),
    ),
    leaf("at most 253 characters long", (value) => typeof value !== "string" || value.length <= 253),
);
const plainText = text("text without control characters", noControls);
const labelKey = text(
    "the key of a Kubernetes label, such as `example.com/team`",
    new RegExp(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?${labelName}$`),
);
const labelValue = text("the value of a Kubernetes label", new RegExp(`^(${labelName})?$`));
const quantity = text(
    'a Kubernetes quantity, such as "250m" or "320Mi"',
    /^\+?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/,
);
const sha256 = text("a sha256 sum, 64 hexadecimal digits", /^[0-9a-fA-F]{64}$/);
const nonEmpty = text("text without control characters, and not empty", /^[^\p{Cc}]+$/u);

const nonEmptyText = leaf("text, and not empty", (value) => typeof value === "string" && value !== "");

/** A host key as the SSH client takes it: `authorized_keys` form, not RSA, and the key is of the type it says. */
function isHostKey(value: unknown): boolean {
    const parts = /^(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={0,2})( [^\p{Cc}]*)?\n?$/u;
    const [, type, key] = typeof value === "string" ? (parts.exec(value) ?? []) : [];
    return key !== undefined && Buffer.from(key, "base64").subarray(4).toString("latin1").startsWith(type!);
}

/** Values in a connection are never shown, so the expectations have to say enough. */
const endpoint: { [name: string]: Check } = {
    host: required(
        leaf(
            "a host name or an IP address, without a port or a user",
            (value) =>
                typeof value === "string" && (isIP(value) !== 0 || (value.length <= 253 && hostName.test(value))),
        ),
    ),
    port: optional(wholeNumber(1, 65535)),
    user: optional(text("the name of a user", /^[^\p{Cc}\s]+$/u)),
    password: optional(nonEmptyText),
    privateKey: optional(
        text("the private key itself in PEM form, not the name of a file", /-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n/),
    ),
    privateKeyPassword: optional(leaf("text", (value) => typeof value === "string")),
    agentSocketPath: optional(nonEmpty),
    hostKey: optional(
        leaf(
            "an Ed25519 or ECDSA host key as in `authorized_keys` (`ssh-ed25519 AAAA…`), without a host's name before it " +
                "(an RSA key cannot be checked)",
            isHostKey,
        ),
    ),
    dialErrorLimit: optional(wholeNumber(-1)),
    perDialTimeout: optional(wholeNumber(0)),
};

/** What the surroundings give: whether an SSH agent is there for those who name none. */
export interface Surroundings {
    sshAgent: boolean;
}

function authentication({ sshAgent }: Surroundings): Check {
    const ways = ["privateKey", "password", "agentSocketPath"];
    return (value, path) => {
        const given = Object.entries(value ?? {}).some(
            ([name, way]) => ways.includes(name) && way !== undefined && way !== null,
        );
        const reason = `has no way to log in: give ${ways.join(", ")}, or run Pulumi with an SSH agent ($SSH_AUTH_SOCK)`;
        return given || sshAgent || typeof value !== "object" || isLater(value) ? [] : [{ path, reason }];
    };
}

export function connection(surroundings: Surroundings): Check {
    const login = authentication(surroundings);
    const proxy = optional(all(object(endpoint), login));
    return all(object({ ...endpoint, proxy }), login);
}

function nodes(surroundings: Surroundings): Check {
    const each = map(
        subdomain,
        required(object({ connection: required(connection(surroundings)), gone: optional(immediate(boolean)) })),
    );
    return (value, path) => {
        const none = !isLater(value) && typeof value === "object" && Object.keys(value as object).length === 0;
        return none ? [{ path, reason: "must name at least one node" }] : [...each(value, path), ...twice(value, path)];
    };
}

/** Two names for one machine would undo each other's work. */
function twice(value: unknown, path: string): Problem[] {
    const seen = new Map<string, string>();
    return Object.entries((value ?? {}) as { [name: string]: Node }).flatMap(([name, node]) => {
        const { host, port, proxy } = node?.connection ?? {};
        const parts = [host, port ?? 22, proxy?.host, proxy?.port ?? 22];
        if (typeof host !== "string" || parts.some(isLater)) {
            return [];
        }
        const address = JSON.stringify(parts);
        const other = seen.get(address);
        seen.set(address, name);
        const reason = `has the same address as ${JSON.stringify(other)}`;
        return other === undefined ? [] : [{ path: `${path}[${JSON.stringify(name)}].connection`, reason }];
    });
}

function releaseUrl(value: unknown, path: string): Problem[] {
    if (isLater(value)) {
        return [];
    }
    const given = typeof value === "string" ? value : "";
    const expanded = given.replace(/\{(version|arch|archive)\}/g, "x");
    const url = URL.canParse(expanded) ? new URL(expanded) : undefined;
    const isUrl = /^https?:\/\/[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/.test(expanded) && url !== undefined;
    const isPath = /^\/[^{}]+$/.test(expanded) && noControls.test(expanded);
    const placeholders = "with no placeholders but {version}, {arch} and {archive}";
    const rules: [right: boolean, reason: string][] = [
        [isUrl || isPath, `must be an http or https URL or an absolute path on the node, ${placeholders}`],
        [!url?.username && !url?.password, "must hold no user name or password: it is shown in previews"],
        [/(\{archive\}|\.tar\.(xz|zst))$/.test(given), "must end in .tar.xz or .tar.zst"],
    ];
    const broken = rules.find(([right]) => !right);
    return broken ? [{ path, reason: broken[1] }] : [];
}

/** The name of a setting: a table and a key. Which tables and keys there are depends on the release; the node knows. */
function settingKey(key: unknown, path: string): Problem[] {
    const [table, part, ...rest] = String(key).split(".");
    const subtable = { hypervisor: "qemu", agent: "kata" }[table!];
    const reasons = [
        /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/.test(String(key))
            ? undefined
            : 'must be named by table and key, such as "hypervisor.qemu.default_memory"',
        subtable !== undefined && (part !== subtable || rest.length === 0)
            ? `is in no table there is: it must be "${table}.${subtable}.KEY"`
            : undefined,
        String(key).endsWith(".enable_debug") ? "is set by qemu.debug alone" : undefined,
    ];
    return reasons.filter((reason) => reason !== undefined).map((reason) => ({ path, reason }));
}

const settingValue = leaf("a string, a boolean, a finite number or a list of those", (value) =>
    isTomlValue(Array.isArray(value) ? value.filter((item) => !isLater(item)) : value),
);

const toleration = object({
    key: optional(labelKey),
    operator: optional(oneOf(["Exists", "Equal"])),
    value: optional(labelValue),
    effect: optional(oneOf(["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    tolerationSeconds: optional(wholeNumber(Number.MIN_SAFE_INTEGER)),
});

const settingsShape: { [name in keyof Required<Settings>]: Check } = {
    version: optional(leaf(`a Kata release such as "${defaultVersion}", 2.0.0 or later`, isVersion)),
    release: optional(
        object({
            url: optional(releaseUrl),
            sha256: optional(object({ amd64: optional(sha256), arm64: optional(sha256) })),
        }),
    ),
    qemu: optional(
        object({
            overhead: optional(
                object({ enabled: optional(boolean), cpu: optional(quantity), memory: optional(quantity) }),
            ),
            debug: optional(boolean),
            settings: optional(map(settingKey, optional(settingValue))),
            runtime: optional(oneOf(Runtime)),
        }),
    ),
    kubelet: optional(
        object({ cgroupDriver: optional(oneOf(CgroupDriver)), changeUnderRunningPods: optional(boolean) }),
    ),
    runtimeClass: optional(
        object({
            name: optional(subdomain),
            handler: optional(
                all(
                    label,
                    leaf("other than `runc`, which is containerd's own", (value) => value !== "runc"),
                ),
            ),
            labels: optional(map(labelKey, required(labelValue))),
            annotations: optional(map(labelKey, required(leaf("text", (value) => typeof value === "string")))),
            tolerations: optional(list(toleration)),
            adopt: optional(immediate(boolean)),
        }),
    ),
    hostChecks: optional(oneOf(HostChecks)),
    drift: optional(oneOf(Drift)),
    forceRemoval: optional(boolean),
};

const isRuntime = (value: unknown): value is Runtime => Object.values(Runtime).includes(value as Runtime);
const isText = (value: unknown): value is string => typeof value === "string";

/** What does not go together. Says nothing about values that are wrong by themselves or not known yet. */
function contradictions(args: Partial<Settings>): Problem[] {
    const version = known(args.version ?? defaultVersion, isVersion);
    if (version === undefined) {
        return [];
    }
    const release = traits(version);
    const runtime = known(args.qemu?.runtime ?? release.defaultRuntime, isRuntime);
    const systemd = args.kubelet?.cgroupDriver === CgroupDriver.Systemd;
    const since = (wanted: Parameters<typeof firstWith>[0]) =>
        `needs Kata ${firstWith(wanted)} or later, not ${version}`;
    return [
        ...(runtime && !release.runtimes[runtime]
            ? [
                  {
                      path: "qemu.runtime",
                      reason: `"${runtime}" ${since((traits) => traits.runtimes[runtime] !== undefined)}`,
                  },
              ]
            : []),
        ...(systemd && !release.cgroupDrivers.includes("systemd")
            ? [
                  {
                      path: "kubelet.cgroupDriver",
                      reason: `"systemd" ${since((traits) => traits.cgroupDrivers.includes("systemd"))}`,
                  },
              ]
            : []),
        ...(runtime && release.runtimes[runtime] ? checksumProblems(version, runtime, args.release ?? {}) : []),
    ];
}

function checksumProblems(version: string, runtime: Runtime, release: NonNullable<Settings["release"]>): Problem[] {
    const url = release.url ?? defaultUrl;
    const published = archives(version, runtime, known(url, isText) ?? defaultUrl);
    if (hasChecksums(release.sha256)) {
        return architectures
            .filter((architecture) => release.sha256?.[architecture] && !published[architecture])
            .map((architecture) => ({
                path: `release.sha256.${architecture}`,
                reason: `Kata ${version} is published for ${Object.keys(published).join(", ")} alone`,
            }));
    }
    const [architecture, archive] = Object.entries(published)[0]!;
    if (archive.sha256 !== undefined) {
        return [];
    }
    const sum = archive.url.startsWith("/") ? `sha256sum ${archive.url}` : `curl -L ${archive.url} | sha256sum`;
    const reason = `is needed, for this package knows no checksum of that archive of Kata ${version}: run ${sum}`;
    return [{ path: `release.sha256.${architecture}`, reason }];
}

/** What is wrong with the arguments that are the same for every node. */
export function settingsProblems(args: Partial<Settings>): Problem[] {
    return [...object(settingsShape)(args, ""), ...contradictions(args)];
}

const rollout = (surroundings: Surroundings) =>
    object({
        maxUnavailable: optional(
            immediate(
                leaf("a whole number, at least 1, or a fraction between 0 and 1", (value) => {
                    return typeof value === "number" && value > 0 && (value < 1 || Number.isSafeInteger(value));
                }),
            ),
        ),
        canary: optional(immediate(leaf("the name of a node", isText))),
        drain: optional(
            object({
                kubeconfig: optional(nonEmptyText),
                controlPlane: optional(connection(surroundings)),
                timeout: optional(wholeNumber(1, 86400)),
            }),
        ),
    });

/** What does not go together in the rollout. */
function rolloutContradictions({ nodes, rollout, kubelet }: Partial<KataContainersArgs>): Problem[] {
    const { canary, drain } = rollout ?? {};
    const ways = [drain?.kubeconfig, drain?.controlPlane].filter((way) => way !== undefined && way !== null);
    const rules: [right: boolean, path: string, reason: string][] = [
        [!isText(canary) || Object.hasOwn(nodes ?? {}, canary), "rollout.canary", "must be the name of one of `nodes`"],
        [!drain || ways.length === 1, "rollout.drain", "needs either kubeconfig or controlPlane"],
        [
            !drain || (kubelet?.cgroupDriver ?? undefined) !== undefined,
            "rollout.drain",
            "is for a change of the cgroup driver: give kubelet.cgroupDriver, or leave it out",
        ],
    ];
    return rules.filter(([right]) => !right).map(([, path, reason]) => ({ path, reason }));
}

/** What is wrong with a component's name and arguments. */
export function problems(name: string, args: unknown, surroundings: Surroundings): Problem[] {
    const shape = object({
        nodes: required(nodes(surroundings)),
        ...settingsShape,
        rollout: optional(rollout(surroundings)),
    });
    const given = (args ?? {}) as Partial<KataContainersArgs>;
    return [...plainText(name, "name"), ...shape(given, ""), ...contradictions(given), ...rolloutContradictions(given)];
}
