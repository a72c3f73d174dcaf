// The examples that people need, as they stand.

import { delimiter } from "node:path";
import { expect } from "chai";
import { files, nodes, onNode } from "../support/lab";
import { Project, privateKey } from "./project";

describe("the example", function () {
    this.timeout(5 * 60 * 1000);
    let project: Project;
    afterEach(() => project?.remove());

    it("of a fleet: every node of the list, three at a time", async () => {
        project = await Project.other("fleet");
        const { did } = await project.preview();
        expect(Object.keys(did).filter((name) => name.endsWith("-runtime"))).to.have.members(
            [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `kata-worker-${number}-runtime`),
        );
    });

    it("of nodes behind a bastion", async () => {
        project = await Project.other("bastion");
        await project.setSecret("bastionKey", privateKey());
        const { did, log } = await project.preview();
        expect(did).to.include({ "kata-worker-1-runtime": "create", "kata-worker-2-runtime": "create" });
        expect(log).to.not.contain("PRIVATE KEY");
    });

    it("of nodes that do not reach the internet", async () => {
        project = await Project.other("air-gapped");
        const { did } = await project.preview();
        expect(did).to.include({ "kata-worker-1-release": "create", "kata-worker-2-release": "create" });
    });

    it("of a Kubespray inventory, which Ansible reads", async () => {
        project = await Project.other("kubespray");
        const { did, inputs } = await project.preview({
            PATH: [process.env.LAB_ANSIBLE, process.env.PATH].join(delimiter),
            SSH_AUTH_SOCK: "/run/agent",
        });
        expect(did).to.include.all.keys([1, 2, 3].map((number) => `kata-node${number}-runtime`));
        for (const flag of [
            "--version=3.32.0",
            "--cgroup-driver=systemd",
            "--set=hypervisor.qemu.default_memory=4096",
            "--set=runtime.sandbox_cgroup_only=true",
            "--debug=false",
        ]) {
            expect(inputs["kata-node3-runtime"].create).to.contain(flag);
        }
        expect(inputs["kata-runtime-class"].overhead.podFixed).to.deep.equal({ cpu: "250m", memory: "160Mi" });
    });

    it("of machines made in the same program: previewed before they are there, and installed", async () => {
        const names = Object.keys(nodes());
        const [host] = names;
        const before = names.map(files);
        project = await Project.other("new-machines");
        project.write(
            project.example([
                ["192.0.2.2", nodes()[host!]!.host],
                ["    },\n});", `    },\n    ${project.forTheLab()}\n});`],
            ]),
        );
        const preview = await project.preview();
        expect(preview.did).to.include({ "worker-2": "create", "kata-worker-2-runtime": "create" });
        const addresses = names.map((name) => `${name}) echo ${nodes()[name]!.host} ;;`).join(" ");
        const script = `#!/bin/sh\\ncase $1 in ${addresses} esac\\n`;
        onNode(host!, `cd /usr/local/bin && printf '${script}' >start-machine && chmod +x start-machine`);
        onNode(host!, "ln -s /bin/true /usr/local/bin/remove-machine");
        try {
            await project.up();
            const { nodeStatuses } = await project.outputs();
            for (const name of names) expect(nodeStatuses!.value[name]).to.include({ kataVersion: "3.32.0" });
            await project.destroy();
        } finally {
            onNode(host!, "rm /usr/local/bin/start-machine /usr/local/bin/remove-machine");
        }
        expect(names.map(files)).to.deep.equal(before);
    });
});
