// The network traffic of one node, counted by a relay in front of it and by its sshd.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench";
import { behind, kataArguments, startSimulated } from "./nodes";
import { Project } from "./project";
import { Relay } from "./relay";
import { kilobytes, seconds, table } from "./statistics";

export async function benchWire(bench: Bench): Promise<void> {
    bench.say("Network traffic of one node");
    const nodes = startSimulated(1);
    const log = join(Object.values(nodes)[0]!.folder, "var-lib/sshd.log");
    const sessions = () => readFileSync(log, "utf8").split("Starting session").length - 1;
    const { release, about } = bench.archive("small");

    const rows: string[][] = [];
    const connections: { [action: string]: number } = {};
    for (const roundTrip of [0, 20, 100]) {
        const relay = new Relay(roundTrip);
        const project = await Project.create("kata");
        try {
            const relayed = await behind(relay, nodes);
            const setArguments = (more: object) => {
                project.arguments = kataArguments(relayed, release, more);
            };
            const measure = async (action: string, run: () => Promise<{ seconds: number }>) => {
                const before = sessions();
                const took = (await run()).seconds;
                const [traffic] = relay.take();
                const commands = sessions() - before;
                connections[action] = traffic!.connections;
                rows.push([
                    action,
                    `${roundTrip} ms`,
                    ...[traffic!.connections, commands, traffic!.roundTrips].map(String),
                    ...[traffic!.bytesUp, traffic!.bytesDown].map(kilobytes),
                    seconds(took),
                ]);
                bench.record(`wire, ${action}, ${roundTrip} ms`, { ...traffic, commands, seconds: took });
            };
            setArguments({ version: "3.31.0" });
            await measure("first install", () => project.up());
            await measure("unchanged", () => project.up());
            setArguments({ version: "3.31.0", drift: "warn" });
            await measure("unchanged, probed", () => project.preview());
            setArguments({ version: "3.31.0", debug: true });
            await measure("debug toggle", () => project.up());
            setArguments({ debug: true });
            await measure("version change", () => project.up());
            await measure("destroy", () => project.destroy());
        } finally {
            project.forget();
            await relay.close();
        }
    }
    rows.sort(([a], [b]) => actions.indexOf(a!) - actions.indexOf(b!));
    bench.print(
        `\`pulumi up\` on one simulated node (\`unchanged, probed\`: \`pulumi preview\`; \`destroy\`: \`pulumi destroy\`); the archive (${about}) does not pass the relay`,
        table(
            [
                "measurement",
                "latency",
                "connections",
                "commands",
                "round trips (estimate)",
                "kB to the node",
                "kB back",
                "s in total",
            ],
            rows,
        ),
    );
    const counted = ["first install", "debug toggle", "unchanged", "unchanged, probed"].map(
        (action) => connections[action]!,
    );
    bench.target(
        "connections to one node, one of them in a first install for the RuntimeClass: first install / change of configuration / unchanged / probed",
        "4 / 1 / 0 / 1",
        counted.join(" / "),
        counted.join() === "4,1,0,1",
    );
}

const actions = ["first install", "unchanged", "unchanged, probed", "debug toggle", "version change", "destroy"];
