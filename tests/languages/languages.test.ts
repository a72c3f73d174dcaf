// The same tests in every language: the errors of an invalid program, a program with a DaemonSet, and the example on the lab's nodes.
// The package is installed from the tarball that npm would publish.

import { expect } from "chai";
import { inNamespace, object } from "../support/daemonSet";
import {
    errorOf,
    every,
    files,
    handlersOf,
    kubectl,
    names,
    nodes,
    onNode,
    ready,
    removeAllPods,
    removePods,
    startPod,
} from "../support/lab";
import { everything, randomFor, seed, spread } from "../support/sample";
import { type Language, type LanguageName, languages } from "./languages";
import { Project } from "./project";

/** Reads the list of problems from an error, in the form of the component or of the engine. */
const problems = (error: string) =>
    [...error.matchAll(/^\s+- (?:property )?(\S+?)(?: {2}has a problem)?: (.*)$/gm)].map(
        ([, path, reason]) => `${path}: ${reason}`,
    );

// The end-to-end tests run all of this in TypeScript. Two other languages install and remove, one of them
// installs by a DaemonSet and changes as well.
const others: LanguageName[] = (Object.keys(languages) as LanguageName[]).filter((name) => name !== "typescript");
const random = randomFor(seed, "languages");
const installing = everything ? others : spread(others, 2, random);
const changing = everything ? others : [random.pick(installing)];

for (const name of Object.keys(languages) as LanguageName[]) {
    describe(`programs in ${name}`, function () {
        this.timeout(10 * 60 * 1000);
        const language: Language = languages[name];
        const configuration = (node: string) => onNode(node, "cat /etc/kata-containers/kata-qemu/configuration.toml");
        const filesBefore: { [node: string]: string } = {};
        let project: Project;

        before("install the package", async () => {
            for (const node of names()) filesBefore[node] = files(node);
            project = await Project.create(name);
        });
        after(async () => {
            removeAllPods();
            await project?.remove();
        });

        it(`reports all invalid arguments at once to a ${name} program, without credentials`, async () => {
            project.write(project.program("bad"));
            const error = await project.refusal();
            expect(error).to.contain('KataContainers "kata" has 7 invalid arguments');
            expect([...new Set(problems(error))]).to.deep.equal([
                'nodes["worker-1"].connection.host: must be a host name or an IP address, without a port or a user',
                'nodes["worker-2"].connection.port: must be a whole number from 1 to 65535',
                'nodes["worker-2"].connection.privateKey: must be the private key itself in PEM form, not the name of a file',
                'version: must be a Kata release such as "4.1.0", 2.0.0 or later; it is "1.12.1"',
                'runtimeClasses["kata-qemu"].overhead.memory: must be a Kubernetes quantity, such as "250m" or "320Mi"; it is "much"',
                'runtimeClasses["kata-qemu"].settings["default_memory"]: must be named by table and key, such as "hypervisor.qemu.default_memory"',
                "rollout.maxUnavailable: must be a whole number, at least 1, or a fraction between 0 and 1; it is 1.5",
            ]);
            expect(error).to.not.contain("hunter2");
        });

        it(`names a missing argument to a ${name} program`, async () => {
            project.write(project.example([[language.host, ""]]));
            expect(await project.refusal()).to.match(
                language.noHost ?? /nodes\["worker-1"\]\.connection\.host( {2}has a problem)?: is required/,
            );
        });

        it(`previews a ${name} program whose values are not known yet`, async () => {
            project.write(project.program("later"));
            const { did } = await project.preview();
            const resources = (component: string, runtimeClass: string, node: string) =>
                ["", `-${runtimeClass}`, `-${node}-stage`, `-${node}-activate`, `-${node}-label`].map(
                    (resource) => component + resource,
                );
            const both = [
                ...resources("first", "kata-qemu", "worker-1"),
                ...resources("second", "kata-second", "worker-2"),
            ];
            expect(did).to.include(Object.fromEntries(both.map((name) => [name, "create"])));
        });

        it(`reports a different host key as one error to a ${name} program, and changes no node`, async () => {
            const other = nodes()["worker-2"]!.hostKey.split(" ").slice(0, 2).join(" ");
            project.write(project.exampleForTheLab([[language.host, `${language.host} ${language.hostKey(other)}`]]));
            for (const operation of [project.preview, project.up]) {
                const [output] = (await errorOf(operation())).split("err?:");
                expect(output!.match(/worker-1: \S+ presents a host key that differs from hostKey/g)).to.have.length(1);
                expect(output).to.not.contain("serializing");
                expect(output).to.not.match(/kata-worker-\d-(stage|activate|label)|kata-kata-qemu/);
            }
            await project.destroy();
        });

        if (changing.includes(name)) {
            it(`installs Kata by the DaemonSet of a ${name} program on the node that it selects, and removes it`, async () => {
                project.write(project.programForTheLab("daemon"));
                const { did } = await project.up();
                expect(did).to.include({ "kata-daemon-set": "create", "kata-kata-qemu": "create" });
                const { runtimeClassNames, daemonSetStatus } = await project.outputs();
                expect(runtimeClassNames).to.deep.equal({ value: { "kata-qemu": "kata-qemu" }, secret: false });
                expect(daemonSetStatus).to.deep.equal({
                    value: { nodes: 1, ready: 1, updating: 0, failed: 0, reasons: {} },
                    secret: false,
                });
                const pod = ["{.items[*].spec.nodeName}", '{.items[*].status.conditions[?(@.type=="Ready")].status}'];
                expect(inNamespace("get", "pods", "-o", `jsonpath=${pod.join(" ")}`)).to.equal("worker-1 True");
                expect(names().map(handlersOf)).to.deep.equal(
                    names().map((node) => (node === "worker-1" ? ["kata-qemu"] : [])),
                );
                expect(configuration("worker-1")).to.match(/^default_memory = 1024$/m);
                startPod("kata-daemon", "worker-1", "kata-qemu");
                removePods("worker-1", "kata-daemon");
                await project.destroy();
                for (const node of names()) {
                    expect(handlersOf(node)).to.deep.equal([]);
                    expect(files(node)).to.equal(filesBefore[node]);
                }
                expect(kubectl("get", "namespace", object, "--ignore-not-found")).to.equal("");
            });
        }

        it(`previews the ${name} example`, async () => {
            project.write(project.exampleForTheLab());
            const { did } = await project.preview();
            expect(did).to.include({
                kata: "create",
                "kata-kata-qemu": "create",
                ...every("create", ["stage", "activate", "label"]),
            });
        });

        if (!installing.includes(name)) return;

        it(`installs Kata with the ${name} example, and runs a pod`, async () => {
            const { log } = await project.up();
            const { runtimeClassNames, nodeStatuses } = await project.outputs();
            expect(runtimeClassNames).to.deep.equal({ value: { "kata-qemu": "kata-qemu" }, secret: false });
            expect(nodeStatuses!.secret).to.equal(false);
            expect(nodeStatuses!.value).to.have.all.keys(names());
            for (const node of names()) {
                const { containerRuntimeVersion, ...status } = nodeStatuses!.value[node];
                expect(status).to.deep.equal({
                    kataVersions: { "kata-qemu": "3.32.0" },
                    distribution: "kubeadm",
                    cgroupDriver: "cgroupfs",
                    kvm: false,
                    sandboxes: { "kata-qemu": {} },
                    verified: {},
                });
                expect(containerRuntimeVersion).to.equal(`containerd://${nodes()[node]!.containerd}`);
                expect(configuration(node)).to.match(/^default_memory = 1024$/m);
                startPod(`kata-${node}`, node, "kata-qemu");
            }
            if (!changing.includes(name)) for (const node of names()) removePods(node, `kata-${node}`);
            expect(log + project.state()).to.not.contain("PRIVATE KEY");
        });

        if (changing.includes(name)) {
            it(`changes a setting with the ${name} example under running pods, by activate alone`, async () => {
                project.write(project.exampleForTheLab([["1024", "2048"]]));
                const { did } = await project.up();
                expect(Object.fromEntries(Object.entries(did).filter(([, op]) => op !== "same"))).to.deep.equal({
                    kata: "update",
                    ...every("update", ["activate"]),
                });
                const { nodeStatuses } = await project.outputs();
                for (const node of names()) {
                    expect(configuration(node)).to.match(/^default_memory = 2048$/m);
                    expect(nodeStatuses!.value[node].sandboxes).to.deep.equal({ "kata-qemu": { "3.32.0": 1 } });
                    removePods(node, `kata-${node}`);
                }
            });

            it(`shows drift with its reason in a preview of the ${name} example, and repairs it`, async () => {
                const changes = ({ did }: { did: object }) => Object.entries(did).filter(([, op]) => op !== "same");
                onNode("worker-1", "rm /etc/modules-load.d/kata-containers.conf");
                const preview = await project.preview();
                expect(preview.log).to.contain(
                    "worker-1 has drifted: /etc/modules-load.d/kata-containers.conf is missing",
                );
                expect(changes(preview)).to.deep.equal([["kata-worker-1-activate", "update"]]);
                await project.up();
                expect(changes(await project.preview())).to.deep.equal([]);
            });
        }

        it(`leaves the nodes as they were after destroy of the ${name} example, byte for byte`, async () => {
            await project.destroy();
            for (const node of names()) expect(files(node)).to.equal(filesBefore[node]);
            expect(ready(...names())).to.equal(true);
        });
    });
}
