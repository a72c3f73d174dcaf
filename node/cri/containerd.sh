# containerd: finding it, the configuration it understands, the runtime to write into it, and whether its CRI serves.

CTR=ctr
CONTAINERD_FILE="" # until find_containerd knows it, as the next one
CONTAINERD_PATH=$PATH

# cri NAME [ARGUMENT...]: a function of the container runtime of this node: that of this file, or crio_NAME. These functions are what
# the other files need to know about a container runtime.
cri() {
    local name="$1"
    shift
    case ${CONTAINERD-} in */crio) name=crio_$name ;; esac
    "$name" "$@"
}
client() { echo ctr; }
minimum_version() { echo 1.6; }
# The name of the runtime in its version, as Kubernetes shows it.
runtime_name() { echo containerd; }

# version_at_least VERSION MINIMUM: compares major and minor.
version_at_least() { [ "$(version_number "$1")" -ge "$(version_number "$2")" ]; }
version_number() {
    local major="${1%%.*}" minor="${1#*.}"
    major=${major%%[!0-9]*} minor=${minor%%[!0-9]*}
    echo $((${major:-0} * 1000 + ${minor:-0}))
}

# listener SOCKET: the id of the system process that listens on the Unix socket at that path, or nothing.
listener() {
    local pid
    listeners "$1" | while read -r pid; do
        if is_system_process "$pid"; then printf '%s' "$pid" && break; fi
    done
}
listeners() { # SOCKET
    local socket inode path listening
    socket=$(readlink -f "$1") && [ -S "$socket" ] || return 0
    # A process may have bound the path through a link: /var/run is one.
    listening=$(awk -v name="/${socket##*/}" '
        $4 == "00010000" && substr($8, length($8) - length(name) + 1) == name { print $7, $8 }' /proc/net/unix |
        while read -r inode path; do
            if [ "$path" = "$socket" ] || [ "$(readlink -f "$path")" = "$socket" ]; then echo "socket:[$inode]"; fi
        done)
    [ -n "$listening" ] || return 0
    # shellcheck disable=SC2012 # the names are numbers
    { printf '%s\n' "$listening"; ls -ln /proc/[0-9]*/fd 2>/dev/null; } | awk '
        /^socket:/ { listening[$1] = 1; next }
        /\/fd:$/ { n = split($0, part, "/"); pid = part[n - 1] }
        # systemd holds the sockets by which it activates services.
        $NF in listening && pid != 1 { print pid }'
}

# find_containerd: sets CONTAINERD and the other variables of its name, and those of find_kubelet: the container runtime
# is the process that listens where the kubelet expects it. It waits for a service that is being restarted.
find_containerd() {
    find_kubelet
    step "containerd"
    if [ -n "$KUBELET_PID" ]; then
        CONTAINERD_SOCKET=$(container_runtime_socket "$KUBELET_PID")
    else
        CONTAINERD_SOCKET=$(recorded CONTAINERD_SOCKET)
    fi
    if may_rest && within 10 containerd_settled && ! containerd_listens; then
        CONTAINERD_PID="" CONTAINERD=$(installed "$(recorded CONTAINERD)") CONTAINERD_UNIT=$(recorded CONTAINERD_UNIT)
        CONTAINERD_CONFIG=$(recorded CONTAINERD_CONFIG) CONTAINERD_VERSION=$(recorded CONTAINERD_VERSION)
        CONTAINERD_TEMPLATES=$(recorded CONTAINERD_TEMPLATES) CONTAINERD_PATH=$(recorded CONTAINERD_PATH)
    else
        find_running_containerd
    fi
    # The one of the same installation, if there are several.
    CTR=$(fact ctr)
    [ -n "$CTR" ] || CTR=${CONTAINERD%/*}/$(cri client)
    # shellcheck disable=SC2086 # it may have arguments
    have $CTR || CTR=$(cri client)
    if [ -x "$CONTAINERD" ]; then find_version; fi
    CONTAINERD_MAJOR=""
    if [ "$(cri runtime_name)" = containerd ]; then CONTAINERD_MAJOR=${CONTAINERD_VERSION%%.*}; fi
    version_at_least "$CONTAINERD_VERSION" "$(cri minimum_version)" ||
        fail "$(cri runtime_name) $CONTAINERD_VERSION is too old" "upgrade $(cri runtime_name) to $(cri minimum_version) or later"
    [ -z "$CONTAINERD_PID" ] || finds_shims || cri uses_runtime_path ||
        fail "containerd's PATH lacks $(shim_folder), which is where Kata's shim is installed, and containerd $CONTAINERD_VERSION ignores runtime_path" \
            "add it to PATH in the Environment of $CONTAINERD_UNIT (systemctl edit $CONTAINERD_UNIT) and restart $CONTAINERD_UNIT, or upgrade containerd; then run pulumi again"
}
# find_version: the recorded one is that of the same file.
find_version() {
    CONTAINERD_FILE=$(stat -L -c '%n %d %i %s %y %z' "$CONTAINERD")
    if [ "$CONTAINERD_FILE" = "$(recorded CONTAINERD_FILE)" ]; then
        CONTAINERD_VERSION=$(recorded CONTAINERD_VERSION)
    else
        CONTAINERD_VERSION=$("$CONTAINERD" --version | head -n 1 | cut -d ' ' -f 3 | sed 's/^v//; s/[~+].*//')
    fi
}
find_running_containerd() {
    local pid remedy="this package supports only containerd 1.6 or later, or on a node of $USUAL_DISTRIBUTION CRI-O 1.28 or later, as the kubelet's container runtime: remove this node from \`nodes\`"
    case $CONTAINERD_SOCKET in
        /*) ;;
        *) fail "the kubelet expects its container runtime at $CONTAINERD_SOCKET, which is not a Unix socket" "$remedy" ;;
    esac
    if ! within 10 containerd_listens; then
        for pid in $(listeners "$CONTAINERD_SOCKET"); do refuse_own_mounts "$pid"; done
        fail "the kubelet's container runtime is not running:\
 no root process outside of containers listens on $CONTAINERD_SOCKET" "start it, or remove this node from \`nodes\`"
    fi
    pid=$CONTAINERD_PID
    CONTAINERD=$(program_of "$pid") || fail "the container runtime has just exited" "run pulumi again"
    CONTAINERD_UNIT=$(unit_of "$pid")
    CONTAINERD=$(fact containerd "$pid" "$CONTAINERD")
    [ -x "$CONTAINERD" ] || fail "$CONTAINERD (process $pid) runs, but that program no longer exists" \
        "install it again; or, if you are removing Kata from this node, stop $CONTAINERD_UNIT; then run pulumi again"
    case ${CONTAINERD##*/} in
        containerd) ;;
        crio) [ "$DISTRIBUTION" = "$USUAL_DISTRIBUTION" ] || fail "the kubelet uses CRI-O, which this package does not support on a node of $DISTRIBUTION" "$remedy" ;;
        *) fail "the kubelet uses $CONTAINERD\
 (process $pid${CONTAINERD_UNIT:+ of $CONTAINERD_UNIT}) at $CONTAINERD_SOCKET, neither containerd nor CRI-O" "$remedy" ;;
    esac
    [ -n "$CONTAINERD_UNIT" ] ||
        fail "$(cri runtime_name) (process $pid) was not started by systemd" "make it a service, so that it can be restarted"
    CONTAINERD_TEMPLATES=""
    cri inspect_runtime "$pid"
    # The target of a link is edited, and the link is kept.
    if [ -L "$CONTAINERD_CONFIG" ]; then CONTAINERD_CONFIG=$(readlink -f "$CONTAINERD_CONFIG"); fi
    CONTAINERD_PATH=$(tr '\000' '\n' <"/proc/$pid/environ" | sed -n 's/^PATH=//p')
}
inspect_runtime() { # PID
    CONTAINERD_CONFIG=$(fact config_source "$(container_runtime_config "$1")")
    # A distribution can also use a containerd that it does not start.
    if [ -n "$(fact base_template)" ] && [ "$CONTAINERD_UNIT" = "$KUBELET_UNIT" ]; then CONTAINERD_TEMPLATES=${CONTAINERD_CONFIG%/*}; fi
    [ -n "$(fact ctr)" ] || [ -x "${CONTAINERD%/*}/ctr" ] || have ctr || fail "ctr is not installed on this node; it is needed to check containerd's health" \
        "install the ctr that belongs to $CONTAINERD"
}
containerd_settled() { containerd_listens || at_rest "$(recorded CONTAINERD_UNIT)"; }
containerd_listens() {
    CONTAINERD_PID=$(listener "$CONTAINERD_SOCKET")
    [ -n "$CONTAINERD_PID" ]
}
# has_same_services: both are still the processes that were found.
has_same_services() { [ -n "$CONTAINERD_PID" ] && [ "$(kubelet_pid)" = "$KUBELET_PID" ] && [ "$(listener "$CONTAINERD_SOCKET")" = "$CONTAINERD_PID" ]; }

# record_services: records the paths and units of containerd and the kubelet, which may no longer run when Kata is removed.
record_services() {
    cat >"$WORK_DIR/services" <<SERVICES
DISTRIBUTION=$DISTRIBUTION
CONTAINERD=$CONTAINERD
CONTAINERD_FILE=$CONTAINERD_FILE
CONTAINERD_UNIT=$CONTAINERD_UNIT
CONTAINERD_VERSION=$CONTAINERD_VERSION
CONTAINERD_CONFIG=$CONTAINERD_CONFIG
CONTAINERD_SOCKET=$CONTAINERD_SOCKET
CONTAINERD_TEMPLATES=$CONTAINERD_TEMPLATES
CONTAINERD_PATH=$CONTAINERD_PATH
KUBELET_UNIT=$KUBELET_UNIT
KUBELET_CONFIG=$KUBELET_CONFIG
KUBELET_ROOT=$(kubelet_root "$KUBELET_PID")
SERVICES
    mv "$WORK_DIR/services" "$STATE_DIR/services"
}

# dump [FILE]: the configuration as containerd understands it, with everything that it imports.
dump() { "$CONTAINERD" --config "${1:-$(fact config_in_force "$CONTAINERD_CONFIG")}" config dump; }
# The command for it, in remedies.
dump_command() {
    local file
    file=$(fact config_in_force "$CONTAINERD_CONFIG")
    echo "$CONTAINERD --config $file config dump"
}
dump_remedy() { echo "correct $(editable_config)$(and_render) until this succeeds: $(dump_command)"; }
dump_now() { dump >"$WORK_DIR/dump.now" 2>/dev/null || :; }

# fingerprint MANAGED: a hash over the requested and the recorded classes, the configuration as containerd understands it, the
# kubelet's command line, and the state of the files that MANAGED lists, of the main files of containerd and the kubelet, and of
# the kubelet's --config-dir. A node that has the one that was recorded has not drifted, and no plan is needed.
fingerprint() {
    local managed="$1" pid folder path
    # The kubelet may have been restarted since it was found.
    pid=$(kubelet_pid)
    folder=$(kubelet_config_folder "$pid")
    set -- "${CONTAINERD_TEMPLATES:-$CONTAINERD_CONFIG}" ${KUBELET_CONFIG:+"$KUBELET_CONFIG"} ${folder:+"$folder"}
    while IFS= read -r path; do set -- "$@" "$path"; done <"$managed"
    {
        grep -v '^imports' "$WORK_DIR/dump.now" # they are in any order
        cat "$managed" "$STATE_DIR/classes" "/proc/$pid/cmdline"
        set_elsewhere "$pid"
        printf '%s\n' "$GROUPED" | grep -v "${TAB}owner$TAB"
        # A backup beside a file is gone after the change, which also changes the time of its folder.
        find "$@" ! -type d ! -name '.*.kata-containers-*' -exec stat -c '%n %f %u %g %s %y %z' {} +
    } 2>/dev/null | sha256sum
}
# take_fingerprint MANAGED: before a plan. If that is empty, it is the one to record: it stands for what was proven, and a change
# since is a drift.
take_fingerprint() { if [ -f "$1" ]; then fingerprint "$1" >"$WORK_DIR/fingerprint" 2>/dev/null || :; fi; }

# crictl_command: the crictl of the same installation, if there are several.
crictl_command() {
    local crictl="${CONTAINERD%/*}/crictl"
    [ -x "$crictl" ] || crictl=crictl
    echo "$crictl -r unix://$CONTAINERD_SOCKET"
}

in_k8s() { cri ask "$@" 2>/dev/null; }
# sandbox_command: ends a sandbox without the kubelet, in remedies. Not every distribution has a crictl.
sandbox_command() {
    local command
    command=$(crictl_command)
    if have "${command%% *}"; then echo "$command rmp -f"; else cri question tasks kill -a -s KILL; fi
}
# shellcheck disable=SC2086 # CTR may have arguments
ask() { timeout 20 $CTR --address "$CONTAINERD_SOCKET" -n k8s.io "$@"; }
question() { echo "$CTR --address $CONTAINERD_SOCKET -n k8s.io $*"; }
# ask_k8s COMMAND: the answer decides about a change, so there must be one.
ask_k8s() {
    in_k8s "$@" || fail "$(cri runtime_name) does not list its containers" \
        "repair $CONTAINERD_UNIT until this command answers: $(cri question "$@"); then run pulumi again"
}
# list_tasks: $WORK_DIR/tasks gets the tasks of all containers in pods, their sandboxes included.
list_tasks() { ask_k8s tasks ls >"$WORK_DIR/tasks"; }

# --- The form of the configuration ---

# The table in which containerd 2.x looks up the snapshotter of a runtime when it pulls an image for it.
IMAGE_PLATFORMS='plugins."io.containerd.cri.v1.images".runtime_platforms'

# awk functions of originals.
# shellcheck disable=SC2016
ORIGINALS_AWK='
function read_records(    n, i, path, record, field) {
    n = split(ENVIRON["E_MANAGED"], path, "\n")
    for (i = 1; i <= n; i++) managed[path[i]] = 1
    n = split(ENVIRON["E_EDITS"], record, "\n")
    for (i = 1; i <= n; i++) {
        split(record[i], field, "\t")
        if (field[1] !~ /^\//) {
            was[field[1]] = field[2]; now[field[1]] = field[3]
            if (field[2] != field[3] && field[3] ~ /^(true|false)$/) copied = field[1]
        } else {
            record[i] = substr(record[i], length(field[1] field[2]) + 3)
            if (field[2] == "table") tables[field[1]] = tables[field[1]] "\n" record[i]
            else if (field[1] == ENVIRON["E_LOST"]) imports[record[i]] = 1
        }
    }
}
# A runtime that was added since has copied the driver of another one, which is restored when no driver is requested.
function driver_of(name) { return name in now ? name : ENVIRON["E_CGROUP"] == "" ? copied : "" }
function restore_import(path,    i, p) {
    for (i = 1; i <= NR; i++) if (at[i] == "" && key[i] == SEP "imports") break
    if (i > NR) { line[1] = "imports = [\"" path "\"]\n" line[1]; return }
    if (index(whole(i), path)) return
    p = index(line[i], "[")
    line[i] = substr(line[i], 1, p) "\"" path "\", " substr(line[i], p + 1)
}
# The disabled tables, in the form of the version of the file, unless the file has them again. If a tool copied the managed
# entries of the main file into this file, the disabled tables of the main file are restored here.
function restored_block(    i, table, block) {
    for (i in added) block = tables[ENVIRON["E_MAIN"]]
    if (ENVIRON["E_LOST"] in tables) block = tables[ENVIRON["E_LOST"]]
    for (i = 1; i <= NR; i++) if (at[i] == "" && key[i] == SEP "version" && plain(value[i]) + 0 > 2)
        gsub(/io\.containerd\.grpc\.v1\.cri/, "io.containerd.cri.v1.runtime", block)
    table = path_of(substr(block, index(block, "[") + 1))
    for (i = 1; i <= NR; i++) if (!(i in dropped) && head[i] != "" && under(head[i], table)) return ""
    return block
}
'

# originals FILE OUT: OUT gets the file without the managed edits, also if a tool has rewritten it without their marks. Then
# a runtime is managed if its ConfigPath is a managed file, and a SystemdCgroup if it has the value in $STATE_DIR/edits,
# which also records the disabled entries of others; such files are listed in $WORK_DIR/stripped.
originals() {
    local lost="" template=""
    if [ -n "$CONTAINERD_TEMPLATES" ] && [ "$1" = "$CONTAINERD_CONFIG" ]; then
        template=" in its template in $CONTAINERD_TEMPLATES, and restart $CONTAINERD_UNIT, which renders it"
    fi
    require_marks "$1" "$template"
    grep -q '^#kata-containers:' "$1" || lost=$1
    E_CUT_SHORT=$(cut_short "$1") E_MANAGED=$(cat "$STATE_DIR/managed" 2>/dev/null) E_LOST=$lost E_PLATFORMS=$IMAGE_PLATFORMS \
        E_MAIN=$CONTAINERD_CONFIG E_EDITS=$(cat "$STATE_DIR/edits" 2>/dev/null) E_CGROUP=$(systemd_cgroup) awk "$TOML_AWK$ORIGINALS_AWK"'
        END {
            toml_index()
            read_records()
            platforms = path_of(ENVIRON["E_PLATFORMS"])
            for (i = 1; i <= NR; i++) {
                if (line[i] ~ /^#kata-containers:begin/) inside = 1
                marked[i] = inside || line[i - 1] ~ /^#kata-containers:was/
                if (line[i] ~ /^#kata-containers:end/) inside = 0
                if (key[i] == SEP "runtime_type" && plain(value[i]) ~ /^io\.containerd\.runc\.v[12]$/) runc[at[i]] = 1
            }
            for (i = 1; i <= NR; i++) {
                # plugins, CRI, containerd, runtimes, NAME, options
                if (marked[i] || split(at[i], part, SEP) != 7 || part[5] != "runtimes" || part[7] != "options") continue
                table = substr(at[i], 1, length(at[i]) - 8)
                if (key[i] == SEP "ConfigPath" && (plain(value[i]) in managed)) added[table] = added[platforms SEP part[6]] = 1
                name = key[i] == SEP "SystemdCgroup" && (part[6] in now || table in runc) ? driver_of(part[6]) : ""
                if (name != "" && was[name] != now[name] && plain(value[i]) == now[name]) edited[i] = name
            }
            for (i = 1; i <= NR; i++) {
                if (i in edited && was[edited[i]] == "") dropped[i] = 1
                for (runtime in added) if (!marked[i] && under(at[i], runtime) && (head[i] != "" || first[i])) dropped[i] = 1
            }
            for (path in imports) restore_import(path)
            for (i = 1; i <= NR; i++) {
                if (i in dropped) continue
                if (i in edited) {
                    match(line[i], /^[ \t]*/)
                    line[i] = substr(line[i], 1, RLENGTH) "SystemdCgroup = " was[edited[i]]
                }
                printf "%s%s", (written++ ? "\n" : ""), line[i]
            }
            printf "%s", restored_block()
            if (written && ENVIRON["E_CUT_SHORT"] == "") printf "\n"
        }' "$1" >"$WORK_DIR/marked"
    cmp -s "$1" "$WORK_DIR/marked" || printf '%s\n' "$1" >>"$WORK_DIR/stripped"
    unmark "$WORK_DIR/marked" >"$2"
}

# choose_form: decides by containerd's version and main file how the runtime is written. Sets CRI_PLUGIN, the CRI
# plugin's name in this version of the file; CRI_DUMP_TABLE, its table in a dump; IMPORTED, the folder whose *.toml the
# main file imports, or ""; DROP_IN, the file for the runtime, or "" for the main file; TEMPLATE, the path of the template
# from which the main file is rendered, or "".
choose_form() {
    local main="$WORK_DIR/main.unmarked" config_version
    if [ -e "$CONTAINERD_CONFIG" ]; then originals "$CONTAINERD_CONFIG" "$main"; else : >"$main"; fi
    fact require_form
    IMPORTED=$(fact drop_ins)
    [ -n "$IMPORTED" ] || IMPORTED=$(imported_folder "$main")
    DROP_IN=${IMPORTED:+$IMPORTED/kata-containers.toml}
    # A dump is always in the newest version that this containerd knows.
    if [ "$CONTAINERD_MAJOR" = 1 ]; then
        [ -n "$(fact merged_config)" ] || DROP_IN=""
        CRI_DUMP_TABLE='plugins."io.containerd.grpc.v1.cri".containerd'
    else
        CRI_DUMP_TABLE='plugins."io.containerd.cri.v1.runtime".containerd'
    fi
    config_version=$(toml_get "$main" "" version)
    if needs_version "$main"; then config_version=$(newest_version); fi
    [ "${config_version:-1}" != 1 ] || fail "$CONTAINERD_CONFIG has configuration version 1, which is the default without a version line" "$(
        if [ "$CONTAINERD_MAJOR" = 1 ] || is_rendered; then
            echo "rewrite it as version 2: begin it with \`version = 2\`, and write plugins.\"io.containerd.grpc.v1.cri\" instead of plugins.cri; restart $CONTAINERD_UNIT, then run pulumi again"
        else
            echo "replace it with the output of: $CONTAINERD --config $CONTAINERD_CONFIG config migrate; restart $CONTAINERD_UNIT, then run pulumi again"
        fi
    )"
    case $config_version in
        2) CRI_PLUGIN=io.containerd.grpc.v1.cri ;;
        *) CRI_PLUGIN=io.containerd.cri.v1.runtime ;;
    esac
    if [ "$CONTAINERD_MAJOR" != 1 ] && has_new_names "$main"; then CRI_PLUGIN=io.containerd.cri.v1.runtime; fi
    TEMPLATE=""
    if [ -n "$CONTAINERD_TEMPLATES" ]; then choose_template "$config_version"; fi
}
# has_new_names FILE: containerd 2.x accepts the new name in a file of version 2 too, as on Azure's images. If both names are there, it
# takes each entry that the new one lacks from the old one, and the runtimes are one entry.
has_new_names() {
    local new='^plugins\."io\.containerd\.cri\.v1\.runtime"'
    toml_tables "$1" >"$WORK_DIR/tables"
    grep -qE "$new\.containerd\.runtimes([.]|\$)" "$WORK_DIR/tables" ||
        { grep -q "$new" "$WORK_DIR/tables" && ! grep -qF '"io.containerd.grpc.v1.cri"' "$WORK_DIR/tables"; }
}
# choose_template VERSION: the template for the main file, which has that version now. The one named -v3 counts first, but only
# for containerd 2.x.
choose_template() {
    local old="$CONTAINERD_TEMPLATES/config.toml.tmpl" new="$CONTAINERD_TEMPLATES/config-v3.toml.tmpl"
    TEMPLATE=$new
    if [ "$CONTAINERD_MAJOR" = 1 ] || { [ ! -f "$new" ] && { [ -f "$old" ] || [ "$1" = 2 ]; }; }; then TEMPLATE=$old; fi
    # Without the old one, containerd 2.x gets a file of version 3, which imports another folder. A managed one is there
    # since containerd 1.x, and stays.
    if [ "$TEMPLATE" = "$old" ] && { [ ! -f "$old" ] || is_managed "$old"; }; then DROP_IN=""; fi
}
# needs_version FILE: it says neither a version nor anything else that depends on one.
needs_version() { [ -z "$(toml_get "$1" "" version)$(toml_tables "$1")" ]; }
newest_version() { if [ "$CONTAINERD_MAJOR" = 1 ]; then echo 2; else echo 3; fi; }

# imports_of FILE: the paths and patterns that the main file imports, one per line. containerd resolves relative ones in
# that file's folder; containerd 1.x resolves relative patterns in its working folder, which is / for a service.
imports_of() {
    local path
    toml_get "$1" "" imports | fact render | grep -oE "\"[^\"]*\"|'[^']*'" | sed 's/^.//; s/.$//; s,^\./,,' | while IFS= read -r path; do
        case $CONTAINERD_MAJOR:$path in
            *:/*) printf '%s\n' "$path" ;;
            1:*'*'*) printf '/%s\n' "$path" ;;
            *) printf '%s\n' "${CONTAINERD_CONFIG%/*}/$path" ;;
        esac
    done
}
# The folder for links to shims: that of an earlier run, or the usual one, or that of images with a read-only /usr.
shim_folder() {
    local folder
    folder=$(sed -n '/\/containerd-shim-[^/]*$/{s,,,p; q; }' "$STATE_DIR/managed" 2>/dev/null) || :
    [ -n "$folder" ] || if is_writable /usr/local/bin; then folder=/usr/local/bin; else folder=/opt/bin; fi
    printf '%s\n' "$folder"
}
shim_link() { echo "$(shim_folder)/containerd-shim-$1-v2"; } # HANDLER
# finds_shims: containerd finds them there by its PATH. Otherwise it needs a runtime_path, which some releases ignore.
finds_shims() { case :$CONTAINERD_PATH: in *":$(shim_folder):"*) ;; *) return 1 ;; esac; }
uses_runtime_path() { case $CONTAINERD_VERSION in 1.6.[0-9] | 1.6.[0-9][!0-9]* | 1.6.1[0-9]* | 1.6.20* | 1.7.0*) return 1 ;; esac; }
# imported_folder FILE: a folder whose *.toml the main file imports and that is writable, preferably one below /etc.
# (`containerd config default` shows such an import, but containerd makes it only if the main file has it.)
imported_folder() {
    local folder
    imports_of "$1" | sed -n 's,/\*\.toml$,,p' | while IFS= read -r folder; do
        if is_writable "$folder"; then printf '%s\n' "$folder"; fi
    done | awk '!first { first = $0 } /^\/etc\// { first = $0; exit } END { if (first) print first }'
}

# --- The configuration to write ---

# prepare_containerd: in $WORK_DIR: main, drop-in (with a drop-in folder), and imported, the other files of that folder;
# and edits, the driver of each runc runtime before and after the change and the disabled entries, to undo the edits if
# their marks are lost.
prepare_containerd() {
    local main="$WORK_DIR/main.unmarked" cgroup default version_line=""
    step "containerd configuration"
    choose_form
    cgroup=$(systemd_cgroup)
    : >"$WORK_DIR/edits"
    prepare_imported "$HANDLERS"
    require_template "$main"
    disable_foreign "$main" "$CONTAINERD_CONFIG" "$WORK_DIR/main"
    understand "$WORK_DIR/main" "$WORK_DIR/imported" "$WORK_DIR/dump.without"
    default=$(default_runtime "$WORK_DIR/dump.without")
    case " $HANDLERS " in
        *" $default "*) fail "$default is containerd's default runtime (default_runtime_name), so every pod would become a Kata pod" \
            "set default_runtime_name in containerd's configuration to another runtime, usually runc, and restart $CONTAINERD_UNIT; or set another handler in runtimeClasses; then run pulumi again" ;;
    esac
    runc_drivers "$WORK_DIR/dump.without" >"$WORK_DIR/runc"
    record_drivers "$cgroup" >>"$WORK_DIR/edits"
    if [ -n "$DROP_IN" ]; then
        {
            echo "$SIGNATURE"
            [ -z "$(fact merged_config)" ] || echo "version = 2"
            runtime_tables
            [ -z "$cgroup" ] || awk -F '\t' -v new="$cgroup" -v plugin="$CRI_PLUGIN" '
                { printf "[plugins.\"%s\".containerd.runtimes.\"%s\".options]\nSystemdCgroup = %s\n", plugin, $1, new }' "$WORK_DIR/runc"
        } >"$WORK_DIR/drop-in"
    else
        if needs_version "$main"; then version_line="version = $(newest_version)"; fi
        # containerd 1.x treats a runtime as runc only if its file names it.
        if [ "$CONTAINERD_MAJOR" = 1 ]; then : >"$WORK_DIR/runc"; fi
        mark "$main" "$CONTAINERD_CONFIG" "$WORK_DIR/main" "$cgroup" "$(runtime_tables)" "$version_line" "$(cut -f 1 "$WORK_DIR/runc")"
        mark_replacing "$cgroup"
    fi
    cmp -s "$main" "$WORK_DIR/main" || [ -n "$TEMPLATE" ] || is_writable "$CONTAINERD_CONFIG" ||
        fail "$CONTAINERD_CONFIG is on a read-only file system" \
            "copy it to /etc/containerd, make $CONTAINERD_UNIT use the copy (systemctl edit $CONTAINERD_UNIT), restart $CONTAINERD_UNIT, then run pulumi again"
    prepare_templates "$main"
}
# mark_replacing CGROUP: containerd 1.x uses only the CRI tables of the file that it reads last, so an imported one gets
# the entries too. The main file keeps them for tools that write such a file from it, or remove it.
mark_replacing() {
    local file last=""
    for file in "$WORK_DIR"/imported/*.toml; do
        if [ -f "$file" ] && toml_tables "$file" | grep -qF "\"$CRI_PLUGIN\""; then last=${file##*/}; fi
    done
    if [ "$CONTAINERD_MAJOR" != 1 ] || [ -z "$last" ]; then return 0; fi
    originals "$IMPORTED/$last" "$WORK_DIR/unmarked"
    mark "$WORK_DIR/unmarked" "$IMPORTED/$last" "$WORK_DIR/imported/$last" "$1" "$(runtime_tables)" ""
}
# record_drivers CGROUP: prints the driver of each runc runtime before and after the change. A runtime that was added
# after the driver changed, and has the new one, is left out, because it copied that driver.
record_drivers() {
    [ -n "$1" ] || return 0
    { cat "$STATE_DIR/edits" 2>/dev/null || :; } | awk -F '\t' -v new="$1" '
        FILENAME == "-" { if ($3 == new) { seen[$1] = 1; if ($2 != new) changed = 1 } next }
        $2 != new || !changed || $1 in seen { print $1 "\t" $2 "\t" new }' - "$WORK_DIR/runc"
}
# requested_cgroup: the requested value of SystemdCgroup, or nothing; systemd_cgroup: the one to write.
requested_cgroup() { case ${CGROUP_DRIVER:-} in systemd) echo true ;; cgroupfs) echo false ;; esac; }
systemd_cgroup() { fact sets_driver || requested_cgroup; }

# runtime_tables: the handlers' runtimes. Their shim is found by a link on the PATH if possible: containerd 1.6.20 ignores
# runtime_path, and containerd 2.x loses, at its next restart, each sandbox whose runtime_path no longer exists.
runtime_tables() {
    local handler snapshotter path
    # shellcheck disable=SC2086 # a list; in an order that does not depend on which class is the main one
    for handler in $(printf '%s\n' $HANDLERS | sort); do
        snapshotter=$(given "$handler" snapshotter)
        snapshotter=${snapshotter:+"snapshotter = \"$snapshotter\""}
        # containerd 2.0 to 2.2 does not derive this table from that of the runtime.
        if [ -n "$snapshotter" ] && [ "$CONTAINERD_MAJOR" != 1 ]; then
            printf '[%s.%s]\n%s\n' "$IMAGE_PLATFORMS" "$handler" "$snapshotter"
        fi
        path=""
        finds_shims || path="${NEWLINE}runtime_path = \"$(shim_link "$handler")\""
        cat <<TABLES
[plugins."$CRI_PLUGIN".containerd.runtimes.$handler]
runtime_type = "io.containerd.$handler.v2"$path
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]${snapshotter:+$NEWLINE$snapshotter}
[plugins."$CRI_PLUGIN".containerd.runtimes.$handler.options]
ConfigPath = "$(config_of "$handler")"
TABLES
    done
}

# runc_drivers DUMP: the runtimes that are runc, one per line: name, tab, SystemdCgroup.
runc_drivers() {
    awk "$TOML_AWK"'
        END {
            toml_index()
            for (i = 1; i <= NR; i++) {
                if (key[i] == SEP "runtime_type" && plain(value[i]) ~ /^io\.containerd\.runc\.v[12]$/) runc[at[i]] = 1
                if (key[i] == SEP "SystemdCgroup") driver[at[i]] = plain(value[i])
            }
            for (i = 1; i <= NR; i++) if (head[i] in runc) {
                n = split(head[i], part, SEP)
                if (part[n - 1] == "runtimes") print part[n] "\t" driver[head[i] SEP "options"]
            }
        }' "$1"
}

# prepare_imported HANDLERS: $WORK_DIR/imported gets the files of the imported folder, without runtimes of these names,
# because they may be read after the managed file. With empty HANDLERS it gets the unedited files.
prepare_imported() {
    local file
    rm -rf "$WORK_DIR/imported"
    mkdir "$WORK_DIR/imported"
    [ -n "$IMPORTED" ] || return 0
    for file in "$IMPORTED"/*.toml; do
        if [ ! -f "$file" ] || [ "$file" = "$DROP_IN" ] || is_managed "$file" || [ "$file" = "$CONTAINERD_CONFIG" ]; then continue; fi
        originals "$file" "$WORK_DIR/unmarked"
        if [ -n "$1" ]; then
            disable_foreign "$WORK_DIR/unmarked" "$file" "$WORK_DIR/imported/${file##*/}"
        else
            cp "$WORK_DIR/unmarked" "$WORK_DIR/imported/${file##*/}"
        fi
    done
}

# disable_foreign FILE NAME OUT: OUT gets FILE with somebody else's runtimes named as one of $HANDLERS disabled.
disable_foreign() {
    # shellcheck disable=SC2086 # one pattern for each handler
    if toml_tables "$1" | grep -qF "$(printf 'containerd.runtimes.%s\n' $HANDLERS; printf 'runtime_platforms.%s\n' $HANDLERS)" ||
        imports_from_kata "$1"; then
        record_disabled "$1" "$2" >>"$WORK_DIR/edits"
        mark "$1" "$2" "$3" "" "" ""
    else
        cp "$1" "$3"
    fi
}

# record_disabled FILE NAME: prints the entries that disable_foreign disables, one per line: NAME, tab, kind, tab, entry.
record_disabled() {
    E_NAME=$2 E_RUNTIMES="plugins.\"$CRI_PLUGIN\".containerd.runtimes" E_PLATFORMS=$IMAGE_PLATFORMS E_HANDLERS=$HANDLERS \
        E_KATA=$KATA_LINK/ awk "$TOML_AWK"'
        END {
            toml_index()
            runtimes = path_of(ENVIRON["E_RUNTIMES"])
            platforms = path_of(ENVIRON["E_PLATFORMS"])
            n = split(ENVIRON["E_HANDLERS"], handler, " ")
            for (i = 1; i <= NR; i++) {
                for (j = 1; j <= n; j++)
                    if ((under(at[i], runtimes SEP handler[j]) || under(at[i], platforms SEP handler[j])) && (head[i] != "" || first[i]))
                        print ENVIRON["E_NAME"] "\ttable\t" line[i]
                if (at[i] != "" || key[i] != SEP "imports") continue
                s = whole(i)
                while (match(s, "[\"\047]" ENVIRON["E_KATA"] "[^\"\047]*[\"\047]")) {
                    print ENVIRON["E_NAME"] "\timport\t" substr(s, RSTART + 1, RLENGTH - 2)
                    s = substr(s, RSTART + RLENGTH)
                }
            }
        }' "$1"
}

# imports_from_kata FILE: it imports from /opt/kata, as kata-deploy sets it up. That folder is about to be displaced, and
# containerd does not start if a file that is imported by name is missing.
imports_from_kata() { toml_get "$1" "" imports | grep -qF "$KATA_LINK/"; }

# mark FILE NAME OUT CGROUP TABLES VERSION_LINE [RUNC]: mark_containerd to OUT, or an error that names the file NAME.
mark() {
    local file="$1" name="$2" out="$3"
    shift 3
    mark_containerd "$file" "$@" >"$out" 2>"$WORK_DIR/refused" ||
        fail "$name cannot be edited safely: $(head -n 1 "$WORK_DIR/refused")" \
            "$(tail -n 1 "$WORK_DIR/refused"), then run pulumi again"
}

# awk functions of mark_containerd.
# shellcheck disable=SC2016
CONTAINERD_AWK='
function refuse(i, why, remedy) { print "line " i ": " why "\n" remedy | "cat >&2"; exit 4 }
# Whether a table is that of a managed runtime.
function is_managed(path,    handler) {
    for (handler in handlers) if (under(path, runtimes SEP handler) || under(path, platforms SEP handler)) return 1
    return 0
}
function check_forms(    i, path, inline, name) {
    name = "[" shown(runtimes) ".NAME"
    for (i = 1; i <= NR; i++) {
        if (key[i] == "") continue
        path = at[i] key[i]
        inline = value[i] ~ /^\{/
        if (inline && under(runtimes, path)) refuse(i, shown(path) " is an inline table", "write that entry as a table of its own, [" shown(path) "]")
        if (under(path, runtimes) && (at[i] == runtimes || !under(at[i], runtimes)))
            refuse(i, "a runtime is written with dotted keys or as an inline table", "write that entry as a table of its own, " name "]")
        if (cgroup != "" && under(path, runtimes) && !is_managed(path) && under(key[i], SEP "options"))
            refuse(i, "the options of a runtime are written with dotted keys or as an inline table", "write them as a table of their own, " name ".options]")
    }
}
# An array may hold comments, so its last line can be disabled as well.
function drop_imports(    i, j, new, p) {
    for (i = 1; i <= NR && key[i] != SEP "imports"; i++);
    if (i > NR || at[i] != "") return
    for (j = i; j <= last[i]; j++) {
        new = line[j]
        while ((p = match(new, "[\"\047]" ENVIRON["E_KATA"] "[^\"\047]*[\"\047][ \t]*,?[ \t]*")))
            new = substr(new, 1, p - 1) substr(new, p + RLENGTH)
        if (new == line[j]) continue
        if (new ~ /^[ \t]*(#.*)?$/) { before[j] = "#kata-containers:disabled# "; continue }
        sub(/^[ \t]+/, "", new)
        # The comment stays in the original.
        OPEN = ""
        new = scan(new)
        if (new ~ /\)/) refuse(j, "imports contains a parenthesis", "write each entry of imports on a line of its own")
        before[j] = replaced(line[j], new)
        line[j] = new
    }
}
function set_cgroup(runtime,    i, options, head_line) {
    options = runtime SEP "options"
    for (i = 1; i <= NR; i++) {
        if (head[i] == options) head_line = i
        if (at[i] != options || key[i] != SEP "SystemdCgroup") continue
        if (plain(value[i]) == cgroup) return
        match(line[i], /^[ \t]*/)
        before[i] = replaced(line[i], "SystemdCgroup = " cgroup)
        line[i] = substr(line[i], 1, RLENGTH) "SystemdCgroup = " cgroup
        return
    }
    if (head_line) after[head_line] = "\n#kata-containers:begin\nSystemdCgroup = " cgroup "\n#kata-containers:end"
    else added = added "[" shown(options) "]\nSystemdCgroup = " cgroup "\n"
}
'

# mark_containerd FILE CGROUP TABLES VERSION_LINE [RUNC]: prints a configuration file with the runtime's TABLES added and
# anything else named as one of $HANDLERS disabled. CGROUP is the SystemdCgroup of every runc runtime, "" to keep theirs; RUNC
# names those that containerd knows as runc although the file does not say so.
# VERSION_LINE is what an empty file must begin with, or "". Imports from $KATA_LINK are disabled as well, because it is
# about to be displaced. Exit status 4: the file has a form that cannot be edited safely; line and reason are on stderr.
mark_containerd() {
    E_CUT_SHORT=$(cut_short "$1") E_PLUGIN=$CRI_PLUGIN E_PLATFORMS=$IMAGE_PLATFORMS E_HANDLERS=$HANDLERS E_MAJOR=$CONTAINERD_MAJOR$(fact merged_config) \
        E_KATA=$KATA_LINK/ E_CGROUP=$2 E_TABLES=$3 E_VERSION=$4 E_RUNC=${5:-} awk "$TOML_AWK$MARKS_AWK$CONTAINERD_AWK"'
        END {
            toml_index()
            runtimes = SEP "plugins" SEP ENVIRON["E_PLUGIN"] SEP "containerd" SEP "runtimes"
            platforms = path_of(ENVIRON["E_PLATFORMS"])
            n = split(ENVIRON["E_HANDLERS"], name, " ")
            for (i = 1; i <= n; i++) handlers[name[i]] = 1
            cgroup = ENVIRON["E_CGROUP"]
            check_forms()
            drop_imports()
            for (i = 1; i <= NR; i++) {
                if (!under(at[i], runtimes) || at[i] == runtimes || is_managed(at[i])) continue
                others = 1
                if (key[i] == SEP "runtime_type" && plain(value[i]) ~ /^io\.containerd\.runc\.v[12]$/ && !(at[i] in runc)) {
                    runc[at[i]] = 1
                    list[++count] = at[i]
                }
            }
            n = split(ENVIRON["E_RUNC"], name, "\n")
            for (i = 1; i <= n; i++) if (name[i] != "" && !(runtimes SEP name[i] in runc)) list[++count] = runtimes SEP name[i]
            if (ENVIRON["E_VERSION"] != "") added = ENVIRON["E_VERSION"] "\n"
            # In containerd 1.x, a runtimes table in the file replaces the built-in runc, unless the distribution merges files.
            builtin_replaced = ENVIRON["E_MAJOR"] == "1" && !others
            if (cgroup != "" && !builtin_replaced) for (i = 1; i <= count; i++) set_cgroup(list[i])
            if (builtin_replaced) {
                added = added "[" shown(runtimes SEP "runc") "]\nruntime_type = \"io.containerd.runc.v2\"\n"
                if (cgroup != "") added = added "[" shown(runtimes SEP "runc" SEP "options") "]\nSystemdCgroup = " cgroup "\n"
            }
            for (i = 1; i <= NR; i++) {
                # Blank lines and comments need not be disabled.
                disabled = is_managed(at[i]) && line[i] !~ /^[ \t]*(#|\r?$)/ ? "#kata-containers:disabled# " : ""
                printf "%s%s%s%s%s", (i > 1 ? "\n" : ""), before[i], disabled, line[i], after[i]
            }
            if (NR && ENVIRON["E_CUT_SHORT"] == "") printf "\n"
            if (ENVIRON["E_TABLES"] != "") added = added ENVIRON["E_TABLES"] "\n"
            if (added != "") printf "%s%s%s", begin_mark(), added, end_mark()
        }' "$1"
}

# --- The templates of a rendered configuration ---

# The first line of a managed template. It is not rendered.
TEMPLATE_SIGNATURE="{{/* $SIGNATURE */ -}}"

# is_rendered: containerd reads a file that a start of its unit makes of others.
is_rendered() { [ -n "$CONTAINERD_TEMPLATES" ] || [ "$(fact config_in_force "$CONTAINERD_CONFIG")" != "$CONTAINERD_CONFIG" ]; }
# and_render: the restart that a change of these needs.
and_render() { if is_rendered; then echo " and restart $CONTAINERD_UNIT (which renders it)"; fi; }

# editable_config: the path by which an administrator can change containerd's configuration.
editable_config() {
    if [ -z "$CONTAINERD_TEMPLATES$(fact drop_ins)" ]; then
        echo "$CONTAINERD_CONFIG"
    elif [ -n "$IMPORTED" ]; then
        echo "$IMPORTED/*.toml"
    elif [ -f "$TEMPLATE" ] && ! is_managed "$TEMPLATE"; then
        echo "$TEMPLATE"
    else
        printf '%s (a new one must include the built-in one: {{ template "base" . }})\n' "$TEMPLATE"
    fi
}

# require_template MAIN: the rendered file is only read, so what it contains cannot be disabled there; and a template that was
# not rendered yet may have any effect.
require_template() {
    local handler file
    [ -n "$TEMPLATE" ] || return 0
    for file in "$CONTAINERD_TEMPLATES/config.toml.tmpl" "$CONTAINERD_TEMPLATES/config-v3.toml.tmpl"; do
        if [ "$file" -nt "$CONTAINERD_CONFIG" ] && [ -z "$PROBING" ] && ! is_managed "$file"; then
            fail "$file was changed after $CONTAINERD_CONFIG was rendered; nothing was changed" \
                "restart $CONTAINERD_UNIT, so that the change takes effect, then run pulumi again"
        fi
    done
    ! imports_from_kata "$1" || fail "$CONTAINERD_CONFIG, which $DISTRIBUTION renders, imports a file in $KATA_LINK, which this package replaces" \
        "remove it from \`imports\` in $TEMPLATE, restart $CONTAINERD_UNIT, then run pulumi again"
    for handler in $HANDLERS; do
        ! toml_tables "$1" | grep -qE "[.](runtimes|runtime_platforms)[.]$handler([.]|\$)" ||
            fail "the runtime $handler is in $CONTAINERD_CONFIG already, which $DISTRIBUTION renders" \
                "if $TEMPLATE has its tables, remove them there and restart $CONTAINERD_UNIT; otherwise set another handler in runtimeClasses; then run pulumi again"
    done
}

# prepare_templates MAIN: $WORK_DIR/templates gets the templates without the managed entries. Without a drop-in folder, $WORK_DIR/main has
# some that MAIN lacks: these are added to the template from which MAIN is rendered, or to $WORK_DIR/template, a new one.
prepare_templates() {
    local file block
    rm -rf "$WORK_DIR/templates" "$WORK_DIR/template"
    mkdir "$WORK_DIR/templates"
    [ -n "$TEMPLATE" ] || return 0
    for file in "$CONTAINERD_TEMPLATES/config.toml.tmpl" "$CONTAINERD_TEMPLATES/config-v3.toml.tmpl"; do
        if [ -f "$file" ] && ! is_managed "$file"; then originals "$file" "$WORK_DIR/templates/${file##*/}"; fi
    done
    if cmp -s "$1" "$WORK_DIR/main"; then return; fi
    file=$WORK_DIR/templates/${TEMPLATE##*/} block=$(edits "$WORK_DIR/main" | sed -n '/^begin$/,$p' | sed 1d)
    if [ -f "$file" ]; then
        ! grep -v '^[[:space:]]*$' "$file" | tail -n 1 | grep -qE -e '-[}][}][[:space:]]*$' ||
            fail "the action at the end of $TEMPLATE trims the white space behind it, so lines cannot be added there; nothing was changed" \
                "end it with }} instead of -}}, restart $CONTAINERD_UNIT, then run pulumi again"
        E_CUT_SHORT=$(cut_short "$file") E_ADDED=$block awk "$MARKS_AWK"'
            { printf "%s%s", (NR > 1 ? "\n" : ""), $0 }
            END { if (ENVIRON["E_CUT_SHORT"] == "") printf "\n"; printf "%s%s\n", begin_mark(), ENVIRON["E_ADDED"] }' "$file" >"$WORK_DIR/unmarked"
        mv "$WORK_DIR/unmarked" "$file"
    else
        is_managed "$TEMPLATE" || version_at_least "$(kubelet_version)" "$(fact base_template)" ||
            fail "$DISTRIBUTION $(kubelet_version) has no drop-in folder for containerd, and its templates cannot include the built-in one" \
                "upgrade $DISTRIBUTION to $(fact base_template) or later, or write $TEMPLATE yourself and restart $CONTAINERD_UNIT; then run pulumi again"
        printf '%s\n{{ template "base" . }}\n#kata-containers:begin\n%s\n' "$TEMPLATE_SIGNATURE" "$block" >"$WORK_DIR/template"
    fi
}

# --- Checks before the change ---

# check_containerd: asks containerd, before anything is changed, whether it accepts $WORK_DIR/main and, with a drop-in
# folder, the future content of that folder. $WORK_DIR/dump gets the configuration as containerd then understands it.
check_containerd() {
    rm -rf "$WORK_DIR/folder"
    cp -r "$WORK_DIR/imported" "$WORK_DIR/folder"
    if [ -n "$DROP_IN" ] && [ -f "$WORK_DIR/drop-in" ]; then cp "$WORK_DIR/drop-in" "$WORK_DIR/folder/${DROP_IN##*/}"; fi
    understand "$WORK_DIR/main" "$WORK_DIR/folder" "$WORK_DIR/dump"
    if journal_open; then require_expected; else others_in "$WORK_DIR/dump" >"$WORK_DIR/expected"; fi
}
# others_in DUMP: the runtimes of others, and the default one.
others_in() {
    # shellcheck disable=SC2086 # one pattern for each handler
    runtimes_of "$1" | grep -vxF "$(printf '%s\n' $HANDLERS -)" | sed 's/^/runtime /'
    echo "default runtime $(default_runtime "$1")"
}
# require_expected: after the change, no runtime of others is gone: the restart may have rendered a file from a template that
# changed before. Nothing has restarted a stopped one.
require_expected() {
    local lost
    if [ -z "$CONTAINERD_PID" ]; then return; fi
    others_in "$WORK_DIR/dump.now" >"$WORK_DIR/names"
    lost=$(grep -vxF -f "$WORK_DIR/names" "$WORK_DIR/expected" | head -n 1)
    [ -z "$lost" ] || fail "after the change containerd has no $lost any longer, which $CONTAINERD_CONFIG had before; rolling back" \
        "restart $CONTAINERD_UNIT; if you need that entry and it is missing then, add it to $(editable_config) and restart $CONTAINERD_UNIT; then run pulumi again"
}

# understand MAIN FOLDER DUMP: DUMP gets the configuration as containerd understands it with MAIN as its main file and
# FOLDER, in which everything is imported, as its drop-in folder.
understand() {
    local candidate="$WORK_DIR/candidate.toml"
    step "containerd configuration"
    fact render <"$1" >"$WORK_DIR/rendered"
    E_MAIN=$CONTAINERD_CONFIG E_MAJOR=$CONTAINERD_MAJOR E_CANDIDATE=$candidate E_DROP_INS="${IMPORTED:+$IMPORTED/*.toml}" \
        E_FOLDER=$2 awk "$TOML_AWK"'
        function moved(path) {
            sub(/^\.\//, "", path)
            # The patterns that containerd 1.x resolves in its working folder can stay.
            if (path !~ /^\// && (ENVIRON["E_MAJOR"] != "1" || path !~ /\*/)) path = folder path
            if (path == ENVIRON["E_MAIN"]) return ENVIRON["E_CANDIDATE"]
            if (path == ENVIRON["E_DROP_INS"]) return ENVIRON["E_FOLDER"] "/*.toml"
            return path
        }
        function move_imports(s,    out) {
            while (match(s, "\"[^\"]*\"|\047[^\047]*\047")) {
                out = out substr(s, 1, RSTART) moved(substr(s, RSTART + 1, RLENGTH - 2)) substr(s, RSTART + RLENGTH - 1, 1)
                s = substr(s, RSTART + RLENGTH)
            }
            return out s
        }
        END {
            toml_index()
            folder = ENVIRON["E_MAIN"]
            sub(/[^\/]*$/, "", folder)
            for (i = 1; i <= NR; i++) {
                if (at[i] == "" && key[i] == SEP "imports")
                    for (j = i; j <= last[i]; j++) line[j] = (j == i ? "imports = " : "") move_imports(bare[j])
                print line[i]
            }
        }' "$WORK_DIR/rendered" >"$candidate"
    merge_drop_in "$candidate" "$2"
    # The folder that is about to be restored to /opt/kata is still displaced.
    if exists "$(displaced_of "$KATA_LINK")"; then
        sed "s,$KATA_LINK/,$(displaced_of "$KATA_LINK")/,g" "$candidate" >"$WORK_DIR/candidate"
        mv "$WORK_DIR/candidate" "$candidate"
    fi
    dump "$candidate" >"$3" 2>"$WORK_DIR/dump.err" ||
        fail "containerd rejects the new configuration: $(tail -n 1 "$WORK_DIR/dump.err" | excerpt)" \
            "correct $(editable_config) and the files that it imports$(and_render) until this succeeds: $(dump_command); then run pulumi again; if it succeeds already, report this as a bug"
}

# merge_drop_in CANDIDATE FOLDER: if the distribution merges drop-in files, CANDIDATE imports the result of that with the managed file
# in FOLDER, or without it. On a stopped node, the merged file may be gone since a reboot.
merge_drop_in() {
    local merged tables=""
    merged=$(fact merged_config)
    [ -n "$merged" ] || return 0
    if [ -f "$2/${DROP_IN##*/}" ]; then tables=$(sed 1,2d "$2/${DROP_IN##*/}"); fi
    if [ -f "$merged" ]; then originals "$merged" "$WORK_DIR/unmarked"; else "$CONTAINERD" config default >"$WORK_DIR/unmarked"; fi
    mark "$WORK_DIR/unmarked" "$merged" "$WORK_DIR/merged.toml" "" "$tables" ""
    sed "s,$merged,$WORK_DIR/merged.toml," "$1" >"$WORK_DIR/candidate"
    mv "$WORK_DIR/candidate" "$1"
}

# require_cri: Docker's package disables CRI.
require_cri() {
    local ids="[\"'](cri|io\.containerd\.grpc\.v1\.cri|io\.containerd\.cri\.v1\.[a-z]*)[\"']" file="a file imported by $CONTAINERD_CONFIG"
    dump_now
    toml_get "$WORK_DIR/dump.now" "" disabled_plugins | grep -qE "$ids" || return 0
    if toml_get "$CONTAINERD_CONFIG" "" disabled_plugins | grep -qE "$ids"; then file=$CONTAINERD_CONFIG; fi
    fail "containerd's CRI is disabled: disabled_plugins in $file names it" \
        "remove it from that list, restart $CONTAINERD_UNIT, then run pulumi again"
}

require_healthy_runtime() {
    require_cri
    gate_runtime || fail "containerd's CRI does not answer; nothing was changed" \
        "repair $CONTAINERD_UNIT (its log: journalctl -u $CONTAINERD_UNIT$(and_log_files)), then run pulumi again"
}

# importing TABLE: the last imported file with a table whose name contains TABLE, for errors.
importing() {
    local file found="a file imported by $CONTAINERD_CONFIG"
    # The imports are patterns.
    for file in $(imports_of "$WORK_DIR/main.unmarked"); do
        if [ ! -f "$file" ] || [ "$file" = "$CONTAINERD_CONFIG" ] || [ "$file" = "$DROP_IN" ]; then continue; fi
        if toml_tables "$file" | grep -qE -e "$(printf %s "$1" | sed 's/[.]/[.]/g')([.]|\$)"; then found=$file; fi
    done
    printf '%s\n' "$found"
}

# require_lasting_shims: before a restart. containerd's unit does not end its shims.
require_lasting_shims() { :; }

# require_runtimes NAME...: the prepared configuration has these runtimes and the default one.
require_runtimes() {
    local runtime file remedy
    remedy="remove the tables of other runtimes from that file, or write them into $(editable_config)"
    for runtime in "$@" "$(default_runtime "$WORK_DIR/dump")"; do
        if [ -n "$(runtime_entry "$WORK_DIR/dump" "$runtime" runtime_type)" ]; then continue; fi
        file=$(importing "\"$CRI_PLUGIN\"")
        if [ "$CONTAINERD_MAJOR" = 1 ]; then
            remedy="containerd $CONTAINERD_VERSION uses only the CRI tables of the file that it reads last: move those of $file into $CONTAINERD_CONFIG, then run pulumi again"
        fi
        fail "with the new configuration containerd would have no runtime $runtime, because $file replaces the runtimes" "$remedy"
    done
}

# require_handlers DUMP WHEN: a file that is imported by name or read after the managed one may define a runtime named
# as one of $OWN_HANDLERS, which containerd would use.
require_handlers() {
    local handler path
    for handler in $OWN_HANDLERS; do
        path=$(toml_get "$1" "$CRI_DUMP_TABLE.runtimes.\"$handler\".options" ConfigPath)
        [ "$path" = "$(config_of "$handler")" ] ||
            fail "$2 the runtime $handler is not the managed one: $(importing ".runtimes.$handler") sets its ConfigPath to \"$path\"" \
                "remove the table of that runtime from that file, or set another handler in runtimeClasses; then run pulumi again"
        require_snapshotter "$1" "$2" "$handler"
    done
}
require_snapshotter() { # DUMP WHEN HANDLER
    local wanted table found
    wanted=$(given "$3" snapshotter)
    for table in "$CRI_DUMP_TABLE.runtimes" "$IMAGE_PLATFORMS"; do
        case $CONTAINERD_MAJOR$table in 1*runtime_platforms) continue ;; esac
        found=$(toml_get "$1" "$table.\"$3\"" snapshotter)
        [ "$found" = "$wanted" ] ||
            fail "$2 the runtime $3 has the snapshotter \"$found\" instead of \"$wanted\", because of $(importing ".${table##*.}.$3")" \
                "remove the tables of that runtime from that file, or set another handler in runtimeClasses; then run pulumi again"
    done
}

# snapshotter_of HANDLER: that of its class, or else the one for which CRI unpacks images.
snapshotter_of() {
    given "$1" snapshotter | grep . && return
    case $CONTAINERD_MAJOR in
        1) toml_get "$WORK_DIR/dump.now" 'plugins."io.containerd.grpc.v1.cri".containerd' snapshotter ;;
        *) toml_get "$WORK_DIR/dump.now" 'plugins."io.containerd.cri.v1.images"' snapshotter ;;
    esac
}

# require_snapshotters: this containerd can run each requested class with its snapshotter.
require_snapshotters() {
    local handler class argument name ready
    for handler in $REQUESTED; do
        class=runtimeClasses.$(given "$handler" runtime-class)
        argument=$class.snapshotter name=$(snapshotter_of "$handler")
        case $name:,$(given "$handler" needs), in
            overlayfs:*,block_snapshotter,* | native:*,block_snapshotter,*)
                fail "the shim of $class requires a snapshotter with block devices, and would get $name" \
                    "set up such a snapshotter, usually devmapper, and set $argument to its name, or make it containerd's default one; then run pulumi again" ;;
        esac
        if [ -z "$(given "$handler" snapshotter)" ]; then continue; fi
        version_at_least "$CONTAINERD_VERSION" 1.7 ||
            fail "containerd $CONTAINERD_VERSION has no snapshotters for single runtimes ($argument is $name)" \
                "upgrade containerd to 1.7 or later, or remove $argument and make $name containerd's default one; then run pulumi again"
        # A snapshotter without its device or its kernel support is listed too, but not as ok.
        # shellcheck disable=SC2086
        ready=$(timeout 20 $CTR --address "$CONTAINERD_SOCKET" plugins ls 2>/dev/null |
            awk '$1 == "io.containerd.snapshotter.v1" && $NF == "ok" { print $2 }')
        printf '%s\n' "$ready" | grep -qxF -e "$name" ||
            fail "containerd has no healthy snapshotter $name ($argument); it has: $(printf %s "$ready" | tr '\n' ' ')" \
                "set it up until \`$CTR --address $CONTAINERD_SOCKET plugins ls\` shows it as ok, or change $argument; then run pulumi again"
        # A snapshotter in a process of its own is always listed as ok.
        in_k8s snapshots --snapshotter "$name" ls >/dev/null ||
            fail "the snapshotter $name ($argument) does not answer containerd" \
                "start its service until this command answers: $CTR --address $CONTAINERD_SOCKET -n k8s.io snapshots --snapshotter $name ls; or change $argument; then run pulumi again"
    done
}

# require_driver DUMP WHEN: every runc runtime has the requested cgroup driver.
require_driver() {
    local cgroup wrong
    cgroup=$(requested_cgroup)
    [ -n "$cgroup" ] || return 0
    runc_drivers "$1" >"$WORK_DIR/runc"
    [ -s "$WORK_DIR/runc" ] || fail "$2 no runc runtime exists whose cgroup driver could be set" \
        "define one in $CONTAINERD_CONFIG, or remove kubelet.cgroupDriver"
    wrong=$(awk -F '\t' -v new="$cgroup" '($2 == "" ? "false" : $2) != new { print $1; exit }' "$WORK_DIR/runc")
    [ -z "$wrong" ] || ! fact sets_driver ||
        fail "$2 the cgroup driver of the runtime $wrong is not $CGROUP_DRIVER, which is that of the kubelet" \
            "set both to the same one, or remove kubelet.cgroupDriver; $DISTRIBUTION takes the driver from $(fact driver_place)"
    [ -z "$wrong" ] || fail "$2 the cgroup driver of the runtime $wrong is not $CGROUP_DRIVER, because of $(importing ".runtimes.$wrong")" \
        "remove SystemdCgroup from that file, or set it there to $cgroup"
}

# reading_remedy: the way to a containerd that reads its configuration.
reading_remedy() {
    if is_rendered; then
        echo "correct $(editable_config) and restart $CONTAINERD_UNIT, which renders it"
    else
        echo "make its ExecStart read $CONTAINERD_CONFIG (systemctl edit $CONTAINERD_UNIT)"
    fi
}

# prove_runtime: containerd serves the runtime and the driver that were requested. Its configuration is read after its
# restart; crictl shows the one that it runs with.
prove_runtime() {
    local running="in the running containerd" info="$WORK_DIR/cri" handler snapshotter pattern
    require_handlers "$WORK_DIR/dump.now" "$running"
    require_driver "$WORK_DIR/dump.now" "$running"
    # shellcheck disable=SC2046 # a command
    if ! timeout 20 $(crictl_command) info >"$info" 2>/dev/null || ! grep -q '"runtimes"' "$info"; then return 0; fi
    for handler in $OWN_HANDLERS; do
        snapshotter=$(given "$handler" snapshotter)
        pattern="\"ConfigPath\":\"$(config_of "$handler")\""
        # It is in the object of the runtime, after the options.
        if [ -n "$snapshotter" ]; then pattern="${pattern}[^{}]*[}][^{}]*\"snapshotter\":\"$snapshotter\""; fi
        tr -d ' \t\n' <"$info" | grep -qE "$pattern" ||
            fail "the CRI of the running containerd has no runtime with $(config_of "$handler")${snapshotter:+ and the snapshotter $snapshotter}" \
                "$(reading_remedy), until \`$(crictl_command) info\` shows the same runtimes as \`$(dump_command)\`; then run pulumi again"
    done
    case $(requested_cgroup) in
        true) ! grep -qE '"SystemdCgroup": *false' "$info" ;;
        false) ! grep -qE '"SystemdCgroup": *true' "$info" ;;
    esac || fail "the CRI of the running containerd has a runtime whose cgroup driver is not $CGROUP_DRIVER" \
        "$(reading_remedy), until \`$(crictl_command) info\` shows the same runtimes as \`$(dump_command)\`; then run pulumi again"
}

# require_reported_handlers: the kubelet reports the runtimes of containerd 2.x in the status of its Node, a while after
# containerd has restarted. A kubelet that reports no runtimes is accepted, and a cluster that cannot be asked.
require_reported_handlers() {
    local interval
    [ "$CONTAINERD_MAJOR" != 1 ] || return 0
    interval=$(kubelet_status_interval "$(kubelet_pid)")
    within $((30 + ${interval:-0})) handlers_are_reported ||
        fail "the kubelet does not see the runtime $(head -n 1 "$WORK_DIR/unreported") of $(cri runtime_name): status.runtimeHandlers of the Node $NODE lists\
 $(tr '\n' ' ' <"$WORK_DIR/handlers"); rolling back" "restart the kubelet (systemctl restart $KUBELET_UNIT), then run pulumi again"
}
handlers_are_reported() {
    ask_cluster ""
    tr -d ' \n' <"$WORK_DIR/node" | sed -n 's/.*"runtimeHandlers":\[\([^]]*\)\].*/\1/p' | tr '{' '\n' |
        sed -n 's/.*"name":"\([^"][^"]*\)".*/\1/p' >"$WORK_DIR/handlers"
    # shellcheck disable=SC2086 # a list
    if [ ! -s "$WORK_DIR/handlers" ] || ! printf '%s\n' $REQUESTED | grep -vxF -f "$WORK_DIR/handlers" >"$WORK_DIR/unreported"; then return 0; fi
    sleep 0.4
    return 1
}

# require_removed: no runtime of this package is left.
require_removed() {
    local path
    grep '/configuration\.toml$' "$STATE_DIR/managed" 2>/dev/null >"$WORK_DIR/configs" || :
    while IFS= read -r path; do
        if exists "$(displaced_of "$path")" || ! grep -qF "$path" "$WORK_DIR/dump"; then continue; fi
        fail "with the new configuration containerd would still have the runtime of this package with ConfigPath $path" \
            "remove it from $(importing ".runtimes.$(basename "${path%/*}")")"
    done <"$WORK_DIR/configs"
}

# cgroup_driver: the driver in force. With KubeletCgroupDriverFromCRI, which is on by default from Kubernetes 1.31 on, the
# kubelet takes it from containerd 2.x; otherwise the kubelet reports it, or its flag or file sets it.
cgroup_driver() {
    local pid driver gate
    # The kubelet may have been restarted since it was found.
    pid=$(kubelet_pid)
    gate=$(kubelet_feature_gate "$pid" KubeletCgroupDriverFromCRI)
    if [ -z "$gate" ] && version_at_least "$(kubelet_version)" 1.31; then gate=true; fi
    if [ "$gate" = true ] && [ "$CONTAINERD_MAJOR" != 1 ]; then
        cri dumped_driver "$WORK_DIR/dump.now"
        return
    fi
    driver=$(kubelet_cgroup_driver "$pid")
    if [ -z "$driver" ] && { [ -n "$CONTAINERD_TEMPLATES" ] || { [ -z "$pid" ] && fact sets_driver; }; }; then driver=$(cri dumped_driver "$WORK_DIR/dump.now"); fi
    echo "${driver:-cgroupfs}"
}

# prepare_runtime, prepare_removal: the configuration with the managed entries and without them, and its checks.
prepare_runtime() {
    prepare_containerd
    check_containerd
    require_snapshotters
    # shellcheck disable=SC2086 # a list
    require_runtimes $HANDLERS
    require_handlers "$WORK_DIR/dump" "with the new configuration"
    if [ -n "$CGROUP_DRIVER" ] && [ -n "$(fact driver_place)" ]; then require_own_driver "$(cgroup_driver)"; fi
    require_driver "$WORK_DIR/dump" "with the new configuration"
}
prepare_removal() {
    step "containerd configuration"
    choose_form
    cp "$WORK_DIR/main.unmarked" "$WORK_DIR/main"
    rm -f "$WORK_DIR/drop-in"
    prepare_imported ""
    prepare_templates "$WORK_DIR/main"
    if [ -x "$CONTAINERD" ]; then
        check_containerd
        require_runtimes
    else
        # Without containerd's program the driver is unknown, so it counts as changed.
        { echo "# prepared"; cat "$WORK_DIR/main" "$WORK_DIR"/imported/*; } >"$WORK_DIR/dump" 2>/dev/null || :
    fi
    require_removed
}

# refuse_running_containers: a changed cgroup driver makes the kubelet restart every container.
refuse_running_containers() {
    local running
    if [ "$CHANGE_UNDER_RUNNING_PODS" = true ]; then return; fi
    if [ -n "$CONTAINERD_PID" ]; then
        list_tasks
        running=$(grep -c RUNNING "$WORK_DIR/tasks") || :
    else
        running=$(cri pod_processes | wc -l)
    fi
    [ "$running" -eq 0 ] || fail "$running containers run on this node; changing the cgroup driver would restart them" \
        "set rollout.drain, or drain the node and set kubelet.changeUnderRunningPods to true; then run pulumi again; to remove Kata, run pulumi up with that setting first"
}

# shims: those of every runtime, one process per line. A pod without containerd still has its own. containerd may leave one
# behind that has no container, and so no child; Kata's hypervisor need not be a child.
shims() { monitors 'containerd-shim-[^/]*'; }
monitors() { # NAMES
    local pid name
    # shellcheck disable=SC2012 # the names are plain
    ls -ln /proc/[0-9]*/exe 2>/dev/null | sed -nE 's,^.* [^ ]*/([0-9]+)/exe -> .*/('"$1"')$,\1 \2,p' | while read -r pid name; do
        runs_as_root "$pid" || continue
        case $name in
            containerd-shim-kata-*) echo "$pid" ;;
            *) ! grep -qsx "PPid:$TAB$pid" /proc/[0-9]*/status || echo "$pid" ;;
        esac
    done
}

# pod_processes: what pods have without the container runtime.
pod_processes() { shims; }

# find_handlers: sets OWN_HANDLERS, the requested ones and the earlier ones of these classes on which containers run (a class that
# is removed must not be in use, so its handler is not kept), and HANDLERS, which has those of other components too. GROUPED gets all
# their classes in the recorded order, because the main class is the first one: it stays as long as its component has it. A probe
# reports an earlier handler that nothing runs on.
find_handlers() {
    local handler others
    others=$(handlers_of_others | tr '\n' ' ')
    OWN_HANDLERS=$REQUESTED
    for handler in $(cut -f 1 "$STATE_DIR/classes" 2>/dev/null | unique); do
        case " $REQUESTED $others " in *" $handler "*) continue ;; esac
        if ! must_stay "$handler"; then
            [ -n "$PROBING" ] || continue
            echo "the earlier runtime $handler is no longer in use"
        fi
        OWN_HANDLERS="$OWN_HANDLERS $handler"
        GROUPED=$GROUPED$(recorded_class "$handler" | grep -vE "^$handler$TAB(owner|cgroup-driver)$TAB")$NEWLINE
    done
    for handler in $OWN_HANDLERS; do
        GROUPED=$GROUPED$handler${TAB}owner$TAB$OWNER$NEWLINE
        [ -z "$CGROUP_DRIVER" ] || GROUPED=$GROUPED$handler${TAB}cgroup-driver$TAB$CGROUP_DRIVER$NEWLINE
    done
    HANDLERS=$OWN_HANDLERS
    if [ -n "$others" ]; then add_others "$others"; fi
}
must_stay() { # HANDLER
    all_given runtime-class | grep -qxF -e "$(recorded_class "$1" | sed -n "s/^$1${TAB}runtime-class$TAB//p")" || return 1
    list_running_on "io.containerd.$1.v2"
    [ -s "$WORK_DIR/running" ]
}
# add_others HANDLERS: adds the recorded classes of other components, and takes over the cgroup driver that they request.
add_others() {
    local handler driver
    HANDLERS=${HANDLERS:+$HANDLERS }${1% }
    GROUPED=$(E_OWN=$GROUPED E_OTHERS=" $1" awk -F '\t' '
        index(ENVIRON["E_OTHERS"], " " $1 " ") { print; next }
        !own++ { printf "%s", ENVIRON["E_OWN"] }
        END { if (!own) printf "%s", ENVIRON["E_OWN"] }' "$STATE_DIR/classes")$NEWLINE
    for handler in $1; do
        driver=$(given "$handler" cgroup-driver)
        if [ "${driver:-$CGROUP_DRIVER}" = "${CGROUP_DRIVER:-$driver}" ]; then CGROUP_DRIVER=${CGROUP_DRIVER:-$driver} && continue; fi
        step "owner"
        fail "$OWNER requests the cgroup driver $CGROUP_DRIVER, but $(given "$handler" owner), which manages this node too, requests $driver" \
            "set it in one of the two only: remove kubelet.cgroupDriver from the other one, run pulumi up there, then here again"
    done
}
# recorded_class HANDLER: the lines of GROUPED with which it was activated.
recorded_class() { grep "^$1$TAB" "$STATE_DIR/classes" 2>/dev/null || :; }
# hand_over COMPONENT: it gets the active classes of this one, which has taken its place and leaves. Its next probe compares them.
hand_over() {
    [ -n "$1" ] && [ "$1" != "$OWNER" ] && [ -e "$STATE_DIR/classes" ] || return 0
    E_OWNER=$OWNER E_HEIR=$1 awk -F '\t' '
        $2 == "owner" && $3 == ENVIRON["E_OWNER"] { print $1 "\towner\t" ENVIRON["E_HEIR"]; next }
        { print }' "$STATE_DIR/classes" >"$WORK_DIR/classes"
    flush "$WORK_DIR/classes"
    mv "$WORK_DIR/classes" "$STATE_DIR/classes"
    rm -f "$STATE_DIR/fingerprint"
}
is_own() { case " $OWN_HANDLERS " in *" $1 "*) ;; *) return 1 ;; esac; } # HANDLER
# is_of_others PATH: it is a file of a class of another component.
is_of_others() {
    local handler
    for handler in $HANDLERS; do
        if is_own "$handler"; then continue; fi
        case $1 in "$(config_of "$handler")" | "$(shim_link "$handler")") return 0 ;; esac
    done
    return 1
}
# config_of HANDLER: the path of its Kata configuration.
config_of() { echo "/etc/kata-containers/$1/configuration.toml"; }

# check_removed_runtimes: nothing may run on a runtime that containerd has now and would lose: without the link to the
# shim and the table, containerd could neither restart nor stop it.
check_removed_runtimes() {
    local runtime pods
    if [ ! -s "$WORK_DIR/dump.now" ]; then
        list_tasks
        ! grep -q RUNNING "$WORK_DIR/tasks" || fail "$(cri runtime_name) does not accept its present configuration, so the\
 runtimes in use are not known" "$(cri dump_remedy); then run pulumi again"
    fi
    cri runtimes_left >"$WORK_DIR/runtimes"
    for runtime in $(cri runtimes_of "$WORK_DIR/dump.now"); do
        if grep -qxF "$runtime" "$WORK_DIR/runtimes"; then continue; fi
        list_running_on "$(cri runtime_entry "$WORK_DIR/dump.now" "$runtime" runtime_type)"
        pods=$(pod_names <"$WORK_DIR/running")
        [ -z "$pods" ] || fail "runtime $runtime is still in use by $pods" \
            "delete these pods, then run pulumi again"
        say "removing runtime $runtime from $(cri runtime_name)"
    done
}
# list_running_on TYPE: $WORK_DIR/running gets the running containers whose runtime has that type.
list_running_on() {
    list_tasks
    ask_k8s containers ls >"$WORK_DIR/containers"
    awk -v type="$1" 'NR == FNR { running[$1] = $3 == "RUNNING"; next } $NF == type && running[$1] { print $1 }' \
        "$WORK_DIR/tasks" "$WORK_DIR/containers" >"$WORK_DIR/running"
}

# runtimes_of DUMP, default_runtime DUMP and runtime_entry DUMP RUNTIME KEY read a dump; dumped_driver DUMP prints the
# cgroup driver of its default runtime.
runtimes_of() { toml_tables "$1" | sed -n 's/^.*\.containerd\.runtimes\.\([A-Za-z0-9_-]*\)$/\1/p'; }
runtimes_left() { runtimes_of "$WORK_DIR/dump"; }
default_runtime() {
    local name
    name=$(toml_get "$1" "$CRI_DUMP_TABLE" default_runtime_name)
    printf '%s\n' "${name:-runc}"
}
runtime_entry() { toml_get "$1" "$CRI_DUMP_TABLE.runtimes.\"$2\"" "$3"; }
dumped_runtime() { # DUMP RUNTIME: what a managed runtime has
    local key
    for key in runtime_type runtime_path snapshotter privileged_without_host_devices pod_annotations; do runtime_entry "$1" "$2" "$key"; done
    toml_get "$1" "$CRI_DUMP_TABLE.runtimes.\"$2\".options" ConfigPath
}
dumped_driver() {
    if [ ! -s "$1" ]; then echo unknown && return; fi
    case $(toml_get "$1" "$CRI_DUMP_TABLE.runtimes.\"$(default_runtime "$1")\".options" SystemdCgroup) in
        true) echo systemd ;;
        *) echo cgroupfs ;;
    esac
}

# explain_debug: Kata's Go shim writes its debug logs only if containerd writes its own.
explain_debug() {
    local level handler place go=""
    for handler in $REQUESTED; do
        case $(given "$handler" debug)$(given "$handler" shim-path) in true*runtime-rs*) ;; true*) go="${go:+$go }$handler" ;; esac
    done
    [ -n "$go" ] || return 0
    level=$(flag "$(listener "$CONTAINERD_SOCKET")" -l --log-level)
    case ${level:-$(toml_get "$WORK_DIR/dump" debug level)} in
        debug | trace) ;;
        *)
            place=$(fact debug_place)
            say "debug logs of the Go shim ($go) appear only if containerd logs at that level: set ${place:-level = \"debug\" in the table [debug] of $CONTAINERD_CONFIG}"
            ;;
    esac
}

# --- The plan ---

want_runtime() {
    local file
    if [ -n "$DROP_IN" ] && [ -f "$WORK_DIR/drop-in" ]; then want_managed_file "$WORK_DIR/drop-in" "$DROP_IN"; fi
    for file in "$WORK_DIR"/imported/*.toml; do
        if [ -f "$file" ]; then want_edits "$file" "$IMPORTED/${file##*/}"; fi
    done
    for file in "$WORK_DIR"/templates/*; do
        if [ -f "$file" ]; then want_edits "$file" "$CONTAINERD_TEMPLATES/${file##*/}"; fi
    done
    if [ -f "$WORK_DIR/template" ]; then want_managed_file "$WORK_DIR/template" "$TEMPLATE"; fi
    # A file that would be empty contained only the managed block, so it did not exist before.
    if [ -n "$TEMPLATE" ]; then
        : # the distribution writes it
    elif [ -s "$WORK_DIR/main" ]; then
        want_edits "$WORK_DIR/main" "$CONTAINERD_CONFIG"
    elif [ -e "$CONTAINERD_CONFIG" ]; then
        plan remove "$CONTAINERD_CONFIG" ""
    fi
}
runtime_planned() {
    local folder
    if planned "$CONTAINERD_CONFIG"; then return; fi
    for folder in "$IMPORTED" "$CONTAINERD_TEMPLATES"; do
        if [ -n "$folder" ] && grep -qF "$TAB$folder/" "$WORK_DIR/plan"; then return; fi
    done
    return 1
}

# is_runtime_config PATH: the main file, or one in the drop-in folder.
is_runtime_config() {
    case $1 in "$CONTAINERD_CONFIG" | "${IMPORTED:--}"/*.toml | "${CONTAINERD_TEMPLATES:--}"/*.tmpl) return 0 ;; *) return 1 ;; esac
}
# describe_runtime_drift PATH: how the runtimes in force differ from those that the plan would write there. Those of another
# component are its own drift.
describe_runtime_drift() {
    local now was handler other=""
    for handler in $HANDLERS; do
        if [ "$(dumped_runtime "$WORK_DIR/dump.now" "$handler")" = "$(dumped_runtime "$WORK_DIR/dump" "$handler")" ]; then continue; fi
        now=$(runtime_entry "$WORK_DIR/dump.now" "$handler" snapshotter) was=$(given "$handler" snapshotter)
        if ! is_own "$handler"; then
            other=yes
        elif [ -z "$(runtime_entry "$WORK_DIR/dump.now" "$handler" runtime_type)" ]; then
            echo "runtime table $handler is missing from $1" && return
        elif [ "$now" != "$was" ]; then
            echo "the snapshotter of the runtime $handler is ${now:-not set} in $1, was ${was:-not set}" && return
        else
            echo "the entries of this package in $1 were changed" && return
        fi
    done
    now=$(dumped_driver "$WORK_DIR/dump.now") was=$(dumped_driver "$WORK_DIR/dump")
    if [ "$now" != "$was" ]; then
        echo "the cgroup driver of the default runtime is $now in $1, was $was"
    elif [ -z "$other" ]; then
        echo "the entries of this package in $1 were changed"
    fi
}

# --- The running containerd ---

# gate_runtime: waits until CRI serves. containerd can be `active` while its CRI is dead, so its plugins are asked
# instead of the unit. Even after the plugin reports `ok`, containerd still recovers existing pods and may crash doing
# so; it opens its streaming server, on a port of its own, after that. The gate writes only to memory, because it also
# judges a node that was rolled back because its disk is full. A stopped service is not checked.
gate_runtime() {
    if [ -z "$CONTAINERD_PID" ]; then return 0; fi
    # Before the change it need not be.
    fact await_containerd || ! journal_open || return 1
    within "$(containerd_limit)" containerd_answers && cri_is_ok && within 60 cri_serves
}
# shellcheck disable=SC2086
containerd_answers() { timeout 10 $CTR --address "$CONTAINERD_SOCKET" plugins ls >"$RUN_DIR/plugins" 2>/dev/null; }
cri_is_ok() {
    awk '
        $1 == "io.containerd.grpc.v1" && $2 == "cri" || $1 == "io.containerd.cri.v1" { seen = 1; if ($NF != "ok") bad = 1 }
        END { exit !seen || bad }' "$RUN_DIR/plugins"
}
cri_serves() {
    local pid
    pid=$(listener "$CONTAINERD_SOCKET")
    [ -n "$pid" ] || return 1
    # State 0A is LISTEN.
    # shellcheck disable=SC2012 # the names are numbers
    ls -ln "/proc/$pid/fd" 2>/dev/null | sed -n 's/^.* -> socket:\[\(.*\)\]$/\1/p' |
        awk 'NR == FNR { mine[$1] = 1; next } $4 == "0A" && ($10 in mine) { found = 1 } END { exit !found }' \
            - "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6"
}

# pause_image IMAGES: the one in that list that containerd uses for pods, or else any.
pause_image() {
    local name
    case $CONTAINERD_MAJOR in
        1) name=$(toml_get "$WORK_DIR/dump.now" 'plugins."io.containerd.grpc.v1.cri"' sandbox_image) ;;
        *) name=$(toml_get "$WORK_DIR/dump.now" 'plugins."io.containerd.cri.v1.images".pinned_images' sandbox) ;;
    esac
    # A list has names with their registry.
    grep -xF -e "${name:-none}" -e "docker.io/$name" "$1" || grep -E '[/-]pause[:@]' "$1" | head -n 1
}

# containers_on HANDLER: the ids of its containers, in any state, from the output of `ctr containers ls` on stdin.
containers_on() { awk -v type="io.containerd.$1.v2" '$NF == type { print $1 }'; }

# container_label LABEL: its value in the output of `ctr containers info` on stdin.
container_label() { sed -n "s/^.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# kill_containers LIST: kills all containers of the sandboxes whose ids are in the file LIST.
kill_containers() {
    local task sandbox
    list_tasks
    while read -r task _; do
        sandbox=$(in_k8s containers info "$task" | container_label io.kubernetes.cri.sandbox-id)
        if grep -qxF "$sandbox" "$1"; then in_k8s tasks kill -a -s SIGKILL "$task" || :; fi
    done <"$WORK_DIR/tasks"
}

# pod_names: the pods of the containers on stdin, as namespace/name.
pod_names() {
    local id info pod
    while IFS= read -r id; do
        info=$(in_k8s containers info "$id") || :
        pod=$(printf '%s\n' "$info" | container_label io.kubernetes.pod.name)
        if [ -n "$pod" ]; then pod=$(printf '%s\n' "$info" | container_label io.kubernetes.pod.namespace)/$pod; fi
        printf '%s\n' "${pod:-$id}"
    done | sort -u | paste -s -d ' ' - | excerpt
}
