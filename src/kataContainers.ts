import * as pulumi from "@pulumi/pulumi";
import type { KataContainersArgs, NodeStatus } from "./args";
import { requireCli } from "./check/cli";
import { inputError, lateError } from "./check/errors";
import { secretProblems } from "./check/secrets";
import { problems, settingsProblems } from "./check/validate";
import { createRuntimeClass } from "./cluster/runtimeClass";
import { nodeEndpoints, publicArgs, warnAboutHostKeys } from "./node/connection";
import { refuseExisting } from "./node/existing";
import { refuseSharedMachines } from "./node/machines";
import { probeNodes } from "./node/probe";
import { readProgram } from "./node/program";
import { rollOut } from "./node/rollout";
import { firstOwner } from "./owner";
import { defaultRuntimeClasses, makePlan, type Plan } from "./plan";

/**
 * Kata Containers on the nodes of a Kubernetes cluster, installed over SSH.
 *
 * On each node it installs a Kata release next to runc, configures containerd and, if requested, the cgroup driver, and
 * labels the node. It also creates RuntimeClasses; pods that name one as `runtimeClassName` run in virtual machines. A change
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

        const { nodes, rollout, ...others } = args;
        const settings = { ...others, rollout: { verify: rollout?.verify } };
        super("kata-containers:index:KataContainers", name, publicArgs(args), opts);
        const supported = requireCli(name);
        warnAboutHostKeys(nodes, this);

        const checked = pulumi.output(settings).apply(async (known) => {
            const invalid = [...settingsProblems(known), ...(await secretProblems(settings))];
            if (invalid.length > 0) throw lateError(name, invalid);
            return makePlan(known, Boolean(rollout?.drain));
        });
        // Secrets are allowed only in arguments that are not in the plan, and in the URL and proxy of the release, which only stage gets.
        const plan = pulumi.unsecret(checked);
        const owner = firstOwner(name, this, supported);
        const program = readProgram();
        const endpoints = nodeEndpoints(name, nodes, environment);
        const reachable = Object.fromEntries(Object.entries(endpoints).filter(([node]) => !nodes[node]!.gone));
        const classes = Object.entries(settings.runtimeClasses ?? defaultRuntimeClasses);
        const planOf = (plan: pulumi.Output<Plan>, runtimeClass: string) =>
            plan.apply(({ classes }) => classes.find(({ name }) => name === runtimeClass)!);

        const applied = classes.map(([runtimeClassName, given]) => {
            const hasOverhead = planOf(plan, runtimeClassName).apply(({ overhead }) => overhead !== undefined);
            return [runtimeClassName, { adopt: given?.adopt ?? false, hasOverhead }];
        });
        const probe = { name, component: this, owner, endpoints: reachable, program, drift: settings.drift };
        const probed = supported.then(() => probeNodes({ ...probe, runtimeClasses: Object.fromEntries(applied) }));
        const handlers = plan.apply(({ classes }) => classes.map(({ handler }) => handler));
        const unshared = refuseSharedMachines(name, this, reachable, handlers);
        // If one of them fails, this fails the inputs of all resources, so that nothing is changed.
        const probedPlan = pulumi.all([plan, probed, unshared]).apply(([plan]) => plan);
        const asking = { owner, endpoints: reachable, program, component: this };
        const created = classes.map(([runtimeClassName, given]) =>
            createRuntimeClass({
                name,
                runtimeClassName,
                given: given ?? {},
                plan: planOf(probedPlan, runtimeClassName),
                owner,
                drift: probed.then(({ runtimeClasses }) => runtimeClasses[runtimeClassName]),
                refuseExisting: refuseExisting({ ...asking, runtimeClassName }),
                parent: this,
            }),
        );
        const confirmed = pulumi.all(created.map(({ confirmed }) => confirmed));
        const planAndOwner = pulumi
            .all([probedPlan, owner, confirmed])
            .apply(([plan, owner]): [Plan, string] => [plan, owner]);
        const releaseUrl = pulumi.output(settings.release?.url);
        const shared = { name, parent: this, owner, releaseUrl, planAndOwner, program, environment };
        const first = created.map(({ resource }) => resource);
        const { ready, statuses } = rollOut({ ...shared, nodes, rollout, endpoints, probed }, first);

        const names = Object.fromEntries(classes.map(([runtimeClassName]) => [runtimeClassName, runtimeClassName]));
        this.runtimeClassNames = pulumi.all(ready.map(({ urn }) => urn)).apply(() => names);
        this.nodeStatuses = pulumi.output(statuses);
        this.registerOutputs({ runtimeClassNames: this.runtimeClassNames, nodeStatuses: this.nodeStatuses });
    }
}
