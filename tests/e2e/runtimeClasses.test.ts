// Several RuntimeClasses at once on two real nodes: of one release and of several, added, changed and removed under pods.

import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import {
    args,
    changes,
    configOf,
    containerOf,
    every,
    expectAlive,
    files,
    handlerEnds,
    handlersOf,
    kubectl,
    names,
    onNode,
    removeAllPods,
    removePods,
    shimRecord,
    startOnEveryNode,
    startPod,
    TestStack,
    times,
} from "../support/lab";

type Classes = NonNullable<KataContainersArgs["runtimeClasses"]>;
/** The last container that a shim of the miniature release has started. */
interface Record {
    engine: string;
    hypervisor: string;
    executable: string;
    configPath: string;
    /** The release folders in the paths of the configuration. */
    trees: string[];
    enableDebug: { [table: string]: boolean };
    config: { [table: string]: { [key: string]: any } };
}

describe("several RuntimeClasses on real nodes", function () {
    this.timeout(10 * 60 * 1000);
    const three: Classes = {
        "kata-qemu": { settings: { "hypervisor.qemu.default_memory": 1024 } },
        "kata-clh": { debug: true },
        density: { shim: "qemu-runtime-rs", handler: "kata-rust" },
    };
    const next: Classes = { ...three, "kata-next": { shim: "qemu-runtime-rs", version: "4.1.0" } };
    const given = (runtimeClasses: Classes, more: object = {}) =>
        args("3.32.0", { runtimeClasses, rollout: { maxUnavailable: 2 }, ...more });
    const [first, second] = ["worker-1", "worker-2"] as const;
    let stack: TestStack;
    let filesBefore: { [node: string]: string };
    let runc: { [node: string]: string };

    before(async () => {
        stack = await TestStack.create("classes");
        ({ filesBefore, runc } = startOnEveryNode());
    });
    after(async () => {
        removeAllPods();
        await stack.remove();
    });

    /** Starts a pod, and tells what its shim was given. */
    const start = (runtimeClass: string, node: string, pod = `${runtimeClass}-${node}`): Record => {
        startPod(pod, node, runtimeClass);
        return shimRecord(node);
    };
    const everyPod = (runtimeClass: string) => names().map((node) => `${runtimeClass}-${node}`);
    const stop = (runtimeClass: string) => {
        kubectl("delete", "pods", ...everyPod(runtimeClass), "--wait=true", "--timeout=180s");
        for (const node of names()) handlerEnds(runtimeClass, node);
    };
    const runtimeClasses = () => kubectl("get", "runtimeclass", "-o", "jsonpath={.items[*].metadata.name}").split(" ");
    /** The runtimes of this package that containerd knows, with the paths of their configurations. */
    const runtimes = (node: string) =>
        onNode(
            node,
            `containerd config dump 2>/dev/null | sed -n "s/ *ConfigPath = ['\\"]\\(.*kata.*\\)['\\"]/\\1/p" | sort`,
        ).split("\n");
    /** The versions of the trees in the folder of releases. */
    const trees = (node: string) =>
        onNode(node, "ls /opt/kata-releases")
            .split("\n")
            .map((tree) => tree.replace(/-\w+$/, ""));
    const linked = (node: string) => onNode(node, "readlink /opt/kata").replace(/^kata-releases\/|-\w+$/g, "");

    it("installs three classes of one release at once, with one archive", async () => {
        const up = await stack.up(given(three));
        expect(changes(up)).to.deep.equal({
            ...every("create", ["stage", "activate", "label"]),
            ...{ "kata-owner": "create", "kata-wave-1": "create" },
            ...{ "kata-kata-qemu": "create", "kata-kata-clh": "create", "kata-density": "create" },
        });
        expect(up.outputs.runtimeClassNames).to.deep.equal({
            ...{ "kata-qemu": "kata-qemu", "kata-clh": "kata-clh", density: "density" },
        });
        const handlers = ["kata-clh", "kata-qemu", "kata-rust"];
        for (const node of names()) {
            const { kataVersions, sandboxes } = up.outputs.nodeStatuses[node]!;
            expect(kataVersions).to.deep.equal(Object.fromEntries(handlers.map((handler) => [handler, "3.32.0"])));
            expect(sandboxes).to.deep.equal(Object.fromEntries(handlers.map((handler) => [handler, {}])));
            expect(handlersOf(node)).to.deep.equal(handlers);
            expect(runtimes(node)).to.deep.equal(handlers.map(configOf));
            expect(trees(node)).to.deep.equal(["3.32.0"]);
        }
        for (const [name, handler] of [
            ["kata-qemu", "kata-qemu"],
            ["kata-clh", "kata-clh"],
            ["density", "kata-rust"],
        ] as const) {
            const { handler: own, scheduling } = JSON.parse(kubectl("get", "runtimeclass", name, "-o", "json"));
            expect(own).to.equal(handler);
            expect(scheduling.nodeSelector).to.deep.equal({
                "katacontainers.io/kata-runtime": "true",
                [`handler.kata-containers/${handler}`]: "true",
            });
        }
        expect(changes(await stack.up(given(three)))).to.deep.equal({});
    });

    it("runs a pod of each class through its own shim with its own configuration", () => {
        for (const node of names()) {
            const qemu = start("kata-qemu", node);
            expect(qemu).to.include({ engine: "go", hypervisor: "qemu", configPath: configOf("kata-qemu") });
            expect(qemu.config.hypervisor!.qemu.default_memory).to.equal(1024);
            expect(qemu.enableDebug.runtime).to.equal(false);

            const clh = start("kata-clh", node);
            expect(clh).to.include({ engine: "go", hypervisor: "clh", configPath: configOf("kata-clh") });
            expect(clh.enableDebug.runtime).to.equal(true);

            const rust = start("density", node);
            expect(rust).to.include({ engine: "rust", hypervisor: "qemu", configPath: configOf("kata-rust") });
            expect(rust.executable).to.match(/3\.32\.0-[0-9a-f]{12}\/runtime-rs\/bin\//);
            expect(rust.config.hypervisor!.qemu.default_memory).to.equal(2048);
        }
    });

    it("adds a class of another release without touching the pods and services of the others", async () => {
        const up = await stack.up(given(next));
        expect(changes(up)).to.deep.equal({
            ...every("update", ["stage", "activate", "label"]),
            "kata-kata-next": "create",
        });
        for (const node of names()) {
            const { kataVersions, sandboxes } = up.outputs.nodeStatuses[node]!;
            expect(kataVersions).to.include({ "kata-qemu": "3.32.0", "kata-next": "4.1.0" });
            expect(sandboxes).to.deep.equal({
                ...{ "kata-qemu": { "3.32.0": 1 }, "kata-clh": { "3.32.0": 1 }, "kata-rust": { "3.32.0": 1 } },
                "kata-next": {},
            });
            expect([trees(node), linked(node)]).to.deep.equal([["3.32.0", "4.1.0"], "3.32.0"]);
            for (const runtimeClass of Object.keys(three)) expectAlive(`${runtimeClass}-${node}`);
        }
    });

    it("runs two releases side by side, each with all files of its own tree", () => {
        for (const node of names()) {
            const record = start("kata-next", node);
            expect(record).to.include({ engine: "rust", configPath: configOf("kata-next") });
            expect(record.executable).to.match(/^\/opt\/kata-releases\/4\.1\.0-[0-9a-f]{12}\/runtime-rs\/bin\//);
            expect(record.trees).to.have.length(1);
            expect(record.trees[0]).to.match(/^\/opt\/kata-releases\/4\.1\.0-/);
            expect(onNode(node, `grep -c '"/opt/kata/' ${configOf("kata-next")} || :`)).to.equal("0");
            const older = start("kata-qemu", node, `again-${node}`);
            expect(older.executable).to.match(/3\.32\.0-[0-9a-f]{12}\/bin\//);
            expect(older.trees).to.deep.equal(["/opt/kata"]);
        }
        kubectl("delete", "pods", ...names().map((node) => `again-${node}`), "--wait=true", "--timeout=180s");
    });

    const clhOfNext: Classes = { ...next, "kata-clh": { version: "4.1.0" } };
    it("changes the release of one class while sandboxes of all classes keep running", async () => {
        const up = await stack.up(given(clhOfNext));
        // Its default overhead is the same.
        expect(changes(up)).to.deep.equal(every("update", ["stage", "activate"]));
        for (const node of names()) {
            for (const runtimeClass of Object.keys(next)) expectAlive(`${runtimeClass}-${node}`);
            // Kata 4.1.0 has an archive for the Go shims and one for the Rust shims.
            expect(trees(node)).to.deep.equal(["3.32.0", "4.1.0", "4.1.0"]);
            const record = start("kata-clh", node, `clh-${node}`);
            expect(record.executable).to.match(/4\.1\.0-[0-9a-f]{12}\/bin\//);
            expect(record.hypervisor).to.equal("clh");
            expect(record.enableDebug.runtime).to.equal(false);
        }
        const { outputs } = await stack.up(given(clhOfNext, { debug: true }));
        for (const node of names()) {
            expect(outputs.nodeStatuses[node]!.sandboxes["kata-clh"]).to.deep.equal({ "3.32.0": 1, "4.1.0": 1 });
        }
        kubectl("delete", "pods", ...names().map((node) => `clh-${node}`), "--wait=true", "--timeout=180s");
    });

    it("reports the drift of one class, and repairs it alone", async () => {
        onNode(first, `sed -i s/2048/512/ ${configOf("kata-rust")}`);
        kubectl("delete", "runtimeclass", "density");
        const untouched = times(second);
        const preview = await stack.preview(given(clhOfNext, { debug: true }));
        expect(preview.log).to.contain(`${first} has drifted: ${configOf("kata-rust")} was changed`);
        expect(preview.log)
            .to.contain("RuntimeClass density: is missing")
            .and.not.match(/RuntimeClass kata-\w+: /);
        const repaired = { ...every("update", ["activate"], [first]), "kata-density": "replace" };
        expect(changes(preview)).to.deep.equal(repaired);
        expect(changes(await stack.up(given(clhOfNext, { debug: true })))).to.deep.equal(repaired);
        expect(runtimeClasses()).to.include("density");
        expect(onNode(first, `grep -c 512 ${configOf("kata-rust")} || :`)).to.equal("0");
        expect(times(second)).to.equal(untouched);
    });

    const { "kata-next": _, ...withoutNext } = clhOfNext;
    it("refuses to remove a class that pods use, and changes nothing then", async () => {
        const before = names().map(runtimes);
        const error = await stack.fail(given(withoutNext, { debug: true }));
        expect(error).to.match(/runtime kata-next is still in use by default\/kata-next-worker-[12]/);
        expect(names().map(runtimes)).to.deep.equal(before);
        expect(runtimeClasses()).to.include("kata-next");
        for (const node of names()) expectAlive(`kata-next-${node}`);
    });

    it("removes a class that nothing uses, with its RuntimeClass and its release, and no other", async () => {
        stop("kata-next");
        const up = await stack.up(given(withoutNext, { debug: true }));
        expect(changes(up)).to.deep.include({ "kata-kata-next": "delete", ...every("update", ["label"]) });
        expect(runtimeClasses()).to.have.members(["density", "kata-clh", "kata-qemu"]);
        for (const node of names()) {
            expect(handlersOf(node)).to.deep.equal(["kata-clh", "kata-qemu", "kata-rust"]);
            expect(runtimes(node)).to.deep.equal(["kata-clh", "kata-qemu", "kata-rust"].map(configOf));
            expect(onNode(node, "ls /etc/kata-containers | xargs")).to.equal("kata-clh kata-qemu kata-rust");
            expect(onNode(node, "ls /usr/local/bin | grep -c next || :")).to.equal("0");
            for (const runtimeClass of Object.keys(three)) expectAlive(`${runtimeClass}-${node}`);
        }
    });

    it("promotes a release: it becomes that of the component, and /opt/kata leads to it", async () => {
        const promoted: Classes = { "kata-qemu": { shim: "qemu" }, "kata-clh": {}, density: three.density! };
        const { outputs } = await stack.up(args("4.1.0", { runtimeClasses: promoted, rollout: { maxUnavailable: 2 } }));
        for (const node of names()) {
            expect(Object.values(outputs.nodeStatuses[node]!.kataVersions)).to.deep.equal(["4.1.0", "4.1.0", "4.1.0"]);
            expect(linked(node)).to.equal("4.1.0");
            for (const runtimeClass of Object.keys(three)) expectAlive(`${runtimeClass}-${node}`);
            expect(start("density", node, `rust-${node}`).executable).to.match(/4\.1\.0-[0-9a-f]{12}\/runtime-rs\//);
            expect(start("kata-qemu", node, `go-${node}`).executable).to.match(/4\.1\.0-[0-9a-f]{12}\/bin\//);
        }
    });

    it("restores every file and deletes every RuntimeClass on destroy", async () => {
        for (const node of names()) {
            removePods(node, ...[...Object.keys(three), "rust", "go"].map((prefix) => `${prefix}-${node}`));
        }
        await stack.destroy();
        expect(kubectl("get", "runtimeclass", "-o", "name")).to.equal("");
        for (const node of names()) {
            expect(files(node)).to.equal(filesBefore[node]);
            expect(handlersOf(node)).to.deep.equal([]);
            expect(containerOf(`runc-${node}`)).to.equal(runc[node]);
        }
    });
});
