import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import fc from "fast-check";
import { everyArgument } from "../../../docs/everyArgument";
import type { Problem } from "../../../src/check/checks";
import { problems } from "../../../src/check/validate";
import { hostile, hostKey, oneNode, privateKey, threeNodes } from "../../support/arguments";

const noAgent = { sshAgent: false };
const found = (args: unknown, name = "kata") => problems(name, args, noAgent);
const described = (args: unknown) => found(args).map(({ path, reason }) => `${path}: ${reason}`);
const pathsOf = (args: unknown) => found(args).map(({ path }) => path);

const withConnection = (connection: object) => ({
    nodes: { a: { connection: { host: "a", password: "p", ...connection } } },
});
const withClass = (runtimeClass: object, name = "kata-qemu") => ({ runtimeClasses: { [name]: runtimeClass } });
const connectionPath = 'nodes["a"].connection';
const classPath = 'runtimeClasses["kata-qemu"]';
const rsa = `ssh-rsa ${Buffer.from("\0\0\0\x07ssh-rsa", "latin1").toString("base64")}`;
const driver = { kubelet: { cgroupDriver: "cgroupfs" } };
const sum = "0123456789abcdefABCDEF".padEnd(64, "0");

/** Arguments beside a valid node, with the path of their one problem and its reason. */
const invalid: [title: string, args: object, path: string, reason: RegExp][] = [
    ["a version that is not a number", { version: "latest" }, "version", /a Kata release such as/],
    ["a version with a v", { version: "v3.32.0" }, "version", /a Kata release/],
    ["a version before 2.0.0", { version: "1.13.0" }, "version", /2\.0\.0 or later/],
    ["a version with trailing characters", { version: "3.32.0\n" }, "version", /a Kata release/],
    ["a version of type number", { version: 3.32 }, "version", /a Kata release/],
    [
        "a checksum of another length",
        { release: { sha256: { amd64: "abc" } } },
        "release.sha256.amd64",
        /64 hexadecimal/,
    ],
    [
        "a checksum for an architecture without a release",
        { release: { sha256: { s390x: sum } } },
        "release.sha256.s390x",
        /not a valid property/,
    ],
    [
        "a version without a known checksum, with the command that computes it",
        { version: "4.99.0" },
        "release.sha256.amd64",
        /compute it with: curl -L https:\/\/github.*\/4\.99\.0\/kata-static-4\.99\.0-amd64\.tar\.zst \| sha256sum$/,
    ],
    [
        "an archive in a local file without a known checksum",
        { version: "3.9.0", release: { url: "/srv/{archive}" } },
        "release.sha256.amd64",
        /compute it with: sha256sum \/srv\/kata-static-3\.9\.0-amd64\.tar\.xz$/,
    ],
    [
        "the Go shim of a release without a known checksum for kata-go-static",
        { version: "4.99.0", ...withClass({ shim: "qemu" }) },
        "release.sha256.amd64",
        /kata-go-static-4\.99\.0-amd64/,
    ],
    [
        "a checksum for arm64 of a release that is published for amd64 only",
        { version: "2.2.2", release: { sha256: { arm64: sum } } },
        "release.sha256.arm64",
        /amd64 only/,
    ],
    ["a url with another protocol", { release: { url: "ftp://mirror/{archive}" } }, "release.url", /http or https/],
    ["a relative path as url", { release: { url: "./{archive}" } }, "release.url", /absolute path/],
    [
        "a url with a password",
        { release: { url: "https://me:secret@mirror/{archive}" } },
        "release.url",
        /user name or password/,
    ],
    [
        "a url with a user",
        { release: { url: "https://token@mirror/{archive}" } },
        "release.url",
        /user name or password/,
    ],
    [
        "a url with the archive in its query",
        { release: { url: "https://mirror/download?file={archive}" } },
        "release.url",
        /must end in/,
    ],
    [
        "a url with an unknown placeholder",
        { release: { url: "https://mirror/{release}/{archive}" } },
        "release.url",
        /placeholders/,
    ],
    [
        "a url of another archive format",
        { release: { url: "https://mirror/kata.tar.gz" } },
        "release.url",
        /must end in \.tar\.xz or \.tar\.zst/,
    ],
    ["a proxy without a port", { release: { proxy: "http://proxy" } }, "release.proxy", /with its port/],
    ["a proxy of another protocol", { release: { proxy: "https://proxy:3128" } }, "release.proxy", /http:/],
    ["a proxy with a path", { release: { proxy: "http://proxy:3128/a" } }, "release.proxy", /an HTTP proxy/],
    ["a proxy with a line break", { release: { proxy: "http://proxy:3128\n" } }, "release.proxy", /an HTTP proxy/],
    [
        "a proxy with a port that is too high",
        { release: { proxy: "http://a:65536" } },
        "release.proxy",
        /an HTTP proxy/,
    ],
    [
        "a proxy with a special character in its password",
        { release: { proxy: "http://kata:a b@proxy:3128" } },
        "release.proxy",
        /percent-encoded/,
    ],
    ["a url of type number", { release: { url: 5 } }, "release.url", /http or https/],
    ["a path with a line break as url", { release: { url: "/srv\n/{archive}" } }, "release.url", /absolute path/],
    [
        "an overhead that is not a quantity",
        withClass({ overhead: { cpu: "much" } }),
        `${classPath}.overhead.cpu`,
        /Kubernetes quantity/,
    ],
    [
        "an overhead with an unknown unit",
        withClass({ overhead: { memory: "320MB" } }),
        `${classPath}.overhead.memory`,
        /Kubernetes quantity/,
    ],
    [
        "a negative overhead",
        withClass({ overhead: { memory: "-1Mi" } }),
        `${classPath}.overhead.memory`,
        /Kubernetes quantity/,
    ],
    [
        "an overhead of type number",
        withClass({ overhead: { cpu: 1 } }),
        `${classPath}.overhead.cpu`,
        /Kubernetes quantity/,
    ],
    [
        "overhead.enabled as text",
        withClass({ overhead: { enabled: "no" } }),
        `${classPath}.overhead.enabled`,
        /true or false/,
    ],
    ["debug of a RuntimeClass as text", withClass({ debug: "false" }), `${classPath}.debug`, /true or false/],
    ["debug as text", { debug: "false" }, "debug", /true or false/],
    [
        "an unknown shim",
        withClass({ shim: "java" }),
        `${classPath}.shim`,
        /must be "qemu" or "qemu-runtime-rs" or "clh"/,
    ],
    [
        "a shim of Kata that cannot work, even if the name implies a valid one",
        withClass({ shim: "acrn" }),
        `${classPath}.shim`,
        /cannot be "acrn", which requires the ACRN hypervisor, which no Kata release contains: use qemu or clh/,
    ],
    [
        "a shim for another architecture",
        withClass({ shim: "qemu-se" }),
        `${classPath}.shim`,
        /cannot be "qemu-se", which runs on s390x only/,
    ],
    [
        "a RuntimeClass whose name implies no shim",
        withClass({}, "custom"),
        'runtimeClasses["custom"].shim',
        /is required, because the name .* is not kata-SHIM with a supported shim: set it to one of qemu, qemu-runtime-rs, clh,/,
    ],
    [
        "a RuntimeClass whose name implies an unknown shim",
        withClass({}, "kata-java"),
        'runtimeClasses["kata-java"].shim',
        /is required/,
    ],
    [
        "a RuntimeClass whose name implies a shim that cannot work",
        withClass({}, "kata-stratovirt"),
        'runtimeClasses["kata-stratovirt"].shim',
        /is required, because "stratovirt" is not supported by this package \(.* since Kata 3\.23\.0\): use clh/,
    ],
    [
        "a RuntimeClass whose name implies a member of Object",
        withClass({}, "kata-constructor"),
        'runtimeClasses["kata-constructor"].shim',
        /is required/,
    ],
    ["an empty map of RuntimeClasses", { runtimeClasses: {} }, "runtimeClasses", /must have at least one entry/],
    [
        "two RuntimeClasses with one handler",
        { runtimeClasses: { "kata-clh": { handler: "kata-qemu" }, "kata-qemu": {} }, version: "3.32.0" },
        `${classPath}.handler`,
        /must be unique: "kata-qemu" is already the handler of runtimeClasses\["kata-clh"\]; set another one/,
    ],
    [
        "two checksums for one archive",
        {
            runtimeClasses: { "kata-clh": {}, "kata-qemu": { sha256: { amd64: "a".repeat(64) } } },
            version: "3.32.0",
        },
        `${classPath}.sha256.amd64`,
        /must be that of runtimeClasses\["kata-clh"\], which uses the same archive: https:.*kata-static-3\.32\.0-amd64/,
    ],
    [
        "a version of a RuntimeClass that is no number",
        withClass({ version: "next" }),
        `${classPath}.version`,
        /a Kata rel/,
    ],
    [
        "a shim that the release of its RuntimeClass lacks",
        withClass({ version: "3.3.0", shim: "qemu-runtime-rs" }),
        `${classPath}.shim`,
        /requires Kata 3\.4\.0 or later \(runtimeClasses\["kata-qemu"\]\.version is 3\.3\.0\)/,
    ],
    [
        "a shim that has another name in the release",
        withClass({ shim: "cloud-hypervisor" }),
        `${classPath}.shim`,
        /"cloud-hypervisor" is named "clh-runtime-rs" from Kata 3\.30\.0 on \(version is 4\.1\.0\)/,
    ],
    [
        "a shim of Kata 3.30.0 in an earlier release",
        { version: "3.29.0", ...withClass({ shim: "clh-runtime-rs" }) },
        `${classPath}.shim`,
        /"clh-runtime-rs" requires Kata 3\.30\.0 or later \(version is 3\.29\.0\)/,
    ],
    [
        "the cgroup driver systemd for a RuntimeClass with a release without it",
        { kubelet: { cgroupDriver: "systemd" }, ...withClass({ version: "2.2.2" }) },
        "kubelet.cgroupDriver",
        /requires Kata 2\.3\.0 or later \(runtimeClasses\["kata-qemu"\]\.version is 2\.2\.2\)/,
    ],
    [
        "a version of a RuntimeClass without a known checksum, even if the component has one",
        { version: "4.99.0", release: { sha256: { amd64: sum } }, ...withClass({ version: "4.98.0" }) },
        `${classPath}.sha256.amd64`,
        /this package has no checksum for that archive of Kata 4\.98\.0; compute it with: curl .*4\.98\.0-amd64/,
    ],
    [
        "one checksum for the two archives of a release",
        {
            version: "4.99.0",
            release: { sha256: { amd64: sum } },
            runtimeClasses: { "kata-qemu": {}, "kata-clh": {} },
        },
        'runtimeClasses["kata-clh"].sha256.amd64',
        /is required: release\.sha256 is that of kata-static-4\.99\.0-amd64\.tar\.zst; compute it with: .*kata-go-static/,
    ],
    [
        "a checksum only for an architecture on which the shim does not run",
        { ...withClass({ shim: "qemu-snp-runtime-rs", sha256: { arm64: sum } }) },
        `${classPath}.sha256.amd64`,
        /is required: "qemu-snp-runtime-rs" runs on amd64 only/,
    ],
    [
        "a checksum for arm64 of a RuntimeClass whose release is published for amd64 only",
        withClass({ version: "2.2.2", sha256: { arm64: sum } }),
        `${classPath}.sha256.arm64`,
        /cannot be set: Kata 2\.2\.2 is published for amd64 only/,
    ],
    [
        "one URL for several archives",
        {
            release: { url: "https://mirror/kata-{version}.tar.zst" },
            runtimeClasses: { "kata-qemu": {}, "kata-clh": {} },
        },
        "release.url",
        /must contain \{archive\}, because .* several archives: kata-static-4\.1\.0-\S+, kata-go-static-4\.1\.0-\S+$/,
    ],
    [
        "a shim whose release lacks the hypervisor",
        { version: "3.20.0", ...withClass({ shim: "qemu-tdx" }) },
        `${classPath}.settings["hypervisor.qemu.path"]`,
        /is required for "qemu-tdx": Kata 3\.20\.0 does not contain QEMU with TDX, so set it to the path of one/,
    ],
    [
        "a setting in the table of a later release",
        { version: "3.29.0", ...withClass({ shim: "cloud-hypervisor", settings: { "hypervisor.clh.path": "/x" } }) },
        `${classPath}.settings["hypervisor.clh.path"]`,
        /"hypervisor\.cloud-hypervisor\.KEY"/,
    ],
    ["RuntimeClasses that are not known yet", { runtimeClasses: pulumi.output({}) }, "runtimeClasses", /be an Output/],
    [
        "the Rust shim in a release without it",
        { version: "3.3.0", ...withClass({ shim: "qemu-runtime-rs" }) },
        `${classPath}.shim`,
        /"qemu-runtime-rs" requires Kata 3\.4\.0 or later \(version is 3\.3\.0\)/,
    ],
    [
        "a shim derived from the name in a release without it",
        { version: "3.3.0", ...withClass({}, "kata-qemu-runtime-rs") },
        'runtimeClasses["kata-qemu-runtime-rs"].shim',
        /requires Kata 3\.4\.0 or later/,
    ],
    [
        "an unknown cgroup driver",
        { kubelet: { cgroupDriver: "cgroupv2" } },
        "kubelet.cgroupDriver",
        /"cgroupfs" or "systemd"/,
    ],
    [
        "the cgroup driver systemd in a release without it",
        { version: "2.2.2", kubelet: { cgroupDriver: "systemd" } },
        "kubelet.cgroupDriver",
        /requires Kata 2\.3\.0 or later \(version is 2\.2\.2\)/,
    ],
    [
        "changeUnderRunningPods of type number",
        { kubelet: { changeUnderRunningPods: 1 } },
        "kubelet.changeUnderRunningPods",
        /true or false/,
    ],
    [
        "a RuntimeClass name that Kubernetes rejects",
        withClass({}, "Kata_QEMU"),
        'runtimeClasses["Kata_QEMU"]',
        /lower-case/,
    ],
    [
        "a RuntimeClass name of more than 253 characters",
        withClass({ shim: "qemu", handler: "kata" }, Array(5).fill("a".repeat(60)).join(".")),
        `runtimeClasses["${Array(5).fill("a".repeat(60)).join(".")}"]`,
        /253/,
    ],
    [
        "a snapshotter that is not a name",
        withClass({ snapshotter: 'a"b' }),
        `${classPath}.snapshotter`,
        /must be the name/,
    ],
    ["an empty snapshotter", withClass({ snapshotter: "" }), `${classPath}.snapshotter`, /must be the name/],
    ["a handler with a dot", withClass({ handler: "kata.qemu" }), `${classPath}.handler`, /lower-case/],
    [
        "a RuntimeClass name with a dot without a handler",
        withClass({ shim: "qemu" }, "kata.example.com"),
        'runtimeClasses["kata.example.com"].handler',
        /is required, because "kata\.example\.com" cannot be the name of a handler/,
    ],
    ["the handler of runc", withClass({ handler: "runc" }), `${classPath}.handler`, /other than `runc`/],
    [
        "a RuntimeClass named runc without a handler",
        withClass({ shim: "qemu" }, "runc"),
        'runtimeClasses["runc"].handler',
        /is required/,
    ],
    [
        "a label with an invalid key",
        withClass({ labels: { "a b": "c" } }),
        `${classPath}.labels["a b"]`,
        /key of a Kubernetes label/,
    ],
    [
        "a label with an invalid value",
        withClass({ labels: { a: "b c" } }),
        `${classPath}.labels["a"]`,
        /value of a Kubernetes label/,
    ],
    ["an annotation of type number", withClass({ annotations: { a: 1 } }), `${classPath}.annotations["a"]`, /text/],
    [
        "a nodeSelector with an invalid key",
        withClass({ nodeSelector: { "a b": "c" } }),
        `${classPath}.nodeSelector["a b"]`,
        /key of a Kubernetes label/,
    ],
    [
        "a nodeSelector with an invalid value",
        withClass({ nodeSelector: { a: true } }),
        `${classPath}.nodeSelector["a"]`,
        /value of a Kubernetes label/,
    ],
    [
        "a toleration of an unknown effect",
        withClass({ tolerations: [{ effect: "NoRun" }] }),
        `${classPath}.tolerations[0].effect`,
        /"NoSchedule" or/,
    ],
    [
        "a toleration with an unknown operator",
        withClass({ tolerations: [{}, { operator: "In" }] }),
        `${classPath}.tolerations[1].operator`,
        /"Exists" or "Equal"/,
    ],
    [
        "tolerations that are not a list",
        withClass({ tolerations: { key: "a" } }),
        `${classPath}.tolerations`,
        /must be a list/,
    ],
    [
        "an unknown distribution of a node",
        { nodes: { a: { connection: { host: "a", password: "p" }, distribution: "talos" } } },
        'nodes["a"].distribution',
        /"kubeadm" or "k3s" or "rke2" or "k0s"/,
    ],
    ["an unknown value of hostChecks", { hostChecks: "off" }, "hostChecks", /"enforce" or "warn"/],
    ["an unknown value of drift", { drift: "on" }, "drift", /"enforce" or "warn" or "off"/],
    ["maxUnavailable 0", { rollout: { maxUnavailable: 0 } }, "rollout.maxUnavailable", /whole number, at least 1/],
    [
        "maxParallelDownloads 0",
        { rollout: { maxParallelDownloads: 0 } },
        "rollout.maxParallelDownloads",
        /whole number, at least 1/,
    ],
    ["maxUnavailable 1.5", { rollout: { maxUnavailable: 1.5 } }, "rollout.maxUnavailable", /whole number/],
    ["maxUnavailable in percent", { rollout: { maxUnavailable: "20%" } }, "rollout.maxUnavailable", /whole number/],
    ["a negative maxUnavailable", { rollout: { maxUnavailable: -0.5 } }, "rollout.maxUnavailable", /a fraction/],
    ["a canary that is not a node", { rollout: { canary: "b" } }, "rollout.canary", /one of `nodes`/],
    ["a canary of type number", { rollout: { canary: 1 } }, "rollout.canary", /the name of a node/],
    [
        "an empty rollout.drain",
        { ...driver, rollout: { drain: {} } },
        "rollout.drain",
        /exactly one of kubeconfig and controlPlane/,
    ],
    [
        "rollout.drain with both kubeconfig and controlPlane",
        { ...driver, rollout: { drain: { kubeconfig: "x", controlPlane: { host: "a", password: "p" } } } },
        "rollout.drain",
        /exactly one of kubeconfig and controlPlane/,
    ],
    [
        "a drain timeout of 0",
        { ...driver, rollout: { drain: { kubeconfig: "x", timeout: 0 } } },
        "rollout.drain.timeout",
        /from 1 to 86400/,
    ],
    [
        "a control-plane node without a way to log in",
        { ...driver, rollout: { drain: { controlPlane: { host: "a" } } } },
        "rollout.drain.controlPlane",
        /no way to log in/,
    ],
    ["adopt as text", withClass({ adopt: "yes" }), `${classPath}.adopt`, /true or false/],
    ["forceRemoval of type number", { forceRemoval: 1 }, "forceRemoval", /true or false/],
    ["verify as text", { rollout: { verify: "yes" } }, "rollout.verify", /true or false/],
    [
        "maxUnavailable that is not known yet",
        { rollout: { maxUnavailable: pulumi.output(2) } },
        "rollout.maxUnavailable",
        /cannot be an Output/,
    ],
    [
        "a setting without a table",
        withClass({ settings: { default_memory: 1 } }),
        `${classPath}.settings["default_memory"]`,
        /named by table and key/,
    ],
    [
        "a setting without a key",
        withClass({ settings: { "runtime.": 1 } }),
        `${classPath}.settings["runtime."]`,
        /named by table and key/,
    ],
    [
        "a setting of another hypervisor",
        withClass({ settings: { "hypervisor.clh.path": "/x" } }),
        `${classPath}.settings["hypervisor.clh.path"]`,
        /"hypervisor\.qemu\.KEY"/,
    ],
    [
        "a setting of another agent",
        withClass({ settings: { "agent.x.y": 1 } }),
        `${classPath}.settings["agent.x.y"]`,
        /"agent\.kata\.KEY"/,
    ],
    [
        "a setting directly in the table of hypervisors",
        withClass({ settings: { "hypervisor.default_memory": 1 } }),
        `${classPath}.settings["hypervisor.default_memory"]`,
        /"hypervisor\.qemu\.KEY"/,
    ],
    [
        "a setting that replaces debug",
        withClass({ settings: { "runtime.enable_debug": true } }),
        `${classPath}.settings["runtime.enable_debug"]`,
        /use debug instead/,
    ],
    [
        "a setting that is an object",
        withClass({ settings: { "runtime.a": {} } }),
        `${classPath}.settings["runtime.a"]`,
        /a string, a boolean/,
    ],
    [
        "a setting that is a list of lists",
        withClass({ settings: { "runtime.a": [[1]] } }),
        `${classPath}.settings["runtime.a"]`,
        /list of those/,
    ],
    [
        "an infinite setting",
        withClass({ settings: { "runtime.a": Number.POSITIVE_INFINITY } }),
        `${classPath}.settings["runtime.a"]`,
        /finite/,
    ],
    [
        "a setting with a lone surrogate",
        withClass({ settings: { "runtime.a": "\ud83e" } }),
        `${classPath}.settings["runtime.a"]`,
        /string/,
    ],
    [
        "a setting that is too large to be exact",
        withClass({ settings: { "runtime.a": 2 ** 60 } }),
        `${classPath}.settings["runtime.a"]`,
        /number/,
    ],
    [
        "a RuntimeClass that is not known yet",
        { runtimeClasses: { "kata-qemu": pulumi.output({}) } },
        classPath,
        /cannot be an Output/,
    ],
    ["a RuntimeClass that is a text", { runtimeClasses: { "kata-qemu": "debug" } }, classPath, /must be an object/],
    ["a release that is a list", { release: [] }, "release", /must be an object/],
    [
        "an unknown argument",
        { versoin: "3.32.0" },
        "versoin",
        /not a valid property; valid properties are nodes, daemonSet, version, release/,
    ],
];

const invalidConnections: [title: string, connection: object, path: string, reason: RegExp][] = [
    ["a missing host", { host: undefined }, ".host", /is required/],
    ["an empty host", { host: "" }, ".host", /a host name or an IP address/],
    ["a host with a space", { host: "my host" }, ".host", /a host name/],
    ["a host with a port", { host: "a:22" }, ".host", /without a port/],
    ["a host with a user", { host: "root@a" }, ".host", /a user/],
    ["a host with a new line", { host: "a\n" }, ".host", /a host name/],
    ["a host that looks like an option", { host: "-oProxyCommand=id" }, ".host", /a host name/],
    ["port 0", { port: 0 }, ".port", /from 1 to 65535/],
    ["port 65536", { port: 65536 }, ".port", /from 1 to 65535/],
    ["a fractional port", { port: 22.5 }, ".port", /whole number/],
    ["a port as text", { port: "22" }, ".port", /whole number/],
    ["an empty user", { user: "" }, ".user", /name of a user/],
    ["an empty password", { password: "" }, ".password", /not empty/],
    [
        "the name of a key file as privateKey",
        { privateKey: "~/.ssh/id_ed25519" },
        ".privateKey",
        /not the name of a file/,
    ],
    ["an RSA host key", { hostKey: rsa }, ".hostKey", /RSA keys cannot/],
    ["a line of known_hosts as host key", { hostKey: `a ${hostKey}` }, ".hostKey", /without a host's name/],
    ["a truncated host key", { hostKey: "ssh-ed25519 AAAA" }, ".hostKey", /authorized_keys/],
    ["a fractional dialErrorLimit", { dialErrorLimit: 0.5 }, ".dialErrorLimit", /whole number, at least -1/],
    ["a negative perDialTimeout", { perDialTimeout: -1 }, ".perDialTimeout", /at least 0/],
    ["an empty agentSocketPath", { agentSocketPath: "" }, ".agentSocketPath", /not empty/],
    ["a password of type number", { password: 5 }, ".password", /text/],
    ["an unknown property", { identityFile: "x" }, ".identityFile", /not a valid property/],
    ["a bastion without a host", { proxy: { password: "p" } }, ".proxy.host", /is required/],
    ["a bastion without a way to log in", { proxy: { host: "b" } }, ".proxy", /no way to log in/],
    [
        "a bastion behind a bastion",
        { proxy: { host: "b", password: "p", proxy: {} } },
        ".proxy.proxy",
        /not a valid property/,
    ],
    ["a bastion with an invalid port", { proxy: { host: "b", password: "p", port: -1 } }, ".proxy.port", /from 1 to/],
];

describe("validation", () => {
    it("accepts minimal and complete arguments", () => {
        expect(described({ nodes: oneNode })).to.deep.equal([]);
        expect(
            described({
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
                    proxy: "http://kata:p%40ss@[2001:db8::1]:3128/",
                    sha256: { amd64: sum, arm64: sum },
                },
                runtimeClasses: {
                    "kata.example.com": {
                        shim: "qemu-runtime-rs",
                        overhead: { enabled: true, cpu: "0.25", memory: "1.5Gi" },
                        debug: true,
                        settings: {
                            "hypervisor.qemu.default_memory": 4096,
                            "hypervisor.qemu.factory.enable_template": false,
                            "agent.kata.dial_timeout": 0.5,
                            "runtime.experimental": ["a", "b"],
                        },
                        handler: "kata",
                        snapshotter: "nydus-for-kata-tee",
                        labels: { "example.com/team": "" },
                        annotations: { "example.com/why": "two\nlines" },
                        tolerations: [
                            { key: "vm", operator: "Equal", value: "yes", effect: "NoExecute", tolerationSeconds: 60 },
                        ],
                        nodeSelector: { "example.com/pool": "vm" },
                    },
                },
                debug: true,
                kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true },
                rollout: { maxUnavailable: 5, verify: true },
                hostChecks: "warn",
            }),
        ).to.deep.equal([]);
    });

    it("accepts several RuntimeClasses, each with its own shim, release and checksums", () => {
        const runtimeClasses = {
            "kata-qemu": {},
            "kata-qemu-runtime-rs": {},
            "kata-clh": { version: "3.32.0" },
            "kata-next": { shim: "qemu-runtime-rs", version: "4.2.0" },
            "kata-own": { shim: "fc", version: "4.99.0", sha256: { arm64: sum } },
            "kata-tdx": { shim: "qemu-tdx", version: "3.20.0", settings: { "hypervisor.qemu.path": "/usr/bin/qemu" } },
        };
        expect(described({ nodes: oneNode, runtimeClasses })).to.deep.equal([]);
        const own = {
            "kata-qemu": {},
            "kata-clh": { sha256: { amd64: sum } },
            "kata-next": runtimeClasses["kata-next"],
        };
        const args = { nodes: oneNode, version: "4.99.0", release: { sha256: { amd64: sum } }, runtimeClasses: own };
        expect(described(args)).to.deep.equal([]);
    });

    it("accepts null for omitted values, which some languages pass", () => {
        const nothing = { version: null, release: null, rollout: null, debug: null };
        const runtimeClass = { settings: null, shim: null, handler: null };
        expect(described({ nodes: oneNode, ...nothing, runtimeClasses: null })).to.deep.equal([]);
        expect(described({ nodes: oneNode, ...nothing, ...withClass(runtimeClass) })).to.deep.equal([]);
        expect(described({ nodes: oneNode, runtimeClasses: { "kata-qemu": null } })).to.deep.equal([]);
    });

    it("accepts a release that is newer than the default and has known checksums", () => {
        expect(described({ nodes: oneNode, version: "4.2.0" })).to.deep.equal([]);
        expect(described({ nodes: oneNode, version: "4.2.0", ...withClass({ shim: "qemu" }) })).to.deep.equal([]);
    });

    for (const [title, args, path, reason] of invalid) {
        it(`rejects ${title}`, () => {
            const problems = found({ nodes: oneNode, ...args });
            expect(problems.map((problem) => problem.path)).to.deep.equal([path]);
            expect(problems[0]!.reason).to.match(reason);
        });
    }

    for (const [title, connection, path, reason] of invalidConnections) {
        it(`rejects ${title} in a connection`, () => {
            const problems = found(withConnection(connection));
            expect(problems.map((problem) => problem.path)).to.deep.equal([connectionPath + path]);
            expect(problems[0]!.reason).to.match(reason);
        });
    }

    it("rejects arguments without nodes", () => {
        for (const args of [undefined, null, {}, { nodes: undefined }, { nodes: null }]) {
            expect(described(args)).to.deep.equal(["nodes: is required, unless daemonSet is set"]);
        }
        expect(described({ nodes: {} })).to.deep.equal(["nodes: must name at least one node"]);
        expect(described("nodes")).to.deep.equal([": must be an object"]);
        expect(pathsOf({ nodes: "a" })).to.deep.equal(["nodes"]);
        expect(pathsOf({ nodes: [{ host: "a" }] })).to.deep.equal(["nodes"]);
        expect(pathsOf({ nodes: pulumi.output(oneNode) })).to.deep.equal(["nodes"]);
    });

    it("accepts a DaemonSet without nodes, with nodes, and with all of its arguments", () => {
        expect(described({ daemonSet: {} })).to.deep.equal([]);
        for (const nodes of [undefined, null, {}, oneNode]) {
            expect(described({ nodes, daemonSet: {} })).to.deep.equal([]);
            expect(described({ nodes, daemonSet: everyArgument.daemonSet })).to.deep.equal([]);
        }
        expect(described({ nodes: oneNode, daemonSet: null })).to.deep.equal([]);
        expect(pathsOf({ daemonSet: pulumi.output({}) })).to.deep.equal(["daemonSet"]);
        expect(pathsOf({ daemonSet: "" })).to.deep.equal(["daemonSet"]);
        expect(pathsOf({ nodes: "a", daemonSet: {} })).to.deep.equal(["nodes"]);
    });

    const invalidDaemonSets: [title: string, daemonSet: object, path: string, reason: RegExp][] = [
        [
            "a key in nodeSelector that is no label",
            { nodeSelector: { "a b": "c" } },
            '.nodeSelector["a b"]',
            /key of a/,
        ],
        [
            "a value in nodeSelector that is no label",
            { nodeSelector: { a: "b c" } },
            '.nodeSelector["a"]',
            /value of a/,
        ],
        ["a missing value in nodeSelector", { nodeSelector: { a: null } }, '.nodeSelector["a"]', /is required/],
        ["a namespace in upper case", { namespace: "Kata" }, ".namespace", /name of a namespace/],
        ["an empty namespace", { namespace: "" }, ".namespace", /name of a namespace/],
        ["a namespace with a dot", { namespace: "a.b" }, ".namespace", /name of a namespace/],
        ["a namespace of 64 characters", { namespace: "a".repeat(64) }, ".namespace", /at most 63/],
        ["a namespace that is not known yet", { namespace: pulumi.output("a") }, ".namespace", /cannot be an Output/],
        ["an image with a space", { image: "busy box" }, ".image", /name of a container image/],
        ["an empty image", { image: "" }, ".image", /name of a container image/],
        ["the name of one Secret instead of a list", { imagePullSecrets: "a" }, ".imagePullSecrets", /a list/],
        ["an invalid name of a Secret", { imagePullSecrets: ["a", "B"] }, ".imagePullSecrets[1]", /lower-case/],
        ["a Secret that is missing", { imagePullSecrets: [null] }, ".imagePullSecrets[0]", /is required/],
        ["an invalid toleration", { tolerations: [{ operator: "Is" }] }, ".tolerations[0].operator", /"Exists" or/],
        ["an invalid PriorityClass", { priorityClassName: "a_b" }, ".priorityClassName", /lower-case/],
        [
            "a memory that is no quantity",
            { resources: { limits: { memory: "1GB" } } },
            ".resources.limits.memory",
            /quantity/,
        ],
        [
            "an unknown resource",
            { resources: { requests: { gpu: "1" } } },
            ".resources.requests.gpu",
            /are cpu, memory/,
        ],
        ["an interval below 10 s", { interval: 9 }, ".interval", /from 10 to 86400/],
        ["an interval of more than a day", { interval: 86401 }, ".interval", /from 10 to 86400/],
        ["an interval as text", { interval: "60" }, ".interval", /whole number/],
        ["a timeout below a minute", { timeout: 59 }, ".timeout", /from 60 to 86400/],
        ["a timeout that is not known yet", { timeout: pulumi.output(60) }, ".timeout", /cannot be an Output/],
        ["an unknown argument", { replicas: 3 }, ".replicas", /valid properties are nodeSelector, namespace/],
    ];
    for (const [title, daemonSet, path, reason] of invalidDaemonSets) {
        it(`rejects ${title} in daemonSet`, () => {
            const problems = found({ daemonSet });
            expect(problems.map((problem) => problem.path)).to.deep.equal([`daemonSet${path}`]);
            expect(problems[0]!.reason).to.match(reason);
        });
    }

    it("a change of the cgroup driver by the DaemonSet requires kubelet.changeUnderRunningPods, with or without a drain", () => {
        const drain = { kubeconfig: "{}" };
        const kubelet = { cgroupDriver: "systemd" };
        const problem =
            "kubelet.changeUnderRunningPods: must be true with daemonSet, because its pod is always running on a node whose cgroup driver changes";
        for (const changeUnderRunningPods of [undefined, null, false]) {
            const given = { daemonSet: {}, kubelet: { ...kubelet, changeUnderRunningPods } };
            expect(described(given)).to.deep.equal([problem]);
            expect(described({ ...given, nodes: oneNode, rollout: { drain } })).to.deep.equal([problem]);
        }
        for (const changeUnderRunningPods of [true, pulumi.output(true)]) {
            expect(described({ daemonSet: {}, kubelet: { ...kubelet, changeUnderRunningPods } })).to.deep.equal([]);
        }
        expect(described({ daemonSet: {}, kubelet: { changeUnderRunningPods: false } })).to.deep.equal([]);
        expect(described({ nodes: oneNode, kubelet })).to.deep.equal([]);
    });

    it("rejects rollout.drain and rollout.canary without nodes", () => {
        const rollout = { drain: { kubeconfig: "{}" }, canary: "worker-1" };
        expect(described({ daemonSet: {}, nodes: oneNode, rollout })).to.deep.equal([]);
        for (const nodes of [undefined, null, {}]) {
            expect(described({ daemonSet: {}, nodes, rollout })).to.have.members([
                "rollout.drain: cannot be set without `nodes`: nodes of the DaemonSet are not drained",
                "rollout.canary: must be the name of one of `nodes`",
            ]);
        }
    });

    it("rejects a node that is missing or not an object", () => {
        for (const node of [undefined, null]) {
            expect(described({ nodes: { a: node } })).to.deep.equal(['nodes["a"]: is required']);
        }
        for (const node of ["192.0.2.1", 5, []]) {
            expect(described({ nodes: { a: node } })).to.deep.equal(['nodes["a"]: must be an object']);
        }
        expect(described({ nodes: { a: {} } })).to.deep.equal(['nodes["a"].connection: is required']);
        expect(pathsOf({ nodes: { a: { connection: "a" } } })).to.deep.equal([connectionPath]);
    });

    it("rejects node names that Kubernetes rejects", () => {
        for (const name of ["Worker", "a b", "", "-a", "a_b", "a".repeat(254), "a/b", "a\n"]) {
            const { connection } = oneNode["worker-1"]!;
            expect(pathsOf({ nodes: { [name]: { connection } } }), name).to.include(`nodes[${JSON.stringify(name)}]`);
        }
    });

    it("requires a way to log in, for which an SSH agent is enough", () => {
        const args = { nodes: { a: { connection: { host: "a" } } } };
        expect(described(args)[0]).to.match(
            /no way to log in: set privateKey, password or agentSocketPath, or run Pulumi with/,
        );
        expect(problems("kata", args, { sshAgent: true })).to.deep.equal([]);
        for (const way of [
            { password: "p" },
            { privateKey },
            { agentSocketPath: "/a" },
            { privateKey: pulumi.secret("k") },
        ]) {
            expect(described({ nodes: { a: { connection: { host: "a", ...way } } } })).to.deep.equal([]);
        }
    });

    it("rejects two names for one machine", () => {
        const connection = { host: "a", password: "p" };
        const other = (changed: object) => ({
            nodes: { a: { connection }, b: { connection: { ...connection, ...changed } } },
        });
        expect(described(other({ port: 22 }))).to.deep.equal([
            'nodes["b"].connection: has the same address as "a": name each machine only once',
        ]);
        expect(described(other({ port: 2222 }))).to.deep.equal([]);
        expect(described(other({ proxy: { host: "p", password: "p" } }))).to.deep.equal([]);
        expect(described(other({ port: pulumi.output(22) }))).to.deep.equal([]);
    });

    it("validation reports all problems at once", () => {
        expect(
            pathsOf({
                nodes: { A: { connection: { host: "", port: 0 } } },
                version: "2.2.2",
                release: { sha256: { amd64: "abc" } },
                ...withClass({
                    shim: "qemu-runtime-rs",
                    settings: { "runtime.enable_debug": {} },
                    overhead: { cpu: "much" },
                }),
                kubelet: { cgroupDriver: "systemd" },
            }),
        ).to.deep.equal([
            'nodes["A"]',
            'nodes["A"].connection.host',
            'nodes["A"].connection.port',
            'nodes["A"].connection',
            "release.sha256.amd64",
            `${classPath}.overhead.cpu`,
            `${classPath}.settings["runtime.enable_debug"]`,
            `${classPath}.settings["runtime.enable_debug"]`,
            `${classPath}.shim`,
            "kubelet.cgroupDriver",
        ]);
    });

    it("reports nothing about values that are not known yet", () => {
        const later = pulumi.output("x");
        const connection = { host: later, port: later, privateKey: later, hostKey: later };
        const args = {
            nodes: { a: { connection } },
            version: later,
            release: { url: later, sha256: { amd64: later } },
            ...withClass({
                shim: later,
                handler: later,
                snapshotter: later,
                version: later,
                sha256: { amd64: later },
                overhead: { cpu: Promise.resolve("x") },
                settings: { "runtime.a": later, "runtime.b": ["x", later] },
                debug: later,
                labels: { a: later },
                nodeSelector: { a: later },
                tolerations: [{ key: later }],
            }),
            debug: later,
            kubelet: { cgroupDriver: later },
            hostChecks: later,
            rollout: { verify: later },
            daemonSet: {
                nodeSelector: { a: later },
                image: later,
                imagePullSecrets: [later],
                tolerations: [{ key: later }],
                priorityClassName: later,
                resources: { requests: { cpu: later, memory: later } },
                interval: later,
            },
        };
        expect(described(args)).to.deep.equal([]);
        const named = { shim: later, handler: later };
        expect(described({ nodes: oneNode, ...withClass(named, "kata.example.com") })).to.deep.equal([]);
    });

    it("rejects hostile texts in every argument that takes a name", () => {
        const places: [path: string, args: (text: string) => object][] = [
            ["version", (version) => ({ version })],
            ["release.sha256.arm64", (arm64) => ({ release: { sha256: { arm64 } } })],
            [`${classPath}.overhead.cpu`, (cpu) => withClass({ overhead: { cpu } })],
            [`${classPath}.overhead.memory`, (memory) => withClass({ overhead: { memory } })],
            [`${classPath}.shim`, (shim) => withClass({ shim })],
            [`${classPath}.handler`, (handler) => withClass({ handler })],
            [`${classPath}.nodeSelector["a"]`, (a) => withClass({ nodeSelector: { a } })],
            ["kubelet.cgroupDriver", (cgroupDriver) => ({ kubelet: { cgroupDriver } })],
            ["hostChecks", (hostChecks) => ({ hostChecks })],
            ["daemonSet.namespace", (namespace) => ({ daemonSet: { namespace } })],
            ["daemonSet.priorityClassName", (priorityClassName) => ({ daemonSet: { priorityClassName } })],
            ['daemonSet.nodeSelector["a"]', (a) => ({ daemonSet: { nodeSelector: { a } } })],
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
            expect(pathsOf({ nodes: oneNode, ...withClass({}, text) })).to.deep.equal([
                `runtimeClasses[${JSON.stringify(text)}]`,
            ]);
            const key = `runtime.${text}`;
            const paths = pathsOf({ nodes: oneNode, ...withClass({ settings: { [key]: 1 } }) });
            expect(paths.length === 0, key).to.equal(/^[A-Za-z0-9_-]+$/.test(text));
        }
    });

    it("rejects a component name with a line break", () => {
        expect(found({ nodes: oneNode }, "ka\nta")).to.have.length(1);
        expect(found({ nodes: oneNode }, "kata's $(name)")).to.deep.equal([]);
    });
});

/** Arguments of any shape, most of them with the names of real arguments. */
const anyValue = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true });
const anyOf = (...keys: string[]) =>
    fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), anyValue, { maxKeys: 4 });
const anyArguments = fc.oneof(
    anyValue,
    fc.record(
        {
            nodes: fc.oneof(
                anyValue,
                fc.dictionary(
                    fc.string(),
                    fc.oneof(anyValue, fc.record({ connection: anyOf("host", "port", "proxy") })),
                ),
            ),
            version: fc.oneof(anyValue, fc.constantFrom("2.2.2", "3.32.0", "4.1.0", "9.9.9")),
            release: fc.oneof(anyValue, anyOf("url", "sha256")),
            runtimeClasses: fc.oneof(
                anyValue,
                fc.dictionary(
                    fc.oneof(fc.constantFrom("kata-qemu", "kata-clh", "custom"), fc.string()),
                    fc.oneof(
                        anyValue,
                        anyOf("shim", "version", "sha256", "settings", "handler", "overhead", "labels", "tolerations"),
                    ),
                ),
            ),
            kubelet: fc.oneof(anyValue, anyOf("cgroupDriver")),
            daemonSet: fc.oneof(
                anyValue,
                anyOf("nodeSelector", "namespace", "imagePullSecrets", "tolerations", "resources", "interval"),
            ),
            rollout: fc.oneof(anyValue, anyOf("canary", "drain", "maxUnavailable")),
        },
        { requiredKeys: [] },
    ),
);

describe("validation of arbitrary arguments", () => {
    it("validation never throws, and gives every problem a path and a reason", () => {
        fc.assert(
            fc.property(fc.string(), anyArguments, (name, args) => {
                for (const { path, reason } of problems(name, args, noAgent)) {
                    expect(path).to.be.a("string");
                    expect(reason).to.be.a("string").and.not.equal("");
                }
            }),
            { numRuns: 1000 },
        );
    });

    it("a validation error never contains a value of a connection, a kubeconfig, a url or a proxy", () => {
        const secrets = fc
            .string({ minLength: 12, unit: fc.constantFrom(..."xyz-@: ") })
            .map((text) => `hunter${text}`);
        const isSecret = ({ path }: Problem) => /^nodes|kubeconfig|controlPlane|release\.(url|proxy)/.test(path);
        fc.assert(
            fc.property(
                fc.constantFrom("host", "port", "user", "privateKey", "hostKey", "extra"),
                secrets,
                (key, text) => {
                    const connection = { host: "a", password: "p", [key]: text };
                    const args = {
                        nodes: {
                            a: { connection },
                            b: { connection: { ...connection, host: "b", proxy: connection } },
                        },
                        release: { url: text, proxy: `http://me:${text}` },
                        rollout: { drain: { kubeconfig: [text], controlPlane: connection } },
                    };
                    const hidden = found(args).filter(isSecret);
                    expect(hidden).not.to.deep.equal([]);
                    for (const problem of hidden) expect(problem).not.to.have.property("found");
                    expect(JSON.stringify(hidden)).not.to.contain("hunter");
                },
            ),
        );
    });
});
