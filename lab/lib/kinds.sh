# shellcheck shell=bash
# shellcheck disable=SC2034,SC2317 # a kind's facts and functions are used by the other files
# Kinds of nodes: a file each in kinds/, named after its kind. No other file of the lab names a kind.
#
# The file of a kind sets
#   KIND_ABOUT         its line in the usage text
#   KIND_MACHINE       what a node runs in: container or emulator, a file in lib/ with functions of that prefix
#   KIND_PAUSE_IMAGE   the image of a pod's sandbox; it is made for every node
# and defines
#   kind_install ROOT  installs the container runtime in the root filesystem of a node and prints its version
# It may replace what load_kind sets, which fits kubeadm with containerd.

kinds() { (cd "$LAB_HOME/kinds" && printf '%s\n' *.sh | sed 's/\.sh$//'); }

# load_kind KIND
load_kind() {
    # The node of this kind in a lab that is started without arguments; empty: no such node.
    KIND_DEFAULT_NODE=""
    # Of its programs and images. A container has that of this host.
    KIND_ARCHITECTURE=amd64
    # The systemd units whose journal explains why a node does not start.
    KIND_RUNTIME_UNIT=containerd
    KIND_KUBELET_UNIT=kubelet
    # The container runtime's state. A container gets an ordinary folder for it, because overlays cannot be nested.
    KIND_RUNTIME_STATE=/var/lib/containerd
    # Builds what the nodes of this kind need.
    kind_prepare() { :; }
    # NODE ROOT: gives the kubelet its credentials and arguments.
    kind_join() { join_kubeadm "$@"; }
    # NODE: succeeds once the container runtime can be used.
    kind_runtime_answers() { in_node "$1" ctr version; }
    # NODE: imports a tar file of images from stdin.
    kind_import_images() { in_node "$1" ctr -n k8s.io images import -; }
    # shellcheck source=/dev/null
    . "$LAB_HOME/kinds/$1.sh"
}

load_kind_of() { load_kind "$(node_kind "$1")"; } # NODE

default_nodes() {
    local kind
    for kind in $(kinds); do
        load_kind "$kind"
        [ -z "$KIND_DEFAULT_NODE" ] || echo "$KIND_DEFAULT_NODE=$kind"
    done
}

pause_images() {
    local kind
    for kind in $(kinds); do
        load_kind "$kind"
        echo "$KIND_PAUSE_IMAGE"
    done | sort -u -V
}

describe_kinds() {
    local kind
    for kind in $(kinds); do
        load_kind "$kind"
        printf '  %-22s  %s\n' "$kind" "$KIND_ABOUT"
    done
}

# prepare_kinds KIND...
prepare_kinds() {
    local kind
    for kind in $(printf '%s\n' "$@" | sort -u); do
        load_kind "$kind"
        "${KIND_MACHINE}_prepare"
        kind_prepare
    done
}
