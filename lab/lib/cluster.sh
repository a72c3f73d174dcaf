# shellcheck shell=bash
# The control plane on the host (etcd, kube-apiserver, kube-controller-manager, kube-scheduler) and its certificates.

# shellcheck disable=SC2034 # for `status` and `down`
CONTROL_PLANE=(etcd kube-apiserver kube-controller-manager kube-scheduler)
SERVICES=10.233.0.0/24

make_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj /CN=kubernetes \
        -keyout "$LAB_DIR/pki/ca.key" -out "$LAB_DIR/pki/ca.crt" 2>"$LAB_DIR/log/pki.log"
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$LAB_DIR/pki/service-account.key" 2>>"$LAB_DIR/log/pki.log"
    openssl pkey -in "$LAB_DIR/pki/service-account.key" -pubout -out "$LAB_DIR/pki/service-account.pub"
}

# certificate NAME SUBJECT [NAMES]: for a server with these NAMES, otherwise for a client.
certificate() {
    local use=(-addext extendedKeyUsage=clientAuth)
    [ -z "${3-}" ] || use=(-addext extendedKeyUsage=serverAuth -addext "subjectAltName=$3")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj "$2" \
        -CA "$LAB_DIR/pki/ca.crt" -CAkey "$LAB_DIR/pki/ca.key" \
        -addext basicConstraints=critical,CA:false -addext keyUsage=critical,digitalSignature \
        "${use[@]}" -keyout "$LAB_DIR/pki/$1.key" -out "$LAB_DIR/pki/$1.crt" 2>>"$LAB_DIR/log/pki.log" ||
        fail "could not create the certificate $1" "$LAB_DIR/log/pki.log"
}

# kubeconfig CERTIFICATE FILE
kubeconfig() {
    (umask 077 && cat >"$2") <<KUBECONFIG
apiVersion: v1
kind: Config
clusters:
- name: $LAB_NAME
  cluster:
    server: https://$(host_address):6443
    certificate-authority-data: $(base64 -w0 "$LAB_DIR/pki/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$LAB_DIR/pki/$1.crt")
    client-key-data: $(base64 -w0 "$LAB_DIR/pki/$1.key")
contexts:
- name: $LAB_NAME
  context:
    cluster: $LAB_NAME
    user: $1
current-context: $LAB_NAME
KUBECONFIG
}

kubectl() { "$LAB_DIR/bin/kubectl" --kubeconfig="$LAB_DIR/admin.kubeconfig" "$@"; }

make_certificates() {
    local component
    make_authority
    certificate apiserver /CN=kube-apiserver \
        "IP:$(host_address),IP:${SERVICES%.0/*}.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
    certificate admin /O=system:masters/CN=kubernetes-admin
    kubeconfig admin "$LAB_DIR/admin.kubeconfig"
    for component in kube-controller-manager kube-scheduler; do
        certificate $component /CN=system:$component
        kubeconfig $component "$LAB_DIR/pki/$component.kubeconfig"
    done
}

start_control_plane() {
    local host pki=$LAB_DIR/pki
    host=$(host_address)
    start etcd "$ETCD/usr/bin/etcd" --data-dir="$LAB_DIR/etcd" --name=lab \
        --listen-client-urls="http://$host:2379" --advertise-client-urls="http://$host:2379" \
        --listen-peer-urls="http://$host:2380" --initial-advertise-peer-urls="http://$host:2380" \
        --initial-cluster="lab=http://$host:2380"
    start kube-apiserver "$KUBERNETES/kube-apiserver" --etcd-servers="http://$host:2379" \
        --bind-address="$host" --advertise-address="$host" --service-cluster-ip-range=$SERVICES \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
        --kubelet-preferred-address-types=InternalIP \
        --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt" \
        --kubelet-client-key="$pki/apiserver-kubelet-client.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$pki/service-account.pub" --service-account-signing-key-file="$pki/service-account.key"
    wait_until 60 kubectl get --raw /readyz || fail "kube-apiserver does not become ready" "$LAB_DIR/log/kube-apiserver.log"
    start kube-controller-manager "$KUBERNETES/kube-controller-manager" --bind-address="$host" --leader-elect=false \
        --kubeconfig="$pki/kube-controller-manager.kubeconfig" --root-ca-file="$pki/ca.crt" \
        --service-account-private-key-file="$pki/service-account.key" --use-service-account-credentials=true
    start kube-scheduler "$KUBERNETES/kube-scheduler" --bind-address="$host" --leader-elect=false \
        --kubeconfig="$pki/kube-scheduler.kubeconfig"
}

# wait_until_pods_can_start: a pod needs the default service account, which the controller manager makes a moment after its start.
wait_until_pods_can_start() {
    wait_until 60 kubectl get serviceaccount default ||
        fail "kube-controller-manager does not create the default service account" "$LAB_DIR/log/kube-controller-manager.log"
}

# node_is_ready NODE [SINCE]: the node is Ready, with a heartbeat after SINCE: a dead kubelet's condition stays for a while.
node_is_ready() {
    local ready heartbeat
    read -r ready heartbeat < <(kubectl get node "$1" \
        -o jsonpath='{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{"\n"}{end}')
    [ "$ready" = True ] && [[ ! $heartbeat < ${2-} ]]
}

wait_until_ready() { # NODE [SINCE]
    wait_for "$1" 120 node_is_ready "$@" || fail_in_node "$1" "$KIND_KUBELET_UNIT"
}
