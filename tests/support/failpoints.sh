# shellcheck shell=sh
# Failpoints for the node program. The tests insert this file between 90-main.sh and 99-run.sh.
#
# A failpoint is the moment just before a command that changes the node, from the opening of the journal to its end. It is
# named after that command:
#   begin          opens the journal
#   note PATH      records PATH in the journal
#   write PATH     renames a new file, link or folder to PATH
#   remove PATH    removes PATH
#   restart UNIT   restarts a systemd unit
#   boot guest     boots a guest, to verify that the node can
#   end guest      ends that guest
#   commit         closes the journal
# A name that is reached again in one run carries its count: `write PATH (2)`.
#
# $FAILPOINTS/reached lists the failpoints of a run. $FAILPOINTS/armed has a line `FAULT NAME` for each fault that happens: each once,
# in this order, at the failpoint of that name.

FAILPOINTS=/root/failpoints

# failpoint NAME. The count is kept in a file because some failpoints are reached in a subshell.
# shellcheck disable=SC2154 # set by the node program
failpoint() {
    # Only the unit changes the node, not its caller, nor the runner of the DaemonSet, which has the same functions.
    [ "${WORK_DIR:-}" = "$STATE_DIR/work" ] || return 0
    [ "$1" = begin ] || [ -d "$JOURNAL" ] || return 0
    printf '%s\n' "$1" >>$FAILPOINTS/names
    failpoint_count=$(grep -cxF -e "$1" $FAILPOINTS/names)
    [ "$failpoint_count" = 1 ] || set -- "$1 ($failpoint_count)"
    printf '%s\n' "$1" >>$FAILPOINTS/reached
    read -r failpoint_fault failpoint_armed <$FAILPOINTS/armed || :
    [ "$1" = "$failpoint_armed" ] || return 0
    echo "failpoint $1: $failpoint_fault" || :
    sed -i 1d $FAILPOINTS/armed
    "fault_$failpoint_fault"
}

# The connection is cut: the SSH server that serves the caller is killed. The caller is named behind --work and the unit.
fault_connection() {
    failpoint_pid=$(tr '\000' '\n' </proc/$$/cmdline | tail -n 1)
    until [ "$(cat /proc/"$failpoint_pid"/comm)" = sshd ]; do
        failpoint_pid=$(awk '$1 == "PPid:" { print $2 }' /proc/"$failpoint_pid"/status)
    done
    kill -KILL "$failpoint_pid"
}

# The node program is killed. The unit has a process group of its own.
fault_program() { kill -KILL 0; }

# The node loses power: the test that waits for this file cuts it.
fault_power() {
    touch $FAILPOINTS/power
    sleep 600
}

# The node program waits until the test has removed this file.
fault_hold() {
    touch $FAILPOINTS/held
    while [ -e $FAILPOINTS/held ]; do sleep 0.1; done
}

# The disk is full from now on.
fault_disk() { dd if=/dev/zero of=/small/full bs=4k 2>/dev/null || :; }

# containerd and the kubelet refuse to start with a changed configuration from now on.
fault_service() { touch $FAILPOINTS/refuse; }

last_of() { shift $(($# - 1)) && printf '%s' "$1"; }

mkdir() {
    case $* in "$JOURNAL") failpoint begin ;; esac
    command mkdir "$@"
}
rm() {
    case $* in *"$JOURNAL"*) ;; *) failpoint "remove $(last_of "$@")" ;; esac
    command rm "$@"
}
mv() {
    case $* in
        "$JOURNAL/next "*) failpoint "note $(cat "$JOURNAL/next/path")" ;;
        "$JOURNAL "*) failpoint commit ;;
        # A temporary file, perhaps in a loop.
        *" $WORK_DIR/"*) ;;
        *) failpoint "write $(last_of "$@")" ;;
    esac
    command mv "$@"
}
timeout() {
    case $* in
        *"systemctl restart"*) failpoint "restart $(last_of "$@")" ;;
        *" run -d "* | *" runp "*) failpoint "boot guest" ;;
        *" tasks delete "* | *" rmp -f "*) failpoint "end guest" ;;
    esac
    command timeout "$@"
}
