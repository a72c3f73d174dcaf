# The probe action: how the node differs from what was applied. stage and activate record their arguments in
# $STATE_DIR/stage and $STATE_DIR/activate, one a line. If the fingerprint of what was applied no longer fits, the
# change is planned again, and what the plan holds has drifted. Probing changes nothing.

# do_probe: prints the drift and, for each of the two actions, the revision that the text of its command carries: the
# recorded one, so that the text stays the same, or a new one if something has drifted.
do_probe() {
    local stage_drift="" activate_drift="" locked=0
    if [ -e "$RUN_DIR/lock" ]; then flock -n "$RUN_DIR/lock" true || locked=$?; fi
    # With 1, another run is active and will repair the drift.
    case $locked in
        0) stage_drift=$(drifted stage) && activate_drift=$(drifted activate) ;;
        1) ;;
        *) fail "the lock $RUN_DIR/lock cannot be taken" "check that flock is installed, and the file" ;;
    esac
    ask_cluster
    printf '{"stage":{"revision":"%s","drift":%s},"activate":{"revision":"%s","drift":%s},"oldSandboxes":%s,"node":%s,"runtimeClass":%s}\n' \
        "$(revision stage "$stage_drift")" "$(json_list "$stage_drift")" \
        "$(revision activate "$activate_drift")" "$(json_list "$activate_drift")" "$(json_list "$(old_sandboxes)")" \
        "$(tr -d '\n' <"$WORK_DIR/node")" "$(tr -d '\n' <"$WORK_DIR/runtime-class")"
}

# drifted ACTION: prints the drift, one a line. It runs in the background because `set -e` has no effect where a status
# is tested.
drifted() {
    "drift_of_$1" >"$WORK_DIR/drift" &
    wait $! || [ -s "$WORK_DIR/drift" ] || echo "the node cannot be compared with what was applied" >"$WORK_DIR/drift"
    cat "$WORK_DIR/drift"
}

# revision ACTION DRIFT: a new one is the same until something changes, so that a preview and the update after it agree.
revision() {
    if [ -z "$2" ]; then
        sed -n 's/^--revision=//p' "$STATE_DIR/$1" 2>/dev/null || :
    else
        { cat /proc/sys/kernel/random/boot_id "$STATE_DIR/$1" 2>/dev/null || :; stat -c %Y "${STATE_DIR%/*}"; } | sha256sum | cut -c 1-12
    fi
}

# parse_recorded ACTION: takes the arguments that the action had. From here on, a failure is a drift.
parse_recorded() {
    local recorded="$STATE_DIR/$1" word
    PROBING=yes
    set --
    while IFS= read -r word; do set -- "$@" "$word"; done <"$recorded"
    parse "$@"
}

drift_of_stage() {
    [ -f "$STATE_DIR/stage" ] || return 0
    parse_recorded stage
    choose_release
    if [ ! -d "$RELEASES_DIR/$TREE" ]; then
        echo "release tree $RELEASES_DIR/$TREE is missing"
    elif ! tree_is_intact "$TREE"; then
        echo "release tree $RELEASES_DIR/$TREE has been modified"
    fi
}

drift_of_activate() {
    local kind path argument
    if [ ! -s "$STATE_DIR/managed" ]; then
        echo "Kata Containers is not active"
        return
    fi
    [ -f "$STATE_DIR/activate" ] || return 0
    if journal_open; then
        echo "an interrupted change must be rolled back"
        return
    fi
    parse_recorded activate
    choose_release
    [ -d "$RELEASES_DIR/$TREE" ] || fail "release tree $RELEASES_DIR/$TREE is missing" ""
    [ "$HOST_CHECKS" = warn ] || missing_devices
    find_containerd
    find_kubelet
    dump_now
    if [ -s "$WORK_DIR/dump.now" ] && [ "$(fingerprint)" = "$(cat "$STATE_DIR/fingerprint" 2>/dev/null)" ]; then return; fi
    plan_activation
    while IFS="$TAB" read -r kind path argument; do describe_drift "$kind" "$path" "$argument"; done <"$WORK_DIR/plan"
}

# fingerprint: a sum over everything that a plan is made from, except the release: the request, the configuration as
# containerd understands it, the kubelet's command line, and the state of the managed files and of the two that are
# edited. If it is the one that `activate` recorded, nothing has drifted and no plan is needed.
fingerprint() {
    local pid folder path
    # The kubelet may have been restarted since it was found.
    pid=$(kubelet_pid)
    folder=$(kubelet_config_folder "$pid")
    set -- "$CONTAINERD_CONFIG" ${KUBELET_CONFIG:+"$KUBELET_CONFIG"} ${folder:+"$folder"}
    while IFS= read -r path; do set -- "$@" "$path"; done <"$STATE_DIR/managed"
    {
        # containerd lists imported files in any order.
        grep -v '^imports' "$WORK_DIR/dump.now"
        cat "$STATE_DIR/managed" "$STATE_DIR/activate" "/proc/$pid/cmdline"
        find "$@" -exec stat -c '%n %f %u %g %s %y %z' {} +
    } 2>/dev/null | sha256sum
}

# describe_drift KIND PATH ARGUMENT: the drift that a line of the plan stands for.
describe_drift() {
    local imported="${DROP_IN:+${DROP_IN%/*}}" now was
    case $2 in
        "$CONTAINERD_CONFIG" | "${imported:--}"/*.toml)
            now=$(dumped_driver "$WORK_DIR/dump.now") was=$(dumped_driver "$WORK_DIR/dump")
            if [ -z "$(runtime_entry "$WORK_DIR/dump.now" "$HANDLER" runtime_type)" ]; then
                echo "runtime table $HANDLER is missing from $2"
            elif [ "$now" != "$was" ]; then
                echo "the cgroup driver of the default runtime is $now in $2, was $was"
            else
                echo "the entries for the runtime $HANDLER in $2 were changed"
            fi
            return
            ;;
        "$KUBELET_CONFIG")
            now=$(kubelet_entry cgroupDriver)
            echo "cgroupDriver is ${now:-not set} in $2, was $CGROUP_DRIVER"
            return
            ;;
    esac
    if [ "$1" = move ]; then return; fi # the next line of the plan installs the managed path
    if ! exists "$2"; then
        echo "$2 is missing"
    elif [ "$1" = link ]; then
        echo "$2 was changed, it was a link to $3"
    else
        echo "$2 was changed"
    fi
}

# ask_cluster: puts the metadata of this Node and of the RuntimeClass, as JSON, in $WORK_DIR/node and
# $WORK_DIR/runtime-class. It reads them with the kubelet's credentials; null if those come from a plugin, for instance
# of a cloud, or nobody answers.
ask_cluster() {
    local kubeconfig server
    printf null | tee "$WORK_DIR/node" >"$WORK_DIR/runtime-class"
    kubeconfig=$(kubelet_kubeconfig "$(kubelet_pid)" 2>/dev/null) || kubeconfig=""
    if [ -z "$NODE" ] || [ ! -r "$kubeconfig" ] || ! have curl; then return; fi
    server=$(kubeconfig_entry "$kubeconfig" server)
    set -- -o "$WORK_DIR/answer-1" "$server/api/v1/nodes/$NODE"
    [ -z "$RUNTIME_CLASS" ] || set -- "$@" -o "$WORK_DIR/answer-2" "$server/apis/node.k8s.io/v1/runtimeclasses/$RUNTIME_CLASS"
    curl -sS -m 10 --noproxy '*' -H 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' \
        --cacert "$(credential "$kubeconfig" certificate-authority)" --cert "$(credential "$kubeconfig" client-certificate)" \
        --key "$(credential "$kubeconfig" client-key)" "$@" 2>/dev/null || return 0
    mv "$WORK_DIR/answer-1" "$WORK_DIR/node"
    [ -z "$RUNTIME_CLASS" ] || mv "$WORK_DIR/answer-2" "$WORK_DIR/runtime-class"
}
# kubeconfig_entry FILE NAME: its value. The kubelet's kubeconfig has one cluster and one user.
kubeconfig_entry() {
    sed -n "s/^[-[:space:]]*$2:[[:space:]]*[\"']\{0,1\}\([^\"'[:space:]]*\).*/\1/p" "$1" | head -n 1
}
# credential FILE NAME: the path of a file with the credential, whether the kubeconfig names one or contains the data.
credential() {
    local file
    file=$(kubeconfig_entry "$1" "$2")
    if [ -z "$file" ]; then
        file=$WORK_DIR/$2
        kubeconfig_entry "$1" "$2-data" | base64 -d >"$file"
    fi
    printf '%s' "$file"
}
