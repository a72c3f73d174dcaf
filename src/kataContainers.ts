import * as pulumi from "@pulumi/pulumi";
import type { DaemonSetStatus, KataContainersArgs, NodeStatus } from "./args";
import { requireCli } from "./check/cli";
import { inputError, lateError } from "./check/errors";
import { secretProblems } from "./check/secrets";
import { problems, settingsProblems } from "./check/validate";
import { createDaemonSet } from "./daemon/daemonSet";
import { nodeEndpoints, publicArgs, warnAboutHostKeys } from "./node/connection";
import { refuseSharedMachines } from "./node/machines";
import { probeNodes } from "./node/probe";
import { readProgram } from "./node/program";
import { rollOut } from "./node/rollout";
import { firstOwner } from "./owner";
import { makePlan, type Plan } from "./plan";
import { createRuntimeClasses, givenClasses, managedClasses } from "./runtimeClasses";

/**
 * Kata Containers on the nodes of a Kubernetes cluster, installed over SSH, by a DaemonSet, or both.
 *
 * On each node it installs a Kata release next to runc, configures containerd and, if requested, the cgroup driver, and
 * labels the node. It also creates RuntimeClasses; pods that name one as `runtimeClassName` run in virtual machines. A change
 * is rolled out a few nodes at a time, and a node that is unhealthy after its change is rolled back. Destroying the
 * component restores every node.
 */
export class KataContainers extends pulumi.ComponentResource {
    /** The values for `runtimeClassName` of pods, by the keys of `runtimeClasses`. Resolves once all nodes are ready, also those of the DaemonSet. */
    public readonly runtimeClassNames: pulumi.Output<{ [name: string]: string }>;
    /** The state of each node in `nodes` after its last `activate` command, by the name of the node in Kubernetes. */
    public readonly nodeStatuses: pulumi.Output<{ [node: string]: NodeStatus }>;
    /** The state of the nodes of the DaemonSet, read by each preview and update. Only with `daemonSet`. */
    public readonly daemonSetStatus?: pulumi.Output<DaemonSetStatus>;

    constructor(name: string, args: KataContainersArgs, opts?: pulumi.ComponentResourceOptions) {
        const environment = { sshAgent: Boolean(process.env.SSH_AUTH_SOCK) };
        const invalid = problems(name, args, environment);
        if (invalid.length > 0) throw inputError(name, invalid);

        const { nodes: given, rollout, ...others } = args;
        const nodes = given ?? {};
        const settings = { ...others, rollout: { verify: rollout?.verify } };
        super("kata-containers:index:KataContainers", name, publicArgs(args), opts);
        const supported = requireCli(name);
        warnAboutHostKeys(nodes, this);

        const checked = pulumi.output(settings).apply(async (known) => {
            const invalid = [...settingsProblems(known), ...(await secretProblems(settings))];
            if (invalid.length > 0) throw lateError(name, invalid);
            return { ssh: makePlan(known, Boolean(rollout?.drain)), daemonSet: makePlan(known) };
        });
        // Secrets are allowed only in arguments that are not in the plan, and in the URL and proxy of the release, which only stage gets.
        const plans = pulumi.unsecret(checked);
        const plan = plans.apply(({ ssh }) => ssh);
        const owner = firstOwner(name, this, supported);
        const program = readProgram();
        const endpoints = nodeEndpoints(name, nodes, environment);
        const reachable = Object.fromEntries(Object.entries(endpoints).filter(([node]) => !nodes[node]!.gone));
        const classes = givenClasses(settings);

        const asking = { name, owner, endpoints: reachable, program };
        const { drift } = settings;
        const probe = { ...asking, component: this, drift };
        const probed = supported.then(() => probeNodes({ ...probe, runtimeClasses: managedClasses(classes, plan) }));
        const handlers = plan.apply(({ classes }) => classes.map(({ handler }) => handler));
        const unshared = refuseSharedMachines(name, this, reachable, handlers);
        // If one of them fails, this fails the inputs of all resources, so that nothing is changed.
        const probedPlan = pulumi.all([plan, probed, unshared]).apply(([plan]) => plan);
        const hasNodes = Object.keys(nodes).length > 0;
        const created = createRuntimeClasses({ ...asking, classes, plan: probedPlan, probed, hasNodes, parent: this });
        const planAndOwner = (delivery: "ssh" | "daemonSet") =>
            pulumi
                .all([plans, owner, probedPlan, created.confirmed])
                .apply(([plans, owner]): [Plan, string] => [plans[delivery], owner]);
        const releaseUrl = pulumi.output(settings.release?.url);
        const shared = { name, parent: this, owner, releaseUrl, program, rollout };
        const overSsh = { ...shared, planAndOwner: planAndOwner("ssh"), environment, nodes, endpoints, probed, drift };
        const rolledOut = rollOut(overSsh, created.resources);
        let ready = rolledOut.ready;
        if (args.daemonSet) {
            const given = { given: args.daemonSet, nodes: Object.keys(nodes) };
            const inCluster = { ...shared, planAndOwner: planAndOwner("daemonSet"), ...given };
            const delivered = createDaemonSet(inCluster, [...created.resources, ...ready]);
            ready = [delivered.ready];
            this.daemonSetStatus = delivered.status;
        }

        const names = Object.fromEntries(classes.map(([runtimeClassName]) => [runtimeClassName, runtimeClassName]));
        this.runtimeClassNames = pulumi.all(ready.map(({ urn }) => urn)).apply(() => names);
        this.nodeStatuses = pulumi.output(rolledOut.statuses);
        const { runtimeClassNames, nodeStatuses, daemonSetStatus } = this;
        this.registerOutputs({ runtimeClassNames, nodeStatuses, daemonSetStatus });
    }
}
