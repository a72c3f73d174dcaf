# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# The shape of an RKE2 server: its unit, its folders, its containerd configuration rendered from templates, and the real containerd
# and kubelet as children of a stand-in for `rke2` (stand-ins/). The control plane is that of the lab. Marks as there.

KIND_ABOUT="a container with a stand-in for an RKE2 server, and its containerd 2.3"
KIND_MACHINE=container
# What the same pods of k3s and RKE2 use. [issue]
KIND_PAUSE_IMAGE=rancher/mirrored-pause:3.6
KIND_ROLE=server
KIND_RUNTIME_UNIT=rke2-server
KIND_KUBELET_UNIT=rke2-server
KIND_DATA=/var/lib/rancher/rke2
KIND_RUNTIME_STATE=$KIND_DATA/agent/containerd

kind_prepare() {
    tool containerd "containerd VERSION, as Debian has 1.6 (1 minute)" github.com/containerd/containerd/v2 \
        "-X github.com/containerd/containerd/v2/version.Version=VERSION" "no_btrfs no_devmapper no_zfs"
    CONTAINERD=$REPLY
    cached stand-in-rke2 "a stand-in for RKE2 (10 seconds)" "$LAB_HOME/stand-ins" -- make_rke2
    RKE2_STAND_IN=$REPLY
}
make_rke2() { CGO_ENABLED=0 nice go build -C "$LAB_HOME/stand-ins" -trimpath -buildvcs=false -o "$1/rke2" ./rke2; } # FOLDER

kind_runtime_answers() { in_node "$1" "$KIND_DATA/bin/ctr" --address /run/k3s/containerd/containerd.sock version; }
kind_import_images() { in_node "$1" "$KIND_DATA/bin/ctr" --address /run/k3s/containerd/containerd.sock -n k8s.io images import -; }

kind_install() { # ROOT
    local programs=$1$KIND_DATA/data/v1.36.3-rke2r1-standin/bin version
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    rm -r "$1/etc/systemd/system/"{kubelet.service,kubelet.service.d,multi-user.target.wants/kubelet.service} "$1/var/lib/kubelet/config.yaml"
    # The programs come out of an image at the first start; bin leads to the current ones. [read]
    mkdir -p "$programs" "$1/usr/local/lib/systemd/system"
    mv "$1/usr/bin/kubelet" "$programs"
    cp "$CONTAINERD/"* "$1/usr/sbin/runc" "$programs"
    rm "$1/usr/sbin/runc" "$1/usr/bin/runc"
    ln -s "${programs#"$1$KIND_DATA/"}" "$1$KIND_DATA/bin"
    cp "$RKE2_STAND_IN/rke2" "$1/usr/local/bin"
    install_unit "$1"
    version=$(module_version containerd github.com/containerd/containerd/v2)
    echo "${version#v}"
}

# install_unit ROOT: the unit as the tar installs it. [read] Its last command ends processes whose command line begins with
# `containerd` or `kubelet`.
install_unit() {
    cat >"$1/usr/local/lib/systemd/system/rke2-$KIND_ROLE.service" <<UNIT
[Unit]
Description=Rancher Kubernetes Engine v2 ($KIND_ROLE), a stand-in
Wants=network-online.target
After=network-online.target lab-node.service

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-/usr/local/lib/systemd/system/%N.env
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
ExecStart=/usr/local/bin/rke2 $KIND_ROLE
ExecStopPost=-/bin/sh -c "systemd-cgls /system.slice/%n | grep -Eo '[0-9]+ (containerd|kubelet)' | awk '{print \$\$1}' | xargs -r kill"
UNIT
    chroot "$1" systemctl enable -q "rke2-$KIND_ROLE"
    # For the lab: its cgroups, and OOM scores that it may not lower.
    {
        echo LAB_CGROUP_DRIVER=cgroupfs
        "${KIND_MACHINE}_may_lower_oom_score" || echo LAB_RESTRICT_OOM_SCORE_ADJ=yes
    } >"$1/etc/default/rke2-$KIND_ROLE"
}

kind_join() { join_rancher "$@"; }
# join_rancher NODE ROOT: the kubelet's kubeconfig names files with its credentials. [read]
join_rancher() {
    local agent=$2$KIND_DATA/agent
    mkdir -p "$agent/etc/kubelet.conf.d" "$2/etc/rancher/${KIND_DATA##*/}"
    cp "$LAB_DIR/pki/ca.crt" "$agent/server-ca.crt"
    cp "$LAB_DIR/pki/ca.crt" "$agent/client-ca.crt"
    cp "$LAB_DIR/pki/node-$1.crt" "$agent/client-kubelet.crt"
    cp "$LAB_DIR/pki/node-$1.key" "$agent/client-kubelet.key"
    kubeconfig "node-$1" "$agent/kubelet.kubeconfig"
    sed -i -E "s,( certificate-authority)-data: .*,\1: $KIND_DATA/agent/server-ca.crt,
        s,( client-certificate)-data: .*,\1: $KIND_DATA/agent/client-kubelet.crt,
        s,( client-key)-data: .*,\1: $KIND_DATA/agent/client-kubelet.key," "$agent/kubelet.kubeconfig"
    {
        echo "node-ip: $(node_address "$1")"
        echo "data-dir: $KIND_DATA"
        [ "$KIND_ROLE" = server ] || echo "server: https://$(node_address "$1"):6443"
    } >"$2/etc/rancher/${KIND_DATA##*/}/config.yaml"
    # What the lab's other nodes have in their configuration.
    sed '/^authentication:/,/^clusterDomain:/d; /^containerRuntimeEndpoint:/d; /^healthz/d' \
        "$LAB_HOME/lib/node-root/var/lib/kubelet/config.yaml" >"$agent/etc/kubelet.conf.d/90-lab.conf"
}
