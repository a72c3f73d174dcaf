// One real node, phase by phase, compared with the minimum: the same work without this package.

import type { HostChecks } from "../src";
import { activate, deactivate, probe, send, stage, unstage } from "../src/node/commands";
import { makePlan } from "../src/plan";
import type { Bench } from "./bench";
import { archiveUrl, type BenchNode, type Release, unpack } from "./nodes";
import { addPhases, connected, type Phases, phases, timedProgram, uptime } from "./phases";
import { run } from "./run";
import { Samples, seconds, spreadOf, table } from "./statistics";

export async function benchNode(bench: Bench): Promise<void> {
    const name = Object.keys(bench.nodes).find((name) => bench.containerd(name).startsWith("2."))!;
    bench.say(`One node (${name}, containerd ${bench.containerd(name)}), phase by phase`);
    for (const [size, rounds] of [
        ["small", bench.rounds],
        ["large", Math.min(3, bench.rounds)],
    ] as const) {
        await oneSize(bench, name, size, rounds);
    }
}

async function oneSize(bench: Bench, name: string, size: "small" | "large", rounds: number): Promise<void> {
    const node = bench.nodes[name]!;
    const claim = { owner: "bench/bench/bench/bench", node: name };
    const { release, about } = bench.archive(size);
    const program = timedProgram();
    const sending: [text: string, input: Buffer] = [send(program), program.packed];
    const plan = (version: string, debug = false) =>
        makePlan({ version, release, debug, hostChecks: "warn" as HostChecks });
    const old = plan(version);
    const [planned, debug] = [plan("3.32.0"), plan("3.32.0", true)];

    const totals = new Samples();
    const each: { [action: string]: { [phase: string]: Samples } } = {};
    const timed = async (action: string, ...commands: [text: string, input?: Buffer][]) => {
        const took: Phases = {};
        let all = 0;
        for (const [text, input] of commands) {
            await ssh(node, "sync");
            const began = uptime();
            const { output, seconds } = await ssh(node, `${connected}\n${text}`, input);
            addPhases(took, output, began, began + seconds);
            all += seconds;
        }
        totals.add(action, all);
        each[action] ??= {};
        for (const phase of phases) {
            each[action][phase] ??= new Samples();
            each[action][phase].add(phase, took[phase] ?? 0);
        }
    };

    for (let round = 0; round < rounds; round++) {
        await measureMinimum(node, totals, release);
        await timed("first install: stage", sending, [stage(old, claim, program)]);
        await timed("first install: activate", [activate(old, claim, program)]);
        await timed("unchanged, run anyway", sending, [stage(old, claim, program)], [activate(old, claim, program)]);
        totals.add(probing, await processorTime(node, probe(program, claim, ["kata-qemu"])));
        totals.add(minimum.probe, await processorTime(node, questions));
        await ssh(node, "sync");
        totals.add(minimum.change, (await ssh(node, change)).seconds);
        await ssh(node, `rm ${bareRuntime}; ${restart}`);
        totals.add(
            minimum.again,
            (await unpackAndSync(node, release)).reduce((sum, seconds) => sum + seconds),
        );
        await timed("version change: stage", sending, [stage(planned, claim, program)]);
        await timed("version change: activate", [activate(planned, claim, program)]);
        await timed("debug toggle", [activate(debug, claim, program)]);
        await timed("destroy", [deactivate(debug, claim)], [unstage(claim)]);
    }

    const actions = Object.keys(each);
    bench.print(
        `${size} archive: ${about}; seconds, medians of ${rounds} runs (an unchanged \`up\` opens no connection)`,
        table(
            ["phase", ...actions],
            phases.map((phase) => [phase, ...actions.map((action) => seconds(each[action]![phase]!.median(phase)))]),
        ),
    );
    bench.print(
        "totals and minimum: median (min to max)",
        table(
            ["measurement", "seconds"],
            totals.spreads().map(([what, spread]) => [what, spreadOf(spread)]),
        ),
    );
    bench.record(`node, ${size} archive`, {
        totals: totals.spreads(),
        phases: actions.map((action) => [action, Object.values(each[action]!).flatMap((samples) => samples.spreads())]),
    });

    const [stageTook, synced] = [totals.median("first install: stage"), totals.median(minimum.synced)];
    const [activateTook, restarted] = [totals.median("first install: activate"), totals.median(minimum.restart)];
    const waited = each["first install: activate"]!.wait!.median("wait");
    const leastChange = totals.median(minimum.change) + waited;
    const more = stageTook - 1.05 * synced;
    bench.target(
        `stage, compared with \`curl | zstd -d | tar x\` and sync, ${size} archive`,
        "≤ 1.05 × + 0.5 s",
        `${seconds(stageTook)} s = 1.05 × ${more < 0 ? "-" : "+"} ${seconds(Math.abs(more))} s`,
        more <= 0.5,
    );
    const again = totals.median("version change: stage") / stageTook;
    const disk = totals.median(minimum.again) / synced;
    bench.target(
        `stage in a version change, compared with the first install, ${size} archive`,
        "≤ 1 ×",
        `${again.toFixed(2)} ×, the minimum ${disk.toFixed(2)} ×`,
        again <= 1,
    );
    bench.target(
        `activate, compared with a containerd restart until CRI answers, ${size} archive`,
        "≤ + 0.7 s",
        `${seconds(restarted)} + ${seconds(activateTook - restarted)} s, the minimum ${seconds(leastChange - restarted)} s, both with ${seconds(waited)} s until the kubelet reports the runtime`,
        activateTook <= restarted + 0.7,
    );
    const probed = totals.median(probing);
    const least = seconds(totals.median(minimum.probe));
    bench.target(
        `${probing} on a node`,
        "≤ 0.04 s",
        `${seconds(probed)} s, its questions alone ${least} s`,
        probed <= 0.04,
    );
}

const version = "3.31.0";
const probing = "processor time of a probe";

/** What a probe cannot do without: its own program, the services, containerd's configuration, the release and the Node. */
export const questions = `
    cd /var/lib/kata-containers-node; sha256sum node.sh; sh -n node.sh
    systemctl is-active kubelet; systemctl show -p MainPID kubelet
    containerd config dump 2>&1
    find -L /opt/kata -exec stat -c '%n %s %Y' {} +
    curl -sk "$(sed -n 's/.*server: //p' /etc/kubernetes/kubelet.conf)/api/v1/nodes/$(uname -n)"`;

const restart = `
    systemctl restart containerd
    until ctr plugins ls 2>/dev/null | awk '$2 == "cri" && $NF == "ok" { ok = 1 } END { exit !ok }'; do sleep 0.02; done`;

const bareRuntime = "/etc/containerd/conf.d/bare.toml";

/** What a change cannot do without: the questions before and after it, a file on the disk and containerd's restart. */
const change = `
    ask() { ${questions}
        curl -s http://127.0.0.1:10248/healthz; } >/dev/null
    ask
    cat >${bareRuntime} <<TOML
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.bare]
runtime_type = "io.containerd.runc.v2"
TOML
    sync ${bareRuntime} /etc/containerd/conf.d
    ${restart}
    ask`;

/** Of all programs of the script, from the second line of the output of `times`, such as `0m0.120s 0m0.310s`. */
async function processorTime(node: BenchNode, script: string): Promise<number> {
    const { output } = await ssh(node, `set -e; (${script}) >/dev/null; times`);
    const times = output
        .trim()
        .split("\n")
        .at(-1)!
        .matchAll(/(\d+)m([\d.]+)s/g);
    return [...times].reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

const minimum = {
    ssh: "minimum: an ssh command that does nothing",
    download: "minimum: curl",
    sum: "minimum: curl | sha256sum",
    unpack: "minimum: curl | zstd -d | tar x",
    synced: "minimum: curl | zstd -d | tar x, then sync",
    again: "minimum: unpacking and sync before the version change",
    restart: "minimum: containerd restart until CRI answers",
    probe: "minimum: processor time of the questions of a probe",
    change: "minimum: the questions before and after a change, a file, the restart",
};

async function measureMinimum(node: BenchNode, totals: Samples, release: Release): Promise<void> {
    totals.add(minimum.ssh, (await ssh(node, "true")).seconds);
    const url = archiveUrl(release, version);
    const [download, sum] = await clocked(
        node,
        `sync; start; curl -fsSL ${url} >/dev/null; lap; start; curl -fsSL ${url} | sha256sum >/dev/null; lap`,
    );
    totals.add(minimum.download, download!);
    totals.add(minimum.sum, sum!);
    const [unpacked, flushed] = await unpackAndSync(node, release);
    totals.add(minimum.unpack, unpacked!);
    totals.add(minimum.synced, unpacked! + flushed!);
    const [restarted] = await clocked(node, `start; ${restart}\n lap`);
    totals.add(minimum.restart, restarted!);
}

const unpackAndSync = (node: BenchNode, release: Release) =>
    clocked(
        node,
        `sync; start; ${unpack(release, version)}; lap; start; sync -f /opt/minimum; lap; rm -r /opt/minimum; sync`,
    );

/** The seconds from each `start` to the `lap` after it. */
async function clocked(node: BenchNode, script: string): Promise<number[]> {
    const functions = `
        start() { began=$(date +%s.%N); }
        lap() { echo "$(date +%s.%N) $began" | awk '{ printf "%.3f ", $1 - $2 }'; }`;
    const { output } = await ssh(node, `${functions}\n${script}`);
    return output.trim().split(/\s+/).map(Number);
}

const ssh = ({ host, port, user, privateKeyFile }: BenchNode, command: string, input?: Buffer) => {
    const options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
    const where = ["-i", privateKeyFile, "-p", `${port}`, `${user}@${host}`];
    return run("ssh", [...options.flatMap((option) => ["-o", option]), ...where, command], { input });
};
