# shellcheck shell=bash
# Nodes: systemd machines on overlays of one root filesystem, with sshd, a container runtime and the kubelet. The kind of a
# node says what it runs in and which container runtime it has.

NODE_PACKAGES=systemd,systemd-sysv,dbus,openssh-server,containerd,runc,containernetworking-plugins,iproute2,iptables,kmod
NODE_PACKAGES+=,util-linux,procps,curl,ca-certificates,xz-utils,zstd,sudo

# make_node_root ARCHITECTURE KUBELET FOLDER [OPTION...]: with these options of mmdebstrap.
make_node_root() {
    # mmdebstrap can check only with another package whether this host runs programs of that architecture.
    mmdebstrap --architectures="$1" --skip=check/qemu --variant=minbase --include=$NODE_PACKAGES \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "${@:4}" "$DEBIAN" "$3"
    cp -r --preserve=mode "$LAB_HOME/lib/node-root/." "$3"
    cp "$2" "$3/usr/bin/kubelet"
    # Each node gets its own.
    rm -f "$3"/etc/ssh/ssh_host_*
    mkdir -p "$3/opt/cni" "$3/etc/kubernetes/manifests" "$3/etc/kubernetes/pki" "$3/etc/cni/net.d"
    # containerd 2 searches this folder.
    ln -s /usr/lib/cni "$3/opt/cni/bin"
    chroot "$3" useradd --create-home --shell /bin/bash kata
    echo kata:kata-lab | chroot "$3" chpasswd
    chroot "$3" systemctl enable -q lab-node kubelet containerd ssh
}

node_names() { (cd "$LAB_DIR/nodes" 2>/dev/null && ls); }
node_root() { echo "$LAB_DIR/nodes/$1/root"; }
node_kind() { cat "$LAB_DIR/nodes/$1/kind"; }
containerd_version() { cat "$LAB_DIR/nodes/$1/containerd"; }

# make_ssh: makes one key for all nodes, and a configuration with which ssh knows nodes by name.
make_ssh() {
    ssh-keygen -q -t ed25519 -N '' -C "lab $LAB_NAME" -f "$LAB_DIR/ssh/id_ed25519"
    cat >"$LAB_DIR/ssh/config" <<SSH
Host *
    User root
    IdentityFile $LAB_DIR/ssh/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile $LAB_DIR/ssh/known_hosts
    StrictHostKeyChecking yes
    ConnectTimeout 5
    ServerAliveInterval 15
SSH
}

# in_node NODE COMMAND...
in_node() { ssh -F "$LAB_DIR/ssh/config" "$@"; }

# create_node NODE KIND NUMBER
create_node() {
    local node=$1 folder=$LAB_DIR/nodes/$1 root home
    mkdir -p "$folder"/{upper,work,root,runtime-state}
    echo "$2" >"$folder/kind"
    echo "$3" >"$folder/index"
    load_kind "$2"
    "${KIND_MACHINE}_network" "$node"
    root=$(node_root "$node")
    mount -t overlay "$(bridge)" \
        -o "lowerdir=$("${KIND_MACHINE}_base"),upperdir=$folder/upper,workdir=$folder/work" "$root"

    echo "$node" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n%s %s\n' "$(node_address "$node")" "$node" >"$root/etc/hosts"
    ssh-keygen -q -t ed25519 -N '' -C "$node" -f "$root/etc/ssh/ssh_host_ed25519_key"
    for home in root home/kata; do
        mkdir -p "$root/$home/.ssh"
        chmod 700 "$root/$home/.ssh"
        cp "$LAB_DIR/ssh/id_ed25519.pub" "$root/$home/.ssh/authorized_keys"
    done
    chown -R --reference="$root/home/kata" "$root/home/kata"
    echo "$(node_address "$node") $(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >>"$LAB_DIR/ssh/known_hosts"
    printf 'Host %s\n    HostName %s\n' "$node" "$(node_address "$node")" >>"$LAB_DIR/ssh/config"

    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    write_cni_config "$node"
    [ "$KIND_ARCHITECTURE" != amd64 ] || cp "$NVIDIA_CTK/nvidia-ctk" "$root/usr/bin"
    kind_install "$root" >"$folder/containerd"
    certificate "node-$node" "/O=system:nodes/CN=system:node:$node"
    kind_join "$node" "$root"
    "${KIND_MACHINE}_finish" "$node"
}

# join_kubeadm NODE ROOT: writes the files of `kubeadm join`.
join_kubeadm() {
    cp "$LAB_DIR/pki/ca.crt" "$2/etc/kubernetes/pki/ca.crt"
    kubeconfig "node-$1" "$2/etc/kubernetes/kubelet.conf"
    echo "KUBELET_KUBEADM_ARGS=\"--node-ip=$(node_address "$1")\"" >"$2/var/lib/kubelet/kubeadm-flags.env"
}

write_cni_config() { # NODE
    cat >"$(node_root "$1")/etc/cni/net.d/10-lab.conflist" <<CNI
{
  "cniVersion": "1.0.0",
  "name": "lab",
  "plugins": [
    { "type": "ptp", "ipam": { "type": "host-local", "subnet": "$(node_pods "$1")", "routes": [{ "dst": "0.0.0.0/0" }] } }
  ]
}
CNI
}

boot_node() { # NODE
    load_kind_of "$1"
    "${KIND_MACHINE}_boot" "$1"
}

# kill_node NODE: kills all its processes at once, like a power failure.
kill_node() {
    load_kind_of "$1"
    "${KIND_MACHINE}_kill" "$1"
    rm -f "$LAB_DIR/run/node-$1"
}

# wait_for NODE SECONDS COMMAND...: as wait_until, with the time that the machine of the node takes.
wait_for() {
    load_kind_of "$1"
    wait_until $(($("${KIND_MACHINE}_slowness") * $2)) "${@:3}"
}

wait_for_node() { # NODE
    wait_for "$1" 90 in_node "$1" true || fail "$1 does not answer on ssh" "$LAB_DIR/log/node-$1.log"
    wait_for "$1" 60 kind_runtime_answers "$1" || fail_in_node "$1" "$KIND_RUNTIME_UNIT"
}

fail_in_node() { # NODE UNIT
    in_node "$1" journalctl -u "$2" -o cat --no-pager >"$LAB_DIR/log/$1-$2.log" 2>&1 || true
    fail "$2 on $1 does not become ready" "$LAB_DIR/log/$1-$2.log"
}

import_images() { # NODE
    load_kind_of "$1"
    kind_import_images "$1" <"${IMAGES[$KIND_ARCHITECTURE]}/images.tar" >"$LAB_DIR/log/$1-images.log" 2>&1 ||
        fail "could not import the images on $1" "$LAB_DIR/log/$1-images.log"
}
