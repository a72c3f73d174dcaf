// Nodes without machines: Node objects, and a loop over the Kubernetes API that answers for the kubelets of all of them.

import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { Api, type Call } from "./api";

/** Also for a `nodeSelector`. */
export const nodeLabels = { "bench/node-object": "true", "kubernetes.io/os": "linux" };
const nodePath = "/api/v1/nodes";
const podPath = "/api/v1/pods";
const ofNodes = `labelSelector=${encodeURIComponent("bench/node-object=true")}`;
/** Of the pods of the DaemonSet. */
const ofPods = `labelSelector=${encodeURIComponent("app.kubernetes.io/name=kata-containers")}`;

/** The parts of a pod that a kubelet needs to know. */
export interface Pod {
    metadata: { namespace: string; name: string; deletionTimestamp?: string };
    spec: { nodeName?: string; containers: { name: string; image: string }[] };
    status: { conditions?: { type: string; status: string }[] };
}

/**
 * The next call of a kubelet for a pod of the DaemonSet, if any: its containers are ready as soon as it is scheduled, and stop as soon as
 * it is deleted.
 */
export function kubeletCall({ metadata, spec, status }: Pod): Call | undefined {
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
    if (metadata.deletionTimestamp) return { method: "DELETE", path: `${path}?gracePeriodSeconds=0` };
    if (!spec.nodeName || status.conditions?.some(({ type, status }) => type === "Ready" && status === "True")) return;
    const startedAt = new Date().toISOString();
    const containerStatuses = spec.containers.map(({ name, image }) => ({
        ...{ name, image, imageID: image, containerID: `bench://${name}` },
        ...{ ready: true, started: true, restartCount: 0, state: { running: { startedAt } } },
    }));
    const conditions = ["Initialized", "ContainersReady", "Ready"].map((type) => ({ type, status: "True" }));
    const body = { status: { phase: "Running", startTime: startedAt, conditions, containerStatuses } };
    return { method: "PATCH", path: `${path}/status`, body };
}

/**
 * Kubernetes sees it as a node that does not answer, which the pods of the DaemonSet tolerate. Heartbeats of thousands of nodes would
 * disturb the measurements, and so would its controllers if they had to find that out later.
 */
const nodeObject = (name: string) => ({
    metadata: { name, labels: nodeLabels },
    spec: {
        taints: ["NoSchedule", "NoExecute"].map((effect) => ({ key: "node.kubernetes.io/unreachable", effect })),
    },
    status: {
        allocatable: { cpu: "4", memory: "8Gi", pods: "110" },
        conditions: ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => ({
            ...{ type, status: "Unknown", reason: "NodeStatusUnknown" },
        })),
    },
});

export class NodeObjects {
    private readonly api = new Api();
    private watch: IncomingMessage | undefined;
    private closed = false;

    /** Creates Nodes, which run the pods of a DaemonSet until `close`. */
    static async create(count: number): Promise<NodeObjects> {
        const nodes = new NodeObjects();
        const names = Array.from({ length: count }, (_, i) => `object-${i + 1}`);
        await Promise.all(
            names.map((name) => nodes.api.call({ method: "POST", path: nodePath, body: nodeObject(name) })),
        );
        nodes.run().catch((error) => {
            if (!nodes.closed) console.error(`the Nodes no longer run their pods: ${error.message}`);
        });
        return nodes;
    }

    async close(): Promise<void> {
        this.closed = true;
        this.watch?.destroy();
        await this.api.call({ method: "DELETE", path: `${nodePath}?${ofNodes}` });
        this.api.close();
    }

    private async run(): Promise<void> {
        // A watch ends after a while, or with an error. The next one begins with all pods that the server remembers.
        while (!this.closed) {
            this.watch = await this.api.send({
                method: "GET",
                path: `${podPath}?watch=true&resourceVersion=0&${ofPods}`,
            });
            for await (const line of createInterface(this.watch)) {
                const { type, object } = JSON.parse(line);
                const call = type === "ERROR" ? undefined : kubeletCall(object);
                // 404: deleted meanwhile.
                if (call) this.api.call(call, 404).catch((error) => console.error(error.message));
            }
        }
    }
}
