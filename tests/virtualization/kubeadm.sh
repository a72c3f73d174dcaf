# shellcheck shell=bash
# A cluster of one node with kubeadm, the machine's containerd, and the Kubernetes release of the lab.

make_cluster() { # NODE
    local release keys=/etc/apt/keyrings/kubernetes.gpg
    release=$(module_version kubernetes k8s.io/kubernetes)
    release=https://pkgs.k8s.io/core:/stable:/${release%.*}/deb
    curl -fsSL "$release/Release.key" | gpg --dearmor --yes -o $keys
    echo "deb [signed-by=$keys] $release/ /" >/etc/apt/sources.list.d/kubernetes.list
    apt-get update -q
    apt-get install -qy kubelet kubeadm kubectl kubernetes-cni

    # Docker's package disables CRI.
    containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
    systemctl restart containerd
    mkdir -p /etc/cni/net.d
    cat >/etc/cni/net.d/10-ptp.conflist <<'CNI'
{
  "cniVersion": "1.0.0",
  "name": "ptp",
  "plugins": [
    { "type": "ptp", "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.244.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] } }
  ]
}
CNI
    swapoff -a
    modprobe br_netfilter
    sysctl -q net.ipv4.ip_forward=1
    kubeadm init --node-name="$1" --pod-network-cidr=10.244.0.0/16
    export KUBECONFIG=/etc/kubernetes/admin.conf
    kubectl taint nodes --all node-role.kubernetes.io/control-plane-
}
