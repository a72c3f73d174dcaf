// How what is wrong with the arguments reaches the user.

import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import type { Problem } from "./checks";

/** The error for arguments that are wrong when the component is made. */
export function inputError(name: string, problems: Problem[]): pulumi.InputPropertiesError {
    const message = headline(name, problems);
    const shown = problems.map((problem) => ({ ...problem, reason: problem.reason + found(problem) }));
    // In a program in another language it is the engine that prints the error: the message, each path and reason, and
    // the value at the path, in clear, be it a private key. A path that it cannot read, for the space at its end, keeps
    // it from that.
    const errors = shown.map(({ path, reason }) => ({ propertyPath: `${path} `, reason }));
    // In a TypeScript program it is Node.js: it would show lines of this package.
    const print = () => listed(message, shown);
    return Object.assign(new pulumi.InputPropertiesError({ message, errors }), { [inspect.custom]: print });
}

/** The error for values that turn out wrong when they are known. They may be secret, so none is shown. */
export function lateError(name: string, problems: Problem[]): pulumi.RunError {
    return new pulumi.RunError(listed(headline(name, problems), problems));
}

/** The error for nodes that cannot be looked at. */
export function lookError(name: string, problems: string[]): pulumi.RunError {
    const message = `KataContainers ${JSON.stringify(name)} cannot look at every node, and changed nothing:`;
    const remedy = 'mend the connection, mark a machine that is gone with `gone`, or set drift to "warn" or "off"';
    return new pulumi.RunError([message, ...problems.map((problem) => `  - ${problem}`), remedy].join("\n"));
}

function headline(name: string, problems: Problem[]): string {
    const count = problems.length === 1 ? "an argument that is wrong" : `${problems.length} arguments that are wrong`;
    return `KataContainers ${JSON.stringify(name)} has ${count}:`;
}

function listed(message: string, problems: Problem[]): string {
    return [message, ...problems.map(({ path, reason }) => `  - ${path}: ${reason}`)].join("\n");
}

/** The value as it was given, but nothing of a connection, a kubeconfig or a URL: those hold credentials. */
function found({ path, found: value }: Problem): string {
    const mayBeShown = !/^(nodes|rollout\.drain)/.test(path) && ["string", "number", "boolean"].includes(typeof value);
    return mayBeShown ? `; it is ${JSON.stringify(value).slice(0, 80)}` : "";
}
