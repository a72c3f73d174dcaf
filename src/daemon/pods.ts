// The DaemonSet and its pods, as objects of Kubernetes.

import { type Input, type Inputs, output } from "@pulumi/pulumi";
import type { DaemonSet } from "../args";
import { withoutNull } from "../plan";
import type { Names } from "./names";

/**
 * The index for all architectures of busybox 1.37.0 on Docker Hub. Several independent repositories pin this tag to this digest.
 */
export const defaultImage =
    "docker.io/library/busybox:1.37.0@sha256:bdf57e528e45e4433820e045b29b4597825a1c9e38353532d90a01445013f82e";

const defaultRequests = { cpu: "10m", memory: "32Mi" };
export const defaultInterval = 300;
export const defaultTimeout = 1800;

export const labelsOf = ({ object }: Names): { [label: string]: string } => ({
    "app.kubernetes.io/name": "kata-containers",
    "app.kubernetes.io/instance": object,
});

/** A whole number, or a percentage of the nodes. Kubernetes rounds a percentage up; the pods themselves keep the exact limit. */
export function maxUnavailable(limit: number): number | string {
    if (limit >= 1) return Math.min(limit, 2 ** 31 - 1);
    return `${Math.max(1, Math.floor(Number((limit * 100).toFixed(6))))}%`;
}

/** As the pods read it. */
export const selectorText = (selector: { [label: string]: string }) =>
    Object.entries(selector)
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join();

/** Of a node selector, each field can have one value. */
const notOn = (nodes: string[]): Inputs => ({
    nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
                { matchFields: nodes.map((node) => ({ key: "metadata.name", operator: "NotIn", values: [node] })) },
            ],
        },
    },
});

/** `nodes`: those that are left to SSH. `revision` and `files` are those of the ConfigMap, the second its name. */
export function daemonSetObject(
    names: Names,
    given: DaemonSet,
    nodes: string[],
    limit: number,
    revision: Input<string>,
    files: Input<string>,
): Inputs {
    const labels = labelsOf(names);
    const sorted = [...nodes].sort();
    const nodeSelector = output(given.nodeSelector).apply((selector) => ({
        ...selector,
        "kubernetes.io/os": "linux",
    }));
    return {
        metadata: {
            name: names.object,
            namespace: names.namespace,
            labels,
            annotations: {
                "kata-containers/node-selector": nodeSelector.apply(selectorText),
                "kata-containers/nodes": sorted.join(),
            },
        },
        spec: {
            selector: { matchLabels: labels },
            revisionHistoryLimit: 2,
            updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: maxUnavailable(limit) } },
            template: {
                metadata: {
                    labels,
                    annotations: {
                        "kata-containers/revision": revision,
                        "kubectl.kubernetes.io/default-container": "keep",
                    },
                },
                spec: {
                    ...podSpec(names, given, files),
                    nodeSelector,
                    affinity: sorted.length > 0 ? notOn(sorted) : undefined,
                },
            },
        },
    };
}

/** Mounted elsewhere than usual: in many images, /var/run is an absolute link, which leads the runner to a folder of the node. */
const accountSources = [
    { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
];

function podSpec(names: Names, given: DaemonSet, files: Input<string>): Inputs {
    const { requests, limits } = given.resources ?? {};
    const hasLimits = Object.keys(withoutNull(limits)).length > 0;
    const container = (role: string): Inputs => ({
        name: role,
        image: output(given.image).apply((image) => image ?? defaultImage),
        command: ["sh", "/kata-containers/pod.sh", role],
        env: [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
        resources: {
            requests: { ...defaultRequests, ...withoutNull(requests) },
            limits: hasLimits ? withoutNull(limits) : undefined,
        },
        // Root, whatever the user of the image is.
        securityContext: { privileged: true, readOnlyRootFilesystem: true, runAsUser: 0 },
        terminationMessagePolicy: "File",
        volumeMounts: [
            { name: "files", mountPath: "/kata-containers", readOnly: true },
            { name: "release", mountPath: "/kata-containers-release", readOnly: true },
            { name: "account", mountPath: "/kata-containers-account", readOnly: true },
            { name: "run", mountPath: "/run/kata-containers" },
        ],
    });
    const keep = {
        ...container("keep"),
        readinessProbe: {
            exec: { command: ["sh", "-c", "test -e /run/kata-containers/ready"] },
            periodSeconds: 2,
            failureThreshold: 1,
        },
    };
    return {
        serviceAccountName: names.object,
        automountServiceAccountToken: false,
        hostPID: true,
        hostNetwork: true,
        priorityClassName: output(given.priorityClassName).apply((name) => name ?? "system-node-critical"),
        tolerations: given.tolerations?.map((toleration) => withoutNull(toleration)) ?? [{ operator: "Exists" }],
        imagePullSecrets: given.imagePullSecrets?.map((name) => ({ name })),
        // A removal waits for the end of the sandboxes.
        terminationGracePeriodSeconds: 86400,
        // A node gets Kata Containers only when the container that would remove it runs.
        containers: [container("remove"), keep],
        volumes: [
            { name: "files", configMap: { name: files } },
            { name: "release", secret: { secretName: names.release, defaultMode: 0o400 } },
            { name: "account", projected: { sources: accountSources } },
            { name: "run", emptyDir: { medium: "Memory" } },
        ],
    };
}
