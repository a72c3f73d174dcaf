# shellcheck shell=sh
# Timings of the node program. The bench inserts this file between 90-main.sh and 99-run.sh.
#
# A mark is a line of output, `@ SECONDS KIND PHASE`, by the machine's uptime, which the shell reads without a program.
# `enter` changes the current phase. `begin` and `end` enclose a command that has a phase of its own.

# Marks bypass pipes and redirections of the timed commands.
exec 7>&1
mark() { read -r timed_at _ </proc/uptime && echo "@ $timed_at $*" >&7; }

# timed PHASE COMMAND...
timed() {
    mark "begin $1"
    shift
    command "$@" && timed_status=0 || timed_status=$?
    mark end
    return "$timed_status"
}

timed_gate="" timed_work=""

# shellcheck disable=SC2034 # STEP is read by the node program
step() {
    STEP=$1
    timed_work=yes
    case $1 in
        owner | "host checks" | containerd | kubelet | sandboxes) mark "enter probe the node" ;;
        "health before"*) mark "enter health gate" ;;
        status) mark "enter status" ;;
        *) mark "enter configure" ;;
    esac
}

# The gate after a restart ends with a line of the log.
say() {
    if [ -n "$timed_gate" ]; then mark "enter configure"; fi
    timed_gate=""
    printf '%s\n' "$*" || :
}

timeout() {
    case $* in
        *"systemctl restart"*)
            timed restart timeout "$@" || return
            mark "enter health gate"
            timed_gate=yes
            ;;
        *) command timeout "$@" ;;
    esac
}

# tar is the last command of the pipeline that downloads, so it takes as long as all of it.
unprivileged() {
    shift
    set -- setpriv --reuid 65500 --regid 65500 --clear-groups --no-new-privs "$@"
    case $* in
        *" tar "*) timed "download, checksum, unpack" "$@" ;;
        *) "$@" ;;
    esac
}

# For the kubelet's next report, or for a service.
sleep() {
    case $1 in
        0.1 | 0.4 | 2) timed wait sleep "$@" ;;
        *) command sleep "$@" ;;
    esac
}

sync() { timed sync sync "$@"; }

rm() {
    case $* in
        */opt/kata-releases/*) timed "remove releases" rm "$@" ;;
        # The folder for temporary files is removed at the end of the work, and at its beginning.
        */kata-containers-node/work)
            if [ -n "$timed_work" ]; then mark "enter report"; fi
            command rm "$@"
            ;;
        *) command rm "$@" ;;
    esac
}
