// The errors of the node program, read from its `fail FINDING REMEDY` calls, and the steps that print them.

import { programFiles } from "../src/node/program";
import { code, functions, type Function as ShellFunction, words } from "../tests/lint/shell";

export interface NodeError {
    /** What varies is upper case and in italics, or an ellipsis. */
    finding: string;
    /** Empty for a drift, which `pulumi up` repairs, and for a warning, which contains it. */
    remedy: string;
    /** As in `step "containerd"`; empty if it may be any. */
    steps: string[];
}

export interface NodeErrors {
    errors: NodeError[];
    /** In the order in which a node takes them. */
    steps: string[];
}

/** `fail`, a requirement of the host, a problem of an archive (see archive_problem), or a warning. */
const call = /(?<![\w-])(?:(?:fail|explain|finding) (?=")|finding=(?=")|say (?="warning: ))/g;
export const isProse = (text: string) => /[a-z] [a-z]/.test(text);
export const placeholder = (name: string) => `*${name.toUpperCase()}*`;

/** The end of the construct that `open` begins, behind its closing character. */
function skip(text: string, open: number, close: '"' | "}" | ")"): number {
    for (let i = open; i < text.length; i++) {
        const [c, next] = [text[i], text[i + 1]];
        if (c === close) return i + 1;
        if (c === "\\") i++;
        else if (c === "$" && (next === "(" || next === "{")) i = skip(text, i + 2, next === "(" ? ")" : "}") - 1;
        else if (c === '"') i = skip(text, i + 1, '"') - 1;
        else if (c === "(" && close === ")") i = skip(text, i + 1, ")") - 1;
        else if (c === "'" && close === ")") i = text.indexOf("'", i + 1);
    }
    throw new Error(`no ${close} ends: ${text.slice(open, open + 80)}`);
}

/** The content of the quoted word at `start`, and the place behind it. */
function quoted(text: string, start: number): { text: string; end: number } {
    const end = skip(text, start + 1, '"');
    return { text: text.slice(start + 1, end - 1), end };
}

class NodeProgram {
    private readonly functions: ShellFunction[];
    private readonly bodies: Map<string, string>;
    private readonly constants: Map<string, string>;

    /** `text` has no comments but those that name the parameters of functions. */
    constructor(private readonly text: string) {
        this.functions = functions(text);
        this.bodies = new Map(this.functions.map(({ name, body }) => [name, body]));
        const constants = text.matchAll(/^([A-Z_]+)=(\/\S+|[a-z-]+)(?= |$)/gm);
        this.constants = new Map([...constants].map(([, name, value]) => [name!, value!]));
    }

    /** The text of a word of a function: literal parts stay, and the rest is named. */
    private shown(word: string, within: ShellFunction): string {
        let out = "";
        for (let i = 0; i < word.length; i++) {
            const [variable] = /^\$([*@]|\d|\w+)/.exec(word.slice(i)) ?? [];
            if (word[i] === "\\") {
                i++;
                if (word[i] !== "\n") out += word[i];
            } else if (word.startsWith("$(", i) || word.startsWith("${", i)) {
                const end = skip(word, i + 2, word[i + 1] === "(" ? ")" : "}");
                const inside = word.slice(i + 2, end - 1);
                const value = word[i + 1] === "(" ? this.output(inside, within) : this.expansion(inside, within);
                out += out.endsWith("*") && value.startsWith("*") ? "…" : value;
                i = end - 1;
            } else if (variable) {
                const value = this.variable(variable.slice(1), within);
                // A name that continues a word is hard to read.
                out += /\w$/.test(out) && /^\*\w+\*$/.test(value) ? "…" : value;
                i += variable.length - 1;
            } else out += word[i];
        }
        return out.replace(/…[\s…]*…/g, "…");
    }

    /** The value of a variable: a constant, the texts that its function gives it, or its name. */
    private variable(variable: string, within: ShellFunction): string {
        if (variable === "NEWLINE") return " ";
        if (/^[*@\d]$/.test(variable)) {
            const comment = new RegExp(`^(?:# ${within.name}|${within.name}\\(\\) \\{ #) ([A-Z0-9_ ]+)\\b`, "m");
            const parameter = comment.exec(this.text)?.[1]?.split(" ")[Number(variable) - 1];
            return parameter ? placeholder(parameter) : "…";
        }
        const constant = this.constants.get(variable);
        if (constant) return this.shown(constant, within);
        const values: string[] = [];
        for (const { index } of within.body.matchAll(new RegExp(`(?<![\\w$])${variable}(?==")`, "g"))) {
            const value = quoted(within.body, index + variable.length + 1).text;
            if (value.includes(`$${variable};`)) values.push(value.replace(`$${variable}`, values.pop()!));
            else if (isProse(value)) values.push(value);
        }
        if (values.length === 0) return placeholder(variable);
        return [...new Set(values.map((value) => this.shown(value, within)))].join(" – or: ");
    }

    /** The text of `${…}`. */
    private expansion(inside: string, within: ShellFunction): string {
        const [, variable, set] = /^(\w+)(?::\+(.*))?/s.exec(inside)!;
        return set === undefined ? this.variable(variable!, within) : this.shown(set, within);
    }

    /** The text of `$(…)`: what it or its function echoes, or the name of the function or of the argument that it prints. */
    private output(commands: string, within: ShellFunction): string {
        const [, argument] = /^given \S+ (\S+)$/.exec(commands) ?? [];
        if (argument) return placeholder(argument);
        const name = commands.replace(/^cri /, "");
        const body = this.bodies.get(name) ?? commands;
        const echoed = [...body.matchAll(/echo (?=")/g)]
            .map(({ index }) => quoted(body, index + 5).text)
            .filter(isProse);
        if (echoed.length > 0) return echoed.map((text) => this.shown(text, within)).join(" – or: ");
        return this.bodies.has(name) ? placeholder(name) : "…";
    }

    errors(): NodeErrors {
        const errors: NodeError[] = [];
        const steps: string[] = [];
        // Each call becomes a word, so that the order of calls and steps can be read from the code.
        const bodies = this.functions.map(({ name, body }) => {
            let out = "";
            let from = 0;
            for (const { index, 0: match } of body.matchAll(call)) {
                if (index < from) continue;
                const finding = quoted(body, index + match.length);
                const { remedy, end } = this.remedy(match, body, finding.end);
                out += `${body.slice(from, index)}error_${errors.length} `;
                from = end;
                const within = { name, body: match === "finding=" ? body.slice(0, body.indexOf("if ")) : body };
                const [shown, remedyShown] = [finding.text, remedy].map((text) => this.shown(text, within));
                errors.push({ finding: shown!, remedy: remedyShown!, steps: [] });
            }
            out += body.slice(from);
            out = out.replace(/\bstep "([^"]+)"/g, (_, step) => `step_${steps.push(step) - 1}`);
            return [name, words(code(`${out}\n`).replace(/\btrap .*/g, ""))] as const;
        });
        const order = new Steps(new Map(bodies), steps, errors).walk();
        const unsafe = errors.find(({ remedy }) => remedy === "…, then run pulumi again");
        // The finding of the others is a parameter.
        const own = errors.filter((error) => error !== unsafe && !/^\*\w+\*$/.test(error.finding));
        return { errors: [...own, ...(unsafe ? this.refusals(unsafe) : [])], steps: order };
    }

    /** The remedy of the call whose finding ends at `from`. A problem of an archive has one in its branch, or that of all. */
    private remedy(call: string, body: string, from: number): { remedy: string; end: number } {
        if (call === "say ") return { remedy: "", end: from };
        if (call !== "finding=") {
            const { text, end } = quoted(body, body.indexOf('"', from));
            return { remedy: text, end };
        }
        const [branch] = body.slice(from).split(/\n\s*(?:elif|else|fi)\b/);
        const own = branch!.indexOf('remedy="');
        return { remedy: own < 0 ? "$remedy" : quoted(branch!, own + "remedy=".length).text, end: from };
    }

    /** The lines of containerd's configuration that awk refuses to edit, which `mark` reports as the error `unsafe`. */
    private refusals({ finding, remedy, steps }: NodeError): NodeError[] {
        const shown = (concatenated: string) =>
            concatenated.replace(/"(.*?)" ?|\w+\([^)]*\) ?|\w+ ?/g, (_, literal) => literal ?? "…");
        return [...this.text.matchAll(/refuse\(\w+, (.+?"), (".+)\)$/gm)].map(([, why, how]) => ({
            finding: finding.replace("…", `line *NUMBER*: ${shown(why!)}`),
            remedy: remedy.replace("…", shown(how!)),
            steps,
        }));
    }
}

/** Follows the calls from each action, in the order of the text, to the steps at which an error is printed. */
class Steps {
    private readonly seen = new Map<string, string[]>();
    private readonly order = new Set(["start"]);
    private readonly actions: string[];

    constructor(
        private readonly bodies: Map<string, string[]>,
        private readonly steps: string[],
        private readonly errors: NodeError[],
    ) {
        this.actions = [...bodies.keys()].filter((name) => /^(main|work|recover|do_\w+|drift_of_\w+)$/.test(name));
    }

    /** The steps in the order in which a node takes them. */
    walk(): string[] {
        // In a probe, errors are drifts.
        for (const action of this.actions) if (!action.startsWith("drift_of_")) this.follow(action, ["start"]);
        return [...this.order];
    }

    /** The functions that a word calls: `fact NAME` calls that of any distribution. */
    private calls(word: string, last: string): string[] {
        const distributions = [...this.bodies.keys()].flatMap((name) => /^(\w+)_start_command$/.exec(name)?.[1] ?? []);
        const names =
            last === "fact"
                ? distributions.map((name) => `${name}_${word}`)
                : last === "cri"
                  ? [word, `crio_${word}`]
                  : [word];
        return names.filter((name) => this.bodies.has(name) && !this.actions.includes(name));
    }

    /** The steps after a call of the function. */
    private follow(name: string, before: string[]): string[] {
        const key = [name, ...before].join();
        if (this.seen.has(key)) return this.seen.get(key)!;
        this.seen.set(key, before);
        let now = before;
        let last = "";
        const returned: string[] = [];
        const blocks: string[][] = [];
        for (const word of this.bodies.get(name)!) {
            const [, kind, number] = /^(step|error)_(\d+)$/.exec(word) ?? [];
            if (word === "return") returned.push(...now);
            else if (word === "if" || word === "case") blocks.push(now);
            else if (word === "fi" || word === "esac") now = [...blocks.pop()!, ...(last === "return" ? [] : now)];
            else if (kind === "step") {
                now = [this.steps[Number(number)]!];
                this.order.add(now[0]!);
            } else if (kind === "error") {
                const error = this.errors[Number(number)]!;
                error.steps = [...new Set([...error.steps, ...now])];
            } else {
                const called = this.calls(word, last);
                if (called.length > 0) now = [...new Set(called.flatMap((name) => this.follow(name, now)))];
            }
            last = word;
        }
        const after = [...new Set([...returned, ...now])];
        this.seen.set(key, after);
        return after;
    }
}

export function nodeErrors(files = programFiles()): NodeErrors {
    const withoutComments = (text: string) =>
        text.replace(/^[ \t]*#.*\n/gm, (comment) => (/^# \w+ [A-Z]+/.test(comment) ? comment : ""));
    return new NodeProgram(files.map(([, text]) => withoutComments(text)).join("\n")).errors();
}
