// The component with the arguments in arguments.json, in which a connection names the file of its key.

const { readFileSync } = require("node:fs");
const { KataContainers } = require("kata-containers");

const { nodes = {}, ...settings } = JSON.parse(readFileSync("arguments.json", "utf8"));
const connection = ({ privateKeyFile, ...given }) => ({ ...given, privateKey: readFileSync(privateKeyFile, "utf8") });

const kata = new KataContainers("kata", {
    ...settings,
    nodes: Object.fromEntries(
        Object.entries(nodes).map(([name, node]) => [name, { connection: connection(node.connection) }]),
    ),
});
exports.nodeStatuses = kata.nodeStatuses;
exports.daemonSetStatus = kata.daemonSetStatus;
