# shellcheck shell=bash
# Nodes: systemd machines (systemd-nspawn) on overlays of one root filesystem, with sshd, containerd and the kubelet.

NODE_PACKAGES=systemd,systemd-sysv,dbus,openssh-server,containerd,runc,containernetworking-plugins,iproute2,iptables,kmod
NODE_PACKAGES+=,util-linux,procps,curl,ca-certificates,xz-utils,zstd,sudo

# make_node_root FOLDER
make_node_root() {
    mmdebstrap --variant=minbase --include=$NODE_PACKAGES \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$DEBIAN" "$1"
    cp -r --preserve=mode "$LAB_HOME/lib/node-root/." "$1"
    cp "$KUBERNETES/kubelet" "$1/usr/bin/kubelet"
    # Each node has its own.
    rm -f "$1"/etc/ssh/ssh_host_*
    mkdir -p "$1/opt/cni" "$1/etc/kubernetes/manifests" "$1/etc/kubernetes/pki" "$1/etc/cni/net.d"
    # Where containerd 2 looks.
    ln -s /usr/lib/cni "$1/opt/cni/bin"
    chroot "$1" useradd --create-home --shell /bin/bash kata
    echo kata:kata-lab | chroot "$1" chpasswd
    chroot "$1" systemctl enable -q lab-node kubelet containerd ssh
}

node_names() { (cd "$LAB_DIR/nodes" 2>/dev/null && ls); }
node_root() { echo "$LAB_DIR/nodes/$1/root"; }
node_kind() { cat "$LAB_DIR/nodes/$1/kind"; }
containerd_version() { cat "$LAB_DIR/nodes/$1/containerd"; }

# make_ssh: one key for all nodes, and a configuration for ssh in which they have their names.
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
    mkdir -p "$folder"/{upper,work,root,containerd-state}
    echo "$2" >"$folder/kind"
    echo "$3" >"$folder/index"
    if is_vm "$node"; then make_vm_network "$node"; else make_node_network "$node"; fi
    root=$(node_root "$node")
    mount_node "$node"

    echo "$node" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n%s %s\n' "$(node_address "$node")" "$node" >"$root/etc/hosts"
    ssh-keygen -q -t ed25519 -N '' -C "$node" -f "$root/etc/ssh/ssh_host_ed25519_key"
    for home in root home/kata; do
        mkdir -p "$root/$home/.ssh"
        chmod 700 "$root/$home/.ssh"
        cp "$LAB_DIR/ssh/id_ed25519.pub" "$root/$home/.ssh/authorized_keys"
    done
    chroot "$root" chown -R kata:kata /home/kata
    echo "$(node_address "$node") $(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >>"$LAB_DIR/ssh/known_hosts"
    printf 'Host %s\n    HostName %s\n' "$node" "$(node_address "$node")" >>"$LAB_DIR/ssh/config"

    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    write_cni_config "$node"
    "use_containerd_$2" "$root" >"$folder/containerd"

    certificate "node-$node" "/O=system:nodes/CN=system:node:$node"
    cp "$LAB_DIR/pki/ca.crt" "$root/etc/kubernetes/pki/ca.crt"
    kubeconfig "node-$node" "$root/etc/kubernetes/kubelet.conf"
    echo "KUBELET_KUBEADM_ARGS=\"--node-ip=$(node_address "$node")\"" >"$root/var/lib/kubelet/kubeadm-flags.env"
    ! is_vm "$node" || finish_vm "$node"
}

mount_node() { # NODE
    local folder=$LAB_DIR/nodes/$1 lower=$NODE_ROOT
    ! is_vm "$1" || lower=$VM_ROOT
    mount -t overlay "$(bridge)" \
        -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
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

# The containerd of a node, as a user would find it; each prints its version. Where this machine may not lower an oom score,
# containerd has to be told, or runc fails.

use_containerd_1.6() { # ROOT: Debian's package, with its own configuration file
    may_lower_oom_score ||
        sed -i 's/^\( *\)\[plugins."io.containerd.grpc.v1.cri"\]$/&\n\1  restrict_oom_score_adj = true/' "$1/etc/containerd/config.toml"
    chroot "$1" containerd --version | awk '{ sub("~.*", "", $3); print $3 }'
}

use_containerd_2.3() { # ROOT: the project's archive unpacked at /usr/local, with a configuration file that has a folder
    local version
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    cp "$CONTAINERD/"* "$1/usr/local/bin"
    mkdir -p "$1/etc/containerd/conf.d" "$1/usr/local/lib/systemd/system"
    cat >"$1/usr/local/lib/systemd/system/containerd.service" <<'UNIT'
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
UNIT
    chroot "$1" systemctl enable -q containerd
    printf '%s\n' 'version = 4' 'imports = ["/etc/containerd/conf.d/*.toml"]' >"$1/etc/containerd/config.toml"
    may_lower_oom_score ||
        printf '%s\n' '' "[plugins.'io.containerd.cri.v1.runtime']" '  restrict_oom_score_adj = true' >>"$1/etc/containerd/config.toml"
    version=$(module_version containerd github.com/containerd/containerd/v2)
    echo "${version#v}"
}

# may_lower_oom_score: CAP_SYS_RESOURCE is bit 24.
may_lower_oom_score() { ((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status) >> 24 & 1)); }

# Cgroups: each node lives in a cgroup of its own in every hierarchy and sees it as the root, so that two kubelets
# do not take each other's pods for leftovers.

cgroup_hierarchies() { awk '$3 ~ /^cgroup2?$/ && $2 ~ "^/sys/fs/cgroup" { print $2 }' /proc/mounts; }
node_cgroup() { echo "$(bridge)-$1"; }

make_node_cgroups() { # NODE
    local hierarchy parameter folder
    while read -r hierarchy; do
        folder=$hierarchy/$(node_cgroup "$1")
        mkdir -p "$folder"
        for parameter in cpuset.cpus cpuset.mems; do
            # An empty set takes no process (v1).
            [ ! -e "$hierarchy/$parameter" ] || cat "$hierarchy/$parameter" >"$folder/$parameter"
        done
        [ ! -e "$hierarchy/cgroup.subtree_control" ] ||
            sed 's/\S\+/+&/g' "$hierarchy/cgroup.controllers" >"$hierarchy/cgroup.subtree_control"
    done < <(cgroup_hierarchies)
}

node_processes() { # NODE
    local hierarchy
    while read -r hierarchy; do
        [ ! -d "$hierarchy/$(node_cgroup "$1")" ] || find "$hierarchy/$(node_cgroup "$1")" -name cgroup.procs -exec cat {} +
    done < <(cgroup_hierarchies) | sort -u
}

remove_node_cgroups() { # NODE
    local hierarchy status=0
    while read -r hierarchy; do
        [ ! -d "$hierarchy/$(node_cgroup "$1")" ] ||
            find "$hierarchy/$(node_cgroup "$1")" -depth -type d -exec rmdir {} + || status=1
    done < <(cgroup_hierarchies)
    return $status
}

boot_node() { # NODE
    if is_vm "$1"; then boot_vm "$1"; else boot_container "$1"; fi
}

boot_container() { # NODE
    local hierarchy files=()
    make_node_cgroups "$1"
    while read -r hierarchy; do files+=("$hierarchy/$(node_cgroup "$1")/cgroup.procs"); done < <(cgroup_hierarchies)
    # shellcheck disable=SC2016
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes start "node-$1" \
        bash -c 'while [ "$1" != -- ]; do echo $$ >"$1" && shift; done && shift && exec "$@"' - "${files[@]}" -- \
        systemd-nspawn --quiet --boot --directory="$(node_root "$1")" --machine="$(bridge)-$1" --hostname="$1" \
        --network-namespace-path="/run/netns/$(node_netns "$1")" --register=no --keep-unit \
        --capability=all --system-call-filter=@known --resolv-conf=off --timezone=off --link-journal=no \
        --bind="$LAB_DIR/nodes/$1/containerd-state:/var/lib/containerd"
}

# kill_node NODE: all of it at once, as when the power goes.
kill_node() {
    local pids
    pids=$(node_processes "$1" && pid_of "node-$1") || true
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    wait_until 20 is_gone "node-$1" || fail "node $1 does not end" "$LAB_DIR/log/node-$1.log"
    wait_until 20 remove_node_cgroups "$1" || fail "processes of node $1 do not end"
    rm -f "$LAB_DIR/run/node-$1"
    # systemd-nspawn had no time to remove these.
    rm -f "/run/systemd/nspawn/locks/inode-$(stat -c %d:%i "$(node_root "$1")")"
    rm -rf "/run/systemd/nspawn/propagate/$(bridge)-$1"
}

# patience NODE SECONDS: a machine in emulation takes longer.
patience() { if is_vm "$1"; then echo $((5 * $2)); else echo "$2"; fi; }

wait_for_node() { # NODE
    wait_until "$(patience "$1" 90)" in_node "$1" true || fail "$1 does not answer on ssh" "$LAB_DIR/log/node-$1.log"
    wait_until "$(patience "$1" 60)" in_node "$1" ctr version || fail_in_node "$1" containerd
}

fail_in_node() { # NODE UNIT
    in_node "$1" journalctl -u "$2" -o cat --no-pager >"$LAB_DIR/log/$1-$2.log" 2>&1 || true
    fail "$2 does not work on $1" "$LAB_DIR/log/$1-$2.log"
}

import_images() { # NODE
    in_node "$1" ctr -n k8s.io images import - <"$IMAGES/images.tar" >"$LAB_DIR/log/$1-images.log" 2>&1 ||
        fail "the images could not be imported on $1" "$LAB_DIR/log/$1-images.log"
}
