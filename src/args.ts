// The arguments and outputs of the component. Their doc comments are the reference in every language, so they are plain
// Markdown without tags, and each states its default in the first paragraph. The names lack `Args` here because Pulumi's
// SDK generators add it; `index.ts` exports them with it, so that a type has the same name in every language.

import type { Input } from "@pulumi/pulumi";

/** A shim of Kata Containers: its Go or Rust implementation together with a hypervisor, named as in kata-deploy. */
export const Shim = {
    /** QEMU with Kata's Go implementation. From Kata 4.1.0 on it comes in a separate archive, `kata-go-static`. */
    Qemu: "qemu",
    /** QEMU with Kata's Rust implementation (runtime-rs). Requires Kata 3.4.0 or later. */
    QemuRuntimeRs: "qemu-runtime-rs",
    /** Cloud Hypervisor with Kata's Go implementation. */
    Clh: "clh",
    /** Cloud Hypervisor with Kata's Rust implementation. Requires Kata 3.30.0 or later, and amd64. */
    ClhRuntimeRs: "clh-runtime-rs",
    /** The name of `clh-runtime-rs` in Kata 3.3.0 to 3.29.0. */
    CloudHypervisor: "cloud-hypervisor",
    /** Dragonball, the hypervisor built into Kata's Rust implementation. Requires Kata 3.0.0 or later; amd64 from 3.26.0 on. */
    Dragonball: "dragonball",
    /** Firecracker. Requires a snapshotter that provides block devices, such as `devmapper`: see `snapshotter`. */
    Fc: "fc",
    /** QEMU with the guest of confidential containers, without their protection, for development. Requires Kata 3.5.0 or later. */
    QemuCocoDev: "qemu-coco-dev",
    /** `qemu-coco-dev` with Kata's Rust implementation. Requires Kata 3.23.0 or later. */
    QemuCocoDevRuntimeRs: "qemu-coco-dev-runtime-rs",
    /** Confidential containers on AMD SEV-SNP. Requires Kata 3.2.0 or later. */
    QemuSnp: "qemu-snp",
    /** `qemu-snp` with Kata's Rust implementation. Requires Kata 3.25.0 or later. */
    QemuSnpRuntimeRs: "qemu-snp-runtime-rs",
    /** Confidential containers on Intel TDX. Requires Kata 3.2.0 or later; Kata 3.5.0 to 3.26.0 lack a QEMU for it. */
    QemuTdx: "qemu-tdx",
    /** `qemu-tdx` with Kata's Rust implementation. Requires Kata 3.25.0 or later. */
    QemuTdxRuntimeRs: "qemu-tdx-runtime-rs",
    /** QEMU with NVIDIA GPUs. Requires Kata 3.2.0 or later; Kata 3.5.0 to 3.13.0 lack a guest for it. */
    QemuNvidiaGpu: "qemu-nvidia-gpu",
    /** `qemu-nvidia-gpu` with Kata's Rust implementation. Requires Kata 3.31.0 or later. */
    QemuNvidiaGpuRuntimeRs: "qemu-nvidia-gpu-runtime-rs",
    /** Confidential containers with NVIDIA GPUs on AMD SEV-SNP. Requires Kata 3.5.0 or later; 3.5.0 to 3.13.0 lack a guest. */
    QemuNvidiaGpuSnp: "qemu-nvidia-gpu-snp",
    /** `qemu-nvidia-gpu-snp` with Kata's Rust implementation. Requires Kata 3.31.0 or later. */
    QemuNvidiaGpuSnpRuntimeRs: "qemu-nvidia-gpu-snp-runtime-rs",
    /** Confidential containers with NVIDIA GPUs on Intel TDX. Requires Kata 3.5.0 or later; 3.5.0 to 3.18.0 lack a QEMU. */
    QemuNvidiaGpuTdx: "qemu-nvidia-gpu-tdx",
    /** `qemu-nvidia-gpu-tdx` with Kata's Rust implementation. Requires Kata 3.31.0 or later. */
    QemuNvidiaGpuTdxRuntimeRs: "qemu-nvidia-gpu-tdx-runtime-rs",
    /** Virtual machines elsewhere, such as in a cloud, started by cloud-api-adaptor. Requires Kata 3.3.0 or later. */
    Remote: "remote",
} as const;
export type Shim = (typeof Shim)[keyof typeof Shim];

/** How Kubernetes was set up on a node. The table in `docs/distributions.md` says what works on each. */
export const Distribution = {
    /** The kubelet and containerd are services of their own, as set up by kubeadm or Kubespray. */
    Kubeadm: "kubeadm",
    /** k3s: a server or an agent. Requires k3s 1.28 or later. */
    K3s: "k3s",
    /** RKE2: a server or an agent. Requires RKE2 1.28 or later. */
    Rke2: "rke2",
    /** k0s: a worker, or a controller that runs workloads. Requires k0s 1.28.2 or later. */
    K0s: "k0s",
    /** MicroK8s: the classic snap. Requires MicroK8s 1.26 or later. */
    Microk8s: "microk8s",
} as const;
export type Distribution = (typeof Distribution)[keyof typeof Distribution];

/** The component that manages the control groups of pods on a node. */
export const CgroupDriver = {
    /** The kubelet and runc write the control groups themselves. */
    Cgroupfs: "cgroupfs",
    /** systemd creates the control groups. Requires Kata 2.3.0 or later. */
    Systemd: "systemd",
} as const;
export type CgroupDriver = (typeof CgroupDriver)[keyof typeof CgroupDriver];

/** What to do when a node does not meet Kata's requirements. */
export const HostChecks = {
    /** Leave the node unchanged and fail with an error that lists the unmet requirements. */
    Enforce: "enforce",
    /**
     * Report unmet requirements (virtualization, kernel modules, IOMMU, cgroup v2) and install anyway, for example before KVM is
     * enabled. Free disk space is not checked. AMD SEV-SNP and Intel TDX are always required by their shims.
     */
    Warn: "warn",
} as const;
export type HostChecks = (typeof HostChecks)[keyof typeof HostChecks];

/** Whether to probe the nodes for drift at every preview and update. */
export const Drift = {
    /** Probe the nodes. An unreachable node is an error, and nothing is changed on any node. */
    Enforce: "enforce",
    /** Probe the nodes. An unreachable node causes a warning, and its drift is repaired by the next update that can probe it. */
    Warn: "warn",
    /** Do not probe the nodes. Pulumi connects only to nodes that it changes. */
    Off: "off",
} as const;
export type Drift = (typeof Drift)[keyof typeof Drift];

/** The defaults of a connection, which the doc comments below repeat. Times are in seconds. */
export const connectionDefaults = { port: 22, user: "root", dialErrorLimit: 20, perDialTimeout: 15 };

/** How to reach a machine over SSH. One way to log in is required: `privateKey`, `password` or an SSH agent. */
export interface ProxyConnection {
    /** The name or IP address of the machine. Kubespray: `ansible_host`. */
    host: Input<string>;
    /** The port of the SSH server, from 1 to 65535. Defaults to `22`. Kubespray: `ansible_port`. */
    port?: Input<number>;
    /**
     * The user to log in as. Defaults to `root`. Kubespray: `ansible_user`.
     *
     * On a node, any other user must be able to run `sudo` without a password. On a bastion, permission to forward TCP
     * connections is enough.
     */
    user?: Input<string>;
    /** The password of the user. Kubespray: `ansible_password`, `ansible_ssh_pass`. */
    password?: Input<string>;
    /**
     * The private key of the user, in PEM form: the key itself, not the name of a file. PKCS#8 is accepted if it is not
     * encrypted. If it is set, the keys of an SSH agent are not tried. Kubespray: `ansible_ssh_private_key_file`.
     */
    privateKey?: Input<string>;
    /** The password of `privateKey`, if the key is encrypted. */
    privateKeyPassword?: Input<string>;
    /**
     * The socket of an SSH agent. Defaults to `$SSH_AUTH_SOCK` of the process that runs Pulumi. A socket that does not
     * answer is an error, even if another way to log in is set.
     */
    agentSocketPath?: Input<string>;
    /**
     * The host key that the machine must present, in the form of `authorized_keys` (`ssh-ed25519 AAAA…`, the output of
     * `ssh-keyscan -t ed25519 HOST` without the host). Only Ed25519 and ECDSA keys can be checked, RSA keys cannot.
     *
     * Without it, Pulumi accepts any host key; for a node it prints a warning.
     */
    hostKey?: Input<string>;
    /**
     * How many times to retry a failed connection; `-1` retries forever. Defaults to `20`, which is enough for a machine
     * that is starting: about a minute if it refuses connections, several if it does not answer.
     *
     * A rejected login is retried too. Use a lower number if failed logins lock the account.
     */
    dialErrorLimit?: Input<number>;
    /** The timeout of one attempt to connect, in seconds; `0` disables the timeout. Defaults to `15`. */
    perDialTimeout?: Input<number>;
}

/** How to reach a node over SSH. One way to log in is required: `privateKey`, `password` or an SSH agent. */
export interface Connection extends ProxyConnection {
    /**
     * The bastion through which to connect. Defaults to a direct connection. Kubespray: the `bastion` group.
     */
    proxy?: ProxyConnection;
}

/** One Kubernetes node. */
export interface Node {
    /** How to reach the node over SSH. Pulumi keeps its private keys and passwords as secrets. */
    connection: Connection;
    /**
     * How Kubernetes was set up on the node. Defaults to what runs there.
     *
     * Set it only for a node with the services of several distributions, of which another one is found.
     */
    distribution?: Distribution;
    /**
     * Set to `true` for a decommissioned machine, which cannot be restored. Defaults to `false`.
     *
     * First run `pulumi up` with `true`, which does not connect to the machine. Then remove the node from `nodes`, and run
     * `pulumi up` again. The Node keeps its labels: delete it with `kubectl delete node`. If the machine was never installed
     * completely, `true` is an error: remove the node from `nodes` at once. A machine that still answers over SSH does not need it,
     * even if it has left the cluster.
     */
    gone?: boolean;
}

/** The SHA-256 checksums of a release's archives, each as 64 hexadecimal digits. */
export interface Checksums {
    /** The checksum of the archive for amd64 (x86_64). */
    amd64?: Input<string>;
    /** The checksum of the archive for arm64 (aarch64). */
    arm64?: Input<string>;
}

/** The source of the Kata release: the URL or path of its archives, and their checksums. */
export interface Release {
    /**
     * The `http` or `https` URL of the archive, or its absolute path on the node. Use it for a mirror, if nodes have no
     * access to the internet. Defaults to
     * `https://github.com/kata-containers/kata-containers/releases/download/{version}/{archive}`. Kubespray:
     * `kata_containers_download_url`.
     *
     * `{version}` is replaced by the version, `{arch}` by the architecture as the release spells it (`amd64`, `arm64`;
     * `x86_64` before 3.2.0) and `{archive}` by the name of the file, such as `kata-static-3.32.0-amd64.tar.zst`. The
     * URL must end in `.tar.xz` or `.tar.zst`, before its query. It must not contain a user name or password, because
     * previews show it. A query, such as the signature of a signed URL, is kept secret.
     */
    url?: Input<string>;
    /**
     * The HTTP proxy through which the nodes download the release: `http://`, a host and a port, such as
     * `http://proxy.example.com:3128`. Defaults to
     * the proxy in the environment of the SSH session, which `sudo` usually removes. Kubespray: `http_proxy`,
     * `https_proxy`.
     *
     * It overrides the environment of the node, including `no_proxy`. It may contain a user and a password, with special
     * characters percent-encoded; it is then kept secret.
     */
    proxy?: Input<string>;
    /**
     * The checksums of the archives of `version`. Defaults to the checksums in this package; required for a version
     * without one. If any is set, only the given checksums are used. A node whose architecture has no checksum is
     * rejected. Kubespray: `kata_containers_binary_checksum`.
     *
     * They are those of one archive: if the RuntimeClasses use several, see `runtimeClasses.NAME.sha256`.
     */
    sha256?: Checksums;
}

/**
 * Resources each Kata pod uses in addition to its containers' requests (Pod Overhead, `overhead.podFixed` of the
 * RuntimeClass).
 */
export interface Overhead {
    /** Whether the RuntimeClass has an overhead. Defaults to `true`. Kubespray: `kata_containers_qemu_overhead`. */
    enabled?: Input<boolean>;
    /**
     * The CPU time, as a Kubernetes quantity. Defaults to kata-deploy's value for the shim, such as `250m`, or `10m` for
     * QEMU before Kata 4.0.0. Kubespray: `kata_containers_qemu_overhead_fixed_cpu`.
     *
     * `10m` is the value that Kubespray's documentation recommends, which differs from the default of its role. The table in
     * `docs/shims.md` has all values.
     */
    cpu?: Input<string>;
    /**
     * The memory, as a Kubernetes quantity. Defaults to kata-deploy's value for the shim, such as `320Mi`, or `290Mi` for QEMU
     * before Kata 4.0.0. Kubespray: `kata_containers_qemu_overhead_fixed_memory`.
     *
     * `290Mi` is the value that Kubespray's documentation recommends, which differs from the default of its role. The table in
     * `docs/shims.md` has all values.
     */
    memory?: Input<string>;
}

/** The kubelet of the nodes. */
export interface Kubelet {
    /**
     * The cgroup driver of the kubelet and of containerd's runc or CRI-O, which are always changed together. Defaults to the
     * existing cgroup driver of each node. Kubespray: `kubelet_cgroup_driver`, `containerd_use_systemd_cgroup`.
     *
     * With `systemd`, the setting `runtime.sandbox_cgroup_only` defaults to `true`, because the Go shim
     * supports systemd's control groups only in that mode. `systemd` requires Kata 2.3.0 or later, and cgroup v2 on the
     * node.
     *
     * A node on which another component requests a different driver rejects the change.
     */
    cgroupDriver?: Input<CgroupDriver>;
    /**
     * Whether to change the cgroup driver while pods are running on a node; the kubelet then restarts their containers.
     * Defaults to `false`: the change is rejected. Not needed with `rollout.drain`.
     */
    changeUnderRunningPods?: Input<boolean>;
}

/** A taint that pods tolerate. */
export interface Toleration {
    /** The key of the taint. Defaults to all keys, which requires the operator `Exists`. */
    key?: Input<string>;
    /** `Exists` or `Equal`. Defaults to `Equal`. */
    operator?: Input<string>;
    /** The value of the taint, for the operator `Equal`. */
    value?: Input<string>;
    /** The effect of the taint: `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Defaults to all effects. */
    effect?: Input<string>;
    /** How many seconds a pod stays on a node with a `NoExecute` taint. Defaults to no limit. */
    tolerationSeconds?: Input<number>;
}

/**
 * A RuntimeClass that pods select with `runtimeClassName`, and its configuration of Kata Containers. Its pods are
 * scheduled only to nodes with the labels `katacontainers.io/kata-runtime=true` and `handler.kata-containers/HANDLER=true`,
 * which this package sets.
 */
export interface RuntimeClass {
    /**
     * The shim of Kata Containers. Defaults to `SHIM` for a RuntimeClass named `kata-SHIM`; required for any other name. The
     * table in `docs/shims.md` has the releases, architectures and needs of each.
     *
     * From Kata 4.1.0 on, the name `kata-qemu` means `qemu-runtime-rs`, because the Kata project deprecates the Go
     * shim. Set `shim` to `qemu` to keep it.
     */
    shim?: Input<Shim>;
    /**
     * The Kata release of this RuntimeClass, such as `4.2.0`. Defaults to the `version` of the component.
     *
     * Use it to try a release before all pods get it. Its archive must have a checksum in this package, or in `sha256`.
     */
    version?: Input<string>;
    /**
     * The checksums of the archive that contains the shim. Defaults to `release.sha256` if that is set and the RuntimeClass has
     * the `version` of the component, otherwise the checksums in this package.
     *
     * Required in addition to `release.sha256` if the RuntimeClasses use both archives of the same release: one contains the
     * Rust shims, the other the Go shims (`kata-go-static`, Kata 4.1.0 and later).
     */
    sha256?: Checksums;
    /**
     * Resources each Kata pod uses in addition to its containers' requests (Pod Overhead). Defaults to the overhead of
     * the shim.
     */
    overhead?: Overhead;
    /**
     * Values for keys of Kata's configuration file, named by table and key, such as
     * `"hypervisor.qemu.default_memory": 4096`. Defaults to the values of the release. Kubespray:
     * `kata_containers_qemu_default_memory`, `kata_containers_qemu_sandbox_cgroup_only`,
     * `kata_containers_qemu_enable_mem_prealloc`, `kata_containers_virtio_fs_cache`.
     *
     * A value is a string, a boolean, a number or a list of those, and replaces that of the release. The table and the key
     * must be in the release's own file for the shim. A path below `/opt/kata/` is one of the RuntimeClass's own release. Use `debug` instead of `enable_debug`. Previews show the values and
     * every user of the node can read them, so a secret is rejected.
     *
     * Common settings, with the table of QEMU:
     *
     * - memory (MiB) and CPUs of the virtual machine of a pod without limits: `"hypervisor.qemu.default_memory": 4096`,
     *   `"hypervisor.qemu.default_vcpus": 2`
     * - limits for both: `"hypervisor.qemu.default_maxmemory": 16384`, `"hypervisor.qemu.default_maxvcpus": 8`
     * - virtual machines sized at their start, without hotplug: `"runtime.static_sandbox_resource_mgmt": true`
     * - annotations of pods that override the file:
     *   `"hypervisor.qemu.enable_annotations": ["enable_iommu", "default_memory", "default_vcpus"]`
     * - huge pages: `"hypervisor.qemu.enable_hugepages": true`
     * - shared files: `"hypervisor.qemu.virtio_fs_cache": "always"`,
     *   `"hypervisor.qemu.virtio_fs_extra_args": ["--thread-pool-size=4", "--announce-submounts"]`
     * - parameters of the guest's kernel, which replace those of the release, here with a proxy for the services in the guest:
     *   `"hypervisor.qemu.kernel_params": "cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1 agent.https_proxy=http://192.0.2.3:3128"`
     * - devices: `"hypervisor.qemu.enable_iommu": true`, `"hypervisor.qemu.cold_plug_vfio": "root-port"`,
     *   `"hypervisor.qemu.pcie_root_port": 2`
     * - SELinux in the guest: `"hypervisor.qemu.disable_guest_selinux": false`
     * - all processes of a pod in its cgroup: `"runtime.sandbox_cgroup_only": true`
     * - a shell in the guest, with `kata-runtime exec`: `"agent.kata.debug_console_enabled": true`
     * - images pulled by the guest, for the shims of confidential containers: `"runtime.experimental_force_guest_pull": true`
     *   (Go), `"runtime.experimental": ["force_guest_pull"]` (Rust)
     */
    // biome-ignore lint/suspicious/noExplicitAny: the schema has no union types and no `unknown`
    settings?: { [key: string]: Input<any> };
    /**
     * Whether the hypervisor, the agent and the shim write debug logs (every `enable_debug` in Kata's configuration
     * file). Defaults to the `debug` of the component.
     *
     * The Go shim (`qemu`) writes them only if containerd does: set `level = "debug"` in the table `[debug]` of containerd's
     * configuration file, or `log_level = "debug"` in `[crio.runtime]` of CRI-O's. A warning of `pulumi up` names the place on RKE2,
     * k3s and k0s.
     */
    debug?: Input<boolean>;
    /**
     * The name of the runtime in containerd or CRI-O: lower-case letters, digits and `-`, at most 63 characters, beginning and ending
     * with a letter or digit, and not `runc`. Defaults to the name of the RuntimeClass; required if that name is not a valid handler,
     * for example because it contains a dot.
     *
     * A change replaces the RuntimeClass. New pods use the new handler; a node keeps the earlier one while pods run on it.
     * After that, a preview reports it as drift, and `pulumi up` removes it. Several components can manage the same node, but not the
     * same handler of it.
     */
    handler?: Input<string>;
    /**
     * The snapshotter with which containerd makes the root file systems of containers, such as `devmapper`, `nydus`, `native`,
     * `blockfile` or `erofs`. Defaults to that of containerd's CRI plugin, usually `overlayfs`. Requires containerd 1.7 or later; rejected
     * on nodes with CRI-O.
     *
     * kata-deploy uses `devmapper` for `fc`, and `nydus` for `remote` and the shims of confidential containers. This package does not
     * set up a snapshotter: a node is rejected if `ctr plugins ls` does not show it as `ok`. A change restarts containerd and applies to
     * new pods.
     *
     * containerd must keep the layers of images (`discard_unpacked_layers = false`), because it pulls an image for its default
     * snapshotter and unpacks it again for this one. See `docs/runtime-classes.md` for remote snapshotters such as `nydus`.
     */
    snapshotter?: Input<string>;
    /** Labels of the RuntimeClass. Defaults to no labels. */
    labels?: { [key: string]: Input<string> };
    /** Annotations of the RuntimeClass. Defaults to no annotations. */
    annotations?: { [key: string]: Input<string> };
    /** Taints that all pods of the RuntimeClass tolerate. Defaults to no tolerations. */
    tolerations?: Toleration[];
    /**
     * Labels of the nodes on which pods of the RuntimeClass may run, in addition to
     * `katacontainers.io/kata-runtime=true` and `handler.kata-containers/HANDLER=true`. Defaults to no additional labels.
     *
     * The shims for NVIDIA GPUs also select `nvidia.com/cc.ready.state`, which NVIDIA's GPU operator sets, from Kata 3.29.0 on.
     */
    nodeSelector?: { [key: string]: Input<string> };
    /**
     * Set to `true` to adopt an existing RuntimeClass of that name, created by Kubespray, kata-deploy or by hand.
     * Defaults to `false`: an existing RuntimeClass is an error. With `false`, up to three of `nodes` check with the
     * credentials of their kubelets that the RuntimeClass does not exist, before it is created. If no node answers, there is a
     * warning: an existing RuntimeClass whose values do not conflict is taken over, and deleted with the component. Without `nodes`,
     * only the Kubernetes provider rejects an existing RuntimeClass (from 4.29 on).
     *
     * The existing RuntimeClass must have the same handler. When the component is destroyed, the RuntimeClass is kept
     * without the fields that were set here.
     */
    adopt?: boolean;
}

/**
 * How to drain a node before its cgroup driver changes, also when the previous driver is restored. The node is cordoned,
 * its pods are evicted as by `kubectl drain`, and it is uncordoned after the change. Pod disruption budgets are
 * respected, pods of DaemonSets are kept, `emptyDir` volumes are deleted, and a pod without a controller is an error. If
 * a step fails, the node stays cordoned.
 *
 * Set exactly one of `kubeconfig` and `controlPlane`.
 */
export interface Drain {
    /**
     * The content of a kubeconfig for the `kubectl` of the machine that runs Pulumi. Pulumi keeps it as a secret.
     * Required without `controlPlane`.
     */
    kubeconfig?: Input<string>;
    /**
     * A control-plane node, reached over SSH, whose `kubectl` is used with `/etc/kubernetes/admin.conf` or, if that file
     * does not exist, with the kubeconfig of root; without a `kubectl`, that of RKE2, k3s, k0s or MicroK8s is used. Required without
     * `kubeconfig`.
     */
    controlPlane?: Connection;
    /** The timeout for the eviction of a node's pods, in seconds, from 1 to 86400. Defaults to `600`. */
    timeout?: Input<number>;
}

/** How a change is rolled out to the nodes. */
export interface Rollout {
    /**
     * How many nodes to change at once, in the order of their names. The next nodes follow only when all of these are
     * healthy. Defaults to `1`. Kubespray: `serial`. The nodes of the DaemonSet are counted separately and change in any order.
     *
     * A whole number of at least 1, or a fraction of the nodes between 0 and 1, such as `0.25`, rounded down but at
     * least one node.
     *
     * A change usually restarts containerd, while pods keep running. On RKE2 and k3s it restarts the whole service: with a single
     * server, the API server does not answer meanwhile.
     */
    maxUnavailable?: number;
    /**
     * How many nodes to download releases to at once, a whole number of at least 1, so that a mirror or its network is not
     * overloaded. Defaults to no limit: over SSH Pulumi starts `--parallel` downloads, and the DaemonSet starts all. The nodes of
     * the DaemonSet are counted separately; there, a download of more than 20 minutes no longer counts.
     */
    maxParallelDownloads?: number;
    /** The name of one of `nodes` to change first, alone. Defaults to no canary. */
    canary?: string;
    /**
     * How to drain a node before its cgroup driver changes. Defaults to no drain: a node with running containers rejects
     * the change, unless `kubelet.changeUnderRunningPods` is set.
     *
     * Keep it when you remove `kubelet.cgroupDriver` or a node, so that the node is drained before its driver is restored. It applies to
     * `nodes` only.
     */
    drain?: Drain;
    /**
     * Whether to boot a guest for each RuntimeClass on each node at the end of a change: a test container from the node's pause
     * image, without a network and outside Kubernetes, or with CRI-O a sandbox with a network. It is removed at once. Defaults to `true`, or `false` with
     * `hostChecks: "warn"`.
     *
     * If one of them does not boot within four minutes, the node is rolled back, and the error has the last log lines of the shim and
     * the hypervisor. A node without a pause image is not verified, nor one whose CRI-O gets no network for the test, and its
     * status says so. The shims of confidential containers and `remote` are not verified, because their guests do not run an image of
     * the node.
     */
    verify?: Input<boolean>;
}

/** Amounts of CPU time and memory. */
export interface Quantities {
    /** The CPU time, as a Kubernetes quantity. Defaults to `10m` in `requests`, and no limit in `limits`. */
    cpu?: Input<string>;
    /** The memory, as a Kubernetes quantity. Defaults to `32Mi` in `requests`, and no limit in `limits`. */
    memory?: Input<string>;
}

/** The resources of a container. Downloads and changes run outside of it, so they are not limited. */
export interface Resources {
    /** The resources that Kubernetes reserves for the container. Defaults to `{ cpu: "10m", memory: "32Mi" }`. */
    requests?: Quantities;
    /** The resources that the container cannot exceed. Defaults to no limits. */
    limits?: Quantities;
}

/**
 * Installation by a DaemonSet, on every node that a selector matches, including nodes that join the cluster later. It needs no SSH.
 * `{}` selects all Linux nodes. Nodes that are named in `nodes` are left to SSH.
 *
 * A pod on each node runs the same program as SSH does. It installs Kata, labels the node, and then checks the node at
 * each `interval` and repairs drift. `rollout.maxUnavailable` limits how many nodes change at once. Kata is removed from a node
 * that the selector no longer matches, and from all nodes when the component is destroyed; a pod that restarts changes nothing.
 *
 * The pods are privileged. A ValidatingAdmissionPolicy, which requires Kubernetes 1.30 or later, limits what they can change
 * in the cluster to the labels of this package and one annotation, and from Kubernetes 1.32 on to their own Node.
 */
export interface DaemonSet {
    /** The labels of the nodes on which to install Kata Containers. Defaults to all Linux nodes (`kubernetes.io/os: linux` is always added). */
    nodeSelector?: { [label: string]: Input<string> };
    /**
     * The existing namespace for the DaemonSet. Defaults to a namespace `kata-containers-NAME` that is created, where NAME is the
     * name of the component.
     *
     * The namespace must allow privileged pods: its label `pod-security.kubernetes.io/enforce` must be `privileged` if the
     * cluster has another default. After a change, the DaemonSet of the new namespace takes the nodes over.
     */
    namespace?: string;
    /**
     * The container image. It must contain `sh` and `nsenter`. Defaults to `busybox` of Docker Hub, pinned by digest. Without
     * access to Docker Hub, set the name of a copy.
     */
    image?: Input<string>;
    /** The names of Secrets in the namespace with which to pull the image. Defaults to no Secrets. */
    imagePullSecrets?: Input<string>[];
    /**
     * The taints that the pods of the DaemonSet tolerate. Defaults to all taints (`[{ operator: "Exists" }]`).
     *
     * To exclude nodes, use `nodeSelector`: a node that loses its pod because of a taint keeps Kata.
     */
    tolerations?: Toleration[];
    /** The PriorityClass of the pods of the DaemonSet. Defaults to `system-node-critical`. */
    priorityClassName?: Input<string>;
    /** The resources of each of the two containers of a pod of the DaemonSet. Defaults to requests of `10m` CPU time and `32Mi` memory, without limits. */
    resources?: Resources;
    /** The time between two checks of a node for drift, in seconds, from 10 to 86400. Defaults to `300`. */
    interval?: Input<number>;
    /**
     * How long `pulumi up` waits until all nodes are ready, and `pulumi destroy` until Kata is removed from all nodes, in
     * seconds, from 60 to 86400. Defaults to `1800`.
     */
    timeout?: number;
}

/** The arguments of `KataContainers`. */
export interface KataContainersArgs {
    /**
     * The nodes on which to install Kata Containers over SSH. The key is the name of the node in Kubernetes, as shown by
     * `kubectl get nodes`; a machine whose kubelet has another name is rejected. Defaults to no nodes; required without
     * `daemonSet`. Kubespray: the hosts of `k8s_cluster`, if `container_manager` is `containerd` or `crio`.
     */
    nodes?: { [name: string]: Node };
    /**
     * Installation by a DaemonSet, on every node that a selector matches, including nodes that join the cluster later. Defaults to no
     * DaemonSet; required without `nodes`. `{}` selects all Linux nodes, except those in `nodes`.
     *
     * `kubelet.cgroupDriver` requires `kubelet.changeUnderRunningPods` with it, because the pod of the DaemonSet is always running.
     * `rollout.canary` and `rollout.drain` apply to `nodes` only.
     */
    daemonSet?: DaemonSet;
    /**
     * The Kata release, such as `4.1.0`; 2.0.0 or later. Defaults to `4.1.0`. Kubespray: `kata_containers_version`.
     *
     * The default is the newest release that the tests of this package install, and whose checksums two independent
     * sources confirm for both architectures.
     */
    version?: Input<string>;
    /** The source of the Kata release. Defaults to the release page of the Kata project. */
    release?: Release;
    /**
     * The RuntimeClasses, by name. Defaults to `{ "kata-qemu": {} }`.
     *
     * A name consists of lower-case letters, digits, `-` and `.`. Every node gets all of them.
     */
    runtimeClasses?: { [name: string]: RuntimeClass };
    /**
     * Whether the hypervisor, the agent and the shim write debug logs, for all RuntimeClasses that do not set `debug`
     * themselves. Defaults to `false`. Kubespray: `kata_containers_qemu_debug`.
     */
    debug?: Input<boolean>;
    /** The kubelet of the nodes. Defaults to no changes. */
    kubelet?: Kubelet;
    /** How a change is rolled out to the nodes. Defaults to one node at a time. */
    rollout?: Rollout;
    /**
     * What to do when a node does not meet Kata's requirements: those of the shims, such as hardware virtualization, the vhost
     * kernel modules or AMD SEV-SNP; free disk space, and cgroup v2 for the cgroup driver `systemd`. Defaults to `enforce`: the
     * node is left unchanged, with an error.
     *
     * An unsupported version of containerd and an unsuitable snapshotter are errors with either value.
     */
    hostChecks?: Input<HostChecks>;
    /**
     * Whether to probe the nodes for drift, over SSH, at every preview and update. Defaults to `warn`.
     *
     * A probe compares containerd's runtime table, Kata's configuration, the unpacked release, the cgroup driver, the
     * node's labels and the RuntimeClass with the state that was applied. Drift shows as a change of the affected resources
     * alone, with the reason, and `pulumi up` repairs it. A probe changes nothing. Nodes whose address is not known yet are
     * skipped. A host key that differs from `hostKey` is always an error.
     *
     * This applies to `nodes`. The nodes of the DaemonSet check themselves, whatever the value: see `daemonSet.interval`. Without
     * `nodes`, the RuntimeClass is not compared.
     */
    drift?: Input<Drift>;
    /**
     * Whether to remove Kata from a node even while sandboxes (the virtual machines of pods) are running; they are killed,
     * and their pods fail. Defaults to `false`: the removal is rejected with the names of the pods.
     *
     * Kata is removed by `pulumi destroy`, from a node that is no longer in `nodes`, and from a node that `daemonSet.nodeSelector`
     * no longer matches. Run `pulumi up` with `true` before the removal, because the removal uses the value of the last update.
     * A pod of the DaemonSet waits until no sandbox is running, and names the pods in Events.
     */
    forceRemoval?: Input<boolean>;
}

/** The state of a node after its last `activate` command. */
export interface NodeStatus {
    /** The Kata release that new pods use, by handler, including an earlier handler on which pods are running. */
    kataVersions: { [handler: string]: string };
    /** How Kubernetes was set up on the node: `kubeadm` (also for Kubespray), `k3s`, `rke2`, `k0s` or `microk8s`. */
    distribution: string;
    /** The container runtime and its version, as in the Node object of Kubernetes: `containerd://2.3.7`, `cri-o://1.36.3`. */
    containerRuntimeVersion: string;
    /** The cgroup driver in use. */
    cgroupDriver: string;
    /** Whether the node can run virtual machines (`/dev/kvm`). */
    kvm: boolean;
    /**
     * The number of running Kata sandboxes (the virtual machines of pods), by handler and by the release that each was
     * started with.
     */
    sandboxes: { [handler: string]: { [version: string]: number } };
    /**
     * The last verification (`rollout.verify`) of the release and configuration that new pods use, by handler, such as
     * `Kata 4.1.0 booted a guest at 2026-11-26T09:15:00Z`. On a node without a pause image, or without a network for
     * the test with CRI-O, it says that the node is not verified. Empty if there was no verification.
     */
    verified: { [handler: string]: string };
}

/** The state of the nodes of the DaemonSet. */
export interface DaemonSetStatus {
    /** The number of nodes that the DaemonSet selects. */
    nodes: number;
    /** The number of nodes that are installed as requested. */
    ready: number;
    /** The number of nodes that are not ready and have not failed. */
    updating: number;
    /** The number of nodes whose last change failed. They were rolled back. */
    failed: number;
    /** Why nodes failed, by the name of the node: the first three of them in the order of their names. */
    reasons: { [node: string]: string };
}
