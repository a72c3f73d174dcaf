// `make bench`: measures, prints tables and writes the results as JSON. It asserts nothing about time.
//
//   PARTS    the parts to run; default: all of them
//   ROUNDS   number of runs of short measurements; default: 5
//   RESULTS  the JSON file; default: bench/results.json

import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { resolve } from "node:path";
import { down, inventory, up } from "../tests/support/lab";
import { Bench } from "./bench";
import { benchComponent } from "./component";
import { benchDaemonSet } from "./daemonSet";
import { benchDrift } from "./drift";
import { benchFleet } from "./fleet";
import { benchMirror } from "./mirror";
import { benchNode } from "./node";
import { stopSimulated } from "./nodes";
import { benchPlaybook } from "./playbook";
import { benchProgram } from "./program";
import { checkout, tool } from "./project";
import { stop } from "./run";
import { benchWire } from "./wire";

const parts: { [name: string]: (bench: Bench) => Promise<void> } = {
    node: benchNode,
    wire: benchWire,
    component: benchComponent,
    program: benchProgram,
    drift: benchDrift,
    fleet: benchFleet,
    mirror: benchMirror,
    daemonSet: benchDaemonSet,
    playbook: benchPlaybook,
};
const wanted = process.env.PARTS?.split(/\s+/).filter(Boolean) ?? Object.keys(parts);
const unknown = wanted.filter((part) => !(part in parts));
if (unknown.length > 0) throw new Error(`unknown part in PARTS: ${unknown}; use: ${Object.keys(parts).join(" ")}`);

async function main(): Promise<void> {
    const wasUp = existsSync(`/var/lib/kata-containers-lab/${process.env.LAB_NAME}/inventory.json`);
    up();
    let server: ReturnType<typeof spawn> | undefined;
    try {
        execFileSync("npx", ["tsc"], { cwd: checkout, stdio: ["ignore", 2, 2] });
        const archives = tool("archives");
        const host = new URL(inventory().releases.url.replace(/\{.*/, "")).hostname;
        server = spawn("busybox", ["httpd", "-f", "-p", `${host}:8099`, "-h", archives], { stdio: "inherit" });
        const results = resolve(process.env.RESULTS ?? `${__dirname}/results.json`);
        const bench = new Bench(Number(process.env.ROUNDS ?? 5), archives, `http://${host}:8099`, results);
        console.log(
            `# Bench\n\n${cpus().length} processors (${cpus()[0]!.model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
        );
        const began = performance.now();
        try {
            for (const part of wanted) {
                await parts[part]!(bench);
                // The nodes of the next part are others, and its RuntimeClass would belong to these.
                stopSimulated();
            }
        } finally {
            bench.finish();
        }
        console.log(`\n${((performance.now() - began) / 60000).toFixed(1)} minutes; results: ${results}`);
    } finally {
        server?.kill();
        stopSimulated();
        if (!wasUp) down();
    }
}

// The running program ends with an error, so the blocks `finally` above clean up.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
});
