// Whose the installation on a node is.

import * as pulumi from "@pulumi/pulumi";

/**
 * organization/project/stack/component, and what the component belongs to, as they were at first: it is kept in the state,
 * so that neither a rename nor a move, with aliases, is one for the nodes. Without aliases it is somebody else, and the
 * removal of the one before finds that it is not the only owner.
 */
export function firstOwner(name: string, component: pulumi.ComponentResource): pulumi.Output<string> {
    // As an Output it would make each child wait for all children.
    const urn = new Promise<string>((resolve) => component.urn.apply(resolve));
    const input = urn.then((urn) => {
        const parents = urn.split("::")[2]!.split("$").slice(0, -1).join(" of ").replace(/\//g, ":");
        const path = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack(), name].join("/");
        return parents ? `${path} in ${parents}` : path;
    });
    const kept = new pulumi.Stash(`${name}-owner`, { input }, { parent: component, ignoreChanges: ["input"] });
    return kept.output.apply(String);
}
