import pulumi
from pulumi_kata_containers import KataContainers

private_key = pulumi.Config().require_secret("privateKey")
first = KataContainers(
    "first",
    nodes={"worker-1": {"connection": {"host": "192.0.2.11", "private_key": private_key}}},
)
known = first.node_statuses["worker-1"].container_runtime_version
KataContainers(
    "second",
    nodes={"worker-2": {"connection": {"host": known, "port": 2222, "private_key": private_key}}},
    version=known,
    runtime_classes={"kata-second": {"shim": "qemu", "labels": {"version": known}}},
    rollout={"max_unavailable": 2},
)
