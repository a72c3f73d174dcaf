# containerd: where its configuration is, what it must say, and whether its CRI serves the handler.

# Finds the running containerd: CONTAINERD_VERSION, its UNIT, its main file MAIN and its SOCKET.
find_containerd() {
    step "containerd"
    pid=$(main_process containerd)
    [ -n "$pid" ] || fail "containerd does not run on this node" "this package needs containerd 1.6 or later as the node's container runtime; start it, or leave this node out of \`nodes\`"
    CONTAINERD=$(readlink "/proc/$pid/exe")
    CONTAINERD=${CONTAINERD% (deleted)}
    CONTAINERD_UNIT=$(unit_of "$pid")
    CONTAINERD_VERSION=$("$CONTAINERD" --version | awk '{ sub(/^v/, "", $3); sub(/[~+].*/, "", $3); print $3 }')
    version_at_least "$CONTAINERD_VERSION" 1.6 ||
        fail "containerd $CONTAINERD_VERSION is too old" "upgrade containerd to 1.6 or later"
    MAIN=$(flag "$pid" --config -c)
    MAIN=${MAIN:-/etc/containerd/config.toml}
    # A link is followed: its target is what is edited.
    if [ -L "$MAIN" ]; then MAIN=$(readlink -f "$MAIN"); fi
    SOCKET=$(flag "$pid" --address -a)
    SOCKET=${SOCKET:-/run/containerd/containerd.sock}
    case :$(tr '\000' '\n' <"/proc/$pid/environ" | sed -n 's/^PATH=//p'): in
        *:/usr/local/bin:*) ;;
        *) fail "containerd's PATH lacks /usr/local/bin, where it is to find Kata's shim" "add it to the Environment of $CONTAINERD_UNIT" ;;
    esac
    have ctr || fail "there is no ctr on this node, so nobody can tell whether containerd's CRI is well" "install the ctr that belongs to containerd $CONTAINERD_VERSION"
}

# dump [FILE]: the configuration as containerd understands it, everything it imports included.
dump() { "$CONTAINERD" --config "${1:-$MAIN}" config dump; }
dump_now() { dump >"$NEXT/dump.now" 2>/dev/null || :; }

# Decides by version and main file how the runtime is written: PLUGIN, DROP_IN ("" where the main file takes it), ALONE.
choose_form() {
    if [ -e "$MAIN" ]; then unmark "$MAIN" >"$NEXT/main.unmarked"; else : >"$NEXT/main.unmarked"; fi
    ALONE="" DROP_IN="" VERSION_LINE=""
    config_version=$(toml_get "$NEXT/main.unmarked" "" version)
    if version_at_least "$CONTAINERD_VERSION" 2.0; then
        newest=3
        DROP_IN=$(imported_folder)
        [ -z "$DROP_IN" ] || DROP_IN=$DROP_IN/kata-containers.toml
    else
        newest=2
        ALONE=yes
    fi
    if [ -z "$config_version" ] && [ -z "$(toml_tables "$NEXT/main.unmarked")" ]; then
        config_version=$newest
        VERSION_LINE="version = $newest$NEWLINE"
    fi
    [ "${config_version:-1}" != 1 ] || fail "$MAIN has configuration version 1" "migrate it with: containerd config migrate"
    # A dump is always in the newest version that this containerd knows.
    CRI='plugins."io.containerd.cri.v1.runtime".containerd'
    [ -z "$ALONE" ] || CRI='plugins."io.containerd.grpc.v1.cri".containerd'
    case $config_version in
        2) PLUGIN=io.containerd.grpc.v1.cri ;;
        *) PLUGIN=io.containerd.cri.v1.runtime ;;
    esac
}

# The folder whose *.toml the main file imports, if there is one. (The import that `containerd config default` shows
# is not made unless the main file says so.)
imported_folder() {
    toml_get "$NEXT/main.unmarked" "" imports | tr "\"'" '\n' | sed -n 's,^\(/.*\)/\*\.toml$,\1,p' | head -n 1
}

# runtime_tables: what containerd is told of the handler. The shim is found by its link on the PATH. A runtime_path would
# be heeded by containerd 2.x alone, which then loses, at its next restart, each sandbox whose path is no more.
runtime_tables() {
    cat <<END
[plugins."$PLUGIN".containerd.runtimes.$HANDLER]
runtime_type = "io.containerd.$HANDLER.v2"
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]
[plugins."$PLUGIN".containerd.runtimes.$HANDLER.options]
ConfigPath = "$KATA_CONFIG_PATH"
END
}

# Prepares the configuration of containerd in $NEXT: main, drop-in where there is one, and the files in its folder.
prepare_containerd() {
    step "containerd configuration"
    choose_form
    case $CGROUP_DRIVER in
        systemd) SYSTEMD_CGROUP=true ;;
        cgroupfs) SYSTEMD_CGROUP=false ;;
        *) SYSTEMD_CGROUP="" ;;
    esac
    prepare_imported "$HANDLER"
    if [ -n "$DROP_IN" ]; then
        {
            echo "$SIGNATURE"
            runtime_tables
            [ -z "$SYSTEMD_CGROUP" ] || for runtime in $(runc_runtimes); do
                printf '[plugins."%s".containerd.runtimes.%s.options]\nSystemdCgroup = %s\n' "$PLUGIN" "$runtime" "$SYSTEMD_CGROUP"
            done
        } >"$NEXT/drop-in"
        take_out "$NEXT/main.unmarked" "$MAIN" >"$NEXT/main"
    else
        RUNTIME_TABLES=$(runtime_tables)$NEWLINE
        mark "$NEXT/main.unmarked" "$MAIN" >"$NEXT/main"
    fi
}

# take_out FILE NAME: only what someone else has there of our name is put out of force.
take_out() {
    if toml_tables "$1" | grep -qF "containerd.runtimes.$HANDLER" || imports_from_kata "$1"; then
        RUNTIME_TABLES="" SYSTEMD_CGROUP="" ALONE="" VERSION_LINE="" mark "$1" "$2"
    else
        cat "$1"
    fi
}

# imports_from_kata FILE: it imports from /opt/kata, as kata-deploy has it. What stands there is about to be moved, and a
# file that is imported by its name and is not there stops containerd.
imports_from_kata() { toml_get "$1" "" imports | grep -qF "$KATA/"; }

# prepare_imported HANDLER: what the other files in the imported folder become, in $NEXT/imported. They are read after
# ours or before, so a runtime of our name must not be in them. An empty HANDLER gives them back as they were.
prepare_imported() {
    rm -rf "$NEXT/imported"
    mkdir "$NEXT/imported"
    [ -n "$DROP_IN" ] || return 0
    for file in "${DROP_IN%/*}"/*.toml; do
        if [ ! -f "$file" ] || [ "$file" = "$DROP_IN" ]; then continue; fi
        unmark "$file" >"$NEXT/unmarked"
        if [ -n "$1" ]; then
            take_out "$NEXT/unmarked" "$file" >"$NEXT/imported/${file##*/}"
        else
            cp "$NEXT/unmarked" "$NEXT/imported/${file##*/}"
        fi
    done
}
want_imported() {
    for file in "$NEXT"/imported/*.toml; do
        if [ -f "$file" ]; then want_edits "$file" "${DROP_IN%/*}/${file##*/}"; fi
    done
}

# mark FILE NAME
mark() {
    mark_containerd "$1" 2>"$NEXT/refused" || fail "$2 cannot be edited safely: $(cat "$NEXT/refused")" \
        "write that entry as a table of its own, [plugins.\"$PLUGIN\".containerd.runtimes.NAME], and run this again"
}

# The names of the runtimes that are runc, as containerd understands its configuration without ours.
runc_runtimes() {
    dump "$NEXT/main.unmarked" 2>/dev/null | awk "$TOML"'
        END {
            toml_index()
            for (i = 1; i <= NR; i++) if (key[i] == SEP "runtime_type" && plain(value[i]) == "io.containerd.runc.v2") {
                n = split(at[i], part, SEP)
                print part[n]
            }
        }'
}

# Asks containerd itself, before anything is touched, whether it accepts what is prepared: $NEXT/main and, where there is
# a folder of drop-ins, that folder with ours as it will be. What it then understands is left in $NEXT/dump.
check_containerd() {
    step "containerd configuration"
    cp "$NEXT/main" "$NEXT/candidate.toml"
    if [ -n "$DROP_IN" ]; then
        # It says what is imported, so it may hold nothing else.
        cp -r "$NEXT/imported" "$NEXT/folder"
        if [ -f "$NEXT/drop-in" ]; then cp "$NEXT/drop-in" "$NEXT/folder/${DROP_IN##*/}"; fi
        sed "s,${DROP_IN%/*}/\*\.toml,$NEXT/folder/*.toml," "$NEXT/main" >"$NEXT/candidate.toml"
    fi
    # What comes back to /opt/kata still stands aside.
    if there "$(aside_of "$KATA")"; then
        sed "s,$KATA/,$(aside_of "$KATA")/,g" "$NEXT/candidate.toml" >"$NEXT/candidate"
        mv "$NEXT/candidate" "$NEXT/candidate.toml"
    fi
    dump "$NEXT/candidate.toml" >"$NEXT/dump" 2>"$NEXT/dump.err" ||
        fail "containerd does not accept the prepared configuration: $(tail -n 1 "$NEXT/dump.err" | excerpt)" "see whether $MAIN is well by itself: containerd --config $MAIN config dump"
    dump_now
}

# require_runtimes NAME...: the prepared configuration has these runtimes and, still, the default one.
require_runtimes() {
    for runtime in "$@" "$(default_runtime "$NEXT/dump")"; do
        [ -n "$(toml_get "$NEXT/dump" "$CRI.runtimes.\"$runtime\"" runtime_type)" ] ||
            fail "with the prepared configuration containerd would have no runtime $runtime" "look for a file imported by $MAIN that redefines the runtimes"
    done
}

# require_handler: a file that is imported by name may still have a runtime of our name, which would be used.
require_handler() {
    path=$(toml_get "$NEXT/dump" "$CRI.runtimes.\"$HANDLER\".options" ConfigPath)
    [ "$path" = "$KATA_CONFIG_PATH" ] ||
        fail "with the prepared configuration the runtime $HANDLER would not be the one asked for (its ConfigPath is \"$path\")" \
            "look for a file imported by $MAIN that defines it, or choose another runtimeClass.handler"
}

# let_runtimes_go: those that containerd has now and would not have, on which nothing may run any more.
let_runtimes_go() {
    runtimes_of "$NEXT/dump" >"$NEXT/runtimes"
    for runtime in $(runtimes_of "$NEXT/dump.now"); do
        if grep -qxF "$runtime" "$NEXT/runtimes"; then continue; fi
        # Without the shim's link and the table containerd could neither restart nor end what runs on it.
        pods=$(running_on "$(toml_get "$NEXT/dump.now" "$CRI.runtimes.\"$runtime\"" runtime_type)" | pod_names)
        [ -z "$pods" ] || fail "containers still run on the runtime $runtime, which is to go: $pods" \
            "delete these pods, then run this again; or keep the runtime: runtimeClass.handler"
        say "containerd will not know the runtime $runtime any more"
    done
}
# running_on TYPE: the containers that run on a runtime of that type.
running_on() {
    in_k8s tasks ls | awk '$3 == "RUNNING" { print $1 }' >"$NEXT/running"
    in_k8s containers ls | awk -v type="$1" 'NR == FNR { running[$1] = 1; next } $NF == type && ($1 in running) { print $1 }' "$NEXT/running" -
}
runtimes_of() { toml_tables "$1" | sed -n 's/^.*\.containerd\.runtimes\.\([A-Za-z0-9_-]*\)$/\1/p'; }

default_runtime() {
    name=$(toml_get "$1" "$CRI" default_runtime_name)
    echo "${name:-runc}"
}

# dumped_driver DUMP: the cgroup driver of the default runtime.
dumped_driver() {
    case $(toml_get "$1" "$CRI.runtimes.\"$(default_runtime "$1")\".options" SystemdCgroup) in
        true) echo systemd ;;
        *) echo cgroupfs ;;
    esac
}

# gate_containerd: waits until CRI serves. containerd can be `active` with its CRI dead, so the plugins are asked, not the
# unit. And a plugin that is `ok` still has the pods to find that were there before, over which containerd may die; its
# server for streams, a port of its own, comes after that. The handler is in the configuration that check_containerd saw.
# What it needs to write is in memory, for it also judges a node that was put back because its disk is full.
gate_containerd() { within 60 containerd_answers && cri_is_ok && within 60 cri_serves; }
containerd_answers() { timeout 10 ctr --address "$SOCKET" plugins ls >"$RUN/plugins" 2>/dev/null; }
cri_is_ok() {
    awk '
        $1 == "io.containerd.grpc.v1" && $2 == "cri" || $1 == "io.containerd.cri.v1" { seen = 1; if ($NF != "ok") bad = 1 }
        END { exit !seen || bad }' "$RUN/plugins"
}
cri_serves() {
    containerd_pid=$(main_process containerd)
    [ -n "$containerd_pid" ] || return 1
    # State 0A is LISTEN.
    # shellcheck disable=SC2012 # these names are numbers
    ls -ln "/proc/$containerd_pid/fd" 2>/dev/null | sed -n 's/^.* -> socket:\[\(.*\)\]$/\1/p' |
        awk 'NR == FNR { mine[$1] = 1; next } $4 == "0A" && ($10 in mine) { found = 1 } END { exit !found }' \
            - "/proc/$containerd_pid/net/tcp" "/proc/$containerd_pid/net/tcp6"
}

# containers_running: how many containers run in pods on this node, their sandboxes included.
containers_running() {
    timeout 20 ctr --address "$SOCKET" -n k8s.io tasks ls 2>/dev/null | grep -c RUNNING || :
}
