// One real node, phase by phase, and beside it the floor: what the same work takes without us.

import type { HostChecks } from "../src";
import { activate, deactivate, stage, unstage } from "../src/node/commands";
import { makePlan } from "../src/plan";
import type { Bench } from "./bench";
import type { BenchNode, Release } from "./nodes";
import { addPhases, mark, type Phases, phases, timedProgram } from "./phases";
import { run } from "./run";
import { Samples, seconds, spreadOf, table } from "./statistics";

const owner = "bench/bench/bench/bench";

export async function benchNode(bench: Bench): Promise<void> {
    const [name, node] = Object.entries(bench.nodes).find(([name]) => bench.containerd(name).startsWith("2."))!;
    bench.say(`One node (${name}, containerd ${bench.containerd(name)}), phase by phase`);
    for (const [size, rounds] of [
        ["small", bench.rounds],
        ["large", Math.min(3, bench.rounds)],
    ] as const) {
        await oneSize(bench, node, size, rounds);
    }
}

async function oneSize(bench: Bench, node: BenchNode, size: "small" | "large", rounds: number): Promise<void> {
    const { release, about } = bench.archive(size);
    const program = timedProgram();
    const plan = (version: string, debug = false) =>
        makePlan({ version, release, qemu: { debug }, hostChecks: "warn" as HostChecks });
    const old = plan("3.31.0");
    const [planned, debug] = [plan("3.32.0"), plan("3.32.0", true)];

    const totals = new Samples();
    const each: { [action: string]: { [phase: string]: Samples } } = {};
    const timed = async (action: string, ...commands: [text: string, input?: string][]) => {
        const took: Phases = {};
        let all = 0;
        for (const [text, input] of commands) {
            await ssh(node, "sync");
            const began = Date.now() / 1000;
            const { output, seconds } = await ssh(node, `${mark("connected")}\n${text}`, input);
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
        await floor(node, totals, release);
        await timed("first install: Release", [stage(old, owner, program), program.packed]);
        await timed("first install: Runtime", [activate(old, owner, program)]);
        await timed(
            "the same again, by force",
            [stage(old, owner, program), program.packed],
            [activate(old, owner, program)],
        );
        await timed("version change: Release", [stage(planned, owner, program), program.packed]);
        await timed("version change: Runtime", [activate(planned, owner, program)]);
        await timed("debug toggle", [activate(debug, owner, program)]);
        await timed("destroy", [deactivate(debug, owner)], [unstage(owner)]);
    }

    const actions = Object.keys(each);
    bench.print(
        `${size} archive: ${about}; seconds, medians of ${rounds} runs (an unchanged \`up\` does not connect at all)`,
        table(
            ["phase", ...actions],
            phases.map((phase) => [phase, ...actions.map((action) => seconds(each[action]![phase]!.median(phase)))]),
        ),
    );
    bench.print(
        "in all, and the floor: median (min to max)",
        table(
            ["what", "seconds"],
            totals.spreads().map(([what, spread]) => [what, spreadOf(spread)]),
        ),
    );
    bench.record(`node, ${size} archive`, {
        totals: totals.spreads(),
        phases: actions.map((action) => [action, Object.values(each[action]!).flatMap((samples) => samples.spreads())]),
    });

    const [stageTook, unpack] = [totals.median("first install: Release"), totals.median(floors.unpack)];
    const [runtimeTook, restart] = [totals.median("first install: Runtime"), totals.median(floors.restart)];
    bench.target(
        `Release against \`curl | zstd -d | tar x\`, ${size} archive`,
        "≤ 1.10 × + 1 s",
        `${seconds(stageTook)} s = ${(stageTook / unpack).toFixed(2)} ×, or 1.10 × ${stageTook > 1.1 * unpack ? "+" : "-"} ${seconds(Math.abs(stageTook - 1.1 * unpack))} s; synced floor: ${(stageTook / totals.median(floors.synced)).toFixed(2)} ×`,
        stageTook <= 1.1 * unpack + 1,
    );
    bench.target(
        `Runtime against one containerd restart until CRI answers, ${size} archive`,
        "≤ + 1 s",
        `${seconds(restart)} + ${seconds(runtimeTook - restart)} s`,
        runtimeTook <= restart + 1,
    );
}

const floors = {
    ssh: "floor: a bare ssh command",
    download: "floor: curl",
    sum: "floor: curl | sha256sum",
    unpack: "floor: curl | zstd -d | tar x",
    synced: "floor: curl | zstd -d | tar x, then sync",
    restart: "floor: containerd restart until CRI answers",
};

async function floor(node: BenchNode, totals: Samples, release: Release): Promise<void> {
    totals.add(floors.ssh, (await ssh(node, "true")).seconds);
    const url = release.url.replaceAll("{version}", "3.31.0").replace("{archive}", "kata-static-3.31.0-amd64.tar.zst");
    const script = `
        now() { date +%s.%N; }
        since() { echo "$(now) $1" | awk '{ printf "%.3f ", $1 - $2 }'; }
        sync; t=$(now); curl -fsSL ${url} >/dev/null; since $t
        t=$(now); curl -fsSL ${url} | sha256sum >/dev/null; since $t
        mkdir /opt/floor; sync; t=$(now); curl -fsSL ${url} | zstd -dc | tar -C /opt/floor -xf -; since $t
        sync -f /opt/floor; since $t
        rm -r /opt/floor; sync
        t=$(now); systemctl restart containerd
        until ctr plugins ls 2>/dev/null | awk '$2 == "cri" && $NF == "ok" { ok = 1 } END { exit !ok }'; do sleep 0.02; done
        since $t`;
    const { output } = await ssh(node, script);
    const [download, sum, unpack, synced, restart] = output.trim().split(/\s+/).map(Number);
    totals.add(floors.download, download!);
    totals.add(floors.sum, sum!);
    totals.add(floors.unpack, unpack!);
    totals.add(floors.synced, synced!);
    totals.add(floors.restart, restart!);
}

const ssh = ({ host, port, user, privateKeyFile }: BenchNode, command: string, input?: string) => {
    const options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
    const where = ["-i", privateKeyFile, "-p", `${port}`, `${user}@${host}`];
    return run("ssh", [...options.flatMap((option) => ["-o", option]), ...where, command], { input });
};
