# shellcheck shell=bash
# The inventory of a lab, and the environment variables with which pulumi and kubectl use it.

write_inventory() {
    local node
    for node in $(node_names); do
        load_kind_of "$node"
        jq -n --arg name "$node" --arg host "$(node_address "$node")" --arg key "$LAB_DIR/ssh/id_ed25519" \
            --arg hostKey "$(awk -v host="$(node_address "$node")" '$1 == host { print $2, $3 }' "$LAB_DIR/ssh/known_hosts")" \
            --arg containerd "$(containerd_version "$node")" --arg root "$(node_root "$node")" --arg kind "$(node_kind "$node")" \
            --arg machine "$KIND_MACHINE" \
            '{ ($name): { $host, port: 22, user: "root", privateKeyFile: $key, $hostKey, $kind, $machine, $containerd,
                root: (if $machine == "container" then $root else null end) } }'
    done | jq -s --arg name "$LAB_NAME" --arg kubeconfig "$LAB_DIR/admin.kubeconfig" \
        --arg url "http://$(host_address):8080/{version}/{archive}" --slurpfile checksums "$MINIATURE/checksums.json" \
        '{ $name, $kubeconfig, nodes: add, releases: { $url, checksums: $checksums[0] } }' >"$LAB_DIR/inventory.part"
    mv "$LAB_DIR/inventory.part" "$LAB_DIR/inventory.json"
}

# link_tools: makes a folder for PATH, and a PULUMI_HOME with the plugins.
link_tools() {
    local name from folder
    mkdir -p "$LAB_DIR/bin" "$LAB_DIR/backend"
    for folder in "${TOOLS[@]}" "$ETCD/usr/bin"; do ln -s "$folder"/* "$LAB_DIR/bin"; done
    for name in "${!PLUGINS[@]}"; do
        folder=$LAB_DIR/pulumi/plugins/$name
        from=${PLUGINS[$name]}
        mkdir -p "$folder"
        if [ -d "$from" ]; then
            ln -s "$from"/* "$folder"
        else
            ln -s "$from" "$folder/pulumi-$(sed -E 's/-v[0-9.]+$//' <<<"$name")"
        fi
    done
}

print_environment() {
    cat <<ENVIRONMENT
export PATH="$LAB_DIR/bin:\$PATH"
export PULUMI_HOME="$LAB_DIR/pulumi"
export PULUMI_BACKEND_URL="file://$LAB_DIR/backend"
export PULUMI_CONFIG_PASSPHRASE="kata-lab"
export PULUMI_SKIP_UPDATE_CHECK="true"
export KUBECONFIG="$LAB_DIR/admin.kubeconfig"
export LAB_INVENTORY="$LAB_DIR/inventory.json"
ENVIRONMENT
}
