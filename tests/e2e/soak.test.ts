// Fifty random changes in a row on two nodes with pods on them, and after each of them all that must always hold.

import { expect } from "chai";
import type { KataContainersArgs } from "../../src";
import {
    args,
    changes,
    containerOf,
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

const seed = Number(process.env.SOAK_SEED ?? 2026);
const rounds = 50;

interface Wanted {
    version: string;
    runtime: "go" | "rust";
    debug: boolean;
    memory: number;
    handler: string;
    cgroupDriver: "systemd" | "cgroupfs";
}

describe(`a soak of ${rounds} random changes (SOAK_SEED=${seed})`, function () {
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

    const given = ({ version, runtime, debug, memory, handler, cgroupDriver }: Wanted): KataContainersArgs =>
        args(version, {
            qemu: { debug, runtime, settings: { "hypervisor.qemu.default_memory": memory } },
            runtimeClass: { handler },
            kubelet: { cgroupDriver, changeUnderRunningPods: true },
            rollout: { maxUnavailable: 2 },
        });

    const versions = [
        ["3.7.0", "go"],
        ["3.32.0", "go"],
        ["4.1.0", "go"],
        ["4.1.0", "rust"],
    ] as const;
    /** One thing changes, now and then two. */
    const change = (wanted: Wanted): Wanted => {
        const [version, runtime] = random.pick(versions);
        const one = random.pick([
            { version, runtime },
            { version, runtime },
            { debug: !wanted.debug },
            { memory: 512 * (1 + random.below(8)) },
            { handler: random.pick(["kata-qemu", "kata"]) },
            { cgroupDriver: random.pick(["systemd", "cgroupfs"] as const) },
        ]);
        const changed = { ...wanted, ...one };
        return random.chance(0.2) ? change(changed) : changed;
    };

    it("holds what must hold after each, and leaves the nodes as they were", async () => {
        let wanted: Wanted = {
            version: "3.32.0",
            runtime: "go",
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
            if (wanted.handler !== before.handler && kata.length > 0) {
                expect(await stack.fail(given(wanted)), title).to.contain(
                    `containers still run on the runtime ${before.handler}, which is to go: default/kata-`,
                );
                for (const pod of kata) expect(kubectl("exec", pod, "--", "echo", "well"), title).to.equal("well");
                removeKata();
            }
            if (random.chance(0.15)) {
                // An argument that the nodes find wrong changes nothing.
                const bad = given({ ...wanted, cgroupDriver: before.cgroupDriver });
                bad.qemu!.settings = { "nowhere.key": 1 };
                expect(await stack.fail(bad), title).to.contain('names the table "nowhere"');
            }
            const { outputs } = await stack.up(given(wanted));
            if (random.chance(0.2)) expect(changes(await stack.up(given(wanted))), title).to.deep.equal({});
            for (const node of names()) {
                const { kataVersion, cgroupDriver } = outputs.nodeStatuses[node]!;
                expect({ kataVersion, cgroupDriver }, title).to.deep.equal({
                    kataVersion: wanted.version,
                    cgroupDriver: wanted.cgroupDriver,
                });
                const lines = onNode(
                    node,
                    `containerd config dump >/dev/null || echo refused
                    ls /etc/kata-containers
                    grep -c '^enable_debug = ${wanted.debug}$' /etc/kata-containers/${wanted.handler}/configuration.toml
                    grep '^default_memory = ' /etc/kata-containers/${wanted.handler}/configuration.toml
                    find / -xdev -name '*.kata-containers' -o -xdev -name '*.kata-containers-kept' -o -path /var/lib/kata-containers-node/journal`,
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
            // Sandboxes of several versions, of which each keeps its files.
            if (!driverChanges)
                for (const pod of kata) expect(kubectl("exec", pod, "--", "echo", "well"), title).to.equal("well");
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
