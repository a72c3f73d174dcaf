# The machine: its architecture, and whether it meets Kata's requirements. The checks load kernel modules.

# architecture: as Kata's release archives name it.
architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# has_device NAME: the kernel knows it. A file in /dev alone proves nothing: udev makes one for a module that can be loaded.
has_device() { [ -c "/dev/$1" ] && [ -e "/sys/class/misc/$1" ]; }
# missing_devices: loads nothing.
missing_devices() {
    local name
    for name in kvm $(echo "$KATA_MODULES" | tr _ -); do has_device "$name" || echo "/dev/$name does not exist"; done
}

# module_available NAME: loaded, built in or loadable, as far as can be told without loading it.
module_available() { [ -d "/sys/module/$1" ] || modprobe -n -q "$1" 2>/dev/null; }
# wanted_modules: those that Kata needs, and the one that this processor needs for KVM, one per line.
wanted_modules() {
    local kvm
    kvm=$(sed -nE 's/^flags.* vmx( .*)?$/kvm_intel/p; s/^flags.* svm( .*)?$/kvm_amd/p' /proc/cpuinfo | head -n 1)
    if [ -n "$kvm" ] && ! module_available "$kvm"; then kvm=""; fi
    echo "$KATA_MODULES $kvm" | tr -s ' ' '\n'
}

check_host() {
    local name findings
    step "host checks"
    for name in $(wanted_modules); do
        ! module_available "$name" || modprobe "$name" || :
    done 2>"$WORK_DIR/modprobe"
    findings=$(host_findings)
    if [ -z "$findings" ]; then return; fi
    if [ "$HOST_CHECKS" = warn ]; then
        printf '%s\n' "$findings" | sed "s/^/warning: /; s/$TAB/; to fix it: /"
    else
        fail "this machine cannot run Kata Containers:$NEWLINE$(printf '%s\n' "$findings" | sed "s/$TAB/: /; s/^/    - /")" \
            "fix this, or set hostChecks to \"warn\" to install anyway"
    fi
}

# host_findings: the requirements that are not met, one per line: finding, tab, remedy.
host_findings() {
    local name
    [ "$(architecture)" != amd64 ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
        finding "the processor shows no virtualization (vmx or svm)" \
            "enable it in the firmware, or nested virtualization in the hypervisor"
    has_device kvm || finding "/dev/kvm does not exist$(load_failure kvm)" \
        "load kvm_intel or kvm_amd (on arm64, boot a kernel with KVM); in a virtual machine, enable nested virtualization"
    for name in $KATA_MODULES; do
        if ! module_available "$name"; then
            finding "the kernel module $name is missing" "install the package with the kernel's additional modules (on Ubuntu: linux-modules-extra-$(uname -r)), or a kernel that has it"
        elif ! has_device "$(echo "$name" | tr _ -)"; then
            finding "/dev/$(echo "$name" | tr _ -) does not exist$(load_failure "$name")" \
                "fix the cause that dmesg or modprobe $name names; on VMware, unload vmw_vsock_vmci_transport, which conflicts with vhost_vsock"
        fi
    done
    # On a hybrid machine, the controllers use version 1.
    if [ "$CGROUP_DRIVER" = systemd ] && [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
        finding "kubelet.cgroupDriver is systemd, but this machine uses cgroup v1" \
            "choose cgroupfs, or boot with systemd.unified_cgroup_hierarchy=1"
    fi
}
finding() { printf '%s\t%s\n' "$1" "$2"; }
load_failure() { grep "$1" "$WORK_DIR/modprobe" | tail -n 1 | excerpt | sed 's/^/: /'; } # MODULE

# free_space PATH: in KiB, where PATH is or will be.
free_space() {
    local folder="$1"
    while [ ! -d "$folder" ]; do folder=${folder%/*}; [ -n "$folder" ] || folder=/; done
    df -Pk "$folder" | sed -n 2p | tr -s ' ' | cut -d ' ' -f 4
}
