# kubeadm: containerd and the kubelet are services, or processes, of those names; their flags say where their files are.
# This file answers questions and decides nothing.

container_runtime_pid() { main_process containerd; }
kubelet_pid() { main_process kubelet; }

container_runtime_config() { # PID
    local path
    path=$(flag "$1" --config -c)
    printf '%s\n' "${path:-/etc/containerd/config.toml}"
}
container_runtime_socket() { # PID
    local path
    path=$(flag "$1" --address -a)
    printf '%s\n' "${path:-/run/containerd/containerd.sock}"
}
# The folder for links to shims: containerd finds them by its PATH.
shim_folder() { echo /usr/local/bin; }

# Each of the process PID.
kubelet_config() { flag "$1" --config; }
kubelet_config_folder() { flag "$1" --config-dir; }
kubelet_kubeconfig() { flag "$1" --kubeconfig; }

kubelet_health_port() { echo 10248; }
kubelet_start_command() { echo "systemctl start kubelet"; }
