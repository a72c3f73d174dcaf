// The examples for particular situations, unchanged.

import { delimiter } from "node:path";
import { expect } from "chai";
import { files, nodes, onNode } from "../support/lab";
import { Project, privateKey } from "./project";

describe("examples", function () {
    this.timeout(5 * 60 * 1000);
    let project: Project;
    afterEach(() => project?.remove());

    it("previews the fleet example with every node of its list", async () => {
        project = await Project.other("fleet");
        const { did } = await project.preview();
        expect(Object.keys(did).filter((name) => name.endsWith("-activate"))).to.have.members(
            [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `kata-worker-${number}-activate`),
        );
    });

    it("previews the example with three RuntimeClasses, each with its handler and its archive", async () => {
        project = await Project.other("runtime-classes");
        const { did, inputs } = await project.preview();
        for (const name of ["kata-qemu", "kata-clh", "kata-qemu-next"]) {
            expect(did).to.include({ [`kata-${name}`]: "create" });
            expect(inputs[`kata-${name}`].handler).to.equal(name);
        }
        const { create } = inputs["kata-worker-1-stage"];
        for (const archive of ["kata-static-4.1.0", "kata-go-static-4.1.0", "kata-static-4.2.0"]) {
            expect(create).to.contain(`/${archive}-amd64.tar.zst`);
        }
    });

    it("previews the autoscaled-pool example, whose pods and Kata pods are on the nodes of the pool", async () => {
        project = await Project.other("autoscaled-pool");
        const { did, inputs } = await project.preview();
        expect(did).to.include({ "kata-daemon-set": "create", "kata-kata-qemu": "create" });
        expect(Object.keys(did).filter((name) => /-(stage|activate|label)$/.test(name))).to.deep.equal([]);
        const pool = { "node.example.com/virtualization": "true" };
        const { updateStrategy, template } = inputs["kata-daemon-set"].spec;
        expect(template.spec.nodeSelector).to.deep.equal({ "kubernetes.io/os": "linux", ...pool });
        expect(template.spec.tolerations).to.deep.equal([{ operator: "Exists" }]);
        expect(updateStrategy.rollingUpdate.maxUnavailable).to.equal("25%");
        expect(inputs["kata-kata-qemu"].scheduling.nodeSelector).to.include(pool);
    });

    it("previews the bastion example without showing a private key", async () => {
        project = await Project.other("bastion");
        await project.setSecret("bastionKey", privateKey());
        const { did, log } = await project.preview();
        expect(did).to.include({ "kata-worker-1-activate": "create", "kata-worker-2-activate": "create" });
        expect(log).to.not.contain("PRIVATE KEY");
    });

    it("previews the air-gapped example", async () => {
        project = await Project.other("air-gapped");
        const { did } = await project.preview();
        expect(did).to.include({ "kata-worker-1-stage": "create", "kata-worker-2-stage": "create" });
    });

    it("previews the Kubespray example with the inventory that Ansible reads", async () => {
        project = await Project.other("kubespray");
        const { did, inputs } = await project.preview({
            PATH: [process.env.LAB_ANSIBLE, process.env.PATH].join(delimiter),
            SSH_AUTH_SOCK: "/run/agent",
        });
        expect(did).to.include.all.keys([1, 2, 3].map((number) => `kata-node${number}-activate`));
        for (const flag of [
            "--version=3.32.0",
            "--cgroup-driver=systemd",
            "--set=hypervisor.qemu.default_memory=4096",
            "--set=runtime.sandbox_cgroup_only=true",
            "--debug=false",
        ]) {
            expect(inputs["kata-node3-activate"].create).to.contain(flag);
        }
        expect(inputs["kata-kata-qemu"].overhead.podFixed).to.deep.equal({ cpu: "250m", memory: "160Mi" });
    });

    it("previews the new-machines example before the machines exist, and installs Kata on them", async () => {
        const names = Object.keys(nodes());
        const [host] = names;
        const before = names.map(files);
        project = await Project.other("new-machines");
        project.write(
            project.example([
                ["192.0.2.2", nodes()[host!]!.host],
                ["    },\n});", `    },\n    version: "3.32.0",\n    ${project.forTheLab()}\n});`],
            ]),
        );
        const preview = await project.preview();
        expect(preview.did).to.include({ "worker-2": "create", "kata-worker-2-activate": "create" });
        const addresses = names.map((name) => `${name}) echo ${nodes()[name]!.host} ;;`).join(" ");
        const script = `#!/bin/sh\\ncase $1 in ${addresses} esac\\n`;
        onNode(host!, `cd /usr/local/bin && printf '${script}' >start-machine && chmod +x start-machine`);
        onNode(host!, "ln -s /bin/true /usr/local/bin/remove-machine");
        try {
            await project.up();
            const { nodeStatuses } = await project.outputs();
            for (const name of names) {
                expect(nodeStatuses!.value[name].kataVersions).to.deep.equal({ "kata-qemu": "3.32.0" });
            }
            await project.destroy();
        } finally {
            onNode(host!, "rm /usr/local/bin/start-machine /usr/local/bin/remove-machine");
        }
        expect(names.map(files)).to.deep.equal(before);
    });
});
