# MicroK8s: a snap. Its process kubelite contains the kubelet, and containerd is a service of its own, whose configuration is
# rendered from a template at each start. A refresh copies the folder of the arguments to that of another revision.
DISTRIBUTIONS="$DISTRIBUTIONS microk8s"
microk8s_units() { echo 'snap.microk8s.daemon-*.service'; }
microk8s_start_command() { echo "snap start microk8s"; }
microk8s_kubelet_names() { echo kubelite; }
# It waits for its API server, up to 360 seconds, before it starts the kubelet.
microk8s_kubelet_seconds() { echo 420; }
microk8s_driver_place() { echo "--cgroup-driver in /var/snap/microk8s/current/args/kubelet, together with SystemdCgroup in the options of runc, and of each runtime of its type, in containerd-template.toml"; }
microk8s_sets_driver() { :; }

# The strict snap confines what Kata does.
microk8s_check() {
    ! grep -qs '^confinement: *strict' "$(microk8s_snap)/meta/snap.yaml" || fail "the snap of MicroK8s on this node is the strict one, which does not allow Kata Containers" \
        "remove this node from \`nodes\`; Kata Containers needs the classic snap, and a replacement of the snap deletes the cluster data of the node"
}
microk8s_snap() { echo /snap/microk8s/current; }
microk8s_version() { sed -n 's/^version: *v//p' "$(microk8s_snap)/meta/snap.yaml"; }

# The flags are in a file, which kubelite reads: lines with variables, and with quotes that it drops.
microk8s_kubelet_flag() { # PID NAME
    local file data
    file=$(flag "$1" --kubelet-args-file | microk8s_current)
    file=${file:-/var/snap/microk8s/current/args/kubelet}
    data=${file%/args/*}
    sed "/^[[:space:]]*#/d; s/[\"']//g; s,\${*SNAP_DATA}*,$data,g; s,\${*SNAP_COMMON}*,${data%/*}/common,g" "$file" | tr ' ' '\n' |
        sed -n "/^$2\$/{ n; p; }; s/^$2=//p" | tail -n 1
}

# The paths that another revision has as well.
microk8s_current() { sed 's,/snap/microk8s/[^/]*/,/snap/microk8s/current/,'; }
microk8s_containerd() { printf '%s\n' "$2" | microk8s_current; } # PID PROGRAM
microk8s_config_source() { printf '%s\n' "$1" | microk8s_current | sed 's,/args/containerd\.toml$,/args/containerd-template.toml,'; } # CONFIG
microk8s_config_in_force() { printf '%s\n' "$1" | sed 's,/args/containerd-template\.toml$,/args/containerd.toml,'; }               # SOURCE
microk8s_render() {
    sed "s,\${SNAP},$(microk8s_snap),g; s,\${SNAP_DATA},${CONTAINERD_CONFIG%/args/*},g; s,\${SNAPSHOTTER},overlayfs,g
        s,\${RUNTIME},runc,g; s,\${RUNTIME_TYPE},io.containerd.runc.v2,g"
}
