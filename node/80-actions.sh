# The actions. Each says what it does, a line a step; activate and status end with the node's status in one line of JSON.

# A node belongs to one stack, organization/project/stack, and there to the components that have claimed it. That is one,
# but for the time in which a renamed component takes the place of the one before: whichever of the two goes, now or when
# a rename is taken back, only gives up its claim. The last one puts the node back.
refuse_others() {
    step "owner"
    owner=$(tail -n 1 "$STATE/owners" 2>/dev/null) || owner=""
    [ -z "$owner" ] || [ "$(stack_of "$owner")" = "$(stack_of "$OWNER")" ] ||
        fail "this node belongs to $owner, and $OWNER wants it too" "take it out of one of the two; if $owner is gone for good, remove $STATE/owners on the node"
}
claim() {
    mine && return
    printf '%s\n' "$OWNER" | add_lines "$STATE/owners"
    flush "$STATE/owners" "$STATE"
}
stack_of() { printf '%s\n' "$1" | cut -d / -f 1-3; }
# The owners but us; the last of them, if there are several.
others() { grep -vxF -e "$OWNER" "$STATE/owners" 2>/dev/null | tail -n 1; }
mine() { grep -qxF -e "$OWNER" "$STATE/owners" 2>/dev/null; }
alone() { mine && [ -z "$(others)" ]; }
# give_up: ends our claim where it is not the last, and tells whether that is all.
give_up() {
    alone && return 1
    owner=$(others)
    say "left as it is: this node belongs to ${owner:-nobody}"
    if mine; then
        grep -vxF -e "$OWNER" "$STATE/owners" >"$NEXT/owners"
        mv "$NEXT/owners" "$STATE/owners"
    fi
}

do_stage() {
    refuse_others
    # The program that was sent takes the place of an earlier one.
    if [ "$0" != "$STATE/node.sh" ]; then
        flush "$0"
        mv "$0" "$STATE/node.sh"
    fi
    choose_release
    if [ ! -d "$RELEASES/$TREE" ]; then check_host; fi
    bring_release
    # At last: Pulumi forgets a resource whose first run failed, and nobody would give up its claim.
    claim
}

do_activate() {
    refuse_others
    claim
    choose_release
    step "release"
    [ -d "$RELEASES/$TREE" ] || fail "$RELEASES/$TREE is not on this node any more" "run pulumi up with --replace for this node's Release and Runtime"
    [ "$(sha256sum <"$STATE/node.sh" | cut -c 1-12)" = "$PROGRAM" ] ||
        fail "the program on this node is not of the package version that called it" "run pulumi up again; if it stays, replace this node's Release command"
    check_host
    find_containerd
    find_kubelet
    step "health before"
    gate_containerd || fail "containerd's CRI does not answer, before anything was changed" "see: ctr plugins ls; journalctl -u $CONTAINERD_UNIT"
    gate_kubelet || fail "the kubelet is not healthy, before anything was changed" "see: journalctl -u $KUBELET_UNIT"

    previous=$(active_tree)
    plan_activation
    let_runtimes_go
    load_modules
    change_node
    remember_own
    # One is kept to go back to; what sandboxes still use goes at the first run after their end.
    if [ "$previous" != "$TREE" ]; then
        printf '%s\n' "$previous" >"$NEXT/previous"
        mv "$NEXT/previous" "$STATE/previous"
    fi
    prune "$TREE" "$(cat "$STATE/previous" 2>/dev/null)"
    status
}

# What differs from what is asked for, into the plan. It also tells what is not any more as it was applied, so nothing may
# be changed here.
plan_activation() {
    prepare_kata
    prepare_containerd
    check_containerd
    require_runtimes "$HANDLER"
    require_handler
    prepare_kubelet
    { echo "$SIGNATURE"; printf '%s\n' $KATA_MODULES; } >"$NEXT/modules"

    want_own_file "$NEXT/modules" "/etc/modules-load.d/kata-containers.conf"
    want_own_file "$NEXT/kata" "$KATA_CONFIG_PATH"
    want_own_link "/opt/kata/$SHIM" "/usr/local/bin/containerd-shim-$HANDLER-v2"
    if [ -n "$DROP_IN" ]; then want_own_file "$NEXT/drop-in" "$DROP_IN"; fi
    want_imported
    want_edits "$NEXT/main" "$MAIN"
    want_kubelet
    # After the file that may have imported from what stands there.
    want_own_link "kata-releases/$TREE" "$KATA"
    unwant_rest
}

do_deactivate() {
    if give_up; then return; fi
    find_containerd
    find_kubelet
    step "sandboxes"
    # Kubernetes forgets a pod a moment before its sandbox is gone.
    if [ "$FORCE" != true ] && ! within 30 no_sandboxes; then
        fail "sandboxes still run on Kata Containers: $(sandbox_names)" \
            "delete these pods, then run this again; forceRemoval kills their sandboxes instead"
    fi
    choose_form
    cp "$NEXT/main.unmarked" "$NEXT/main"
    prepare_imported ""
    check_containerd
    require_runtimes
    CGROUP_DRIVER=""
    prepare_kubelet
    # Before the file that may import from what stood there.
    unwant "$KATA"
    want_kubelet
    want_imported
    # A file that held nothing but our block was not there before.
    if [ -s "$NEXT/main" ]; then want_edits "$NEXT/main" "$MAIN"; else plan gone "$MAIN" ""; fi
    unwant_rest
    change_node
    rm -f "$STATE/own" "$STATE/folders" "$STATE/activate" "$STATE/seal"
    remove_boot_unit
}

do_unstage() {
    if give_up; then return; fi
    if [ -s "$STATE/own" ]; then
        say "kept all: the node is switched to it (a Release that is replaced alone comes here)"
        return
    fi
    step "releases"
    prune
    rmdir "$RELEASES" 2>/dev/null || say "kept $RELEASES"
    rm -rf "$STATE"
}

want_kubelet() { if [ -n "$KUBELET_CONFIG" ]; then want_edits "$NEXT/kubelet" "$KUBELET_CONFIG"; fi; }

# Where somebody has removed what we noted, all that is ours may be as asked.
remember_own() {
    if [ -s "$STATE/own" ]; then return; fi
    printf '%s\n' "${KATA_CONFIG_PATH%/*}" "${KATA_CONFIG_PATH%/*/*}" | add_lines "$STATE/folders"
    mv "$NEXT/own" "$STATE/own"
}

# Carries out the plan as one transaction and proves the node well after it. A restart happens only where a file that
# needs it is in the plan.
change_node() {
    step "change"
    if [ ! -s "$NEXT/plan" ]; then
        say "nothing to change"
        return
    fi
    restart_containerd="" restart_kubelet=""
    if planned "$MAIN" || { [ -n "$DROP_IN" ] && grep -qF "$TAB${DROP_IN%/*}/" "$NEXT/plan"; }; then restart_containerd=yes; fi
    if [ -n "$KUBELET_CONFIG" ] && planned "$KUBELET_CONFIG"; then restart_kubelet=yes; fi
    if [ "$(dumped_driver "$NEXT/dump")" != "$(dumped_driver "$NEXT/dump.now")" ]; then restart_kubelet=yes; fi
    if [ -n "$restart_kubelet" ]; then
        running=$(containers_running)
        [ "$running" = 0 ] || [ "$CHANGE_UNDER_RUNNING_PODS" = true ] ||
            fail "$running containers run on this node, and the cgroup driver is to change under them" \
                "drain the node, or set kubelet.changeUnderRunningPods; Kubernetes advises to make such a change on an empty node"
    fi
    install_boot_unit
    begin
    if [ "$FORCE" = true ] && ! no_sandboxes; then
        # Or it would start them again.
        restart_kubelet=yes
        mark_restart "$KUBELET_UNIT"
        systemctl stop "$KUBELET_UNIT"
        kill_sandboxes
    fi
    carry_out_plan
    if [ -n "$restart_containerd" ]; then
        restart "$CONTAINERD_UNIT" && gate_containerd ||
            fail "containerd is not well with the new configuration$NEWLINE$(journal_words "$CONTAINERD_UNIT")" "see what it says above; the node is being put back"
        say "containerd is well, its CRI answers"
    fi
    if [ -n "$restart_kubelet" ]; then
        restart "$KUBELET_UNIT" && gate_kubelet restarted ||
            fail "the kubelet is not well with the new configuration$NEWLINE$(journal_words "$KUBELET_UNIT")" "see what it says above; the node is being put back"
    elif [ -n "$restart_containerd" ]; then
        gate_kubelet || fail "the kubelet is not well after containerd was restarted" "see: journalctl -u $KUBELET_UNIT; the node is being put back"
    fi
    say "the kubelet is healthy"
    commit
    mv "$NEXT/own" "$STATE/own"
    remove_folders
}
