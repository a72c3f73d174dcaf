# shellcheck shell=bash
# A cache for what the lab builds, keyed by a digest of the inputs: nothing is built again while its inputs are the same.

KATA_LAB_CACHE=${KATA_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata-containers-lab}

# cached NAME WHY INPUT... -- FUNCTION ARGUMENT...: sets REPLY to a folder that FUNCTION ARGUMENT... FOLDER has filled. An
# input is a file, a folder (all files in it) or a text; the body of FUNCTION is one too. FUNCTION fills FOLDER.part, which is
# renamed once it is complete.
cached() {
    local name=$1 why=$2 inputs=() started status=0
    shift 2
    while [ "$1" != -- ]; do inputs+=("$1") && shift; done
    shift
    REPLY=$KATA_LAB_CACHE/$name-$(digest "$(declare -f "$1")" "${inputs[@]}")
    [ ! -d "$REPLY" ] || return 0

    mkdir -p "$KATA_LAB_CACHE"
    exec 9>"$KATA_LAB_CACHE/$name.lock"
    flock -n 9 || { say "waiting for another process that builds $name" && flock 9; }
    if [ ! -d "$REPLY" ]; then
        say "building $name: $why"
        started=$SECONDS
        rm -rf "$REPLY.part"
        mkdir "$REPLY.part"
        # In the background, because bash ignores set -e inside `if`, `&&` and `||`, subshells included.
        (set -e && "$@" "$REPLY.part") >"$REPLY.log" 2>&1 </dev/null 9>&- &
        wait $! || status=$?
        [ "$status" = 0 ] || fail "could not build $name" "$REPLY.log"
        mv "$REPLY.part" "$REPLY"
        rm -f "$REPLY.log"
        say "built $name in $((SECONDS - started)) s"
    fi
    exec 9>&-
}

# digest INPUT...: prints a short digest of names and contents, the same in every checkout.
digest() {
    local input
    for input; do
        if [ -d "$input" ]; then
            (cd "$input" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
        elif [ -f "$input" ]; then
            sha256sum <"$input"
        else
            printf '%s\n' "$input"
        fi
    done | sha256sum | cut -c1-12
}
