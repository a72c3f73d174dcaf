// The connection to a node, as the command provider takes it.

import * as pulumi from "@pulumi/pulumi";
import type { Connection, ProxyConnection } from "../args";
import { lateError } from "../check/errors";
import { connection as check, type Surroundings } from "../check/validate";
import type { Endpoint } from "./ssh";

/** About a minute for a node that is just starting; the provider's own 10 would be eleven seconds. */
const dialErrorLimit = 20;

/** For the component `name`; `path` is where in its arguments the connection stands. */
export function commandConnection(
    name: string,
    path: string,
    connection: Connection,
    surroundings: Surroundings,
): pulumi.Output<Endpoint> {
    return pulumi.secret(
        pulumi.output(connection).apply((known) => {
            const problems = check(surroundings)(known, path);
            if (problems.length > 0) {
                throw lateError(name, problems);
            }
            const proxy = known.proxy ?? undefined;
            return { dialErrorLimit, ...known, proxy: proxy && { dialErrorLimit, ...proxy } };
        }),
    );
}

/** What may stand in the component's own inputs, which Pulumi keeps in clear. */
export function publicConnection({ host, port, user, hostKey, proxy }: Connection): Partial<Connection> {
    return { host, port, user, hostKey, proxy: proxy && (publicConnection(proxy) as ProxyConnection) };
}
