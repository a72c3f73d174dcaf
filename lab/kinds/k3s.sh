# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # see lib/kinds.sh
# The shape of a k3s agent of a release before March 2026, installed with a name and another data folder: its unit, its folders, its
# containerd configuration rendered from templates without a drop-in folder, and a stand-in for `k3s` (stand-ins/) that contains the
# real containerd and kubelet. Marks as there. Its server is a process of the stand-in on the same node.

# shellcheck source=lab/kinds/rke2.sh
. "$LAB_HOME/kinds/rke2.sh"
KIND_ABOUT="a container with a stand-in for a k3s agent, and its containerd 2.3"
KIND_ROLE=agent
KIND_RUNTIME_UNIT=k3s-lab
KIND_KUBELET_UNIT=k3s-lab
KIND_DATA=/srv/rancher/k3s
KIND_RUNTIME_STATE=$KIND_DATA/agent/containerd

kind_prepare() {
    tool containerd "containerd VERSION, for its shim (1 minute)" github.com/containerd/containerd/v2 \
        "-X github.com/containerd/containerd/v2/version.Version=VERSION" "no_btrfs no_devmapper no_zfs"
    CONTAINERD=$REPLY
    cached stand-in-k3s "a stand-in for k3s, with containerd and the kubelet (7 minutes)" "$LAB_HOME/stand-ins" -- make_k3s
    K3S_STAND_IN=$REPLY
}
make_k3s() { # FOLDER
    local kubernetes=k8s.io/component-base/version
    CGO_ENABLED=0 nice go build -C "$LAB_HOME/stand-ins" -trimpath -buildvcs=false -tags "no_btrfs no_devmapper no_zfs" -ldflags \
        "-s -w -X $kubernetes.gitVersion=v1.36.3 -X $kubernetes.gitMajor=1 -X $kubernetes.gitMinor=36 -X github.com/containerd/containerd/v2/version.Version=v2.3.7" \
        -o "$1/k3s" ./k3s
}

kind_runtime_answers() { in_node "$1" k3s ctr --address /run/k3s/containerd/containerd.sock version; }
kind_import_images() { in_node "$1" k3s ctr --address /run/k3s/containerd/containerd.sock -n k8s.io images import -; }

kind_install() { # ROOT
    local programs=$1$KIND_DATA/data/standin/bin name version
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    rm -r "$1/etc/systemd/system/"{kubelet.service,kubelet.service.d,multi-user.target.wants/kubelet.service} "$1/var/lib/kubelet/config.yaml"
    # The program unpacks this folder. It acts by the name by which it is started. [read]
    mkdir -p "$programs"
    cp "$K3S_STAND_IN/k3s" "$CONTAINERD/containerd-shim-runc-v2" "$1/usr/sbin/runc" "$programs"
    rm "$1/usr/bin/kubelet" "$1/usr/sbin/runc" "$1/usr/bin/runc"
    for name in k3s-server k3s-agent containerd ctr; do ln -s k3s "$programs/$name"; done
    ln -s standin "$1$KIND_DATA/data/current"
    # Instead of the small program that unpacks. It keeps its argv, so the process is still called /usr/local/bin/k3s. [read]
    cat >"$1/usr/local/bin/k3s" <<LAUNCHER
#!/bin/bash
case \$1 in
ctr) exec $KIND_DATA/data/current/bin/"\$@" ;;
server | agent) exec -a "\$0" $KIND_DATA/data/current/bin/k3s-"\$1" "\$@" ;;
*) exec $KIND_DATA/data/current/bin/k3s "\$@" ;;
esac
LAUNCHER
    chmod +x "$1/usr/local/bin/k3s"
    install_unit "$1"
    version=$(module_version containerd github.com/containerd/containerd/v2)
    echo "${version#v}"
}

# install_unit ROOT: the unit as the installer writes it. [read]
install_unit() {
    cat >"$1/etc/systemd/system/k3s-lab.service" <<UNIT
[Unit]
Description=Lightweight Kubernetes, a stand-in
Wants=network-online.target
After=network-online.target lab-node.service

[Install]
WantedBy=multi-user.target

[Service]
Type=exec
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-/etc/systemd/system/k3s-lab.service.env
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s agent
UNIT
    cat >"$1/etc/systemd/system/lab-server.service" <<UNIT
[Unit]
Description=Answers an agent as a server does

[Install]
WantedBy=multi-user.target

[Service]
ExecStart=$KIND_DATA/data/current/bin/k3s lab-server
UNIT
    chroot "$1" systemctl enable -q k3s-lab lab-server
    {
        echo LAB_CGROUP_DRIVER=cgroupfs
        echo LAB_NO_DROP_INS=yes
        "${KIND_MACHINE}_may_lower_oom_score" || echo LAB_RESTRICT_OOM_SCORE_ADJ=yes
    } >"$1/etc/default/k3s-lab"
}
