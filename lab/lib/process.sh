# shellcheck shell=bash
# Processes of a lab: each has a log, and a file with its id and start time, so that a reused id is not mistaken for it.

# start NAME COMMAND...
start() {
    local name=$1
    shift
    setsid "$@" >>"$LAB_DIR/log/$name.log" 2>&1 </dev/null 8>&- &
    identity $! >"$LAB_DIR/run/$name"
}

# identity PID: prints the id and the start time in clock ticks; fails if there is no such process.
identity() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return
    # The program's name precedes these fields, in parentheses, and may contain any character.
    read -ra stat <<<"${stat##*) }"
    [ "${stat[0]}" != Z ] && echo "$1 ${stat[19]}"
}

# pid_of NAME: prints the id; fails if the process is not running.
pid_of() {
    local pid
    { read -r pid _ <"$LAB_DIR/run/$1"; } 2>/dev/null || return
    [ "$(identity "$pid")" = "$(<"$LAB_DIR/run/$1")" ] && echo "$pid"
}

is_gone() { ! pid_of "$1"; }

# stop NAME
stop() {
    local pid
    if pid=$(pid_of "$1"); then
        kill "$pid"
        wait_until 10 is_gone "$1" || kill -KILL "$pid"
        wait_until 5 is_gone "$1" || fail "process $pid ($1) does not stop within 5 s of SIGKILL: see ps -p $pid"
    fi
    rm -f "$LAB_DIR/run/$1"
}
