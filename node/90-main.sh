# The work runs in a process of its own, under a lock, and writes to a file: it outlives the connection that began it.
# What the caller sees is that file, read as it grows.

parse() {
    ACTION=$1
    shift
    OWNER="" VERSION="" HANDLER="" SHIM="" KATA_CONFIG="" PROGRAM="" CGROUP_DRIVER="" SETTINGS=""
    URL_AMD64="" URL_ARM64="" SHA256_AMD64="" SHA256_ARM64=""
    NODE="" RUNTIME_CLASS=""
    DEBUG=false CHANGE_UNDER_RUNNING_PODS=false HOST_CHECKS=enforce FORCE=false
    for argument in "$@"; do
        value=${argument#*=}
        case $argument in
            --owner=*) OWNER=$value ;;
            --version=*) VERSION=$value ;;
            --url-amd64=*) URL_AMD64=$value ;;
            --url-arm64=*) URL_ARM64=$value ;;
            --sha256-amd64=*) SHA256_AMD64=$value ;;
            --sha256-arm64=*) SHA256_ARM64=$value ;;
            --handler=*) HANDLER=$value ;;
            --shim=*) SHIM=$value ;;
            --kata-config=*) KATA_CONFIG=$value ;;
            --program=*) PROGRAM=$value ;;
            --debug=*) DEBUG=$value ;;
            --set=*=*)
                key=${value%%=*}
                SETTINGS="$SETTINGS$NEWLINE${key%.*}$TAB${key##*.}$TAB${value#*=}"
                ;;
            --cgroup-driver=*) CGROUP_DRIVER=$value ;;
            --change-under-running-pods=*) CHANGE_UNDER_RUNNING_PODS=$value ;;
            --host-checks=*) HOST_CHECKS=$value ;;
            --force=*) FORCE=$value ;;
            --node=*) NODE=$value ;;
            --runtime-class=*) RUNTIME_CLASS=$value ;;
            # For `drift`, which reads it where it is recorded.
            --generation=*) ;;
            *) fail "unknown argument $argument" "use the node program of the package version that calls it" ;;
        esac
    done
    KATA_CONFIG_PATH=/etc/kata-containers/$HANDLER/configuration.toml
}

# On the way out: a change that was not finished is put back.
leave() {
    code=$?
    trap - EXIT
    if [ "$code" != 0 ] && [ -z "$EXPLAINED" ]; then explain "a command failed, with the words above" "mend what they say, then run this again"; fi
    if journal_open && [ "$ACTION" != recover ]; then
        say "putting the node back"
        put_back
        if gate_containerd && gate_kubelet restarted; then
            commit
            remove_boot_unit
            say "the node is as it was before, containerd and the kubelet are well"
        else
            say "the node's files are as they were before, but containerd or the kubelet is not well: see journalctl -u $CONTAINERD_UNIT -u $KUBELET_UNIT"
        fi
    fi
    rm -rf "$NEXT"
    if [ "$0" != "$STATE/node.sh" ]; then rm -f "$0"; fi
    # Nor may anything else stay that only the delete of such a resource would take away.
    if [ "$ACTION" = stage ] && [ "$code" != 0 ] && [ ! -s "$STATE/owners" ]; then
        rmdir "$RELEASES" 2>/dev/null || :
        rm -rf "$STATE"
    fi
    exit "$code"
}

work() {
    parse "$@"
    EXPLAINED=""
    private_folder "$RUN"
    exec 9>"$RUN/lock"
    if ! flock -n 9; then
        say "waiting for another run on this node: $(cat "$RUN/run" 2>/dev/null)"
        flock -w 1800 9 || fail "another run still holds this node: $(cat "$RUN/run")" "see what it does: ps, and $RUN/log"
        say "it has ended; going on from there"
    fi
    NEXT=$STATE/next
    trap leave EXIT
    trap 'fail "stopped by a signal" "run this again"' INT TERM HUP
    prepare_state
    if [ "$ACTION" = recover ]; then
        recover_at_boot
        return
    fi
    recover
    printf '%s of %s since %s\n' "$ACTION" "$OWNER" "$(date)" >"$RUN/run"
    "do_$ACTION"
    # What `drift` compares the node with.
    case $ACTION in
        stage | activate)
            printf '%s\n' "$@" >"$NEXT/arguments"
            mv "$NEXT/arguments" "$STATE/$ACTION"
            ;;
    esac
    # The node is as asked, whatever becomes of this.
    if [ "$ACTION" = activate ]; then seal >"$STATE/seal" 2>/dev/null || :; fi
}

prepare_state() {
    rm -rf "$NEXT"
    private_folder "$NEXT"
    empty_plan
}
empty_plan() {
    : >"$NEXT/plan"
    : >"$NEXT/own"
}

# follow LOG PID: copies the lines of LOG until the process PID is gone and all is read.
follow() {
    rest=""
    while :; do
        alive=yes
        kill -0 "$2" 2>/dev/null || alive=no
        while IFS= read -r line; do
            printf '%s\n' "$rest$line"
            rest=""
        done
        # At the end of what is there: the beginning of a line waits for its end.
        rest=$rest$line
        [ "$alive" = yes ] || break
        sleep 0.05
    done <"$1"
    printf %s "$rest"
}

main() {
    cd /
    [ $# -gt 0 ] || fail "no action given" "one of: stage activate deactivate unstage status drift recover"
    case $1 in
        stage | activate | deactivate | unstage) ;;
        recover)
            work "$@"
            return
            ;;
        status | drift)
            parse "$@"
            NEXT=$(mktemp -d)
            trap 'rm -rf "$NEXT"' EXIT
            empty_plan
            "do_$ACTION"
            return
            ;;
        --work)
            shift
            work "$@"
            return
            ;;
        *) fail "unknown action $1" "one of: stage activate deactivate unstage status drift recover" ;;
    esac
    [ "$(id -u)" = 0 ] || fail "not root" "connect as root, or as a user with passwordless sudo"
    private_folder "$RUN"
    mkdir -p "$RUN/log"
    log=$RUN/log/$1
    rm -f "$log"
    : >"$log"
    setsid sh "$0" --work "$@" >"$log" 2>&1 </dev/null &
    worker=$!
    follow "$log" "$worker"
    wait "$worker"
}

main "$@" </dev/null
