# The command line, the lock and the log. An action works in a process of its own, under a lock, and writes to a file,
# so that it survives the connection that started it. The caller sees that file as it grows.

# leave: runs on exit and rolls back a change in progress.
leave() {
    local code="$?"
    trap - EXIT
    if [ "$code" != 0 ] && [ -z "$EXPLAINED" ]; then
        explain "a command failed (see its output above)" "fix the cause, then run pulumi up again"
    fi
    if journal_open && [ "$ACTION" != recover ]; then
        say "rolling back"
        roll_back
        if gate_containerd && gate_kubelet restarted; then
            commit
            remove_boot_unit
            say "rolled back; containerd and the kubelet are healthy"
        else
            say "rolled back, but containerd or the kubelet is unhealthy: repair it (its log: journalctl -u $CONTAINERD_UNIT -u $KUBELET_UNIT)"
        fi
    fi
    rm -rf "$WORK_DIR"
    if [ "$0" != "$STATE_DIR/node.sh" ]; then rm -f "$0"; fi
    # Pulumi forgets a -stage resource whose first create failed, so nothing would ever remove what it left.
    if [ "$ACTION" = stage ] && [ "$code" != 0 ] && [ ! -s "$STATE_DIR/owners" ]; then
        rmdir "$RELEASES_DIR" 2>/dev/null || :
        rm -rf "$STATE_DIR"
    fi
    exit "$code"
}

work() {
    parse "$@"
    private_folder "$RUN_DIR"
    exec 9>"$RUN_DIR/lock"
    flock -n 9 || [ $? = 1 ] || fail "the lock $RUN_DIR/lock cannot be taken" \
        "install flock if it is missing; otherwise delete that file; then run pulumi up again"
    if ! flock -n 9; then
        say "waiting for another run on this node: $(cat "$RUN_DIR/run" 2>/dev/null)"
        flock -w 1800 9 || fail "another run still holds the lock of this node after 30 minutes: $(cat "$RUN_DIR/run")" \
            "check its log in $RUN_DIR/log; wait for it or stop it, then run pulumi again"
        say "the other run has finished; continuing"
    fi
    WORK_DIR=$STATE_DIR/work
    trap leave EXIT
    trap 'fail "stopped by a signal" "run pulumi up again"' INT TERM HUP
    rm -rf "$WORK_DIR"
    private_folder "$WORK_DIR"
    empty_plan
    if [ "$ACTION" = recover ]; then
        # No unit runs yet, and those that were restarted wait for this one to end.
        rm -f "$JOURNAL"/restarted-*
        recover
        return
    fi
    recover
    printf '%s of %s since %s\n' "$ACTION" "$OWNER" "$(date)" >"$RUN_DIR/run"
    "do_$ACTION"
    record "$@"
}

# record ARGUMENT...: keeps what `probe` compares the node with.
record() {
    case $ACTION in stage | activate) ;; *) return 0 ;; esac
    printf '%s\n' "$@" >"$WORK_DIR/arguments"
    mv "$WORK_DIR/arguments" "$STATE_DIR/$ACTION"
    [ "$ACTION" = activate ] || return 0
    # The node is as requested, so a failure here is no failure of the action. A change since is a drift.
    rm -f "$STATE_DIR/fingerprint"
    fingerprint >"$WORK_DIR/fingerprint" 2>/dev/null || return 0
    empty_plan
    if (plan_activation) >/dev/null 2>&1 && [ ! -s "$WORK_DIR/plan" ]; then mv "$WORK_DIR/fingerprint" "$STATE_DIR/fingerprint"; fi
}

# copy_log LOG PID: copies the lines of LOG until the process PID has ended and all of it is copied.
copy_log() {
    local rest="" alive line
    while :; do
        alive=yes
        kill -0 "$2" 2>/dev/null || alive=no
        while IFS= read -r line; do
            printf '%s\n' "$rest$line"
            rest=""
        done
        # The beginning of an unfinished line waits for its end.
        rest=$rest$line
        [ "$alive" = yes ] || break
        sleep 0.05
    done <"$1"
    printf %s "$rest"
}

main() {
    local log worker actions="stage activate deactivate unstage probe recover"
    cd /
    [ $# -gt 0 ] || fail "no action given" "use one of: $actions"
    case $1 in
        stage | activate | deactivate | unstage) ;;
        probe)
            parse "$@"
            WORK_DIR=$(mktemp -d)
            trap 'rm -rf "$WORK_DIR"' EXIT
            empty_plan
            do_probe
            return
            ;;
        recover | --work)
            [ "$1" = recover ] || shift
            work "$@"
            return
            ;;
        *) fail "unknown action $1" "use one of: $actions" ;;
    esac
    [ "$(id -u)" = 0 ] || fail "the node program runs as $(id -un), not as root" "connect as root, or as a user with passwordless sudo"
    private_folder "$RUN_DIR"
    mkdir -p "$RUN_DIR/log"
    log=$RUN_DIR/log/$1
    rm -f "$log"
    : >"$log"
    setsid sh "$0" --work "$@" >"$log" 2>&1 </dev/null &
    worker=$!
    copy_log "$log" "$worker"
    wait "$worker"
}
