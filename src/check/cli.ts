// Refuses a Pulumi CLI that is too old, before it reports features that it does not know.

import { requirePulumiVersion } from "@pulumi/pulumi";
import { runError } from "./errors";

/** The oldest Pulumi CLI that is supported. README.md and PulumiPlugin.yaml have it too. */
export const oldestCli = "3.270.0";

/** Rejects if the CLI that creates the component `name` is too old. */
export async function requireCli(name: string): Promise<void> {
    try {
        await requirePulumiVersion(`>=${oldestCli}`);
    } catch (error) {
        const { details, message } = error as Error & { details?: string };
        const found = (details ?? message).replace(/\.$/, "");
        const required = `requires the Pulumi CLI ${oldestCli} or later: ${found}; install it from https://www.pulumi.com/docs/install`;
        throw runError(`KataContainers ${JSON.stringify(name)} ${required}`);
    }
}
