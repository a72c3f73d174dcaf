import { KataContainers } from "kata-containers";
import { fromKubespray } from "./fromKubespray";

const kata = new KataContainers("kata", {
    ...fromKubespray("inventory/inventory.ini"),
    rollout: { maxUnavailable: 2 },
});

export const { runtimeClassNames, nodeStatuses } = kata;
