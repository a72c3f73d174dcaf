// Hostile texts in every argument that reaches a node: each is refused before anything is sent, or arrives as it is,
// through the login shell, the node program's own parsing and Kata's configuration, and nothing in it is ever run.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import { problems } from "../../src/check/validate";
import { activate, deactivate, stage, unstage } from "../../src/node/commands";
import { programOf } from "../../src/node/program";
import { makePlan, type Settings } from "../../src/plan";
import { oneNode } from "../support/arguments";
import { Batch } from "../support/batch";
import { checked, Random, seeds } from "../support/random";
import { inEveryShell } from "../support/shells";
import { generate, parse, type Wanted } from "../support/tomlDocuments";

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

/** Every piece by itself, and random heaps of them. */
const hostileTexts = (random: Random) => [
    ...["", long, ...pieces],
    ...random.list(60, () => random.list(1 + random.below(5), () => random.pick(pieces)).join("")),
];

interface Case {
    name: string;
    organization: string;
    args: Settings;
}

/** The arguments that reach a node: how each is given a text, by itself and within one that may pass, or many texts. */
const places: { [path: string]: { wraps: string[]; many?: boolean; put(target: Case, text: string): void } } = {
    name: { wraps: ["TEXT"], put: (target, text) => Object.assign(target, { name: text }) },
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
    "qemu.debug": { wraps: ["TEXT"], put: ({ args }, text) => Object.assign(args.qemu!, { debug: text }) },
    "qemu.runtime": {
        wraps: ["TEXT", "goTEXT"],
        put: ({ args }, text) => Object.assign(args.qemu!, { runtime: text }),
    },
    "qemu.settings key": {
        wraps: ["TEXT", "runtime.TEXT", "hypervisor.qemu.TEXT"],
        put: ({ args }, text) => setOwn(args.qemu!.settings!, text, "value"),
    },
    "qemu.settings value": {
        wraps: ["TEXT"],
        many: true,
        put: ({ args }, text) =>
            setOwn(args.qemu!.settings!, `runtime.text-${Object.keys(args.qemu!.settings!).length}`, text),
    },
    "qemu.settings list": {
        wraps: ["TEXT"],
        put: ({ args }, text) => setOwn(args.qemu!.settings!, "agent.kata.list", [text, 1, true, text]),
    },
    "kubelet.cgroupDriver": {
        wraps: ["TEXT", "systemdTEXT"],
        put: ({ args }, text) => Object.assign(args.kubelet!, { cgroupDriver: text }),
    },
    "kubelet.changeUnderRunningPods": {
        wraps: ["TEXT"],
        put: ({ args }, text) => Object.assign(args.kubelet!, { changeUnderRunningPods: text }),
    },
    "runtimeClass.handler": {
        wraps: ["TEXT", "kTEXT", "kTEXTk"],
        put: ({ args }, text) => Object.assign(args.runtimeClass!, { handler: text }),
    },
    hostChecks: { wraps: ["TEXT", "warnTEXT"], put: ({ args }, text) => Object.assign(args, { hostChecks: text }) },
};

/** Sets a property of any name, `__proto__` too. */
const setOwn = (target: object, key: string, value: unknown) =>
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });

const sums = { amd64: "a".repeat(64), arm64: "b".repeat(64) };
const harmless = (): Case => ({
    name: "kata",
    organization: "acme",
    args: {
        version: "3.32.0",
        release: { url: "/srv/{archive}", sha256: { ...sums } },
        qemu: { settings: {} },
        kubelet: {},
        runtimeClass: {},
    },
});
const refusal = ({ name, args }: Case) => problems(name, { nodes: oneNode, ...args }, { sshAgent: false });

/** The texts that may go to a node, by their place. */
function accepted(random: Random): { [place: string]: string[] } {
    const texts = hostileTexts(random);
    const passes = (place: string, text: string) => {
        const target = harmless();
        places[place]!.put(target, text);
        const wrong = refusal(target);
        for (const { path } of wrong) expect(place).to.contain(path.split("[")[0]);
        return wrong.length === 0;
    };
    const given = (wrap: string) =>
        wrap === "TEXT"
            ? texts
            : texts.filter((text) => text !== "").map((text) => wrap.replaceAll("TEXT", () => text));
    return Object.fromEntries(
        Object.entries(places).map(([place, { wraps }]) => [
            place,
            random.shuffled(wraps.flatMap(given).filter((text) => passes(place, text))),
        ]),
    );
}

const count = 40;

/** Cases that are hostile in every place that takes a hostile text, and in many settings at once. */
function cases(seed: number): Case[] {
    const random = new Random(seed);
    const texts = Object.entries(accepted(random)).filter(([, { length }]) => length > 0);
    return random.list(count, (i) => {
        const target = harmless();
        // The names of Pulumi's own are not this package's to check.
        target.organization = random.pick(pieces).replaceAll("\0", "");
        for (const [place, each] of texts) {
            const { put, many } = places[place]!;
            const here = many ? each.filter((_, n) => n % count === i) : [each[i % each.length]!];
            for (const text of here) put(target, text);
        }
        return target;
    });
}

/** A text as a process gets it: in UTF-8. */
const sent = (text: string) => Buffer.from(text).toString();

const ownerOf = ({ organization, name }: Case) => [organization, "shop", "prod", name].join("/");
const urlOf = ({ args }: Case, arch: string) =>
    args
        .release!.url!.toString()
        .replaceAll("{archive}", `kata-static-3.32.0-${arch}.tar.zst`)
        .replaceAll("{arch}", arch)
        .replaceAll("{version}", "3.32.0");
const settingsOf = ({ args }: Case) => Object.entries(args.qemu!.settings!) as [string, unknown][];

/** The words that the node program is to get; of the settings, what they mean. */
function wantedWords(action: string, each: Case): string[] {
    const owner = `--owner=${ownerOf(each)}`;
    const handler = `--handler=${each.args.runtimeClass!.handler ?? "kata-qemu"}`;
    const { amd64, arm64 } = each.args.release!.sha256!;
    const release = [`--sha256-amd64=${amd64}`, `--sha256-arm64=${arm64}`];
    const words = {
        stage: [
            ...[
                owner,
                "--version=3.32.0",
                `--url-amd64=${urlOf(each, "amd64")}`,
                `--url-arm64=${urlOf(each, "arm64")}`,
            ],
            ...[...release, "--host-checks=enforce"],
        ],
        activate: [
            ...[`--program=${standIn.id}`, owner, "--version=3.32.0", ...release, handler],
            ...["--shim=bin/containerd-shim-kata-v2"],
            ...["--kata-config=share/defaults/kata-containers/configuration-qemu.toml", "--debug=false"],
            ...settingsOf(each)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .map(([key, value]) => `--set=${key}=${JSON.stringify(value)}`),
            "--host-checks=enforce",
        ],
        deactivate: [owner, handler],
        unstage: [owner],
    }[action]!;
    return [action, ...words.map(sent)];
}

/** A setting as a value again, so that how its literal is written does not matter. */
const meant = (words: string[]) =>
    words.map((word) => {
        const [, key, literal] = /^--set=([^=]*)=(.*)$/s.exec(word) ?? [];
        return literal === undefined ? word : `--set=${key}=${JSON.stringify(parse(`value = ${literal}`).value)}`;
    });

const text = `[ "$1" != stage ] || mv "$0" "$(dirname "$0")/node.sh"; printf '%s\\0' "$@"\n`;
/** A node program that says what it was called with. */
const standIn = programOf(text);

/** A machine to run commands on: nothing on it may change but what is known. */
class Machine {
    readonly folder = mkdtempSync(join(tmpdir(), "kata-hostile-"));

    constructor() {
        for (const name of ["bin", "home", "here"]) mkdirSync(join(this.folder, name));
        this.install("id", "echo 0");
        this.install("canary", `echo "$0 $*" >>'${join(this.folder, "canary")}'`);
    }

    private install(name: string, script: string) {
        writeFileSync(join(this.folder, "bin", name), `#!/bin/sh\n${script}\n`);
        chmodSync(join(this.folder, "bin", name), 0o755);
    }

    /** Runs a command as an SSH server does; gives the words that the node program got. */
    run(command: string, shell: string[], locale: string, input = ""): string[] {
        const [name, ...options] = shell;
        const { stdout, stderr, error } = spawnSync(
            name!,
            [...options, "-c", command.replaceAll("/var/lib/kata-containers-node", join(this.folder, "state"))],
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

    /** All that is there, but what shells keep at home. */
    files(): string[] {
        return (readdirSync(this.folder, { recursive: true }) as string[])
            .filter((path) => !path.startsWith("home/"))
            .sort();
    }

    remove() {
        rmSync(this.folder, { recursive: true });
    }
}

/** Where a user's own words may stand, if only of letters and digits. */
const freeText = Object.keys(places).filter((place) =>
    /^(name|release.url|qemu.settings.*|runtimeClass.handler)$/.test(place),
);

const required = [["dash"], ["bash"], ["busybox", "sh"]];
const loginShells = [...required, ["zsh"], ["fish"]].filter(
    (shell) => required.includes(shell) || spawnSync(shell[0]!, ["-c", "exit 0"]).error === undefined,
);

describe("hostile texts", () => {
    it("are refused where only known words may be", () => {
        const passed = accepted(new Random(seeds[0]!));
        for (const place of Object.keys(passed).filter((place) => !freeText.includes(place))) {
            expect(passed[place], place).to.deep.equal([]);
        }
        for (const handler of passed["runtimeClass.handler"]!) expect(handler).to.match(/^[a-z0-9-]+$/);
        for (const key of passed["qemu.settings key"]!) expect(key).to.match(/^[\w.-]+$/);
        for (const place of ["name", "release.url", "qemu.settings value", "qemu.settings list"]) {
            expect(passed[place]!.length, place).to.be.greaterThan(50);
        }
    });

    for (const shell of loginShells) {
        for (const seed of seeds) {
            it(`reach the node program as they are, under ${shell.join(" ")} (seed ${seed})`, () => {
                const machine = new Machine();
                try {
                    for (const [i, each] of cases(seed).entries()) {
                        const plan = makePlan(each.args as Parameters<typeof makePlan>[0]);
                        const commands = {
                            stage: stage(plan, ownerOf(each), standIn),
                            activate: activate(plan, ownerOf(each), standIn),
                            ...(i % 10 === 0 && {
                                deactivate: deactivate(plan, ownerOf(each)),
                                unstage: unstage(ownerOf(each)),
                            }),
                        };
                        for (const [action, command] of Object.entries(commands)) {
                            checked(seed, i, { each, command }, () => {
                                const locale = i % 2 === 0 ? "C" : "C.UTF-8";
                                const words = machine.run(
                                    command,
                                    shell,
                                    locale,
                                    action === "stage" ? standIn.packed : "",
                                );
                                expect(meant(words)).to.deep.equal(wantedWords(action, each));
                                expect(machine.files()).to.deep.equal([
                                    "bin",
                                    "bin/canary",
                                    "bin/id",
                                    "here",
                                    "home",
                                    "state",
                                    "state/node.sh",
                                ]);
                            });
                        }
                    }
                } finally {
                    machine.remove();
                }
            }).timeout(120000);
        }
    }
});

/** The functions of the last file, which would run main. */
const mainFile = readFileSync(join(__dirname, "../../node/90-main.sh"), "utf8").replace(/\nmain "\$@".*\n$/, "\n");
const kataTables: Wanted[] = [{ path: ["hypervisor", "qemu"] }, { path: ["agent", "kata"] }, { path: ["runtime"] }];

inEveryShell("hostile texts in the node program", (sandbox) => {
    let machine: Machine;
    beforeEach(() => {
        machine = new Machine();
    });
    afterEach(() => machine.remove());

    for (const seed of seeds) {
        it(`land in their variables and in Kata's configuration as what they are (seed ${seed})`, async () => {
            const random = new Random(seed);
            const hostile = cases(seed).map((each) => {
                const plan = makePlan(each.args as Parameters<typeof makePlan>[0]);
                const staged = machine.run(stage(plan, ownerOf(each), standIn), ["dash"], "C", standIn.packed);
                const activated = machine.run(activate(plan, ownerOf(each), standIn), ["dash"], "C");
                return { each, staged, activated, text: generate(random, kataTables).text };
            });
            chmodSync(sandbox().write("path/canary", "#!/bin/sh\ntouch canary\n"), 0o755);
            const batch = new Batch(sandbox());
            batch.define(mainFile);
            batch.define(`
                variables() { parse "$@"; printf '%s\\0' "$OWNER" "$VERSION" "$URL_AMD64" "$URL_ARM64" "$SHA256_AMD64" "$SHA256_ARM64"; }
                configure() { file=$1; shift; parse "$@"; toml_set "$file"; }
                own() { rm -f "$STATE"/owner*; parse "$@"; refuse_others; claim; claim; }`);
            for (const [i, { each, staged, activated, text }] of hostile.entries()) {
                batch.file(`${i}.toml`, text);
                batch.try(`variables-${i}`, "variables", ...staged);
                // A line a name: no name of Pulumi's holds a line end.
                if (!ownerOf(each).includes("\n")) batch.try(`own-${i}`, "own", ...staged);
                batch.try(`set-${i}`, "configure", `${i}.toml`, ...activated);
            }
            const result = await batch.run();
            for (const [i, { each, text }] of hostile.entries()) {
                checked(seed, i, { each, text, set: result(`set-${i}`) }, () => {
                    const { amd64, arm64 } = each.args.release!.sha256!;
                    const variables = [
                        ownerOf(each),
                        "3.32.0",
                        urlOf(each, "amd64"),
                        urlOf(each, "arm64"),
                        amd64,
                        arm64,
                    ];
                    expect(result(`variables-${i}`).stdout.split("\0")).to.deep.equal([
                        ...variables.map((value) => sent(`${value}`)),
                        "",
                    ]);
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
                    expect(parse(stdout)).to.deep.equal(wanted);
                });
            }
            expect(readdirSync(sandbox().folder).filter((name) => name.startsWith("canary"))).to.deep.equal([]);
        }).timeout(120000);
    }

    it("come out as one string of JSON, without control characters", async () => {
        const texts = hostileTexts(new Random(seeds[0]!)).map((text) => sent(text).replaceAll("\0", ""));
        const batch = new Batch(sandbox());
        for (const [i, text] of texts.entries()) batch.try(`json-${i}`, "json_string", text);
        const result = await batch.run();
        for (const [i, text] of texts.entries()) {
            const plain = Array.from(text.replace(/\n$/, "").replaceAll(/[\t\n]/g, " "))
                .filter((c) => c >= " ")
                .join("");
            const { stdout } = result(`json-${i}`);
            checked(seeds[0]!, i, { text, stdout }, () => expect(JSON.parse(stdout)).to.equal(plain));
        }
    });
});
