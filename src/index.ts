export {
    CgroupDriver,
    type Checksums as ChecksumsArgs,
    type Connection as ConnectionArgs,
    HostChecks,
    type KataContainersArgs,
    type Kubelet as KubeletArgs,
    type Node as NodeArgs,
    type NodeStatus,
    type Overhead as OverheadArgs,
    type ProxyConnection as ProxyConnectionArgs,
    type Qemu as QemuArgs,
    type Release as ReleaseArgs,
    type Rollout as RolloutArgs,
    Runtime,
    type RuntimeClass as RuntimeClassArgs,
    type Toleration as TolerationArgs,
} from "./args";
export { KataContainers } from "./kataContainers";
