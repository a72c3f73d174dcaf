# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# The shape of a k0s worker of a release up to 1.35, which merges the drop-in files with CRI tables itself. Those releases have
# containerd 1.7; this one has Debian's 1.6, which reads the same configuration.

# shellcheck source=lab/kinds/k0s.sh
. "$LAB_HOME/kinds/k0s.sh"
KIND_ABOUT="a container with a stand-in for a k0s 1.35 worker, and containerd 1.6"
KIND_PAUSE_IMAGE=registry.k8s.io/pause:3.6
KIND_CRI_TABLE='plugins."io.containerd.grpc.v1.cri"'

kind_prepare() { prepare_k0s; }

kind_install() { # ROOT
    chroot "$1" containerd --version | awk '{ sub("~.*", "", $3); print $3 }'
    install_k0s "$1" "$1/usr/bin"
}
