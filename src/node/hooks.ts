// Hooks that the engine calls. It calls them outside of the run, which `log` needs to know in a plugin: hence AsyncResource.

import { AsyncResource } from "node:async_hooks";
import {
    ErrorHook,
    type ErrorHookArgs,
    log,
    type Resource,
    ResourceHook,
    type ResourceHookArgs,
    type ResourceHookBinding,
    runtime,
} from "@pulumi/pulumi";
import { currentRun } from "../run";

export interface Hooks {
    hooks?: ResourceHookBinding;
}

/** No engine calls hooks under mocks. */
const hasEngine = () => runtime.getEngine() !== undefined;

/** A CLI that is too old for hooks gets one error, that of the check of its version. */
function withoutOwnError<Hook extends ErrorHook | ResourceHook>(hook: Hook): Hook {
    (hook as unknown as { __registered?: Promise<void> }).__registered?.catch(() => undefined);
    return hook;
}

/** A name that is unique in a program, and the same in each run: a changed name would write the state once per resource. */
function uniqueName(use: string): string {
    const { hooks } = currentRun();
    const name = `kata-containers-${use}`;
    const count = (hooks.get(name) ?? 0) + 1;
    hooks.set(name, count);
    return count === 1 ? name : `${name}-${count}`;
}

/** Calls `check` just before a resource is created; if it fails, the resource is not created. */
export function beforeCreate(name: string, check: () => void | Promise<void>): Hooks {
    if (!hasEngine()) return {};
    const hook = new ResourceHook(uniqueName(`${name}-create`), AsyncResource.bind(check));
    return { hooks: { beforeCreate: [withoutOwnError(hook)] } };
}

/** Calls `prepare` just before a resource is created or updated; if it fails, the resource is not changed. */
export function beforeChange(name: string, prepare: (resource: ResourceHookArgs) => Promise<void>): Hooks {
    if (!hasEngine()) return {};
    const hook = withoutOwnError(new ResourceHook(uniqueName(name), AsyncResource.bind(prepare)));
    return { hooks: { beforeCreate: [hook], beforeUpdate: [hook] } };
}

/** Explains the error of the command provider when a machine is lost during a command, because it does not name the machine. */
export function explainLostMachines(component: string, resource: Resource): Hooks {
    if (!hasEngine()) return {};
    const explain = async ({ name, errors }: ErrorHookArgs) => {
        const message = lostMachine(component, name, errors[0] ?? "");
        if (message) await log.warn(message, resource);
        return false;
    };
    const hook = new ErrorHook(uniqueName(`${component}-lost`), AsyncResource.bind(explain));
    return { hooks: { onError: [withoutOwnError(hook)] } };
}

/** The explanation, if the error of the resource `name` needs it. */
export function lostMachine(component: string, name: string, error: string): string | undefined {
    const [, node, step] = /^(.*)-(stage|activate)$/.exec(name.slice(component.length + 1)) ?? [];
    // The output of the node follows the text of the command.
    // A machine that is switched off may still report the signal that ended the command.
    const isLost = /(without exit status or exit signal| from signal [A-Z]+): running /.test(error);
    if (!node || !isLost) return undefined;
    return (
        `${node}: the connection was lost during ${step}. The node completes the change or rolls it back by itself: ` +
        "run pulumi up again when it is reachable"
    );
}
