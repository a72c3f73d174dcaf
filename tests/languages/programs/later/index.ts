import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const privateKey = new pulumi.Config().requireSecret("privateKey");
const first = new KataContainers("first", {
    nodes: { "worker-1": { connection: { host: "192.0.2.11", privateKey } } },
});
// Unknown until the first one is created. It is neither a host nor a Kata version, so only a preview accepts it.
const known = first.nodeStatuses.apply((statuses) => statuses["worker-1"]!.containerRuntimeVersion);
new KataContainers("second", {
    nodes: { "worker-2": { connection: { host: known, port: 2222, privateKey } } },
    version: known,
    runtimeClasses: { "kata-second": { shim: "qemu", labels: { version: known } } },
    rollout: { maxUnavailable: 2 },
});
