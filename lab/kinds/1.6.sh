# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# containerd 1.6 as Debian 12 has it: the package and its own configuration file, which has no runtime table.

KIND_ABOUT="a container with containerd 1.6 from Debian's package"
KIND_MACHINE=container
KIND_DEFAULT_NODE=worker-1
KIND_PAUSE_IMAGE=registry.k8s.io/pause:3.6

kind_install() { # ROOT
    "${KIND_MACHINE}_may_lower_oom_score" ||
        sed -i 's/^\( *\)\[plugins."io.containerd.grpc.v1.cri"\]$/&\n\1  restrict_oom_score_adj = true/' "$1/etc/containerd/config.toml"
    dpkg-query --admindir="$1/var/lib/dpkg" --show --showformat='${Version}\n' containerd | sed 's/~.*//'
}
