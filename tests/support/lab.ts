// The lab as the tests see it: a cluster that is brought up once, its nodes over SSH, and Pulumi on it.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ComponentResourceOptions, Resource } from "@pulumi/pulumi";
import { type EngineEvent, LocalWorkspace, type Stack } from "@pulumi/pulumi/automation";
import type { ConnectionArgs, KataContainersArgs, NodeStatus } from "../../src";
import { KataContainers } from "../../src";

const checkout = join(__dirname, "../..");
const lab = join(checkout, "lab/lab");
process.env.LAB_NAME ??= "test";

export interface LabNode {
    host: string;
    port: number;
    user: string;
    privateKeyFile: string;
    hostKey: string;
    containerd: string;
    kind: "container" | "vm";
}
export interface Inventory {
    nodes: { [name: string]: LabNode };
    releases: { url: string; checksums: { [version: string]: { [runtime: string]: { amd64: string } } } };
}
let known: Inventory;
export const inventory = (): Inventory => known;
/** The nodes that are there from the start. */
export const nodes = (): { [name: string]: LabNode } =>
    Object.fromEntries(Object.entries(known.nodes).filter(([, { kind }]) => kind === "container"));

export const names = () => Object.keys(nodes());

/** What is done to the component's resources of these kinds, on every node or on those given. */
export const every = (op: string, kinds: string[], on = names()) =>
    Object.fromEntries(on.flatMap((node) => kinds.map((kind) => [`kata-${node}-${kind}`, op])));

/** Brings the lab up, and takes what it says of itself into the environment of this process. */
export function up(...args: string[]): void {
    command("up", ...args);
    for (const line of execFileSync(lab, ["env"], { encoding: "utf8" }).split("\n")) {
        const [, name, value] = /^export (\w+)=(.*)$/.exec(line) ?? [];
        if (name) process.env[name] = execFileSync("sh", ["-c", `printf %s ${value}`], { encoding: "utf8" });
    }
    known = JSON.parse(readFileSync(process.env.LAB_INVENTORY!, "utf8"));
}
export const command = (...args: string[]) => execFileSync(lab, args, { stdio: ["ignore", "inherit", "inherit"] });
/** The power of a node goes. */
export function killNode(name: string): void {
    command("kill", name);
    const { host, port, user } = known.nodes[name]!;
    spawnSync("ssh", [...shared(name), "-O", "exit", "-p", `${port}`, `${user}@${host}`]);
}
export const bootNode = (name: string) => command("boot", name);
export const down = () => command("down");

export function kubectl(...args: string[]): string {
    return execFileSync("kubectl", args, { encoding: "utf8" }).trim();
}
export const apply = (object: object) =>
    execFileSync("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(object), encoding: "utf8" });

export const labFolder = () => dirname(process.env.LAB_INVENTORY!);

export const sshOptions = (name: string) => [
    ...["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"].flatMap((o) => ["-o", o]),
    ...["-i", known.nodes[name]!.privateKeyFile],
];

/** Options for a connection that stays, for the next script. */
const shared = (name: string) => [
    ...["ControlMaster=auto", "ControlPersist=60", `ControlPath=${labFolder()}/ssh/${name}`].flatMap((o) => ["-o", o]),
    ...sshOptions(name),
];

/** Runs a script on a node, as root. */
export function onNode(name: string, script: string): string {
    const { host, port, user } = known.nodes[name]!;
    const target = ["-p", `${port}`, `${user}@${host}`, "sh -s"];
    const result = spawnSync("ssh", [...shared(name), ...target], {
        input: script,
        encoding: "utf8",
    });
    if (result.status !== 0) throw new Error(`on ${name}: ${result.stderr}${result.stdout}`);
    return result.stdout.trim();
}

/** What is on a node where the package might leave something: every file with its sum, every link with its target. */
export const files = (node: string) =>
    onNode(
        node,
        `find /etc /opt /usr/local /var/lib/kubelet/config.yaml /var/lib/kata-containers-node -type f -exec sha256sum {} + \
            -o -type l -printf '%l %p\\n' -o -type d -print 2>/dev/null | sort -k 2`,
    );
/** When what is ours or was edited was last written, and since when the services run. */
export const times = (node: string) =>
    onNode(
        node,
        `find /etc/containerd /etc/kata-containers /etc/modules-load.d /opt /usr/local/bin /var/lib/kubelet/config.yaml \
            -printf '%p %T@ %i\\n' 2>/dev/null | sort
        systemctl show -p ActiveEnterTimestampMonotonic containerd kubelet`,
    );

/** Whether these nodes are Ready, now. */
export const ready = (...names: string[]) =>
    kubectl("get", "node", ...names, "-o", 'jsonpath={..conditions[?(@.type=="Ready")].status}')
        .split(" ")
        .every((status) => status === "True");

/** A pod that sleeps on a node; `runtimeClassName` makes it a Kata pod. */
export function startPod(pod: string, node: string, runtimeClassName?: string): void {
    apply({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: pod },
        spec: {
            nodeName: runtimeClassName ? undefined : node,
            nodeSelector: { "kubernetes.io/hostname": node },
            runtimeClassName,
            terminationGracePeriodSeconds: 0,
            automountServiceAccountToken: false,
            containers: [
                { name: "main", image: "busybox:lab", imagePullPolicy: "Never", command: ["sleep", "100000"] },
            ],
        },
    });
    kubectl("wait", "--for=condition=Ready", `pod/${pod}`, "--timeout=240s");
}
/** Removes a node's Kata pods. Kubernetes forgets a pod a moment before its sandbox is gone. */
export function removePods(node: string, ...pods: string[]): void {
    kubectl("delete", "pods", ...pods, "--wait=true", "--timeout=180s");
    onNode(node, "timeout 180 sh -c 'while readlink /proc/[0-9]*/exe | grep -q ^/opt/kata; do sleep 0.2; done'");
}
export const containerOf = (pod: string) =>
    kubectl(
        "get",
        "pod",
        pod,
        "-o",
        "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}",
    );

/** What is on every node before anything is done: its files, and the container of a runc pod that is started there. */
export function startOnEveryNode(): { filesBefore: { [node: string]: string }; runc: { [node: string]: string } } {
    const filesBefore: { [node: string]: string } = {};
    const runc: { [node: string]: string } = {};
    for (const node of names()) {
        startPod(`runc-${node}`, node);
        runc[node] = containerOf(`runc-${node}`);
        filesBefore[node] = files(node);
    }
    return { filesBefore, runc };
}

export function connection(name: string): ConnectionArgs {
    const { host, port, user, privateKeyFile, hostKey } = known.nodes[name]!;
    return { host, port, user, hostKey, privateKey: readFileSync(privateKeyFile, "utf8") };
}

/** Arguments for a miniature release on the lab's nodes, which have no KVM. */
export function args(version: string, more: Partial<KataContainersArgs> = {}, on = names()): KataContainersArgs {
    const { url, checksums } = known.releases;
    const runtime = more.qemu?.runtime ?? (version === "4.1.0" ? "rust" : "go");
    return {
        nodes: Object.fromEntries(on.map((name) => [name, { connection: connection(name) }])),
        version,
        release: { url, sha256: checksums[version]![runtime as string] },
        hostChecks: "warn",
        ...more,
    };
}

export interface Outputs {
    runtimeClassName: string;
    nodeStatuses: { [node: string]: NodeStatus };
}

/** The error of what must fail. */
export async function errorOf(operation: Promise<unknown>): Promise<string> {
    try {
        await operation;
    } catch (error) {
        return (error as Error).message;
    }
    throw new Error("this had to fail");
}

/** How the component stands in the program. */
export interface Place {
    name?: string;
    opts?: ComponentResourceOptions;
    /** Makes what it belongs to. */
    parent?: () => Resource;
}

/** A stack with one KataContainers, whose arguments can be changed from one `up` to the next. */
export class TestStack {
    private current!: Given;
    private place: Place = {};
    private constructor(
        private readonly stack: Stack,
        private readonly folder: string,
    ) {}

    static async create(name: string): Promise<TestStack> {
        const folder = mkdtempSync(join(tmpdir(), "kata-e2e-"));
        const backend = join(folder, "state");
        mkdirSync(backend);
        let self: TestStack;
        const program = async () => {
            const { name = "kata", opts, parent } = self.place;
            const args = typeof self.current === "function" ? self.current() : self.current;
            const kata = new KataContainers(name, args, { ...opts, parent: parent?.() });
            return { runtimeClassName: kata.runtimeClassName, nodeStatuses: kata.nodeStatuses };
        };
        const stack = await LocalWorkspace.createStack(
            { stackName: name, projectName: "e2e", program },
            { envVars: { PULUMI_BACKEND_URL: `file://${backend}` }, workDir: folder },
        );
        self = new TestStack(stack, folder);
        return self;
    }

    /** What `up` did to each resource, by its name: create, update, same, replace. */
    async up(args: Given, place: Place = {}): Promise<Up> {
        const seen = this.watch(args, place);
        const result = await this.stack.up(seen);
        const outputs = Object.fromEntries(Object.entries(result.outputs).map(([key, { value }]) => [key, value]));
        return { ...seen.said(), outputs: outputs as unknown as Outputs };
    }

    /** What `up` would do. */
    async preview(args: Given, place: Place = {}): Promise<Said> {
        const seen = this.watch(args, place);
        await this.stack.preview(seen);
        return seen.said();
    }

    /** Takes into the state what the providers see. */
    async refresh(): Promise<void> {
        await this.stack.refresh();
    }

    private watch(args: Given, place: Place) {
        this.current = args;
        this.place = place;
        const did: Record<string, string> = {};
        let log = "";
        return {
            onOutput: (text: string) => {
                log += text;
            },
            onEvent: (event: EngineEvent) => {
                const { urn, op } = event.resourcePreEvent?.metadata ?? {};
                if (urn && event.resourcePreEvent) did[urn.split("::").at(-1)!] = op!;
            },
            said: () => ({ did, log }),
        };
    }

    /** The error of an `up` that must fail. */
    fail(args: Given, place: Place = {}): Promise<string> {
        return errorOf(this.up(args, place));
    }

    /** The state as it lies on disk. */
    state(): string {
        const stacks = join(this.folder, "state/.pulumi/stacks/e2e");
        return readFileSync(join(stacks, `${this.stack.name}.json`), "utf8");
    }

    async destroy(): Promise<void> {
        await this.stack.destroy();
    }

    /** The error of a destroy that must fail. */
    failDestroy(): Promise<string> {
        return errorOf(this.destroy());
    }

    /** For the end of a test, whatever became of it. */
    async remove(): Promise<void> {
        await this.destroy();
        rmSync(this.folder, { recursive: true });
    }
}

export interface Said {
    did: Record<string, string>;
    log: string;
}
export interface Up extends Said {
    outputs: Outputs;
}
/** The arguments, or what makes them when the program runs. */
export type Given = KataContainersArgs | (() => KataContainersArgs);

/** What was done, without what stayed the same. */
export const changes = ({ did }: Said) =>
    Object.fromEntries(
        Object.entries(did)
            .filter(([name, op]) => name.startsWith("kata-") && op !== "same")
            .map(([name, op]) => [name, op.includes("replace") ? "replace" : op]),
    );
