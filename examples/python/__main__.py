import pulumi
from pulumi_kata_containers import KataContainers

private_key = pulumi.Config().require_secret("privateKey")

kata = KataContainers(
    "kata",
    nodes={
        "worker-1": {"connection": {"host": "192.0.2.11", "private_key": private_key}},
        "worker-2": {"connection": {"host": "192.0.2.12", "private_key": private_key}},
    },
    version="3.32.0",
    runtime_classes={"kata-qemu": {"settings": {"hypervisor.qemu.default_memory": 1024}}},
)

pulumi.export("runtimeClassNames", kata.runtime_class_names)
pulumi.export("nodeStatuses", kata.node_statuses)
