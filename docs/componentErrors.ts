// The errors and warnings of the component: every text in its sources that is a sentence.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as ts from "typescript";
import { isProse, placeholder } from "./nodeErrors";

export interface ComponentError {
    /** The file that prints it, as in `src/check/validate.ts`. */
    file: string;
    /** What varies is upper case and in italics, or an ellipsis. */
    text: string;
}

/** Documented elsewhere: arguments, facts about releases and shims, drift. */
const excluded = /^src\/(args\.ts|kata\/|cluster\/drift\.ts)/;

type Text = ts.StringLiteral | ts.NoSubstitutionTemplateLiteral | ts.TemplateExpression;
const isText = (node: ts.Node): node is Text => ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);

/** The whole expression of which a text is a part. */
function whole(node: ts.Node): ts.Node {
    const { parent } = node;
    const isPart =
        ts.isTemplateSpan(parent) ||
        ts.isTemplateExpression(parent) ||
        ts.isBinaryExpression(parent) ||
        ts.isParenthesizedExpression(parent) ||
        (ts.isConditionalExpression(parent) && parent.condition !== node);
    return isPart ? whole(parent) : node;
}

/** The texts that an expression may have. */
function texts(node: ts.Node): string[] {
    const combined = (left: string[], right: string[]) => left.flatMap((text) => right.map((rest) => text + rest));
    if (ts.isStringLiteralLike(node)) return [node.text];
    if (ts.isTemplateExpression(node)) {
        return node.templateSpans.reduce(
            (text, { expression, literal }) => combined(combined(text, texts(expression)), [literal.text]),
            [node.head.text],
        );
    }
    if (ts.isParenthesizedExpression(node)) return texts(node.expression);
    if (ts.isConditionalExpression(node)) return [...texts(node.whenTrue), ...texts(node.whenFalse)];
    if (ts.isBinaryExpression(node)) {
        const [left, right] = [texts(node.left), texts(node.right)];
        return node.operatorToken.kind === ts.SyntaxKind.PlusToken ? combined(left, right) : right;
    }
    if (ts.isIdentifier(node)) return constant(node) ?? [named(node.text)];
    if (ts.isPropertyAccessExpression(node) && node.name.text !== "length") return [named(node.name.text)];
    // JSON.stringify(value), list.join(", ")
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
        const { expression, name } = node.expression;
        if (name.text === "stringify") return texts(node.arguments[0]!);
        if (["join", "slice"].includes(name.text)) return texts(expression);
    }
    return ["…"];
}

/** As in `versionPath`: VERSION_PATH. */
const named = (name: string) => placeholder(name.replace(/[A-Z]/g, "_$&"));

/** The texts of a constant that is defined around the identifier; undefined if it has none. */
function constant(name: ts.Identifier): string[] | undefined {
    for (let scope: ts.Node = name; scope; scope = scope.parent) {
        const parameters = ts.isFunctionLike(scope) ? scope.parameters.map((each) => each.name.getText()).join() : "";
        if (new RegExp(`\\b${name.text}\\b`).test(parameters)) return undefined;
        const statements = ts.isBlock(scope) || ts.isSourceFile(scope) ? scope.statements : [];
        for (const statement of statements) {
            if (!ts.isVariableStatement(statement)) continue;
            for (const { name: declared, initializer } of statement.declarationList.declarations) {
                if (declared.getText() !== name.text || !initializer) continue;
                const found = texts(initializer);
                return found.every((text) => text !== "" && text !== "…") ? found : undefined;
            }
        }
    }
    return undefined;
}

/** Whether another text contains the constant that the expression defines, or what the function returns. */
function isInserted({ parent }: ts.Node): boolean {
    let scope: ts.Node = parent;
    while (!ts.isBlock(scope) && !ts.isSourceFile(scope)) scope = scope.parent;
    const called = ts.isBlock(scope) && ts.isFunctionDeclaration(scope.parent) && `\${${scope.parent.name!.text}(`;
    if (called && scope.getSourceFile().text.includes(called)) return true;
    return ts.isVariableDeclaration(parent) && scope.getText().includes(`\${${parent.name.getText()}}`);
}

/** The lines that a shell command prints as an error. */
const echoed = (command: string) =>
    [...command.matchAll(/echo "(error: [^"]+)"(?: >&2\n\s*echo " *(what to do: [^"]+)")?/g)].map(([, ...lines]) =>
        lines
            .filter(Boolean)
            .join("; ")
            .replace(/\$\((?:[^()]|\([^)]*\))*\)/g, "…")
            .replace(/\$(\w+)/g, (_, name) => placeholder(name)),
    );

function errorsOf(file: string): ComponentError[] {
    const source = ts.createSourceFile(
        file,
        readFileSync(join(__dirname, "..", file), "utf8"),
        ts.ScriptTarget.ES2022,
        true,
    );
    const found = new Map<ts.Node, string[]>();
    const visit = (node: ts.Node): void => {
        if (!isText(node)) {
            ts.forEachChild(node, visit);
            return;
        }
        const root = whole(node);
        const call = ts.isCallExpression(root.parent) ? root.parent.expression.getText() : "";
        if (node.getText().startsWith("`\n")) found.set(root, echoed(node.getText()));
        else if (!isInserted(root) && !call.endsWith(".includes")) {
            found.set(
                root,
                texts(root).map((text) => (/^(leaf|text)$/.test(call) ? `must be ${text}` : text)),
            );
        }
    };
    visit(source);
    const sentences = [...found.values()].flat().filter((text) => isProse(text) && !text.startsWith(";"));
    return sentences.map((text) => ({ file, text: text.trim() }));
}

/** All of them, each once. */
export function componentErrors(): ComponentError[] {
    const files = readdirSync(join(__dirname, "../src"), { recursive: true, encoding: "utf8" })
        .map((file) => join("src", file))
        .filter((file) => file.endsWith(".ts") && !excluded.test(file))
        .sort();
    const errors = files.flatMap(errorsOf);
    return errors.filter(
        ({ text }, i) =>
            errors.findIndex((other) => other.text === text) === i &&
            !errors.some((other) => other.text.endsWith(`: ${text}`)),
    );
}
