# The machine: its architecture, and whether it meets Kata's requirements. The checks change nothing.

# architecture: as Kata's release archives name it.
architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

has_kvm() { [ -c /dev/kvm ]; }

# cgroup_version: a hybrid machine counts as 1, because its controllers are there.
cgroup_version() { if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo 2; else echo 1; fi; }

# module_available NAME: loaded, built in or loadable.
module_available() { [ -d "/sys/module/$1" ] || modprobe -n -q "$1" 2>/dev/null; }

check_host() {
    local findings
    step "host checks"
    case $(architecture) in
        amd64 | arm64) ;;
        *) fail "Kata Containers is not published for $(uname -m)" "remove this node from \`nodes\`" ;;
    esac
    findings=$(host_findings)
    if [ -z "$findings" ]; then return; fi
    if [ "$HOST_CHECKS" = warn ]; then
        printf '%s\n' "$findings" | cut -f 1 | sed 's/^/warning: /'
    else
        fail "this machine cannot run Kata Containers:$NEWLINE$(printf '%s\n' "$findings" | sed "s/$TAB/: /; s/^/    - /")" \
            "fix this, or set hostChecks to \"warn\" to install anyway"
    fi
}

# host_findings: the requirements that are not met, one a line: finding, tab, remedy.
host_findings() {
    local name
    [ "$(architecture)" != amd64 ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
        finding "the processor shows no virtualization (vmx or svm)" \
            "enable it in the firmware, or nested virtualization in the hypervisor"
    has_kvm || module_available kvm_intel || module_available kvm_amd ||
        finding "/dev/kvm does not exist" "load kvm_intel or kvm_amd; in a virtual machine, enable nested virtualization"
    for name in $KATA_MODULES; do
        module_available "$name" || finding "the kernel module $name is missing" \
            "install the kernel's full module package, or a kernel that has it"
    done
    if [ "$CGROUP_DRIVER" = systemd ] && [ "$(cgroup_version)" = 1 ]; then
        finding "kubelet.cgroupDriver is systemd, but this machine uses cgroup v1" \
            "choose cgroupfs, or boot with systemd.unified_cgroup_hierarchy=1"
    fi
}
finding() { printf '%s\t%s\n' "$1" "$2"; }

# free_space PATH: in KiB, where PATH is or will be.
free_space() {
    local folder="$1"
    while [ ! -d "$folder" ]; do folder=${folder%/*}; [ -n "$folder" ] || folder=/; done
    df -Pk "$folder" | sed -n 2p | tr -s ' ' | cut -d ' ' -f 4
}

load_modules() {
    local name
    for name in $KATA_MODULES; do
        [ -d "/sys/module/$name" ] || ! module_available "$name" || modprobe -q "$name" 2>/dev/null ||
            say "warning: the kernel module $name could not be loaded"
    done
    has_kvm || modprobe -q kvm_intel 2>/dev/null || modprobe -q kvm_amd 2>/dev/null || :
}
