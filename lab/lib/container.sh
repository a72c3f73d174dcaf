# shellcheck shell=bash
# Nodes that are systemd-nspawn containers: each has its own network namespace, and its own cgroup in every hierarchy, which
# it sees as the root, so that no kubelet removes the pods of another node as orphans.

container_prepare() { :; }

# The root filesystem under the overlay of a node.
container_base() { echo "$NODE_ROOT"; }

# The factor by which timeouts are multiplied.
container_slowness() { echo 1; }

# CAP_SYS_RESOURCE is bit 24.
container_may_lower_oom_score() { ((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status) >> 24 & 1)); }

container_network() { # NODE
    local netns veth
    netns=$(node_netns "$1")
    veth="$(bridge)-$(node_index "$1")"
    ip netns add "$netns"
    ip link add "$veth" type veth peer name eth0 netns "$netns"
    ip link set "$veth" master "$(bridge)" up
    ip -n "$netns" link set lo up
    ip -n "$netns" link set eth0 up
    ip -n "$netns" address add "$(node_address "$1")/24" dev eth0
    ip -n "$netns" route add default via "$(host_address)"
    ip route add "$(node_pods "$1")" via "$(node_address "$1")"
}

# container_route_pods NODE OTHER: adds a route to the pods of OTHER on NODE.
container_route_pods() { ip -n "$(node_netns "$1")" route replace "$(node_pods "$2")" via "$(node_address "$2")"; }

container_finish() { :; } # NODE

cgroup_hierarchies() { awk '$3 ~ /^cgroup2?$/ && $2 ~ "^/sys/fs/cgroup" { print $2 }' /proc/mounts; }
node_cgroup() { echo "$(bridge)-$1"; }

make_node_cgroups() { # NODE
    local hierarchy parameter folder
    while read -r hierarchy; do
        folder=$hierarchy/$(node_cgroup "$1")
        mkdir -p "$folder"
        for parameter in cpuset.cpus cpuset.mems; do
            # With cgroup v1, no process can join a cpuset that is empty.
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

container_boot() { # NODE
    local hierarchy files=()
    make_node_cgroups "$1"
    while read -r hierarchy; do files+=("$hierarchy/$(node_cgroup "$1")/cgroup.procs"); done < <(cgroup_hierarchies)
    # shellcheck disable=SC2016
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes start "node-$1" \
        bash -c 'while [ "$1" != -- ]; do echo $$ >"$1" && shift; done && shift && exec "$@"' - "${files[@]}" -- \
        systemd-nspawn --quiet --boot --directory="$(node_root "$1")" --machine="$(bridge)-$1" --hostname="$1" \
        --network-namespace-path="/run/netns/$(node_netns "$1")" --register=no --keep-unit \
        --capability=all --system-call-filter=@known --resolv-conf=off --timezone=off --link-journal=no \
        --bind="$LAB_DIR/nodes/$1/runtime-state:$KIND_RUNTIME_STATE"
}

# container_kill NODE: kills all its processes at once, like a power failure.
container_kill() {
    local pids
    pids=$(node_processes "$1" && pid_of "node-$1") || true
    # Stopped first: in a power failure, no process sees another one end and reports it over a connection.
    # shellcheck disable=SC2086
    [ -z "$pids" ] || { kill -STOP $pids; kill -KILL $pids; } 2>/dev/null || true
    wait_until 20 is_gone "node-$1" || fail "node $1 does not stop" "$LAB_DIR/log/node-$1.log"
    wait_until 20 remove_node_cgroups "$1" || fail "processes of node $1 do not stop"
    # A killed systemd-nspawn leaves these files behind.
    rm -f "/run/systemd/nspawn/locks/inode-$(stat -c %d:%i "$(node_root "$1")")"
    rm -rf "/run/systemd/nspawn/propagate/$(bridge)-$1"
}
