// The arguments and outputs of the component. The doc comments are the reference in every language, so they are plain
// Markdown, state the default in the first paragraph and hold no tags. The names lack `Args` here because Pulumi's
// SDK generators add it; `index.ts` exports them with it, so that they are the same in every language.

import type { Input } from "@pulumi/pulumi";

/** Kata Containers has two implementations of its containerd shim. */
export const Runtime = {
    /**
     * The Go runtime, `containerd-shim-kata-v2` of every release; since Kata 4.1.0 in an archive of its own,
     * `kata-go-static`.
     */
    Go: "go",
    /** The Rust runtime (runtime-rs) with QEMU, in Kata 3.4.0 and later. */
    Rust: "rust",
} as const;
export type Runtime = (typeof Runtime)[keyof typeof Runtime];

/** Who manages the control groups of pods on a node. */
export const CgroupDriver = {
    /** The kubelet and runc write the control groups themselves. */
    Cgroupfs: "cgroupfs",
    /** systemd makes the control groups. With Kata this needs 2.3.0 or later. */
    Systemd: "systemd",
} as const;
export type CgroupDriver = (typeof CgroupDriver)[keyof typeof CgroupDriver];

/** What happens on a node that does not fulfil what Kata Containers needs. */
export const HostChecks = {
    /** The node is left as it is, with an error that lists what is missing. */
    Enforce: "enforce",
    /** What is missing is reported, and the installation goes on. For nodes whose KVM comes later, and for tests. */
    Warn: "warn",
} as const;
export type HostChecks = (typeof HostChecks)[keyof typeof HostChecks];

/** Whether nodes are compared, at every preview and update, with what was applied. */
export const Drift = {
    /** Nodes are compared. One that cannot be reached is an error, before anything is changed on any. */
    Enforce: "enforce",
    /** Nodes are compared. One that cannot be reached stays as it is, with a warning; the next update goes on with it. */
    Warn: "warn",
    /** Nodes are not compared, and only connected to when something is to change on them. */
    Off: "off",
} as const;
export type Drift = (typeof Drift)[keyof typeof Drift];

/** A host on the way to a node (a bastion), reached over SSH. */
export interface ProxyConnection {
    /** The name or IP address of the bastion. */
    host: Input<string>;
    /** The port of the bastion's SSH server, from 1 to 65535. Defaults to `22`. */
    port?: Input<number>;
    /** The user to log in as. Needs no rights but to forward connections. Defaults to `root`. */
    user?: Input<string>;
    /** The user's password. */
    password?: Input<string>;
    /** The user's private key itself, in PEM form. Where it is given, keys of an agent are not tried. */
    privateKey?: Input<string>;
    /** The password of `privateKey`, where it is encrypted. */
    privateKeyPassword?: Input<string>;
    /** The socket of an SSH agent. Defaults to `$SSH_AUTH_SOCK` of the process that runs Pulumi. */
    agentSocketPath?: Input<string>;
    /**
     * The host key the bastion must present, as in `authorized_keys` (`ssh-ed25519 AAAA…`), Ed25519 or ECDSA: the SSH
     * client in use cannot check an RSA key. Without it any host key is accepted.
     */
    hostKey?: Input<string>;
    /**
     * How often a failed connection is tried again; `-1` is without end. Defaults to `20`, which waits about a
     * minute for a host that is just starting.
     */
    dialErrorLimit?: Input<number>;
    /** The seconds one attempt to connect may take; `0` is without limit. Defaults to `15`. */
    perDialTimeout?: Input<number>;
}

/** How a node is reached over SSH. One way to log in is needed: `privateKey`, `password`, or an agent. */
export interface Connection {
    /** The name or IP address of the node. */
    host: Input<string>;
    /** The port of the node's SSH server, from 1 to 65535. Defaults to `22`. */
    port?: Input<number>;
    /** The user to log in as: `root`, or a user who may run `sudo` without a password. Defaults to `root`. */
    user?: Input<string>;
    /** The user's password. */
    password?: Input<string>;
    /** The user's private key itself, in PEM form. Where it is given, keys of an agent are not tried. */
    privateKey?: Input<string>;
    /** The password of `privateKey`, where it is encrypted. */
    privateKeyPassword?: Input<string>;
    /**
     * The socket of an SSH agent. Defaults to `$SSH_AUTH_SOCK` of the process that runs Pulumi. A socket that nobody
     * answers on is an error, even where another way to log in is given.
     */
    agentSocketPath?: Input<string>;
    /**
     * The host key the node must present, as in `authorized_keys` (`ssh-ed25519 AAAA…`, what `ssh-keyscan -t ed25519
     * HOST` prints, without the host), Ed25519 or ECDSA: the SSH client in use cannot check an RSA key. Without it any
     * host key is accepted, with a warning.
     */
    hostKey?: Input<string>;
    /**
     * How often a failed connection is tried again; `-1` is without end. Defaults to `20`, which waits about a
     * minute for a node that is just starting. A refused key is tried again as well: give fewer where that locks the
     * account.
     */
    dialErrorLimit?: Input<number>;
    /** The seconds one attempt to connect may take; `0` is without limit. Defaults to `15`. */
    perDialTimeout?: Input<number>;
    /** The bastion to go through. Defaults to none. */
    proxy?: ProxyConnection;
}

/** One Kubernetes node. */
export interface Node {
    /** How the node is reached over SSH. It is kept as a secret. */
    connection: Connection;
    /**
     * Whether the machine is gone for good, so that nothing can be undone on it any more. Defaults to `false`. After a
     * `pulumi up` with `true`, which does not connect to it, the node can be taken out of `nodes`.
     */
    gone?: boolean;
}

/** The sha256 sums of a release's archive, as 64 hexadecimal digits. */
export interface Checksums {
    /** The sum of the archive for amd64 (x86_64). */
    amd64?: Input<string>;
    /** The sum of the archive for arm64 (aarch64). */
    arm64?: Input<string>;
}

/** Where the archive of the Kata release comes from. */
export interface Release {
    /**
     * The `http` or `https` URL of the archive, or its absolute path on the node: a mirror, for nodes that do not reach
     * the internet. Defaults to
     * `https://github.com/kata-containers/kata-containers/releases/download/{version}/{archive}`.
     *
     * `{version}` is replaced by the version, `{arch}` by the architecture as the release spells it (`amd64`, `arm64`;
     * `x86_64` before 3.2.0) and `{archive}` by the file's name, such as `kata-static-3.32.0-amd64.tar.zst`. It ends in
     * `.tar.xz` or `.tar.zst`, and holds no user name or password: it is shown in previews. Kubespray:
     * `kata_containers_download_url`.
     */
    url?: Input<string>;
    /**
     * The sums of the archives; a node whose architecture has none is refused. Defaults to the sums this package knows
     * for `version`; needed for a version it does not know, and where given it is used instead of them. Kubespray:
     * `kata_containers_binary_checksum`.
     */
    sha256?: Checksums;
}

/**
 * The resources a Kata pod takes beside what its containers ask for, added by Kubernetes to each pod
 * (`overhead.podFixed` of the RuntimeClass).
 */
export interface Overhead {
    /**
     * Whether the RuntimeClass has an overhead at all. Defaults to `true`. Kubespray: `kata_containers_qemu_overhead`.
     */
    enabled?: Input<boolean>;
    /**
     * The processor time, as a Kubernetes quantity. Defaults to `10m`, and to `250m` for Kata 4.0.0 and later.
     * Kubespray: `kata_containers_qemu_overhead_fixed_cpu`.
     */
    cpu?: Input<string>;
    /**
     * The memory, as a Kubernetes quantity. Defaults to `290Mi`, and to `320Mi` for Kata 4.0.0 and later. Kubespray:
     * `kata_containers_qemu_overhead_fixed_memory`.
     */
    memory?: Input<string>;
}

/** Kata Containers with QEMU. */
export interface Qemu {
    /** The resources a Kata pod takes beside what its containers ask for. Defaults to what fits the release. */
    overhead?: Overhead;
    /**
     * Whether the hypervisor, the agent and the runtime log what they do (every `enable_debug` of Kata's
     * configuration). Defaults to `false`. Kubespray: `kata_containers_qemu_debug`.
     */
    debug?: Input<boolean>;
    /**
     * Values for keys of Kata's own `configuration-qemu.toml`, named by table and key, such as
     * `"hypervisor.qemu.default_memory": 4096`. Defaults to none: the release's own values.
     *
     * A value is a string, a boolean, a number or a list of those. The tables are those of the release, such as
     * `hypervisor.qemu`, `agent.kata` and `runtime`; one that the release does not have is refused. `enable_debug` is
     * set by `debug` alone. The values are shown in previews and readable on the node, so they are no place for
     * secrets. Kubespray: `kata_containers_qemu_default_memory`, `kata_containers_qemu_sandbox_cgroup_only`,
     * `kata_containers_qemu_enable_mem_prealloc`, `kata_containers_virtio_fs_cache`.
     */
    // biome-ignore lint/suspicious/noExplicitAny: the schema has no union types and no `unknown`
    settings?: { [key: string]: Input<any> };
    /**
     * Which of Kata's two runtimes is used. Defaults to `go`, and to `rust` for Kata 4.1.0 and later. `rust` needs Kata
     * 3.4.0 or later; `go` with 4.1.0 or later means the archive `kata-go-static`.
     */
    runtime?: Input<Runtime>;
}

/** The kubelet of the nodes. */
export interface Kubelet {
    /**
     * The cgroup driver of the kubelet and of containerd's runc, always changed together. Defaults to leaving both as
     * they are. Kubespray: `kubelet_cgroup_driver`, `containerd_use_systemd_cgroup`.
     *
     * With `systemd` the Kata setting `runtime.sandbox_cgroup_only` defaults to `true`, because the Go runtime handles
     * systemd's control groups only so; it needs Kata 2.3.0 or later.
     */
    cgroupDriver?: Input<CgroupDriver>;
    /**
     * Whether the cgroup driver may change while pods run on a node, which makes the kubelet restart their containers.
     * Defaults to `false`: the node refuses. Not needed with `rollout.drain`.
     */
    changeUnderRunningPods?: Input<boolean>;
}

/** A taint of nodes that Kata pods tolerate. */
export interface Toleration {
    /** The key of the taint. Defaults to every key, with the operator `Exists`. */
    key?: Input<string>;
    /** `Exists` or `Equal`. Defaults to `Equal`. */
    operator?: Input<string>;
    /** The value of the taint, with the operator `Equal`. */
    value?: Input<string>;
    /** The effect of the taint: `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Defaults to every effect. */
    effect?: Input<string>;
    /** The seconds a pod stays on a node with a `NoExecute` taint. Defaults to for ever. */
    tolerationSeconds?: Input<number>;
}

/** The RuntimeClass that pods name to run under Kata Containers. */
export interface RuntimeClass {
    /**
     * The name that pods give as `runtimeClassName`: lower-case letters, digits, `-` and `.`. Defaults to `kata-qemu`.
     */
    name?: Input<string>;
    /**
     * The name of the runtime in containerd: lower-case letters, digits and `-`, at most 63. A change replaces the
     * RuntimeClass, and a node where pods still run on the old one refuses it. Defaults to `kata-qemu`.
     */
    handler?: Input<string>;
    /** Labels of the RuntimeClass. Defaults to none. */
    labels?: { [key: string]: Input<string> };
    /** Annotations of the RuntimeClass. Defaults to none. */
    annotations?: { [key: string]: Input<string> };
    /** Taints that Kata pods tolerate without saying so themselves. Defaults to none. */
    tolerations?: Toleration[];
    /**
     * Whether a RuntimeClass of that name is there already, from Kubespray, kata-deploy or by hand, and is taken over.
     * Defaults to `false`: then one that is there is an error. It must have the same handler. When the component goes
     * it stays, without what was set here.
     */
    adopt?: boolean;
}

/**
 * How a node is drained before its cgroup driver changes: cordoned, its pods evicted as `kubectl drain` does it (disruption
 * budgets are respected, pods of DaemonSets stay, `emptyDir` volumes are lost, a pod without a controller is an error),
 * and uncordoned after the change. Where anything fails the node stays cordoned. Give `kubeconfig` or `controlPlane`.
 */
export interface Drain {
    /**
     * The content of a kubeconfig, for the `kubectl` of the machine that runs Pulumi. It is kept as a secret. Defaults to
     * none.
     */
    kubeconfig?: Input<string>;
    /**
     * A control-plane node, reached over SSH, whose `kubectl` is used, with its `/etc/kubernetes/admin.conf` or else the
     * kubeconfig of root. Defaults to none.
     */
    controlPlane?: Connection;
    /** The seconds that the eviction of a node's pods may take, from 1 to 86400. Defaults to `600`. */
    timeout?: Input<number>;
}

/** How a change goes through the nodes. */
export interface Rollout {
    /**
     * How many nodes are switched at once, in the order of `nodes`; the next ones only start when all of these are
     * healthy. A whole number, at least 1, or a fraction of the nodes between 0 and 1, such as `0.25`, rounded down but
     * at least one node. Defaults to `1`. Kubespray: `serial`.
     */
    maxUnavailable?: number;
    /**
     * The name of a node that is switched before all others, alone. Defaults to none.
     */
    canary?: string;
    /**
     * How a node is drained before its cgroup driver changes. Defaults to not at all: a node where containers run then
     * refuses the change, unless `kubelet.changeUnderRunningPods` says otherwise. Needs `kubelet.cgroupDriver`.
     */
    drain?: Drain;
}

/** The arguments of `KataContainers`. */
export interface KataContainersArgs {
    /**
     * The nodes to install Kata Containers on. The key is the node's name in Kubernetes, the one `kubectl get nodes`
     * shows.
     */
    nodes: { [name: string]: Node };
    /**
     * The Kata release, such as `3.32.0`; 2.0.0 or later. Defaults to `3.32.0`, the newest whose checksums this package
     * knows for both architectures. Kubespray: `kata_containers_version`.
     */
    version?: Input<string>;
    /**
     * Where the archive of the release comes from. Defaults to the project's own release page, with the checksums this
     * package knows.
     */
    release?: Release;
    /**
     * Kata Containers with QEMU: overhead, debugging, settings, which runtime. Defaults to the release's own values.
     */
    qemu?: Qemu;
    /** The kubelet of the nodes. Defaults to leaving it as it is. */
    kubelet?: Kubelet;
    /**
     * The RuntimeClass that pods name to run under Kata Containers. Defaults to `kata-qemu`, on the nodes given here.
     */
    runtimeClass?: RuntimeClass;
    /** How a change goes through the nodes. Defaults to one node at a time. */
    rollout?: Rollout;
    /**
     * What happens on a node that lacks what Kata Containers needs (KVM, vhost modules, disk space, a containerd that
     * is new enough). Defaults to `enforce`: nothing is changed there.
     */
    hostChecks?: Input<HostChecks>;
    /**
     * Whether every preview and update looks, over SSH, at whether the nodes still are as they were applied: containerd's
     * runtime table, Kata's configuration, the release, the cgroup driver. What is not shows as an update of that node
     * alone, with the reason, and is repaired by it. Looking changes nothing. Nodes whose address is not known yet are
     * skipped, and a host key other than the given one is an error. Defaults to `warn`.
     */
    drift?: Input<Drift>;
    /**
     * Whether a node that leaves, because of `pulumi destroy` or because it is taken out of `nodes`, is put back even
     * while Kata sandboxes run on it: they are killed, and their pods fail. Defaults to `false`: it is refused, naming
     * the pods. It is heeded from the next `pulumi up` on.
     */
    forceRemoval?: Input<boolean>;
}

/** What is installed on a node. */
export interface NodeStatus {
    /** The Kata release that new pods start with. */
    kataVersion: string;
    /** The version of containerd. */
    containerdVersion: string;
    /** The cgroup driver in use. */
    cgroupDriver: string;
    /** Whether the node can run virtual machines (`/dev/kvm`). */
    kvm: boolean;
    /** How many Kata sandboxes ran after the change, by the release each of them was started with. */
    sandboxes: { [version: string]: number };
}
