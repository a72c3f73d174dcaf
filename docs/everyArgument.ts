// Every argument once, with a typical value: the examples of the reference. Each value is valid (a test checks them), but the
// values do not have to make sense together.

import type { KataContainersArgs } from "../src";

const connection = {
    port: 22,
    user: "root",
    password: "a password",
    privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\n…\n-----END OPENSSH PRIVATE KEY-----\n",
    privateKeyPassword: "a password",
    agentSocketPath: "/run/user/1000/ssh-agent.socket",
    hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    dialErrorLimit: 20,
    perDialTimeout: 15,
};

export const everyArgument: Required<KataContainersArgs> = {
    nodes: {
        "worker-1": {
            connection: { host: "192.0.2.11", ...connection, proxy: { host: "bastion.example.com", ...connection } },
            distribution: "k3s",
            gone: true,
        },
    },
    daemonSet: {
        nodeSelector: { "example.com/pool": "virtual-machines" },
        namespace: "kata",
        image: "registry.example.com/busybox:1.37.0",
        imagePullSecrets: ["registry"],
        tolerations: [
            {
                key: "example.com/isolated",
                operator: "Equal",
                value: "true",
                effect: "NoExecute",
                tolerationSeconds: 3600,
            },
        ],
        priorityClassName: "system-node-critical",
        resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
        interval: 300,
        timeout: 1800,
    },
    version: "3.32.0",
    release: {
        url: "https://mirror.example.com/kata/{version}/{archive}",
        proxy: "http://proxy.example.com:3128",
        sha256: {
            amd64: "1449ecea50bd91fa73a94648db195d18950fe869ba4b1f12d05f55f1fa7c1b01",
            arm64: "8736c054d9223974735394f822000823baef509e1c33405ec798240fa9b6e4b5",
        },
    },
    runtimeClasses: {
        "kata-qemu": {
            shim: "qemu-runtime-rs",
            version: "4.1.0",
            sha256: { amd64: "3dc6b69c4acb787b967b04b64599a20d02a8beb1a8eaab3084110df9d0b08c96" },
            overhead: { enabled: true, cpu: "250m", memory: "320Mi" },
            settings: { "hypervisor.qemu.default_memory": 4096 },
            debug: true,
            handler: "kata-qemu",
            snapshotter: "overlayfs",
            labels: { team: "platform" },
            annotations: { "example.com/owner": "platform team" },
            tolerations: [
                {
                    key: "example.com/isolated",
                    operator: "Equal",
                    value: "true",
                    effect: "NoExecute",
                    tolerationSeconds: 3600,
                },
            ],
            nodeSelector: { "example.com/pool": "virtual-machines" },
            adopt: true,
        },
    },
    debug: true,
    kubelet: { cgroupDriver: "systemd", changeUnderRunningPods: true },
    rollout: {
        maxUnavailable: 2,
        maxParallelDownloads: 10,
        canary: "worker-1",
        drain: { kubeconfig: "apiVersion: v1\nkind: Config\n…\n", timeout: 600 },
        verify: true,
    },
    forceRemoval: true,
    drift: "enforce",
    hostChecks: "warn",
};
