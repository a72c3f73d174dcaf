// The problems of the arguments, all at once. Pure: takes arguments, returns problems.

import { isIP } from "node:net";
import {
    CgroupDriver,
    connectionDefaults,
    Drift,
    HostChecks,
    type KataContainersArgs,
    type Node,
    type RuntimeClass,
    Shim,
} from "../args";
import {
    architectures,
    archives,
    compareVersions,
    defaultUrl,
    defaultVersion,
    type Engine,
    firstWith,
    isVersion,
    splitQuery,
    traits,
} from "../kata/releases";
import { agent, derivedShim, isShim, shims } from "../kata/shims";
import { isTomlValue } from "../kata/toml";
import { defaultRuntimeClasses, hasChecksums, type Settings } from "../plan";
import {
    all,
    boolean,
    type Check,
    entryPath,
    ifValid,
    immediate,
    isAbsent,
    isLater,
    isObject,
    leaf,
    list,
    map,
    object,
    oneOf,
    optional,
    type Problem,
    required,
    secret,
    text,
    wholeNumber,
} from "./checks";

const dnsLabel = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const labelName = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
const hostLabel = "[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?";
const hostName = new RegExp(`^${hostLabel}(\\.${hostLabel})*\\.?$`);
// Control characters of ASCII and Unicode, and line separators of Unicode.
const noControls = /^[^\p{Cc}\u2028\u2029]*$/u;

const handler = all(
    text(
        "lower-case letters, digits and `-`, at most 63 characters, beginning and ending with a letter or a digit",
        new RegExp(`^${dnsLabel}$`),
    ),
    leaf("other than `runc`, which is containerd's default handler", (value) => value !== "runc"),
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
const sha256 = text("a SHA-256 checksum, 64 hexadecimal digits", /^[0-9a-fA-F]{64}$/);
const nonEmptyLine = text("text without control characters, and not empty", /^[^\p{Cc}]+$/u);
const nonEmptyText = leaf("text, and not empty", (value) => typeof value === "string" && value !== "");

/** Whether the SSH client accepts the host key: in `authorized_keys` form, not RSA, and with a key of the stated type. */
function isHostKey(value: unknown): boolean {
    const parts = /^(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={0,2})( [^\p{Cc}]*)?\n?$/u;
    const [, type, key] = typeof value === "string" ? (parts.exec(value) ?? []) : [];
    return key !== undefined && Buffer.from(key, "base64").subarray(4).toString("latin1").startsWith(type!);
}

/** Errors do not show the values of a connection, so the expectations must be precise. */
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
        all(
            text(
                "the private key itself in PEM form, not the name of a file",
                /-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n/,
            ),
            leaf(
                "in a format other than encrypted PKCS#8, which Pulumi cannot read: convert it with ssh-keygen -p -f FILE",
                (value) => !isText(value) || !/-----BEGIN ENCRYPTED PRIVATE KEY-----/.test(value),
            ),
        ),
    ),
    privateKeyPassword: optional(leaf("text", isText)),
    agentSocketPath: optional(nonEmptyLine),
    hostKey: optional(
        leaf(
            "an Ed25519 or ECDSA host key as in `authorized_keys` (`ssh-ed25519 AAAA…`), without a host's name before it " +
                "(RSA keys cannot be checked)",
            isHostKey,
        ),
    ),
    dialErrorLimit: optional(wholeNumber(-1)),
    perDialTimeout: optional(wholeNumber(0)),
};

/** The environment of the process that runs Pulumi. */
export interface Environment {
    /** Whether there is an SSH agent for connections without another way to log in. */
    sshAgent: boolean;
}

function authentication({ sshAgent }: Environment): Check {
    const ways = ["privateKey", "password", "agentSocketPath"];
    return (value, path) => {
        const given = Object.entries(value ?? {}).some(
            ([name, way]) => ways.includes(name) && way !== undefined && way !== null,
        );
        const reason = `has no way to log in: set privateKey, password or agentSocketPath, or run Pulumi with an SSH agent ($SSH_AUTH_SOCK)`;
        return given || sshAgent || typeof value !== "object" || isLater(value) ? [] : [{ path, reason }];
    };
}

export function connection(environment: Environment): Check {
    const login = authentication(environment);
    const proxy = optional(all(object(endpoint), login));
    return secret(all(object({ ...endpoint, proxy }), login));
}

function nodes(environment: Environment): Check {
    const node = object({ connection: required(connection(environment)), gone: optional(immediate(boolean)) });
    const each = map(subdomain, required(node));
    return (value, path) =>
        isObject(value) && Object.keys(value).length === 0
            ? [{ path, reason: "must name at least one node" }]
            : [...each(value, path), ...sharedAddresses(value, path)];
}

/** Two names for one machine, which would undo each other's changes. */
function sharedAddresses(value: unknown, path: string): Problem[] {
    const names = new Map<string, string>();
    return Object.entries((value ?? {}) as { [name: string]: Node }).flatMap(([name, node]) => {
        const { host, port, proxy } = node?.connection ?? {};
        const parts = [host, port ?? connectionDefaults.port, proxy?.host, proxy?.port ?? connectionDefaults.port];
        const isComparable = parts.every((part) => ["string", "number", "undefined"].includes(typeof part));
        if (typeof host !== "string" || !isComparable) {
            return [];
        }
        const address = JSON.stringify(parts);
        const other = names.get(address);
        names.set(address, name);
        const reason = `has the same address as ${JSON.stringify(other)}: name each machine only once`;
        return other === undefined ? [] : [{ path: `${entryPath(path, name)}.connection`, reason }];
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
    const placeholders = "with no placeholders except {version}, {arch} and {archive}";
    const rules: [valid: boolean, reason: string][] = [
        [isUrl || isPath, `must be an http or https URL or an absolute path on the node, ${placeholders}`],
        [!url?.username && !url?.password, "must not contain a user name or password, because previews show it"],
        [
            /(\{archive\}|\.tar\.(xz|zst))$/.test(splitQuery(given)[0]),
            "must end in .tar.xz or .tar.zst, or with {archive}",
        ],
    ];
    const broken = rules.find(([valid]) => !valid);
    return broken ? [{ path, reason: broken[1] }] : [];
}

const releaseProxy = leaf(
    "the URL of an HTTP proxy with its port, as in http://user:password@host:3128, with special characters percent-encoded",
    (value) =>
        isText(value) &&
        /^http:\/\/([\w\-.~!$&'()*+,;=%]+(:[\w\-.~!$&'()*+,;=%]*)?@)?([\w\-.]+|\[[\da-f:]+\]):\d+\/?$/.test(value) &&
        URL.canParse(value),
);

/** The name of a setting: a table and a key. The tables and keys depend on the release; the node checks them. */
function settingKey(key: unknown, path: string): Problem[] {
    if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/.test(String(key))) {
        return [{ path, reason: 'must be named by table and key, such as "hypervisor.qemu.default_memory"' }];
    }
    return String(key).endsWith(".enable_debug") ? [{ path, reason: "cannot be set here: use debug instead" }] : [];
}

const settingValue = leaf("a string, a boolean, a finite number or a list of those", (value) =>
    isTomlValue(Array.isArray(value) ? value.filter((item) => !isLater(item)) : value),
);

const toleration = object({
    key: optional(labelKey),
    operator: optional(oneOf(["Exists", "Equal"])),
    value: optional(labelValue),
    effect: optional(oneOf(["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    tolerationSeconds: optional(leaf("a whole number", (value) => Number.isSafeInteger(value))),
});

const runtimeClass = object({
    shim: optional(oneOf(Shim)),
    version: optional(leaf(`a Kata release such as "${defaultVersion}", 2.0.0 or later`, isVersion)),
    overhead: optional(object({ enabled: optional(boolean), cpu: optional(quantity), memory: optional(quantity) })),
    settings: optional(map(settingKey, optional(settingValue))),
    debug: optional(boolean),
    handler: optional(handler),
    labels: optional(map(labelKey, required(labelValue))),
    annotations: optional(map(labelKey, required(leaf("text", isText)))),
    tolerations: optional(list(toleration)),
    nodeSelector: optional(map(labelKey, required(labelValue))),
    adopt: optional(immediate(boolean)),
});

function notEmpty(value: unknown, path: string): Problem[] {
    return isObject(value) && Object.keys(value).length === 0 ? [{ path, reason: "must have an entry" }] : [];
}

const settingsShape: { [name in keyof Required<Settings>]: Check } = {
    version: optional(leaf(`a Kata release such as "${defaultVersion}", 2.0.0 or later`, isVersion)),
    release: optional(
        object({
            url: optional(secret(releaseUrl)),
            proxy: optional(secret(releaseProxy)),
            sha256: optional(object({ amd64: optional(sha256), arm64: optional(sha256) })),
        }),
    ),
    runtimeClasses: optional(all(map(subdomain, optional(runtimeClass)), notEmpty)),
    debug: optional(boolean),
    kubelet: optional(
        object({ cgroupDriver: optional(oneOf(CgroupDriver)), changeUnderRunningPods: optional(boolean) }),
    ),
    hostChecks: optional(oneOf(HostChecks)),
    drift: optional(oneOf(Drift)),
    forceRemoval: optional(boolean),
    rollout: optional(object({ verify: optional(boolean) })),
};

function isText(value: unknown): value is string {
    return typeof value === "string";
}

/** Arguments that contradict each other. Values that are not known yet, or invalid by themselves, are skipped. */
function contradictions(args: Partial<Settings>): Problem[] {
    const version = ifValid(args.version ?? defaultVersion, isVersion);
    const classes = ifValid(args.runtimeClasses ?? defaultRuntimeClasses, isObject) ?? {};
    return [
        ...Object.entries(classes)
            .filter(([name, given]) => subdomain(name, "").length === 0 && isObject(given ?? {}))
            .flatMap(([name, given]) => runtimeClassContradictions(name, given ?? {}, version, args.release ?? {})),
        ...(version === undefined ? [] : cgroupDriverContradictions(args.kubelet ?? {}, version)),
    ];
}

function runtimeClassContradictions(
    name: string,
    given: RuntimeClass,
    version: string | undefined,
    release: Release,
): Problem[] {
    const path = entryPath("runtimeClasses", name);
    const names = Object.values(Shim).join(" or ");
    const shim = ifValid(given.shim ?? derivedShim(name, version ?? defaultVersion), isShim);
    const isUsable = version !== undefined && shim !== undefined;
    const rules: [valid: boolean, property: string, reason: string][] = [
        [
            !isAbsent(given.handler) || handler(name, "").length === 0,
            "handler",
            `is required, because ${JSON.stringify(name)} cannot be the name of a handler`,
        ],
        [
            !isAbsent(given.shim) || shim !== undefined,
            "shim",
            `is required, because the name of the RuntimeClass is not kata-SHIM with a supported shim: set it to ${names}`,
        ],
        [
            !isUsable || compareVersions(shims[shim].since, version) <= 0,
            "shim",
            `"${shim}" requires Kata ${shim && shims[shim].since} or later (version is ${version})`,
        ],
    ];
    const broken = rules
        .filter(([valid]) => !valid)
        .map(([, property, reason]) => ({ path: `${path}.${property}`, reason }));
    if (!isUsable || broken.length > 0) {
        return broken;
    }
    return [
        ...settingTableProblems(given.settings ?? {}, shims[shim].hypervisor, `${path}.settings`),
        ...checksumProblems(version, shims[shim].engine, release),
    ];
}
type Release = NonNullable<Settings["release"]>;

/** Settings in the tables of another hypervisor or agent. */
function settingTableProblems(settings: object, hypervisor: string, path: string): Problem[] {
    const tables = new Map([
        ["hypervisor", hypervisor],
        ["agent", agent],
    ]);
    return Object.keys(settings).flatMap((key) => {
        const [table, subtable, ...rest] = key.split(".") as [string, ...string[]];
        const expected = tables.get(table);
        const reason = `is not in an existing table: it must be "${table}.${expected}.KEY"`;
        const isValid = expected === undefined || (subtable === expected && rest.length > 0);
        return isValid ? [] : [{ path: entryPath(path, key), reason }];
    });
}

function cgroupDriverContradictions({ cgroupDriver }: NonNullable<Settings["kubelet"]>, version: string): Problem[] {
    const supported = cgroupDriver !== CgroupDriver.Systemd || traits(version).cgroupDrivers.includes("systemd");
    const since = firstWith((traits) => traits.cgroupDrivers.includes("systemd"));
    const reason = `"systemd" requires Kata ${since} or later (version is ${version})`;
    return supported ? [] : [{ path: "kubelet.cgroupDriver", reason }];
}

function checksumProblems(version: string, engine: Engine, release: Release): Problem[] {
    const url = release.url ?? defaultUrl;
    const published = archives(version, engine, ifValid(url, isText) ?? defaultUrl);
    if (hasChecksums(release.sha256)) {
        return architectures
            .filter((architecture) => release.sha256?.[architecture] && !published[architecture])
            .map((architecture) => ({
                path: `release.sha256.${architecture}`,
                reason: `cannot be set: Kata ${version} is published for ${Object.keys(published).join(", ")} only`,
            }));
    }
    const [architecture, archive] = Object.entries(published)[0]!;
    const command = archive.url.startsWith("/") ? `sha256sum ${archive.url}` : `curl -L ${archive.url} | sha256sum`;
    const reason = `is required: this package has no checksum for that archive of Kata ${version}; compute it with: ${command}`;
    return archive.sha256 === undefined ? [{ path: `release.sha256.${architecture}`, reason }] : [];
}

/** The problems of the arguments that are the same for every node. */
export function settingsProblems(args: Partial<Settings>): Problem[] {
    return [...object(settingsShape)(args, ""), ...contradictions(args)];
}

const rollout = (environment: Environment) =>
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
                kubeconfig: optional(secret(nonEmptyText)),
                controlPlane: optional(connection(environment)),
                timeout: optional(wholeNumber(1, 86400)),
            }),
        ),
        verify: optional(boolean),
    });

/** Arguments of the rollout that contradict each other. */
function rolloutContradictions({ nodes, rollout }: Partial<KataContainersArgs>): Problem[] {
    const { canary, drain } = rollout ?? {};
    const ways = [drain?.kubeconfig, drain?.controlPlane].filter((way) => way !== undefined && way !== null);
    const rules: [valid: boolean, path: string, reason: string][] = [
        [!isText(canary) || Object.hasOwn(nodes ?? {}, canary), "rollout.canary", "must be the name of one of `nodes`"],
        [!drain || ways.length === 1, "rollout.drain", "must set exactly one of kubeconfig and controlPlane"],
    ];
    return rules.filter(([valid]) => !valid).map(([, path, reason]) => ({ path, reason }));
}

/** The problems of a component's name and arguments. */
export function problems(name: string, args: unknown, environment: Environment): Problem[] {
    const shape = object({
        nodes: required(nodes(environment)),
        ...settingsShape,
        rollout: optional(rollout(environment)),
    });
    const given = (args ?? {}) as Partial<KataContainersArgs>;
    return [...plainText(name, "name"), ...shape(given, ""), ...contradictions(given), ...rolloutContradictions(given)];
}
