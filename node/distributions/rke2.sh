# RKE2: the service runs containerd and the kubelet as its child processes.
DISTRIBUTIONS="$DISTRIBUTIONS rke2"
rke2_units() { echo 'rke2-*.service'; }
rke2_start_command() { echo "systemctl start rke2-agent, or rke2-server"; }
# The release from which on a template can include the built-in one.
rke2_base_template() { echo 1.28; }
rke2_driver_place() { embedded_driver_place; }
rke2_debug_place() { embedded_debug_place; }
rke2_is_node() { embedded_is_node rke2-server.service; }
