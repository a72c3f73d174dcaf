// Small checks and functions that combine them. A check returns the problems of a value. A value that is not known yet (an
// Output, a Promise) has no problems; it is checked again when it is known.

import { Output } from "@pulumi/pulumi";

export interface Problem {
    /** The place of the value, as in `nodes["worker-1"].connection.port`. */
    path: string;
    /** The requirement that the value violates. It never contains the value. */
    reason: string;
    /** The value; absent if it is secret. */
    found?: unknown;
}

export type Check = (value: unknown, path: string) => Problem[];

export const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null;

/** Whether the value is not known yet. */
export function isLater(value: unknown): boolean {
    return Output.isInstance(value) || typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

/** The value, if it is known and valid. */
export function ifValid<T>(value: unknown, valid: (value: unknown) => value is T): T | undefined {
    return !isLater(value) && valid(value) ? value : undefined;
}

/** A single value. `expectation` continues "must be". */
export function leaf(expectation: string, valid: (value: unknown) => boolean): Check {
    return (value, path) =>
        isLater(value) || valid(value) ? [] : [{ path, reason: `must be ${expectation}`, found: value }];
}

/** A text that matches a pattern. */
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
    const valid = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= from && Number(value) <= to;
    return leaf(`a whole number${range}`, valid);
}

export function optional(check: Check): Check {
    return (value, path) => (isAbsent(value) ? [] : check(value, path));
}

export function required(check: Check): Check {
    return (value, path) => (isAbsent(value) ? [{ path, reason: "is required" }] : check(value, path));
}

/** A value, or an object of values, that errors never show. */
export function secret(check: Check): Check {
    return (value, path) => check(value, path).map(({ path, reason }) => ({ path, reason }));
}

/** A value that decides which resources exist. */
export function immediate(check: Check): Check {
    const reason = "cannot be an Output, because it must be known when the program runs";
    return (value, path) => (isLater(value) ? [{ path, reason }] : check(value, path));
}

/** The path of a property with a fixed name. */
export function join(path: string, name: string): string {
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    return path === "" ? key : `${path}.${key}`;
}

/** The path of an entry whose name the user chooses. */
export const entryPath = (path: string, name: string) => `${path}[${JSON.stringify(name)}]`;

/** An object with the given properties and no others. */
export function object(shape: { [name: string]: Check }): Check {
    return properties((value, path) => [
        ...Object.entries(shape).flatMap(([name, check]) => check(value[name], join(path, name))),
        ...Object.keys(value)
            .filter((name) => !Object.hasOwn(shape, name) && !isAbsent(value[name]))
            .map((name) => ({
                path: join(path, name),
                reason: `is not a valid property; valid properties are ${Object.keys(shape).join(", ")}`,
            })),
    ]);
}

/** An object whose keys the user chooses. */
export function map(key: Check, check: Check): Check {
    return properties((value, path) =>
        Object.entries(value).flatMap(([name, item]) => {
            const itemPath = entryPath(path, name);
            return [...key(name, itemPath), ...check(item, itemPath)];
        }),
    );
}

export function isObject(value: unknown): value is { [name: string]: unknown } {
    return typeof value === "object" && value !== null && !Array.isArray(value) && !isLater(value);
}

function properties(check: (value: { [name: string]: unknown }, path: string) => Problem[]): Check {
    return immediate((value, path) => (isObject(value) ? check(value, path) : [{ path, reason: "must be an object" }]));
}

export function list(check: Check): Check {
    return immediate((value, path) =>
        Array.isArray(value)
            ? value.flatMap((item, i) => check(item, `${path}[${i}]`))
            : [{ path, reason: "must be a list" }],
    );
}

/** The problems of every check. */
export function all(...checks: Check[]): Check {
    return (value, path) => checks.flatMap((check) => check(value, path));
}
