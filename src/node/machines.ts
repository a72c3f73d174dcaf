// Two components must not manage the same handler of a machine.

import type { Output, Resource } from "@pulumi/pulumi";
import { entryPath } from "../check/checks";
import { lateError } from "../check/errors";
import { currentRun } from "../run";
import { knownValue } from "./probe";
import type { Endpoint } from "./ssh";

/**
 * Rejects if another component of the program manages one of the handlers on one of the machines. If all handlers are the same,
 * the nodes could not tell: they take the second component for the first one under another name.
 */
export async function refuseSharedMachines(
    name: string,
    component: Resource,
    endpoints: { [node: string]: Output<Endpoint> },
    ownHandlers: Output<string[]>,
): Promise<void> {
    const { machines } = currentRun();
    const urn = await knownValue(component.urn);
    const handlers = await knownValue(ownHandlers);
    const nodes = Object.entries(endpoints).map(async ([node, output]) => ({ node, known: await knownValue(output) }));
    const problems = (await Promise.all(nodes)).flatMap(({ node, known }) => {
        if (!known || !urn || !handlers) return [];
        const { host, port, proxy } = known;
        const address = JSON.stringify([host, port, proxy?.host, proxy?.port]);
        const managers = machines.get(address) ?? [];
        machines.set(address, [...managers, { urn, node, handlers }]);
        return managers.flatMap((other) => {
            const shared = handlers.find((handler) => other.handlers.includes(handler));
            if (other.urn === urn || shared === undefined) return [];
            const path = `${entryPath("nodes", node)}.connection`;
            const reason = `has the same address as ${JSON.stringify(other.node)} of ${other.urn}, which has the handler ${shared} too: set another handler in runtimeClasses of one of the two components, or remove the machine from it`;
            return { path, reason };
        });
    });
    if (problems.length > 0) throw lateError(name, problems);
}
