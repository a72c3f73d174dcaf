// Small checks and ways to put them together. A check says what is wrong with a value; a value that is not known yet
// (an Output, a Promise) is not wrong, and is checked again when it is known.

import { Output } from "@pulumi/pulumi";

export interface Problem {
    /** Where it is, as in `nodes["worker-1"].connection.port`. */
    path: string;
    /** What the value must be. It never holds the value. */
    reason: string;
    /** The value, for those who may see it. */
    found?: unknown;
}

export type Check = (value: unknown, path: string) => Problem[];

const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null;

/** Whether the value is not known yet. */
export function isLater(value: unknown): boolean {
    return Output.isInstance(value) || typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

/** The value, where it is known and right. */
export function known<T>(value: unknown, right: (value: unknown) => value is T): T | undefined {
    return !isLater(value) && right(value) ? value : undefined;
}

/** A single value. `expectation` goes on after "must be". */
export function leaf(expectation: string, right: (value: unknown) => boolean): Check {
    return (value, path) =>
        isLater(value) || right(value) ? [] : [{ path, reason: `must be ${expectation}`, found: value }];
}

/** A text that fulfils a pattern. */
export function text(expectation: string, pattern: RegExp): Check {
    return leaf(expectation, (value) => typeof value === "string" && pattern.test(value));
}

/** One of the values of an enum. */
export function oneOf(values: { [name: string]: string } | string[]): Check {
    const allowed = Object.values(values);
    return leaf(allowed.map((value) => `"${value}"`).join(" or "), (value) => allowed.includes(value as string));
}

export const boolean = leaf("true or false", (value) => typeof value === "boolean");

export function wholeNumber(from: number, to = Number.MAX_SAFE_INTEGER): Check {
    const range = to === Number.MAX_SAFE_INTEGER ? `, at least ${from}` : ` from ${from} to ${to}`;
    const right = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= from && Number(value) <= to;
    return leaf(`a whole number${range}`, right);
}

export function optional(check: Check): Check {
    return (value, path) => (isAbsent(value) ? [] : check(value, path));
}

export function required(check: Check): Check {
    return (value, path) => (isAbsent(value) ? [{ path, reason: "is missing" }] : check(value, path));
}

/** A value that decides which resources there are, so it must be known when the program runs. */
export function immediate(check: Check): Check {
    const reason = "must be known when the program runs, so it cannot be an Output; what is in it can";
    return (value, path) => (isLater(value) ? [{ path, reason }] : check(value, path));
}

function join(path: string, name: string): string {
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    return path === "" ? key : `${path}.${key}`;
}

/** An object with the given properties and no others. */
export function object(shape: { [name: string]: Check }): Check {
    return properties((value, path) => [
        ...Object.entries(shape).flatMap(([name, check]) => check(value[name], join(path, name))),
        ...Object.keys(value)
            .filter((name) => !Object.hasOwn(shape, name) && !isAbsent(value[name]))
            .map((name) => ({
                path: join(path, name),
                reason: `is not known here; known are ${Object.keys(shape).join(", ")}`,
            })),
    ]);
}

/** An object whose keys are names of the user's own. */
export function map(key: Check, check: Check): Check {
    return properties((value, path) =>
        Object.entries(value).flatMap(([name, item]) => {
            const itemPath = `${path}[${JSON.stringify(name)}]`;
            return [...key(name, itemPath), ...check(item, itemPath)];
        }),
    );
}

function properties(check: (value: { [name: string]: unknown }, path: string) => Problem[]): Check {
    const isPlain = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
    const wrong = (path: string) => [{ path, reason: "must be an object" }];
    return immediate((value, path) =>
        isPlain(value) ? check(value as { [name: string]: unknown }, path) : wrong(path),
    );
}

export function list(check: Check): Check {
    return immediate((value, path) =>
        Array.isArray(value)
            ? value.flatMap((item, i) => check(item, `${path}[${i}]`))
            : [{ path, reason: "must be a list" }],
    );
}

/** Every one of the checks. */
export function all(...checks: Check[]): Check {
    return (value, path) => checks.flatMap((check) => check(value, path));
}
