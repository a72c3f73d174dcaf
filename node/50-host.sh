# What this machine is and whether it can run Kata Containers. Finding out changes nothing.

# Arguments name architectures as Kata's release archives do.
architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

has_kvm() { [ -c /dev/kvm ]; }

# The unified hierarchy alone is v2; a hybrid machine counts as v1, since its controllers are there.
cgroup_version() { if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo 2; else echo 1; fi; }

# module NAME: loaded, built in or loadable.
module_there() { [ -d "/sys/module/$1" ] || modprobe -n -q "$1" 2>/dev/null; }

KATA_MODULES="vhost_vsock vhost_net"

# A finding of the host checks: an error, or a warning where the user chose hostChecks "warn".
finding() {
    if [ "$HOST_CHECKS" = warn ]; then
        say "warning: $1"
    else
        FINDINGS="$FINDINGS$NEWLINE    - $1: $2"
    fi
}

check_host() {
    step "host checks"
    FINDINGS=""
    case $(architecture) in
        amd64)
            grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
                finding "the processor shows no virtualization (vmx or svm)" "turn it on in the firmware, or nested virtualization in the hypervisor"
            ;;
        arm64) ;;
        *) fail "Kata Containers is not published for $(uname -m)" "leave this node out of \`nodes\`" ;;
    esac
    has_kvm || module_there kvm_intel || module_there kvm_amd ||
        finding "there is no /dev/kvm" "load kvm_intel or kvm_amd; in a virtual machine turn on nested virtualization"
    for name in $KATA_MODULES; do
        module_there "$name" || finding "the kernel module $name is missing" "install the kernel's full module package, or a kernel that has it"
    done
    if [ "$CGROUP_DRIVER" = systemd ] && [ "$(cgroup_version)" = 1 ]; then
        finding "the cgroup driver systemd is asked for, but this machine uses cgroup v1" "choose cgroupfs, or boot with systemd.unified_cgroup_hierarchy=1"
    fi
    [ -z "$FINDINGS" ] || fail "this machine cannot run Kata Containers:$FINDINGS" "mend it, or set hostChecks to \"warn\" to install all the same"
}

# space PATH: kilobytes free where PATH is or will be.
space() {
    place=$1
    while [ ! -d "$place" ]; do place=${place%/*}; [ -n "$place" ] || place=/; done
    df -Pk "$place" | awk 'NR == 2 { print $4 }'
}

load_modules() {
    for name in $KATA_MODULES; do
        [ -d "/sys/module/$name" ] || ! module_there "$name" || modprobe -q "$name" 2>/dev/null || say "warning: the kernel module $name could not be loaded"
    done
    has_kvm || modprobe -q kvm_intel 2>/dev/null || modprobe -q kvm_amd 2>/dev/null || :
}

# main_process NAME: the id of the service's main process, or else of the oldest process of that name, or nothing.
main_process() {
    pid=$(systemctl show -p MainPID --value "$1.service" 2>/dev/null) || pid=""
    if [ "${pid:-0}" = 0 ]; then
        pid=$(grep -lx "$1" /proc/[0-9]*/comm 2>/dev/null | sed 's,[^0-9],,g' | sort -n | head -n 1)
    fi
    printf %s "$pid"
}

# unit_of PID: the systemd unit a process belongs to.
unit_of() { awk -F: '$2 == "" || $2 == "name=systemd" { n = split($3, p, "/"); print p[n]; exit }' "/proc/$1/cgroup"; }

# flag PID NAME [NAME]: the value of a command-line flag, `--name value` or `--name=value`.
flag() {
    tr '\000' '\n' <"/proc/$1/cmdline" | while IFS= read -r word; do
        case $word in
            "$2" | "${3:-$2}") IFS= read -r word && printf '%s\n' "$word" ;;
            "$2="* | "${3:-$2}="*) printf '%s\n' "${word#*=}" ;;
            *) continue ;;
        esac
        break
    done
}

# version_at_least HAVE WANTED: by major and minor.
version_at_least() {
    awk -v a="$1" -v b="$2" 'BEGIN { split(a, x, "."); split(b, y, "."); exit !(x[1] > y[1] || (x[1] + 0 == y[1] + 0 && x[2] + 0 >= y[2] + 0)) }'
}

# http_get URL: the body, from this machine.
http_get() { if have curl; then curl -fsS --noproxy '*' -m 5 "$1"; else wget -q -T 5 -O - "$1"; fi 2>/dev/null; }
