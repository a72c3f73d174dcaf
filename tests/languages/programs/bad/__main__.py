from pulumi_kata_containers import KataContainers

KataContainers(
    "kata",
    nodes={
        "worker-1": {"connection": {"host": "https://192.0.2.11", "password": "hunter2"}},
        "worker-2": {"connection": {"host": "192.0.2.12", "port": 70000, "private_key": "hunter2"}},
    },
    version="1.12.1",
    runtime_classes={"kata-qemu": {"overhead": {"memory": "much"}, "settings": {"default_memory": 1024}}},
    rollout={"max_unavailable": 1.5},
)
