# Facts about the distribution of this node, and about distributions that run the kubelet and containerd as parts of one service.
# These render containerd's configuration at each start of that service, so this package writes files that the rendering includes.

DISTRIBUTION=""
CONTAINERD_TEMPLATES=""

# fact NAME [ARGUMENT...]: the answer of this node's distribution, or else the usual one.
fact() {
    local name="$1"
    shift
    if have "${DISTRIBUTION}_$name"; then "${DISTRIBUTION}_$name" "$@"; else "${USUAL_DISTRIBUTION}_$name" "$@"; fi
}

# data_folder PID: the distribution's data folder, in which it unpacks its programs: DATA/data/RELEASE/bin/NAME.
data_folder() { readlink "/proc/$1/exe" | sed -n 's,/data/[^/]*/bin/[^/]*$,,p'; }
embedded_data() { printf '%s\n' "${CONTAINERD_TEMPLATES%/agent/etc/containerd}"; }

# require_own_driver DRIVER: the distribution sets the driver, so it can be requested only if it is in force.
require_own_driver() {
    [ "${CGROUP_DRIVER:-$1}" = "$1" ] || fail "the cgroup driver of this node is $1, not $CGROUP_DRIVER, and $DISTRIBUTION sets it" \
        "remove kubelet.cgroupDriver, or move this node to a component without it; to change the driver, use the settings of $DISTRIBUTION: $(fact driver_place)"
}

# kubelet_limit: the seconds within which the kubelet must be healthy. A service that runs both imports images, which may take
# minutes, before it starts the kubelet.
kubelet_limit() { if [ "$KUBELET_UNIT" = "$CONTAINERD_UNIT" ]; then time_limit "$KUBELET_UNIT"; else echo 60; fi; }

# embedded_logs: the last errors of a containerd and a kubelet that do not log to the journal.
embedded_logs() {
    local file data
    [ -n "$CONTAINERD_TEMPLATES" ] || return 0
    data=$(embedded_data)
    for file in "$data/agent/containerd/containerd.log" "$data/agent/logs/kubelet.log"; do
        grep -hE '^containerd: |level=(error|fatal|panic)|^[EF][0-9]' "$file" 2>/dev/null | tail -n 4 | excerpt | sed 's/^/  | /' || :
    done
}

# http_get URL: the body.
http_get() { if have curl; then curl -fsSk --noproxy '*' -m 5 "$1"; else wget -q --no-check-certificate -T 5 -O - "$1"; fi 2>/dev/null; }

# check_restart: an agent asks a server for its credentials before it starts containerd and the kubelet, again and
# again until one answers. The file names all servers that it knows.
check_restart() {
    local file address
    [ -n "$CONTAINERD_TEMPLATES" ] || return 0
    file=$(embedded_data)/agent/etc/$DISTRIBUTION-agent-load-balancer.json
    case $(tr '\000' ' ' <"/proc/$(systemctl show -p MainPID --value "$KUBELET_UNIT")/cmdline") in *" agent "* | *" agent") ;; *) return 0 ;; esac
    for address in $(grep -oE '"[^"]*:[0-9]+"' "$file" 2>/dev/null | tr -d '"' | sed 's,^https://,,'); do
        if http_get "https://$address/cacerts" >/dev/null; then return 0; fi
    done
    fail "no server in $file answers, so $KUBELET_UNIT would not start containerd again after a restart; nothing was changed" \
        "make one of the servers reachable from this node (curl -k https://SERVER:PORT/cacerts), then run pulumi again"
}
