// Starts one lab for all tests of a mocha run, with the language hosts and tools that programs in every language need.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { config } from "chai";
import { down, up } from "../support/lab";

// Shows the whole output of Pulumi in a failed assertion.
config.truncateThreshold = 0;

export const mochaHooks = {
    beforeAll(this: Mocha.Context) {
        this.timeout(80 * 60 * 1000);
        up();
        const lab = join(__dirname, "../../lab/lab");
        const exports = execFileSync(lab, ["languages"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
        const names = ["PATH", "MAVEN_OPTS", "LAB_NODES", "LAB_ANSIBLE", "LAB_DOTNET", "LAB_CSHARP"];
        const script = `${exports}\nprintf '%s\\0' ${names.map((name) => `"$${name}"`).join(" ")}`;
        const values = execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0");
        names.forEach((name, index) => {
            process.env[name] = values[index];
        });
    },
    afterAll(this: Mocha.Context) {
        this.timeout(5 * 60 * 1000);
        down();
    },
};
