# Whether this node is of a distribution that is supported, and its kubelet, from which everything else is found.

# recorded NAME: the value of that variable when `activate` recorded where containerd and the kubelet are.
recorded() { sed -n "s/^$1=//p" "$STATE_DIR/services" 2>/dev/null; }
# may_rest: on a node that has left the cluster, deactivate restores the files of services that do not run any longer.
may_rest() { [ "$ACTION" = deactivate ] && [ -s "$STATE_DIR/services" ]; }

# at_rest UNIT: it is stopped, and not being started, or waits for an automatic restart.
at_rest() {
    systemctl show -p ActiveState -p SubState "$1" 2>/dev/null | grep -qE '^(ActiveState=(inactive|failed)|SubState=.*auto-restart.*)$'
}

# find_kubelet: sets KUBELET and the other variables of its name. It waits for a service that is being restarted.
find_kubelet() {
    step "kubelet"
    if may_rest && kubelet_rests; then
        KUBELET_PID="" KUBELET_UNIT=$(recorded KUBELET_UNIT) KUBELET_CONFIG=$(recorded KUBELET_CONFIG)
    else
        find_running_kubelet
    fi
    # Leaving a cluster may delete the file. Then there is nothing to restore.
    if [ "$ACTION" = deactivate ] && [ ! -e "$KUBELET_CONFIG" ]; then KUBELET_CONFIG=""; fi
}
find_running_kubelet() {
    if ! kubelet_runs; then
        refuse_other_distributions
        detect_kubeadm || fail "the kubelet is not running on this node, and there is no kubelet.service" "$(supported_nodes)"
        if ! within 15 kubelet_runs; then
            refuse_own_mounts "$(kubelet_main_pid)"
            fail "the kubelet is not running on this node" "start it ($(kubelet_start_command)), or remove this node from \`nodes\`"
        fi
    fi
    KUBELET=$(program_of "$KUBELET_PID") || fail "the kubelet has just exited" "run pulumi again"
    KUBELET_UNIT=$(unit_of "$KUBELET_PID")
    [ "$KUBELET_UNIT" = kubelet.service ] || refuse_other_distributions
    KUBELET_CONFIG=$(kubelet_config "$KUBELET_PID")
    if [ -L "$KUBELET_CONFIG" ]; then KUBELET_CONFIG=$(readlink -f "$KUBELET_CONFIG"); fi
}
kubelet_runs() {
    KUBELET_PID=$(kubelet_pid)
    [ -n "$KUBELET_PID" ]
}

# kubelet_rests: it does not run, as far as systemd and /proc say.
kubelet_rests() {
    local unit
    within 15 kubelet_settled || return 1
    [ -n "$KUBELET_PID" ] || return 0
    unit=$(unit_of "$KUBELET_PID")
    # One that fails at once, since it lacks its files or containerd, runs now and then.
    { [ "$(systemctl show -p NRestarts --value "$unit" 2>/dev/null)" != 0 ] || at_rest "$(recorded CONTAINERD_UNIT)"; } &&
        within 5 at_rest "${unit:-$(recorded KUBELET_UNIT)}"
}
kubelet_settled() { kubelet_runs || at_rest "$(recorded KUBELET_UNIT)"; }

# refuse_own_mounts PID: a service with other mounts may read other files than this program edits.
refuse_own_mounts() {
    local unit
    if ! runs_as_root "$1" || is_system_process "$1"; then return 0; fi
    unit=$(unit_of "$1")
    [ -z "$unit" ] || fail "$unit runs in a mount namespace of its own" "remove the options that give it one from its unit, for example\
 PrivateMounts, PrivateTmp or ProtectSystem (see: systemctl cat $unit), restart it, then run pulumi again"
}

refuse_other_distributions() {
    local name
    for name in $DISTRIBUTIONS; do
        ! "detect_$name" || fail "this is a node of $name, which this package does not support" "$(supported_nodes)"
    done
}
