# CRI-O: the configuration that it understands, the runtimes to write into it, and whether it serves. A function crio_NAME does for
# CRI-O what NAME does for containerd; see `cri`. CONTAINERD_CONFIG is its drop-in folder, in which one file is of this package.
#
# A changed runtime needs a restart: after a reload, it is shown in the configuration, but no pod can use it
# (cri-o/cri-o#10202). CRI-O reads every file in the folder, whatever its name, and the last table of a runtime counts.

crio_client() { echo crictl; }
# The first release with `crio status` and with an answer to the kubelet's question for the cgroup driver.
crio_minimum_version() { echo 1.28; }
crio_runtime_name() { echo cri-o; }
crio_uses_runtime_path() { :; }

crio_inspect_runtime() { # PID
    CONTAINERD_CONFIG=$(crio_setting "$1" config-dir d | sed 's,//*$,,')
    CONTAINERD_CONFIG=${CONTAINERD_CONFIG:-/etc/crio/crio.conf.d}
    [ -x "${CONTAINERD%/*}/crictl" ] || have crictl || fail "crictl is not installed on this node; it is needed to check CRI-O's health" \
        "install crictl, which is in the package cri-tools, then run pulumi again"
}

# crio_setting PID NAME [SHORT]: the value of that flag, or else of its variable.
crio_setting() {
    local value
    value=$(flag "$1" "--$2" "-$2" ${3:+"-$3"})
    [ -n "$value" ] || value=$(tr '\000' '\n' <"/proc/$1/environ" | sed -n "s/^CONTAINER_$(printf %s "$2" | tr '[:lower:]-' '[:upper:]_')=//p")
    printf '%s\n' "$value"
}

# A stop takes as long as this limit allows, if the program of a container does not react to SIGTERM. crictl's configuration may have
# another endpoint for images.
crictl_of_crio() { timeout 20 "$CTR" -t 10s -r "unix://$CONTAINERD_SOCKET" -i "unix://$CONTAINERD_SOCKET" "$@"; }

# crio_ask COMMAND: answers a question of the shared functions in the form of ctr, as far as they read it. The kubelet's question for
# sandboxes is answered without their handlers, so each is asked for its own.
crio_ask() {
    local ids id
    case "$1 $2" in
        "containers ls")
            ids=$(crictl_of_crio pods -q) || return 1
            for id in $ids; do
                # It may have ended since.
                crictl_of_crio inspectp "$id" >"$WORK_DIR/sandbox" || [ -z "$(crictl_of_crio pods -q --id "$id" || echo unknown)" ] || return 1
                sed -n 's/^.*"io.kubernetes.cri-o.RuntimeHandler": "\([^"]*\)".*/'"$id"' io.containerd.\1.v2/p' "$WORK_DIR/sandbox" | head -n 1
            done
            ;;
        "containers info") crictl_of_crio inspectp "$3" ;;
        "tasks ls")
            ids=$(crictl_of_crio pods -q -s ready && crictl_of_crio ps -q) || return 1
            for id in $ids; do echo "$id - RUNNING"; done
            ;;
        "images ls")
            crictl_of_crio images >"$WORK_DIR/crio.images" || return 1
            awk 'NR > 1 { print $1 ":" $2 }' "$WORK_DIR/crio.images"
            ;;
    esac
}
crio_question() { # COMMAND
    case "$1 $2" in
        "images ls") echo "$(crictl_command) -i unix://$CONTAINERD_SOCKET images" ;;
        "tasks ls") echo "$(crictl_command) -i unix://$CONTAINERD_SOCKET ps" ;;
        *) echo "$(crictl_command) pods" ;;
    esac
}

# crio_kill_containers LIST: removes the sandboxes whose ids are in the file LIST.
crio_kill_containers() {
    local sandbox
    while read -r sandbox; do
        { crictl_of_crio rmp -f "$sandbox" || crictl_of_crio rmp -f "$sandbox"; } >/dev/null 2>&1 </dev/null &
    done <"$1"
    wait
}

# --- The configuration ---

# crio_dump FOLDER: the configuration as CRI-O understands it with that drop-in folder and with its flags, which count more. It
# comments out what is a default.
crio_dump() {
    local name value
    set -- --config-dir "$1"
    if [ -n "$CONTAINERD_PID" ]; then
        for name in "config c" cgroup-manager default-runtime runtimes; do
            # shellcheck disable=SC2086 # a name and its short form
            value=$(crio_setting "$CONTAINERD_PID" $name)
            [ -z "$value" ] || set -- "$@" "--${name% c}=$value"
        done
    fi
    "$CONTAINERD" "$@" config >"$WORK_DIR/crio.conf" 2>"$WORK_DIR/dump.err" || return 1
    sed -nE 's/^# ((cgroup_manager|log_level|pause_image) = )/\1/; /^[^#]/p' "$WORK_DIR/crio.conf"
}
crio_dump_remedy() { echo "correct the files in $CONTAINERD_CONFIG until this succeeds: $CONTAINERD --config-dir $CONTAINERD_CONFIG config"; }
# crio_running: the configuration that the running CRI-O has.
crio_running() { timeout 20 "$CONTAINERD" status --socket "$CONTAINERD_SOCKET" config 2>/dev/null; }

# crio_dump_now: what the running CRI-O has, if it tells; and, as comments then, what the files say, so that a difference is a drift.
crio_dump_now() {
    : >"$WORK_DIR/crio.running"
    if [ -n "$CONTAINERD_PID" ]; then crio_running >"$WORK_DIR/crio.running" || :; fi
    crio_dump "$CONTAINERD_CONFIG" >"$WORK_DIR/crio.files" || : >"$WORK_DIR/crio.files"
    cp "$WORK_DIR/crio.files" "$WORK_DIR/dump.now"
    if [ -s "$WORK_DIR/crio.running" ]; then
        { cat "$WORK_DIR/crio.running" && sed 's/^/# /' "$WORK_DIR/crio.files"; } >"$WORK_DIR/dump.now"
    fi
}

# crio_runtime FILE RUNTIME: what a managed runtime has.
crio_runtime() {
    local key
    for key in runtime_path runtime_type runtime_root runtime_config_path privileged_without_host_devices; do
        toml_get "$1" "crio.runtime.runtimes.\"$2\"" "$key"
    done
}
crio_runtimes_of() { toml_tables "$1" | sed -n 's/^crio\.runtime\.runtimes\.\([^.]*\)$/\1/p'; }
# crio_runtimes_left: those that it has and will have. It drops a runtime of others without its files, and a release takes the place
# of what is in /opt/kata.
crio_runtimes_left() {
    local runtime key path lost
    crio_runtimes_of "$WORK_DIR/dump" >"$WORK_DIR/names"
    for runtime in $(crio_runtimes_of "$WORK_DIR/dump.now" | grep -xF -f "$WORK_DIR/names"); do
        lost=$(
            for key in runtime_path runtime_config_path; do toml_get "$WORK_DIR/dump" "crio.runtime.runtimes.\"$runtime\"" "$key"; done |
                sed -n "s,^$KATA_LINK/,$RELEASES_DIR/$(main_tree)/,; /^\//p" | while IFS= read -r path; do [ -e "$path" ] || echo "$path"; done
        )
        case "$lost $HANDLERS " in " "* | *" $runtime "*) echo "$runtime" ;; esac
    done
}
crio_runtime_entry() { echo "io.containerd.$2.v2"; }
crio_dumped_driver() {
    local driver
    if [ ! -s "$1" ]; then echo unknown && return; fi
    driver=$(toml_get "$1" crio.runtime cgroup_manager)
    echo "${driver:-systemd}"
}

# crio_place TABLE KEY: the file in the drop-in folder whose entry counts, for errors.
crio_place() {
    local file found="the main file or the flags of CRI-O"
    find "$CONTAINERD_CONFIG" ! -type d ! -name "${DROP_IN##*/}" 2>/dev/null | sort >"$WORK_DIR/files"
    while IFS= read -r file; do
        if [ -n "$(toml_get "$file" "$1" "$2")" ]; then found=$file; fi
    done <"$WORK_DIR/files"
    printf '%s\n' "$found"
}

# crio_understand: $WORK_DIR/dump gets the configuration as CRI-O will understand it, with $WORK_DIR/drop-in, if that exists.
crio_understand() {
    step "CRI-O configuration"
    rm -rf "$WORK_DIR/folder"
    mkdir "$WORK_DIR/folder"
    if [ -d "$CONTAINERD_CONFIG" ]; then cp -rL "$CONTAINERD_CONFIG/." "$WORK_DIR/folder"; fi
    rm -f "$WORK_DIR/folder/${DROP_IN##*/}"
    if [ -f "$WORK_DIR/drop-in" ]; then cp "$WORK_DIR/drop-in" "$WORK_DIR/folder/${DROP_IN##*/}"; fi
    crio_dump "$WORK_DIR/folder" >"$WORK_DIR/dump" ||
        fail "CRI-O rejects the new configuration: $(tail -n 1 "$WORK_DIR/dump.err" | sed "s,$WORK_DIR/folder,$CONTAINERD_CONFIG,g" | excerpt)" \
            "$(crio_dump_remedy); then run pulumi again; if it succeeds already, report this as a bug"
}

crio_prepare_runtime() {
    local handler
    # Behind the names that begin with a digit, such as that of kata-deploy: the last table of a runtime counts.
    DROP_IN=$CONTAINERD_CONFIG/zz-kata-containers.conf
    if exists "$DROP_IN" && ! is_managed "$DROP_IN"; then
        fail "$DROP_IN exists and is not a file of this package" "move it out of $CONTAINERD_CONFIG, in which CRI-O reads every file, then run pulumi again"
    fi
    : >"$WORK_DIR/edits"
    crio_tables >"$WORK_DIR/drop-in"
    crio_understand
    for handler in $REQUESTED; do
        [ -z "$(given "$handler" snapshotter)" ] || fail "CRI-O has no snapshotters (runtimeClasses.$(given "$handler" runtime-class).snapshotter)" \
            "remove that argument, or move this node to a component without it"
    done
    handler=$(toml_get "$WORK_DIR/dump" crio.runtime default_runtime)
    case " $HANDLERS " in
        *" ${handler:-crun} "*) fail "${handler:-crun} is CRI-O's default runtime (default_runtime), so every pod would become a Kata pod" \
            "set default_runtime in $(crio_place crio.runtime default_runtime) to another runtime, or set another handler in runtimeClasses; then run pulumi again" ;;
    esac
    crio_require_runtimes "$WORK_DIR/dump" "with the new configuration"
    crio_check_mounts
}
# crio_tables: the drop-in file. The name of the program must begin with containerd-shim-, so it is that of the link.
crio_tables() {
    local handler
    echo "$SIGNATURE"
    if [ -n "$CGROUP_DRIVER" ]; then
        printf '[crio.runtime]\ncgroup_manager = "%s"\n' "$CGROUP_DRIVER"
        # The default, system.slice, is one of systemd.
        [ "$CGROUP_DRIVER" = systemd ] || echo 'conmon_cgroup = "pod"'
    fi
    # shellcheck disable=SC2086 # a list
    for handler in $(printf '%s\n' $HANDLERS | sort); do
        cat <<TABLE
[crio.runtime.runtimes.$handler]
runtime_path = "$(shim_link "$handler")"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "$(config_of "$handler")"
privileged_without_host_devices = true
TABLE
    done
}
# crio_require_runtimes DUMP WHEN: it has the runtimes as requested, and the cgroup driver.
crio_require_runtimes() {
    local handler
    for handler in $OWN_HANDLERS; do
        [ "$(crio_runtime "$1" "$handler")" = "$(crio_runtime "$WORK_DIR/drop-in" "$handler")" ] ||
            fail "$2 the runtime $handler is not the managed one, because of $(crio_place "crio.runtime.runtimes.\"$handler\"" runtime_path)" \
                "remove the table of that runtime there, or set another handler in runtimeClasses; then run pulumi again"
    done
    [ "$(crio_dumped_driver "$1")" = "${CGROUP_DRIVER:-$(crio_dumped_driver "$1")}" ] ||
        fail "$2 CRI-O's cgroup driver is not $CGROUP_DRIVER, because of $(crio_place crio.runtime cgroup_manager)" \
            "remove cgroup_manager there, or set it there to $CGROUP_DRIVER; then run pulumi again"
}
# crio_check_mounts: Kata's shim has a mount namespace of its own since 3.3 (the Rust shim since 3.0), and the mounts of CRI-O's overlay
# storage are private, so no container would find its files. The storage of a node is not this package's to change.
crio_check_mounts() {
    local storage handler problem="" remedy
    storage=$(toml_get "$WORK_DIR/crio.running" crio root)/overlay
    [ -n "$CONTAINERD_PID" ] && awk -v storage="$storage" '$5 == storage && !/ shared:/ { found = 1 } END { exit !found }' "/proc/$CONTAINERD_PID/mountinfo" || return 0
    for handler in $REQUESTED; do
        case $(given "$handler" shim-path) in
            *runtime-rs*) problem=yes ;;
            *) ! version_at_least "$(given "$handler" version)" 3.3 || problem=yes ;;
        esac
    done
    if [ -z "$problem" ] || journal_open; then return 0; fi
    problem="$storage is a private mount, so the containers of Kata pods would not find their files"
    remedy="set skip_mount_home = \"true\" in [storage.options.overlay] of /etc/containers/storage.conf, which concerns all containers of this node; drain it and reboot it"
    case $PROBING$HOST_CHECKS in
        enforce) fail "$problem" "$remedy; then run pulumi again; or set hostChecks to \"warn\" to install anyway" ;;
        warn) say "warning: $problem; to fix it: $remedy" ;;
    esac
}

crio_prepare_removal() {
    local path
    DROP_IN=$CONTAINERD_CONFIG/zz-kata-containers.conf
    rm -f "$WORK_DIR/drop-in"
    if [ ! -x "$CONTAINERD" ]; then
        # Without CRI-O's program the driver is unknown, so it counts as changed.
        echo "# prepared" >"$WORK_DIR/dump"
        return
    fi
    crio_understand
    [ -f "$STATE_DIR/managed" ] || return 0
    while IFS= read -r path; do
        case $path in */configuration.toml) ;; *) continue ;; esac
        if exists "$(displaced_of "$path")" || ! grep -qF "\"$path\"" "$WORK_DIR/dump"; then continue; fi
        path=${path%/*}
        fail "with the new configuration CRI-O would still have the runtime ${path##*/} of this package" \
            "remove it from $(crio_place "crio.runtime.runtimes.\"${path##*/}\"" runtime_config_path), then run pulumi again"
    done <"$STATE_DIR/managed"
}

# --- The plan ---

# crio_want_runtime: a CRI-O that has dropped a runtime, because its program was missing for a while, gets its file again, and with it
# a restart. The files of another component's runtime are its to repair.
crio_want_runtime() {
    local handler
    crio_want_containerd
    [ -f "$WORK_DIR/drop-in" ] || return 0
    want_managed_file "$WORK_DIR/drop-in" "$DROP_IN"
    if planned "$DROP_IN" || [ ! -s "$WORK_DIR/crio.running" ] || journal_open; then return 0; fi
    for handler in $OWN_HANDLERS; do
        if [ -z "$(crio_runtime "$WORK_DIR/crio.running" "$handler")" ]; then plan file "$DROP_IN" "$WORK_DIR/drop-in" && return; fi
    done
}
# crio_want_containerd: if the node had containerd when Kata was activated, the entries in its configuration are removed.
crio_want_containerd() {
    local main
    main=$(recorded CONTAINERD_CONFIG)
    case $(recorded CONTAINERD) in "" | */crio) return 0 ;; esac
    [ -s "$main" ] || return 0
    originals "$main" "$WORK_DIR/main"
    if [ -s "$WORK_DIR/main" ]; then want_edits "$WORK_DIR/main" "$main"; else plan remove "$main" ""; fi
}
crio_runtime_planned() { planned "$DROP_IN"; }
crio_is_runtime_config() { [ "$1" = "$DROP_IN" ]; }
# crio_describe_runtime_drift PATH
crio_describe_runtime_drift() {
    local handler now was other=""
    for handler in $HANDLERS; do
        now=$(crio_runtime "$WORK_DIR/crio.files" "$handler") was=$(crio_runtime "$WORK_DIR/dump" "$handler")
        if ! is_own "$handler"; then
            [ "$now" = "$was" ] || other=yes
        elif [ -z "$now" ]; then
            echo "runtime table $handler is missing from $1" && return
        elif [ "$now" != "$was" ]; then
            echo "the entries of this package in $1 were changed" && return
        elif [ -z "$(crio_runtime "$WORK_DIR/crio.running" "$handler")" ]; then
            echo "the running CRI-O does not have the runtime $handler" && return
        fi
    done
    now=$(crio_dumped_driver "$WORK_DIR/crio.files") was=$(crio_dumped_driver "$WORK_DIR/dump")
    if [ "$now" != "$was" ]; then
        echo "CRI-O's cgroup driver is $now in $1, was $was"
    elif [ -z "$other" ]; then
        echo "the entries of this package in $1 were changed"
    fi
}

# --- The running CRI-O ---

crio_require_healthy_runtime() {
    crio_gate_runtime || fail "CRI-O does not answer; nothing was changed" \
        "repair $CONTAINERD_UNIT (its log: journalctl -u $CONTAINERD_UNIT), then run pulumi again"
    crio_dump_now
}
crio_gate_runtime() {
    if [ -z "$CONTAINERD_PID" ]; then return 0; fi
    within "$(time_limit "$CONTAINERD_UNIT")" crio_serves
}
crio_serves() { crio_is RuntimeReady; }
crio_is() { # CONDITION
    crictl_of_crio info 2>/dev/null | tr -d ' \n' | grep -qE "\"status\":true,\"type\":\"$1\"|\"type\":\"$1\",\"status\":true"
}
# crio_pod_processes: the shims of Kata's pods, and the monitors of the containers of runc and crun.
crio_pod_processes() { monitors 'containerd-shim-[^/]*|conmon(rs)?( \(deleted\))?'; }
# crio_require_lasting_shims SANDBOXES: a stop of CRI-O's unit ends all processes in its control group. Kata's shims leave it. Those of
# SANDBOXES, one id per line, will be killed before.
crio_require_lasting_shims() {
    local pid
    case $(systemctl show -p KillMode --value "$CONTAINERD_UNIT" 2>/dev/null) in control-group | mixed) ;; *) return 0 ;; esac
    for pid in $(shims); do
        if [ -n "$1" ] && printf '%s\n' "$1" | grep -qxF -e "$(flag "$pid" -id)"; then continue; fi
        ! grep -q "/$CONTAINERD_UNIT\(/\|\$\)" "/proc/$pid/cgroup" || fail "a restart of $CONTAINERD_UNIT would end sandboxes,\
 because their shims (such as process $pid) are in its control group; nothing was changed" \
            "delete their pods, or set KillMode=process in the unit (systemctl edit $CONTAINERD_UNIT); then run pulumi again"
    done
}
# crio_prove_runtime: CRI-O drops a runtime whose program or configuration it does not accept, and says so only in its log.
crio_prove_runtime() {
    local lost
    [ -s "$WORK_DIR/crio.running" ] || fail "CRI-O does not tell its configuration (crio status config)" "repair $CONTAINERD_UNIT, then run pulumi again"
    crio_require_runtimes "$WORK_DIR/crio.running" "in the running CRI-O"
    # shellcheck disable=SC2086 # a list
    { crio_runtimes_of "$WORK_DIR/crio.running"; printf '%s\n' $HANDLERS; } >"$WORK_DIR/names"
    lost=$(grep -vxF -f "$WORK_DIR/names" "$WORK_DIR/runtimes" | head -n 1)
    [ -z "$lost" ] || fail "the running CRI-O no longer has the runtime $lost; rolling back" \
        "install the files that its table in $(crio_place "crio.runtime.runtimes.\"$lost\"" runtime_path) names, or remove that table and restart $CONTAINERD_UNIT; then run pulumi again"
}

# crio_explain_debug: as for containerd.
crio_explain_debug() {
    local handler go=""
    for handler in $REQUESTED; do
        case $(given "$handler" debug)$(given "$handler" shim-path) in true*runtime-rs*) ;; true*) go="${go:+$go }$handler" ;; esac
    done
    case $(toml_get "$WORK_DIR/dump" crio.runtime log_level) in debug | trace) go="" ;; esac
    [ -z "$go" ] || say "debug logs of the Go shim ($go) appear only if CRI-O logs at that level: set log_level = \"debug\" in the table [crio.runtime] of a file in $CONTAINERD_CONFIG"
}

# --- Verification ---

# crio_pause_image IMAGES: CRI-O's own, if it is there.
crio_pause_image() { grep -xF -e "$(toml_get "$WORK_DIR/crio.running" crio.image pause_image)" "$1" || :; }

# crio_boot_guest HANDLER: a sandbox without a container. It has the image of crio_pause_image. The guest boots after its network is
# set up, and some plugins refuse that for a pod that the cluster does not have.
crio_boot_guest() {
    local reason
    printf '{"metadata":{"name":"%s","namespace":"%s","uid":"%s"},"linux":{}}\n' \
        "$VERIFICATION" "$VERIFICATION" "$VERIFICATION" >"$WORK_DIR/sandbox.json"
    if ! crio_is NetworkReady; then
        reason="the network of CRI-O is not ready"
    elif timeout 240 "$CTR" -t 235s -r "unix://$CONTAINERD_SOCKET" -i "unix://$CONTAINERD_SOCKET" runp --runtime "$1" "$WORK_DIR/sandbox.json" >/dev/null 2>"$WORK_DIR/ctr.err"; then
        return
    elif grep -qE 'failed to (create pod network sandbox|get network (status|JSON) for pod sandbox)' "$WORK_DIR/ctr.err"; then
        excerpt <"$WORK_DIR/ctr.err"
        reason="the network plugins refuse a sandbox that is not a pod of the cluster"
    else
        return 1
    fi
    echo "not verified: $reason" | tee "$WORK_DIR/unverified"
}
crio_guest_remedy() {
    echo "end it on this node ($(crictl_command) rmp -f \$($(crictl_command) pods -q --name '^$VERIFICATION\$')), or reboot the node"
}
crio_guest_is_gone() {
    local ids
    ids=$(crictl_of_crio pods -q --name "^$VERIFICATION\$" 2>/dev/null) || return 1
    [ -n "$ids" ] || return 0
    printf '%s\n' "$ids" >"$WORK_DIR/guest"
    crio_kill_containers "$WORK_DIR/guest"
    return 1
}
