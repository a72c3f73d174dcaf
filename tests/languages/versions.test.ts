// Every supported version of Node.js: in the user's process, and as a plugin.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Project } from "./project";

for (const language of ["javascript", "yaml"] as const) {
    describe(`Node.js versions with ${language}`, function () {
        this.timeout(5 * 60 * 1000);
        let project: Project;
        before(async () => {
            project = await Project.create(language);
            project.write(project.example());
        });
        after(() => project?.remove());

        for (const version of ["20", "22", "24"]) {
            it(`previews a ${language} program with Node.js ${version}`, async () => {
                const seen = join(project.folder, `node-${version}`);
                writeFileSync(
                    join(project.folder, "seen.cjs"),
                    'require("node:fs").appendFileSync(process.env.SEEN, process.version + "\\n");',
                );
                const { did } = await project.preview({
                    PATH: `${process.env.LAB_NODES}/node-${version}/bin:${process.env.PATH}`,
                    NODE_OPTIONS: `--require ${project.folder}/seen.cjs`,
                    SEEN: seen,
                });
                expect(did).to.include({
                    kata: "create",
                    "kata-worker-1-activate": "create",
                    "kata-kata-qemu": "create",
                });
                expect(readFileSync(seen, "utf8")).to.match(new RegExp(`^(v${version}\\.[\\d.]+\\n)+$`));
            });
        }
    });
}
