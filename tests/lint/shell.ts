// Reads shell files closely enough to lint them.

/**
 * The code of a shell file: comments, here-documents and `${…}` are left out and quoted text is replaced by Q, but the
 * commands in `"$(…)"` are kept.
 */
export function code(text: string): string {
    const frames = [{ string: false, parentheses: 0 }];
    let out = "";
    let delimiter: string | undefined;
    for (let i = 0; i < text.length; i++) {
        const frame = frames.at(-1)!;
        const rest = text.slice(i, i + 80);
        const c = text[i]!;
        if (c === "\\") {
            out += text[++i] === "\n" ? " " : "Q";
        } else if (rest.startsWith("$((")) {
            i = text.indexOf("))", i) + 1;
            out += "Q";
        } else if (rest.startsWith("${")) {
            i = endOfBraces(text, i + 1);
            out += "Q";
        } else if (rest.startsWith("$(")) {
            frames.push({ string: false, parentheses: 0 });
            out += "(";
            i++;
        } else if (c === '"') {
            if (frame.string) frames.pop();
            else frames.push({ string: true, parentheses: 0 });
            out += "Q";
        } else if (frame.string) {
        } else if (c === "'") {
            i = text.indexOf("'", i + 1);
            out += "Q";
        } else if (c === "#" && /(^|\s)$/.test(out)) {
            i = text.indexOf("\n", i) - 1;
        } else if (/^<<-?\w/.test(rest)) {
            delimiter = /^<<-?(\w+)/.exec(rest)![1];
            i += rest.indexOf(delimiter!) + delimiter!.length - 1;
        } else if (c === "\n" && delimiter !== undefined) {
            i = text.indexOf(`\n${delimiter}\n`, i) + delimiter.length;
            delimiter = undefined;
        } else {
            if (c === "(") frame.parentheses++;
            if (c === ")" && frames.length > 1 && frame.parentheses === 0) frames.pop();
            else if (c === ")") frame.parentheses--;
            out += c;
        }
    }
    return out;
}

function endOfBraces(text: string, open: number): number {
    let depth = 0;
    for (let i = open; ; i++) {
        if (text[i] === "{") depth++;
        if (text[i] === "}" && --depth === 0) return i;
    }
}

export interface Function {
    name: string;
    /** Its code, of one line or up to the line with the closing brace. */
    body: string;
}

/** The functions that the code defines. */
export function functions(code: string): Function[] {
    return [...code.matchAll(/^(\w+)\(\) (\{.*\}|\{[\s\S]*?^\})/gm)].map(([, name, body]) => ({
        name: name!,
        body: body!,
    }));
}

const withoutDeclarations = (code: string) => code.replace(/\blocal [^;\n]*/g, "").replace(/\bfor \w+ in\b/g, "");

/** The words that may be calls of functions, arguments included: `within 60 cri_serves` calls both. */
export const words = (code: string): string[] =>
    withoutDeclarations(code).match(/(?<![\w$./=-])[a-z]\w*(?![\w=./-])/g) ?? [];

/** The calls of these functions that have an assignment in front: `NAME=value function`. */
export function assignedCalls(code: string, names: Set<string>): string[] {
    const value = /(?:\([^()]*\)|[^\s();&|])*/.source;
    const call = new RegExp(`(?<![\\w-])(?:\\w+=${value}[ \\t]+)+([a-z]\\w*)(?![\\w=])`, "g");
    return [...withoutDeclarations(code).matchAll(call)].filter(([, name]) => names.has(name!)).map(([text]) => text);
}

/** The variables that code sets, by assignment, `for` or `read`. */
export function assigned(code: string): string[] {
    const assignments = [...code.matchAll(/(?<![\w$-]|-v )([A-Za-z_]\w*)=/g)];
    const loops = [...code.matchAll(/\bfor (\w+)\b/g)];
    const reads = [...code.matchAll(/\bread -r ([\w ]+)/g)].flatMap(([, names]) => names!.trim().split(" "));
    return [...assignments.map(([, name]) => name!), ...loops.map(([, name]) => name!), ...reads];
}

/** The variables that a function declares. */
export const locals = (body: string): string[] =>
    [...body.matchAll(/\blocal ([^;\n}]*)/g)].flatMap(([, list]) =>
        [...list!.matchAll(/(?:^| )([a-z]\w*)/g)].map(([, name]) => name!),
    );
