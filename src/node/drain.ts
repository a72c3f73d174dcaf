// Drains a node for the change of its cgroup driver, with two commands that run kubectl: one cordons the node and evicts its
// pods before it is activated, the other uncordons it afterwards. On removal they swap roles.

import { createHash } from "node:crypto";
import { local, remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Drain } from "../args";
import type { Environment } from "../check/validate";
import { withoutNull } from "../plan";
import { asRoot, oneLine, quote } from "./commands";
import { endpoint } from "./connection";
import { commandArgs, commandOptions, type NodeContext } from "./resources";

// The cgroup driver that the component requests, on each node. The label resource sets it after the node is activated. If
// `rollout.drain` is removed, an update removes it before Pulumi deletes the commands, so that these do nothing on a node that stays.
const driverAnnotation = "kata-containers/cgroup-driver-";
const cordonAnnotation = "kata-containers/cordoned-";

/** Ends the names of annotations: each component that manages a node has its own. */
const sumOf = (owner: string) => createHash("sha256").update(owner).digest("hex").slice(0, 12);

/** The annotation for the label of a node that is drained. */
export const driverNote = ({ planAndOwner }: NodeContext) =>
    planAndOwner.apply(([{ cgroupDriver }, owner]): { [annotation: string]: string } =>
        cgroupDriver ? { [driverAnnotation + sumOf(owner)]: cgroupDriver } : {},
    );

// Some distributions have a kubectl of their own, which finds its kubeconfig by itself or is told.
const ownKubectls = [
    "/var/lib/rancher/rke2/bin/kubectl --kubeconfig=/etc/rancher/rke2/rke2.yaml",
    "k3s kubectl",
    "k0s kubectl",
    "/snap/bin/microk8s kubectl",
];

// The kubeconfig comes on standard input. An annotation marks the nodes that this script cordons, so that other nodes stay
// cordoned, and those that another component has cordoned too. The drain is skipped if the kubelet reports that it already uses
// the requested driver. Without a requested driver, the node only changes if one was requested until now.
export const drainScript = `
set -eu
action=$1 node=$2 driver=$3 timeout=$4 cordoned=${cordonAnnotation}$5
config=
trap 'rm -f "$config"' EXIT
trap 'exit 1' HUP INT PIPE TERM
config=$(mktemp)
cat >"$config"
if [ -s "$config" ]; then export KUBECONFIG="$config"
elif ! command -v kubectl >/dev/null; then
    for own in ${ownKubectls.map(quote).join(" ")} kubectl; do ! command -v "\${own%% *}" >/dev/null || break; done
    kubectl() { command $own "$@"; }
elif [ -z "\${KUBECONFIG-}" ] && [ -r /etc/kubernetes/admin.conf ]; then export KUBECONFIG=/etc/kubernetes/admin.conf; fi
of_node() { kubectl get node "$node" --ignore-not-found -o "$1"; }
annotation() { of_node "jsonpath={.metadata.annotations.$1}"; }
cordons() { of_node 'jsonpath={.metadata.annotations}' | grep -o '${cordonAnnotation}[0-9a-f]*' || :; }
found=$(of_node name)
[ -n "$found" ] || { echo "skipping node $node: it does not exist in the cluster"; exit 0; }
if [ "$action" = uncordon ]; then
    [ "$(annotation "$cordoned")" = true ] || exit 0
    [ "$(cordons)" != "$cordoned" ] || kubectl uncordon "$node"
    kubectl annotate node "$node" "$cordoned-"
    exit
fi
if [ -z "$driver" ] && [ -z "$(annotation "${driverAnnotation}$5")" ]; then
    echo "skipping drain of $node: its cgroup driver does not change"
    exit
fi
if kubectl get --raw "/api/v1/nodes/$node/proxy/configz" | grep -q "\\"cgroupDriver\\":\\"$driver\\""; then
    echo "skipping drain of $node: its cgroup driver is already $driver"
    exit
fi
if [ "$(of_node 'jsonpath={.spec.unschedulable}')" != true ] || [ -n "$(cordons)" ]; then
    kubectl annotate --overwrite node "$node" "$cordoned=true"
    kubectl cordon "$node"
fi
kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout="\${timeout}s" || {
    echo "error: node $node could not be drained (timeout: $timeout s); it stays cordoned" >&2
    echo "  what to do: delete the pods that kubectl names above, then run pulumi again; or give up the change: kubectl uncordon $node; kubectl annotate node $node $cordoned-" >&2
    exit 1; }`;

/** The command that drains or uncordons the node, after `dependsOn`. */
export function drainCommand(
    action: "drain" | "uncordon",
    { name, node, planAndOwner, options }: NodeContext,
    given: Drain,
    environment: Environment,
    dependsOn: pulumi.Resource[],
): pulumi.Resource {
    const { kubeconfig, controlPlane, ...drain } = withoutNull(given);
    const inputs = pulumi.all([planAndOwner, drain.timeout ?? 600]);
    const run = (action: string, driver: string, timeout: number, owner: string) =>
        ["sh", "-c", oneLine(drainScript), "kata-containers", action, node, driver, String(timeout), sumOf(owner)]
            .map(quote)
            .join(" ");
    const args = {
        ...commandArgs,
        create: inputs.apply(([[plan, owner], timeout]) => run(action, plan.cgroupDriver ?? "", timeout, owner)),
        delete: inputs.apply(([[, owner], timeout]) =>
            run(action === "drain" ? "uncordon" : "drain", "", timeout, owner),
        ),
    };
    const opts = { ...options, ...commandOptions, dependsOn };
    if (controlPlane === undefined) {
        return new local.Command(`${name}-${node}-${action}`, { ...args, stdin: pulumi.secret(kubeconfig!) }, opts);
    }
    const connection = endpoint(name, "rollout.drain.controlPlane", controlPlane, environment);
    const runAsRoot = (text: pulumi.Output<string>) =>
        pulumi.interpolate`sh -c ${quote(asRoot)} kata-containers ${text}`;
    return new remote.Command(
        `${name}-${node}-${action}`,
        { ...args, connection, create: runAsRoot(args.create), delete: runAsRoot(args.delete) },
        opts,
    );
}
