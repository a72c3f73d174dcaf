// The owner of the installation on a node.

import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * organization/project/stack/component, and the parents of the component, as they were when it was created. Kept in the state,
 * so that renaming or moving the component with aliases changes nothing on the nodes. Without aliases the result is another
 * owner, and the removal of the previous component finds that it is not the only owner. Not registered before the CLI is known
 * to be `supported`.
 */
export function firstOwner(
    name: string,
    component: pulumi.ComponentResource,
    supported: Promise<void>,
): pulumi.Output<string> {
    // As an Output, the URN would make each child wait for all children.
    const urn = new Promise<string>((resolve) => component.urn.apply(resolve));
    const input = Promise.all([urn, supported]).then(([urn]) => {
        const parents = urn.split("::")[2]!.split("$").slice(0, -1).join(" of ").replace(/\//g, ":");
        const path = [organization(), pulumi.getProject(), pulumi.getStack(), name].join("/");
        return parents ? `${path} in ${parents}` : path;
    });
    const stash = new pulumi.Stash(`${name}-owner`, { input }, { parent: component, ignoreChanges: ["input"] });
    return stash.output.apply(String);
}

/**
 * With a backend of their own, such as S3, all teams have the same organization, so the backend is added. Its URL is known only
 * from the environment. It may hold credentials, so this is a hash.
 */
function organization(): string {
    const name = pulumi.getOrganization();
    const url = process.env.PULUMI_BACKEND_URL;
    if (name !== "organization" || !url) return name;
    return `${name}@${createHash("sha256").update(url).digest("hex").slice(0, 8)}`;
}
