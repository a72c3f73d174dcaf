// Drains a node for the change of its cgroup driver, with two commands that run kubectl: one cordons the node and evicts its
// pods before it is activated, the other uncordons it afterwards. On removal they swap roles.

import { local, remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Drain } from "../args";
import type { Environment } from "../check/validate";
import { withoutNull } from "../plan";
import { asRoot, oneLine, quote } from "./commands";
import { endpoint } from "./connection";
import { commandArgs, commandOptions, type NodeContext } from "./resources";

// The requested cgroup driver, on each node. The label resource sets it after the node is activated. If `rollout.drain` is removed,
// an update removes it before Pulumi deletes the commands, so that these do nothing on a node that stays.
const driverAnnotation = "kata-containers/cgroup-driver";

/** The annotation for the label of a node that is drained. */
export const driverNote = ({ planAndOwner }: NodeContext) =>
    planAndOwner.apply(([{ cgroupDriver }]): { [annotation: string]: string } =>
        cgroupDriver ? { [driverAnnotation]: cgroupDriver } : {},
    );

// The kubeconfig comes on standard input. An annotation marks the nodes that this script cordons, so that other nodes stay
// cordoned. The drain is skipped if the kubelet reports that it already uses the requested driver. Without a requested driver,
// the node only changes if one was requested until now.
export const drainScript = `
set -eu
action=$1 node=$2 driver=$3 timeout=$4
config=
trap 'rm -f "$config"' EXIT
trap 'exit 1' HUP INT PIPE TERM
config=$(mktemp)
cat >"$config"
if [ -s "$config" ]; then export KUBECONFIG="$config"
elif [ -z "\${KUBECONFIG-}" ] && [ -r /etc/kubernetes/admin.conf ]; then export KUBECONFIG=/etc/kubernetes/admin.conf; fi
of_node() { kubectl get node "$node" --ignore-not-found -o "$1"; }
annotation() { of_node "jsonpath={.metadata.annotations.$1}"; }
found=$(of_node name)
[ -n "$found" ] || { echo "skipping node $node: it does not exist in the cluster"; exit 0; }
if [ "$action" = uncordon ]; then
    [ "$(annotation kata-containers/cordoned)" = true ] || exit 0
    kubectl uncordon "$node"
    kubectl annotate node "$node" kata-containers/cordoned-
    exit
fi
if [ -z "$driver" ] && [ -z "$(annotation ${driverAnnotation})" ]; then
    echo "skipping drain of $node: its cgroup driver does not change"
    exit
fi
if kubectl get --raw "/api/v1/nodes/$node/proxy/configz" | grep -q "\\"cgroupDriver\\":\\"$driver\\""; then
    echo "skipping drain of $node: its cgroup driver is already $driver"
    exit
fi
if [ "$(of_node 'jsonpath={.spec.unschedulable}')" != true ]; then
    kubectl annotate --overwrite node "$node" kata-containers/cordoned=true
    kubectl cordon "$node"
fi
kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout="\${timeout}s" || {
    echo "error: node $node could not be drained (timeout: $timeout s); it stays cordoned" >&2
    echo "  what to do: delete the pods that kubectl names above, then run pulumi again; or give up the change: kubectl uncordon $node; kubectl annotate node $node kata-containers/cordoned-" >&2
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
    const run = (action: string, driver: string, timeout: number) =>
        ["sh", "-c", oneLine(drainScript), "kata-containers", action, node, driver, String(timeout)]
            .map(quote)
            .join(" ");
    const args = {
        ...commandArgs,
        create: inputs.apply(([[plan], timeout]) => run(action, plan.cgroupDriver ?? "", timeout)),
        delete: inputs.apply(([, timeout]) => run(action === "drain" ? "uncordon" : "drain", "", timeout)),
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
