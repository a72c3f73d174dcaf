# The kubelet: its configuration, its cgroup driver, and whether it is healthy.

# find_kubelet: sets KUBELET and the other variables of its name.
find_kubelet() {
    step "kubelet"
    KUBELET_PID=$(kubelet_pid)
    [ -n "$KUBELET_PID" ] || fail "the kubelet does not run on this node" \
        "start it ($(kubelet_start_command)), or remove this node from \`nodes\`"
    KUBELET=$(readlink "/proc/$KUBELET_PID/exe")
    KUBELET_UNIT=$(unit_of "$KUBELET_PID")
    KUBELET_CONFIG=$(kubelet_config "$KUBELET_PID")
    if [ -L "$KUBELET_CONFIG" ]; then KUBELET_CONFIG=$(readlink -f "$KUBELET_CONFIG"); fi
}

# kubelet_entry KEY: its value in the kubelet's configuration file.
kubelet_entry() { if [ -n "$KUBELET_CONFIG" ]; then yaml_get "$KUBELET_CONFIG" "$1"; fi; }

# cgroup_driver: the driver in force. From Kubernetes 1.34 on, the kubelet takes it from containerd 2.x.
cgroup_driver() {
    local runtime_driver driver
    dump_now
    runtime_driver=$(dumped_driver "$WORK_DIR/dump.now")
    # The kubelet may have been restarted since it was found.
    driver=$(flag "$(kubelet_pid)" --cgroup-driver)
    [ -n "$driver" ] || driver=$(kubelet_entry cgroupDriver)
    driver=${driver:-cgroupfs}
    if [ "$driver" != "$runtime_driver" ] && [ "$CONTAINERD_MAJOR" != 1 ] &&
        version_at_least "$("$KUBELET" --version | sed 's/^Kubernetes v//')" 1.34; then
        driver=$runtime_driver
    fi
    echo "$driver"
}

# prepare_kubelet: its configuration in $WORK_DIR/kubelet, with the driver if one is requested and without our edits if
# not.
prepare_kubelet() {
    local unmarked="$WORK_DIR/kubelet.unmarked" value
    step "kubelet configuration"
    if [ -z "$KUBELET_CONFIG" ]; then
        [ -z "$CGROUP_DRIVER" ] || fail "the kubelet has no configuration file (--config)" \
            "give it one, or remove kubelet.cgroupDriver"
        return 0
    fi
    unmark "$KUBELET_CONFIG" >"$unmarked"
    if [ -z "$CGROUP_DRIVER" ]; then
        cp "$unmarked" "$WORK_DIR/kubelet"
        return
    fi
    if grep -q '^[ \t]*{' "$KUBELET_CONFIG"; then
        fail "$KUBELET_CONFIG is JSON, which cannot be edited safely" \
            "write it as YAML, or set cgroupDriver in it yourself and remove kubelet.cgroupDriver"
    fi
    value=$(flag "$KUBELET_PID" --cgroup-driver)
    [ "${value:-$CGROUP_DRIVER}" = "$CGROUP_DRIVER" ] ||
        fail "the kubelet is started with --cgroup-driver=$value, which its configuration file cannot change" \
            "remove the flag from the kubelet's unit"
    value=$(kubelet_config_folder "$KUBELET_PID")
    if [ -n "$value" ] && grep -rq '^cgroupDriver:' "$value"; then
        fail "a file in the kubelet's --config-dir $value sets cgroupDriver" "remove it there"
    fi
    mark_yaml "$unmarked" cgroupDriver "$CGROUP_DRIVER" >"$WORK_DIR/kubelet"
}

want_kubelet() { if [ -n "$KUBELET_CONFIG" ]; then want_edits "$WORK_DIR/kubelet" "$KUBELET_CONFIG"; fi; }
kubelet_planned() { [ -n "$KUBELET_CONFIG" ] && planned "$KUBELET_CONFIG"; }

kubelet_is_healthy() {
    local port
    [ -n "$(kubelet_pid)" ] || return 1
    port=$(kubelet_entry healthzPort)
    port=${port:-$(kubelet_health_port)}
    [ "$port" = 0 ] || [ "$(http_get "http://127.0.0.1:$port/healthz")" = ok ]
}

# gate_kubelet [restarted]: waits until the kubelet is healthy and, after a restart, still the same process two seconds
# later: systemd starts one that refuses its configuration again and again, and it may look healthy in between.
gate_kubelet() {
    local pid
    within 60 kubelet_is_healthy || return 1
    [ "${1:-}" = restarted ] || return 0
    pid=$(kubelet_pid)
    sleep 2
    [ "$(kubelet_pid)" = "$pid" ] && kubelet_is_healthy
}
