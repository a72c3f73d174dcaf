# shellcheck shell=bash
# The network of lab number N: a bridge with the host at 10.231.N.1; nodes at .11, .12, … in network namespaces of their own,
# each with 32 pod addresses out of 10.232.N.0/24. Nothing leads out of it: nodes reach the host and one another.

# shellcheck disable=SC2034 # for `up`
NODE_LIMIT=8

lab_number() { cat "$LAB_DIR/number"; }
host_address() { echo "10.231.$(lab_number).1"; }
bridge() { echo "kata-lab$(lab_number)"; }
node_index() { cat "$LAB_DIR/nodes/$1/index"; }
address_of() { echo "10.231.$(lab_number).$((11 + $1))"; } # INDEX
pods_of() { echo "10.232.$(lab_number).$((32 * $1))/27"; } # INDEX
node_address() { address_of "$(node_index "$1")"; }
node_pods() { pods_of "$(node_index "$1")"; }
node_netns() { echo "$(bridge)-$1"; }

# make_network: takes the first number that no other lab has; making the bridge is what takes it.
make_network() {
    local number=0
    until ip link add "kata-lab$number" type bridge 2>"$LAB_DIR/log/network.log"; do
        [ -e "/sys/class/net/kata-lab$number" ] || fail "no bridge could be made" "$LAB_DIR/log/network.log"
        number=$((number + 1))
    done
    echo $number >"$LAB_DIR/number"
    ip address add "$(host_address)/24" dev "$(bridge)"
    ip link set "$(bridge)" up
}

make_node_network() { # NODE
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

# join_pod_networks NODE...: each node is told where the pods of the others are.
join_pod_networks() {
    local from to
    for from; do
        # A machine finds them by itself.
        ! is_vm "$from" || continue
        for to; do
            [ "$from" = "$to" ] || ip -n "$(node_netns "$from")" route replace "$(node_pods "$to")" via "$(node_address "$to")"
        done
    done
}

remove_network() { # NODE...
    local node netns
    [ -e "$LAB_DIR/number" ] || return 0
    for node; do
        netns=$(node_netns "$node")
        # The pair of devices first: a namespace takes its own away some time later.
        ip link delete "$(bridge)-$(node_index "$node")" 2>/dev/null || true
        [ ! -e "/run/netns/$netns" ] || ip netns delete "$netns"
    done
    [ ! -e "/sys/class/net/$(bridge)" ] || ip link delete "$(bridge)"
    # `ip netns` mounts this folder on itself. Without a namespace in it, of this or another lab, it can go.
    if mountpoint -q /run/netns && [ -z "$(ls /run/netns)" ]; then
        umount /run/netns
        rmdir /run/netns
    fi
}
