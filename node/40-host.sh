# The machine: its architecture, and whether it meets Kata's requirements. The checks load kernel modules.

MACHINE=$(uname -m)
# As Kata's release archives name it.
case $MACHINE in x86_64) ARCHITECTURE=amd64 ;; aarch64) ARCHITECTURE=arm64 ;; *) ARCHITECTURE=$MACHINE ;; esac

# has_device NAME: the kernel knows it. A file in /dev alone proves nothing: udev makes one for a module that can be loaded.
has_device() { [ -c "/dev/$1" ] && [ -e "/sys/class/misc/$1" ]; }
# needs: the needs of the shims of all classes, one per line.
needs() { all_given needs | tr , '\n' | sort -u; }

# module_available NAME: it is loaded or built in, or modprobe finds it.
module_available() { [ -d "/sys/module/$1" ] || modprobe -n -q "$1" 2>/dev/null; }
# wanted_modules: those of the devices, for KVM that of this processor, one per line.
wanted_modules() {
    local needs kvm
    kvm=$(sed -nE '/^flags/{s/.* vmx( .*)?$/kvm_intel/p; s/.* svm( .*)?$/kvm_amd/p; q; }' /proc/cpuinfo)
    needs=$(needs)
    printf '%s\n' "$needs" | grep '^vhost_' || :
    case $NEWLINE$needs$NEWLINE in *"${NEWLINE}kvm$NEWLINE"*) [ -z "$kvm" ] || ! module_available "$kvm" || echo "$kvm" ;; esac
}

check_host() {
    local name findings report
    step "host checks"
    for name in $(wanted_modules); do
        ! module_available "$name" || modprobe "$name" || :
    done 2>"$WORK_DIR/modprobe"
    findings=$(host_findings)
    if [ -z "$findings" ]; then return; fi
    report="this machine does not meet the requirements of its RuntimeClasses:$NEWLINE$(printf '%s\n' "$findings" | sed "s/$TAB/: /; s/^/    - /")"
    case $HOST_CHECKS:$findings in
        *unprotected*) fail "$report" "fix this, or remove the RuntimeClass (hostChecks does not apply to the protection of pods)" ;;
        warn:*) printf '%s\n' "$findings" | sed "s/^/warning: /; s/$TAB/; to fix it: /" ;;
        *) fail "$report" "fix this, or set hostChecks to \"warn\" to install anyway" ;;
    esac
}

# host_findings: the requirements that are not met, one per line: finding, tab, remedy. It loads nothing.
host_findings() {
    local need
    for need in $(needs); do unmet "$need"; done
    # On a hybrid machine, the controllers use version 1.
    if [ "$CGROUP_DRIVER" = systemd ] && [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
        finding "kubelet.cgroupDriver is systemd, but this machine uses cgroup v1" \
            "choose cgroupfs, or boot with systemd.unified_cgroup_hierarchy=1"
    fi
}
unmet() { # NEED
    case $1 in
        kvm)
            [ "$ARCHITECTURE" != amd64 ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
                finding "the processor shows no virtualization (vmx or svm)" \
                    "enable it in the firmware, or nested virtualization in the hypervisor"
            has_device kvm || finding "/dev/kvm does not exist$(load_failure kvm)" \
                "load kvm_intel or kvm_amd (on arm64, boot a kernel with KVM); in a virtual machine, enable nested virtualization"
            ;;
        vhost_*)
            if ! module_available "$1"; then
                finding "the kernel module $1 is missing" "install the package with the kernel's additional modules (on Ubuntu: linux-modules-extra-$(uname -r)), or a kernel that has it"
            elif ! has_device "vhost-${1#vhost_}"; then
                finding "/dev/vhost-${1#vhost_} does not exist$(load_failure "$1")" \
                    "fix the cause that dmesg or modprobe $1 names; on VMware, unload vmw_vsock_vmci_transport, which conflicts with vhost_vsock"
            fi
            ;;
        sev_snp) require_on "AMD SEV-SNP" /sys/module/kvm_amd/parameters/sev_snp ;;
        tdx) require_on "Intel TDX" /sys/module/kvm_intel/parameters/tdx ;;
        vfio) [ -n "$(ls /sys/kernel/iommu_groups 2>/dev/null)" ] ||
            finding "the IOMMU is not active" "enable it in the firmware (SMMU on arm64); on amd64, also boot with intel_iommu=on or amd_iommu=on" ;;
    esac
}
require_on() { # NAME FILE
    grep -qx '[Y1]' "$2" 2>/dev/null ||
        finding "$1 is not active ($2), so pods would run unprotected" "enable it in the firmware and the kernel, or remove the RuntimeClass that needs it"
}
finding() { printf '%s\t%s\n' "$1" "$2"; }
load_failure() { grep "$1" "$WORK_DIR/modprobe" 2>/dev/null | tail -n 1 | excerpt | sed 's/^/: /'; } # MODULE

# existing PATH: it, or the closest existing folder in which it would be.
existing() { if [ -e "$1" ]; then printf '%s\n' "$1"; else existing "$(dirname "$1")"; fi; }
# is_writable PATH: it can be written, or created.
is_writable() { [ -w "$(existing "$1")" ]; }
# free_space PATH: in KiB, where PATH is or will be.
free_space() { df -Pk "$(existing "$1")" | sed -n 2p | tr -s ' ' | cut -d ' ' -f 4; }
