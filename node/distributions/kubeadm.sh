# kubeadm: the kubelet is a process and a service of its own; its flags and files say what it uses. This file answers
# questions and decides nothing. The facts, of the form kubeadm_NAME, are those of every distribution whose file has no other.

USUAL_DISTRIBUTION=kubeadm
# Refuses a variant of the distribution that is not supported.
kubeadm_check() { :; }
kubeadm_start_command() { echo "systemctl start kubelet"; }
kubelet_service_exists() { [ "$(systemctl show -p LoadState --value kubelet.service 2>/dev/null)" = loaded ]; }
# The names of the process that contains the kubelet.
kubeadm_kubelet_names() { echo kubelet; }
kubeadm_kubelet_flag() { flag "$@"; } # PID NAME...
kubeadm_kubelet_unit() { unit_of "$1"; } # PID
# The seconds within which a kubelet that has a service of its own must be healthy.
kubeadm_kubelet_seconds() { echo 60; }
# The endpoint of the container runtime, if neither its flags nor its files have one.
kubeadm_endpoint() { echo /run/containerd/containerd.sock; } # PID
# The program that a containerd process runs.
kubeadm_containerd() { echo "$2"; } # PID PROGRAM
# The way to ask containerd, if it is not a program `ctr`.
kubeadm_ctr() { :; }
# The folder of drop-in files that the distribution itself reads, and the file in which it merges those with tables of CRI.
kubeadm_drop_ins() { :; }
kubeadm_merged_config() { :; }
kubeadm_require_form() { :; }
# For a distribution that restarts containerd by itself.
kubeadm_restart() { restart "$1"; }
kubeadm_await_containerd() { :; }
# The file from which the configuration CONFIG is made, and which this package edits; the configuration that is made from that
# SOURCE; and how it is made, from stdin to stdout.
kubeadm_config_source() { echo "$1"; }   # CONFIG
kubeadm_config_in_force() { echo "$1"; } # SOURCE
kubeadm_render() { cat; }
# For distributions that render containerd's configuration: the release whose templates can include the built-in one.
kubeadm_base_template() { :; }
# The place where the distribution sets the cgroup driver. If it does not, this package can.
kubeadm_driver_place() { :; }
# Whether it sets that of containerd: if it renders the configuration of this containerd.
kubeadm_sets_driver() { [ -n "$CONTAINERD_TEMPLATES" ]; }
# The place where the distribution sets containerd's log level, if not in containerd's configuration.
kubeadm_debug_place() { :; }
# Whether a machine of the distribution is a node.
kubeadm_is_node() { :; } # PID

# kubelet_pid: the process that was found before, if it still runs, which systemd need not be asked for.
kubelet_pid() {
    local pid
    if has_kubelet_name "${KUBELET_PID:-}" && is_kubelet "$KUBELET_PID"; then
        printf '%s' "$KUBELET_PID"
        return
    fi
    pid=$(kubelet_main_pid)
    if is_kubelet "${pid:-0}"; then printf '%s' "$pid" && return; fi
    for pid in $(kubelet_processes); do
        if is_kubelet "$pid"; then printf '%s' "$pid" && return; fi
    done
}
has_kubelet_name() { # PID
    local name=""
    { read -r name <"/proc/${1:-0}/comm"; } 2>/dev/null
    case " $(fact kubelet_names) " in *" $name "*) ;; *) return 1 ;; esac
}
# Any user can run a process of that name, and a node of another distribution can have the kubelet.service of an earlier one.
is_kubelet() { # PID
    is_system_process "$1" || return 1
    case $(fact kubelet_unit "$1"):${DISTRIBUTION:-$USUAL_DISTRIBUTION} in
        "kubelet.service:$USUAL_DISTRIBUTION") ;;
        :* | kubelet.service:*) return 1 ;;
    esac
}
kubelet_processes() { grep -lxF "$(fact kubelet_names | tr ' ' '\n')" /proc/[0-9]*/comm 2>/dev/null | sed 's,/comm$,,; s,.*/,,' | sort -n; }

# kubelet_version: that of Kubernetes, or nothing if the kubelet is stopped.
kubelet_version() { if [ -n "$KUBELET" ]; then fact version; fi; }
kubeadm_version() { "$KUBELET" --version | sed -n '1s/.* v\([0-9][0-9.]*\).*/\1/p'; }
kubelet_main_pid() { systemctl show -p MainPID --value kubelet.service 2>/dev/null; }

container_runtime_config() { # PID
    local path
    path=$(flag "$1" --config -config -c)
    printf '%s\n' "${path:-/etc/containerd/config.toml}"
}
# The endpoint of the kubelet PID, as a path if it is a Unix socket.
container_runtime_socket() { # PID
    local endpoint
    endpoint=$(fact kubelet_flag "$1" --container-runtime-endpoint)
    [ -n "$endpoint" ] || endpoint=$(kubelet_setting "$1" containerRuntimeEndpoint)
    [ -n "$endpoint" ] || endpoint=$(fact endpoint "$1")
    endpoint=${endpoint#unix:}
    printf '%s\n' "${endpoint#//}"
}

# kubelet_config PID, kubelet_config_folder PID, kubelet_kubeconfig PID: the path, or nothing.
kubelet_config() { fact kubelet_flag "$1" --config; }
kubelet_config_folder() { fact kubelet_flag "$1" --config-dir; }
# Its files, of which the last one counts.
kubelet_config_files() { # PID
    local folder
    {
        kubelet_config "$1"
        folder=$(kubelet_config_folder "$1")
        [ -z "$folder" ] || find "$folder" ! -type d -name '*.conf' | sort
    } | sed '/^$/d'
}
# The value of an entry at the top level of its files.
kubelet_setting() { # PID KEY
    local file
    kubelet_config_files "$1" | while IFS= read -r file; do yaml_get "$file" "$2"; done | tail -n 1
}
# Whether its flag or its files set this feature gate: true, false or nothing.
kubelet_feature_gate() { # PID NAME
    local file
    {
        kubelet_config_files "$1" | while IFS= read -r file; do sed 's/#.*//' "$file"; done
        fact kubelet_flag "$1" --feature-gates
    } 2>/dev/null | sed -n "s/.*$2[\"' ]*[:=] *\\([a-z]*\\).*/\\1/p" | tail -n 1
}
# The last value of an entry at the top level of a file in YAML or JSON, or nothing.
yaml_get() { # FILE KEY
    E_KEY=$2 awk '
        function entry(s,    key) {
            key = s
            if (!sub(/["\047]?[ \t]*:.*/, "", key)) return
            sub(/^["\047]/, "", key)
            if (key != ENVIRON["E_KEY"]) return
            sub(/^[^:]*:[ \t]*/, "", s)
            sub(/[ \t]*(#.*)?\r?$/, "", s)
            gsub(/["\047]/, "", s)
            value = s
            found = 1
        }
        # The first line that is not empty tells the two apart.
        !form && /^[ \t]*[^ \t#-]/ { form = /^[ \t]*\{/ ? "json" : "yaml" }
        form == "json" {
            n = split($0, part, /[{},]/)
            for (i = 1; i <= n; i++) { sub(/^[ \t]+/, "", part[i]); entry(part[i]) }
        }
        form == "yaml" { entry($0) }
        END { if (found) print value }' "$1" 2>/dev/null || :
}
# The reason why the entry of a file cannot be edited as a line of plain YAML, or nothing.
yaml_problem() { # FILE KEY
    E_KEY=$2 awk '
        /^[ \t]*(#|\r?$)/ || !body && /^---[ \t\r]*(#.*)?$/ { next }
        /^[ \t]*\{/ { print "it is JSON"; exit }
        /^(---|\.\.\.)/ { print "line " NR " begins or ends a document"; exit }
        !body && /^[ \t]/ { print "line " NR " is indented"; exit }
        $0 ~ "^[\"\047]?" ENVIRON["E_KEY"] "[\"\047]?[ \t]*:[ \t\r]*(#.*)?$" { print "line " NR " has no value"; exit }
        { body = 1 }' "$1"
}
# mark_yaml FILE KEY VALUE: prints the YAML file with that entry at its top level. If the key is there twice, both get it.
mark_yaml() {
    E_CUT_SHORT=$(cut_short "$1") E_KEY=$2 E_VALUE=$3 awk "$MARKS_AWK"'
        BEGIN { name = ENVIRON["E_KEY"]; new = name ": " ENVIRON["E_VALUE"] }
        match($0, "^[\"\047]?" name "[\"\047]?[ \t]*:") {
            found = 1
            s = $0
            sub(/[ \t]*(#.*)?\r?$/, "", s)
            gsub(/["\047]/, "", s)
            if (s != new) $0 = replaced($0, new) new
        }
        { printf "%s%s", (NR > 1 ? "\n" : ""), $0 }
        END {
            if (NR && ENVIRON["E_CUT_SHORT"] == "") printf "\n"
            if (!found) printf "%s%s\n%s", begin_mark(), new, end_mark()
        }' "$1"
}
# The driver that it reports, or else that its flag or its files set, or nothing.
kubelet_cgroup_driver() { # PID
    local driver
    driver=$(curl -fsk -m 5 --noproxy '*' https://127.0.0.1:10250/configz 2>/dev/null |
        sed -n 's/.*"cgroupDriver":"\([a-z]*\)".*/\1/p')
    [ -n "$driver" ] || driver=$(fact kubelet_flag "$1" --cgroup-driver)
    [ -n "$driver" ] || driver=$(kubelet_setting "$1" cgroupDriver)
    printf '%s\n' "$driver"
}
# The seconds between two reports of its status, if that is set in minutes and seconds.
kubelet_status_interval() { # PID
    local interval
    interval=$(fact kubelet_flag "$1" --node-status-update-frequency)
    [ -n "$interval" ] || interval=$(kubelet_setting "$1" nodeStatusUpdateFrequency)
    printf '%s\n' "$interval" | awk -F '[ms]' '/^([0-9]+m)?([0-9]+s)?$/ { print /m/ ? $1 * 60 + $2 : $1 + 0 }'
}
kubelet_kubeconfig() { fact kubelet_flag "$1" --kubeconfig; }

# The URL of its health endpoint, or nothing if that is disabled.
kubelet_health_url() { # PID
    local port address
    port=$(fact kubelet_flag "$1" --healthz-port)
    [ -n "$port" ] || port=$(kubelet_setting "$1" healthzPort)
    [ "$port" != 0 ] || return 0
    address=$(fact kubelet_flag "$1" --healthz-bind-address)
    [ -n "$address" ] || address=$(kubelet_setting "$1" healthzBindAddress)
    case $address in
        "" | 0.0.0.0) address=127.0.0.1 ;;
        ::) address="[::1]" ;;
        *:*) address="[$address]" ;;
    esac
    printf 'http://%s:%s/healthz\n' "$address" "${port:-10248}"
}

# kubelet_is_healthy: a kubelet without a health endpoint is healthy if its process runs.
kubelet_is_healthy() {
    local pid url
    pid=$(kubelet_pid)
    [ -n "$pid" ] || return 1
    url=$(kubelet_health_url "$pid")
    [ -z "$url" ] || [ "$(http_get "$url")" = ok ]
}
