import * as pulumi from "@pulumi/pulumi";
import type { KataContainersArgs, NodeStatus, RuntimeClass } from "./args";
import { inputError, lateError } from "./check/errors";
import { problems, settingsProblems } from "./check/validate";
import { createRuntimeClass } from "./cluster/runtimeClass";
import { nodeEndpoints, publicArgs, warnAboutHostKeys } from "./node/connection";
import { probeNodes } from "./node/probe";
import { readProgram } from "./node/program";
import { rollOut } from "./node/rollout";
import { firstOwner } from "./owner";
import { defaultRuntimeClasses, makePlan } from "./plan";

/**
 * Kata Containers on the nodes of a Kubernetes cluster, installed over SSH.
 *
 * On each node it installs a Kata release next to runc, configures containerd and, if requested, the cgroup driver, and
 * labels the node. It also creates a RuntimeClass; pods that name it as `runtimeClassName` run in virtual machines. A change
 * is rolled out a few nodes at a time, and a node that is unhealthy after its change is rolled back. Destroying the
 * component restores every node.
 */
export class KataContainers extends pulumi.ComponentResource {
    /** The values for `runtimeClassName` of pods, by the keys of `runtimeClasses`. Resolves once all nodes are ready. */
    public readonly runtimeClassNames: pulumi.Output<{ [name: string]: string }>;
    /** The state of each node after its last `activate` command, by the name of the node in Kubernetes. */
    public readonly nodeStatuses: pulumi.Output<{ [node: string]: NodeStatus }>;

    constructor(name: string, args: KataContainersArgs, opts?: pulumi.ComponentResourceOptions) {
        const environment = { sshAgent: Boolean(process.env.SSH_AUTH_SOCK) };
        const invalid = problems(name, args, environment);
        if (invalid.length > 0) throw inputError(name, invalid);

        const { nodes, rollout, ...settings } = args;
        super("kata-containers:index:KataContainers", name, publicArgs(args), opts);
        warnAboutHostKeys(nodes, this);

        const plan = pulumi.output(settings).apply((known) => {
            const invalid = settingsProblems(known);
            if (invalid.length > 0) throw lateError(name, invalid);
            return makePlan(known, Boolean(rollout?.drain));
        });
        const owner = firstOwner(name, this);
        const program = readProgram();
        const endpoints = nodeEndpoints(name, nodes, environment);
        const reachable = Object.fromEntries(Object.entries(endpoints).filter(([node]) => !nodes[node]!.gone));
        const classes = Object.entries(settings.runtimeClasses ?? defaultRuntimeClasses);
        const [[runtimeClassName, runtimeClass]] = classes as [[string, RuntimeClass | undefined]];

        // The resources depend on the probe, so they are created once its results are in.
        const resources = probeNodes({
            name,
            component: this,
            endpoints: reachable,
            program,
            drift: settings.drift,
            runtimeClass: {
                name: runtimeClassName,
                adopt: runtimeClass?.adopt ?? false,
                hasOverhead: plan.apply(({ overhead }) => overhead !== undefined),
            },
        }).then((probed) => {
            const given = runtimeClass ?? {};
            const drift = probed.runtimeClass;
            const context = { name, runtimeClassName, given, plan, owner, drift, parent: this };
            const { resource, confirmedPlan } = createRuntimeClass(context);
            const planAndOwner = pulumi.all([confirmedPlan, owner]);
            const shared = { name, parent: this, owner, planAndOwner, program, environment };
            return rollOut({ ...shared, nodes, rollout, endpoints, probes: probed.nodes }, resource);
        });

        const ready = resources.then(({ ready }) => ready.map(({ urn }) => urn));
        this.runtimeClassNames = pulumi.all([ready]).apply(() => ({ [runtimeClassName]: runtimeClassName }));
        this.nodeStatuses = pulumi.output(resources.then(({ statuses }) => statuses));
        this.registerOutputs({ runtimeClassNames: this.runtimeClassNames, nodeStatuses: this.nodeStatuses });
    }
}
