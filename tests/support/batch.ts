// Runs functions of the node program many times in one shell process, because a process for each case takes too long.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import type { Result, Sandbox } from "./shells";

/** A word of a POSIX shell. */
export const word = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

export class Batch {
    private readonly script = [
        'try() { name=$1; shift; "$@" >"$name.out" 2>"$name.err" && rc=0 || rc=$?; echo "$name $rc"; }',
    ];

    constructor(private readonly sandbox: Sandbox) {}

    file(name: string, text: string): void {
        this.sandbox.write(name, text);
    }

    /** Sets a variable for the commands that follow. */
    set(variable: string, value: string): void {
        this.script.push(`${variable}=${word(value)}`);
    }

    /** Adds definitions for the commands that follow. */
    define(script: string): void {
        this.script.push(script);
    }

    /** Runs a function; the file NAME.out has its output, also for the commands that follow. */
    try(name: string, ...command: string[]): void {
        this.script.push(["try", name, ...command].map(word).join(" "));
    }

    /** Runs all commands and returns a function that gives the result of each by its name. */
    async run(): Promise<(name: string) => Result> {
        const { status, stdout, stderr } = await this.sandbox.run(this.script.join("\n"));
        if (status !== 0 || stderr !== "") {
            throw new Error(`the batch ended with ${status}: ${stderr}`);
        }
        const statuses = new Map(stdout.split("\n").map((line) => line.split(" ") as [string, string]));
        const read = (name: string) => readFileSync(this.sandbox.path(name), "utf8");
        return (name) => ({
            status: Number(statuses.get(name)),
            stdout: read(`${name}.out`),
            stderr: read(`${name}.err`),
        });
    }
}

/** Runs `check`; its error also shows the input. */
export function showing(input: unknown, check: () => void): void {
    try {
        check();
    } catch (error) {
        (error as Error).message += `\n${JSON.stringify(input, null, 1)}`;
        throw error;
    }
}

/**
 * Generates cases, runs them in one batch and checks each. The first case that fails is run again without the others and
 * simplified as long as it fails; the error shows the simplest one. `run` returns the check of the case at an index.
 */
export async function checkCases<Case>(
    seed: number,
    groups: { arbitrary: fc.Arbitrary<Case>; count: number }[],
    run: (cases: Case[]) => Promise<(index: number) => void>,
): Promise<void> {
    const cases = groups.flatMap(({ arbitrary, count }) =>
        fc.sample(arbitrary, { seed, numRuns: count }).map((value, path) => ({ arbitrary, path, value })),
    );
    const check = await run(cases.map(({ value }) => value));
    for (const [index, { arbitrary, path }] of cases.entries()) {
        try {
            check(index);
        } catch (error) {
            const property = fc.asyncProperty(arbitrary, async (value) => (await run([value]))(0));
            // The path starts at the value that failed.
            const options = { seed, path: String(path), numRuns: 1, interruptAfterTimeLimit: 20000 };
            const { failed, numShrinks, errorInstance } = await fc.check(property, options);
            const failure = (failed ? errorInstance : error) as Error;
            const how = failed ? `simplified ${numShrinks} times` : "passes without the other cases";
            failure.message += `\nKATA_TEST_SEED=${seed}, case ${index} (${how})`;
            throw failure;
        }
    }
}
