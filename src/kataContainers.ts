import * as pulumi from "@pulumi/pulumi";
import type { KataContainersArgs, Node, NodeStatus } from "./args";
import { commandConnection, publicConnection } from "./connection";
import { inputError, lateError } from "./errors";
import { label, release, runtime } from "./nodeResources";
import { parseNodeStatus } from "./nodeStatus";
import { makePlan } from "./plan";
import { readProgram } from "./program";
import { runtimeClass } from "./runtimeClass";
import { problems, settingsProblems } from "./validate";

/**
 * Kata Containers on the nodes of a Kubernetes cluster, reached over SSH.
 *
 * On each node it installs a Kata release beside runc, configures containerd and, where asked, the cgroup driver, and
 * labels the node; then it makes the RuntimeClass. Pods that name it as `runtimeClassName` run in virtual machines
 * of their own. A change goes through the nodes a few at a time, and a node that is not healthy after it is put back as
 * it was. Destroying the component leaves every node as it was before.
 */
export class KataContainers extends pulumi.ComponentResource {
    /** The name of the RuntimeClass, for the `runtimeClassName` of pods. Known once every node can run them. */
    public readonly runtimeClassName: pulumi.Output<string>;
    /** What is installed on each node, by the node's name in Kubernetes, as of the last change to the node. */
    public readonly nodeStatuses: pulumi.Output<{ [node: string]: NodeStatus }>;

    constructor(name: string, args: KataContainersArgs, opts?: pulumi.ComponentResourceOptions) {
        const surroundings = { sshAgent: Boolean(process.env.SSH_AUTH_SOCK) };
        const wrong = problems(name, args, surroundings);
        if (wrong.length > 0) {
            throw inputError(name, wrong);
        }
        const { nodes, rollout, ...settings } = args;
        super("kata-containers:index:KataContainers", name, { ...args, nodes: publicNodes(nodes) }, opts);
        warnOfHostKeys(nodes, this);

        const plan = pulumi.output(settings).apply((known) => {
            const wrong = settingsProblems(known);
            if (wrong.length > 0) {
                throw lateError(name, wrong);
            }
            return makePlan(known);
        });
        const owner = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack(), name].join("/");
        const shared = { name, owner, parent: this, plan, program: readProgram() };

        const ready: pulumi.Resource[] = [];
        const statuses: { [node: string]: pulumi.Output<NodeStatus> } = {};
        let previous: pulumi.Resource[] = [];
        for (const wave of slices(Object.entries(nodes), rollout?.maxUnavailable ?? 1)) {
            const switched = wave.map(([node, args]) => {
                const connection = commandConnection(name, node, args.connection, surroundings);
                const context = { ...shared, node, connection };
                const command = runtime(context, [release(context), ...previous]);
                ready.push(command, label(context, command));
                statuses[node] = command.stdout.apply((stdout) => parseNodeStatus(node, stdout));
                return command;
            });
            previous = switched;
        }

        this.runtimeClassName = runtimeClass(name, args.runtimeClass, plan, this, ready).metadata.name;
        this.nodeStatuses = pulumi.all(statuses);
        this.registerOutputs({ runtimeClassName: this.runtimeClassName, nodeStatuses: this.nodeStatuses });
    }
}

function slices<T>(items: T[], size: number): T[][] {
    return items.length === 0 ? [] : [items.slice(0, size), ...slices(items.slice(size), size)];
}

/** The nodes without credentials: a component's own inputs are kept in the state, in clear. */
function publicNodes(nodes: { [name: string]: Node }): pulumi.Inputs {
    return Object.fromEntries(
        Object.entries(nodes).map(([node, { connection }]) => [node, { connection: publicConnection(connection) }]),
    );
}

function warnOfHostKeys(nodes: { [name: string]: Node }, component: pulumi.Resource): void {
    const without = Object.keys(nodes).filter((node) => !nodes[node]!.connection.hostKey);
    if (without.length > 0) {
        const message = `any host key is accepted for ${without.join(", ")}: set hostKey in the connection to check it`;
        pulumi.log.warn(message, component);
    }
}
