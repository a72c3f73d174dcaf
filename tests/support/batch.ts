// Many runs of the program's functions in one shell process, since a process for each of thousands takes too long.

import { readFileSync } from "node:fs";
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

    /** Defines something for the commands that follow. */
    define(script: string): void {
        this.script.push(script);
    }

    /** Runs a function; its output is in the file NAME.out, for the commands that follow as well. */
    try(name: string, ...command: string[]): void {
        this.script.push(["try", name, ...command].map(word).join(" "));
    }

    /** Runs it all, and gives the result of each by its name. */
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
