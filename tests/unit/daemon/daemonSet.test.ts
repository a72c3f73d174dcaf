import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { objectName } from "../../../src/daemon/names";
import { defaultImage } from "../../../src/daemon/pods";
import { daemonScripts, readProgram } from "../../../src/node/program";
import { oneNode, threeNodes } from "../../support/arguments";
import { type Deployment, dependencies, deploy, rejection, resolved, secretValue, unknown } from "../../support/mocks";

const object = "kata-containers-kata";
/** Pulumi derives the name of the ConfigMap of files from that of the resource. */
const daemonName = (suffix: string) => (suffix === "files" ? `${object}-files` : `kata-daemon-${suffix}`);
const child = ({ children }: Deployment, suffix: string) => children[daemonName(suffix)]!;
const specOf = (deployment: Deployment) => child(deployment, "set").inputs.spec;
const podOf = (deployment: Deployment) => specOf(deployment).template.spec;
const volumeOf = (deployment: Deployment, name: string) =>
    podOf(deployment).volumes.find((volume: { name: string }) => volume.name === name);
const filesOf = (deployment: Deployment) => child(deployment, "files").inputs;
const settingsOf = (deployment: Deployment) =>
    Object.fromEntries(
        filesOf(deployment)
            .data.settings.trimEnd()
            .split("\n")
            .map((line: string) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]),
    );

const types: { [suffix: string]: string } = {
    namespace: "core/v1:Namespace",
    account: "core/v1:ServiceAccount",
    "cluster-role": "rbac.authorization.k8s.io/v1:ClusterRole",
    "cluster-role-binding": "rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    role: "rbac.authorization.k8s.io/v1:Role",
    "role-binding": "rbac.authorization.k8s.io/v1:RoleBinding",
    policy: "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
    "policy-binding": "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
    files: "core/v1:ConfigMap",
    release: "core/v1:Secret",
    rollout: "core/v1:ConfigMap",
    set: "apps/v1:DaemonSet",
    "set-state": "apps/v1:DaemonSet",
    "rollout-state": "core/v1:ConfigMap",
};

describe("KataContainers with a DaemonSet", () => {
    it("creates the objects of the DaemonSet and the RuntimeClass, and no commands", async () => {
        const { children, warnings } = await deploy({ daemonSet: {} });
        const found = Object.entries(children).map(([name, { type }]) => `${name} ${type}`);
        expect(found).to.have.members([
            ...Object.entries(types).map(([suffix, type]) => `${daemonName(suffix)} kubernetes:${type}`),
            "kata-daemon-ready pulumi:index:Stash",
            "kata-owner pulumi:index:Stash",
            "kata-kata-qemu kubernetes:node.k8s.io/v1:RuntimeClass",
        ]);
        expect(warnings).to.deep.equal([]);
    });

    it("the DaemonSet has the same resources with `nodes`, whose resources are also created", async () => {
        const ofDaemonSet = ({ children }: Deployment) =>
            Object.keys(children).filter((name) => /-daemon-|-files$/.test(name));
        const alone = await deploy({ daemonSet: {} });
        const beside = await deploy({ daemonSet: {}, nodes: threeNodes });
        expect(ofDaemonSet(beside)).to.have.members(ofDaemonSet(alone));
        expect(Object.keys(beside.children)).to.include.members(["kata-worker-3-activate", "kata-wave-3"]);
        expect(Object.keys((await deploy({ nodes: oneNode })).children).join()).to.not.contain("daemon");
    });

    it("the component is the parent of every object of the DaemonSet, and registers all before the constructor returns", async () => {
        const { children, component, created } = await deploy({ daemonSet: {} });
        expect(created).to.have.members(Object.keys(children));
        for (const [name, { opts }] of Object.entries(children)) expect(opts.parent, name).to.equal(component);
    });

    it("names the objects after the component, and lets Pulumi name the ConfigMap of files", async () => {
        const deployment = await deploy({ daemonSet: {} });
        const names = Object.keys(types).map((suffix) => [suffix, child(deployment, suffix).inputs.metadata?.name]);
        const revision = specOf(deployment).template.metadata.annotations["kata-containers/revision"];
        expect(revision).to.match(/^[0-9a-f]{10}$/);
        const expected = { release: `${object}-release`, rollout: `${object}-rollout` };
        for (const [suffix, name] of names) {
            if (/-state$|^files$/.test(suffix!)) continue;
            expect(name, suffix).to.equal((expected as any)[suffix] ?? object);
        }
        expect(settingsOf(deployment).REVISION).to.equal(revision);
        expect(filesOf(deployment).metadata).to.have.all.keys("namespace", "labels");
        expect(volumeOf(deployment, "files").configMap).to.deep.equal({ name: `${object}-files-0123abcd` });
    });

    for (const name of ["My Kata!", "k".repeat(80), "Käse 漢字 🦀", "漢字", "--", "a/b", "trailing-"]) {
        it(`accepts the component name ${JSON.stringify(name)}`, async () => {
            const { children } = await deploy({ daemonSet: {} }, { name });
            const { metadata } = children[`${name}-daemon-set`]!.inputs;
            expect(metadata.name).to.equal(objectName(name));
            expect(metadata.namespace).to.equal(objectName(name));
            expect(children[`${objectName(name)}-files`]!.inputs.data.settings).to.contain(
                `OWNER=acme/shop/prod/${name} in DaemonSet ${metadata.namespace}/${metadata.name}\n`,
            );
        });
    }

    it("creates a namespace for privileged pods, or uses the given one", async () => {
        const created = await deploy({ daemonSet: {} });
        expect(child(created, "namespace").inputs.metadata.labels).to.include({
            "pod-security.kubernetes.io/enforce": "privileged",
        });
        const given = await deploy({ daemonSet: { namespace: "virtual-machines" } });
        expect(child(given, "namespace")).to.equal(undefined);
        for (const suffix of ["account", "role", "role-binding", "files", "release", "rollout", "set"]) {
            expect(child(created, suffix).inputs.metadata.namespace, suffix).to.equal(object);
            expect(child(given, suffix).inputs.metadata.namespace, suffix).to.equal("virtual-machines");
        }
        for (const suffix of ["cluster-role", "cluster-role-binding", "policy", "policy-binding"]) {
            expect(child(given, suffix).inputs.metadata, suffix).to.not.have.property("namespace");
            // Pods of another namespace keep their rights until they end.
            expect(child(given, suffix).inputs.metadata.name, suffix).to.equal(`${object}.virtual-machines`);
        }
        expect(child(given, "cluster-role-binding").inputs.roleRef.name).to.equal(`${object}.virtual-machines`);
        expect(child(given, "policy-binding").inputs.spec.policyName).to.equal(`${object}.virtual-machines`);
        expect(settingsOf(given).OWNER).to.equal(`acme/shop/prod/kata in DaemonSet virtual-machines/${object}`);
        expect(settingsOf(given).NAMESPACE).to.equal("virtual-machines");
        expect(child(given, "policy").inputs.spec.matchConditions[0].expression).to.contain(
            `'system:serviceaccount:virtual-machines:${object}'`,
        );
        const [subject] = child(given, "cluster-role-binding").inputs.subjects;
        expect(subject).to.deep.equal({ kind: "ServiceAccount", name: object, namespace: "virtual-machines" });
    });

    it("allows the pods to read and patch Nodes, to create Events, to read their DaemonSet and to patch their ConfigMap", async () => {
        const deployment = await deploy({ daemonSet: {} });
        expect(child(deployment, "cluster-role").inputs.rules).to.deep.equal([
            { apiGroups: [""], resources: ["nodes"], verbs: ["get", "patch"] },
            { apiGroups: [""], resources: ["events"], verbs: ["create"] },
        ]);
        expect(child(deployment, "role").inputs.rules).to.deep.equal([
            { apiGroups: ["apps"], resources: ["daemonsets"], resourceNames: [object], verbs: ["get"] },
            {
                apiGroups: [""],
                resources: ["configmaps"],
                resourceNames: [`${object}-rollout`],
                verbs: ["get", "patch"],
            },
        ]);
        const apiGroup = "rbac.authorization.k8s.io";
        const roleRef = (suffix: string) => child(deployment, suffix).inputs.roleRef;
        expect(roleRef("cluster-role-binding")).to.deep.equal({ apiGroup, kind: "ClusterRole", name: object });
        expect(roleRef("role-binding")).to.deep.equal({ apiGroup, kind: "Role", name: object });
        expect(child(deployment, "policy-binding").inputs.spec).to.deep.equal({
            policyName: object,
            validationActions: ["Deny"],
        });
    });

    it("grants the account its rights only after the policy that limits them", async () => {
        const deployment = await deploy({ daemonSet: {} });
        expect(await dependencies(child(deployment, "cluster-role-binding"))).to.include(daemonName("policy-binding"));
        expect(await dependencies(child(deployment, "policy-binding"))).to.deep.equal([
            "kata-kata-qemu",
            daemonName("policy"),
        ]);
    });

    it("starts the pods after everything that they need, and after the last node of the rollout over SSH", async () => {
        const needed = ["namespace", "account", "cluster-role-binding", "role-binding", "policy-binding"];
        const all = [...needed, "files", "release", "rollout"].map(daemonName);
        const alone = await deploy({ daemonSet: {} });
        expect(await dependencies(child(alone, "set"))).to.include.members([...all, "kata-kata-qemu"]);
        const beside = await deploy({ daemonSet: {}, nodes: threeNodes });
        expect(await dependencies(child(beside, "set"))).to.include.members([...all, "kata-kata-qemu", "kata-wave-3"]);
    });

    it("resolves runtimeClassNames once the DaemonSet is ready, without a dependency on it that could replace others", async () => {
        const { component, children } = await deploy({ daemonSet: {}, nodes: oneNode });
        const resources: Set<pulumi.Resource> = await (component.runtimeClassNames as any).allResources();
        const urns = await Promise.all([...resources].map(({ urn }) => resolved(urn)));
        expect(urns.map((urn) => urn.split("::").at(-1))).to.deep.equal(["kata-daemon-ready"]);
        expect(children["kata-daemon-ready"]!.edges).to.deep.equal(["kata-daemon-set"]);
        expect(await resolved(component.runtimeClassNames)).to.deep.equal({ "kata-qemu": "kata-qemu" });
    });

    it("runs two privileged containers on the host, of which the second one is ready when the node is", async () => {
        const pod = podOf(await deploy({ daemonSet: {} }));
        expect(pod).to.deep.include({
            hostPID: true,
            hostNetwork: true,
            serviceAccountName: object,
            priorityClassName: "system-node-critical",
            terminationGracePeriodSeconds: 86400,
            tolerations: [{ operator: "Exists" }],
            nodeSelector: { "kubernetes.io/os": "linux" },
        });
        expect(pod).to.not.have.any.keys("affinity", "imagePullSecrets");
        expect(pod.containers.map(({ name, command }: any) => [name, ...command])).to.deep.equal([
            // A node gets Kata Containers only when the container that would remove it runs.
            ["remove", "sh", "/kata-containers/pod.sh", "remove"],
            ["keep", "sh", "/kata-containers/pod.sh", "keep"],
        ]);
        const [remove, keep] = pod.containers;
        expect(keep.readinessProbe).to.deep.equal({
            exec: { command: ["sh", "-c", "test -e /run/kata-containers/ready"] },
            periodSeconds: 2,
            failureThreshold: 1,
        });
        expect(remove).to.not.have.property("readinessProbe");
        expect([remove.volumeMounts, remove.env]).to.deep.equal([keep.volumeMounts, keep.env]);
        for (const container of [keep, remove]) {
            expect(container).to.deep.include({
                image: defaultImage,
                securityContext: { privileged: true, readOnlyRootFilesystem: true, runAsUser: 0 },
                resources: { requests: { cpu: "10m", memory: "32Mi" } },
                terminationMessagePolicy: "File",
                env: [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
            });
        }
    });

    it("kubectl logs and exec use the container that installs", async () => {
        const { annotations } = specOf(await deploy({ daemonSet: {} })).template.metadata;
        expect(annotations).to.include({ "kubectl.kubernetes.io/default-container": "keep" });
    });

    it("mounts the token of the account outside of /var/run, which is an absolute link in many images", async () => {
        const deployment = await deploy({ daemonSet: {} });
        expect(podOf(deployment)).to.include({ automountServiceAccountToken: false });
        expect(volumeOf(deployment, "account").projected.sources).to.deep.equal([
            { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
            { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        ]);
        for (const { name, volumeMounts } of podOf(deployment).containers) {
            const paths = volumeMounts.map(({ name, mountPath, readOnly = false }: any) => [name, mountPath, readOnly]);
            expect(paths, name).to.deep.equal([
                ["files", "/kata-containers", true],
                ["release", "/kata-containers-release", true],
                ["account", "/kata-containers-account", true],
                ["run", "/run/kata-containers", false],
            ]);
        }
    });

    it("pins the default image by digest", () => {
        expect(defaultImage).to.match(/^docker\.io\/library\/busybox:[\d.]+@sha256:[0-9a-f]{64}$/);
    });

    it("uses the given image, Secrets, tolerations, PriorityClass and resources", async () => {
        const daemonSet = {
            image: pulumi.output("registry.example.com/tools:1"),
            imagePullSecrets: ["one", pulumi.output("two")],
            tolerations: [{ key: "vm", operator: "Exists", effect: null }],
            priorityClassName: "high",
            resources: { requests: { memory: "64Mi", cpu: null }, limits: { memory: "128Mi" } },
        };
        const pod = podOf(await deploy({ daemonSet }));
        expect(pod).to.deep.include({
            imagePullSecrets: [{ name: "one" }, { name: "two" }],
            tolerations: [{ key: "vm", operator: "Exists" }],
            priorityClassName: "high",
        });
        expect(pod.containers[0].image).to.equal("registry.example.com/tools:1");
        expect(pod.containers[0].resources).to.deep.equal({
            requests: { cpu: "10m", memory: "64Mi" },
            limits: { memory: "128Mi" },
        });
    });

    it("selects Linux nodes with the given labels, and tells its pods which", async () => {
        const nodeSelector = { pool: pulumi.output("vm"), "example.com/a": "", "kubernetes.io/os": "windows" };
        const deployment = await deploy({ daemonSet: { nodeSelector }, nodes: {} });
        expect(podOf(deployment).nodeSelector).to.deep.equal({
            pool: "vm",
            "example.com/a": "",
            "kubernetes.io/os": "linux",
        });
        expect(child(deployment, "set").inputs.metadata.annotations).to.deep.equal({
            "kata-containers/node-selector": "example.com/a=,kubernetes.io/os=linux,pool=vm",
            "kata-containers/nodes": "",
        });
    });

    it("leaves the nodes that are named in `nodes` to SSH", async () => {
        const { "worker-1": one, "worker-2": two, "worker-3": three } = threeNodes;
        const nodes = { "worker-3": three, "worker-1": one, "worker-2": { ...two, gone: true } };
        const deployment = await deploy({ daemonSet: {}, nodes });
        expect(child(deployment, "set").inputs.metadata.annotations["kata-containers/nodes"]).to.equal(
            "worker-1,worker-2,worker-3",
        );
        const [term, ...others] =
            podOf(deployment).affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
        expect(others).to.deep.equal([]);
        expect(term.matchFields).to.deep.equal(
            ["worker-1", "worker-2", "worker-3"].map((node) => ({
                key: "metadata.name",
                operator: "NotIn",
                values: [node],
            })),
        );
    });

    it("tells its pods how many nodes may download at once, if that is limited", async () => {
        const limit = async (rollout?: object) =>
            settingsOf(await deploy({ daemonSet: {}, rollout })).MAX_PARALLEL_DOWNLOADS;
        expect([await limit(), await limit({ maxParallelDownloads: 3 })]).to.deep.equal([undefined, "3"]);
    });

    it("limits how many nodes change at once, by a number or a percentage", async () => {
        const limits = async (rollout?: object) => {
            const deployment = await deploy({ daemonSet: {}, rollout });
            const { updateStrategy } = specOf(deployment);
            return [updateStrategy.rollingUpdate.maxUnavailable, settingsOf(deployment).MAX_UNAVAILABLE];
        };
        expect(await limits()).to.deep.equal([1, "1"]);
        expect(await limits({ maxUnavailable: 3 })).to.deep.equal([3, "3"]);
        expect(await limits({ maxUnavailable: 0.25 })).to.deep.equal(["25%", "0.25"]);
    });

    it("waits for the nodes as long as requested", async () => {
        const timeouts = async (daemonSet: object) => child(await deploy({ daemonSet }), "set").opts.customTimeouts;
        expect(await timeouts({})).to.deep.equal({ create: "1800s", update: "1800s", delete: "1800s" });
        expect(await timeouts({ timeout: 60 })).to.deep.equal({ create: "60s", update: "60s", delete: "60s" });
    });

    it("gives the pods the node program, their scripts and the arguments that the commands have over SSH", async () => {
        const args = { kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true }, forceRemoval: true };
        const deployment = await deploy({ daemonSet: {}, nodes: oneNode, ...args });
        const { data, immutable } = filesOf(deployment);
        expect(immutable).to.equal(true);
        const { settings, stage, activate, deactivate, "node.sh": program, ...scripts } = data;
        expect(scripts).to.deep.equal(daemonScripts());
        expect(Object.keys(scripts)).to.include.members(["pod.sh", "runner.sh"]);
        expect(program).to.equal(readProgram().text);
        const claim = ["--owner=acme/shop/prod/kata", "--node=worker-1"];
        const overSsh = (step: string, property: string) =>
            deployment.children[`kata-worker-1-${step}`]!.inputs[property].split(" \\\n").filter(
                (word: string) => word.startsWith("--") && !claim.includes(word),
            );
        // The pod has the program itself.
        const [sent, ...staged] = overSsh("stage", "create");
        expect(sent).to.equal(`--program=${readProgram().id}`);
        expect(stage.split("\n")).to.deep.equal([...staged, ""]);
        expect(activate.split("\n")).to.deep.equal([...overSsh("activate", "create"), ""]);
        expect(deactivate.split("\n")).to.deep.equal([...overSsh("activate", "delete"), ""]);
        expect(deactivate).to.equal("--change-under-running-pods=true\n--force=true\n");
        expect(settings).to.equal(
            [
                `OWNER=acme/shop/prod/kata in DaemonSet ${object}/${object}`,
                `OBJECT=${object}`,
                `NAMESPACE=${object}`,
                `REVISION=${settingsOf(deployment).REVISION}`,
                "MAX_UNAVAILABLE=1",
                "INTERVAL=300",
                "",
            ].join("\n"),
        );
    });

    it("rollout.drain does not permit the DaemonSet to change the cgroup driver under running pods", async () => {
        const rollout = { drain: { kubeconfig: "{}" } };
        const deployment = await deploy({ daemonSet: {}, nodes: oneNode, rollout });
        expect(deployment.children["kata-worker-1-activate"]!.inputs.create).to.contain("--change-under-running-pods");
        expect(filesOf(deployment).data.activate).to.not.contain("--change-under-running-pods");
    });

    it("the revision changes with everything that decides what happens on a node, and with nothing else", async () => {
        const revision = async (args: object, daemonSet: object = {}) =>
            settingsOf(await deploy({ daemonSet, ...args })).REVISION;
        const first = await revision({});
        expect(await revision({})).to.equal(first);
        const changed = [
            await revision({ version: "3.32.0" }),
            await revision({ debug: true }),
            await revision({ forceRemoval: true }),
            await revision({ rollout: { maxUnavailable: 2 } }),
        ];
        expect(new Set([first, ...changed])).to.have.length(5);
        const others = { image: "busybox", timeout: 60, nodeSelector: { a: "b" }, priorityClassName: "high" };
        expect(await revision({}, others)).to.equal(first);
        expect(await revision({ nodes: oneNode, release: { proxy: "http://proxy:3128" } })).to.equal(first);
    });

    it("keeps the queries of the URLs and the proxy in a Secret, and nowhere else", async () => {
        const url = "https://bucket.example.com/{archive}?X-Amz-Signature=0123";
        const proxy = "http://kata:hunter-2@proxy:3128";
        for (const release of [
            { url, proxy },
            { url: pulumi.secret(url), proxy: pulumi.secret(proxy) },
        ]) {
            const { inputs, children } = await deploy({ daemonSet: {}, version: "3.32.0", release });
            const data = secretValue(children[daemonName("release")]!.inputs.data);
            const decoded = (key: string) => Buffer.from(data[key], "base64").toString();
            expect(Object.keys(data)).to.have.members(["queries", "proxy"]);
            expect(decoded("queries")).to.equal("amd64-1=?X-Amz-Signature=0123 arm64-1=?X-Amz-Signature=0123");
            expect(decoded("proxy")).to.equal(proxy);
            const all = JSON.stringify([inputs, children], (key, value) =>
                ["opts", "parent"].includes(key) || secretValue(value) !== undefined ? undefined : value,
            );
            expect(all)
                .to.contain(daemonName("files"))
                .and.not.match(/Signature|hunter/);
            for (const part of ['0123"', Buffer.from(proxy).toString("base64")]) expect(all).to.not.contain(part);
        }
    });

    it("hides the files of the pods if the URL of the release is secret, but not their revision", async () => {
        const release = { url: pulumi.secret("https://mirror.example.com/{archive}") };
        const deployment = await deploy({ daemonSet: {}, release });
        expect(secretValue(filesOf(deployment).data).stage).to.contain("--url-amd64=https://mirror.example.com/");
        expect(specOf(deployment).template.metadata.annotations["kata-containers/revision"]).to.match(/^[0-9a-f]{10}$/);
        expect(volumeOf(deployment, "files").configMap.name).to.equal(`${object}-files-0123abcd`);
    });

    it("always creates the Secret, also without anything secret", async () => {
        const { inputs } = child(await deploy({ daemonSet: {} }), "release");
        expect(secretValue(inputs.data)).to.deep.equal({ queries: "", proxy: "" });
    });

    it("leaves the data of the rollout to the pods", async () => {
        const { inputs, opts } = child(await deploy({ daemonSet: {} }), "rollout");
        expect(inputs).to.have.all.keys("metadata", "kind", "apiVersion");
        expect(opts.ignoreChanges).to.deep.equal(["data", "metadata.annotations"]);
    });

    it("outputs the status of the DaemonSet from the cluster, and only with a DaemonSet", async () => {
        const data = {
            "worker-1": "failed 0123456789 2020-01-02T03:04:05Z step host: no space",
            "worker-2": `failed 0123456789 ${new Date().toISOString()} step host: no KVM`,
            "worker-3": "changing 0 1",
        };
        const daemonSet = { status: { desiredNumberScheduled: 5, numberReady: 3 }, data };
        const { component, children } = await deploy({ daemonSet: {} }, { daemonSet });
        expect(await resolved(component.daemonSetStatus!)).to.deep.equal({
            nodes: 5,
            ready: 3,
            updating: 1,
            failed: 1,
            reasons: { "worker-2": "step host: no KVM" },
        });
        for (const read of ["set-state", "rollout-state"]) {
            expect(children[daemonName(read)]!.edges).to.include("kata-daemon-set");
        }
        expect((await deploy({ nodes: oneNode })).component.daemonSetStatus).to.equal(undefined);
    });

    it("fails the status of a DaemonSet that is being deleted, and says how to continue", async () => {
        const metadata = { deletionTimestamp: "2026-11-26T09:15:00Z" };
        const daemonSet = { metadata, status: { desiredNumberScheduled: 5, numberReady: 3 } };
        const { message } = await rejection(deploy({ daemonSet: {} }, { daemonSet }));
        expect(message).to.equal(
            `the DaemonSet ${object} is being deleted, and removes Kata Containers from its nodes: ` +
                "run pulumi destroy again, or wait for its end and run pulumi refresh and pulumi up",
        );
    });

    it("previews the DaemonSet before it exists, without reading its status", async () => {
        const { component, children } = await deploy({ daemonSet: {} }, { preview: true });
        expect(children["kata-daemon-set"]!.inputs.spec.template.spec.containers).to.have.length(2);
        expect(await resolved(component.nodeStatuses)).to.deep.equal({});
    });

    it("does not preview the DaemonSet as replaced while the version is not known yet", async () => {
        const deployment = await deploy({ daemonSet: {}, version: unknown() }, { preview: true });
        const { metadata, spec } = child(deployment, "set").inputs;
        expect(metadata).to.deep.include({ name: object, namespace: object });
        expect(spec.selector.matchLabels).to.deep.equal(spec.template.metadata.labels);
        expect(pulumi.isUnknown(spec.template.metadata.annotations["kata-containers/revision"])).to.equal(true);
        expect(pulumi.isUnknown(filesOf(deployment).data)).to.equal(true);
    });

    it("creates no object of the DaemonSet if an argument is invalid when it becomes known, or a RuntimeClass cannot be adopted", async () => {
        const registered: string[] = [];
        const daemonSet = { interval: pulumi.output(1), image: pulumi.output("two words") };
        const { message } = await rejection(deploy({ daemonSet }, { registered }));
        expect(message).to.contain('KataContainers "kata" has 2 invalid arguments:');
        expect(message).to.contain("- daemonSet.image: must be the name of a container image");
        expect(message).to.contain("- daemonSet.interval: must be a whole number from 10 to 86400");
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(registered.filter((name) => name.includes("daemon"))).to.deep.equal([]);
        const runtimeClasses = { "kata-qemu": { adopt: true } };
        await rejection(deploy({ daemonSet: {}, runtimeClasses }, { registered, handler: "other" }));
        expect(registered).to.include("kata-kata-qemu");
        expect(registered.filter((name) => name.includes("daemon"))).to.deep.equal([]);
    });

    it("rejects a cgroup driver that becomes known, without kubelet.changeUnderRunningPods", async () => {
        const kubelet = { cgroupDriver: pulumi.output("systemd") };
        const { message } = await rejection(deploy({ daemonSet: {}, kubelet }));
        expect(message).to.contain("- kubelet.changeUnderRunningPods: must be true with daemonSet");
    });

    it("rejects a secret in the arguments of the DaemonSet", async () => {
        const daemonSet = {
            nodeSelector: { "example.com/a": pulumi.secret("hunter") },
            imagePullSecrets: ["a", pulumi.secret("hunter")],
            tolerations: [{ key: pulumi.secret("hunter"), operator: "Exists" }],
            resources: { limits: { cpu: pulumi.secret("1") } },
        };
        const { message } = await rejection(deploy({ daemonSet }));
        for (const path of [
            'daemonSet.nodeSelector["example.com/a"]',
            "daemonSet.imagePullSecrets[1]",
            "daemonSet.tolerations[0].key",
            "daemonSet.resources.limits.cpu",
        ]) {
            expect(message).to.contain(`- ${path}: cannot be a secret`);
        }
        expect(message).to.not.contain("hunter");
    });
});
