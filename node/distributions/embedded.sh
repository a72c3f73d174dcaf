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

# installed PROGRAM: its path in the release that is there now, if an upgrade has removed the one of PROGRAM.
# shellcheck disable=SC2012,SC2046 # the paths have no spaces
installed() {
    local data
    data=$(printf '%s\n' "$1" | sed -n 's,/data/[^/]*/bin/[^/]*$,,p')
    if [ ! -x "$1" ] && [ -n "$data" ]; then set -- $(ls -t "$data"/data/*/bin/"${1##*/}" 2>/dev/null) "$1"; fi
    printf '%s\n' "$1"
}

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
# embedded_is_node UNIT: a server can run without containerd and the kubelet.
embedded_is_node() { [ "$(embedded_entry "$1" disable-agent)" != true ]; }

# The place where both set the driver, or rather what they go by.
embedded_driver_place() {
    echo "the way its service is started, for containerd and the kubelet as a pair (systemd under systemd with the cgroup controller cpuset, otherwise cgroupfs), and is not meant to get another one"
}
# The way to set containerd's log level without a template, if its configuration is rendered.
embedded_debug_place() { if [ -n "$CONTAINERD_TEMPLATES" ]; then echo "CONTAINERD_LOG_LEVEL=debug in the environment of $CONTAINERD_UNIT (systemctl edit $CONTAINERD_UNIT)"; fi; }
# require_own_driver DRIVER: the distribution sets the driver, so it can be requested only if it is in force.
require_own_driver() {
    [ "${CGROUP_DRIVER:-$1}" = "$1" ] || fail "the cgroup driver of this node is $1, not $CGROUP_DRIVER, and $DISTRIBUTION sets it" \
        "remove kubelet.cgroupDriver, or move this node to a component without it; $DISTRIBUTION takes the driver from $(fact driver_place)"
}

# kubelet_limit: the seconds within which the kubelet must be healthy. A service that runs both imports images, which may take
# minutes, before it starts the kubelet.
kubelet_limit() { if [ "$KUBELET_UNIT" = "$CONTAINERD_UNIT" ] && [ -z "$(fact drop_ins)" ]; then time_limit "$KUBELET_UNIT"; else fact kubelet_seconds; fi; }

# containerd_limit: the seconds within which containerd must answer; the start of a unit is no part of a restart by the distribution itself.
containerd_limit() { if [ -n "$(fact drop_ins)" ]; then echo 120; else time_limit "$CONTAINERD_UNIT"; fi; }

# embedded_log_files: the logs of a containerd and a kubelet that do not log to the journal.
embedded_log_files() {
    local data file
    [ -n "$CONTAINERD_TEMPLATES" ] || return 0
    data=$(embedded_data)
    for file in "$data/agent/containerd/containerd.log" "$data/agent/logs/kubelet.log"; do
        if [ -f "$file" ]; then echo "$file"; fi
    done
}
# and_log_files: these, behind the command for the journal.
and_log_files() { embedded_log_files | sed 's/^/ and /' | tr -d '\n'; }
# mark_logs: embedded_logs shows what is logged from now on.
mark_logs() {
    local file
    embedded_log_files | while IFS= read -r file; do wc -c <"$file" >"$WORK_DIR/${file##*/}.size"; done
}
# embedded_logs: the last errors in these logs. A log that became smaller is a new file.
embedded_logs() {
    local file size
    embedded_log_files | while IFS= read -r file; do
        size=$(cat "$WORK_DIR/${file##*/}.size" 2>/dev/null) || size=0
        [ "$(wc -c <"$file")" -ge "$size" ] || size=0
        tail -c +$((size + 1)) "$file" | grep -E '^containerd: |level=(error|fatal|panic)|^[EF][0-9]' | tail -n 4 | excerpt | sed 's/^/  | /' || :
    done
}

# http_get URL: the body.
http_get() { if have curl; then curl -fsSk --noproxy '*' -m 5 "$1"; else wget -q --no-check-certificate -T 5 -O - "$1"; fi 2>/dev/null; }

# release_of PROGRAM: the release of the distribution that it starts, or nothing.
release_of() { timeout 20 "$1" --version 2>/dev/null | sed -n "s/^$DISTRIBUTION version \([^ ]*\).*/\1/p"; }
# require_running_release PID: the plan is for the release that runs in that process, so the restart must not start another one.
require_running_release() {
    local now next
    now=$(release_of "/proc/$1/exe")
    next=$(release_of "$(systemctl show -p ExecStart --value "$KUBELET_UNIT" | sed -n 's/.*path=\([^ ;]*\).*/\1/p' | head -n 1)")
    [ "${next:-$now}" = "${now:-$next}" ] || fail "$KUBELET_UNIT runs $DISTRIBUTION $now, but $next is installed; nothing was changed" \
        "restart $KUBELET_UNIT, which starts $next, then run pulumi again"
}

# check_restart: an agent asks a server for its credentials before it starts containerd and the kubelet, again and
# again until one answers.
check_restart() {
    local main address servers
    mark_logs
    [ -n "$CONTAINERD_TEMPLATES" ] || return 0
    main=$(systemctl show -p MainPID --value "$KUBELET_UNIT")
    require_running_release "$main"
    case $(tr '\000' ' ' <"/proc/$main/cmdline") in *" agent "* | *" agent") ;; *) return 0 ;; esac
    servers=$(known_servers | unique)
    if [ -z "$servers" ]; then
        say "warning: found no address of a server of this agent; if no server answers, $KUBELET_UNIT does not start containerd again after its restart"
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
