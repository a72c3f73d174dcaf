# The kubelet: where its configuration is, which cgroup driver it uses, and whether it is well.

# Finds the running kubelet: KUBELET_PID, its UNIT and its configuration file.
find_kubelet() {
    step "kubelet"
    KUBELET_PID=$(main_process kubelet)
    [ -n "$KUBELET_PID" ] || fail "the kubelet does not run on this node" "start it (systemctl start kubelet), or leave this node out of \`nodes\`"
    KUBELET=$(readlink "/proc/$KUBELET_PID/exe")
    KUBELET_UNIT=$(unit_of "$KUBELET_PID")
    KUBELET_CONFIG=$(flag "$KUBELET_PID" --config)
    if [ -L "$KUBELET_CONFIG" ]; then KUBELET_CONFIG=$(readlink -f "$KUBELET_CONFIG"); fi
}

# A top-level entry of the kubelet's configuration file.
kubelet_entry() {
    [ -n "$KUBELET_CONFIG" ] || return 0
    awk -v name="$1" '
        { key = $0; sub(/[ \t]*:.*/, "", key); gsub(/["\047]/, "", key) }
        key == name { sub(/^[^:]*:[ \t]*/, ""); sub(/[ \t]*(#.*)?\r?$/, ""); gsub(/["\047]/, ""); print; exit }' "$KUBELET_CONFIG"
}

# The driver in force. From Kubernetes 1.34 on, with containerd 2.x, the kubelet takes it from the runtime.
cgroup_driver() {
    dump_now
    runtime_driver=$(dumped_driver "$NEXT/dump.now")
    # It may have been restarted since it was found.
    driver=$(flag "$(main_process kubelet)" --cgroup-driver)
    [ -n "$driver" ] || driver=$(kubelet_entry cgroupDriver)
    driver=${driver:-cgroupfs}
    if [ "$driver" != "$runtime_driver" ] && [ -z "$ALONE" ] &&
        version_at_least "$("$KUBELET" --version | sed 's/^Kubernetes v//')" 1.34; then
        driver=$runtime_driver
    fi
    echo "$driver"
}

# Prepares the kubelet's configuration in $NEXT/kubelet, where a cgroup driver is asked for or was before.
prepare_kubelet() {
    step "kubelet configuration"
    if [ -z "$KUBELET_CONFIG" ]; then
        [ -z "$CGROUP_DRIVER" ] || fail "the kubelet has no configuration file (--config)" "give it one, or leave kubelet.cgroupDriver out"
        return 0
    fi
    unmark "$KUBELET_CONFIG" >"$NEXT/kubelet.unmarked"
    if [ -z "$CGROUP_DRIVER" ]; then
        cp "$NEXT/kubelet.unmarked" "$NEXT/kubelet"
        return
    fi
    if grep -q '^[ \t]*{' "$KUBELET_CONFIG"; then
        fail "$KUBELET_CONFIG is JSON, which cannot be edited safely" "write it as YAML, or set cgroupDriver there yourself and leave kubelet.cgroupDriver out"
    fi
    value=$(flag "$KUBELET_PID" --cgroup-driver)
    [ "${value:-$CGROUP_DRIVER}" = "$CGROUP_DRIVER" ] ||
        fail "the kubelet is started with --cgroup-driver=$value, which its configuration file cannot change" "take the flag from the kubelet's unit"
    value=$(flag "$KUBELET_PID" --config-dir)
    if [ -n "$value" ] && grep -rq '^cgroupDriver:' "$value"; then
        fail "a file in the kubelet's --config-dir $value sets cgroupDriver" "take it out there"
    fi
    mark_kubelet "$NEXT/kubelet.unmarked" "$CGROUP_DRIVER" >"$NEXT/kubelet"
}

kubelet_is_well() {
    [ -n "$(main_process kubelet)" ] || return 1
    port=$(kubelet_entry healthzPort)
    [ "${port:-10248}" = 0 ] || [ "$(http_get "http://127.0.0.1:${port:-10248}/healthz")" = ok ]
}

# gate_kubelet: waits until the kubelet is healthy, and still the same process two seconds later: one that refuses its
# configuration is started again and again by systemd, and may look well in between.
gate_kubelet() {
    within 60 kubelet_is_well || return 1
    [ "${1:-}" = restarted ] || return 0
    pid=$(main_process kubelet)
    sleep 2
    [ "$(main_process kubelet)" = "$pid" ] && kubelet_is_well
}
