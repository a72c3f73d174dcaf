import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { problems } from "../../../src/check/validate";
import { hostile, hostKey, oneNode, privateKey, threeNodes } from "../../support/arguments";

const noAgent = { sshAgent: false };
const wrong = (args: unknown, name = "kata") => problems(name, args, noAgent);
const said = (args: unknown) => wrong(args).map(({ path, reason }) => `${path}: ${reason}`);
const pathsOf = (args: unknown) => wrong(args).map(({ path }) => path);

const withConnection = (connection: object) => ({
    nodes: { a: { connection: { host: "a", password: "p", ...connection } } },
});
const connectionPath = 'nodes["a"].connection';
const rsa = `ssh-rsa ${Buffer.from("\0\0\0\x07ssh-rsa", "latin1").toString("base64")}`;
const driver = { kubelet: { cgroupDriver: "cgroupfs" } };
const sum = "0123456789abcdefABCDEF".padEnd(64, "0");

/** What is given beside a good node, where its one problem is, and what is said of it. */
const bad: [title: string, args: object, path: string, reason: RegExp][] = [
    ["a version that is no version", { version: "latest" }, "version", /a Kata release such as/],
    ["a version with a v", { version: "v3.32.0" }, "version", /a Kata release/],
    ["a version that is older than what there is", { version: "1.13.0" }, "version", /2\.0\.0 or later/],
    ["a version with something after it", { version: "3.32.0\n" }, "version", /a Kata release/],
    ["a version that is a number", { version: 3.32 }, "version", /a Kata release/],
    ["a sum that is no sha256", { release: { sha256: { amd64: "abc" } } }, "release.sha256.amd64", /64 hexadecimal/],
    [
        "a sum for an architecture Kata has not",
        { release: { sha256: { s390x: sum } } },
        "release.sha256.s390x",
        /not known/,
    ],
    [
        "a version whose sum is unknown",
        { version: "4.1.0" },
        "release.sha256.amd64",
        /curl -L https:\/\/github.*\/4\.1\.0\/kata-static-4\.1\.0-amd64\.tar\.zst \| sha256sum$/,
    ],
    [
        "the same from a file",
        { version: "3.9.0", release: { url: "/srv/{archive}" } },
        "release.sha256.amd64",
        /run sha256sum \/srv\/kata-static-3\.9\.0-amd64\.tar\.xz$/,
    ],
    [
        "Go in 4.1.0, whose sum is unknown",
        { version: "4.1.0", qemu: { runtime: "go" } },
        "release.sha256.amd64",
        /kata-go-static-4\.1\.0-amd64/,
    ],
    [
        "a sum for arm64 where there is none",
        { version: "2.2.2", release: { sha256: { arm64: sum } } },
        "release.sha256.arm64",
        /amd64 alone/,
    ],
    ["a url of another kind", { release: { url: "ftp://mirror/{archive}" } }, "release.url", /http or https/],
    ["a relative path", { release: { url: "./{archive}" } }, "release.url", /absolute path/],
    [
        "a url with a password",
        { release: { url: "https://me:secret@mirror/{archive}" } },
        "release.url",
        /no user name or password/,
    ],
    [
        "a url with a user",
        { release: { url: "https://token@mirror/{archive}" } },
        "release.url",
        /no user name or password/,
    ],
    ["a url with a query", { release: { url: "https://mirror/{archive}?token=x" } }, "release.url", /must end in/],
    [
        "a url with another placeholder",
        { release: { url: "https://mirror/{release}/{archive}" } },
        "release.url",
        /placeholders/,
    ],
    [
        "a url of another format",
        { release: { url: "https://mirror/kata.tar.gz" } },
        "release.url",
        /must end in \.tar\.xz or \.tar\.zst/,
    ],
    ["a url that is a number", { release: { url: 5 } }, "release.url", /http or https/],
    ["a path with a new line", { release: { url: "/srv\n/{archive}" } }, "release.url", /absolute path/],
    [
        "overhead that is no quantity",
        { qemu: { overhead: { cpu: "much" } } },
        "qemu.overhead.cpu",
        /Kubernetes quantity/,
    ],
    [
        "overhead in unknown units",
        { qemu: { overhead: { memory: "320MB" } } },
        "qemu.overhead.memory",
        /Kubernetes quantity/,
    ],
    ["negative overhead", { qemu: { overhead: { memory: "-1Mi" } } }, "qemu.overhead.memory", /Kubernetes quantity/],
    ["overhead as a number", { qemu: { overhead: { cpu: 1 } } }, "qemu.overhead.cpu", /Kubernetes quantity/],
    ["overhead enabled by a text", { qemu: { overhead: { enabled: "no" } } }, "qemu.overhead.enabled", /true or false/],
    ["debug by a text", { qemu: { debug: "false" } }, "qemu.debug", /true or false/],
    ["a runtime that does not exist", { qemu: { runtime: "java" } }, "qemu.runtime", /"go" or "rust"/],
    [
        "Rust before it had QEMU",
        { version: "3.3.0", qemu: { runtime: "rust" } },
        "qemu.runtime",
        /needs Kata 3\.4\.0 or later, not 3\.3\.0/,
    ],
    [
        "a cgroup driver that does not exist",
        { kubelet: { cgroupDriver: "cgroupv2" } },
        "kubelet.cgroupDriver",
        /"cgroupfs" or "systemd"/,
    ],
    [
        "systemd before Kata knew it",
        { version: "2.2.2", kubelet: { cgroupDriver: "systemd" } },
        "kubelet.cgroupDriver",
        /needs Kata 2\.3\.0 or later, not 2\.2\.2/,
    ],
    [
        "permission by a number",
        { kubelet: { changeUnderRunningPods: 1 } },
        "kubelet.changeUnderRunningPods",
        /true or false/,
    ],
    [
        "a RuntimeClass name Kubernetes refuses",
        { runtimeClass: { name: "Kata_QEMU" } },
        "runtimeClass.name",
        /lower-case/,
    ],
    [
        "a RuntimeClass name that is too long",
        { runtimeClass: { name: Array(5).fill("a".repeat(60)).join(".") } },
        "runtimeClass.name",
        /253/,
    ],
    ["a handler with a dot", { runtimeClass: { handler: "kata.qemu" } }, "runtimeClass.handler", /lower-case/],
    [
        "a handler that would replace runc",
        { runtimeClass: { handler: "runc" } },
        "runtimeClass.handler",
        /other than `runc`/,
    ],
    [
        "a label that is none",
        { runtimeClass: { labels: { "a b": "c" } } },
        'runtimeClass.labels["a b"]',
        /key of a Kubernetes label/,
    ],
    [
        "a label value that is none",
        { runtimeClass: { labels: { a: "b c" } } },
        'runtimeClass.labels["a"]',
        /value of a Kubernetes label/,
    ],
    [
        "an annotation that is a number",
        { runtimeClass: { annotations: { a: 1 } } },
        'runtimeClass.annotations["a"]',
        /text/,
    ],
    [
        "a toleration of an effect there is not",
        { runtimeClass: { tolerations: [{ effect: "NoRun" }] } },
        "runtimeClass.tolerations[0].effect",
        /"NoSchedule" or/,
    ],
    [
        "a toleration with an operator there is not",
        { runtimeClass: { tolerations: [{}, { operator: "In" }] } },
        "runtimeClass.tolerations[1].operator",
        /"Exists" or "Equal"/,
    ],
    [
        "tolerations that are no list",
        { runtimeClass: { tolerations: { key: "a" } } },
        "runtimeClass.tolerations",
        /must be a list/,
    ],
    ["hostChecks that do not exist", { hostChecks: "off" }, "hostChecks", /"enforce" or "warn"/],
    ["no node at once", { rollout: { maxUnavailable: 0 } }, "rollout.maxUnavailable", /whole number, at least 1/],
    ["half a node at once", { rollout: { maxUnavailable: 1.5 } }, "rollout.maxUnavailable", /whole number/],
    ["nodes at once in percent", { rollout: { maxUnavailable: "20%" } }, "rollout.maxUnavailable", /whole number/],
    ["a negative fraction of the nodes", { rollout: { maxUnavailable: -0.5 } }, "rollout.maxUnavailable", /a fraction/],
    ["a canary that is no node", { rollout: { canary: "b" } }, "rollout.canary", /one of `nodes`/],
    ["a canary that is a number", { rollout: { canary: 1 } }, "rollout.canary", /the name of a node/],
    ["draining by nobody", { ...driver, rollout: { drain: {} } }, "rollout.drain", /either kubeconfig or controlPlane/],
    [
        "draining by two",
        { ...driver, rollout: { drain: { kubeconfig: "x", controlPlane: { host: "a", password: "p" } } } },
        "rollout.drain",
        /either kubeconfig or controlPlane/,
    ],
    [
        "draining for nothing",
        { rollout: { drain: { kubeconfig: "x" } } },
        "rollout.drain",
        /give kubelet\.cgroupDriver/,
    ],
    [
        "draining without end",
        { ...driver, rollout: { drain: { kubeconfig: "x", timeout: 0 } } },
        "rollout.drain.timeout",
        /from 1 to 86400/,
    ],
    [
        "a control plane nobody can log in to",
        { ...driver, rollout: { drain: { controlPlane: { host: "a" } } } },
        "rollout.drain.controlPlane",
        /no way to log in/,
    ],
    ["adopting by a text", { runtimeClass: { adopt: "yes" } }, "runtimeClass.adopt", /true or false/],
    ["forcing by a number", { forceRemoval: 1 }, "forceRemoval", /true or false/],
    [
        "nodes at once not known yet",
        { rollout: { maxUnavailable: pulumi.output(2) } },
        "rollout.maxUnavailable",
        /cannot be an Output/,
    ],
    [
        "a setting without a table",
        { qemu: { settings: { default_memory: 1 } } },
        'qemu.settings["default_memory"]',
        /named by table and key/,
    ],
    [
        "a setting without a key",
        { qemu: { settings: { "runtime.": 1 } } },
        'qemu.settings["runtime."]',
        /named by table and key/,
    ],
    [
        "a setting of another hypervisor",
        { qemu: { settings: { "hypervisor.clh.path": "/x" } } },
        'qemu.settings["hypervisor.clh.path"]',
        /"hypervisor\.qemu\.KEY"/,
    ],
    [
        "a setting of another agent",
        { qemu: { settings: { "agent.x.y": 1 } } },
        'qemu.settings["agent.x.y"]',
        /"agent\.kata\.KEY"/,
    ],
    [
        "a setting of a table above one",
        { qemu: { settings: { "hypervisor.default_memory": 1 } } },
        'qemu.settings["hypervisor.default_memory"]',
        /"hypervisor\.qemu\.KEY"/,
    ],
    [
        "debugging by a setting",
        { qemu: { settings: { "runtime.enable_debug": true } } },
        'qemu.settings["runtime.enable_debug"]',
        /qemu\.debug/,
    ],
    [
        "a setting that is an object",
        { qemu: { settings: { "runtime.a": {} } } },
        'qemu.settings["runtime.a"]',
        /a string, a boolean/,
    ],
    [
        "a setting that is a list of lists",
        { qemu: { settings: { "runtime.a": [[1]] } } },
        'qemu.settings["runtime.a"]',
        /list of those/,
    ],
    [
        "a setting without end",
        { qemu: { settings: { "runtime.a": Number.POSITIVE_INFINITY } } },
        'qemu.settings["runtime.a"]',
        /finite/,
    ],
    [
        "a setting that is half a character",
        { qemu: { settings: { "runtime.a": "\ud83e" } } },
        'qemu.settings["runtime.a"]',
        /string/,
    ],
    [
        "a setting too large to be exact",
        { qemu: { settings: { "runtime.a": 2 ** 60 } } },
        'qemu.settings["runtime.a"]',
        /number/,
    ],
    ["settings not known yet", { qemu: pulumi.output({}) }, "qemu", /cannot be an Output/],
    ["qemu that is a text", { qemu: "debug" }, "qemu", /must be an object/],
    ["release that is a list", { release: [] }, "release", /must be an object/],
    [
        "an argument that does not exist",
        { versoin: "3.32.0" },
        "versoin",
        /not known here; known are nodes, version, release/,
    ],
];

const badConnections: [title: string, connection: object, path: string, reason: RegExp][] = [
    ["no host", { host: undefined }, ".host", /is missing/],
    ["an empty host", { host: "" }, ".host", /a host name or an IP address/],
    ["a host with a space", { host: "my host" }, ".host", /a host name/],
    ["a host with a port", { host: "a:22" }, ".host", /without a port/],
    ["a host with a user", { host: "root@a" }, ".host", /a user/],
    ["a host with a new line", { host: "a\n" }, ".host", /a host name/],
    ["a host that looks like an option", { host: "-oProxyCommand=id" }, ".host", /a host name/],
    ["port 0", { port: 0 }, ".port", /from 1 to 65535/],
    ["port 65536", { port: 65536 }, ".port", /from 1 to 65535/],
    ["half a port", { port: 22.5 }, ".port", /whole number/],
    ["a port as text", { port: "22" }, ".port", /whole number/],
    ["an empty user", { user: "" }, ".user", /name of a user/],
    ["an empty password", { password: "" }, ".password", /not empty/],
    ["the name of a key file", { privateKey: "~/.ssh/id_ed25519" }, ".privateKey", /not the name of a file/],
    ["an RSA host key", { hostKey: rsa }, ".hostKey", /RSA key cannot/],
    ["a line of known_hosts", { hostKey: `a ${hostKey}` }, ".hostKey", /without a host's name/],
    ["a host key that is cut off", { hostKey: "ssh-ed25519 AAAA" }, ".hostKey", /authorized_keys/],
    ["half a dial", { dialErrorLimit: 0.5 }, ".dialErrorLimit", /whole number, at least -1/],
    ["negative seconds", { perDialTimeout: -1 }, ".perDialTimeout", /at least 0/],
    ["an agent at no place", { agentSocketPath: "" }, ".agentSocketPath", /not empty/],
    ["a password that is a number", { password: 5 }, ".password", /text/],
    ["an unknown property", { identityFile: "x" }, ".identityFile", /not known here/],
    ["a bastion without a host", { proxy: { password: "p" } }, ".proxy.host", /is missing/],
    ["a bastion nobody can log in to", { proxy: { host: "b" } }, ".proxy", /no way to log in/],
    [
        "a bastion behind a bastion",
        { proxy: { host: "b", password: "p", proxy: {} } },
        ".proxy.proxy",
        /not known here/,
    ],
    ["a bastion with a bad port", { proxy: { host: "b", password: "p", port: -1 } }, ".proxy.port", /from 1 to/],
];

describe("validation", () => {
    it("finds nothing wrong with little, and with everything", () => {
        expect(said({ nodes: oneNode })).to.deep.equal([]);
        expect(
            said({
                nodes: {
                    ...threeNodes,
                    "10.0.0.1": {
                        connection: {
                            host: "2001:db8::1",
                            port: 2222,
                            user: "kata",
                            privateKey,
                            privateKeyPassword: "",
                            dialErrorLimit: -1,
                            perDialTimeout: 0,
                            proxy: { host: "bastion.example.com", password: "p" },
                        },
                    },
                },
                version: "4.1.0",
                release: {
                    url: "https://mirror.example.com:8443/{version}/{arch}/{archive}",
                    sha256: { amd64: sum, arm64: sum },
                },
                qemu: {
                    overhead: { enabled: true, cpu: "0.25", memory: "1.5Gi" },
                    debug: true,
                    runtime: "rust",
                    settings: {
                        "hypervisor.qemu.default_memory": 4096,
                        "hypervisor.qemu.factory.enable_template": false,
                        "agent.kata.dial_timeout": 0.5,
                        "runtime.experimental": ["a", "b"],
                    },
                },
                kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true },
                runtimeClass: {
                    name: "kata.example.com",
                    handler: "kata",
                    labels: { "example.com/team": "" },
                    annotations: { "example.com/why": "because\nit is so" },
                    tolerations: [
                        { key: "vm", operator: "Equal", value: "yes", effect: "NoExecute", tolerationSeconds: 60 },
                    ],
                },
                rollout: { maxUnavailable: 5 },
                hostChecks: "warn",
            }),
        ).to.deep.equal([]);
    });

    it("takes null for what is left out, as some languages give it", () => {
        const nothing = { version: null, release: null, qemu: { settings: null, runtime: null }, rollout: null };
        expect(said({ nodes: oneNode, ...nothing })).to.deep.equal([]);
    });

    for (const [title, args, path, reason] of bad) {
        it(`refuses ${title}`, () => {
            const found = wrong({ nodes: oneNode, ...args });
            expect(found.map((problem) => problem.path)).to.deep.equal([path]);
            expect(found[0]!.reason).to.match(reason);
        });
    }

    for (const [title, connection, path, reason] of badConnections) {
        it(`refuses ${title} in a connection`, () => {
            const found = wrong(withConnection(connection));
            expect(found.map((problem) => problem.path)).to.deep.equal([connectionPath + path]);
            expect(found[0]!.reason).to.match(reason);
        });
    }

    it("refuses arguments without nodes, whatever they are", () => {
        for (const args of [undefined, null, {}, { nodes: undefined }, { nodes: null }]) {
            expect(said(args)).to.deep.equal(["nodes: is missing"]);
        }
        expect(said({ nodes: {} })).to.deep.equal(["nodes: must name at least one node"]);
        expect(said("nodes")).to.deep.equal([": must be an object"]);
        expect(pathsOf({ nodes: "a" })).to.deep.equal(["nodes"]);
        expect(pathsOf({ nodes: [{ host: "a" }] })).to.deep.equal(["nodes"]);
        expect(pathsOf({ nodes: pulumi.output(oneNode) })).to.deep.equal(["nodes"]);
    });

    it("refuses a node that is none", () => {
        for (const node of [undefined, null]) {
            expect(said({ nodes: { a: node } })).to.deep.equal(['nodes["a"]: is missing']);
        }
        for (const node of ["192.0.2.1", 5, []]) {
            expect(said({ nodes: { a: node } })).to.deep.equal(['nodes["a"]: must be an object']);
        }
        expect(said({ nodes: { a: {} } })).to.deep.equal(['nodes["a"].connection: is missing']);
        expect(pathsOf({ nodes: { a: { connection: "a" } } })).to.deep.equal([connectionPath]);
    });

    it("refuses node names that Kubernetes has not", () => {
        for (const name of ["Worker", "a b", "", "-a", "a_b", "a".repeat(254), "a/b", "a\n"]) {
            const { connection } = oneNode["worker-1"]!;
            expect(pathsOf({ nodes: { [name]: { connection } } }), name).to.include(`nodes[${JSON.stringify(name)}]`);
        }
    });

    it("wants a way to log in, for which an agent is enough", () => {
        const args = { nodes: { a: { connection: { host: "a" } } } };
        expect(said(args)[0]).to.match(
            /no way to log in: give privateKey, password, agentSocketPath, or run Pulumi with/,
        );
        expect(problems("kata", args, { sshAgent: true })).to.deep.equal([]);
        for (const way of [
            { password: "p" },
            { privateKey },
            { agentSocketPath: "/a" },
            { privateKey: pulumi.secret("k") },
        ]) {
            expect(said({ nodes: { a: { connection: { host: "a", ...way } } } })).to.deep.equal([]);
        }
    });

    it("refuses two names for one machine", () => {
        const connection = { host: "a", password: "p" };
        const other = (changed: object) => ({
            nodes: { a: { connection }, b: { connection: { ...connection, ...changed } } },
        });
        expect(said(other({ port: 22 }))).to.deep.equal(['nodes["b"].connection: has the same address as "a"']);
        expect(said(other({ port: 2222 }))).to.deep.equal([]);
        expect(said(other({ proxy: { host: "p", password: "p" } }))).to.deep.equal([]);
        expect(said(other({ port: pulumi.output(22) }))).to.deep.equal([]);
    });

    it("says all that is wrong at once", () => {
        expect(
            pathsOf({
                nodes: { A: { connection: { host: "", port: 0 } } },
                version: "2.2.2",
                release: { sha256: { amd64: "abc" } },
                qemu: { runtime: "rust", settings: { "runtime.enable_debug": {} } },
                kubelet: { cgroupDriver: "systemd" },
            }),
        ).to.deep.equal([
            'nodes["A"]',
            'nodes["A"].connection.host',
            'nodes["A"].connection.port',
            'nodes["A"].connection',
            "release.sha256.amd64",
            'qemu.settings["runtime.enable_debug"]',
            'qemu.settings["runtime.enable_debug"]',
            "qemu.runtime",
            "kubelet.cgroupDriver",
        ]);
    });

    it("says nothing of what is not known yet", () => {
        const later = pulumi.output("x");
        const connection = { host: later, port: later, privateKey: later, hostKey: later };
        const args = {
            nodes: { a: { connection } },
            version: later,
            release: { url: later, sha256: { amd64: later } },
            qemu: {
                overhead: { cpu: Promise.resolve("x") },
                settings: { "runtime.a": later, "runtime.b": ["x", later] },
                runtime: later,
            },
            kubelet: { cgroupDriver: later },
            runtimeClass: { name: later, labels: { a: later }, tolerations: [{ key: later }] },
            hostChecks: later,
        };
        expect(said(args)).to.deep.equal([]);
    });

    it("refuses hostile texts wherever only names can be", () => {
        const places: [path: string, args: (text: string) => object][] = [
            ["version", (version) => ({ version })],
            ["release.sha256.arm64", (arm64) => ({ release: { sha256: { arm64 } } })],
            ["qemu.overhead.cpu", (cpu) => ({ qemu: { overhead: { cpu } } })],
            ["qemu.overhead.memory", (memory) => ({ qemu: { overhead: { memory } } })],
            ["qemu.runtime", (runtime) => ({ qemu: { runtime } })],
            ["kubelet.cgroupDriver", (cgroupDriver) => ({ kubelet: { cgroupDriver } })],
            ["runtimeClass.name", (name) => ({ runtimeClass: { name } })],
            ["runtimeClass.handler", (handler) => ({ runtimeClass: { handler } })],
            ["hostChecks", (hostChecks) => ({ hostChecks })],
            [`${connectionPath}.host`, (host) => withConnection({ host })],
            [`${connectionPath}.privateKey`, (privateKey) => withConnection({ privateKey })],
            [`${connectionPath}.hostKey`, (hostKey) => withConnection({ hostKey })],
        ];
        for (const text of hostile) {
            for (const [path, args] of places) {
                expect(pathsOf({ nodes: oneNode, ...args(text) }), `${path} ${text}`).to.include(path);
            }
            expect(pathsOf({ nodes: { [text]: oneNode["worker-1"] } })).to.deep.equal([
                `nodes[${JSON.stringify(text)}]`,
            ]);
            const key = `runtime.${text}`;
            const found = pathsOf({ nodes: oneNode, qemu: { settings: { [key]: 1 } } });
            expect(found.length === 0, key).to.equal(/^[A-Za-z0-9_-]+$/.test(text));
        }
    });

    it("refuses a name of the component that would not fit on a line", () => {
        expect(wrong({ nodes: oneNode }, "ka\nta")).to.have.length(1);
        expect(wrong({ nodes: oneNode }, "kata's $(name)")).to.deep.equal([]);
    });
});
