// The resources of the component without the component, with the same properties: two commands on each node, which do nothing
// unless `create` has their text, and optionally the label of each node and a RuntimeClass.

const { readFileSync } = require("node:fs");
const { remote } = require("@pulumi/command");
const { NodePatch } = require("@pulumi/kubernetes/core/v1/nodePatch");
const { RuntimeClass } = require("@pulumi/kubernetes/node/v1/runtimeClass");

const { nodes, kubernetes, create = {} } = JSON.parse(readFileSync("arguments.json", "utf8"));

for (const [name, node] of Object.entries(nodes)) {
    const { privateKeyFile, ...given } = node.connection;
    const connection = { ...given, privateKey: readFileSync(privateKeyFile, "utf8") };
    for (const command of ["stage", "activate"]) {
        const args = { connection, create: create[command] ?? "true", delete: "true", stdin: "", addPreviousOutputInEnv: false };
        new remote.Command(`${name}-${command}`, args);
    }
    if (kubernetes) {
        const annotations = { "pulumi.com/patchForce": "true" };
        new NodePatch(`${name}-label`, { metadata: { name, labels: { "bench/bare": "true" }, annotations } });
    }
}
if (kubernetes) {
    new RuntimeClass("bare", { metadata: { name: "bare" }, handler: "bare" });
}
