# What is on the node: its status, and whether all is still as it was applied. Both are read, never kept, so they are true;
# neither changes anything.

status() {
    by_version=$(sandboxes | cut -f 1 | while IFS= read -r tree; do version_of "$tree"; done | awk '
        { n[$0]++ }
        END { for (v in n) { printf "%s\"%s\":%d", sep, v, n[v]; sep = "," } }')
    printf '{"kataVersion":%s,"containerdVersion":%s,"cgroupDriver":%s,"kvm":%s,"sandboxes":{%s}}\n' \
        "$(json_string "$(version_of "$(active_tree)")")" "$(json_string "$CONTAINERD_VERSION")" "$(json_string "$(cgroup_driver)")" \
        "$(if has_kvm; then echo true; else echo false; fi)" "$by_version"
}

do_status() {
    find_containerd
    find_kubelet
    choose_form
    status
}

# Drift: what is not any more as it was applied. What stage and activate were given when they last succeeded stands in
# $STATE/stage and $STATE/activate, a word a line; with that the change is planned again where the seal is broken, and what
# the plan holds has drifted. With it goes the generation, which the text of the command carries: the recorded one where
# nothing has, so that the text stays what it was, and otherwise a new one.
do_drift() {
    found="" released=""
    # Where another run is at work, what it finds it will mend.
    if [ ! -e "$RUN/lock" ] || flock -n "$RUN/lock" true; then
        drifted stage
        released=$found
        drifted activate
    fi
    ask_cluster
    printf '{"stage":{"generation":"%s","drift":%s},"activate":{"generation":"%s","drift":%s},"old":%s,"node":%s,"runtimeClass":%s}\n' \
        "$(generation stage "$released")" "$(json_list "$released")" \
        "$(generation activate "$found")" "$(json_list "$found")" "$(json_list "$(old_sandboxes)")" \
        "$(tr -d '\n' <"$NEXT/node")" "$(tr -d '\n' <"$NEXT/runtime-class")"
}

# drifted ACTION: what has, a line each, in $found.
drifted() {
    set +e
    found=$(set -e && "drift_of_$1")
    code=$?
    set -e
    [ "$code" = 0 ] || [ -n "$found" ] || found="what is there cannot be compared with what was applied"
}

# generation ACTION DRIFT. A new one is the same until something is changed, so that a preview and the update after it agree.
generation() {
    if [ -z "$2" ]; then
        sed -n 's/^--generation=//p' "$STATE/$1" 2>/dev/null || :
    else
        { cat /proc/sys/kernel/random/boot_id "$STATE/$1" 2>/dev/null || :; stat -c %Y "${STATE%/*}"; } | sha256sum | cut -c 1-12
    fi
}

# as_applied ACTION: takes the arguments that the action had. Whatever fails after that is what has drifted.
as_applied() {
    # shellcheck disable=SC2317 # `fail` calls it
    explain() { printf '%s\n' "$1"; }
    recorded=$STATE/$1
    set --
    while IFS= read -r word; do set -- "$@" "$word"; done <"$recorded"
    parse "$@"
}

# Earlier versions of this program recorded nothing.
drift_of_stage() {
    [ -f "$STATE/stage" ] || return 0
    as_applied stage
    choose_release
    if [ ! -d "$RELEASES/$TREE" ]; then
        echo "release tree $RELEASES/$TREE is missing"
    elif ! is_whole "$TREE"; then
        echo "release tree $RELEASES/$TREE is not as it was unpacked"
    fi
}

drift_of_activate() {
    if [ ! -s "$STATE/own" ]; then
        echo "Kata Containers is not active"
        return
    fi
    [ -f "$STATE/activate" ] || return 0
    if journal_open; then
        echo "an interrupted change has to be put back"
        return
    fi
    as_applied activate
    choose_release
    [ -d "$RELEASES/$TREE" ] || fail "release tree $RELEASES/$TREE is missing" ""
    find_containerd
    find_kubelet
    dump_now
    if [ -s "$NEXT/dump.now" ] && [ "$(seal)" = "$(cat "$STATE/seal" 2>/dev/null)" ]; then return; fi
    plan_activation
    while IFS="$TAB" read -r kind path argument; do in_words; done <"$NEXT/plan"
}

# seal: a sum over all that a plan is made from, but the release: what was asked for, what containerd understands, how the
# kubelet was started, and when our files and the two that we edit were changed. It is what it was when `activate` ended, so
# nothing has to be planned to know that nothing has drifted.
seal() {
    # It may have been restarted since it was found.
    pid=$(main_process kubelet)
    folder=$(flag "$pid" --config-dir)
    set -- "$MAIN" ${KUBELET_CONFIG:+"$KUBELET_CONFIG"} ${folder:+"$folder"}
    while IFS= read -r path; do set -- "$@" "$path"; done <"$STATE/own"
    {
        # The files that are imported are listed in any order.
        grep -v '^imports' "$NEXT/dump.now"
        cat "$STATE/own" "$STATE/activate" "/proc/$pid/cmdline"
        find "$@" -exec stat -c '%n %f %u %g %s %y %z' {} +
    } 2>/dev/null | sha256sum
}

# in_words: what a line of the plan, in $kind, $path and $argument, says about the path.
in_words() {
    imported=${DROP_IN:+${DROP_IN%/*}}
    case $path in
        "$MAIN" | "${imported:-none}"/*.toml)
            now=$(dumped_driver "$NEXT/dump.now") was=$(dumped_driver "$NEXT/dump")
            if [ -z "$(toml_get "$NEXT/dump.now" "$CRI.runtimes.\"$HANDLER\"" runtime_type)" ]; then
                echo "runtime table $HANDLER is missing from $path"
            elif [ "$now" != "$was" ]; then
                echo "the cgroup driver of the default runtime is $now in $path, was $was"
            else
                echo "what is applied for the runtime $HANDLER in $path is changed"
            fi
            return
            ;;
        "$KUBELET_CONFIG")
            now=$(kubelet_entry cgroupDriver)
            echo "cgroupDriver is ${now:-not set} in $path, was $CGROUP_DRIVER"
            return
            ;;
    esac
    case $kind in
        # The line that puts ours in its place follows.
        move) ;;
        link) if there "$path"; then echo "$path is changed, it was a link to $argument"; else echo "$path is missing"; fi ;;
        *) if there "$path"; then echo "$path is changed"; else echo "$path is missing"; fi ;;
    esac
}

# old_sandboxes: those that run on another release than the active one, a line for each release.
old_sandboxes() {
    active=$(active_tree)
    sandboxes | awk -F '\t' -v active="$active" '$1 != active' >"$NEXT/old"
    [ -s "$NEXT/old" ] || return 0
    (find_containerd) >/dev/null 2>&1 || return 0
    find_containerd
    cut -f 1 "$NEXT/old" | sort | uniq -c | while read -r count tree; do
        pods=$(awk -F '\t' -v tree="$tree" '$1 == tree { print $2 }' "$NEXT/old" | pod_names)
        echo "sandboxes still on Kata Containers $(version_of "$tree"): $count, of $pods"
    done
}

# json_list LINES
json_list() {
    printf '['
    separator=""
    printf '%s\n' "$1" | while IFS= read -r line; do
        [ -n "$line" ] || continue
        printf '%s%s' "$separator" "$(json_string "$line")"
        separator=","
    done
    printf ']'
}

# ask_cluster: leaves the metadata of this Node and of the RuntimeClass, as JSON, in $NEXT/node and $NEXT/runtime-class. They
# are read as the kubelet itself reads its Node and RuntimeClasses, with its credentials. null where they are not to be had
# that way (a plugin for a cloud, say) or nobody answers.
ask_cluster() {
    printf null | tee "$NEXT/node" >"$NEXT/runtime-class"
    KUBECONFIG=$(flag "$(main_process kubelet)" --kubeconfig 2>/dev/null) || KUBECONFIG=""
    if [ -z "$NODE" ] || [ ! -r "$KUBECONFIG" ] || ! have curl; then return; fi
    server=$(kubeconfig_entry server)
    set -- -o "$NEXT/answer-1" "$server/api/v1/nodes/$NODE"
    [ -z "$RUNTIME_CLASS" ] || set -- "$@" -o "$NEXT/answer-2" "$server/apis/node.k8s.io/v1/runtimeclasses/$RUNTIME_CLASS"
    curl -sS -m 10 --noproxy '*' -H 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' \
        --cacert "$(credential certificate-authority)" --cert "$(credential client-certificate)" --key "$(credential client-key)" \
        "$@" 2>/dev/null || return 0
    mv "$NEXT/answer-1" "$NEXT/node"
    [ -z "$RUNTIME_CLASS" ] || mv "$NEXT/answer-2" "$NEXT/runtime-class"
}
# The kubelet's has one cluster and one user.
kubeconfig_entry() {
    awk -v name="$1:" '{ sub(/^[- \t]+/, "") } $1 == name { gsub(/["\047]/, "", $2); print $2; exit }' "$KUBECONFIG"
}
# credential NAME: the file that holds it, whether the kubeconfig names it or holds it itself.
credential() {
    file=$(kubeconfig_entry "$1")
    if [ -z "$file" ]; then
        file=$NEXT/$1
        kubeconfig_entry "$1-data" | base64 -d >"$file"
    fi
    printf '%s' "$file"
}
