// Comparison with an Ansible playbook that does the same work on the same nodes, with the same archive and latency.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Bench } from "./bench";
import { archiveUrl, behind, kataArguments, type Nodes, type Release, startSimulated, unpack } from "./nodes";
import { checkout, Project, tool } from "./project";
import { Relay, type Traffic } from "./relay";
import { type Ran, run } from "./run";
import { kilobytes, Samples, seconds, spreadOf, table } from "./statistics";

const roundTrip = 20;
const version = "3.32.0";

/** Many nodes share one disk, so they get a miniature archive: the playbook reads the archive in every run. */
const fleets = [
    { count: 10, size: "small", installs: 2, unchanged: 2 },
    { count: 50, size: "miniature", installs: 1, unchanged: 1 },
] as const;
const targets = [
    ["10 nodes, first install", 3.5],
    ["10 nodes, unchanged", 5],
    ["50 nodes, unchanged", 10],
] as const;

export async function benchPlaybook(bench: Bench): Promise<void> {
    bench.say("Compared with an Ansible playbook");
    const tools: [name: string, start: (nodes: Nodes, release: Release) => Promise<Tool>][] = [
        ["component", (nodes, release) => withPulumi("kata", kataArguments(nodes, release))],
        ["minimum", withMinimum],
        ["playbook", (nodes, release) => withPlaybook(tool("ansible"), nodes, release)],
    ];
    for (const { count, size, installs, unchanged } of fleets) {
        const { release, about } = bench.archive(size);
        const samples = new Samples();
        const wire: string[][] = [];
        for (let install = 0; install < Math.min(installs, bench.rounds); install++) {
            for (const [name, start] of tools) {
                const relay = new Relay(roundTrip);
                // Empty nodes.
                const installed = await start(await behind(relay, startSimulated(count)), release);
                const apply = async (what: string) => {
                    samples.add(what, (await installed.apply()).seconds);
                    const traffic = relay.take();
                    if (!wire.some(([known]) => known === what)) wire.push([what, ...perNode(traffic)]);
                };
                try {
                    await apply(`${count} nodes, first install: ${name}`);
                    for (let run = 0; run < unchanged; run++) await apply(`${count} nodes, unchanged: ${name}`);
                } finally {
                    installed.forget();
                    await relay.close();
                }
            }
        }
        bench.print(
            `seconds at ${roundTrip} ms, on ${count} simulated nodes, archive: ${about}; median (min to max)`,
            table(
                ["measurement", "seconds"],
                samples.spreads().map(([what, spread]) => [what, spreadOf(spread)]),
            ),
        );
        bench.print(
            "mean per node",
            table(["measurement", "connections", "round trips (estimate)", "kB to the node", "kB back"], wire),
        );
        bench.record(`playbook, ${count} nodes`, { seconds: samples.spreads(), wire });

        for (const [what, times] of targets.filter(([what]) => what.startsWith(`${count} `))) {
            const [component, minimum, playbook] = ["component", "minimum", "playbook"].map((name) =>
                samples.median(`${what}: ${name}`),
            ) as [number, number, number];
            bench.target(
                `compared with the playbook at ${roundTrip} ms: ${what}`,
                `≥ ${times} × faster`,
                `${(playbook / component).toFixed(1)} × (${seconds(component)} s, ${seconds(playbook)} s), the minimum ${(playbook / minimum).toFixed(1)} ×`,
                playbook / component >= times,
            );
        }
    }
}

const perNode = (traffic: Traffic[]): string[] => {
    const mean = (value: (node: Traffic) => number) =>
        traffic.reduce((sum, node) => sum + value(node), 0) / traffic.length;
    const counts = [mean(({ connections }) => connections), mean(({ roundTrips }) => roundTrips)];
    const bytes = [mean(({ bytesUp }) => bytesUp), mean(({ bytesDown }) => bytesDown)];
    return [...counts.map((count) => count.toFixed(1)), ...bytes.map(kilobytes)];
};

interface Tool {
    apply(): Promise<Ran>;
    forget(): void;
}

/** The same resources without the component, whose commands only download and unpack the archive. */
const withMinimum = (nodes: Nodes, release: Release) =>
    withPulumi(
        "bare",
        kataArguments(nodes, release, { kubernetes: true, create: { stage: unpack(release, version) } }),
    );

async function withPulumi(program: string, args: object): Promise<Tool> {
    const project = await Project.create(program);
    project.arguments = args;
    return {
        apply: () => project.up(),
        // The nodes are removed too, so there is nothing to destroy.
        forget: () => project.forget(),
    };
}

async function withPlaybook(ansible: string, nodes: Nodes, release: Release): Promise<Tool> {
    const folder = mkdtempSync(join(tmpdir(), "kata-bench-"));
    const hosts = Object.entries(nodes).map(([name, { host, port, user, privateKeyFile }]) => [
        name,
        { ansible_host: host, ansible_port: port, ansible_user: user, ansible_ssh_private_key_file: privateKeyFile },
    ]);
    const url = archiveUrl(release, version);
    const vars = {
        url,
        archive: `/tmp/releases/${basename(url)}`,
        sha256: release.sha256.amd64,
        configuration: join(checkout, "tests/fixtures/kata-config/configuration-qemu-3.32.0.toml"),
        ansible_python_interpreter: "/usr/bin/python3",
    };
    writeFileSync(join(folder, "inventory.json"), JSON.stringify({ all: { hosts: Object.fromEntries(hosts), vars } }));
    const env = {
        ...process.env,
        ANSIBLE_FORKS: `${hosts.length}`,
        ANSIBLE_PIPELINING: "true",
        ANSIBLE_HOST_KEY_CHECKING: "false",
        ANSIBLE_SSH_ARGS: "-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null",
        ANSIBLE_SSH_CONTROL_PATH_DIR: join(folder, "cp"),
        ANSIBLE_HOME: folder,
    };
    const playbook = ["-i", join(folder, "inventory.json"), join(__dirname, "playbook/site.yml")];
    return {
        apply: () => run(join(ansible, "ansible-playbook"), playbook, { env }),
        forget: () => rmSync(folder, { recursive: true }),
    };
}
