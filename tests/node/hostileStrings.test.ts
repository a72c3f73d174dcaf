// Hostile texts in every argument that reaches a node. Each is refused before anything is sent, or arrives unchanged through the
// login shell, the node program's own parsing and Kata's configuration, and no part of it ever runs.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { inputError, lateError } from "../../src/check/errors";
import { problems } from "../../src/check/validate";
import * as commands from "../../src/node/commands";
import { programOf } from "../../src/node/program";
import { type ClassPlan, makePlan, type Plan, type Settings } from "../../src/plan";
import { oneNode } from "../support/arguments";
import { Batch, showing } from "../support/batch";
import { seeds } from "../support/random";
import { inEveryShell } from "../support/shells";
import { documents, parse, table } from "../support/tomlDocuments";

const pieces = [
    // `canary` is a program that leaves a trace.
    ...["$(canary)", "`canary`", ";canary;", "|canary|", "&canary&", "\ncanary\n", "&&canary||canary", "(canary)"],
    ...["<(canary)", ">canary-file", "<<canary", "=canary", "$canary", "$" + "{canary}", "{canary,canary}", "!canary"],
    ...["system(canary)", 'BEGIN { system("canary") }', "s/a/canary/e", "%(canary)", "$[canary]", "eval canary"],
    ...["'", '"', "\\", "''", "\\'", "'\\''", "\\\\", "\\\n", "'''", '"""', "*", "?", "[a-z]", "**", "~", "~root"],
    ...["!!", "^", "#", " #", "%s", "%n", "%1$s", "%%", "&", "\\1", "\\&", "\\n", "\\x41", "\\u0041", "\\c"],
    ...["-", "--", "-n", "--owner=other", "--set=a.b=1", "=", "a=b", " ", "   ", "\t", "\n", "\r", "\r\n"],
    ...["\0", "\x01", "\x1b[31m", "\x7f", "\u0081\u0088", "\u0085", "\u00a0", "\u2028", "\u202e", "\ufeff"],
    ...["\ufdd0", "\uf600", "\ud800", "é", "漢字", "🦀", "\u0301", "$0", "$@", "$*", "$$", "$-", "$IFS"],
    ...["#kata-containers:end", "\n#kata-containers:begin\n", "#kata-containers:was(x)# ", "[table]", "k = 1"],
    ...["/", "..", "../../etc/passwd", ",", ":", "@", "+", "]", "}", "{arch}", "{version}", "{", "a", "x1", "key"],
    ...["0", "true", "null", "runc", "EOF", "__proto__", "constructor", "toString"],
];
const long = "x'$(canary)\\".repeat(1500);
const heap = fc
    .array(
        fc.oneof(
            { weight: 8, arbitrary: fc.constantFrom(...pieces) },
            { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 4 }) },
        ),
        { minLength: 1, maxLength: 5 },
    )
    .map((pieces) => pieces.join(""));

/** Each piece alone, and generated combinations of them. */
const hostileTexts = (seed: number) => ["", long, ...pieces, ...fc.sample(heap, { seed, numRuns: 60 })];

interface Case {
    name: string;
    organization: string;
    node: string;
    args: Settings;
}

/** The arguments that reach a node: the forms in which each gets a text, and whether one case takes several texts. */
const places: { [path: string]: { wraps: string[]; many?: boolean; put(target: Case, text: string): void } } = {
    name: { wraps: ["TEXT"], put: (target, text) => Object.assign(target, { name: text }) },
    nodes: { wraps: ["TEXT", "worker-TEXT"], put: (target, text) => Object.assign(target, { node: text }) },
    version: { wraps: ["TEXT", "3.32.0TEXT"], put: ({ args }, text) => Object.assign(args, { version: text }) },
    "release.url": {
        wraps: ["TEXT", "/TEXT/{archive}", "/TEXT.tar.zst", "https://example.org/TEXT/{archive}"],
        put: ({ args }, text) => Object.assign(args.release!, { url: text }),
    },
    "release.sha256.amd64": {
        wraps: ["TEXT", `${"0".repeat(64)}TEXT`],
        put: ({ args }, text) => Object.assign(args.release!.sha256!, { amd64: text }),
    },
    "release.sha256.arm64": {
        wraps: ["TEXT", `${"0".repeat(64)}TEXT`],
        put: ({ args }, text) => Object.assign(args.release!.sha256!, { arm64: text }),
    },
    debug: { wraps: ["TEXT"], put: ({ args }, text) => Object.assign(args, { debug: text }) },
    "runtimeClasses key": {
        wraps: ["TEXT", "kata-TEXT", "kTEXTk"],
        put: ({ args }, text) => {
            const [name, given] = Object.entries(args.runtimeClasses!)[0]!;
            delete args.runtimeClasses![name];
            setOwn(args.runtimeClasses!, text, given);
        },
    },
    "runtimeClasses.debug": { wraps: ["TEXT"], put: ({ args }, text) => setOwn(classOf(args), "debug", text) },
    "runtimeClasses.shim": {
        wraps: ["TEXT", "qemuTEXT"],
        put: ({ args }, text) => setOwn(classOf(args), "shim", text),
    },
    "runtimeClasses.handler": {
        wraps: ["TEXT", "kTEXT", "kTEXTk"],
        put: ({ args }, text) => setOwn(classOf(args), "handler", text),
    },
    "runtimeClasses.settings key": {
        wraps: ["TEXT", "runtime.TEXT", "hypervisor.qemu.TEXT"],
        put: ({ args }, text) => setOwn(classOf(args).settings!, text, "value"),
    },
    "runtimeClasses.settings value": {
        wraps: ["TEXT"],
        many: true,
        put: ({ args }, text) => {
            const settings = classOf(args).settings!;
            setOwn(settings, `runtime.text-${Object.keys(settings).length}`, text);
        },
    },
    "runtimeClasses.settings list": {
        wraps: ["TEXT"],
        put: ({ args }, text) => setOwn(classOf(args).settings!, "agent.kata.list", [text, 1, true, text]),
    },
    "kubelet.cgroupDriver": {
        wraps: ["TEXT", "systemdTEXT"],
        put: ({ args }, text) => Object.assign(args.kubelet!, { cgroupDriver: text }),
    },
    "kubelet.changeUnderRunningPods": {
        wraps: ["TEXT"],
        put: ({ args }, text) => Object.assign(args.kubelet!, { changeUnderRunningPods: text }),
    },
    hostChecks: { wraps: ["TEXT", "warnTEXT"], put: ({ args }, text) => Object.assign(args, { hostChecks: text }) },
    "rollout.verify": {
        wraps: ["TEXT"],
        put: ({ args }, text) => Object.assign(args, { rollout: { verify: text } }),
    },
    forceRemoval: { wraps: ["TEXT"], put: ({ args }, text) => Object.assign(args, { forceRemoval: text }) },
};
/** The places that take a user's own words; all others take known words only. */
const freeText = [
    ...["name", "release.url", "runtimeClasses.settings value", "runtimeClasses.settings list"],
    ...["nodes", "runtimeClasses key", "runtimeClasses.handler", "runtimeClasses.settings key"],
];

/** Sets a property of any name, even `__proto__`. */
const setOwn = (target: object, key: string, value: unknown) =>
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
const classOf = (args: Settings) => Object.values(args.runtimeClasses!)[0]!;

const sums = { amd64: "a".repeat(64), arm64: "b".repeat(64) };
const harmless = (): Case => ({
    name: "kata",
    organization: "acme",
    node: "worker-1",
    args: {
        version: "3.32.0",
        release: { url: "/srv/{archive}", sha256: { ...sums } },
        runtimeClasses: { "kata-qemu": { shim: "qemu", handler: "kata-qemu", settings: {} } },
        kubelet: {},
    },
});
function refusal({ name, node, args }: Case) {
    const nodes = setOwn({}, node, oneNode["worker-1"]);
    return problems(name, { nodes, ...args }, { sshAgent: false });
}

const wrapped = (wrap: string, text: string) => wrap.replaceAll("TEXT", () => text);

/** Whether the text may go to a node in this place. */
function isAccepted(place: string, text: string): boolean {
    const target = harmless();
    places[place]!.put(target, text);
    const wrong = refusal(target);
    for (const { path } of wrong) expect(place).to.contain(path.split(/[[.]/)[0]);
    return wrong.length === 0;
}

/** The texts that may go to a node, by place. */
function acceptedTexts(seed: number): { [place: string]: string[] } {
    const texts = hostileTexts(seed);
    const given = (wrap: string) =>
        texts.filter((text) => wrap === "TEXT" || text !== "").map((text) => wrapped(wrap, text));
    const accepted = Object.entries(places).map(([place, { wraps }]) => {
        const texts = wraps.flatMap(given).filter((text) => isAccepted(place, text));
        return [place, fc.shuffledSubarray(texts, { minLength: texts.length })] as const;
    });
    return fc.sample(fc.record(Object.fromEntries(accepted)), { seed, numRuns: 1 })[0]!;
}

type Parts = [place: string, text: string][];
const count = 40;

/** Cases that are hostile in every place that accepts hostile texts; all accepted values of settings are in one of them. */
function generateCases(seed: number): Parts[] {
    const texts = Object.entries(acceptedTexts(seed)).filter(([, { length }]) => length > 0);
    // Pulumi checks its own names.
    const organizations = fc.sample(fc.constantFrom(...pieces), { seed, numRuns: count });
    return organizations.map((organization, i) => [
        ["organization", organization.replaceAll("\0", "")],
        ...texts.flatMap(([place, texts]): Parts => {
            const here = places[place]!.many ? texts.filter((_, n) => n % count === i) : [texts[i % texts.length]!];
            return here.map((text) => [place, text]);
        }),
    ]);
}

const generated: { [seed: number]: Parts[] } = {};
function hostileCases(seed: number): Parts[] {
    generated[seed] ??= generateCases(seed);
    return generated[seed];
}

function caseOf(parts: Parts): Case {
    const target = harmless();
    for (const [place, text] of parts) {
        if (place === "organization") target.organization = text;
        else places[place]!.put(target, text);
    }
    return target;
}

/** Checks a case; if that fails, omits hostile texts from it as long as it fails, and says how to repeat it. */
async function checkParts(seed: number, index: number, parts: Parts, check: (parts: Parts) => void | Promise<void>) {
    const failure = async (parts: Parts) => {
        try {
            await check(parts);
            return undefined;
        } catch (error) {
            return error as Error;
        }
    };
    let error = await failure(parts);
    if (!error) return;
    for (const part of parts) {
        const rest = parts.filter((other) => other !== part);
        const next = await failure(rest);
        if (next) [parts, error] = [rest, next];
    }
    error.message += `\nKATA_TEST_SEED=${seed}, case ${index}, of which these texts fail: ${JSON.stringify(parts)}`;
    throw error;
}

/** A text as a process receives it: in UTF-8. */
const sent = (text: string) => Buffer.from(text).toString();

const ownerOf = ({ organization, name }: Case) => [organization, "shop", "prod", name].join("/");
const urlOf = ({ args }: Case, arch: string) =>
    args
        .release!.url!.toString()
        .replaceAll("{archive}", `kata-static-3.32.0-${arch}.tar.zst`)
        .replaceAll("{arch}", arch)
        .replaceAll("{version}", "3.32.0");
const settingsOf = ({ args }: Case) => Object.entries(classOf(args).settings!) as [string, unknown][];

const standInText = `[ "$1" != stage ] || mv "$0" "$(dirname "$0")/node.sh"; printf '%s\\0' "$@"\n`;
/** A node program that prints the words with which it is called. */
const standIn = programOf(standInText);

/** One call of the node program. */
interface Call {
    plan: Plan;
    owner: string;
    revision: string;
    node: string;
    runtimeClass: string;
}
type Action = "stage" | "activate" | "probe" | "deactivate" | "unstage";
const actions: Action[] = ["stage", "activate", "probe", "deactivate", "unstage"];

function commandOf(action: Action, { plan, owner, revision, node, runtimeClass }: Call): string {
    const claim = { owner, node };
    return {
        stage: () => commands.stage(plan, claim, standIn),
        activate: () => commands.activate(plan, claim, standIn),
        probe: () => commands.probe(standIn, claim, [runtimeClass]),
        deactivate: () => commands.deactivate(plan, claim),
        unstage: () => commands.unstage(claim, revision),
    }[action]();
}

/** The words that the node program should get from that command. */
function wordsOf(action: Action, { plan, owner, revision, node, runtimeClass }: Call): string[] {
    const claim = [`--owner=${owner}`, `--node=${node}`];
    const handlers = `--handlers=${plan.classes
        .map(({ handler }) => handler)
        .sort()
        .join()}`;
    const sums = (archives: ClassPlan["archives"]) =>
        archives.map(([architecture, { sha256 }]) => `--sha256-${architecture}=${sha256}`);
    const running = plan.changeUnderRunningPods ? ["--change-under-running-pods=true"] : [];
    const hostChecks = `--host-checks=${plan.hostChecks}`;
    const words = {
        stage: [
            ...[`--program=${standIn.id}`, ...claim, handlers, hostChecks],
            ...plan.releases.flatMap(({ version, archives }) => [
                `--release=${version}`,
                ...archives.map(([architecture, { url }]) => `--url-${architecture}=${url}`),
                ...sums(archives),
            ]),
            `--needs=${[...new Set(plan.classes.flatMap(({ needs }) => needs))].join()}`,
        ],
        activate: [
            ...[`--program=${standIn.id}`, ...claim],
            ...(plan.cgroupDriver === undefined ? [] : [`--cgroup-driver=${plan.cgroupDriver}`]),
            ...running,
            hostChecks,
            `--verify=${plan.verify}`,
            ...plan.classes.flatMap((each) => [
                ...[`--class=${each.handler}`, `--runtime-class=${each.name}`, `--version=${each.version}`],
                ...sums(each.archives),
                ...[`--shim-path=${each.shimPath}`, `--kata-config=${each.configuration}`],
                ...[`--needs=${each.needs.join()}`, `--debug=${each.debug}`],
                ...(each.snapshotter === undefined ? [] : [`--snapshotter=${each.snapshotter}`]),
                ...(each.isVerifiable ? [] : ["--verifiable=false"]),
                ...each.settings.map(([key, literal]) => `--set=${key}=${literal}`),
            ]),
        ],
        probe: [...claim, `--runtime-class=${runtimeClass}`],
        deactivate: [...[...claim, ...running], ...(plan.forceRemoval ? ["--force=true"] : [])],
        unstage: [...claim, ...(revision ? [`--revision=${revision}`] : [])],
    };
    return [action, ...words[action].map(sent)];
}

const callOf = (each: Case): Call => ({
    plan: makePlan(each.args as Parameters<typeof makePlan>[0]),
    owner: ownerOf(each),
    revision: "",
    node: each.node,
    runtimeClass: Object.keys(each.args.runtimeClasses!)[0]!,
});

/** The call that a case should make, except for the form of the settings' literals. */
function wantedCall(each: Case): Call {
    const { amd64, arm64 } = each.args.release!.sha256! as typeof sums;
    const version = "3.32.0";
    const archives: ClassPlan["archives"] = [
        ["amd64", { url: urlOf(each, "amd64"), query: "", sha256: amd64 }],
        ["arm64", { url: urlOf(each, "arm64"), query: "", sha256: arm64 }],
    ];
    const runtimeClass: ClassPlan = {
        ...{ name: Object.keys(each.args.runtimeClasses!)[0]!, version, archives },
        handler: classOf(each.args).handler as string,
        shimPath: "bin/containerd-shim-kata-v2",
        configuration: "share/defaults/kata-containers/configuration-qemu.toml",
        needs: ["kvm", "vhost_vsock", "vhost_net"],
        nodeSelector: {},
        debug: false,
        snapshotter: undefined,
        isVerifiable: true,
        settings: settingsOf(each)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, value]) => [key, JSON.stringify(value)]),
    };
    const plan: Plan = {
        classes: [runtimeClass],
        releases: [{ version, archives }],
        proxy: "",
        changeUnderRunningPods: false,
        forceRemoval: false,
        hostChecks: "enforce",
        verify: true,
    };
    return { ...callOf(each), plan };
}

/** The words with the values of settings parsed, so that it does not matter how their literals are written. */
const meant = (words: string[]) =>
    words.map((word) => {
        const [, key, literal] = /^--set=([^=]*)=(.*)$/s.exec(word) ?? [];
        return literal === undefined ? word : `--set=${key}=${JSON.stringify(parse(`value = ${literal}`).value)}`;
    });

/** A machine to run commands on, on which only known files may appear. */
class Machine {
    readonly folder = mkdtempSync(join(tmpdir(), "kata-hostile-"));

    constructor() {
        for (const name of ["bin", "home", "here"]) mkdirSync(join(this.folder, name));
        this.install("id", "echo 0");
        this.install("canary", `echo "$0 $*" >>'${join(this.folder, "canary")}'`);
        this.run(commands.send(standIn), ["dash"], "C", standIn.packed);
    }

    private install(name: string, script: string) {
        writeFileSync(join(this.folder, "bin", name), `#!/bin/sh\n${script}\n`);
        chmodSync(join(this.folder, "bin", name), 0o755);
    }

    /** Runs a command as an SSH server does, and returns the words that the node program gets. */
    run(command: string, shell: string[], locale: string, input?: Buffer): string[] {
        const [name, ...options] = shell;
        const { stdout, stderr, error } = spawnSync(
            name!,
            [
                ...options,
                "-c",
                command
                    .replaceAll("/var/lib/kata-containers-node", join(this.folder, "state"))
                    .replaceAll("/run/kata-containers-node", join(this.folder, "kept")),
            ],
            {
                cwd: join(this.folder, "here"),
                env: {
                    PATH: join(this.folder, "bin") + delimiter + process.env.PATH,
                    HOME: join(this.folder, "home"),
                    LC_ALL: locale,
                },
                input,
                encoding: "utf8",
            },
        );
        if (error || stderr !== "") throw error ?? new Error(stderr);
        return stdout.split("\0").slice(0, -1);
    }

    /** Expects that no file appeared, except those that shells keep at home. */
    checkFiles() {
        const files = (readdirSync(this.folder, { recursive: true }) as string[]).filter(
            (path) => !path.startsWith("home/"),
        );
        const known = ["bin", "bin/canary", "bin/id", "here", "home", "kept", `kept/program-${standIn.id}`];
        expect(files.sort()).to.deep.equal([...known, "state", "state/node.sh"]);
    }

    remove() {
        rmSync(this.folder, { recursive: true });
    }
}

/** A hostile text as an argument of a process, which cannot contain NUL. */
const argument = heap.map((text) => text.replaceAll("\0", ""));
const archive = fc.record({ url: argument, query: fc.constant(""), sha256: argument });
const archives = fc.tuple(
    fc.tuple(fc.constant("amd64" as const), archive),
    fc.tuple(fc.constant("arm64" as const), archive),
);
const hostileClass = fc.record({
    name: argument,
    version: argument,
    archives,
    shimPath: argument,
    configuration: argument,
    handler: argument,
    nodeSelector: fc.constant({}),
    isVerifiable: fc.boolean(),
    needs: fc.array(argument, { maxLength: 3 }) as unknown as fc.Arbitrary<ClassPlan["needs"]>,
    debug: fc.boolean(),
    snapshotter: fc.option(argument, { nil: undefined }),
    settings: fc.array(fc.tuple(argument, argument), { maxLength: 3 }),
});
/** Calls without validation, with hostile texts in every field that becomes an argument. */
const hostileCalls = fc.record({
    plan: fc.record({
        classes: fc.array(hostileClass, { minLength: 1, maxLength: 3 }) as unknown as fc.Arbitrary<Plan["classes"]>,
        releases: fc.array(fc.record({ version: argument, archives }), { minLength: 1, maxLength: 2 }),
        proxy: fc.constant(""),
        cgroupDriver: fc.option(argument, { nil: undefined }) as fc.Arbitrary<Plan["cgroupDriver"]>,
        changeUnderRunningPods: fc.boolean(),
        forceRemoval: fc.boolean(),
        hostChecks: argument as fc.Arbitrary<Plan["hostChecks"]>,
        verify: fc.boolean(),
    }),
    owner: argument,
    revision: argument,
    node: argument,
    runtimeClass: argument,
});

const required = [["dash"], ["bash"], ["busybox", "sh"]];
const loginShells = [...required, ["zsh"], ["fish"]].filter(
    (shell) => required.includes(shell) || spawnSync(shell[0]!, ["-c", "exit 0"]).error === undefined,
);

describe("hostile texts in the arguments", () => {
    it("hostile texts are refused in arguments that take known words, and names keep to their characters", () => {
        const accepted = acceptedTexts(seeds[0]!);
        for (const [place, texts] of Object.entries(accepted)) {
            if (!freeText.includes(place)) expect(texts, place).to.deep.equal([]);
        }
        for (const handler of accepted["runtimeClasses.handler"]!) expect(handler).to.match(/^[a-z0-9-]+$/);
        for (const name of [...accepted["runtimeClasses key"]!, ...accepted.nodes!]) {
            expect(name).to.match(/^[a-z0-9.-]+$/);
        }
        for (const key of accepted["runtimeClasses.settings key"]!) expect(key).to.match(/^[\w.-]+$/);
        for (const place of freeText.slice(0, 4)) expect(accepted[place]!.length, place).to.be.greaterThan(50);
    });

    it("any combination of hostile texts is refused in an argument that takes known words", () => {
        const knownWords = Object.keys(places).filter((place) => !freeText.includes(place));
        const given = fc
            .constantFrom(...knownWords)
            .chain((place) =>
                fc.record({ place: fc.constant(place), wrap: fc.constantFrom(...places[place]!.wraps), text: heap }),
            );
        fc.assert(
            fc.property(given, ({ place, wrap, text }) => {
                // An empty text in a form with more than the text leaves the known word.
                fc.pre(wrap === "TEXT" || text !== "");
                expect(isAccepted(place, wrapped(wrap, text))).to.equal(false);
            }),
            { seed: seeds[0]!, numRuns: 2000 },
        );
    });
});

describe("hostile texts in the login shell", () => {
    for (const shell of loginShells) {
        for (const seed of seeds) {
            it(`hostile arguments reach the node program unchanged under ${shell.join(" ")} (seed ${seed})`, async () => {
                const machine = new Machine();
                try {
                    for (const [i, parts] of hostileCases(seed).entries()) {
                        await checkParts(seed, i, parts, (parts) => {
                            const each = caseOf(parts);
                            const given = i % 10 === 0 ? actions : (["stage", "activate"] as const);
                            for (const action of given) {
                                const command = commandOf(action, callOf(each));
                                const locale = i % 2 === 0 ? "C" : "C.UTF-8";
                                showing({ command }, () => {
                                    const words = machine.run(command, shell, locale);
                                    expect(meant(words)).to.deep.equal(wordsOf(action, wantedCall(each)));
                                    machine.checkFiles();
                                });
                            }
                        });
                    }
                } finally {
                    machine.remove();
                }
            }).timeout(120000);
        }
    }
});

describe("hostile texts in the flags", () => {
    for (const shell of loginShells) {
        it(`every flag of every action reaches the node program unchanged under ${shell.join(" ")}`, () => {
            const machine = new Machine();
            try {
                machine.run(commandOf("stage", callOf(harmless())), ["dash"], "C");
                const property = fc.property(fc.constantFrom(...actions), hostileCalls, (action, call) => {
                    const words = machine.run(commandOf(action, call), shell, "C.UTF-8");
                    expect(words).to.deep.equal(wordsOf(action, call));
                    machine.checkFiles();
                });
                fc.assert(property, { seed: seeds[0]!, numRuns: 40 });
            } finally {
                machine.remove();
            }
        }).timeout(120000);
    }
});

/** The arguments that are secret, by their path. */
const endpoints = [
    ...[
        ["nodes", "worker-1", "connection"],
        ["nodes", "worker-1", "connection", "proxy"],
    ],
    ...[
        ["rollout", "drain", "controlPlane"],
        ["rollout", "drain", "controlPlane", "proxy"],
    ],
];
const loginProperties = [
    ...["host", "user", "password", "privateKey", "privateKeyPassword", "agentSocketPath", "hostKey"],
    ...["port", "dialErrorLimit", "perDialTimeout"],
];
const secretPaths = [
    ...endpoints.flatMap((path) => [path, ...loginProperties.map((property) => [...path, property])]),
    ["rollout", "drain", "kubeconfig"],
];

/** Arguments with the value at the path. */
function withValue([first, ...rest]: string[], value: unknown, args: any = {}): any {
    return { ...args, [first!]: rest.length === 0 ? value : withValue(rest, value, args[first!]) };
}

describe("secrets", () => {
    it("errors never show a value of a connection or a kubeconfig", () => {
        const secret = fc.tuple(heap, heap).map(([before, after]) => `${before}S3cr3t${after}`);
        const forms: ((secret: string) => unknown)[] = [
            ...[(secret: string) => secret, (secret: string) => [secret], (secret: string) => ({ value: secret })],
            ...[(secret: string) => `https://user:${secret}@example.org/{archive}`],
            ...[
                (secret: string) => `https://example.org/{archive}?token=${secret}`,
                (secret: string) => `/${secret}.tar.xz`,
            ],
        ];
        const property = fc.property(
            fc.constantFrom(...secretPaths),
            fc.constantFrom(...forms),
            secret,
            fc.constantFrom("3.32.0", "3.9.0"),
            (path, form, secret, version) => {
                const args = withValue(path, form(secret), { nodes: oneNode, version });
                const found = problems("kata", args, { sshAgent: false });
                const early = inputError("kata", found);
                const shown = [early.message, JSON.stringify(early), inspect(early), lateError("kata", found).message];
                for (const text of shown) expect(text).not.to.contain("S3cr3t");
            },
        );
        fc.assert(property, { seed: seeds[0]!, numRuns: 3000 });
    });
});

const kataDocuments = documents(...[["hypervisor", "qemu"], ["agent", "kata"], ["runtime"]].map((path) => table(path)));

inEveryShell("hostile texts in the node program", (sandbox) => {
    let machine: Machine;
    beforeEach(() => {
        machine = new Machine();
    });
    afterEach(() => machine.remove());

    for (const seed of seeds) {
        it(`hostile arguments reach variables, owners and Kata's configuration unchanged (seed ${seed})`, async () => {
            const texts = fc.sample(kataDocuments, { seed, numRuns: count }).map(({ text }) => text);
            chmodSync(sandbox().write("path/canary", "#!/bin/sh\ntouch canary\n"), 0o755);

            async function run(cases: { parts: Parts; text: string }[]): Promise<(i: number) => void> {
                const batch = new Batch(sandbox());
                batch.define(`
                    variables() { parse "$@"; printf '%s\\0' "$OWNER"
                        for name in version url-amd64 url-arm64 sha256-amd64 sha256-arm64; do printf '%s\\0' "$(given 1 $name)"; done; }
                    configure() { file=$1; shift; parse "$@"; toml_set "$file" "$(settings_of "$REQUESTED")"; }
                    own() { rm -f "$STATE_DIR"/owner*; parse "$@"; refuse_other_owners; claim; claim; }`);
                for (const [i, { parts, text }] of cases.entries()) {
                    const each = caseOf(parts);
                    const activated = commandOf("activate", callOf(each));
                    const words = machine.run(commandOf("stage", callOf(each)), ["dash"], "C");
                    batch.file(`${i}.toml`, text);
                    batch.try(`variables-${i}`, "variables", ...words);
                    // The file has one owner per line; Pulumi's names have no newlines.
                    if (!ownerOf(each).includes("\n")) batch.try(`own-${i}`, "own", ...words);
                    batch.try(`set-${i}`, "configure", `${i}.toml`, ...machine.run(activated, ["dash"], "C"));
                }
                const result = await batch.run();
                return (i) => {
                    const { parts, text } = cases[i]!;
                    const each = caseOf(parts);
                    const { amd64, arm64 } = each.args.release!.sha256!;
                    const urls = [urlOf(each, "amd64"), urlOf(each, "arm64")];
                    const variables = [ownerOf(each), "3.32.0", ...urls, amd64, arm64].map((value) => sent(`${value}`));
                    expect(result(`variables-${i}`).stdout.split("\0")).to.deep.equal([...variables, ""]);
                    if (!ownerOf(each).includes("\n")) {
                        expect(result(`own-${i}`)).to.deep.equal({ status: 0, stdout: "", stderr: "" });
                    }

                    const { status, stdout, stderr } = result(`set-${i}`);
                    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
                    const wanted = parse(text);
                    for (const [path, value] of settingsOf(each)) {
                        const parts = path.split(".");
                        const table = parts.slice(0, -1).reduce((outer, part) => outer[part], wanted);
                        setOwn(table, parts.at(-1)!, value);
                    }
                    showing({ text, stdout }, () => expect(parse(stdout)).to.deep.equal(wanted));
                };
            }

            const cases = hostileCases(seed).map((parts, i) => ({ parts, text: texts[i]! }));
            const check = await run(cases);
            for (const [i, { parts, text }] of cases.entries()) {
                await checkParts(seed, i, parts, async (part) =>
                    part === parts ? check(i) : (await run([{ parts: part, text }]))(0),
                );
            }
            expect(readdirSync(sandbox().folder).filter((name) => name.startsWith("canary"))).to.deep.equal([]);
        }).timeout(120000);
    }

    it("json_string prints any text as one JSON string without control characters", async () => {
        const texts = hostileTexts(seeds[0]!).map((text) => sent(text).replaceAll("\0", ""));
        const batch = new Batch(sandbox());
        for (const [i, text] of texts.entries()) batch.try(`json-${i}`, "json_string", text);
        const result = await batch.run();
        for (const [i, text] of texts.entries()) {
            const plain = Array.from(text.replace(/\n$/, "").replaceAll(/[\t\n]/g, " "))
                .filter((c) => c >= " ")
                .join("");
            const { stdout } = result(`json-${i}`);
            showing({ text, stdout }, () => expect(JSON.parse(stdout)).to.equal(plain));
        }
    });
});
