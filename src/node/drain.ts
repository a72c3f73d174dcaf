// Draining a node round the change of its cgroup driver: two commands that run kubectl. The one cordons the node and evicts
// its pods before its Runtime; the other uncordons it after that. On removal they change places.

import { local, remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Drain } from "../args";
import type { Surroundings } from "../check/validate";
import { asRoot, quote } from "./commands";
import { commandConnection } from "./connection";
import { commandArgs, commandOptions, type NodeContext } from "./resources";

// The kubeconfig comes on standard input. A node that was cordoned before stays so: what was cordoned here is marked. There
// is nothing to drain for where the kubelet says that it uses the wanted driver already.
export const drainScript = `
set -eu
action=$1 node=$2 driver=$3 timeout=$4
config=$(mktemp); trap 'rm -f "$config"' EXIT
cat >"$config"
if [ -s "$config" ]; then export KUBECONFIG="$config"
elif [ -z "\${KUBECONFIG-}" ] && [ -r /etc/kubernetes/admin.conf ]; then export KUBECONFIG=/etc/kubernetes/admin.conf; fi
of_node() { kubectl get node "$node" --ignore-not-found -o "$1"; }
[ -n "$(of_node name)" ] || { echo "there is no node $node in the cluster"; exit 0; }
if [ "$action" = uncordon ]; then
    [ "$(of_node 'jsonpath={.metadata.annotations.kata-containers/cordoned}')" = true ] || exit 0
    kubectl uncordon "$node"
    kubectl annotate node "$node" kata-containers/cordoned-
    exit
fi
if kubectl get --raw "/api/v1/nodes/$node/proxy/configz" | grep -q "\\"cgroupDriver\\":\\"$driver\\""; then
    echo "nothing to drain $node for: its cgroup driver is $driver already"
    exit
fi
if [ "$(of_node 'jsonpath={.spec.unschedulable}')" != true ]; then
    kubectl annotate --overwrite node "$node" kata-containers/cordoned=true
    kubectl cordon "$node"
fi
kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout="\${timeout}s" || {
    echo "error: node $node could not be drained within $timeout s, and stays cordoned" >&2
    echo "  what to do: see to the pods named above and run this again, or: kubectl uncordon $node" >&2
    exit 1; }`;

/** The command that drains the node, or that uncordons it, after `dependsOn`. */
export function drainCommand(
    action: "drain" | "uncordon",
    { name, node, asked, options }: NodeContext,
    { kubeconfig, controlPlane, ...drain }: Drain,
    surroundings: Surroundings,
    dependsOn: pulumi.Resource[],
): pulumi.Resource {
    const given = pulumi.all([asked, drain.timeout]);
    const run = (action: string, driver: string, timeout = 600) =>
        ["sh", "-c", drainScript, "kata-containers", action, node, driver, String(timeout)].map(quote).join(" ");
    const args = {
        ...commandArgs,
        create: given.apply(([[plan], timeout]) => run(action, plan.cgroupDriver ?? "", timeout)),
        // What the driver was before is not known here, so removal drains in any case.
        delete: given.apply(([, timeout]) => run(action === "drain" ? "uncordon" : "drain", "", timeout)),
    };
    const opts = { ...options, ...commandOptions, dependsOn };
    if (controlPlane === undefined) {
        return new local.Command(`${name}-${node}-${action}`, { ...args, stdin: pulumi.secret(kubeconfig!) }, opts);
    }
    const connection = commandConnection(name, "rollout.drain.controlPlane", controlPlane, surroundings);
    const rooted = (text: pulumi.Output<string>) => pulumi.interpolate`sh -c ${quote(asRoot)} kata-containers ${text}`;
    return new remote.Command(
        `${name}-${node}-${action}`,
        { ...args, connection, create: rooted(args.create), delete: rooted(args.delete) },
        opts,
    );
}
