# k0s: the service runs containerd and the kubelet as its child processes. It watches a folder of drop-in files, ends containerd 3 s
# after any change in it, and starts another one 5 s later, so this package restarts nothing and puts no other file into it.
DISTRIBUTIONS="$DISTRIBUTIONS k0s"
k0s_units() { echo 'k0scontroller.service k0sworker.service'; }
k0s_driver_place() { echo "the worker profile of the cluster (cgroupDriver in spec.workerProfiles); its own containerd needs SystemdCgroup in a file in /etc/k0s/containerd.d as well"; }
k0s_sets_driver() { k0s_starts_containerd; }
k0s_start_command() {
    local file=/etc/k0s/containerd.d/kata-containers.toml
    if grep -qs '^version = 2' "$file"; then printf '%s' "if k0s was upgraded to 1.36 or later, delete $file first, "; fi
    echo "systemctl start k0sworker, or k0scontroller"
}

k0s_is_node() { # PID
    [ -n "$1" ] || ! any_runs k0scontroller.service || embedded_flags k0scontroller.service | grep -qE '^(enable-worker|single): true'
}

# The kubelet moves itself into the cgroup that the worker profile names, by default that of a containerd.service.
k0s_kubelet_unit() { unit_of "$(sed -n "s/^PPid:$TAB//p" "/proc/$1/status")"; } # PID

# k0s_starts_containerd: it can also use a containerd that it does not start.
k0s_starts_containerd() { [ "$CONTAINERD_UNIT" = "$KUBELET_UNIT" ]; }
k0s_drop_ins() { if k0s_starts_containerd; then echo "${CONTAINERD_CONFIG%/*}/containerd.d"; fi; }
# Up to 1.35, with containerd 1.x, it merges the drop-in files with tables of CRI into this file, which the main one imports.
k0s_merged_config() { if k0s_starts_containerd && [ "$CONTAINERD_MAJOR" = 1 ]; then echo /run/k0s/containerd-cri.toml; fi; }
# k0s writes the file at its start, unless it is the user's. Up to 1.29, it begins with an empty line.
k0s_require_form() {
    local folder
    folder=$(k0s_drop_ins)
    if [ -z "$folder" ] || [ -z "$CONTAINERD_PID" ]; then return 0; fi
    [ -e "$CONTAINERD_CONFIG" ] || fail "$CONTAINERD_CONFIG does not exist" "restart $CONTAINERD_UNIT, which writes it; then run pulumi again"
    if [ "$ACTION" = deactivate ]; then return 0; fi
    [ "$(grep -m 1 . "$CONTAINERD_CONFIG")" = "# k0s_managed=true" ] ||
        fail "$CONTAINERD_CONFIG is not managed by k0s: its first line is not \`# k0s_managed=true\`" \
            "move its settings into files in $folder, delete it and restart $CONTAINERD_UNIT, which writes it again; then run pulumi again"
    [ -d "$folder" ] || fail "$folder, which k0s creates and watches, does not exist" \
        "upgrade k0s to 1.28.2 or later, or restart $CONTAINERD_UNIT, which creates it; then run pulumi again"
}

# ctr is a part of its program.
k0s_ctr() {
    local program
    program=$(program_of "$(systemctl show -p MainPID --value "$CONTAINERD_UNIT" 2>/dev/null)") || program=k0s
    if k0s_starts_containerd; then echo "$program ctr"; fi
}

# k0s_is_current: containerd is younger than the last change in the folder, which is old enough for k0s to have acted on it.
k0s_is_current() {
    local folder pid changed age
    folder=$(k0s_drop_ins)
    [ -d "$folder" ] || return 0
    pid=$(k0s_containerd_pid) && [ -n "$pid" ] || return 1
    changed=$(($(date +%s) - $(stat -c %Y "$folder")))
    age=$(age "$pid" 2>/dev/null) && [ "$changed" -ge 5 ] && [ "$age" -le "$changed" ]
}

# The file is absent between two processes.
k0s_containerd_pid() { cat /run/k0s/containerd.pid 2>/dev/null; }
k0s_await_containerd() { within 60 k0s_is_current; }

# k0s_restart UNIT: waits instead.
k0s_restart() {
    if ! k0s_starts_containerd; then
        restart "$1"
        return
    fi
    say "waiting until k0s has restarted containerd"
    k0s_await_containerd
}

k0s_debug_place() { if k0s_starts_containerd; then echo "--logging=containerd=debug in the command line of k0s (ExecStart of $CONTAINERD_UNIT)"; fi; }
