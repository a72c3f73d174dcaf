// The problems of the arguments, all at once. Pure: takes arguments, returns problems.

import { isIP } from "node:net";
import {
    CgroupDriver,
    connectionDefaults,
    Distribution,
    Drift,
    HostChecks,
    type KataContainersArgs,
    type Node,
    type RuntimeClass,
    Shim,
} from "../args";
import {
    type Architecture,
    architectures,
    archives,
    compareVersions,
    defaultUrl,
    defaultVersion,
    firstWith,
    isVersion,
    splitQuery,
    traits,
} from "../kata/releases";
import {
    agent,
    architecturesOf,
    derivedName,
    engineOf,
    isReleased,
    isShim,
    missingParts,
    shims,
    unsupported,
} from "../kata/shims";
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
/** As containerd names its plugins. */
const snapshotter = text(
    "the name of a snapshotter, such as `devmapper`: letters and digits, also with `-`, `_` or `.` between them",
    /^[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*$/,
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
    const node = object({
        connection: required(connection(environment)),
        distribution: optional(immediate(oneOf(Distribution))),
        gone: optional(immediate(boolean)),
    });
    const each = map(subdomain, required(node));
    return (value, path) => [...each(value, path), ...sharedAddresses(value, path)];
}

/** `nodes` may have no entry only with a DaemonSet. */
function nodesProblems({ nodes: value, daemonSet }: Partial<KataContainersArgs>, environment: Environment): Problem[] {
    const path = "nodes";
    if (isAbsent(daemonSet)) {
        if (isAbsent(value)) return [{ path, reason: "is required, unless daemonSet is set" }];
        if (isObject(value) && Object.keys(value).length === 0)
            return [{ path, reason: "must name at least one node" }];
    }
    return optional(nodes(environment))(value, path);
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

const quantities = optional(object({ cpu: optional(quantity), memory: optional(quantity) }));

const daemonSet = object({
    nodeSelector: optional(map(labelKey, required(labelValue))),
    namespace: optional(
        immediate(
            text(
                "the name of a namespace: lower-case letters, digits and `-`, at most 63 characters, beginning and ending with a letter or a digit",
                new RegExp(`^${dnsLabel}$`),
            ),
        ),
    ),
    image: optional(text("the name of a container image", /^[^\p{Cc}\s]+$/u)),
    imagePullSecrets: optional(list(required(subdomain))),
    tolerations: optional(list(toleration)),
    priorityClassName: optional(subdomain),
    resources: optional(object({ requests: quantities, limits: quantities })),
    interval: optional(wholeNumber(10, 86400)),
    timeout: optional(immediate(wholeNumber(60, 86400))),
});

/** A shim that this package can install. The reason names a shim of Kata that it refuses. */
const shim: Check = (value, path) =>
    typeof value === "string" && Object.hasOwn(unsupported, value)
        ? [{ path, reason: `cannot be "${value}", which ${unsupported[value]}` }]
        : oneOf(Shim)(value, path);

const version = leaf(`a Kata release such as "${defaultVersion}", 2.0.0 or later`, isVersion);
const checksums = object({ amd64: optional(sha256), arm64: optional(sha256) });

const runtimeClass = object({
    shim: optional(shim),
    version: optional(version),
    sha256: optional(checksums),
    overhead: optional(object({ enabled: optional(boolean), cpu: optional(quantity), memory: optional(quantity) })),
    settings: optional(map(settingKey, optional(settingValue))),
    debug: optional(boolean),
    handler: optional(handler),
    snapshotter: optional(snapshotter),
    labels: optional(map(labelKey, required(labelValue))),
    annotations: optional(map(labelKey, required(leaf("text", isText)))),
    tolerations: optional(list(toleration)),
    nodeSelector: optional(map(labelKey, required(labelValue))),
    adopt: optional(immediate(boolean)),
});

function atLeastOne(value: unknown, path: string): Problem[] {
    const isEmpty = isObject(value) && Object.keys(value).length === 0;
    return isEmpty ? [{ path, reason: "must have at least one entry" }] : [];
}

const settingsShape: { [name in keyof Required<Settings>]: Check } = {
    daemonSet: optional(daemonSet),
    version: optional(version),
    release: optional(
        object({
            url: optional(secret(releaseUrl)),
            proxy: optional(secret(releaseProxy)),
            sha256: optional(checksums),
        }),
    ),
    runtimeClasses: optional(all(map(subdomain, optional(runtimeClass)), atLeastOne)),
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

/** A RuntimeClass; its version and shim are undefined if they are not known yet or invalid by themselves. */
interface Class {
    name: string;
    path: string;
    given: RuntimeClass;
    version: string | undefined;
    /** The argument that sets the version. */
    versionPath: string;
    shim: Shim | undefined;
}

/** A RuntimeClass whose release contains its shim. */
type Installable = Class & { version: string; shim: Shim };

/** Arguments that contradict each other. Values that are not known yet, or invalid by themselves, are skipped. */
function contradictions(args: Partial<Settings>): Problem[] {
    const classes = Object.entries(ifValid(args.runtimeClasses ?? defaultRuntimeClasses, isObject) ?? {})
        .filter(([name, given]) => subdomain(name, "").length === 0 && isObject(given ?? {}))
        .map(([name, given]) => resolved(name, given ?? {}, args.version));
    const installable = classes.filter(
        (each): each is Installable => !!each.version && !!each.shim && isReleased(each.shim, each.version),
    );
    const problems = [
        ...handlerProblems(classes),
        ...classes.flatMap(shimProblems),
        ...installable.flatMap(settingProblems),
        ...releaseProblems(installable, args),
        ...classes.flatMap((each) => cgroupDriverProblems(each, args.kubelet ?? {})),
        ...runningPodsProblems(args),
    ];
    // Several RuntimeClasses may have the same problem with an argument for all of them.
    return [...new Map(problems.map((problem) => [problem.path + problem.reason, problem])).values()];
}

function resolved(name: string, given: RuntimeClass, general: unknown): Class {
    const path = entryPath("runtimeClasses", name);
    const version = ifValid(given.version ?? general ?? defaultVersion, isVersion);
    const versionPath = isAbsent(given.version) ? "version" : `${path}.version`;
    const shim = ifValid(given.shim ?? derivedName(name, version ?? defaultVersion), isShim);
    return { name, path, given, version, versionPath, shim };
}

function handlerProblems(classes: Class[]): Problem[] {
    const owners = new Map<string, string>();
    return classes.flatMap(({ name, path, given }) => {
        const own = given.handler ?? name;
        if (isAbsent(given.handler) && handler(name, "").length > 0) {
            const reason = `is required, because ${JSON.stringify(name)} cannot be the name of a handler`;
            return [{ path: `${path}.handler`, reason }];
        }
        if (!isText(own)) return [];
        const other = owners.get(own);
        owners.set(own, path);
        const reason = `must be unique: ${JSON.stringify(own)} is already the handler of ${other}; set another one`;
        return other === undefined ? [] : [{ path: `${path}.handler`, reason }];
    });
}

function shimProblems({ name, path, given, version, versionPath, shim }: Class): Problem[] {
    const problem = (reason: string) => [{ path: `${path}.shim`, reason }];
    if (shim === undefined) {
        const derived = derivedName(name, version ?? defaultVersion) ?? "";
        const why = Object.hasOwn(unsupported, derived)
            ? `"${derived}" ${unsupported[derived]}`
            : `the name of the RuntimeClass is not kata-SHIM with a supported shim: set it to one of ${Object.values(Shim).join(", ")}`;
        return isAbsent(given.shim) ? problem(`is required, because ${why}`) : [];
    }
    if (version === undefined || isReleased(shim, version)) return [];
    const { since, until } = shims[shim];
    const found = `(${versionPath} is ${version})`;
    return problem(
        compareVersions(version, since) < 0
            ? `"${shim}" requires Kata ${since} or later ${found}: set ${versionPath} to such a release, or set another shim`
            : `"${shim}" is named "${until?.[1]}" from Kata ${until?.[0]} on ${found}: set it to "${until?.[1]}"`,
    );
}

function settingProblems({ path, given, version, shim }: Installable): Problem[] {
    const settings: { [key: string]: unknown } = given.settings ?? {};
    const missing = missingParts(shim, version)
        .filter(({ setting }) => isAbsent(settings[setting]))
        .map(({ part, setting }) => ({
            path: entryPath(`${path}.settings`, setting),
            reason: `is required for "${shim}": Kata ${version} does not contain ${part}, so set it to the path of one on the nodes`,
        }));
    return [...settingTableProblems(settings, shims[shim].hypervisor, `${path}.settings`), ...missing];
}

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

function cgroupDriverProblems(
    { version, versionPath }: Class,
    { cgroupDriver }: NonNullable<Settings["kubelet"]>,
): Problem[] {
    const isSupported = version === undefined || traits(version).cgroupDrivers.includes("systemd");
    const since = firstWith((traits) => traits.cgroupDrivers.includes("systemd"));
    const reason = `"systemd" requires Kata ${since} or later (${versionPath} is ${version})`;
    return isSupported || cgroupDriver !== CgroupDriver.Systemd ? [] : [{ path: "kubelet.cgroupDriver", reason }];
}

/** A change of the cgroup driver restarts all containers, and the pod of the DaemonSet always runs. */
function runningPodsProblems({ daemonSet, kubelet }: Partial<Settings>): Problem[] {
    const { cgroupDriver, changeUnderRunningPods } = kubelet ?? {};
    const isAccepted = changeUnderRunningPods === true || [changeUnderRunningPods, cgroupDriver].some(isLater);
    if (isAbsent(daemonSet) || isAbsent(cgroupDriver) || isAccepted) return [];
    const reason =
        "must be true with daemonSet, because its pod is always running on a node whose cgroup driver changes";
    return [{ path: "kubelet.changeUnderRunningPods", reason }];
}

const archivesOf = ({ version, shim }: Installable, url: string) => archives(version, engineOf(shim), url);
/** The name of the archive for amd64, which all releases have. */
const fileOf = (runtimeClass: Installable) => archivesOf(runtimeClass, "{archive}").amd64!.url;

/** One URL for several archives. */
function urlProblems(classes: Installable[], url: string): Problem[] {
    const urls = new Map(classes.map((each) => [fileOf(each), archivesOf(each, url).amd64!.url]));
    const reason = `must contain {archive}, because the RuntimeClasses need several archives: ${[...urls.keys()].join(", ")}`;
    return new Set(urls.values()).size < urls.size ? [{ path: "release.url", reason }] : [];
}

/** Two checksums for one archive. */
function conflictProblems(classes: Installable[], url: string, own: (runtimeClass: Installable) => Sums): Problem[] {
    const first = new Map<string, [sum: string, path: string]>();
    return classes.flatMap((runtimeClass) =>
        architectures.flatMap((architecture) => {
            const archive = archivesOf(runtimeClass, url)[architecture];
            const sum = hasChecksums(own(runtimeClass)) ? own(runtimeClass)[architecture] : archive?.sha256;
            if (!archive || typeof sum !== "string") return [];
            const key = `${fileOf(runtimeClass)} ${architecture}`;
            const [other, path] = first.get(key) ?? [sum, runtimeClass.path];
            first.set(key, [other, path]);
            const reason = `must be that of ${path}, which uses the same archive: ${archive.url}`;
            const isSame = sum.toLowerCase() === other.toLowerCase();
            return isSame ? [] : [{ path: `${runtimeClass.path}.sha256.${architecture}`, reason }];
        }),
    );
}

/** `release.sha256` has the checksums of one archive of the component's version. Other archives have their own. */
function releaseProblems(classes: Installable[], args: Partial<Settings>): Problem[] {
    if (isLater(args.version)) return [];
    const release = args.release ?? {};
    const url = ifValid(release.url ?? defaultUrl, isText) ?? defaultUrl;
    const isGeneral = ({ version, given }: Installable) =>
        version === (args.version ?? defaultVersion) && !hasChecksums(given.sha256);
    const general = classes.filter(isGeneral).map(fileOf)[0];
    const checksums = classes.flatMap((runtimeClass) => {
        if (isGeneral(runtimeClass) && fileOf(runtimeClass) === general) {
            return checksumProblems(runtimeClass, url, "release.sha256", release.sha256 ?? {});
        }
        const isOmitted = isGeneral(runtimeClass) && hasChecksums(release.sha256);
        const why = isOmitted ? `release.sha256 is that of ${general}` : undefined;
        return checksumProblems(runtimeClass, url, `${runtimeClass.path}.sha256`, runtimeClass.given.sha256 ?? {}, why);
    });
    const own = (runtimeClass: Installable): Sums =>
        (isGeneral(runtimeClass) ? release.sha256 : runtimeClass.given.sha256) ?? {};
    return [...urlProblems(classes, url), ...checksums, ...conflictProblems(classes, url, own)];
}

/** `missing`: why the checksum is required although this package may have one. */
function checksumProblems(
    runtimeClass: Installable,
    url: string,
    path: string,
    given: Sums,
    missing?: string,
): Problem[] {
    const { version, shim } = runtimeClass;
    const published = archivesOf(runtimeClass, url);
    const isGiven = (architecture: Architecture) => !isAbsent(given[architecture]);
    const unpublished = architectures.filter((architecture) => isGiven(architecture) && !published[architecture]);
    if (unpublished.length > 0) {
        const reason = `cannot be set: Kata ${version} is published for ${Object.keys(published).join(", ")} only; remove it`;
        return unpublished.map((architecture) => ({ path: `${path}.${architecture}`, reason }));
    }
    const isAnyGiven = architectures.some(isGiven);
    const usable = architecturesOf(shim, version);
    const isKnown = isAnyGiven ? usable.some(isGiven) : usable.some((each) => published[each]!.sha256 !== undefined);
    if (isKnown && missing === undefined) return [];
    const archive = published[usable[0]!]!.url;
    const command = archive.startsWith("/") ? `sha256sum ${archive}` : `curl -L ${archive} | sha256sum`;
    const why =
        missing ??
        (isAnyGiven
            ? `"${shim}" runs on ${usable.join(" and ")} only`
            : `this package has no checksum for that archive of Kata ${version}`);
    return [{ path: `${path}.${usable[0]}`, reason: `is required: ${why}; compute it with: ${command}` }];
}
type Sums = { [architecture in Architecture]?: unknown };

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
        maxParallelDownloads: optional(immediate(wholeNumber(1))),
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
function rolloutContradictions({ nodes, daemonSet, rollout }: Partial<KataContainersArgs>): Problem[] {
    const { canary, drain } = rollout ?? {};
    const ways = [drain?.kubeconfig, drain?.controlPlane].filter((way) => way !== undefined && way !== null);
    const rules: [valid: boolean, path: string, reason: string][] = [
        [!isText(canary) || Object.hasOwn(nodes ?? {}, canary), "rollout.canary", "must be the name of one of `nodes`"],
        [!drain || ways.length === 1, "rollout.drain", "must set exactly one of kubeconfig and controlPlane"],
        [
            !drain || isAbsent(daemonSet) || Object.keys(nodes ?? {}).length > 0,
            "rollout.drain",
            "cannot be set without `nodes`: nodes of the DaemonSet are not drained",
        ],
    ];
    return rules.filter(([valid]) => !valid).map(([, path, reason]) => ({ path, reason }));
}

/** The problems of a component's name and arguments. */
export function problems(name: string, args: unknown, environment: Environment): Problem[] {
    const given = (args ?? {}) as Partial<KataContainersArgs>;
    const shape = object({
        nodes: () => nodesProblems(given, environment),
        ...settingsShape,
        rollout: optional(rollout(environment)),
    });
    return [...plainText(name, "name"), ...shape(given, ""), ...contradictions(given), ...rolloutContradictions(given)];
}
