// The RuntimeClasses of a component, and how they depend on its nodes.

import { all, type Output, type Resource } from "@pulumi/pulumi";
import type * as args from "./args";
import { createRuntimeClass } from "./cluster/runtimeClass";
import { refuseExisting } from "./node/existing";
import type { ProbeRequest, ProbeResults } from "./node/probe";
import type { Program } from "./node/program";
import type { Endpoint } from "./node/ssh";
import { type ClassPlan, defaultRuntimeClasses, type Plan, type Settings } from "./plan";

type Given = [name: string, given: args.RuntimeClass | null][];

export const givenClasses = ({ runtimeClasses }: Settings): Given =>
    Object.entries(runtimeClasses ?? defaultRuntimeClasses);

const planOf = (plan: Output<Plan>, runtimeClass: string): Output<ClassPlan> =>
    plan.apply(({ classes }) => classes.find(({ name }) => name === runtimeClass)!);

/** The RuntimeClasses as a probe compares them. */
export function managedClasses(classes: Given, plan: Output<Plan>): ProbeRequest["runtimeClasses"] {
    const managed = classes.map(([name, given]) => {
        const hasOverhead = planOf(plan, name).apply(({ overhead }) => overhead !== undefined);
        return [name, { adopt: given?.adopt ?? false, hasOverhead }];
    });
    return Object.fromEntries(managed);
}

export interface ClassesContext {
    /** The name of the component. */
    name: string;
    classes: Given;
    plan: Output<Plan>;
    owner: Output<string>;
    probed: Promise<ProbeResults>;
    program: Program;
    /** Those of the nodes that can tell whether a RuntimeClass exists. */
    endpoints: { [node: string]: Output<Endpoint> };
    /** Whether there are nodes with SSH. Otherwise only the Kubernetes provider refuses an existing RuntimeClass. */
    hasNodes: boolean;
    parent: Resource;
}

/** `confirmed` fails if one of them cannot be adopted. */
export function createRuntimeClasses(context: ClassesContext): { resources: Resource[]; confirmed: Output<unknown> } {
    const { name, classes, plan, owner, probed, program, endpoints, hasNodes, parent } = context;
    const created = classes.map(([runtimeClassName, given]) =>
        createRuntimeClass({
            name,
            runtimeClassName,
            given: given ?? {},
            plan: planOf(plan, runtimeClassName),
            owner,
            drift: probed.then(({ runtimeClasses }) => runtimeClasses[runtimeClassName]),
            refuseExisting: hasNodes
                ? refuseExisting({ owner, endpoints, program, component: parent, runtimeClassName })
                : {},
            parent,
        }),
    );
    return {
        resources: created.map(({ resource }) => resource),
        confirmed: all(created.map(({ confirmed }) => confirmed)),
    };
}
