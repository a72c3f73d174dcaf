// What a node says of itself, in the last line that its Runtime command prints.

import type { NodeStatus } from "../args";

export function parseNodeStatus(node: string, stdout: string): NodeStatus {
    const line = stdout.trimEnd().split("\n").at(-1)!;
    const status: NodeStatus | undefined = parse(line);
    if (status === undefined) {
        throw new Error(`node ${node}: its last line must be its status as JSON, and is: ${line.slice(0, 200)}`);
    }
    const { kataVersion, containerdVersion, cgroupDriver, kvm, sandboxes } = status;
    return { kataVersion, containerdVersion, cgroupDriver, kvm, sandboxes };
}

function parse(line: string): NodeStatus | undefined {
    try {
        const status = JSON.parse(line);
        return typeof status.kataVersion === "string" && typeof status.sandboxes === "object" ? status : undefined;
    } catch {
        return undefined;
    }
}
