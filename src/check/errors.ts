// Errors for the user about invalid arguments and nodes that cannot be probed.

import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import type { Problem } from "./checks";

/** The error for arguments that are invalid when the component is created. */
export function inputError(name: string, problems: Problem[]): pulumi.InputPropertiesError {
    const message = headline(name, problems);
    const shown = problems.map((problem) => ({ ...problem, reason: problem.reason + found(problem) }));
    const errors = shown.map(({ path, reason }) => ({ propertyPath: unreadable(path), reason }));
    // In a TypeScript program, Node.js prints the error. By default it would print lines of this package.
    const print = () => list(message, shown);
    return Object.assign(new pulumi.InputPropertiesError({ message, errors }), { [inspect.custom]: print });
}

/** The error for values that are invalid when they become known. They may be secret, so it shows no values. */
export function lateError(name: string, problems: Problem[]): pulumi.RunError {
    return runError(list(headline(name, problems), problems));
}

/** The error for nodes that cannot be probed; `mayBeIgnored`: another value of `drift` permits that. */
export function probeError(name: string, errors: string[], mayBeIgnored: boolean): pulumi.RunError {
    const message = `KataContainers ${JSON.stringify(name)} could not probe all nodes; nothing was changed:`;
    const remedy = mayBeIgnored
        ? 'fix these errors, set `gone: true` for decommissioned machines, or set drift to "warn" or "off"'
        : "fix these errors, or set `gone: true` for decommissioned machines";
    return runError([message, ...errors.map((error) => `  - ${error}`), remedy].join("\n"));
}

/**
 * The same error fails the inputs of many resources, and Pulumi shows it once. To the message of an error it adds the name of
 * each input, so this message cannot be changed. After the end of the program, it shows the stack instead.
 */
export function runError(message: string): pulumi.RunError {
    const constant = { get: () => message, set: () => {} };
    return Object.defineProperties(new pulumi.RunError(message), { message: constant, stack: constant });
}

function headline(name: string, problems: Problem[]): string {
    const count = problems.length === 1 ? "an invalid argument" : `${problems.length} invalid arguments`;
    return `KataContainers ${JSON.stringify(name)} has ${count}:`;
}

function list(message: string, problems: Problem[]): string {
    return [message, ...problems.map(({ path, reason }) => `  - ${path}: ${reason}`)].join("\n");
}

/** The value as it was given. */
function found({ found: value }: Problem): string {
    const isSimple = ["string", "number", "boolean"].includes(typeof value);
    return isSimple ? `; it is ${JSON.stringify(value).slice(0, 80)}` : "";
}

/**
 * For a program in another language, the engine prints the path, the reason and the value at the path, in clear even if the
 * value is a private key. It cannot resolve a path that ends with a space, and then prints no value.
 */
function unreadable(path: string): string {
    return `${path} `;
}
