# Processes, systemd units, command-line flags, versions and HTTP.

# main_process NAME: the process id of the service, or else of the oldest process of that name; or nothing.
main_process() {
    local pid
    pid=$(systemctl show -p MainPID --value "$1.service" 2>/dev/null) || pid=""
    if [ "${pid:-0}" = 0 ]; then
        pid=$(grep -lx "$1" /proc/[0-9]*/comm 2>/dev/null | sed 's,[^0-9],,g' | sort -n | head -n 1)
    fi
    printf %s "$pid"
}

# unit_of PID: the systemd unit that a process belongs to.
unit_of() { sed -nE 's,^[0-9]+:(name=systemd)?:.*/([^/]*)$,\2,p' "/proc/$1/cgroup" | head -n 1; }

# flag PID NAME [NAME]: the value of a command-line flag, `--name value` or `--name=value`.
flag() {
    local word
    tr '\000' '\n' <"/proc/$1/cmdline" | while IFS= read -r word; do
        case $word in
            "$2" | "${3:-$2}") IFS= read -r word && printf '%s\n' "$word" ;;
            "$2="* | "${3:-$2}="*) printf '%s\n' "${word#*=}" ;;
            *) continue ;;
        esac
        break
    done
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
