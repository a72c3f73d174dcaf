# Verification: one throwaway container through the handler proves that a guest boots. It runs the pause image, which nearly
# every node has and whose program never ends, and neither CRI nor the kubelet sees it. $STATE_DIR/verification exists as
# long as the container may, so that the next run removes one that an interrupted run left; it holds the snapshotter.

# guest_sum HANDLER: a hash over everything that a verification is about.
guest_sum() {
    { printf '%s\n' "$1" "$(tree_of "$1")" "$(given "$1" shim-path)" "$(given "$1" snapshotter)"; cat "$(config_of "$1")"; } | sha256sum | cut -c 1-64
}
# verified HANDLER: the record of a verification of what is active now, or the reason why it was skipped, or nothing.
verified() {
    { sed -n "s/^$1$TAB$(guest_sum "$1")$TAB//p" "$STATE_DIR/verified" || :; cat "$WORK_DIR/unverified" || :; } 2>/dev/null | head -n 1
}

# verify_once: verifies the active release and configuration of each class, unless `verified` has a result.
verify_once() {
    local handler
    if [ "$VERIFY" != true ]; then return; fi
    for handler in $REQUESTED; do
        if [ -z "$(verified "$handler")" ]; then verify "$handler"; fi
    done
}

# verify HANDLER...: except those whose guests cannot boot in this way.
verify() {
    local image handler handlers rolling_back=""
    [ "$VERIFY" = true ] || return 0
    handlers=$(for handler; do [ "$(given "$handler" verifiable)" = false ] || echo "$handler"; done)
    [ -n "$handlers" ] || return 0
    step "verification"
    if journal_open; then rolling_back="; rolling back"; fi
    in_k8s images ls -q >"$WORK_DIR/images" || fail "$(cri runtime_name) does not list its images$rolling_back" \
        "repair $CONTAINERD_UNIT until this command answers: $(cri question images ls -q); then run pulumi again"
    image=$(cri pause_image "$WORK_DIR/images")
    if [ -z "$image" ]; then
        echo "not verified: $(cri runtime_name) has no pause image for the test container" | tee "$WORK_DIR/unverified"
        return
    fi
    for handler in $handlers; do verify_handler "$handler" "$image" "$rolling_back"; done
}
verify_handler() { # HANDLER IMAGE ROLLING_BACK
    local since words version
    version=$(given "$1" version)
    say "booting a guest with the handler $1 and a test container ($2)"
    since=$(date '+%Y-%m-%d %H:%M:%S')
    mark_logs
    snapshotter_of "$1" >"$STATE_DIR/verification"
    flush "$STATE_DIR/verification"
    if ! cri boot_guest "$1" "$2" "$(cat "$STATE_DIR/verification")"; then
        words="$(grep -v level=warning "$WORK_DIR/ctr.err" | tail -n 5 | excerpt)$3$NEWLINE$(log_excerpt "$CONTAINERD_UNIT" "$since"; embedded_logs)"
        end_guest || :
        fail "Kata Containers $version could not boot a guest with the handler $1: $words" \
            "fix the cause that the lines above name, then run pulumi again; or set rollout.verify to false to install without this check"
    fi
    end_guest || fail "the guest of the container $VERIFICATION boots but does not end within 120 s$3" \
        "$(cri guest_remedy); then run pulumi again"
    if [ -e "$WORK_DIR/unverified" ]; then return; fi
    {
        grep -v "^$1$TAB" "$STATE_DIR/verified" 2>/dev/null || :
        printf '%s\t%s\t%s\n' "$1" "$(guest_sum "$1")" "Kata $version booted a guest at $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    } >"$WORK_DIR/verified"
    mv "$WORK_DIR/verified" "$STATE_DIR/verified"
    say "a guest booted"
}

# boot_guest HANDLER IMAGE SNAPSHOTTER: $WORK_DIR/ctr.err gets the reason if it does not. With -d, ctr returns once the guest has
# booted and has started the program of the image. It may take as long as the kubelet allows a sandbox by default: 240 s.
boot_guest() {
    local status=0
    # shellcheck disable=SC2086
    timeout 240 $CTR --address "$CONTAINERD_SOCKET" -n k8s.io run -d --null-io --snapshotter "$3" --cgroup "/$VERIFICATION" \
        --runtime "$(if finds_shims; then echo "io.containerd.$1.v2"; else shim_link "$1"; fi)" --runtime-config-path "$(config_of "$1")" "$2" "$VERIFICATION" \
        >/dev/null 2>"$WORK_DIR/ctr.err" || status=$?
    case $status in
        0) in_k8s tasks ls | grep -qE "^$VERIFICATION +[0-9]+ +RUNNING" && return
            echo "the test container has exited" >>"$WORK_DIR/ctr.err" ;;
        124) echo "timed out after 240 s" >>"$WORK_DIR/ctr.err" ;;
    esac
    return 1
}

# end_guest: removes the container, or any part of it that exists, in any state.
end_guest() {
    [ -e "$STATE_DIR/verification" ] || return 0
    within 120 cri guest_is_gone || return 1
    rm -f "$STATE_DIR/verification"
}
guest_remedy() { echo "kill its shim and hypervisor on this node (pkill -9 -f $VERIFICATION)"; }
# On a slow machine, a task may take longer to end than ctr may take, and without its container nobody could delete it.
guest_is_gone() {
    local tasks containers
    in_k8s tasks delete -f "$VERIFICATION" >/dev/null || :
    tasks=$(in_k8s tasks ls -q) || return 1
    ! printf '%s\n' "$tasks" | grep -qxF -e "$VERIFICATION" || return 1
    in_k8s containers delete "$VERIFICATION" >/dev/null || :
    in_k8s snapshots --snapshotter "$(cat "$STATE_DIR/verification")" rm "$VERIFICATION" >/dev/null || :
    containers=$(in_k8s containers ls -q) || return 1
    ! printf '%s\n' "$containers" | grep -qxF -e "$VERIFICATION"
}

# end_left_guest: ends the guest of an interrupted run. Without containerd, a later run does.
end_left_guest() {
    if [ ! -e "$STATE_DIR/verification" ] || ! (find_containerd) >/dev/null 2>&1; then return 0; fi
    find_containerd
    if [ -z "$CONTAINERD_PID" ]; then return 0; fi
    end_guest || say "warning: the container $VERIFICATION of an interrupted run does not end; the next run tries again"
}
