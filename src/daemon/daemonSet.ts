// The resources of the DaemonSet. Their number does not depend on the number of nodes.

import { all, type Output, output, type Resource, Stash, secret } from "@pulumi/pulumi";
import type * as args from "../args";
import { runError } from "../check/errors";
import { daemonSetKinds } from "../cluster/kubernetes";
import { downloadSecrets } from "../node/commands";
import { knownValue } from "../node/probe";
import type { Program } from "../node/program";
import type { Plan } from "../plan";
import { filesOf } from "./files";
import { namesOf } from "./names";
import { daemonSetObject, defaultInterval, defaultTimeout, labelsOf } from "./pods";
import { bindingSpec, clusterRules, policySpec, rules } from "./policy";
import { daemonSetStatus } from "./status";

export interface DaemonSetContext {
    /** The name of the component. */
    name: string;
    given: args.DaemonSet;
    /** The names of the nodes that are left to SSH. */
    nodes: string[];
    rollout: args.Rollout | undefined;
    /** Fails if nothing must be changed. */
    planAndOwner: Output<[plan: Plan, owner: string]>;
    /** If it is secret, the ConfigMap is secret too. */
    releaseUrl: Output<unknown>;
    program: Program;
    parent: Resource;
}

/**
 * Creates the DaemonSet after `before`: the RuntimeClasses, and the last barrier of the rollout over SSH, so that a node that moves to
 * `nodes` is claimed over SSH before the pod leaves it. A barrier follows it, so that a replaced DaemonSet does not replace the
 * resources that use the outputs of the component.
 */
export function createDaemonSet(
    { name, given, nodes, rollout, planAndOwner, releaseUrl, program, parent }: DaemonSetContext,
    before: Resource[],
): { ready: Resource; status: Output<args.DaemonSetStatus> } {
    const kinds = daemonSetKinds();
    const names = namesOf(name, given.namespace ?? undefined);
    const { object, namespace, cluster } = names;
    const labels = labelsOf(names);
    const limit = rollout?.maxUnavailable ?? 1;
    const maxParallelDownloads = rollout?.maxParallelDownloads ?? undefined;
    // So that the objects without an input from the plan fail with it too.
    const checked = before.slice(0, 1).map((first) => knownValue(planAndOwner).then(() => first));
    const after = (resources: Resource[]) => ({ parent, dependsOn: [...checked, ...resources] });
    const called = (suffix: string) => `${name}-daemon-${suffix}`;
    const inCluster = { metadata: { name: cluster, labels } };
    const inNamespace = (name: Output<string> | string) => ({ metadata: { name, namespace, labels } });

    const privileged = { ...labels, "pod-security.kubernetes.io/enforce": "privileged" };
    const created = given.namespace
        ? []
        : [new kinds.Namespace(called("namespace"), { metadata: { name: namespace, labels: privileged } }, after([]))];
    const inside = after(created);

    const subjects = [{ kind: "ServiceAccount", name: object, namespace }];
    const roleRef = (kind: string, name: string) => ({ apiGroup: "rbac.authorization.k8s.io", kind, name });
    const account = new kinds.ServiceAccount(called("account"), inNamespace(object), inside);
    const clusterRole = new kinds.ClusterRole(called("cluster-role"), { ...inCluster, rules: clusterRules }, after([]));
    const role = new kinds.Role(called("role"), { ...inNamespace(object), rules: rules(names) }, inside);
    const policy = new kinds.ValidatingAdmissionPolicy(
        called("policy"),
        { ...inCluster, spec: policySpec(names) },
        after([]),
    );
    const policyBinding = new kinds.ValidatingAdmissionPolicyBinding(
        called("policy-binding"),
        { ...inCluster, spec: bindingSpec(names) },
        after([policy]),
    );
    const clusterRoleBinding = new kinds.ClusterRoleBinding(
        called("cluster-role-binding"),
        { ...inCluster, roleRef: roleRef("ClusterRole", cluster), subjects },
        // The account has rights only while the policy limits them.
        after([account, clusterRole, policyBinding]),
    );
    const roleBinding = new kinds.RoleBinding(
        called("role-binding"),
        { ...inNamespace(object), roleRef: roleRef("Role", object), subjects },
        after([account, role]),
    );

    const interval = output(given.interval).apply((seconds) => seconds ?? defaultInterval);
    const files = all([planAndOwner, interval]).apply(([[plan, owner], interval]) =>
        filesOf(plan, program, { owner, names, maxUnavailable: limit, maxParallelDownloads, interval }),
    );
    const revision = files.apply(({ revision }) => revision);
    const data = all([files, releaseUrl]).apply(([{ data }]) => data);
    // Pulumi adds a random suffix to its name: after a failed update, a return to the previous arguments creates it while the first one
    // with these files still exists.
    const configMap = new kinds.ConfigMap(
        names.files,
        { metadata: { namespace, labels }, immutable: true, data },
        inside,
    );
    const fileName = configMap.metadata.apply(({ name }) => name);
    const secrets = planAndOwner.apply(([plan]) => {
        const { queries, proxy } = downloadSecrets(plan);
        return { queries: encoded(queries), proxy: encoded(proxy) };
    });
    const release = new kinds.Secret(
        called("release"),
        { ...inNamespace(names.release), type: "Opaque", data: secret(secrets) },
        inside,
    );
    // The pods write it.
    const shared = new kinds.ConfigMap(called("rollout"), inNamespace(names.rollout), {
        ...inside,
        ignoreChanges: ["data", "metadata.annotations"],
    });

    const time = `${given.timeout ?? defaultTimeout}s`;
    const own = [account, clusterRoleBinding, roleBinding, policyBinding, configMap, release, shared];
    const daemonSet = new kinds.DaemonSet(
        called("set"),
        daemonSetObject(names, given, nodes, limit, revision, fileName),
        {
            parent,
            customTimeouts: { create: time, update: time, delete: time },
            dependsOn: [...before, ...created, ...own],
        },
    );
    const ready = new Stash(called("ready"), { input: true }, { parent, dependsOn: [daemonSet] });

    // Read by each preview and update, once the DaemonSet exists.
    const read = { parent, dependsOn: [daemonSet] };
    const state = kinds.DaemonSet.get(called("set-state"), daemonSet.id, read);
    const entries = kinds.ConfigMap.get(
        called("rollout-state"),
        daemonSet.id.apply(() => `${namespace}/${names.rollout}`),
        read,
    );
    const status = all([state.metadata, state.status, entries.data]).apply(([metadata, status, data]) => {
        if (metadata?.deletionTimestamp) throw runError(beingDeleted(object));
        return daemonSetStatus(status, data);
    });
    return { ready, status };
}

const beingDeleted = (object: string) =>
    `the DaemonSet ${object} is being deleted, and removes Kata Containers from its nodes: run pulumi destroy again, ` +
    "or wait for its end and run pulumi refresh and pulumi up";

const encoded = (text: string) => Buffer.from(text).toString("base64");
