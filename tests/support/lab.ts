// The lab for tests: a cluster that is started once, its nodes over SSH, and Pulumi stacks on it.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ComponentResourceOptions, Resource } from "@pulumi/pulumi";
import { type EngineEvent, LocalWorkspace, type Stack } from "@pulumi/pulumi/automation";
import { expect } from "chai";
import type { ConnectionArgs, DaemonSetStatus, KataContainersArgs, NodeStatus } from "../../src";
import { KataContainers, type Shim } from "../../src";
import { derivedShim } from "../../src/kata/shims";

const checkout = join(__dirname, "../..");
const lab = join(checkout, "lab/lab");
process.env.LAB_NAME ??= "test";

export interface LabNode {
    host: string;
    port: number;
    user: string;
    privateKeyFile: string;
    hostKey: string;
    /** The version of containerd. */
    containerd: string;
    /** As in NAME=KIND: "1.6", "2.3", "vm", "arm64". */
    kind: string;
    /** "host": a hosted runner that is its own node, see tests/virtualization. */
    machine: "container" | "emulator" | "host";
    /** Its root filesystem on this host, if it is a container. */
    root: string | null;
}
export interface Inventory {
    nodes: { [name: string]: LabNode };
    releases: { url: string; checksums: { [version: string]: { [shim: string]: { amd64: string; arm64: string } } } };
}
let known: Inventory;
export const inventory = (): Inventory => known;
/** The nodes that every lab has. */
export const nodes = (): { [name: string]: LabNode } =>
    Object.fromEntries(Object.entries(known.nodes).filter(([, { machine }]) => machine !== "emulator"));

export const names = () => Object.keys(nodes());

/** The operation on the component's resources of these kinds, for every node or for those given. */
export const every = (op: string, kinds: ("stage" | "activate" | "label")[], on = names()) =>
    Object.fromEntries(on.flatMap((node) => kinds.map((kind) => [`kata-${node}-${kind}`, op])));

/** Starts the lab and sets its environment variables in this process. */
export function up(...args: string[]): void {
    command("up", ...args);
    for (const line of execFileSync(lab, ["env"], { encoding: "utf8" }).split("\n")) {
        const [, name, value] = /^export (\w+)=(.*)$/.exec(line) ?? [];
        // Each stack has a backend of its own.
        if (name && name !== "PULUMI_BACKEND_URL")
            process.env[name] = execFileSync("sh", ["-c", `printf %s ${value}`], { encoding: "utf8" });
    }
    readInventory();
}
/** Whether LAB_NODES has a node. Without that variable, a test adds the node to its lab. */
export const inLab = (node: string) => ` ${process.env.LAB_NODES ?? `${node}=`}`.includes(` ${node}=`);
/** Uses the nodes in the file LAB_INVENTORY. */
export function readInventory(): void {
    known = JSON.parse(readFileSync(process.env.LAB_INVENTORY!, "utf8"));
}
export const command = (...args: string[]) => execFileSync(lab, args, { stdio: ["ignore", "inherit", "inherit"] });
/** Cuts the power of a node. */
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

/** Options for a connection that stays open for the next script. */
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
        maxBuffer: 1 << 26,
    });
    if (result.status !== 0) throw new Error(`on ${name}: ${result.stderr}${result.stdout}`);
    return result.stdout.trim();
}

/** Lists the places of a node where the package could leave something: every file with its sum, every link with its target. */
export const files = (node: string) =>
    onNode(
        node,
        `find /etc /opt /usr/local /var/lib/kubelet/config.yaml /var/lib/kata-containers-node -type f -exec sha256sum {} + \
            -o -type l -printf '%l %p\\n' -o -type d -print 2>/dev/null | sort -k 2`,
    );
/** Tells when each managed or edited file was last written, and since when the services run. */
export const times = (node: string) =>
    onNode(
        node,
        `find /etc/containerd /etc/kata-containers /etc/modules-load.d /opt /usr/local/bin /var/lib/kubelet/config.yaml \
            -printf '%p %T@ %i\\n' 2>/dev/null | sort
        systemctl show -p ActiveEnterTimestampMonotonic containerd kubelet`,
    );

/** Tells whether these nodes are Ready now. */
export const ready = (...names: string[]) =>
    kubectl("get", "node", ...names, "-o", 'jsonpath={..conditions[?(@.type=="Ready")].status}')
        .split(" ")
        .every((status) => status === "True");

/** Starts a pod that sleeps on a node; `runtimeClassName` makes it a Kata pod. */
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
/** Removes all pods, of every runtime. */
export const removeAllPods = () => kubectl("delete", "pods", "--all", "--wait=true", "--timeout=180s");
/** Waits until containerd has no container of a handler any longer. */
export const handlerEnds = (handler: string, node: string) =>
    onNode(
        node,
        `timeout 240 sh -c 'while ctr -n k8s.io containers ls | grep -q "io.containerd.${handler}.v2"; do sleep 0.2; done'`,
    );
/** Runs a program in a pod. The kubelet may wait for 3 s before it connects to a restarted containerd again. */
export function expectAlive(pod: string, message?: string): void {
    const attempts = 'for i in 1 2 3 4 5 6; do kubectl exec "$0" -- echo alive && break; sleep 1; done';
    expect(execFileSync("sh", ["-c", attempts, pod], { encoding: "utf8" }).trim(), message).to.equal("alive");
}
/** What the shim of the miniature release has recorded of the last container that it started. */
export const shimRecord = (node: string) => JSON.parse(onNode(node, "tail -n 1 /run/kata-miniature/shim.log"));
/** The handlers that the labels of a Node name. */
export const handlersOf = (node: string) =>
    Object.keys(JSON.parse(kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels}")))
        .filter((label) => label.startsWith("handler."))
        .map((label) => label.replace("handler.kata-containers/", ""))
        .sort();
export const configOf = (handler: string) => `/etc/kata-containers/${handler}/configuration.toml`;
export const containerOf = (pod: string) =>
    kubectl(
        "get",
        "pod",
        pod,
        "-o",
        "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}",
    );
/** The id of that container, as in its cgroup. */
export const containerIdOf = (pod: string) => containerOf(pod).replace(/^[\w-]+:\/\/(\w+).*/, "$1");

/** Starts a runc pod on every node, and records its container and the files of the node. */
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
export function args(
    version: string,
    more: Partial<KataContainersArgs> = {},
    on = names(),
): KataContainersArgs & Required<Pick<KataContainersArgs, "nodes">> {
    const { url, checksums } = known.releases;
    const sums = Object.entries(more.runtimeClasses ?? { "kata-qemu": {} }).map(([name, given]) => {
        const release = (given.version ?? version) as string;
        return [name, checksums[release]![(given.shim ?? derivedShim(name, release)) as Shim]] as const;
    });
    const given = {
        nodes: Object.fromEntries(on.map((name) => [name, { connection: connection(name) }])),
        version,
        release: { url, sha256: sums[0]![1] },
        hostChecks: "warn" as const,
        ...more,
    };
    if (sums.length === 1) return given;
    const runtimeClasses = sums.map(([name, sha256]) => [name, { ...more.runtimeClasses![name], sha256 }]);
    return { ...given, runtimeClasses: Object.fromEntries(runtimeClasses) };
}

export interface Outputs {
    runtimeClassNames: { [name: string]: string };
    nodeStatuses: { [node: string]: NodeStatus };
    daemonSetStatus?: DaemonSetStatus;
}

/** The error of an operation that must fail. */
export async function errorOf(operation: Promise<unknown>): Promise<string> {
    try {
        await operation;
    } catch (error) {
        return (error as Error).message;
    }
    throw new Error("the operation succeeded, but it must fail");
}

/** The name, the options and the parent of the component in the program. */
export interface Place {
    name?: string;
    opts?: ComponentResourceOptions;
    /** Makes the parent. */
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

    /** Creates a stack. `more` creates other resources in its program. */
    static async create(name: string, more?: (kata: KataContainers) => void): Promise<TestStack> {
        const folder = mkdtempSync(join(tmpdir(), "kata-e2e-"));
        const backend = join(folder, "state");
        mkdirSync(backend);
        let self: TestStack;
        const program = async () => {
            const { name = "kata", opts, parent } = self.place;
            const args = typeof self.current === "function" ? self.current() : self.current;
            const kata = new KataContainers(name, args, { ...opts, parent: parent?.() });
            more?.(kata);
            const { runtimeClassNames, nodeStatuses, daemonSetStatus } = kata;
            // Pulumi warns of an output without a value.
            return { runtimeClassNames, nodeStatuses, ...(daemonSetStatus && { daemonSetStatus }) };
        };
        const stack = await LocalWorkspace.createStack(
            { stackName: name, projectName: "e2e", program },
            { envVars: { PULUMI_BACKEND_URL: `file://${backend}` }, workDir: folder },
        );
        self = new TestStack(stack, folder);
        return self;
    }

    /** Runs `pulumi up`. `replace` is the name of a command to replace. */
    async up(args: Given, place: Place = {}, replace?: string): Promise<Up> {
        const seen = this.watch(args, place);
        const urn = `urn:pulumi:${this.stack.name}::e2e::kata-containers:index:KataContainers$command:remote:Command`;
        const result = await this.stack.up({ ...seen, ...(replace && { replace: [`${urn}::${replace}`] }) });
        const outputs = Object.fromEntries(Object.entries(result.outputs).map(([key, { value }]) => [key, value]));
        return { ...seen.said(), outputs: outputs as unknown as Outputs };
    }

    /** Runs `pulumi preview`. */
    async preview(args: Given, place: Place = {}): Promise<Said> {
        const seen = this.watch(args, place);
        await this.stack.preview(seen);
        return seen.said();
    }

    /** Runs `pulumi refresh`. */
    async refresh(): Promise<void> {
        await this.stack.refresh();
    }

    private watch(args: Given, place: Place) {
        this.current = args;
        this.place = place;
        return watched();
    }

    /** Runs an `up` that must fail, and returns its error. */
    fail(args: Given, place: Place = {}): Promise<string> {
        return errorOf(this.up(args, place));
    }

    /** The state file. */
    state(): string {
        const stacks = join(this.folder, "state/.pulumi/stacks/e2e");
        return readFileSync(join(stacks, `${this.stack.name}.json`), "utf8");
    }

    async destroy(): Promise<Said> {
        const seen = watched();
        await this.stack.destroy(seen);
        return seen.said();
    }

    /** Runs a destroy that must fail, and returns its error. */
    failDestroy(): Promise<string> {
        return errorOf(this.destroy());
    }

    /** Destroys the stack and removes its files, also after a failed test. */
    async remove(): Promise<void> {
        await this.destroy();
        rmSync(this.folder, { recursive: true });
    }
}

/** Options of a Pulumi command that record what it does and says. */
function watched() {
    const did: Record<string, string> = {};
    const order: string[] = [];
    let log = "";
    return {
        onOutput: (text: string) => {
            log += text;
        },
        onEvent: ({ resourcePreEvent, resOutputsEvent }: EngineEvent) => {
            const { urn, op } = (resourcePreEvent ?? resOutputsEvent)?.metadata ?? {};
            if (urn === undefined) return;
            const name = urn.split("::").at(-1)!;
            if (resourcePreEvent) did[name] = op!;
            order.push(`${resourcePreEvent ? "begin" : "end"} ${name}`);
        },
        said: () => ({ did, order, log }),
    };
}

export interface Said {
    /** The operation on each resource, by its name: create, update, same, replace. */
    did: Record<string, string>;
    /** "begin NAME" and "end NAME" of each operation, in the order in which they happened. */
    order: string[];
    log: string;
}
export interface Up extends Said {
    outputs: Outputs;
}
/** The arguments, or a function that makes them when the program runs. */
export type Given = KataContainersArgs | (() => KataContainersArgs);

/** The operations on the component's resources, without those that stayed the same. */
export const changes = ({ did }: Said) =>
    Object.fromEntries(
        Object.entries(did)
            .filter(([name, op]) => name.startsWith("kata-") && op !== "same")
            .map(([name, op]) => [name, op.includes("replace") ? "replace" : op]),
    );
