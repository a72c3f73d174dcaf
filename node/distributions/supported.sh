# The distribution of this node, and its kubelet, from which everything else is found.

# find_distribution: sets DISTRIBUTION, unless it was requested. A kubelet.service that runs counts more than the service of
# another distribution, and one that only fails again and again counts less.
find_distribution() {
    local pid name
    [ -z "$DISTRIBUTION" ] || return 0
    case ${PROBING:-${ACTION:-}} in stage | activate) ;; *) DISTRIBUTION=$(recorded DISTRIBUTION) ;; esac
    if [ -n "$DISTRIBUTION" ]; then return; fi
    DISTRIBUTION=$USUAL_DISTRIBUTION
    # shellcheck disable=SC2086,SC2153 # a list, not DISTRIBUTION
    any_distribution_runs $DISTRIBUTIONS || return 0
    for name in $DISTRIBUTIONS; do
        if ! any_distribution_runs "$name"; then continue; fi
        pid=$(kubelet_pid)
        if [ -z "$pid" ] || [ "$(unit_of "$pid")" != kubelet.service ] || ! stays "$pid"; then DISTRIBUTION=$name; fi
        return
    done
}
# any_distribution_runs NAME...: at least one of them.
any_distribution_runs() {
    local name units="" status=0
    for name; do units="$units $("${name}_units")"; done
    set -f
    # shellcheck disable=SC2086 # a list of patterns
    any_runs $units || status=$?
    set +f
    return "$status"
}
# was_stable UNIT PID: the service with that process has not failed since it was started, or not for a minute.
was_stable() { [ "$(systemctl show -p NRestarts --value "$1" 2>/dev/null)" = 0 ] || [ "$(age "$2" 2>/dev/null || echo 0)" -ge 60 ]; }
# stays PID: the kubelet.service with that process was stable, or does not fail within some seconds.
stays() {
    was_stable kubelet.service "$1" && return
    sleep 5
    [ "$(kubelet_main_pid)" = "$1" ]
}
# require_distribution: refuses a node of another one, naming what was found.
require_distribution() {
    local units
    kubelet_runs || :
    may_rest || fact is_node "$KUBELET_PID" ||
        fail "this server of $DISTRIBUTION runs without a kubelet, so it is not a node" "remove it from \`nodes\`"
    may_rest || fact check
    if [ "$DISTRIBUTION" != "$USUAL_DISTRIBUTION" ] || [ -n "$KUBELET_PID" ] || kubelet_service_exists || may_rest; then return 0; fi
    units=$(systemctl list-units --no-legend --plain --type=service --state=active,activating 2>/dev/null |
        grep -oE '^[^ ]*(kube|container|cri|docker|k[0-9]+s)[^ ]*' | paste -s -d , - | sed 's/,/, /g')
    fail "found no Kubernetes that this package knows: no kubelet is running, and there is no kubelet.service; running services: ${units:-none}" \
        "remove this node from \`nodes\`: this package supports nodes of $(echo "$USUAL_DISTRIBUTION$DISTRIBUTIONS" | sed 's/ /, /g'); or set its \`distribution\`"
}

# require_machine: refuses a machine whose system cannot be changed in this way.
require_machine() {
    local remedy="remove this node from \`nodes\`"
    case $(system_name) in
        bottlerocket) fail "this is the admin container of Bottlerocket, whose host does not allow changes" \
            "$remedy, and use machines with another image for Kata Containers, for example Amazon Linux 2023" ;;
        nixos) fail "this machine runs NixOS, which writes its services and their configurations itself" \
            "$remedy, and add Kata Containers to the configuration of NixOS" ;;
    esac
    have systemd-run || fail "this machine does not run systemd" "this package needs it: $remedy"
}
system_name() { if [ -d /.bottlerocket ]; then echo bottlerocket; else sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d "\"'"; fi; }

# require_writable: all paths of the plan can be changed. A file system may have become read-only since an earlier run.
require_writable() {
    local kind path
    while IFS="$TAB" read -r kind path _; do
        if [ "$kind" = file ] && [ -L "$path" ]; then path=$(readlink -f "$path"); fi
        is_writable "${path%/*}" || fail "$path is on a read-only file system; nothing was changed" \
            "make ${path%/*} writable (if a system extension covers it: systemd-sysext unmerge), then run pulumi again"
    done <"$WORK_DIR/plan"
}

# recorded NAME: the value of that variable when `activate` recorded where containerd and the kubelet are.
recorded() {
    local line
    { while IFS= read -r line; do case $line in "$1="*) printf '%s\n' "${line#*=}" ;; esac; done <"$STATE_DIR/services"; } 2>/dev/null || :
}
# may_rest: on a node that has left the cluster, deactivate restores the files of services that do not run any longer.
may_rest() { [ "$ACTION" = deactivate ] && [ -s "$STATE_DIR/services" ]; }

# kubelet_root PID: its folder, or nothing for the usual one. That of a stopped kubelet was recorded.
kubelet_root() { if [ -n "$1" ]; then fact kubelet_flag "$1" --root-dir; else recorded KUBELET_ROOT; fi; }
# root_setting PID: Kata's Go shims know ConfigMaps and Secrets by the kubelet's folder, which is given if it is not the usual one.
root_setting() {
    local root
    root=$(kubelet_root "$1")
    case $root in "" | /var/lib/kubelet) ;; *) printf '*\tkubelet_root_dir\t"%s"\n' "$root" ;; esac
}

# set_elsewhere PID: what this package uses of the kubelet's settings where the distribution has them in files of its own.
set_elsewhere() {
    [ -n "$(fact driver_place)" ] || return 0
    root_setting "$1"
    [ -z "${CGROUP_DRIVER:-}" ] || kubelet_cgroup_driver "$1"
}

# at_rest UNIT: it is stopped, and not being started, or waits for an automatic restart.
at_rest() {
    systemctl show -p ActiveState -p SubState "$1" 2>/dev/null | grep -qE '^(ActiveState=(inactive|failed)|SubState=.*auto-restart.*)$'
}

# find_kubelet: sets KUBELET and the other variables of its name. It waits for a service that is being restarted.
find_kubelet() {
    step "kubelet"
    find_distribution
    require_distribution
    if may_rest && kubelet_rests; then
        KUBELET="" KUBELET_PID="" KUBELET_UNIT=$(recorded KUBELET_UNIT) KUBELET_CONFIG=$(recorded KUBELET_CONFIG)
    else
        find_running_kubelet
    fi
    # Leaving a cluster may delete the file. Then there is nothing to restore.
    if [ "$ACTION" = deactivate ] && [ ! -e "$KUBELET_CONFIG" ]; then KUBELET_CONFIG=""; fi
}
find_running_kubelet() {
    local pid
    if [ -z "$KUBELET_PID" ] && ! within 15 kubelet_runs; then
        for pid in $(kubelet_main_pid) $(kubelet_processes); do refuse_own_mounts "$pid"; done
        fail "the kubelet is not running on this node" "start it ($(fact start_command)), or remove this node from \`nodes\`"
    fi
    KUBELET=$(program_of "$KUBELET_PID") || fail "the kubelet has just exited" "run pulumi again"
    KUBELET_UNIT=$(fact kubelet_unit "$KUBELET_PID")
    KUBELET_CONFIG=""
    # Elsewhere this package does not edit it.
    if [ -z "$(fact driver_place)" ]; then KUBELET_CONFIG=$(kubelet_config "$KUBELET_PID"); fi
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
    unit=$(fact kubelet_unit "$KUBELET_PID")
    # One that fails at once, since it lacks its files or containerd, runs now and then.
    { ! was_stable "$unit" "$KUBELET_PID" || at_rest "$(recorded CONTAINERD_UNIT)"; } &&
        within 5 at_rest "${unit:-$(recorded KUBELET_UNIT)}"
}
kubelet_settled() { kubelet_runs || at_rest "$(recorded KUBELET_UNIT)"; }

# check_node_name: refuses a machine whose node name differs from the requested one. Without a kubelet there is no node
# yet, and activate refuses it.
check_node_name() {
    local name
    step "name of the node"
    find_distribution
    kubelet_runs || return 0
    name=$(kubelet_node_name)
    [ "$name" = "$NODE" ] || fail "this machine is the node $name in Kubernetes, not $NODE; nothing was changed" \
        "correct the name or the connection of $NODE in \`nodes\`"
}

# refuse_own_mounts PID: a service with other mounts may read other files than this program edits.
refuse_own_mounts() {
    local unit
    if ! runs_as_root "$1" || is_system_process "$1"; then return 0; fi
    unit=$(unit_of "$1")
    [ -z "$unit" ] || fail "$unit runs in a mount namespace of its own" "remove the options that give it one from its unit, for example\
 PrivateMounts, PrivateTmp or ProtectSystem (see: systemctl cat $unit), restart it, then run pulumi again"
}
