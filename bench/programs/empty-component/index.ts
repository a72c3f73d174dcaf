import * as pulumi from "@pulumi/pulumi";

export interface EmptyArgs {
    /** Any text. */
    text?: pulumi.Input<string>;
}

/** An empty component: the minimum for any component package. */
export class Empty extends pulumi.ComponentResource {
    constructor(name: string, args: EmptyArgs, opts?: pulumi.ComponentResourceOptions) {
        super("empty-component:index:Empty", name, args, opts);
        this.registerOutputs({});
    }
}
