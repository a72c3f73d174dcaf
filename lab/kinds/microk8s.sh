# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# The shape of a node of MicroK8s: the units, folders and revisions of its snap, and its containerd configuration rendered from a
# template. containerd is the real one of its releases 1.30 to 1.34, and its `kubelite` a stand-in with the real kubelet (stand-ins/).

KIND_ABOUT="a container with a stand-in for MicroK8s, and its containerd 1.7"
KIND_MACHINE=container
KIND_PAUSE_IMAGE=registry.k8s.io/pause:3.10
KIND_RUNTIME_UNIT=snap.microk8s.daemon-containerd
KIND_KUBELET_UNIT=snap.microk8s.daemon-kubelite
KIND_RUNTIME_STATE=/var/snap/microk8s/common/var/lib/containerd

kind_prepare() {
    tool containerd17 "containerd VERSION (2 minutes)" github.com/containerd/containerd \
        "-X github.com/containerd/containerd/version.Version=VERSION" "no_btrfs no_devmapper no_zfs"
    CONTAINERD=$REPLY
    cached stand-in-microk8s "a stand-in for MicroK8s, with the kubelet (6 minutes)" "$LAB_HOME/stand-ins" -- make_microk8s
    STAND_IN=$REPLY
}
make_microk8s() { # FOLDER
    local version=k8s.io/component-base/version
    CGO_ENABLED=0 nice go build -C "$LAB_HOME/stand-ins" -trimpath -buildvcs=false \
        -ldflags "-s -w -X $version.gitVersion=v1.36.3 -X $version.gitMajor=1 -X $version.gitMinor=36" -o "$1/kubelite" ./microk8s
}

kind_runtime_answers() { in_node "$1" /snap/microk8s/current/bin/ctr --address /var/snap/microk8s/common/run/containerd.sock version; }
kind_import_images() {
    in_node "$1" /snap/microk8s/current/bin/ctr --address /var/snap/microk8s/common/run/containerd.sock -n k8s.io images import -
}

kind_install() { # ROOT
    local snap=$1/snap/microk8s/x1 data=$1/var/snap/microk8s/x1 version
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    rm -r "$1/etc/systemd/system/"{kubelet.service,kubelet.service.d,multi-user.target.wants/kubelet.service} "$1/var/lib/kubelet"
    mkdir -p "$snap/"{bin,meta} "$data/"{args/cni-network,args/certs.d,credentials,certs,opt/cni} "$1/var/snap/microk8s/common/"{run,var/lib/kubelet}
    ln -s x1 "$snap/../current"
    ln -s x1 "$data/../current"
    # Where nothing stood there. [read]
    ln -s /var/snap/microk8s/common/var/lib/kubelet "$1/var/lib/kubelet"
    mv "$1/usr/sbin/runc" "$snap/bin"
    rm "$1/usr/bin/kubelet" "$1/usr/bin/runc"
    cp "$CONTAINERD/"* "$snap/bin"
    cp "$STAND_IN/kubelite" "$LAB_HOME/stand-ins/microk8s/"run-* "$snap"
    printf '%s\n' 'name: microk8s' 'version: v1.36.3' 'confinement: classic' >"$snap/meta/snap.yaml"
    cp "$LAB_HOME/stand-ins/microk8s/snap" "$1/usr/bin"
    install_arguments "$1" "$data"
    install_units "$1"
    version=$(module_version containerd17 github.com/containerd/containerd)
    echo "${version#v}"
}

# install_arguments ROOT DATA: the folder args. [read]
install_arguments() {
    cp "$LAB_HOME/stand-ins/microk8s/containerd-template.toml" "$2/args"
    "${KIND_MACHINE}_may_lower_oom_score" ||
        sed -i 's/^\[plugins."io.containerd.grpc.v1.cri"\]$/&\n  restrict_oom_score_adj = true/' "$2/args/containerd-template.toml"
    # shellcheck disable=SC2016 # they are replaced at each start
    printf '%s\n' '--config ${SNAP_DATA}/args/containerd.toml' '--root ${SNAP_COMMON}/var/lib/containerd' \
        '--state ${SNAP_COMMON}/run/containerd' '--address ${SNAP_COMMON}/run/containerd.sock' >"$2/args/containerd"
    # shellcheck disable=SC2016
    printf '%s\n' '# KATA_PATH=' 'PATH=$PATH:$KATA_PATH' 'ulimit -n 65536 || true' >"$2/args/containerd-env"
    # shellcheck disable=SC2016
    printf '%s\n' '--kubelet-args-file=$SNAP_DATA/args/kubelet' '--start-control-plane=true' >"$2/args/kubelite"
    ln -s /usr/lib/cni "$2/opt/cni/bin"
    mv "$1/etc/cni/net.d/10-lab.conflist" "$2/args/cni-network"
    # PATH without /usr/local/bin, which some machines may have: then containerd finds no shim there. [infer]
    echo 'PATH="/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"' >"$1/etc/environment"
}

# install_units ROOT: as snapd writes them. [infer]
install_units() {
    local name
    for name in containerd kubelite; do
        cat >"$1/etc/systemd/system/snap.microk8s.daemon-$name.service" <<UNIT
[Unit]
Description=Service for snap application microk8s.daemon-$name
Wants=network.target
After=network.target lab-node.service $([ $name = containerd ] || echo snap.microk8s.daemon-containerd.service)

[Service]
EnvironmentFile=-/etc/environment
ExecStart=/usr/bin/snap run microk8s.daemon-$name
SyslogIdentifier=microk8s.daemon-$name
Restart=always
WorkingDirectory=/var/snap/microk8s/x1
$(if [ $name = containerd ]; then printf '%s\n' Type=notify KillMode=process KillSignal=SIGTERM TimeoutStartSec=300; else echo Type=simple; fi)
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
UNIT
        chroot "$1" systemctl enable -q "snap.microk8s.daemon-$name"
    done
}

kind_join() { # NODE ROOT
    local data=/var/snap/microk8s/x1
    cp "$LAB_DIR/pki/ca.crt" "$2$data/certs/ca.crt"
    cp "$LAB_DIR/pki/node-$1.crt" "$2$data/certs/kubelet.crt"
    cp "$LAB_DIR/pki/node-$1.key" "$2$data/certs/kubelet.key"
    # It contains the authority and names files with the other credentials. [read]
    kubeconfig "node-$1" "$2$data/credentials/kubelet.config"
    sed -i -E "s,( client-certificate)-data: .*,\1: $data/certs/kubelet.crt,; s,( client-key)-data: .*,\1: $data/certs/kubelet.key," \
        "$2$data/credentials/kubelet.config"
    # The first lines are those of MicroK8s [read], the others those of the lab.
    cat >"$2$data/args/kubelet" <<ARGUMENTS
--kubeconfig=\${SNAP_DATA}/credentials/kubelet.config
--cert-dir=\${SNAP_DATA}/certs
--client-ca-file=\${SNAP_DATA}/certs/ca.crt
--anonymous-auth=false
--root-dir=\${SNAP_COMMON}/var/lib/kubelet
--fail-swap-on=false
--container-runtime-endpoint=\${SNAP_COMMON}/run/containerd.sock
--node-labels="microk8s.io/cluster=true,node.kubernetes.io/microk8s-controlplane=microk8s-controlplane"
--authentication-token-webhook=true
--read-only-port=0
--eviction-hard="memory.available<1Mi,nodefs.available<0%,imagefs.available<0%"
--node-ip=$(node_address "$1")
--authentication-token-webhook-cache-ttl=0s
--authorization-mode=Webhook
--authorization-webhook-cache-authorized-ttl=0s
--authorization-webhook-cache-unauthorized-ttl=0s
--cluster-dns=10.233.0.10
--cluster-domain=cluster.local
--enforce-node-allocatable=none
--fail-cgroupv1=false
--image-gc-high-threshold=100
--node-status-update-frequency=2s
ARGUMENTS
}
