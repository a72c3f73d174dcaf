// The permissions of the pods of the DaemonSet in the cluster. Their account can patch Nodes; RBAC cannot say which, and which fields,
// so a ValidatingAdmissionPolicy does. Its expressions are in the Common Expression Language (CEL).

import type { Inputs } from "@pulumi/pulumi";
import type { Names } from "./names";

/** Kubernetes adds it to the tokens of pods from 1.32 on. */
const nodeClaim = "authentication.kubernetes.io/node-name";

export const account = ({ namespace, object }: Names) => `system:serviceaccount:${namespace}:${object}`;

/** The annotation of a Node with its status. */
export const statusAnnotation = ({ object }: Names) => `status.kata-containers/${object}`;

/** An expression in one line. */
const cel = (expression: string) => expression.trim().replace(/\s+/g, " ");

/** Only the entries whose `key` fulfils `isAllowed` differ between the maps in two variables. */
const othersUnchanged = (map: string, oldMap: string, isAllowed: string) =>
    cel(`
        variables.${map}.all(key, ${isAllowed}
            || (key in variables.${oldMap} && variables.${map}[key] == variables.${oldMap}[key])) &&
        variables.${oldMap}.all(key, ${isAllowed} || key in variables.${map})`);

const isLabel = "key == 'katacontainers.io/kata-runtime' || key.startsWith('handler.kata-containers/')";

export function policySpec(names: Names): Inputs {
    const pods = `pods of the DaemonSet ${names.object}`;
    const validations = [
        {
            message: `${pods} cannot change Nodes other than their own`,
            expression: cel(`
                !has(request.userInfo.extra) || !('${nodeClaim}' in request.userInfo.extra)
                    || request.userInfo.extra['${nodeClaim}'] == [object.metadata.name]`),
        },
        {
            message: `${pods} cannot change the spec, the owners or the finalizers of a Node`,
            expression: cel(`
                object.?spec == oldObject.?spec &&
                object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences &&
                object.metadata.?finalizers == oldObject.metadata.?finalizers`),
        },
        {
            message: `${pods} cannot change labels of a Node other than those of Kata Containers`,
            expression: othersUnchanged("labels", "oldLabels", isLabel),
        },
        {
            message: `${pods} cannot change annotations of a Node other than ${statusAnnotation(names)}`,
            expression: othersUnchanged("annotations", "oldAnnotations", `key == '${statusAnnotation(names)}'`),
        },
    ];
    return {
        failurePolicy: "Fail",
        matchConstraints: {
            resourceRules: [{ apiGroups: [""], apiVersions: ["*"], operations: ["UPDATE"], resources: ["nodes"] }],
        },
        matchConditions: [{ name: "account", expression: `request.userInfo.username == '${account(names)}'` }],
        variables: [
            { name: "labels", expression: "object.metadata.?labels.orValue({})" },
            { name: "oldLabels", expression: "oldObject.metadata.?labels.orValue({})" },
            { name: "annotations", expression: "object.metadata.?annotations.orValue({})" },
            { name: "oldAnnotations", expression: "oldObject.metadata.?annotations.orValue({})" },
        ],
        validations: validations.map((validation) => ({ ...validation, reason: "Forbidden" })),
    };
}

export const bindingSpec = ({ cluster }: Names): Inputs => ({ policyName: cluster, validationActions: ["Deny"] });

export interface Rule {
    apiGroups: string[];
    resources: string[];
    resourceNames?: string[];
    verbs: string[];
}

/** In all namespaces: Events of a Node are in the namespace `default`. */
export const clusterRules: Rule[] = [
    { apiGroups: [""], resources: ["nodes"], verbs: ["get", "patch"] },
    { apiGroups: [""], resources: ["events"], verbs: ["create"] },
];

/** In the namespace of the DaemonSet. */
export const rules = ({ object, rollout }: Names): Rule[] => [
    { apiGroups: ["apps"], resources: ["daemonsets"], resourceNames: [object], verbs: ["get"] },
    { apiGroups: [""], resources: ["configmaps"], resourceNames: [rollout], verbs: ["get", "patch"] },
];
