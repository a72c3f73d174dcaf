// The same life in every language: the example as it stands, on the lab's nodes.

import { expect } from "chai";
import { files, kubectl, nodes, onNode, ready, removePods, startPod } from "../e2e/lab";
import { Project } from "./project";

for (const language of ["javascript", "yaml", "python", "go"] as const) {
    describe(`the example in ${language}`, function () {
        this.timeout(10 * 60 * 1000);
        const names = () => Object.keys(nodes());
        const every = (op: string, ...suffixes: string[]) =>
            Object.fromEntries(names().flatMap((node) => suffixes.map((suffix) => [`kata-${node}-${suffix}`, op])));
        const configuration = (node: string) => onNode(node, "cat /etc/kata-containers/kata-qemu/configuration.toml");
        const filesBefore: { [node: string]: string } = {};
        let project: Project;

        before(async () => {
            for (const node of names()) filesBefore[node] = files(node);
            project = await Project.create(language);
        });
        after(async () => {
            kubectl("delete", "pods", "--all", "--wait=true", "--timeout=60s");
            await project?.remove();
        });

        it("is previewed", async () => {
            project.write(project.example());
            const { did } = await project.preview();
            expect(did).to.deep.equal({
                "kata-example-dev": "create",
                kata: "create",
                "kata-runtime-class": "create",
                ...every("create", "release", "runtime", "label"),
            });
        });

        it("is installed by up, and a pod runs", async () => {
            const { log } = await project.up();
            const outputs = await project.outputs();
            expect(outputs.runtimeClassName).to.deep.equal({ value: "kata-qemu", secret: false });
            expect(outputs.nodeStatuses!.secret).to.equal(false);
            expect(outputs.nodeStatuses!.value).to.have.all.keys(names());
            for (const node of names()) {
                expect(outputs.nodeStatuses!.value[node]).to.deep.include({
                    kataVersion: "3.32.0",
                    cgroupDriver: "cgroupfs",
                    kvm: false,
                    sandboxes: {},
                });
                expect(configuration(node)).to.match(/^default_memory = 1024$/m);
                startPod(`kata-${node}`, node, "kata-qemu");
            }
            expect(log + project.state()).to.not.contain("PRIVATE KEY");
        });

        it("is changed: the runtimes alone, under running pods", async () => {
            project.write(project.example([["1024", "2048"]]));
            const { did } = await project.up();
            expect(Object.fromEntries(Object.entries(did).filter(([, op]) => op !== "same"))).to.deep.equal({
                kata: "update",
                ...every("update", "runtime"),
            });
            const { value } = (await project.outputs()).nodeStatuses!;
            for (const node of names()) {
                expect(configuration(node)).to.match(/^default_memory = 2048$/m);
                expect(value[node].sandboxes).to.deep.equal({ "3.32.0": 1 });
                removePods(node, `kata-${node}`);
            }
        });

        it("is taken away by destroy, byte for byte", async () => {
            await project.destroy();
            for (const node of names()) expect(files(node)).to.equal(filesBefore[node]);
            expect(ready(...names())).to.equal(true);
        });
    });
}
