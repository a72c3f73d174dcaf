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

# embedded_setting UNIT PATTERN: the last value behind that pattern in the settings of the distribution: its files and then, as
# lines of such a file, the flags in the command line of UNIT, whose process hides them.
embedded_setting() {
    { embedded_files; embedded_flags "$1"; } | sed -n "s/$2\([^]\"',[:space:]]*\).*/\1/p" | tail -n 1
}
# Each ends with a newline.
embedded_files() { grep -h '' "/etc/rancher/$DISTRIBUTION/config.yaml" "/etc/rancher/$DISTRIBUTION/config.yaml.d"/*.yaml 2>/dev/null || :; }
embedded_flags() { # UNIT
    systemctl show -p ExecStart --value "$1" 2>/dev/null | awk '{
        sub(/.* argv\[\]=/, "")
        sub(/ ; .*/, "")
        n = split($0, part, / -+/)
        for (i = 2; i <= n; i++) {
            if (!sub(/[= ]/, ": ", part[i])) part[i] = part[i] ": true"
            print part[i]
        }
    }'
}
# embedded_entry UNIT NAME: an entry at the top level of these settings.
embedded_entry() { embedded_setting "$1" "^$2:[[:space:]\"']*"; }

# The place where both set the driver, or rather what they go by.
embedded_driver_place() {
    echo "the way its service is started, for containerd and the kubelet as a pair (systemd under systemd with the cgroup controller cpuset, otherwise cgroupfs), and is not meant to get another one"
}
# require_own_driver DRIVER: the distribution sets the driver, so it can be requested only if it is in force.
require_own_driver() {
    [ "${CGROUP_DRIVER:-$1}" = "$1" ] || fail "the cgroup driver of this node is $1, not $CGROUP_DRIVER, and $DISTRIBUTION sets it" \
        "remove kubelet.cgroupDriver, or move this node to a component without it; $DISTRIBUTION takes the driver from $(fact driver_place)"
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
# again until one answers.
check_restart() {
    local main address servers
    [ -n "$CONTAINERD_TEMPLATES" ] || return 0
    main=$(systemctl show -p MainPID --value "$KUBELET_UNIT")
    case $(tr '\000' ' ' <"/proc/$main/cmdline") in *" agent "* | *" agent") ;; *) return 0 ;; esac
    servers=$(known_servers | unique)
    if [ -z "$servers" ]; then
        say "warning: found no server of this agent, so none is asked; until one answers, $KUBELET_UNIT does not start containerd again after its restart"
        return
    fi
    for address in $servers; do
        if http_get "https://$address/cacerts" >/dev/null; then return 0; fi
    done
    fail "no server of this agent answers ($(printf %s "$servers" | tr '\n' ' ')), so $KUBELET_UNIT would not start containerd again after a restart; nothing was changed" \
        "make one of them reachable from this node (curl -k https://SERVER:PORT/cacerts), then run pulumi again"
}
# known_servers: those that the agent has found, unless it has no load balancer, and the one that it was given; containerd has the
# environment of the agent.
known_servers() {
    {
        grep -oE '"[^"]*:[0-9]+"' "$(embedded_data)/agent/etc/$DISTRIBUTION-agent-load-balancer.json" 2>/dev/null | tr -d '"'
        embedded_entry "$KUBELET_UNIT" server
        embedded_entry "$KUBELET_UNIT" s
        tr '\000' '\n' <"/proc/$CONTAINERD_PID/environ" | sed -n "s/^$(printf %s "$DISTRIBUTION" | tr '[:lower:]' '[:upper:]')_URL=//p"
    } | sed 's,^https://,,; s,/*$,,; /^$/d'
}
