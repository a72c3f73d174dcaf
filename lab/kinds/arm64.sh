# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# A virtual machine for arm64 with containerd 1.6 as Debian has it.

# shellcheck source=lab/kinds/1.6.sh
. "$LAB_HOME/kinds/1.6.sh"
KIND_ABOUT="a virtual machine for arm64 with containerd 1.6 and its own kernel, in slow emulation"
KIND_MACHINE=emulator
KIND_ARCHITECTURE=arm64
KIND_DEFAULT_NODE=""
