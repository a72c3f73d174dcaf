// Two components must not manage the same machine.

import type { Output, Resource } from "@pulumi/pulumi";
import { entryPath } from "../check/checks";
import { lateError } from "../check/errors";
import { currentRun } from "../run";
import { knownValue } from "./probe";
import type { Endpoint } from "./ssh";

/**
 * Rejects if another component of the program manages one of the machines. Their nodes could not tell: they take the second
 * component for the first one under another name.
 */
export async function refuseSharedMachines(
    name: string,
    component: Resource,
    endpoints: { [node: string]: Output<Endpoint> },
): Promise<void> {
    const { machines } = currentRun();
    const urn = await knownValue(component.urn);
    const nodes = Object.entries(endpoints).map(async ([node, output]) => ({ node, known: await knownValue(output) }));
    const problems = (await Promise.all(nodes)).flatMap(({ node, known }) => {
        if (!known || !urn) return [];
        const { host, port, proxy } = known;
        const address = JSON.stringify([host, port, proxy?.host, proxy?.port]);
        const other = machines.get(address) ?? { urn, node };
        machines.set(address, other);
        const path = `${entryPath("nodes", node)}.connection`;
        const reason = `has the same address as ${JSON.stringify(other.node)} of ${other.urn}: remove the machine from one of the two components`;
        return other.urn === urn ? [] : [{ path, reason }];
    });
    if (problems.length > 0) throw lateError(name, problems);
}
