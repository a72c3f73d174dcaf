# Whether this node is of a distribution that is supported, and its kubelet, from which everything else is found.

# find_kubelet: sets KUBELET and the other variables of its name. It waits for a service that is being restarted.
find_kubelet() {
    step "kubelet"
    if ! kubelet_runs; then
        refuse_other_distributions
        detect_kubeadm || fail "the kubelet does not run on this node, and there is no kubelet.service" "$(supported_nodes)"
        if ! within 15 kubelet_runs; then
            refuse_own_mounts "$(kubelet_main_pid)"
            fail "the kubelet does not run on this node" "start it ($(kubelet_start_command)), or remove this node from \`nodes\`"
        fi
    fi
    KUBELET=$(program_of "$KUBELET_PID") || fail "the kubelet has just exited" "run pulumi up again"
    KUBELET_UNIT=$(unit_of "$KUBELET_PID")
    [ "$KUBELET_UNIT" = kubelet.service ] || refuse_other_distributions
    KUBELET_CONFIG=$(kubelet_config "$KUBELET_PID")
    if [ -L "$KUBELET_CONFIG" ]; then KUBELET_CONFIG=$(readlink -f "$KUBELET_CONFIG"); fi
}
kubelet_runs() {
    KUBELET_PID=$(kubelet_pid)
    [ -n "$KUBELET_PID" ]
}

# refuse_own_mounts PID: a service with other mounts may read other files than this program edits.
refuse_own_mounts() {
    local unit
    if ! runs_as_root "$1" || is_system_process "$1"; then return 0; fi
    unit=$(unit_of "$1")
    [ -z "$unit" ] || fail "$unit runs in a mount namespace of its own" "remove the options that give it one from its unit, for example\
 PrivateMounts, PrivateTmp or ProtectSystem (see: systemctl cat $unit), restart it, then run pulumi up again"
}

refuse_other_distributions() {
    local name
    for name in $DISTRIBUTIONS; do
        ! "detect_$name" || fail "this is a node of $name, which this package does not support" "$(supported_nodes)"
    done
}
