// Converts a Kubespray inventory to the arguments of KataContainers. Ansible itself reads the inventory, so every format,
// `group_vars`, `host_vars` and vaults have the same effect as in Kubespray.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import type { ConnectionArgs, KataContainersArgs } from "kata-containers";

type Variables = { [name: string]: unknown };
type Groups = { [group: string]: { hosts?: string[]; children?: string[] } };

/** The arguments for the nodes in a group of an inventory. The default group is the whole cluster, as in Kubespray. */
export function fromKubespray(inventory: string, group = "k8s_cluster"): KataContainersArgs {
    const list = execFileSync("ansible-inventory", ["--inventory", inventory, "--list"], { encoding: "utf8" });
    const { _meta, ...groups } = JSON.parse(list);
    const hosts = [...new Set(hostsOf(groups, group))];
    if (hosts.length === 0) {
        throw new Error(`the group ${group} in ${inventory} is empty: choose a group with the nodes to install on`);
    }
    const of = (host: string): Variables => _meta.hostvars[host];
    const [bastion] = hostsOf(groups, "bastion");
    const proxy = bastion === undefined ? undefined : connection(bastion, of(bastion));
    const nodes = hosts.map((host) => [host, { connection: { ...connection(host, of(host)), proxy } }]);
    return { nodes: Object.fromEntries(nodes), ...settings(of(hosts[0]!)) };
}

function hostsOf(groups: Groups, group: string): string[] {
    const { hosts = [], children = [] } = groups[group] ?? {};
    return [...hosts, ...children.flatMap((child) => hostsOf(groups, child))];
}

function connection(name: string, variables: Variables): ConnectionArgs {
    const key = text(variables, "ansible_ssh_private_key_file");
    const password = text(variables, "ansible_password") ?? text(variables, "ansible_ssh_pass");
    const port = text(variables, "ansible_port");
    return {
        host: text(variables, "ansible_host") ?? name,
        port: port === undefined ? undefined : Number(port),
        user: text(variables, "ansible_user"),
        privateKey: key && pulumi.secret(readFileSync(key.replace(/^~/, homedir()), "utf8")),
        password: password && pulumi.secret(password),
    };
}

function settings(variables: Variables): Omit<KataContainersArgs, "nodes"> {
    const manager = text(variables, "container_manager") ?? "containerd";
    if (manager !== "containerd" && manager !== "crio") {
        throw new Error(`container_manager is ${manager}: this package only supports containerd and crio`);
    }
    const kata = (name: string) => text(variables, `kata_containers_${name}`);
    const memory = kata("qemu_default_memory");
    const sum = kata("binary_checksum")?.replace(/^sha256:/, "");
    return {
        version: kata("version"),
        release: {
            url: kata("download_url"),
            proxy: text(variables, "https_proxy") || text(variables, "http_proxy") || undefined,
            sha256: sum === undefined ? undefined : { amd64: sum },
        },
        runtimeClasses: {
            "kata-qemu": {
                overhead: {
                    enabled: truth(kata("qemu_overhead")),
                    cpu: kata("qemu_overhead_fixed_cpu"),
                    memory: kata("qemu_overhead_fixed_memory"),
                },
                settings: {
                    "hypervisor.qemu.default_memory": memory === undefined ? undefined : Number(memory),
                    "hypervisor.qemu.enable_mem_prealloc": truth(kata("qemu_enable_mem_prealloc")),
                    "hypervisor.qemu.virtio_fs_cache": kata("virtio_fs_cache"),
                    "runtime.sandbox_cgroup_only": truth(kata("qemu_sandbox_cgroup_only")),
                },
            },
        },
        debug: truth(kata("qemu_debug")),
        kubelet: { cgroupDriver: text(variables, "kubelet_cgroup_driver") as "systemd" | "cgroupfs" | undefined },
    };
}

/** A variable as text. A template, which only Ansible can evaluate, is an error. */
function text(variables: Variables, name: string): string | undefined {
    const value = variables[name] === undefined || variables[name] === null ? undefined : String(variables[name]);
    if (value?.includes("{{")) {
        throw new Error(`${name} is a template, "${value}": give it a plain value, or set the argument in the program`);
    }
    return value;
}

const truth = (value: string | undefined) => (value === undefined ? undefined : /^(true|yes|on|1)$/i.test(value));
