import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { KataContainers } from "kata-containers";

const privateKey = new pulumi.Config().requireSecret("privateKey");

/** Starts a machine that joins the cluster. The script on the host prints only the address of the machine. */
function machine(name: string): pulumi.Output<string> {
    const command = new remote.Command(name, {
        connection: { host: "192.0.2.2", privateKey },
        create: `/usr/local/bin/start-machine ${name}`,
        delete: `/usr/local/bin/remove-machine ${name}`,
    });
    return command.stdout;
}

const kata = new KataContainers("kata", {
    nodes: {
        "worker-1": { connection: { host: machine("worker-1"), privateKey } },
        "worker-2": { connection: { host: machine("worker-2"), privateKey } },
    },
});

export const { runtimeClassNames, nodeStatuses } = kata;
