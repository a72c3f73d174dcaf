# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# A virtual machine with containerd 2.3, for what a container lacks: kernel modules, /dev/kvm, cgroup v2, and a power failure
# that loses unsynced writes.

# shellcheck source=lab/kinds/2.3.sh
. "$LAB_HOME/kinds/2.3.sh"
KIND_ABOUT="a virtual machine with containerd 2.3 and its own kernel, in slow emulation"
KIND_MACHINE=emulator
KIND_DEFAULT_NODE=""
