# k3s: one process contains the kubelet, and containerd is its child and the same program under another name.
DISTRIBUTIONS="$DISTRIBUTIONS k3s"
k3s_units() { echo 'k3s*.service'; }
k3s_start_command() { echo "systemctl start k3s-agent, or k3s"; }
k3s_kubelet_names() { echo k3s-server k3s-agent; }
# The release from which on a template can include the built-in one.
k3s_base_template() { echo 1.28; }
k3s_driver_place() { embedded_driver_place; }
k3s_debug_place() { embedded_debug_place; }
k3s_is_node() { [ -z "$1" ] || embedded_is_node "$(unit_of "$1")"; } # PID

# The kubelet has no command line of its own, and k3s hides the one that it has.
k3s_kubelet_flag() { # PID NAME...
    local data value=""
    data=$(data_folder "$1")
    case $2 in
        --kubeconfig) value=$data/agent/kubelet.kubeconfig ;;
        --config-dir) if [ -d "$data/agent/etc/kubelet.conf.d" ]; then value=$data/agent/etc/kubelet.conf.d; fi ;;
        *) value=$(k3s_kubelet_arguments "$(unit_of "$1")" | sed -n "s/^${2#--}=//p" | tail -n 1) ;;
    esac
    if [ "$2" = --hostname-override ] && [ -z "$value" ]; then
        value=$(embedded_entry "$(unit_of "$1")" node-name)
        [ -n "$value" ] || value=$(k3s_variable "$1" K3S_NODE_NAME)
    fi
    printf '%s\n' "$value"
}
# k3s_kubelet_arguments UNIT: the entries of the list kubelet-arg, one per line. Those in the command line replace those in the
# files, and a file replaces those of earlier ones, unless its key ends in a plus.
k3s_kubelet_arguments() {
    local flags
    flags=$(embedded_flags "$1" | sed -n 's/^kubelet-arg:/kubelet-arg+:/p')
    { if [ -n "$flags" ]; then printf '%s\n' "$flags"; else embedded_files; fi; } | awk '
        # Each line at the top level, except the entries of a list, begins with a key.
        /^[^ \t#-]/ {
            key = $0
            sub(/[ \t]*:.*/, "", key)
            gsub(/["\047]/, "", key)
            if (key == "kubelet-arg") n = 0
            sub(/^[^:]*:/, "")
            flow = /^[ \t]*\[/
        }
        key !~ /^kubelet-arg[+]?$/ || /^[ \t]*#/ { next }
        {
            sub(/[ \t]#[^"\047]*$/, "")
            sub(/^[ \t]*-[ \t]+/, "")
            while (match($0, flow ? "\"[^\"]*\"|\047[^\047]*\047|[^][,\"\047 \t\r][^],\r]*" : "[^ \t\r].*")) {
                entry[++n] = substr($0, RSTART, RLENGTH)
                $0 = substr($0, RSTART + RLENGTH)
            }
        }
        END {
            for (i = 1; i <= n; i++) {
                sub(/^["\047]?-*/, "", entry[i])
                sub(/["\047]?[ \t\r]*$/, "", entry[i])
                print entry[i]
            }
        }'
}
# k3s_variable PID NAME: in the environment of that process or a child, because it may have overwritten its own.
k3s_variable() {
    # shellcheck disable=SC2046 # a list
    cat "/proc/$1/environ" $(grep -lsx "PPid:$TAB$1" /proc/[0-9]*/status | sed 's/status$/environ/') 2>/dev/null |
        tr '\000' '\n' | sed -n "s/^$2=//p" | head -n 1
}
k3s_endpoint() { # PID
    local endpoint
    endpoint=$(embedded_entry "$(unit_of "$1")" container-runtime-endpoint)
    if [ "$(embedded_entry "$(unit_of "$1")" docker)" = true ]; then endpoint=unix:///run/k3s/cri-dockerd/cri-dockerd.sock; fi
    printf '%s\n' "${endpoint:-/run/k3s/containerd/containerd.sock}"
}

# k3s_containerd PID PROGRAM: the program of k3s acts as containerd if it is started by a link of that name.
k3s_containerd() { if [ "$(cat "/proc/$1/comm")" = containerd ]; then echo "${2%/*}/containerd"; else echo "$2"; fi; }
