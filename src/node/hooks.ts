// Hooks that the engine calls.

import { randomUUID } from "node:crypto";
import { ResourceHook, type ResourceHookBinding, runtime } from "@pulumi/pulumi";

/** Calls `check` just before a resource is created; if it fails, the resource is not created. No engine calls it under mocks. */
export function beforeCreate(name: string, check: () => void | Promise<void>): { hooks?: ResourceHookBinding } {
    if (runtime.getEngine() === undefined) return {};
    // The names of hooks must be unique in a program.
    return { hooks: { beforeCreate: [new ResourceHook(`${name}-${randomUUID()}`, check)] } };
}
