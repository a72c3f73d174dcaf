import * as pulumi from "@pulumi/pulumi";
import type { KataContainersArgs, Node, NodeStatus } from "./args";
import { inputError, lateError } from "./check/errors";
import { problems, settingsProblems } from "./check/validate";
import { runtimeClass } from "./cluster/runtimeClass";
import { commandConnection, publicConnection } from "./node/connection";
import { drainCommand } from "./node/drain";
import { look } from "./node/probe";
import { readProgram } from "./node/program";
import { label, release, runtime } from "./node/resources";
import { waves } from "./node/rollout";
import { parseNodeStatus } from "./node/status";
import { firstOwner } from "./owner";
import { makePlan } from "./plan";

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
        const drain = rollout?.drain ?? undefined;
        super("kata-containers:index:KataContainers", name, publicArgs(args), opts);
        warnOfHostKeys(nodes, this);

        const plan = pulumi.output(settings).apply((known) => {
            const wrong = settingsProblems(known);
            if (wrong.length > 0) {
                throw lateError(name, wrong);
            }
            // What is left on a drained node is what DaemonSets keep there.
            return makePlan({
                ...known,
                kubelet: { ...known.kubelet, ...(drain && { changeUnderRunningPods: true }) },
            });
        });
        const owner = firstOwner(name, this);
        const program = readProgram();
        const connections = Object.fromEntries(
            Object.entries(nodes).map(([node, { connection }]) => {
                const path = `nodes[${JSON.stringify(node)}].connection`;
                return [node, commandConnection(name, path, connection, surroundings)];
            }),
        );
        const there = Object.fromEntries(Object.entries(connections).filter(([node]) => !nodes[node]!.gone));

        // What a node gets depends on what is seen there, so its resources come when that is known.
        const expected = {
            name: plan.runtimeClassName,
            adopt: args.runtimeClass?.adopt ?? false,
            overhead: plan.apply(({ overhead }) => overhead !== undefined),
        };
        const made = look(name, there, program, args.drift, expected, this).then((looks) => {
            const { resource, agreed } = runtimeClass(name, args.runtimeClass, plan, owner, looks.runtimeClass, this);
            const asked = pulumi.all([agreed, owner]);
            const ready: pulumi.Resource[] = [resource];
            const statuses: { [node: string]: pulumi.Output<NodeStatus> } = {};
            let previous: pulumi.Resource[] = [resource];
            for (const wave of waves(Object.keys(nodes), rollout)) {
                previous = wave.map((node) => {
                    const seen = looks.nodes[node] ?? {};
                    const options = {
                        parent: this,
                        ...(seen.unseen && untouched),
                        ...(nodes[node]!.gone && { ...untouched, retainOnDelete: true }),
                    };
                    const connection = connections[node]!;
                    const context = { name, node, owner, connection, asked, program, seen, options };
                    const before = [release(context), ...previous];
                    const drained = drain && drainCommand("drain", context, drain, surroundings, before);
                    const command = runtime(context, drained ? [drained] : before);
                    ready.push(command, label(context, command));
                    if (node in there) statuses[node] = command.stdout.apply((stdout) => parseNodeStatus(node, stdout));
                    return drain ? drainCommand("uncordon", context, drain, surroundings, [command]) : command;
                });
            }
            return { ready, statuses };
        });

        const switched = made.then(({ ready }) => ready.map(({ urn }) => urn));
        this.runtimeClassName = pulumi.all([plan.runtimeClassName, switched]).apply(([name]) => name);
        this.nodeStatuses = pulumi.output(made.then(({ statuses }) => statuses));
        this.registerOutputs({ runtimeClassName: this.runtimeClassName, nodeStatuses: this.nodeStatuses });
    }
}

/** Options for what is on a node where nothing can be run now; where the machine is gone, not when it is taken out either. */
const untouched = { ignoreChanges: ["*"] };

/** The arguments without credentials: a component's own inputs are kept in the state, in clear. */
function publicArgs({ nodes, rollout, ...settings }: KataContainersArgs): pulumi.Inputs {
    const { kubeconfig: _, controlPlane, ...drain } = rollout?.drain ?? {};
    return {
        ...settings,
        nodes: Object.fromEntries(
            Object.entries(nodes).map(([name, { connection, ...node }]) => [
                name,
                { ...node, connection: publicConnection(connection) },
            ]),
        ),
        rollout: rollout && {
            ...rollout,
            drain: rollout.drain && { ...drain, controlPlane: controlPlane && publicConnection(controlPlane) },
        },
    };
}

function warnOfHostKeys(nodes: { [name: string]: Node }, component: pulumi.Resource): void {
    const without = Object.keys(nodes).filter((node) => !nodes[node]!.connection.hostKey);
    if (without.length > 0) {
        const message = `any host key is accepted for ${without.join(", ")}: set hostKey in the connection to check it`;
        pulumi.log.warn(message, component);
    }
}
