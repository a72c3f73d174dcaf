# The probe action: how the node differs from what was applied, which stage and activate have recorded. If its fingerprint
# no longer fits, the change is planned again, and each line of the plan is a drift, except for the files of other
# components. Probing changes nothing.

# do_probe: prints the drift and, for each of the two actions, a new revision if it has drifted or was never run.
do_probe() {
    local stage_drift="" activate_drift="" locked=0
    # Before the parts that are processes of their own.
    find_distribution
    kubelet_runs || :
    if [ -e "$RUN_DIR/lock" ]; then flock -n "$RUN_DIR/lock" true || locked=$?; fi
    # With 1, another run is active and will repair the drift.
    case $locked in
        0) if is_claimed; then stage_drift=$(drifted stage) && activate_drift=$(drifted activate); fi ;;
        1) ;;
        *) fail "the lock $RUN_DIR/lock cannot be taken" "install flock if it is missing; otherwise delete that file" ;;
    esac
    ask_cluster
    printf '{"stage":{"revision":"%s","drift":%s},"activate":{"revision":"%s","drift":%s},"oldSandboxes":%s,"handlers":%s,"node":%s,"runtimeClasses":%s}\n' \
        "$(revision stage "$stage_drift")" "$(json_list "$stage_drift")" \
        "$(revision activate "$activate_drift")" "$(json_list "$activate_drift")" "$(json_list "$(old_sandboxes)")" \
        "$(json_list "$(handlers_of "$OWNER")")" \
        "$(tr -d '\n' <"$WORK_DIR/node")" "$(cat "$WORK_DIR/runtime-classes")"
}

# drifted ACTION: prints the drift, one per line. It runs in the background because `set -e` has no effect where a status
# is tested.
drifted() {
    "drift_of_$1" >"$WORK_DIR/drift" &
    wait $! || [ -s "$WORK_DIR/drift" ] || echo "the node cannot be compared with what was applied" >"$WORK_DIR/drift"
    cat "$WORK_DIR/drift"
}

# revision ACTION DRIFT: nothing, or a new one, which is the same until the action has run, so that a preview and the update
# after it agree.
revision() {
    if [ -z "$2" ] && is_claimed; then return 0; fi
    { cat /proc/sys/kernel/random/boot_id; stat -c '%i %y' "${STATE_DIR%/*}" "$(record_of "$1")" || :; } 2>/dev/null | sha256sum | cut -c 1-12
}

# parse_recorded ACTION: takes the arguments that the action had; their releases must be there. Without them there is no drift.
parse_recorded() {
    local record word
    record=$(record_of "$1")
    [ -f "$record" ] || exit 0
    set --
    while IFS= read -r word; do set -- "$@" "$word"; done <"$record"
    parse "$@"
    require_trees
}

drift_of_stage() {
    local tree
    PROBING=yes
    parse_recorded stage
    for tree in $(trees); do tree_is_intact "$tree" || fail "release tree $RELEASES_DIR/$tree has been modified" ""; done
}

drift_of_activate() {
    local kind path argument
    PROBING=yes
    [ -s "$STATE_DIR/managed" ] || fail "Kata Containers is not active" ""
    parse_recorded activate
    ! journal_open || fail "an interrupted change must be rolled back" ""
    if [ -z "$(handlers_of "$OWNER")" ] && [ -n "$(claims same)" ]; then return; fi # its place was taken: activate is refused
    [ "$HOST_CHECKS" = warn ] || host_findings | cut -f 1
    find_containerd
    find_handlers
    cri dump_now
    if [ -s "$WORK_DIR/dump.now" ] && [ "$(fingerprint "$STATE_DIR/managed")" = "$(cat "$STATE_DIR/fingerprint" 2>/dev/null)" ]; then return; fi
    plan_activation
    while IFS="$TAB" read -r kind path argument; do
        is_of_others "$path" || describe_drift "$kind" "$path" "$argument"
    done <"$WORK_DIR/plan"
}

# describe_drift KIND PATH ARGUMENT: the drift that a line of the plan stands for.
describe_drift() {
    local driver
    if cri is_runtime_config "$2"; then
        cri describe_runtime_drift "$2"
    elif [ "$2" = "$KUBELET_CONFIG" ]; then
        driver=$(kubelet_entry cgroupDriver)
        if [ "$driver" = "$CGROUP_DRIVER" ]; then
            echo "the #kata-containers: comment for cgroupDriver is missing from $2"
        else
            echo "cgroupDriver is ${driver:-not set} in $2, was ${CGROUP_DRIVER:-not managed}"
        fi
    elif [ "$1" = move ]; then
        : # the next line of the plan installs the managed path
    elif ! exists "$2"; then
        echo "$2 is missing"
    elif [ "$1" = link ]; then
        echo "$2 was changed, it was a link to $3"
    else
        echo "$2 was changed"
    fi
}
