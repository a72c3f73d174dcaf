// The status of a node, which is the last line of output of its activate command.

import type { NodeStatus } from "../args";

export function parseNodeStatus(node: string, stdout: string): NodeStatus {
    const line = stdout.trimEnd().split("\n").at(-1)!;
    const status: NodeStatus | undefined = parse(line);
    if (status === undefined) {
        throw new Error(
            `node ${node}: the output of its -activate resource must end with its status in JSON, but ends with: ${line.slice(0, 200)}; remove what prints it, such as a logout file of the login shell, then replace that resource: pulumi up --replace URN (pulumi stack --show-urns lists the URNs)`,
        );
    }
    const { kataVersions, distribution, containerRuntimeVersion, cgroupDriver, kvm, sandboxes, verified } = status;
    return { kataVersions, distribution, containerRuntimeVersion, cgroupDriver, kvm, sandboxes, verified };
}

function parse(line: string): NodeStatus | undefined {
    try {
        const status = JSON.parse(line);
        return typeof status.kataVersions === "object" && typeof status.sandboxes === "object" ? status : undefined;
    } catch {
        return undefined;
    }
}
