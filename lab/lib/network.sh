# shellcheck shell=bash
# The network of lab number N: a bridge with the host at 10.231.N.1 and the nodes at .11, .12, …, each with 32 pod addresses
# of 10.232.N.0/24. It has no route to the outside: nodes reach only the host and each other.

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

# make_network: takes the first number without a bridge. Making the bridge reserves the number.
make_network() {
    local number=0
    until ip link add "kata-lab$number" type bridge 2>"$LAB_DIR/log/network.log"; do
        [ -e "/sys/class/net/kata-lab$number" ] || fail "could not create a network bridge" "$LAB_DIR/log/network.log"
        number=$((number + 1))
    done
    echo $number >"$LAB_DIR/number"
    ip address add "$(host_address)/24" dev "$(bridge)"
    ip link set "$(bridge)" up
}

# join_pod_networks NODE...: adds to each node the routes to the pods of the others.
join_pod_networks() {
    local from to
    for from; do
        load_kind_of "$from"
        for to; do
            [ "$from" = "$to" ] || "${KIND_MACHINE}_route_pods" "$from" "$to"
        done
    done
}

remove_network() { # NODE...
    local node netns
    [ -e "$LAB_DIR/number" ] || return 0
    for node; do
        netns=$(node_netns "$node")
        # The pair of devices first, because a deleted namespace keeps its own for some time.
        ip link delete "$(bridge)-$(node_index "$node")" 2>/dev/null || true
        [ ! -e "/run/netns/$netns" ] || ip netns delete "$netns"
    done
    [ ! -e "/sys/class/net/$(bridge)" ] || ip link delete "$(bridge)"
    # `ip netns` mounts this folder on itself. Unmount it once no lab has a namespace in it.
    if mountpoint -q /run/netns && [ -z "$(ls /run/netns)" ]; then
        umount /run/netns
        rmdir /run/netns
    fi
}
