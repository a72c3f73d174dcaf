// Generates the errors in docs/troubleshooting.md from the code. `npm run schema` writes them.

import { join } from "node:path";
import { type ComponentError, componentErrors } from "./componentErrors";
import { type NodeError, type NodeErrors, nodeErrors } from "./nodeErrors";

export const troubleshootingFile = join(__dirname, "troubleshooting.md");

/** An error that more steps can print is listed once, as one of any step. */
const stepsOfOne = 3;
/** The text, of which Markdown shows every character. */
const plain = (text: string) => text.replace(/[|<]/g, "\\$&");

function table(errors: NodeError[]): string {
    const rows = errors.map(({ finding, remedy }) => `| ${plain(finding)} | ${plain(remedy)} |`);
    return ["| error | what to do |", "|---|---|", ...new Set(rows)].join("\n");
}

/** A section for each step. */
function nodeTables({ errors, steps }: NodeErrors): string {
    const isAnywhere = ({ steps }: NodeError) => steps.length === 0 || steps.length > stepsOfOne;
    const sections = [...steps, undefined].map((step) => ({
        title: step === undefined ? "### Any step" : `### Step "${step}"`,
        printed: errors.filter((error) => (isAnywhere(error) ? step === undefined : error.steps.includes(step!))),
    }));
    return sections
        .filter(({ printed }) => printed.length > 0)
        .flatMap(({ title, printed }) => [title, table(printed)])
        .join("\n\n");
}

const list = (texts: string[]) => texts.map((text) => `- ${plain(text)}`).join("\n");

/** Whether it continues the path of an argument. */
const isReason = ({ file, text }: ComponentError) =>
    /^src\/check\/(checks|secrets|validate)\.ts$/.test(file) || /^(must|cannot|is|has) /.test(text);

/** By the names of their markers in the page. */
export function errorTables(): { [name: string]: string } {
    const { errors, steps } = nodeErrors();
    const isWarning = ({ finding }: NodeError) => finding.startsWith("warning: ");
    const isDrift = (error: NodeError) => error.remedy === "" && !isWarning(error);
    const findings = (errors: NodeError[]) => list(errors.map(({ finding }) => finding));
    const component = componentErrors();
    const texts = (errors: ComponentError[]) => list(errors.map(({ text }) => text));
    return {
        "node errors": nodeTables({ errors: errors.filter(({ remedy }) => remedy !== ""), steps }),
        warnings: findings(errors.filter(isWarning)),
        drift: findings(errors.filter(isDrift)),
        "component errors": texts(component.filter((error) => !isReason(error))),
        "invalid arguments": texts(component.filter(isReason)),
    };
}
