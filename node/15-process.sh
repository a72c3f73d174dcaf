# Processes, systemd units, command-line flags.

# time_limit UNIT: the seconds within which it must have stopped and started again, from 60 to 900, however long systemd
# would wait. That of a distribution waits without end for a containerd that does not start.
time_limit() {
    systemctl show -p TimeoutStartUSec -p TimeoutStopUSec "$1" 2>/dev/null | awk -v endless="${CONTAINERD_TEMPLATES:+300}" '
        BEGIN { FS = "[= ]"; of["us"] = .000001; of["ms"] = .001; of["s"] = 1; of["min"] = 60; of["h"] = 3600 }
        { for (i = 2; i <= NF; i++) { unit = $i; sub(/^[0-9.]+/, "", unit); sum += unit in of ? $i * of[unit] : endless ? endless : 900 } }
        END { if (!NR) sum = 180; print (sum < 60 ? 60 : sum > 900 ? 900 : int(sum + .999)) }'
}

# any_runs UNIT...: a unit may be a pattern.
any_runs() { systemctl is-active "$@" 2>/dev/null | grep -qE '^(active|activating|reloading)'; }

# runs_as_root PID: with all its user ids, in the user and process namespaces of the machine.
# shellcheck disable=SC3013 # every shell has -ef
runs_as_root() {
    local name ids=""
    { while read -r name ids && [ "$name" != Uid: ]; do :; done <"/proc/$1/status"; } 2>/dev/null
    [ "$ids" = "0${TAB}0${TAB}0${TAB}0" ] &&
        [ "/proc/$1/ns/user" -ef /proc/1/ns/user ] && [ "/proc/$1/ns/pid" -ef /proc/1/ns/pid ]
}

# is_system_process PID: it runs as root and sees the files of the machine, so it is in no container.
# shellcheck disable=SC3013
is_system_process() { runs_as_root "$1" && [ "/proc/$1/ns/mnt" -ef /proc/1/ns/mnt ]; }

# age PID: the seconds since it was started.
age() { echo $(($(uptime) - $(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20) / 100)); }

# program_of PID: the program file of a system process. The id may be reused, so the process is checked last.
program_of() {
    local program
    program=$(readlink "/proc/$1/exe") && is_system_process "$1" || return 1
    printf '%s\n' "${program% (deleted)}"
}

# unit_of PID: the service that a process belongs to. The kubelet may have left its service's cgroup (kubeletCgroups).
unit_of() {
    local hierarchy path unit=""
    while IFS=: read -r _ hierarchy path; do
        path=$path/
        case $hierarchy:$path in
            *:/user.slice*) ;;
            :*/*.service/* | *=systemd:*/*.service/*) path=${path%.service/*} && unit=${path##*/}.service && break ;;
        esac
    done <"/proc/$1/cgroup"
    [ -n "$unit" ] || unit=$(systemctl show -p Id -p MainPID '*.service' 2>/dev/null | awk -v pid="$1" '
        BEGIN { RS = ""; FS = "\n" }
        { for (i = 1; i <= 2; i++) if ($i == "MainPID=" pid) print substr($(3 - i), 4) }' | head -n 1)
    printf '%s' "$unit"
}

# flag PID NAME...: the value of a command-line flag, `--name value` or `--name=value`. The last one counts.
flag() {
    local pid="$1" word name value=""
    shift
    tr '\000' '\n' <"/proc/$pid/cmdline" | {
        while IFS= read -r word && [ "$word" != -- ]; do
            for name; do case $word in "$name") IFS= read -r value && break ;; "$name="*) value=${word#*=} && break ;; esac; done
        done
        printf '%s\n' "$value"
    }
}
