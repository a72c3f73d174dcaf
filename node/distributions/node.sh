# The Node of this machine in the cluster, and its RuntimeClasses: asked with the credentials of the kubelet.

# ask_cluster [FORM]: puts the metadata of this Node and of the RuntimeClasses that a probe asks for, by their names, as JSON in
# $WORK_DIR/node and $WORK_DIR/runtime-classes, or the whole objects if FORM is empty. It reads them with the kubelet's
# credentials; null and {} if those come from a plugin, for instance of a cloud, or if the API server does not answer.
ask_cluster() {
    local server name form="${1-;as=PartialObjectMetadata;g=meta.k8s.io;v=v1}"
    printf null >"$WORK_DIR/node"
    printf '{}' >"$WORK_DIR/runtime-classes"
    if [ -z "$NODE" ] || ! have curl; then return; fi
    [ -f "$WORK_DIR/server" ] || find_server
    grep -qs '^key = ' "$WORK_DIR/credentials" || return 0
    server=$(cat "$WORK_DIR/server" 2>/dev/null) || return 0
    set -- -o "$WORK_DIR/answer" "$server/api/v1/nodes/$NODE"
    for name in $(given "" runtime-class); do
        set -- "$@" -o "$WORK_DIR/answer-$name" "$server/apis/node.k8s.io/v1/runtimeclasses/$name"
    done
    curl -sS --fail-early -m 10 --noproxy '*' -H "Accept: application/json$form" -K "$WORK_DIR/credentials" "$@" 2>/dev/null || return 0
    mv "$WORK_DIR/answer" "$WORK_DIR/node"
    for name in $(given "" runtime-class); do
        printf '"%s":%s\n' "$name" "$(tr -d '\n' <"$WORK_DIR/answer-$name")"
    done | paste -s -d , - | sed 's/.*/{&}/' >"$WORK_DIR/runtime-classes"
}

# find_server: $WORK_DIR/server gets the URL of the kubelet's API server, and credentials the paths of its credentials for curl, if
# they are known. The kubelet's kubeconfig has one cluster and one user, and names files or contains the data.
find_server() {
    local kubeconfig name value
    rm -f "$WORK_DIR/server" "$WORK_DIR/credentials"
    kubeconfig=$(kubelet_kubeconfig "$(kubelet_pid)" 2>/dev/null) || kubeconfig=""
    [ -r "$kubeconfig" ] || return 0
    sed -nE "s/^[-[:space:]]*(server|certificate-authority|client-certificate|client-key)(-data)?:[[:space:]]*[\"']?([^\"'[:space:]]+).*/\1\2 \3/p" "$kubeconfig" |
        while read -r name value; do
            case $name in
                server) printf '%s\n' "$value" >"$WORK_DIR/server" && continue ;;
                *-data)
                    name=${name%-data}
                    printf %s "$value" | base64 -d >"$WORK_DIR/$name"
                    value=$WORK_DIR/$name
                    ;;
            esac
            case $name in certificate-authority) name=cacert ;; client-certificate) name=cert ;; client-key) name=key ;; esac
            printf '%s = "%s"\n' "$name" "$value"
        done >"$WORK_DIR/credentials"
}

# kubelet_node_name: the node as which the kubelet registers this machine: the one in its client certificate, else its
# flag, else the name of the machine in lower case, which are its own rules.
kubelet_node_name() {
    local name
    find_server
    name=$(sed -n 's/^cert = "\(.*\)"$/\1/p' "$WORK_DIR/credentials" 2>/dev/null) || name=/var/lib/kubelet/pki/kubelet-client-current.pem
    name=$(openssl x509 -noout -subject -nameopt RFC2253 -in "$name" 2>/dev/null |
        sed -n 's/.*CN *= *system:node:\([^,]*\).*/\1/p')
    [ -n "$name" ] || name=$(fact kubelet_flag "$KUBELET_PID" --hostname-override)
    printf '%s\n' "${name:-$(uname -n)}" | tr '[:upper:]' '[:lower:]'
}

# check_node_exists: refuses a Node that was deleted, because the label would create it again. If the
# kubelet's credentials come from a plugin, this is not checked; a healthy kubelet registered its Node when it started.
check_node_exists() {
    ask_cluster
    if grep -q '"code": *404' "$WORK_DIR/node"; then
        fail "the cluster has no Node $NODE; nothing was changed" \
            "restart the kubelet, which registers it (systemctl restart $KUBELET_UNIT), or remove $NODE from \`nodes\`"
    fi
}
