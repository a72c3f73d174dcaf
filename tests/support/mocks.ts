// Runs the component under Pulumi's mocks, and records the resources that it registers.

import * as pulumi from "@pulumi/pulumi";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";
import { KataContainers, type KataContainersArgs } from "../../src";

export interface Child {
    type: string;
    inputs: any;
    /** The options, after the transforms. */
    opts: pulumi.CustomResourceOptions;
    /** The names of all resources on which it depends, with its inputs or explicitly. */
    edges: string[];
}

export interface Deployment {
    component: KataContainers;
    /** The inputs of the component itself, which Pulumi keeps in the state. */
    inputs: any;
    children: { [name: string]: Child };
    /** The names of the children that were created before the constructor returned. */
    created: string[];
    warnings: string[];
}

export const status = {
    kataVersions: { "kata-qemu": "3.32.0" },
    distribution: "kubeadm",
    containerRuntimeVersion: "containerd://1.7.27",
    cgroupDriver: "systemd",
    kvm: true,
    sandboxes: { "kata-qemu": { "3.32.0": 2 } },
    verified: { "kata-qemu": "Kata 3.32.0 booted a guest at 2026-11-26T09:15:00Z" },
};

const token = "kata-containers:index:KataContainers";

/** Creates the component and waits until all of its children are registered. */
export async function deploy(
    args: unknown,
    {
        preview = false,
        handler = "kata-qemu",
        organization = "acme",
        stdout = `done\n${JSON.stringify(status)}`,
        /** The name of the component. */
        name = "kata",
        /** The metadata and the status of the DaemonSet, and the data of its ConfigMap, in the cluster. */
        daemonSet = {} as { metadata?: object; status?: object; data?: { [node: string]: string } },
        /** Receives the names of all resources that are registered, also if the deployment fails. */
        registered = [] as string[],
    } = {},
): Promise<Deployment> {
    const inputs: { [name: string]: { type: string; inputs: any } } = {};
    const opts: { [name: string]: pulumi.CustomResourceOptions } = {};
    await pulumi.runtime.setMocks(
        {
            newResource: async (resource) => {
                registered.push(resource.name);
                inputs[resource.name] = { type: resource.type, inputs: resource.inputs };
                for (const transform of resource.transforms ?? []) {
                    const { custom = true, type, name, inputs: props } = resource;
                    const result = await transform({ custom, type, name, props, opts: opts[name]! });
                    if (result) opts[name] = result.opts;
                }
                const { metadata, status, data } = daemonSet;
                const given = resource.inputs.metadata;
                const isUnnamed = resource.type === "kubernetes:core/v1:ConfigMap" && given && !given.name;
                const state = {
                    ...(resource.name.endsWith("-daemon-set-state") && { metadata, status }),
                    ...(resource.name.endsWith("-daemon-rollout-state") && { data }),
                    ...(isUnnamed && { metadata: { ...given, name: `${resource.name}-0123abcd` } }),
                    ...(resource.type === "command:remote:Command" && !preview && { stdout }),
                    ...(resource.type === "pulumi:index:Stash" && { output: resource.inputs.input }),
                    ...(resource.type.endsWith(":RuntimeClassPatch") && { handler }),
                };
                return { id: `${resource.name}-id`, state: { ...resource.inputs, ...state } };
            },
            call: () => ({}),
        },
        "shop",
        "prod",
        preview,
        organization,
    );
    const edges: { [name: string]: string[] } = {};
    const monitor: any = getMonitor();
    const register = monitor.registerResource.bind(monitor);
    const read = monitor.readResource.bind(monitor);
    const noted = (request: any) => {
        edges[request.getName()] = request.getDependenciesList().map(nameOf);
        return request;
    };
    monitor.registerResource = (request: any, callback: unknown) => register(noted(request), callback);
    monitor.readResource = (request: any, callback: unknown) => read(noted(request), callback);
    const resources: pulumi.Resource[] = [];
    const warnings: string[] = [];
    const warn = console.warn;
    console.warn = (message) => warnings.push(message);
    try {
        // Probes have their own tests.
        const given = { drift: "off", ...(args as object) } as KataContainersArgs;
        const component = new KataContainers(name, given, {
            transformations: [
                (child) => {
                    opts[child.name] = child.opts;
                    resources.push(child.resource);
                    return undefined;
                },
            ],
        });
        const created = Object.keys(opts).filter((child) => child !== name);
        await resolved(component.nodeStatuses).catch(() => undefined);
        await Promise.all(resources.map(({ urn }) => resolved(urn)));
        const { [name]: own, ...others } = inputs;
        const children = Object.fromEntries(
            Object.entries(others).map(([name, child]) => [name, { ...child, opts: opts[name]!, edges: edges[name]! }]),
        );
        if (own?.type !== token) {
            throw new Error(`the component is registered as ${own?.type}`);
        }
        return { component, inputs: own.inputs, children, created, warnings };
    } finally {
        console.warn = warn;
    }
}

/** The value of an output; undefined if it is not known. Rejects if the output failed. */
export function resolved<T>(output: pulumi.Output<T>): Promise<T> {
    return (output as unknown as { promise(): Promise<T> }).promise();
}

/** An output whose value a preview does not know yet. */
export function unknown(): pulumi.Output<any> {
    const make = pulumi.Output as unknown as new (...state: unknown[]) => pulumi.Output<any>;
    return new make(
        new Set(),
        Promise.resolve(undefined),
        Promise.resolve(false),
        Promise.resolve(false),
        Promise.resolve(new Set()),
    );
}

/** The names of the resources on which a child depends. */
export async function dependencies(child: Child): Promise<string[]> {
    const resources = await Promise.all(child.opts.dependsOn as (pulumi.Resource | Promise<pulumi.Resource>)[]);
    const urns = await Promise.all(resources.map(({ urn }) => resolved(urn)));
    return urns.map(nameOf);
}

/** The names of the resources on which an output depends. */
export async function sources(output: pulumi.Output<unknown>): Promise<string[]> {
    const resources: Set<pulumi.Resource> = await (output as any).allResources();
    return Promise.all([...resources].map(async ({ urn }) => nameOf(await resolved(urn))));
}

const nameOf = (urn: string) => urn.split("::").at(-1)!;

const secretMark = "4dabf18193072939515e22adb298388d";

/** The value in a secret; undefined if the value is not a secret. */
export function secretValue(value: any): any {
    return value?.[secretMark] === undefined ? undefined : value.value;
}

/** The first error of a deployment. Pulumi reports errors in the inputs of resources as unhandled rejections. */
export async function rejection(deployment: Promise<unknown>): Promise<Error> {
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    try {
        return await new Promise<Error>((resolve, reject) => {
            process.on("unhandledRejection", (error) => resolve(error as Error));
            deployment.then(() => setTimeout(() => reject(new Error("the deployment did not fail")), 500), resolve);
        });
    } finally {
        process.removeAllListeners("unhandledRejection");
        for (const listener of listeners) {
            process.on("unhandledRejection", listener);
        }
    }
}
