import pulumi
from pulumi_kata_containers import KataContainers

kata = KataContainers(
    "kata",
    daemon_set={
        "node_selector": {"kubernetes.io/hostname": "worker-1"},
        "image": "busybox:lab",
        "tolerations": [{"operator": "Exists"}],
        "resources": {"requests": {"cpu": "5m"}},
        "interval": 10,
        "timeout": 300,
    },
    version="3.32.0",
    runtime_classes={"kata-qemu": {"settings": {"hypervisor.qemu.default_memory": 1024}}},
)

pulumi.export("runtimeClassNames", kata.runtime_class_names)
pulumi.export("daemonSetStatus", kata.daemon_set_status)
