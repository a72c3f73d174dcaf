# The running sandboxes: their pods, how many there are of each handler and release, and how to end them.

# own_sandboxes [ASK]: those of other components do not count, as far as containerd answers. With ask_k8s, it must answer.
own_sandboxes() {
    local handler
    "${1:-in_k8s}" containers ls >"$WORK_DIR/all" || :
    for handler in $(handlers_of_others); do containers_on "$handler" <"$WORK_DIR/all"; done >"$WORK_DIR/containers"
    sandboxes | grep -vwF -f "$WORK_DIR/containers" || :
}
sandboxes_to_kill() { if [ "$FORCE" = true ]; then own_sandboxes | cut -f 2; fi; }
no_sandboxes() { [ -z "$(own_sandboxes)" ]; }

sandbox_names() { own_sandboxes | cut -f 2 | pod_names; }

# sandboxes_of HANDLER: how many of its sandboxes run on each release, as an object of JSON.
sandboxes_of() {
    local tree
    in_k8s containers ls | containers_on "$1" >"$WORK_DIR/containers"
    printf '{%s}' "$(sandboxes | grep -wF -f "$WORK_DIR/containers" | while read -r tree _; do version_of "$tree"; done |
        sort | uniq -c | sed 's/^ *\([0-9]*\) \(.*\)$/"\2":\1/' | paste -s -d , -)"
}

# old_sandboxes: for each release that no class uses any longer, a line about the sandboxes that run on it.
old_sandboxes() {
    local tree
    sandboxes >"$WORK_DIR/sandboxes"
    [ -s "$WORK_DIR/sandboxes" ] || return 0
    cut -f 1 "$WORK_DIR/sandboxes" | grep -vxF -e "$(recorded_trees)" | sort -u >"$WORK_DIR/old-trees" || :
    [ -s "$WORK_DIR/old-trees" ] || return 0
    (find_containerd) >/dev/null 2>&1 || return 0
    find_containerd
    own_sandboxes >"$WORK_DIR/sandboxes"
    while IFS= read -r tree; do
        E_TREE=$tree awk -F '\t' '$1 == ENVIRON["E_TREE"] "" { print $2 }' "$WORK_DIR/sandboxes" >"$WORK_DIR/old"
        [ ! -s "$WORK_DIR/old" ] || echo "sandboxes still running on Kata Containers $(version_of "$tree"): $(($(wc -l <"$WORK_DIR/old"))); pods: $(pod_names <"$WORK_DIR/old")"
    done <"$WORK_DIR/old-trees"
}

# kill_sandboxes: kills all their containers until their shims are gone. A kubelet in the unit of containerd, which must go on, is
# not stopped before: it starts some of them again until the link to their shim is removed.
kill_sandboxes() {
    say "killing the sandboxes of $(sandbox_names)"
    within 60 killed_sandboxes || fail "sandboxes are still running 60 s after SIGKILL: $(sandbox_names)" \
        "kill their processes ($(cri question containers ls) shows the sandbox ids, ps -ef the processes with such an id) or reboot the node, then run pulumi again"
}
killed_sandboxes() {
    # Outside a pipe, where it can fail.
    own_sandboxes ask_k8s >"$WORK_DIR/own"
    cut -f 2 "$WORK_DIR/own" >"$WORK_DIR/sandboxes"
    cri kill_containers "$WORK_DIR/sandboxes"
    no_sandboxes
}
