// Sends the node program to a node, in a hook that the engine calls just before it runs the stage command there. As an input of
// that command, Pulumi stores it twice in the state, for each node.

import { setTimeout as wait } from "node:timers/promises";
import type { Output } from "@pulumi/pulumi";
import { outputOf } from "./ask";
import { send } from "./commands";
import { beforeChange, type Hooks } from "./hooks";
import { knownValue } from "./probe";
import type { Program } from "./program";
import { ConnectionError, Connections, type Endpoint } from "./ssh";

/** In ms. The command provider has these pauses too: the machine may be created in the same update, and just be starting. */
const firstPause = 100;
const longestPause = 5_000;

/** The options of the stage commands of the component `name`. */
export const sendBefore = (name: string, endpoints: { [node: string]: Output<Endpoint> }, program: Program): Hooks =>
    beforeChange(`${name}-send`, async (resource) => {
        const node = resource.name.slice(`${name}-`.length, -"-stage".length);
        const endpoint = (await knownValue(endpoints[node]!))!;
        if (canSend(endpoint)) await sendProgram(node, endpoint, program);
    });

/** Not with an agent: it may have certificates, which only the command provider can use. */
export const canSend = ({ proxy, ...to }: Endpoint): boolean =>
    [to, proxy ?? to].every(({ privateKey, password }) => Boolean(privateKey || password));

/** Connects as often as the command provider would. */
export async function sendProgram(node: string, endpoint: Endpoint, program: Program): Promise<void> {
    let pause = firstPause;
    for (let attempt = 0; ; attempt++) {
        const connections = new Connections();
        try {
            await outputOf(connections.run(endpoint, send(program), program.packed));
            return;
        } catch (error) {
            if (!(error instanceof ConnectionError) || attempt === endpoint.dialErrorLimit) {
                throw new Error(`could not send the node program to ${node}: ${(error as Error).message}`);
            }
        } finally {
            connections.end();
        }
        await wait(pause);
        pause = Math.min(pause * 1.5, longestPause);
    }
}
