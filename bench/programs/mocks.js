// Runs another program of this folder with mocks instead of an engine.

const { runtime } = require("@pulumi/pulumi");

const newResource = ({ name, inputs }) => ({ id: name, state: inputs });
runtime.setMocks({ call: ({ inputs }) => inputs, newResource }, "bench", "bench", true, "bench");
require(`./${process.argv[2]}.js`);
