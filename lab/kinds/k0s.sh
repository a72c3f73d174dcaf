# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# The shape of a k0s worker of release 1.36 with another data folder: its unit, its folders, and the real containerd and kubelet as
# children of a stand-in for `k0s` (stand-ins/), which watches the folder of containerd's drop-in files. Marks as there.

KIND_ABOUT="a container with a stand-in for a k0s 1.36 worker, and its containerd 2.3"
KIND_MACHINE=container
KIND_PAUSE_IMAGE=registry.k8s.io/pause:3.10.2
KIND_RUNTIME_UNIT=k0sworker
KIND_KUBELET_UNIT=k0sworker
KIND_DATA=/srv/k0s
KIND_RUNTIME_STATE=$KIND_DATA/containerd
KIND_CRI_TABLE="plugins.'io.containerd.cri.v1.runtime'"

kind_prepare() {
    tool containerd "containerd VERSION, as Debian has 1.6 (1 minute)" github.com/containerd/containerd/v2 \
        "-X github.com/containerd/containerd/v2/version.Version=VERSION" "no_btrfs no_devmapper no_zfs"
    CONTAINERD=$REPLY
    prepare_k0s
}
prepare_k0s() {
    cached stand-in-k0s "a stand-in for k0s (10 seconds)" "$LAB_HOME/stand-ins/k0s" "$LAB_HOME/stand-ins/go.sum" -- make_k0s
    K0S_STAND_IN=$REPLY
}
make_k0s() { CGO_ENABLED=0 nice go build -C "$LAB_HOME/stand-ins" -trimpath -buildvcs=false -o "$1/k0s" ./k0s; } # FOLDER

kind_runtime_answers() { in_node "$1" k0s ctr version; }
kind_import_images() { in_node "$1" k0s ctr images import -; }

kind_install() { # ROOT
    local version
    install_k0s "$1" "$CONTAINERD"
    version=$(module_version containerd github.com/containerd/containerd/v2)
    echo "${version#v}"
}

# install_k0s ROOT PROGRAMS: with containerd, its shim and ctr from that folder.
install_k0s() {
    local programs=$1$KIND_DATA/bin
    # It unpacks its programs into this folder; ctr is a part of itself. [read]
    mkdir -p "$programs" "$1/usr/local/lib/lab" "$1/etc/k0s/containerd.d"
    cp "$2"/{containerd,containerd-shim-runc-v2} "$1/usr/sbin/runc" "$programs"
    cp "$2/ctr" "$1/usr/local/lib/lab"
    mv "$1/usr/bin/kubelet" "$programs"
    cp "$K0S_STAND_IN/k0s" "$1/usr/local/bin"
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    rm -r "$1/etc/systemd/system/"{kubelet.service,kubelet.service.d,multi-user.target.wants/kubelet.service} \
        "$1/var/lib/kubelet/config.yaml" "$1/usr/sbin/runc" "$1/usr/bin/runc"
    # For the lab: OOM scores that it may not lower.
    "${KIND_MACHINE}_may_lower_oom_score" ||
        printf '[%s]\n  restrict_oom_score_adj = true\n' "$KIND_CRI_TABLE" >"$1/etc/k0s/containerd.d/lab.toml"
}

# The unit as `k0s install` writes it. [read] The kubelet's kubeconfig names the file with its credentials. [own]
kind_join() { # NODE ROOT
    local folder=$2$KIND_DATA
    cat >"$2/etc/systemd/system/k0sworker.service" <<UNIT
[Unit]
Description=k0s - Zero Friction Kubernetes, a stand-in
After=network-online.target lab-node.service
Wants=network-online.target

[Service]
StartLimitInterval=5
StartLimitBurst=10
ExecStart=/usr/local/bin/k0s worker --data-dir=$KIND_DATA --kubelet-extra-args=--node-ip=$(node_address "$1")
RestartSec=10
Delegate=yes
KillMode=process
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
LimitNOFILE=999999
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
    chroot "$2" systemctl enable -q k0sworker
    mkdir -p "$folder/kubelet/pki" "$folder/pki"
    cp "$LAB_DIR/pki/ca.crt" "$folder/pki"
    cat "$LAB_DIR/pki/node-$1".{crt,key} >"$folder/kubelet/pki/kubelet-client-current.pem"
    kubeconfig "node-$1" "$folder/kubelet.conf"
    sed -i -E "s,( client-(certificate|key))-data: .*,\1: $KIND_DATA/kubelet/pki/kubelet-client-current.pem," "$folder/kubelet.conf"
    # The kubelet's cgroup is not that of its unit. [read]
    {
        sed "s,/etc/kubernetes/pki,$KIND_DATA/pki,; /^containerRuntimeEndpoint:/d" "$LAB_HOME/lib/node-root/var/lib/kubelet/config.yaml"
        printf '%s\n' "kubeReservedCgroup: system.slice" "kubeletCgroups: /system.slice/containerd.service"
    } >"$folder/lab-worker-profile.yaml"
}
