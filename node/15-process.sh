# Processes, systemd units, sockets, command-line flags, versions and HTTP.

# main_pid UNIT: the id of the service's main process, 0 if it has none.
main_pid() { systemctl show -p MainPID --value "$1" 2>/dev/null || :; }

# any_runs UNIT...: a unit may be a pattern.
any_runs() { systemctl is-active "$@" 2>/dev/null | grep -qE '^(active|activating|reloading)'; }

# processes_named NAME: the ids of the processes of that name. Any user can run one, so each must pass is_system_process.
processes_named() { grep -lx "$1" /proc/[0-9]*/comm 2>/dev/null | sed 's,/comm$,,; s,.*/,,' | sort -n; }

# runs_as_root PID: with all its user ids, in the user and process namespaces of the machine.
# shellcheck disable=SC3013 # every shell has -ef
runs_as_root() {
    [ "$(sed -n 's/^Uid://p' "/proc/$1/status" 2>/dev/null)" = "${TAB}0${TAB}0${TAB}0${TAB}0" ] &&
        [ "/proc/$1/ns/user" -ef /proc/1/ns/user ] && [ "/proc/$1/ns/pid" -ef /proc/1/ns/pid ]
}

# is_system_process PID: it runs as root and sees the files of the machine, so it is in no container.
# shellcheck disable=SC3013
is_system_process() { runs_as_root "$1" && [ "/proc/$1/ns/mnt" -ef /proc/1/ns/mnt ]; }

# program_of PID: the program file of a system process. The id may pass to a process of another user, so that is asked last.
program_of() {
    local program
    program=$(readlink "/proc/$1/exe") && is_system_process "$1" || return 1
    printf '%s\n' "${program% (deleted)}"
}

# unit_of PID: the service that a process belongs to. The kubelet may have left the cgroup of its service (kubeletCgroups).
unit_of() {
    local unit
    unit=$(grep -v ':/user\.slice' "/proc/$1/cgroup" | sed -nE 's,^[0-9]+:(name=systemd)?:/(.*/)?([^/]+\.service)(/.*)?$,\3,p' | head -n 1)
    [ -n "$unit" ] || unit=$(systemctl show -p Id -p MainPID '*.service' 2>/dev/null |
        awk -F = -v pid="$1" '$1 == "Id" { id = $2 } $1 == "MainPID" { main = $2 } main == pid && id != "" { print id; exit } NF == 0 { id = main = "" }')
    printf '%s' "$unit"
}

# listener SOCKET: the id of the system process that listens on the Unix socket at that path; empty if there is none.
listener() {
    local socket inode path pid
    socket=$(readlink -f "$1") && [ -S "$socket" ] || return 0
    # A process may have bound the path through a link: /var/run is one.
    awk -v name="/${socket##*/}" '$4 == "00010000" && substr($8, length($8) - length(name) + 1) == name { print $7, $8 }' /proc/net/unix |
        while read -r inode path; do [ "$(readlink -f "$path")" != "$socket" ] || echo "socket:[$inode]"; done >"$WORK_DIR/listening"
    [ -s "$WORK_DIR/listening" ] || return 0
    # shellcheck disable=SC2012 # the names are numbers
    ls -ln /proc/[0-9]*/fd 2>/dev/null | awk '
        NR == FNR { listening[$1] = 1; next }
        /\/fd:$/ { n = split($0, part, "/"); pid = part[n - 1] }
        $NF in listening { print pid }' "$WORK_DIR/listening" - |
        while read -r pid; do
            # systemd holds the sockets that it activates services by.
            if [ "$pid" != 1 ] && is_system_process "$pid"; then printf '%s' "$pid" && break; fi
        done
}

# flag PID NAME...: the value of a command-line flag, `--name value` or `--name=value`, by any of its names. The last one counts.
flag() {
    local pid="$1" word name found="" value=""
    shift
    tr '\000' '\n' <"/proc/$pid/cmdline" | {
        while IFS= read -r word && [ "$word" != -- ]; do
            for name; do
                case $word in
                    "$name") IFS= read -r value && found=yes ;;
                    "$name="*) value=${word#*=} found=yes ;;
                    *) continue ;;
                esac
                break
            done
        done
        [ -z "$found" ] || printf '%s\n' "$value"
    }
}

# version_at_least VERSION MINIMUM: compares major and minor.
version_at_least() { [ "$(version_number "$1")" -ge "$(version_number "$2")" ]; }
version_number() {
    local major="${1%%.*}" minor="${1#*.}"
    major=${major%%[!0-9]*} minor=${minor%%[!0-9]*}
    echo $((${major:-0} * 1000 + ${minor:-0}))
}

# http_get URL: the body.
http_get() { if have curl; then curl -fsS --noproxy '*' -m 5 "$1"; else wget -q -T 5 -O - "$1"; fi 2>/dev/null; }
