// The texts that a node's shell is given over SSH. Whatever comes from an argument goes through `quote`.

import type { Plan } from "../plan";
import type { Program } from "./program";

const folder = "/var/lib/kata-containers-node";

/**
 * One word for any shell: sh, bash, dash, zsh, fish. In single quotes only `'` and, for fish, `\` mean anything, so
 * both are put between quotes and escaped there.
 */
export function quote(text: string): string {
    if (/^[\w@+:,./-][\w@+=:,./-]*$/.test(text)) {
        return text;
    }
    return `'${text.replace(/['\\]/g, (special) => `'\\${special}'`)}'`;
}

// The login shell may be any shell and its user any user with sudo, so all begins with sh becoming root. From there on
// there are words only, never a text put together. These few lines are kept short because the command provider prints
// them in every error, before what the node has to say.
export const asRoot = `
[ "$(id -u)" = 0 ] && exec "$@"
sudo -n true </dev/null && exec sudo -n "$@"
echo "error: on $(uname -n), $(id -un) is not root: log in as root, or allow sudo without a password" >&2
exit 1`;

/**
 * Runs the node program, which comes on standard input, from a file: it takes the place of an earlier one by itself, when
 * the node turns out to be this owner's. A connection may break, so it is checked first.
 */
const store = (program: Program) => `
set -eu; umask 077; mkdir -p ${folder}; cd ${folder}
base64 -d | gzip -dc >new.$$ || :
[ "$(sha256sum <new.$$ | cut -c 1-12)" = ${program.id} ] || {
    rm new.$$; echo "error: the node program did not reach $(uname -n) whole: run pulumi up again; it needs base64 and gzip there" >&2; exit 1; }
exec sh ${folder}/new.$$ "$@"`;

/** Runs the node program that Release left. */
const runStored = `
[ -e ${folder}/node.sh ] && exec sh ${folder}/node.sh "$@"
echo "error: the node program is not on $(uname -n) any more: run pulumi up with --replace for its -release and -runtime" >&2
exit 1`;

/** Like `runStored`, but a node that was installed anew has nothing left to undo. */
const runStoredIfAny = `
[ -e ${folder}/node.sh ] && exec sh ${folder}/node.sh "$@"
echo "nothing to undo: the node program is not on $(uname -n) any more"`;

/**
 * Runs the node program that Release left, if it is this one. A node that was installed anew, or where somebody has removed
 * what is ours, has none: it tells a generation that it never had, the same until something changes there.
 */
const runStoredIfOurs = (program: Program) => `
cd ${folder} 2>/dev/null && [ "$(sha256sum <node.sh | cut -c 1-12)" = ${program.id} ] && exec sh ${folder}/node.sh "$@"
{ cat /proc/sys/kernel/random/boot_id node.sh stage activate 2>/dev/null; stat -c %Y /var/lib; } | sha256sum | cut -c 1-12`;

type Flag = [name: string, value: string | boolean | undefined];

/** One argument a line, so that a preview shows which of them changed. */
function command(words: string[], action: string, flags: Flag[]): string {
    const given = flags.filter(([, value]) => value !== undefined).map(([name, value]) => `--${name}=${value}`);
    const first = ["sh", "-c", asRoot, "kata-containers"].map(quote).join(" ");
    return [first, words.map(quote).join(" "), action, ...given.map(quote)].join(" \\\n");
}

const inShell = (script: string) => ["sh", "-c", script, "kata-containers"];

const checksums = (plan: Plan): Flag[] =>
    plan.archives.map(([architecture, { sha256 }]) => [`sha256-${architecture}`, sha256]);

/** Brings the node program, on standard input, and the release. */
export function stage(plan: Plan, owner: string, program: Program, generation?: string): string {
    return command(inShell(store(program)), "stage", [
        ["owner", owner],
        ["version", plan.version],
        ...plan.archives.map(([architecture, { url }]): Flag => [`url-${architecture}`, url]),
        ...checksums(plan),
        ["host-checks", plan.hostChecks],
        ["generation", generation || undefined],
    ]);
}

/** Takes away what `stage` brought. */
export function unstage(owner: string): string {
    return command(inShell(runStoredIfAny), "unstage", [["owner", owner]]);
}

/** Switches the node. */
export function activate(plan: Plan, owner: string, program: Program, generation?: string): string {
    return command(inShell(runStored), "activate", [
        ["program", program.id],
        ["owner", owner],
        ["version", plan.version],
        ...checksums(plan),
        ["handler", plan.handler],
        ["shim", plan.shim],
        ["kata-config", plan.configuration],
        ["debug", plan.debug],
        ...plan.settings.map(([key, literal]): Flag => ["set", `${key}=${literal}`]),
        ["cgroup-driver", plan.cgroupDriver],
        ["change-under-running-pods", plan.changeUnderRunningPods || undefined],
        ["host-checks", plan.hostChecks],
        ["generation", generation || undefined],
    ]);
}

/** Asks whether the node is as it was applied, and what the cluster has of its Node and the RuntimeClass. */
export function drift(program: Program, node: string, runtimeClass: string | undefined): string {
    return command(inShell(runStoredIfOurs(program)), "drift", [
        ["node", node],
        ["runtime-class", runtimeClass],
    ]);
}

/** Puts the node back. */
export function deactivate(plan: Plan, owner: string): string {
    return command(inShell(runStoredIfAny), "deactivate", [
        ["owner", owner],
        ["handler", plan.handler],
        ["change-under-running-pods", plan.changeUnderRunningPods || undefined],
        ["force", plan.forceRemoval || undefined],
    ]);
}
