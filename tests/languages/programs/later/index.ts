import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const privateKey = new pulumi.Config().requireSecret("privateKey");
const first = new KataContainers("first", {
    nodes: { "worker-1": { connection: { host: "192.0.2.11", privateKey } } },
});
// Known only when the first is there, and then wrong.
const known = first.nodeStatuses.apply((statuses) => statuses["worker-1"]!.containerdVersion);
new KataContainers("second", {
    nodes: { "worker-2": { connection: { host: known, port: 2222, privateKey } } },
    version: known,
    runtimeClass: { name: "kata-second", labels: { version: known } },
    rollout: { maxUnavailable: 2 },
});
