// Valid arguments, from which tests derive invalid ones, and hostile texts.

import type { KataContainersArgs } from "../../src";

export const hostKey = `ssh-ed25519 ${Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0 01234567890123456789012345678901", "latin1").toString("base64")}`;
export const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";

type Nodes = NonNullable<KataContainersArgs["nodes"]>;

export const oneNode: Nodes = {
    "worker-1": { connection: { host: "192.0.2.11", privateKey, hostKey } },
};

export const threeNodes: Nodes = {
    ...oneNode,
    "worker-2": { connection: { host: "192.0.2.12", password: "pass word", hostKey } },
    "worker-3": { connection: { host: "192.0.2.13", agentSocketPath: "/run/agent", hostKey } },
};

/** Texts with a special meaning for a shell, an option parser, TOML or JSON. */
export const hostile = [
    "it's",
    'say "hi"',
    "`id`",
    "$(id)",
    "$HOME",
    "a;b|c&d",
    "two\nlines",
    "tab\there",
    "back\\slash\\",
    "\\'",
    "--leading",
    "-",
    "*",
    "~",
    "=ls",
    "!!",
    "#no comment",
    "{a,b}",
    " spaces ",
    "Käse 漢字 🦀",
    "a=b=c",
    "%s%n",
];

/** The arguments of a class as the node program gets them, in its own order. */
export const classArguments = (handler: string, given: { [name: string]: string } = {}, settings: string[] = []) => {
    const all = {
        ...{ "runtime-class": handler, version: "3.32.0", "sha256-amd64": "0123456789ab".padEnd(64, "0") },
        ...{ "shim-path": "bin/shim", "kata-config": "share/configuration.toml", needs: "kvm,vhost_vsock,vhost_net" },
        ...{ debug: "false", ...given },
    };
    const words = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
    return [`--class=${handler}`, ...words, ...settings.map((setting) => `--set=${setting}`)];
};

/** A call of the node program's `parse` with these arguments, on a machine for amd64. */
export const parsed = (action: string, ...words: string[]) =>
    `architecture() { echo amd64; }; parse ${action} ${words.map((word) => `'${word}'`).join(" ")}`;
