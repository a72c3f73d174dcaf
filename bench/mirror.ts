// First installs from one mirror: how much of the time its line is the limit.

import type { Bench } from "./bench";
import { kataArguments, startSimulated } from "./nodes";
import { Project, unsaved } from "./project";
import { Relay } from "./relay";
import { megabytes, seconds, table } from "./statistics";

const count = 10;

/** In Mbit/s. The nodes, which share the processors of this machine, are slower than the first one. */
const lines = [{ line: 1000 }, { line: 100 }, { line: 100, maxParallelDownloads: 2 }];

export async function benchMirror(bench: Bench): Promise<void> {
    bench.say("One mirror for all nodes");
    const { release, about } = bench.archive("small");
    const url = new URL(release.url.replace(/\{.*/, ""));
    const rows: string[][] = [];
    for (const { line, maxParallelDownloads } of lines) {
        const bytesPerSecond = (line * 1e6) / 8;
        const relay = new Relay(0, bytesPerSecond);
        const port = await relay.before(url.hostname, Number(url.port));
        const project = await Project.create("kata", unsaved);
        try {
            const nodes = startSimulated(count);
            const through = { ...release, url: release.url.replace(url.host, `127.0.0.1:${port}`) };
            const rollout = { maxUnavailable: count, maxParallelDownloads };
            project.arguments = kataArguments(nodes, through, { rollout });
            const install = await project.up();
            const bytes = relay.take()[0]!.bytesDown;
            rows.push([
                `${line} Mbit/s${maxParallelDownloads ? `, \`maxParallelDownloads: ${maxParallelDownloads}\`` : ""}`,
                megabytes(bytes),
                seconds(bytes / bytesPerSecond),
                seconds(install.seconds),
            ]);
            bench.record(`mirror, ${line} Mbit/s, ${maxParallelDownloads}`, { install, bytes });
        } finally {
            project.forget();
            await relay.close();
        }
    }
    bench.print(
        `first \`up\` of ${count} simulated nodes; archive: ${about}`,
        table(["line of the mirror", "MB from the mirror", "s, the line alone", "s in total"], rows),
    );
}
