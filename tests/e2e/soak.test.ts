// Random changes in a row on two nodes with pods on them. After each of them everything that must always hold is checked.

import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import {
    args,
    changes,
    containerOf,
    expectAlive,
    files,
    kubectl,
    names,
    onNode,
    ready,
    removePods,
    startOnEveryNode,
    startPod,
    TestStack,
} from "../support/lab";
import { Random } from "../support/random";
import { everything, seed } from "../support/sample";

const rounds = everything ? 50 : 8;

interface Wanted {
    version: string;
    shim: "qemu" | "qemu-runtime-rs";
    debug: boolean;
    memory: number;
    handler: string;
    cgroupDriver: "systemd" | "cgroupfs";
}

describe(`the soak (KATA_TEST_SEED=${seed})`, function () {
    this.timeout(30 * 60 * 1000);
    const random = new Random(seed);
    let filesBefore: { [node: string]: string };
    let runc: { [node: string]: string };
    let stack: TestStack;

    before(async () => {
        stack = await TestStack.create("soak");
        ({ filesBefore, runc } = startOnEveryNode());
    });
    after(async () => {
        removePods(names()[0]!, "--all");
        await stack.remove();
    });

    const given = ({ version, shim, debug, memory, handler, cgroupDriver }: Wanted): KataContainersArgs =>
        args(version, {
            runtimeClasses: {
                "kata-qemu": { shim, debug, handler, settings: { "hypervisor.qemu.default_memory": memory } },
            },
            kubelet: { cgroupDriver, changeUnderRunningPods: true },
            rollout: { maxUnavailable: 2 },
        });

    const versions = [
        ["3.7.0", "qemu"],
        ["3.32.0", "qemu"],
        ["4.1.0", "qemu"],
        ["4.1.0", "qemu-runtime-rs"],
    ] as const;
    /** One thing changes, sometimes two. */
    const change = (wanted: Wanted): Wanted => {
        const [version, shim] = random.pick(versions);
        const one = random.pick([
            { version, shim },
            { version, shim },
            { debug: !wanted.debug },
            { memory: 512 * (1 + random.below(8)) },
            { handler: random.pick(["kata-qemu", "kata"]) },
            { cgroupDriver: random.pick(["systemd", "cgroupfs"] as const) },
        ]);
        const changed = { ...wanted, ...one };
        return random.chance(0.2) ? change(changed) : changed;
    };

    it(`keeps nodes and pods healthy through ${rounds} random changes, and leaves the nodes as they were`, async () => {
        let wanted: Wanted = {
            version: "3.32.0",
            shim: "qemu",
            debug: false,
            memory: 2048,
            handler: "kata-qemu",
            cgroupDriver: "cgroupfs",
        };
        await stack.up(given(wanted));
        let kata: string[] = [];
        const removeKata = () => {
            for (const node of names()) {
                const pods = kata.filter((pod) => pod.endsWith(node));
                if (pods.length > 0) removePods(node, ...pods);
            }
            kata = [];
        };
        for (let round = 1; round <= rounds; round++) {
            const before = wanted;
            wanted = change(before);
            const title = `round ${round}: ${JSON.stringify(wanted)}`;
            const driverChanges = wanted.cgroupDriver !== before.cgroupDriver;
            if (random.chance(0.15)) {
                // An argument that the nodes reject changes nothing.
                const bad = given({ ...wanted, cgroupDriver: before.cgroupDriver });
                bad.runtimeClasses!["kata-qemu"]!.settings = { "nowhere.key": 1 };
                expect(await stack.fail(bad), title).to.contain('settings names the table "nowhere"');
            }
            const { outputs } = await stack.up(given(wanted));
            if (random.chance(0.2)) expect(changes(await stack.up(given(wanted))), title).to.deep.equal({});
            for (const node of names()) {
                const { kataVersions, cgroupDriver } = outputs.nodeStatuses[node]!;
                // An earlier handler is kept under running pods.
                expect(kataVersions[wanted.handler], title).to.equal(wanted.version);
                expect(cgroupDriver, title).to.equal(wanted.cgroupDriver);
                const lines = onNode(
                    node,
                    `containerd config dump >/dev/null || echo refused
                    ls /etc/kata-containers | grep -x ${wanted.handler}
                    grep -c '^enable_debug = ${wanted.debug}$' /etc/kata-containers/${wanted.handler}/configuration.toml
                    grep '^default_memory = ' /etc/kata-containers/${wanted.handler}/configuration.toml
                    find / -xdev -name '*.kata-containers-new' -o -xdev -name '*.kata-containers-backup' -o -path /var/lib/kata-containers-node/journal`,
                ).split("\n");
                expect(lines, title).to.deep.equal([wanted.handler, lines[1], `default_memory = ${wanted.memory}`]);
                expect(Number(lines[1]), title).to.be.greaterThan(2);
                if (driverChanges) {
                    // The kubelet restarts the containers of running pods, some time after it says that they are Ready.
                    kubectl("wait", "--for=condition=Ready", `pod/runc-${node}`, "--timeout=120s");
                    kubectl("delete", "pod", `runc-${node}`, "--wait=true");
                    startPod(`runc-${node}`, node);
                    runc[node] = containerOf(`runc-${node}`);
                }
                expect(containerOf(`runc-${node}`), title).to.equal(runc[node]);
            }
            expect(ready(...names()), title).to.equal(true);
            // Each sandbox keeps the files of the version that it was started with.
            if (!driverChanges) for (const pod of kata) expectAlive(pod, title);
            if (driverChanges || kata.length > 3) {
                removeKata();
            } else if (random.chance(0.4)) {
                const node = random.pick(names());
                startPod(`kata-${round}-${node}`, node, "kata-qemu");
                kata.push(`kata-${round}-${node}`);
            }
        }
        removeKata();
        await stack.destroy();
        for (const node of names()) expect(files(node)).to.equal(filesBefore[node]);
        expect(ready(...names())).to.equal(true);
    });
});
