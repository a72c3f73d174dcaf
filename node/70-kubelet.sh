# The kubelet: its configuration, its cgroup driver, and whether it is healthy.

# kubelet_entry KEY: its value in the kubelet's configuration file.
kubelet_entry() { if [ -n "$KUBELET_CONFIG" ]; then yaml_get "$KUBELET_CONFIG" "$1"; fi; }

# kubelet_original OUT: OUT gets its configuration without the managed edit, also if a tool has rewritten it without the marks.
kubelet_original() {
    local edit old new
    require_marks "$KUBELET_CONFIG"
    edit=$(sed -n "s/^kubelet.cgroupDriver$TAB//p" "$STATE_DIR/edits" 2>/dev/null) || edit=""
    old=${edit%%"$TAB"*} new=${edit#*"$TAB"}
    if [ -z "$new" ] || [ "$(kubelet_entry cgroupDriver)" != "$new" ] || grep -q '^#kata-containers:' "$KUBELET_CONFIG"; then
        unmark "$KUBELET_CONFIG" >"$1"
        return
    fi
    printf '%s\n' "$KUBELET_CONFIG" >>"$WORK_DIR/stripped"
    mark_yaml "$KUBELET_CONFIG" cgroupDriver "${old:-remove}" | grep -v -e '^#kata-containers:' -e '^cgroupDriver: remove$' >"$1"
}

# prepare_kubelet: its configuration in $WORK_DIR/kubelet, with the driver if one is requested, or else unedited.
prepare_kubelet() {
    local unmarked="$WORK_DIR/kubelet.unmarked" value
    step "kubelet configuration"
    # This was checked with containerd's.
    if [ -n "$(fact driver_place)" ]; then return; fi
    if [ -z "$KUBELET_CONFIG" ]; then
        [ -z "$CGROUP_DRIVER" ] || [ "$ACTION" = deactivate ] || fail "the kubelet has no configuration file (--config)" \
            "start it with --config, or remove kubelet.cgroupDriver"
        return 0
    fi
    kubelet_original "$unmarked"
    if [ -z "$CGROUP_DRIVER" ]; then
        cp "$unmarked" "$WORK_DIR/kubelet"
        return
    fi
    value=$(yaml_problem "$unmarked" cgroupDriver)
    [ -z "$value" ] || fail "$KUBELET_CONFIG cannot be edited safely: $value" \
        "rewrite it as one plain YAML document, or remove the argument kubelet.cgroupDriver to keep the present driver; then run pulumi again"
    value=$(fact kubelet_flag "$KUBELET_PID" --cgroup-driver)
    [ "${value:-$CGROUP_DRIVER}" = "$CGROUP_DRIVER" ] ||
        fail "the kubelet is started with --cgroup-driver=$value, which its configuration file cannot change" \
            "move it to $KUBELET_CONFIG as \"cgroupDriver: $value\" instead (systemctl cat $KUBELET_UNIT names the files with its flags), restart $KUBELET_UNIT, then run pulumi again"
    value=$(kubelet_config_folder "$KUBELET_PID")
    if [ -n "$value" ] && grep -rq '^cgroupDriver:' "$value"; then
        fail "a file in the kubelet's --config-dir $value sets cgroupDriver" "remove it there"
    fi
    value=$(yaml_get "$unmarked" cgroupDriver)
    if [ "$value" != "$CGROUP_DRIVER" ]; then printf 'kubelet.cgroupDriver\t%s\t%s\n' "$value" "$CGROUP_DRIVER" >>"$WORK_DIR/edits"; fi
    mark_yaml "$unmarked" cgroupDriver "$CGROUP_DRIVER" >"$WORK_DIR/kubelet"
}

want_kubelet() { if [ -n "$KUBELET_CONFIG" ]; then want_edits "$WORK_DIR/kubelet" "$KUBELET_CONFIG"; fi; }
kubelet_planned() { [ -n "$KUBELET_CONFIG" ] && planned "$KUBELET_CONFIG"; }

# gate_kubelet [restarted]: waits until the kubelet is healthy and, after a restart, still the same process two seconds
# later: systemd starts one that refuses its configuration again and again, and it may look healthy in between. It is not
# healthy without containerd.
gate_kubelet() {
    local pid
    if [ -z "$KUBELET_PID" ] || [ -z "$CONTAINERD_PID" ]; then return 0; fi
    within "$(kubelet_limit)" kubelet_is_healthy || return 1
    [ "${1:-}" = restarted ] || return 0
    pid=$(kubelet_pid)
    sleep 2
    [ "$(kubelet_pid)" = "$pid" ] && kubelet_is_healthy
}
