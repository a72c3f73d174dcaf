# The command line, the lock and the log. An action works as a systemd unit, under a lock, and writes to a file, so that it
# survives the connection and the session that started it. The caller sees that file as it grows.

# leave: runs on exit and rolls back a change in progress.
leave() {
    local code="$?"
    trap - EXIT
    if [ "$code" != 0 ] && [ -z "$EXPLAINED" ]; then
        explain "a command failed (see its output above)" "fix the cause, then run pulumi again"
    fi
    # While the machine shuts down, nothing can be restarted; the boot unit rolls back.
    if journal_open && [ "$ACTION" != recover ] && [ "$(systemctl is-system-running 2>/dev/null)" != stopping ]; then
        say "rolling back"
        (end_guest) || :
        roll_back
        if cri gate_runtime && gate_kubelet restarted; then
            commit
            remove_boot_unit
            say "rolled back; $(cri runtime_name) and the kubelet are healthy"
        else
            say "warning: rolled back, but $(cri runtime_name) or the kubelet is still unhealthy: repair it (journalctl -u $CONTAINERD_UNIT -u $KUBELET_UNIT$(and_log_files)), then run pulumi again"
        fi
    fi
    rm -rf "$WORK_DIR"
    if [ "$0" != "$STATE_DIR/node.sh" ]; then rm -f "$0"; fi
    # Pulumi forgets a -stage resource whose first create failed, so nothing would ever remove what it left.
    if [ "$ACTION" = stage ] && [ "$code" != 0 ] && [ ! -s "$STATE_DIR/owners" ] && [ ! -s "$STATE_DIR/managed" ]; then
        { prune && rmdir "$RELEASES_DIR"; } 2>/dev/null || :
        rm -rf "$STATE_DIR"
    fi
    exit "$code"
}

work() { # UNIT ARGUMENT...
    local unit="$1"
    shift
    parse "$@"
    private_folder "$RUN_DIR"
    exec 9>"$RUN_DIR/lock"
    flock -n 9 || [ $? = 1 ] || fail "the lock $RUN_DIR/lock cannot be taken" \
        "install flock if it is missing; otherwise delete that file; then run pulumi again"
    if ! flock -n 9; then
        say "waiting for another run on this node: $(cat "$RUN_DIR/run" 2>/dev/null)"
        flock -w 1800 9 || fail "another run still holds the lock of this node after 30 minutes: $(cat "$RUN_DIR/run")" \
            "wait until that unit has ended, or stop it with systemctl stop; then run pulumi again"
        say "the other run has finished; continuing"
    fi
    WORK_DIR=$STATE_DIR/work
    trap leave EXIT
    trap 'fail "stopped by a signal" "run pulumi again"' INT TERM HUP
    rm -rf "$WORK_DIR"
    private_folder "$WORK_DIR"
    empty_plan
    if [ "$ACTION" = recover ]; then
        # No unit runs yet, and those that were restarted wait for this one to end.
        rm -f "$JOURNAL"/restarted-*
        recover
        return
    fi
    # containerd ends it through the shim, which is rolled back next.
    end_left_guest
    recover
    printf '%s of %s since %s, unit %s\n' "$ACTION" "$OWNER" "$(date)" "$unit" >"$RUN_DIR/run"
    "do_$ACTION"
    record "$@"
}

# record ARGUMENT...: keeps what `probe` compares the node with.
record() {
    if [ "$ACTION" = stage ] || [ "$ACTION" = activate ]; then
        printf '%s\n' "$@" >"$WORK_DIR/arguments"
        mv "$WORK_DIR/arguments" "$(record_of "$ACTION")"
    fi
    if [ -n "$HANDLERS" ] && [ -f "$WORK_DIR/fingerprint" ]; then mv "$WORK_DIR/fingerprint" "$STATE_DIR/fingerprint"; fi
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

# run_in_unit ARGUMENT...: runs an action as a unit, and copies its log. systemd logs command lines, shows environments and
# replaces variables in arguments, so the unit reads those of this process.
run_in_unit() {
    local unit log runner status=0
    require_machine
    unit=kata-containers-$1-$(date +%Y%m%d-%H%M%S)-$$.service
    private_folder "$RUN_DIR"
    mkdir -p "$RUN_DIR/log"
    log=$RUN_DIR/log/$1
    rm -f "$log"
    exec 8>>"$log"
    # A stop waits for the rollback, whose steps have time limits of their own.
    systemd-run --quiet --collect --wait --unit="$unit" --description="$1 of the Pulumi package kata-containers" \
        --setenv=PATH="$PATH" --property="TimeoutStopSec=3600" \
        sh -c "exec sh $0 --work $unit $$ >>/proc/$$/fd/8 2>&1" >&8 2>&1 </dev/null &
    runner=$!
    copy_log "$log" "$runner"
    wait "$runner" || status=$?
    [ "$status" = 0 ] || grep -q '^error: node ' "$log" || fail "the unit $unit did not start or was killed" \
        "fix the cause, which is named above or by journalctl -u $unit, then run pulumi again"
    return "$status"
}

# work_for UNIT CALLER: the work of the action that the process CALLER was started with.
# shellcheck disable=SC2046 # split at line breaks
work_for() {
    local unit="$1" caller="/proc/$2" variable IFS="$NEWLINE"
    set -f
    for variable in $(tr '\000' '\n' <"$caller/environ" | grep -iE '^(KATA_URL_[A-Z0-9_]*|(https?|all|no)_proxy)='); do
        export "${variable?}"
    done
    set -- $(tr '\000' '\n' <"$caller/cmdline")
    set +f; IFS=" $TAB$NEWLINE"
    while [ $# -gt 0 ] && [ "$1" != "$0" ]; do shift; done
    # Any user may have got the id of a caller that has ended.
    { [ $# -gt 0 ] && runs_as_root "${caller##*/}"; } || fail "the connection was lost before the work began" "run pulumi again"
    shift
    work "$unit" "$@"
}

main() {
    local actions="stage activate deactivate unstage probe recover"
    cd /
    [ $# -gt 0 ] || fail "no action given" "use one of: $actions"
    case $1 in
        stage | activate | deactivate | unstage) ;;
        probe)
            parse "$@"
            WORK_DIR=""
            trap 'rm -rf "$WORK_DIR"' EXIT
            trap 'exit 1' HUP INT PIPE TERM
            WORK_DIR=$(mktemp -d)
            empty_plan
            do_probe
            return
            ;;
        recover) work "${BOOT_UNIT##*/}" recover; return ;;
        --work) work_for "$2" "$3"; return ;;
        *) fail "unknown action $1" "use one of: $actions" ;;
    esac
    [ "$(id -u)" = 0 ] || fail "the node program runs as $(id -un), not as root" "connect as root, or as a user with passwordless sudo"
    parse "$@"
    # The first line comes at once, also on a slow machine.
    say "${1%e}ing Kata Containers$(all_given version | sed 's/^/ /' | tr -d '\n') on $NODE"
    run_in_unit "$@"
}
