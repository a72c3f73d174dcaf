# The actions that change the node. Each prints a line per step; the last line of activate is the node's status in JSON.

do_stage() {
    local release query
    refuse_other_owners
    check_node_name
    # The program that was sent replaces the earlier one.
    if [ "$0" != "$STATE_DIR/node.sh" ]; then
        flush "$0"
        mv "$0" "$STATE_DIR/node.sh"
    fi
    require_archives
    check_host
    for release in $(groups); do
        query=$(printf '%s\n' "${KATA_URL_QUERIES:-}" | tr ' ' '\n' | sed -n "s/^$ARCHITECTURE-$release=//p")
        download_release "$(tree_of "$release")" "$(given "$release" "url-$ARCHITECTURE")" \
            "$(given "$release" "sha256-$ARCHITECTURE")" "$query"
    done
    # Claim last: Pulumi forgets a resource whose first create failed, and its claim would never be released.
    claim
}

do_activate() {
    local handler before config
    refuse_other_owners
    check_node_name
    claim
    require_trees
    [ "$(sha256sum <"$STATE_DIR/node.sh" | cut -c 1-12)" = "$PROGRAM" ] ||
        fail "the node program on this node is from a different package version" \
            "use the same version of the package in all components that manage this node, and run pulumi again; if that does not help, replace this node's -stage resource (pulumi up --replace URN)"
    check_host
    for handler in $REQUESTED; do check_program "$RELEASES_DIR/$(tree_of "$handler")/$(given "$handler" shim-path)"; done
    find_containerd
    check_node_exists
    step "health before the change"
    cri require_healthy_runtime
    gate_kubelet || fail "the kubelet is unhealthy; nothing was changed" \
        "repair $KUBELET_UNIT (its log: journalctl -u $KUBELET_UNIT$(and_log_files)), then run pulumi again"

    before=$(recorded_trees)
    find_handlers
    take_fingerprint "$STATE_DIR/managed"
    plan_activation
    cri explain_debug
    check_removed_runtimes
    for handler in $REQUESTED; do
        config=$(config_of "$handler")
        if [ -s "$STATE_DIR/managed" ] || ! is_managed "$config"; then continue; fi
        # Somebody deleted the list of folders.
        printf '%s\n' "${config%/*}" "${config%/*/*}" | add_lines "$STATE_DIR/folders"
    done
    change_node plan_activation
    record_services
    if [ ! -s "$STATE_DIR/managed" ]; then mv "$WORK_DIR/managed" "$STATE_DIR/managed"; fi
    # The releases before the last change are kept to return to; the next run removes those that sandboxes use now.
    if printf '%s\n' "$before" | grep -vxF -e "$(trees)" >"$WORK_DIR/previous"; then
        mv "$WORK_DIR/previous" "$STATE_DIR/previous"
    fi
    # shellcheck disable=SC2046 # lists
    prune $(trees) $(cat "$STATE_DIR/previous" 2>/dev/null || :)
    print_status
}

# plan_activation: plans what differs from the request, by $WORK_DIR/dump.now. `probe` uses it as well, so it changes nothing.
plan_activation() {
    local handler
    # shellcheck disable=SC2153 # not `handlers`
    for handler in $HANDLERS; do prepare_kata "$handler"; done
    cri prepare_runtime
    prepare_kubelet
    { echo "$SIGNATURE"; wanted_modules; } >"$WORK_DIR/modules"

    want_managed_file "$WORK_DIR/modules" "/etc/modules-load.d/kata-containers.conf"
    for handler in $HANDLERS; do
        want_managed_file "$WORK_DIR/kata-$handler" "$(config_of "$handler")"
        want_managed_link "$(home_of "$handler")/$(given "$handler" shim-path)" "$(shim_link "$handler")"
    done
    cri want_runtime
    want_kubelet
    if [ -s "$WORK_DIR/edits" ] || [ -e "$STATE_DIR/edits" ]; then want_file "$WORK_DIR/edits" "$STATE_DIR/edits"; fi
    # For a later change that keeps a handler while pods run on it.
    printf %s "$GROUPED" >"$WORK_DIR/classes"
    want_file "$WORK_DIR/classes" "$STATE_DIR/classes"
    # After the files that may have imported from the folder that it displaces.
    want_managed_link "kata-releases/$(main_tree)" "$KATA_LINK"
    unwant_rest
}

do_deactivate() {
    local heir
    heir=$(claims same | tail -n 1 | cut -f 1)
    if release_claim; then hand_over "$heir"; return; fi
    find_containerd
    find_handlers
    cri dump_now
    step "sandboxes"
    # Kubernetes forgets a pod a moment before its sandbox ends.
    if [ "$FORCE" != true ] && ! within 30 no_sandboxes; then
        fail "sandboxes still run on Kata Containers: $(sandbox_names); if this is a removal, this node's labels are already\
 removed, so no new Kata pod is scheduled to it until pulumi up installs Kata on it again" \
            "delete these pods (without a kubelet: $(sandbox_command) on the node), then run pulumi again;\
 or add the node to \`nodes\` again if you removed it, set forceRemoval to true, run pulumi up, and remove Kata again"
    fi
    # On a node without containerd, all classes are removed. Their components report this as drift.
    [ -x "$CONTAINERD" ] || HANDLERS=""
    plan_deactivation
    change_node plan_deactivation
    rm -f "$(record_of activate)"
    if [ -n "$HANDLERS" ]; then return; fi
    rm -f "$STATE_DIR/managed" "$STATE_DIR/folders" "$STATE_DIR/fingerprint" "$STATE_DIR/edits" "$STATE_DIR/verified" "$STATE_DIR/classes"
    # The removal of another component needs it on a node that has left the cluster.
    [ -n "$(claims other)" ] || rm -f "$STATE_DIR/services"
    remove_boot_unit
}

# plan_deactivation: the classes of other components stay.
plan_deactivation() {
    if [ -n "$HANDLERS" ]; then plan_activation; return; fi
    CGROUP_DRIVER=""
    cri prepare_removal
    prepare_kubelet
    # Before the file that may import from the folder that it displaced.
    unwant "$KATA_LINK"
    want_kubelet
    cri want_runtime
    unwant_rest
}

do_unstage() {
    if release_claim; then return; fi
    if [ -n "$(handlers_of "$OWNER")" ] || { [ -s "$STATE_DIR/managed" ] && [ -z "$(claims other)" ]; }; then
        # Only the -stage resource is being replaced.
        say "Kata Containers is still active; keeping its releases"
        return
    fi
    step "releases"
    # A claim that was removed by hand leaves its record.
    if [ -n "$(claims other)" ]; then rm -f "$(record_of stage)"; else rm -f "$STATE_DIR"/stage-*; fi
    # shellcheck disable=SC2046 # a list
    prune $(recorded_trees)
    if [ -n "$(claims other)" ]; then drop_claim; return; fi
    rmdir "$RELEASES_DIR" 2>/dev/null || say "kept $RELEASES_DIR, which is not empty"
    rm -rf "$STATE_DIR"
}

print_status() {
    step "status"
    printf '{"kataVersions":%s,"distribution":"%s","containerRuntimeVersion":%s,"cgroupDriver":%s,"kvm":%s,"sandboxes":%s,"verified":%s}\n' \
        "$(by_handler version_json)" "$DISTRIBUTION" "$(json_string "$(cri runtime_name)://$CONTAINERD_VERSION")" "$(json_string "${DRIVER_IN_FORCE:-$(cgroup_driver)}")" \
        "$(if has_device kvm; then echo true; else echo false; fi)" "$(by_handler sandboxes_of)" "$(by_handler verified_json)"
}
version_json() { json_string "$(given "$1" version)"; }
verified_json() { json_string "$(verified "$1")" | sed 's/^""$//'; }
# by_handler FUNCTION: an object of JSON with what the function prints for each handler of this component, if anything.
by_handler() {
    local handler
    printf '{%s}' "$(for handler in $OWN_HANDLERS; do printf '"%s":%s\n' "$handler" "$("$1" "$handler")"; done | grep -v ':$' | paste -s -d , -)"
}

# change_node PLANNER: carries out the plan as one transaction, restarts what it affects, waits until that is healthy,
# proves that the change is in force and that a guest boots.
change_node() {
    local restart_containerd="" restart_kubelet=""
    step "change"
    if [ ! -s "$WORK_DIR/plan" ]; then
        say "nothing to change"
        verify_once
        return
    fi
    if [ -n "$CONTAINERD_PID" ] && cri runtime_planned; then restart_containerd=yes; fi
    if kubelet_planned || [ "$(cri dumped_driver "$WORK_DIR/dump")" != "$(cri dumped_driver "$WORK_DIR/dump.now")" ]; then
        refuse_running_containers
        restart_kubelet=$KUBELET_PID
    fi
    if [ -n "$restart_containerd$restart_kubelet" ]; then check_restart; cri require_lasting_shims "$(sandboxes_to_kill)"; fi
    require_writable
    install_boot_unit "$CONTAINERD_UNIT $KUBELET_UNIT" "${CONTAINERD_CONFIG%/*} ${KUBELET_CONFIG%/*}"
    begin
    if [ "$FORCE" = true ] && ! no_sandboxes; then
        if [ -n "$KUBELET_PID" ] && [ "$KUBELET_UNIT" != "$CONTAINERD_UNIT" ]; then
            restart_kubelet=yes
            record_restart "$KUBELET_UNIT" stopped
            systemctl stop "$KUBELET_UNIT"
        fi
        kill_sandboxes
    fi
    carry_out_plan
    if [ "$FORCE" = true ] && ! no_sandboxes; then kill_sandboxes; fi
    if [ -n "$restart_containerd" ]; then restart_and_check "$CONTAINERD_UNIT" "$(cri runtime_name)" cri gate_runtime; fi
    if [ -n "$restart_kubelet" ] && ! { [ -n "$restart_containerd" ] && [ "$KUBELET_UNIT" = "$CONTAINERD_UNIT" ]; }; then
        restart_and_check "$KUBELET_UNIT" "the kubelet" gate_kubelet restarted
    elif [ -n "$restart_containerd" ] && [ -n "$KUBELET_PID" ]; then
        gate_kubelet || fail "the kubelet is unhealthy after the restart of $(cri runtime_name); rolling back" \
            "fix what its log names (journalctl -u $KUBELET_UNIT$(and_log_files)), then run pulumi again"
        say "the kubelet is healthy"
    fi
    prove "$1"
    # shellcheck disable=SC2086 # a list
    verify $REQUESTED
    commit
    mv "$WORK_DIR/managed" "$STATE_DIR/managed"
    remove_folders
}

# prove PLANNER: nothing is left to change, and the services that run now do as requested. A restart may have rewritten a
# file: some units generate their configuration.
prove() {
    local path unit="$CONTAINERD_UNIT" by="another program"
    has_same_services || find_containerd
    cri dump_now
    mv "$WORK_DIR/managed" "$WORK_DIR/managed.wanted"
    take_fingerprint "$WORK_DIR/managed.wanted"
    empty_plan
    "$1"
    step "check after the change"
    path=$(head -n 1 "$WORK_DIR/plan" | cut -f 2)
    if [ "$path" = "$KUBELET_CONFIG" ]; then unit=$KUBELET_UNIT; fi
    if [ -e "$JOURNAL/restarted-$unit" ]; then by="the restart of $unit"; fi
    [ -z "$path" ] || fail "$by rewrote $path; rolling back" \
        "disable the command that writes it, or change its template (systemctl cat $unit shows the unit's commands), then run pulumi again"
    [ "$ACTION" = activate ] || return 0
    cri prove_runtime
    DRIVER_IN_FORCE=$(cgroup_driver)
    [ "${CGROUP_DRIVER:-$DRIVER_IN_FORCE}" = "$DRIVER_IN_FORCE" ] ||
        fail "the kubelet runs with the cgroup driver $DRIVER_IN_FORCE, not $CGROUP_DRIVER; rolling back" \
            "remove what overrides cgroupDriver in its flags (systemctl cat $KUBELET_UNIT), then run pulumi again"
    require_reported_handlers
}

restart_and_check() { # UNIT NAME GATE [ARGUMENT]
    local unit="$1" name="$2" since
    shift 2
    since=$(date '+%Y-%m-%d %H:%M:%S')
    if ! { fact restart "$unit" && "$@"; }; then
        fail "$name is unhealthy with the new configuration; rolling back$NEWLINE$(log_excerpt "$unit" "$since"; embedded_logs)" \
            "fix the cause that its log above names, then run pulumi again"
    fi
    [ -z "$CONTAINERD_PID" ] || say "$name is healthy"
}
