// Connections to nodes: for the command provider, for the state of the component, and their warnings.

import * as pulumi from "@pulumi/pulumi";
import { type Connection, connectionDefaults, type KataContainersArgs, type Node, type ProxyConnection } from "../args";
import { entryPath } from "../check/checks";
import { lateError } from "../check/errors";
import { connection as check, type Environment } from "../check/validate";
import { splitQuery } from "../kata/releases";
import { withoutNull } from "../plan";
import type { Endpoint } from "./ssh";

/** The connection with its defaults, for the component `name`. `path` is its place in the arguments. */
export function endpoint(
    name: string,
    path: string,
    connection: Connection,
    environment: Environment,
): pulumi.Output<Endpoint> {
    const withDefaults = (known: pulumi.Unwrap<ProxyConnection>) => ({
        ...connectionDefaults,
        ...(withoutNull(known) as typeof known & typeof connectionDefaults),
    });
    return pulumi.secret(
        pulumi.output(connection).apply(({ proxy, ...known }) => {
            const invalid = check(environment)({ ...known, proxy }, path);
            if (invalid.length > 0) {
                throw lateError(name, invalid);
            }
            return { ...withDefaults(known), proxy: proxy ? withDefaults(proxy) : undefined };
        }),
    );
}

/** The connections of all nodes. */
export function nodeEndpoints(
    name: string,
    nodes: { [node: string]: Node },
    environment: Environment,
): { [node: string]: pulumi.Output<Endpoint> } {
    const endpoints = Object.entries(nodes).map(([node, { connection }]) => {
        return [node, endpoint(name, `${entryPath("nodes", node)}.connection`, connection, environment)];
    });
    return Object.fromEntries(endpoints);
}

/** The arguments without credentials. Pulumi keeps the inputs of a component in the state, in clear. */
export function publicArgs({ nodes, rollout, release, ...settings }: KataContainersArgs): pulumi.Inputs {
    const { kubeconfig: _, controlPlane, ...drain } = rollout?.drain ?? {};
    return {
        ...settings,
        release: release && {
            ...release,
            url: hideIf((url) => splitQuery(url)[1] !== "", release.url),
            proxy: hideIf((proxy) => /@/.test(proxy), release.proxy),
        },
        nodes:
            nodes &&
            Object.fromEntries(
                Object.entries(nodes).map(([name, { connection, ...node }]) => [
                    name,
                    { ...node, connection: publicConnection(connection) },
                ]),
            ),
        rollout: rollout && {
            ...rollout,
            drain: rollout.drain && { ...drain, controlPlane: controlPlane && publicConnection(controlPlane) },
        },
    };
}

/** Marks a text as secret if it contains a credential. */
function hideIf(isSecret: (known: string) => boolean, text: pulumi.Input<string> | undefined) {
    const hide = (known: string) => (isSecret(known) ? pulumi.secret(known) : known);
    if (!text) return text;
    return typeof text === "string" ? hide(text) : pulumi.output(text).apply((known) => pulumi.output(hide(known)));
}

function publicConnection({ host, port, user, hostKey, proxy }: Connection): Partial<Connection> {
    return { host, port, user, hostKey, proxy: proxy && (publicConnection(proxy) as ProxyConnection) };
}

export function warnAboutHostKeys(nodes: { [name: string]: Node }, component: pulumi.Resource): void {
    const without = Object.keys(nodes).filter((node) => !nodes[node]!.connection.hostKey);
    if (without.length > 0) {
        const message = `Pulumi accepts any host key for ${without.join(", ")}: set hostKey in the connection to check it`;
        pulumi.log.warn(message, component);
    }
}
