// The commands that run on a node over SSH. Everything that comes from an argument goes through `quote`.

import { type Output, output, secret } from "@pulumi/pulumi";
import type { ClassPlan, Plan } from "../plan";
import type { Program } from "./program";

const folder = "/var/lib/kata-containers-node";
const runFolder = "/run/kata-containers-node";

/**
 * One word for any shell: sh, bash, dash, zsh, fish, csh, tcsh. In single quotes only `'` and, for fish, `\` have a meaning, and
 * for csh `!`, so they are escaped outside of the quotes. csh allows no line break in quotes.
 */
export function quote(text: string): string {
    if (/^[\w@+:,./-][\w@+=:,./-]*$/.test(text)) {
        return text;
    }
    return `'${text.replace(/['\\!]/g, (special) => `'\\${special}'`)}'`;
}

/** A script in one line, for csh. */
export const oneLine = (script: string) =>
    script
        .trim()
        .replace(/\n\s*/g, "; ")
        .replace(/(\{|\|\||&&|\bthen|\belse|\bdo); /g, "$1 ");

// The login shell may be any shell and the user any user with sudo, so start with sh and become root; after that, pass an
// argument list, never a concatenated string. The script is short because the command provider prints it in every error,
// before the output of the node.
export const asRoot = oneLine(`
[ "$(id -u)" = 0 ] && exec "$@"
sudo -n true </dev/null && exec sudo -n "$@"
echo "error: on $(uname -n), $(id -un) is not root: log in as root, or allow sudo without a password" >&2
exit 1`);

/**
 * Keeps the node program, which comes on standard input, until the next boot. It changes nothing that is installed, and its name
 * is that of its content, because several components may send theirs at once.
 */
const keep = `
set -eu; umask 077; mkdir -p ${runFolder}; cd ${runFolder}
gzip -dc >new.$$ || :
[ "$(sha256sum <new.$$ | cut -c 1-12)" = "\${2#--program=}" ] || {
    rm new.$$; echo "error: the node program arrived incomplete on $(uname -n): install gzip there if it is missing, then run pulumi up again" >&2; exit 1; }
mv new.$$ program-"\${2#--program=}"`;

/**
 * Runs a copy of the node program that was sent. The program replaces an installed one by itself, after it has checked the owner
 * of the node. On standard input: the queries of the URLs, the proxy, and the program if it was not sent.
 */
const runKept = `
set -eu; umask 077; mkdir -p ${folder}; cd ${folder}
IFS= read -r KATA_URL_QUERIES || :; IFS= read -r KATA_URL_PROXY || :
export KATA_URL_QUERIES KATA_URL_PROXY
kept=${runFolder}/program-"\${2#--program=}"
if [ -e "$kept" ]; then cp "$kept" new.$$; else base64 -d | gzip -dc >new.$$; fi || :
[ "$(sha256sum <new.$$ | cut -c 1-12)" = "\${2#--program=}" ] || {
    rm -f new.$$; echo "error: the node program is not on $(uname -n): if the machine has just restarted, run pulumi up again; otherwise fix the cause, which may be printed above" >&2; exit 1; }
exec sh ${folder}/new.$$ "$@"`;

/** Runs the node program that `stage` installed. */
const runStored = `
[ -e ${folder}/node.sh ] && exec sh ${folder}/node.sh "$@"
echo "error: the node program is missing on $(uname -n): replace the -stage and -activate resources of this node: pulumi up --replace URN (pulumi stack --show-urns lists the URNs)" >&2
exit 1`;

/** Like `runStored`, but a reinstalled node has nothing to undo. */
const runStoredIfAny = `
[ -e ${folder}/node.sh ] && exec sh ${folder}/node.sh "$@"
echo "nothing to undo: the node program is missing on $(uname -n)"`;

/**
 * Runs the installed node program, if it is this one. Otherwise the node was reinstalled, or somebody removed the program:
 * print a new revision, which is the same until something changes on the node.
 */
const runStoredIfCurrent = (program: Program) => `
cd ${folder} 2>/dev/null && [ "$(sha256sum <node.sh | cut -c 1-12)" = ${program.id} ] && exec sh ${folder}/node.sh "$@"
{ cat /proc/sys/kernel/random/boot_id node.sh; stat -c '%i %y' /var/lib stage-* activate-*; } 2>/dev/null | sha256sum | cut -c 1-12`;

/**
 * Runs the node program, which comes on standard input, without a file. If the connection breaks, nothing runs: only the last
 * line of the program calls its functions.
 */
const runSent = 'gzip -dc | sh -s -- "$@"';

/** The owner of the installation on a node. The node records it, and only the owner can remove the installation. */
export interface Claim {
    owner: string;
    /** The name of the node. */
    node: string;
    /** How Kubernetes was set up on it, if the user says so. */
    distribution?: string;
}

export type Flag = [name: string, value: string | boolean | undefined];

/** The arguments of the node program. */
export const wordsOf = (flags: Flag[]): string[] =>
    flags.filter(([, value]) => value !== undefined).map(([name, value]) => `--${name}=${value}`);

/** One argument per line, so that a preview shows which of them changed. */
function command(words: string[], action: string, flags: Flag[]): string {
    const first = ["sh", "-c", asRoot, "kata-containers"].map(quote).join(" ");
    return [first, words.map(quote).join(" "), action, ...wordsOf(flags).map(quote)].join(" \\\n");
}

const flags = ({ owner, node, distribution }: Partial<Claim>): Flag[] => [
    ["owner", owner],
    ["node", node],
    ["distribution", distribution],
];

const inShell = (script: string) => ["sh", "-c", oneLine(script), "kata-containers"];

const handlers = ({ classes }: Plan): Flag => [
    "handlers",
    classes
        .map(({ handler }) => handler)
        .sort()
        .join(),
];

const checksums = (archives: ClassPlan["archives"]): Flag[] =>
    archives.map(([architecture, { sha256 }]) => [`sha256-${architecture}`, sha256]);

/** Sends the node program, which comes on standard input, to a node before its `stage`. */
export function send(program: Program): string {
    return command(inShell(keep), "send", [["program", program.id]]);
}

/** Installs the node program, and downloads and unpacks the releases. */
export function stage(plan: Plan, claim: Claim, program: Program): string {
    return command(inShell(runKept), "stage", [["program", program.id], ...stageFlags(plan, claim)]);
}

/** The arguments of `stage`. The DaemonSet leaves the claim to its pod on each node, here and below. */
export function stageFlags(plan: Plan, claim: Partial<Claim> = {}): Flag[] {
    return [
        ...flags(claim),
        handlers(plan),
        ["host-checks", plan.hostChecks],
        ...plan.releases.flatMap(({ version, archives }): Flag[] => [
            ["release", version],
            ...archives.map(([architecture, { url }]): Flag => [`url-${architecture}`, url]),
            ...checksums(archives),
        ]),
        ["needs", [...new Set(plan.classes.flatMap(({ needs }) => needs))].join()],
    ];
}

/** The values for downloads that may be secret: the queries of the URLs, which may be signatures, and the URL of the proxy. */
export function downloadSecrets(plan: Plan): { queries: string; proxy: string } {
    // A query contains no spaces. The node counts the releases from 1.
    const queries = plan.releases.flatMap(({ archives }, i) =>
        archives.flatMap(([architecture, { query }]) => (query ? [`${architecture}-${i + 1}=${query}`] : [])),
    );
    return { queries: queries.join(" "), proxy: plan.proxy };
}

/**
 * The standard input of `stage`. The queries of the URLs, which may be signatures, and the proxy, which may have a password,
 * are not in the text of the command, which errors of the command provider and the list of processes show. `program`: if it is
 * not sent before.
 */
export function stageInput(plan: Plan, program?: Program): Output<string> {
    const { queries, proxy } = downloadSecrets(plan);
    const isSecret = Boolean(queries || proxy);
    if (!isSecret && !program) return output("");
    const input = [queries, proxy, program?.packed.toString("base64") ?? ""].join("\n");
    return isSecret ? secret(input) : output(input);
}

/** Undoes `stage`. The node ignores the revision. */
export function unstage(claim: Claim, revision?: string): string {
    return command(inShell(runStoredIfAny), "unstage", [...flags(claim), ["revision", revision || undefined]]);
}

/** Configures Kata, the container runtime and the kubelet. */
export function activate(plan: Plan, claim: Claim, program: Program): string {
    return command(inShell(runStored), "activate", activateFlags(plan, program, claim));
}

export function activateFlags(plan: Plan, program: Program, claim: Partial<Claim> = {}): Flag[] {
    return [
        ["program", program.id],
        ...flags(claim),
        ["cgroup-driver", plan.cgroupDriver],
        ["change-under-running-pods", plan.changeUnderRunningPods || undefined],
        ["host-checks", plan.hostChecks],
        ["verify", plan.verify],
        ...plan.classes.flatMap((each): Flag[] => [
            ["class", each.handler],
            ["runtime-class", each.name],
            ["version", each.version],
            ...checksums(each.archives),
            ["shim-path", each.shimPath],
            ["kata-config", each.configuration],
            ["needs", each.needs.join()],
            ["debug", each.debug],
            ["snapshotter", each.snapshotter],
            ["verifiable", each.isVerifiable ? undefined : false],
            ...each.settings.map(([key, literal]): Flag => ["set", `${key}=${literal}`]),
        ]),
    ];
}

/** Undoes `activate`. */
export function deactivate(plan: Plan, claim: Claim): string {
    return command(inShell(runStoredIfAny), "deactivate", deactivateFlags(plan, claim));
}

export function deactivateFlags(plan: Plan, claim: Partial<Claim> = {}): Flag[] {
    return [
        ...flags(claim),
        ["change-under-running-pods", plan.changeUnderRunningPods || undefined],
        ["force", plan.forceRemoval || undefined],
    ];
}

const asking = (claim: Partial<Claim>, runtimeClasses: string[]): Flag[] => [
    ["owner", claim.owner],
    ["node", claim.node],
    ...runtimeClasses.map((name): Flag => ["runtime-class", name]),
];

/** Like `probe`, on a node on which nothing may be installed. The program comes on standard input. */
export function probeWithProgram(node: string, runtimeClasses: string[]): string {
    return command(inShell(runSent), "probe", asking({ node }, runtimeClasses));
}

/**
 * Prints the drift of the classes of the owner on the node, and the metadata of its Node and of the RuntimeClasses in the cluster.
 * The first preview may not know the owner; then nothing is installed yet.
 */
export function probe(program: Program, claim: Partial<Claim>, runtimeClasses: string[]): string {
    return command(inShell(runStoredIfCurrent(program)), "probe", asking(claim, runtimeClasses));
}
