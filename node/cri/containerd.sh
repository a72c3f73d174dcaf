# containerd: finding it, the configuration it understands, the runtime to write into it, and whether its CRI serves.

# find_containerd: sets CONTAINERD and the other variables of its name.
find_containerd() {
    local pid
    step "containerd"
    pid=$(container_runtime_pid)
    [ -n "$pid" ] || fail "containerd does not run on this node" \
        "this package needs containerd 1.6 or later as the node's container runtime; start it, or remove this node from \`nodes\`"
    CONTAINERD=$(readlink "/proc/$pid/exe")
    CONTAINERD=${CONTAINERD% (deleted)}
    CONTAINERD_UNIT=$(unit_of "$pid")
    CONTAINERD_VERSION=$("$CONTAINERD" --version | cut -d ' ' -f 3 | sed 's/^v//; s/[~+].*//')
    CONTAINERD_MAJOR=${CONTAINERD_VERSION%%.*}
    version_at_least "$CONTAINERD_VERSION" 1.6 ||
        fail "containerd $CONTAINERD_VERSION is too old" "upgrade containerd to 1.6 or later"
    CONTAINERD_CONFIG=$(container_runtime_config "$pid")
    # The target of a link is edited, and the link is kept.
    if [ -L "$CONTAINERD_CONFIG" ]; then CONTAINERD_CONFIG=$(readlink -f "$CONTAINERD_CONFIG"); fi
    CONTAINERD_SOCKET=$(container_runtime_socket "$pid")
    case :$(tr '\000' '\n' <"/proc/$pid/environ" | sed -n 's/^PATH=//p'): in
        *":$(shim_folder):"*) ;;
        *) fail "containerd's PATH lacks $(shim_folder), which is where Kata's shim is installed" \
                "add it to the Environment of $CONTAINERD_UNIT" ;;
    esac
    have ctr || fail "ctr is not installed on this node; it is needed to check containerd's health" \
        "install the ctr that belongs to containerd $CONTAINERD_VERSION"
}

# dump [FILE]: the configuration as containerd understands it, with everything that it imports.
dump() { "$CONTAINERD" --config "${1:-$CONTAINERD_CONFIG}" config dump; }
dump_now() { dump >"$WORK_DIR/dump.now" 2>/dev/null || :; }

in_k8s() { timeout 20 ctr --address "$CONTAINERD_SOCKET" -n k8s.io "$@" 2>/dev/null; }

# --- The form of the configuration ---

# choose_form: decides by containerd's version and main file how the runtime is written. Sets CRI_PLUGIN, the CRI
# plugin's name in this version of the file; CRI_DUMP_TABLE, its table in a dump; DROP_IN, the file for the runtime, or
# "" for the main file.
choose_form() {
    local main="$WORK_DIR/main.unmarked" config_version
    if [ -e "$CONTAINERD_CONFIG" ]; then unmark "$CONTAINERD_CONFIG" >"$main"; else : >"$main"; fi
    # A dump is always in the newest version that this containerd knows.
    if [ "$CONTAINERD_MAJOR" = 1 ]; then
        DROP_IN=""
        CRI_DUMP_TABLE='plugins."io.containerd.grpc.v1.cri".containerd'
    else
        DROP_IN=$(imported_folder "$main")
        DROP_IN=${DROP_IN:+$DROP_IN/kata-containers.toml}
        CRI_DUMP_TABLE='plugins."io.containerd.cri.v1.runtime".containerd'
    fi
    config_version=$(toml_get "$main" "" version)
    if needs_version "$main"; then config_version=$(newest_version); fi
    [ "${config_version:-1}" != 1 ] || fail "$CONTAINERD_CONFIG has configuration version 1" \
        "migrate it with: containerd config migrate"
    case $config_version in
        2) CRI_PLUGIN=io.containerd.grpc.v1.cri ;;
        *) CRI_PLUGIN=io.containerd.cri.v1.runtime ;;
    esac
}
# needs_version FILE: it says neither a version nor anything else that depends on one.
needs_version() { [ -z "$(toml_get "$1" "" version)$(toml_tables "$1")" ]; }
newest_version() { if [ "$CONTAINERD_MAJOR" = 1 ]; then echo 2; else echo 3; fi; }

# imported_folder FILE: the folder whose *.toml the main file imports, if any. (`containerd config default` shows such
# an import, but containerd makes it only if the main file has it.)
imported_folder() { toml_get "$1" "" imports | tr "\"'" '\n' | sed -n 's,^\(/.*\)/\*\.toml$,\1,p' | head -n 1; }

# --- The configuration to write ---

# prepare_containerd: in $WORK_DIR: main, drop-in (with a drop-in folder), and imported, the other files of that folder.
prepare_containerd() {
    local main="$WORK_DIR/main.unmarked" cgroup runtime version_line=""
    step "containerd configuration"
    choose_form
    case $CGROUP_DRIVER in
        systemd) cgroup=true ;;
        cgroupfs) cgroup=false ;;
        *) cgroup="" ;;
    esac
    prepare_imported "$HANDLER"
    if [ -n "$DROP_IN" ]; then
        {
            echo "$SIGNATURE"
            runtime_tables
            [ -z "$cgroup" ] || for runtime in $(runc_runtimes "$main"); do
                printf '[plugins."%s".containerd.runtimes.%s.options]\nSystemdCgroup = %s\n' "$CRI_PLUGIN" "$runtime" "$cgroup"
            done
        } >"$WORK_DIR/drop-in"
        disable_foreign "$main" "$CONTAINERD_CONFIG" >"$WORK_DIR/main"
    else
        if needs_version "$main"; then version_line="version = $(newest_version)"; fi
        mark "$main" "$CONTAINERD_CONFIG" "$cgroup" "$(runtime_tables)" "$version_line" >"$WORK_DIR/main"
    fi
}

# runtime_tables: the handler's runtime. Its shim is found by the link on the PATH: only containerd 2.x reads
# runtime_path, and it loses, at its next restart, each sandbox whose runtime_path no longer exists.
runtime_tables() {
    cat <<TABLES
[plugins."$CRI_PLUGIN".containerd.runtimes.$HANDLER]
runtime_type = "io.containerd.$HANDLER.v2"
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]
[plugins."$CRI_PLUGIN".containerd.runtimes.$HANDLER.options]
ConfigPath = "$KATA_CONFIG_PATH"
TABLES
}

# runc_runtimes FILE: the names of the runtimes that are runc, as containerd understands its configuration without ours.
runc_runtimes() {
    dump "$1" 2>/dev/null | awk "$TOML_AWK"'
        END {
            toml_index()
            for (i = 1; i <= NR; i++) if (key[i] == SEP "runtime_type" && plain(value[i]) == "io.containerd.runc.v2") {
                n = split(at[i], part, SEP)
                print part[n]
            }
        }'
}

# prepare_imported HANDLER: $WORK_DIR/imported gets the other files of the drop-in folder, without a runtime of our
# name, because they may be read after ours. With an empty HANDLER it gets them as they were.
prepare_imported() {
    local file
    rm -rf "$WORK_DIR/imported"
    mkdir "$WORK_DIR/imported"
    [ -n "$DROP_IN" ] || return 0
    for file in "${DROP_IN%/*}"/*.toml; do
        if [ ! -f "$file" ] || [ "$file" = "$DROP_IN" ]; then continue; fi
        unmark "$file" >"$WORK_DIR/unmarked"
        if [ -n "$1" ]; then
            disable_foreign "$WORK_DIR/unmarked" "$file" >"$WORK_DIR/imported/${file##*/}"
        else
            cp "$WORK_DIR/unmarked" "$WORK_DIR/imported/${file##*/}"
        fi
    done
}

# disable_foreign FILE NAME: prints FILE with somebody else's runtime of our name disabled, if there is one.
disable_foreign() {
    if toml_tables "$1" | grep -qF "containerd.runtimes.$HANDLER" || imports_from_kata "$1"; then
        mark "$1" "$2" "" "" ""
    else
        cat "$1"
    fi
}

# imports_from_kata FILE: it imports from /opt/kata, as kata-deploy sets it up. That folder is about to be displaced, and
# containerd does not start if a file that is imported by name is missing.
imports_from_kata() { toml_get "$1" "" imports | grep -qF "$KATA_LINK/"; }

# mark FILE NAME CGROUP TABLES VERSION_LINE: mark_containerd, or an error that names the file NAME.
mark() {
    local file="$1" name="$2"
    shift 2
    mark_containerd "$file" "$@" 2>"$WORK_DIR/refused" || fail "$name cannot be edited safely: $(cat "$WORK_DIR/refused")" \
        "write that entry as a table of its own, [plugins.\"$CRI_PLUGIN\".containerd.runtimes.NAME], and run this again"
}

# awk functions of mark_containerd.
# shellcheck disable=SC2016
CONTAINERD_AWK='
function refuse(i, why) { print "line " i ": " why | "cat >&2"; exit 4 }
function check_forms(    i, path, inline) {
    for (i = 1; i <= NR; i++) {
        if (key[i] == "") continue
        path = at[i] key[i]
        inline = value[i] ~ /^\{/
        if (inline && under(runtimes, path)) refuse(i, shown(path) " is an inline table")
        if (under(path, runtimes) && (at[i] == runtimes || !under(at[i], runtimes)))
            refuse(i, "a runtime is written with dotted keys or as an inline table")
        if (cgroup != "" && under(path, runtimes) && !under(path, ours) && under(key[i], SEP "options"))
            refuse(i, "the options of a runtime are written with dotted keys or as an inline table")
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
        if (new ~ /\)/) refuse(j, "imports holds a parenthesis")
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

# mark_containerd FILE CGROUP TABLES VERSION_LINE: prints a configuration file with the runtime's TABLES added and
# anything else named $HANDLER disabled. CGROUP is what every runc runtime gets as SystemdCgroup, "" to leave it.
# VERSION_LINE is what an empty file must begin with, or "". Imports from $KATA_LINK are disabled as well, because it is
# about to be displaced. Exit status 4: the file has a form that cannot be edited safely; line and reason are on stderr.
mark_containerd() {
    E_CUT_SHORT=$(cut_short "$1") E_PLUGIN=$CRI_PLUGIN E_HANDLER=$HANDLER E_MAJOR=$CONTAINERD_MAJOR E_KATA=$KATA_LINK/ \
        E_CGROUP=$2 E_TABLES=$3 E_VERSION=$4 awk "$TOML_AWK$MARKS_AWK$CONTAINERD_AWK"'
        END {
            toml_index()
            runtimes = SEP "plugins" SEP ENVIRON["E_PLUGIN"] SEP "containerd" SEP "runtimes"
            ours = runtimes SEP ENVIRON["E_HANDLER"]
            cgroup = ENVIRON["E_CGROUP"]
            check_forms()
            drop_imports()
            for (i = 1; i <= NR; i++) {
                if (!under(at[i], runtimes) || at[i] == runtimes || under(at[i], ours)) continue
                others = 1
                if (key[i] == SEP "runtime_type" && plain(value[i]) == "io.containerd.runc.v2") runc[at[i]] = 1
            }
            if (ENVIRON["E_VERSION"] != "") added = ENVIRON["E_VERSION"] "\n"
            if (cgroup != "") for (runtime in runc) set_cgroup(runtime)
            # In containerd 1.x, a runtimes table in the file replaces the built-in runc.
            if (ENVIRON["E_MAJOR"] == "1" && !others) {
                added = added "[" shown(runtimes SEP "runc") "]\nruntime_type = \"io.containerd.runc.v2\"\n"
                if (cgroup != "") added = added "[" shown(runtimes SEP "runc" SEP "options") "]\nSystemdCgroup = " cgroup "\n"
            }
            for (i = 1; i <= NR; i++) {
                # Blank lines and comments need not be disabled.
                disabled = under(at[i], ours) && line[i] !~ /^[ \t]*(#|\r?$)/ ? "#kata-containers:disabled# " : ""
                printf "%s%s%s%s%s", (i > 1 ? "\n" : ""), before[i], disabled, line[i], after[i]
            }
            if (NR && ENVIRON["E_CUT_SHORT"] == "") printf "\n"
            if (ENVIRON["E_TABLES"] != "") added = added ENVIRON["E_TABLES"] "\n"
            if (added != "") printf "%s%s%s", begin_mark(), added, end_mark()
        }' "$1"
}

# --- Checks before the change ---

# check_containerd: asks containerd, before anything is changed, whether it accepts $WORK_DIR/main and, with a drop-in
# folder, that folder with ours as it will be. $WORK_DIR/dump gets the configuration as containerd then understands it.
check_containerd() {
    local candidate="$WORK_DIR/candidate.toml"
    step "containerd configuration"
    cp "$WORK_DIR/main" "$candidate"
    if [ -n "$DROP_IN" ]; then
        # Everything in this folder is imported.
        cp -r "$WORK_DIR/imported" "$WORK_DIR/folder"
        if [ -f "$WORK_DIR/drop-in" ]; then cp "$WORK_DIR/drop-in" "$WORK_DIR/folder/${DROP_IN##*/}"; fi
        sed "s,${DROP_IN%/*}/\*\.toml,$WORK_DIR/folder/*.toml," "$WORK_DIR/main" >"$candidate"
    fi
    # The folder that is about to be restored to /opt/kata is still displaced.
    if exists "$(displaced_of "$KATA_LINK")"; then
        sed "s,$KATA_LINK/,$(displaced_of "$KATA_LINK")/,g" "$candidate" >"$WORK_DIR/candidate"
        mv "$WORK_DIR/candidate" "$candidate"
    fi
    dump "$candidate" >"$WORK_DIR/dump" 2>"$WORK_DIR/dump.err" ||
        fail "containerd does not accept the prepared configuration: $(tail -n 1 "$WORK_DIR/dump.err" | excerpt)" \
            "check whether it accepts the current one: containerd --config $CONTAINERD_CONFIG config dump"
    dump_now
}

# require_runtimes NAME...: the prepared configuration has these runtimes and the default one.
require_runtimes() {
    local runtime
    for runtime in "$@" "$(default_runtime "$WORK_DIR/dump")"; do
        [ -n "$(runtime_entry "$WORK_DIR/dump" "$runtime" runtime_type)" ] ||
            fail "with the prepared configuration containerd would have no runtime $runtime" \
                "find the file imported by $CONTAINERD_CONFIG that redefines the runtimes"
    done
}

# require_handler: a file that is imported by name may still define a runtime of our name, which would be used.
require_handler() {
    local path
    path=$(toml_get "$WORK_DIR/dump" "$CRI_DUMP_TABLE.runtimes.\"$HANDLER\".options" ConfigPath)
    [ "$path" = "$KATA_CONFIG_PATH" ] ||
        fail "with the prepared configuration the runtime $HANDLER would be another one (its ConfigPath is \"$path\")" \
            "find the file imported by $CONTAINERD_CONFIG that defines it, or choose another handler"
}

# check_removed_runtimes: nothing may run on a runtime that containerd has now and would lose: without the link to the
# shim and the table, containerd could neither restart nor stop it.
check_removed_runtimes() {
    local runtime pods
    runtimes_of "$WORK_DIR/dump" >"$WORK_DIR/runtimes"
    for runtime in $(runtimes_of "$WORK_DIR/dump.now"); do
        if grep -qxF "$runtime" "$WORK_DIR/runtimes"; then continue; fi
        pods=$(running_on "$(runtime_entry "$WORK_DIR/dump.now" "$runtime" runtime_type)" | pod_names)
        [ -z "$pods" ] || fail "runtime $runtime is still in use by $pods" \
            "delete these pods, then run this again; or keep the runtime by keeping its handler"
        say "removing runtime $runtime from containerd"
    done
}
# running_on TYPE: the running containers whose runtime has that type.
running_on() {
    in_k8s tasks ls | awk '$3 == "RUNNING" { print $1 }' >"$WORK_DIR/running"
    in_k8s containers ls | awk -v type="$1" 'NR == FNR { running[$1] = 1; next } $NF == type && ($1 in running) { print $1 }' "$WORK_DIR/running" -
}

# runtimes_of DUMP, default_runtime DUMP, runtime_entry DUMP RUNTIME KEY, dumped_driver DUMP: the cgroup driver of the
# default runtime.
runtimes_of() { toml_tables "$1" | sed -n 's/^.*\.containerd\.runtimes\.\([A-Za-z0-9_-]*\)$/\1/p'; }
default_runtime() {
    local name
    name=$(toml_get "$1" "$CRI_DUMP_TABLE" default_runtime_name)
    printf '%s\n' "${name:-runc}"
}
runtime_entry() { toml_get "$1" "$CRI_DUMP_TABLE.runtimes.\"$2\"" "$3"; }
dumped_driver() {
    case $(toml_get "$1" "$CRI_DUMP_TABLE.runtimes.\"$(default_runtime "$1")\".options" SystemdCgroup) in
        true) echo systemd ;;
        *) echo cgroupfs ;;
    esac
}

# --- The plan ---

want_containerd() {
    local file
    if [ -n "$DROP_IN" ] && [ -f "$WORK_DIR/drop-in" ]; then want_managed_file "$WORK_DIR/drop-in" "$DROP_IN"; fi
    for file in "$WORK_DIR"/imported/*.toml; do
        if [ -f "$file" ]; then want_edits "$file" "${DROP_IN%/*}/${file##*/}"; fi
    done
    # A file that would be empty held nothing but our block, so it did not exist before.
    if [ -s "$WORK_DIR/main" ]; then want_edits "$WORK_DIR/main" "$CONTAINERD_CONFIG"; else plan remove "$CONTAINERD_CONFIG" ""; fi
}
containerd_planned() { planned "$CONTAINERD_CONFIG" || { [ -n "$DROP_IN" ] && grep -qF "$TAB${DROP_IN%/*}/" "$WORK_DIR/plan"; }; }

# --- The running containerd ---

# gate_containerd: waits until CRI serves. containerd can be `active` while its CRI is dead, so its plugins are asked
# instead of the unit. Even after the plugin reports `ok`, containerd still recovers existing pods and may crash doing
# so; it opens its streaming server, on a port of its own, after that. The gate writes only to memory, because it also
# judges a node that was rolled back because its disk is full.
gate_containerd() { within 60 containerd_answers && cri_is_ok && within 60 cri_serves; }
containerd_answers() { timeout 10 ctr --address "$CONTAINERD_SOCKET" plugins ls >"$RUN_DIR/plugins" 2>/dev/null; }
cri_is_ok() {
    awk '
        $1 == "io.containerd.grpc.v1" && $2 == "cri" || $1 == "io.containerd.cri.v1" { seen = 1; if ($NF != "ok") bad = 1 }
        END { exit !seen || bad }' "$RUN_DIR/plugins"
}
cri_serves() {
    local pid
    pid=$(container_runtime_pid)
    [ -n "$pid" ] || return 1
    # State 0A is LISTEN.
    # shellcheck disable=SC2012 # the names are numbers
    ls -ln "/proc/$pid/fd" 2>/dev/null | sed -n 's/^.* -> socket:\[\(.*\)\]$/\1/p' |
        awk 'NR == FNR { mine[$1] = 1; next } $4 == "0A" && ($10 in mine) { found = 1 } END { exit !found }' \
            - "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6"
}

# containers_running: the number of containers that run in pods on this node, their sandboxes included.
containers_running() { in_k8s tasks ls | grep -c RUNNING || :; }

# container_label LABEL: its value in the output of `ctr containers info` on stdin.
container_label() { sed -n "s/^.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# pod_names: the pods of the containers on stdin, as namespace/name.
pod_names() {
    local id info pod
    while IFS= read -r id; do
        info=$(in_k8s containers info "$id") || :
        pod=$(printf '%s\n' "$info" | container_label io.kubernetes.pod.name)
        if [ -n "$pod" ]; then pod=$(printf '%s\n' "$info" | container_label io.kubernetes.pod.namespace)/$pod; fi
        printf '%s\n' "${pod:-$id}"
    done | sort -u | tr '\n' ' ' | excerpt
}
