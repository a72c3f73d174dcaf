# shellcheck shell=bash
# What the lab builds, kept by content: a thing whose makings did not change is not made again.

KATA_LAB_CACHE=${KATA_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata-containers-lab}

# cached NAME WHY INPUT... -- FUNCTION ARGUMENT...: REPLY is a folder that FUNCTION ARGUMENT... FOLDER filled. An input is a
# file, a folder (all files in it), or words that matter. The folder gets its name only when it is whole.
cached() {
    local name=$1 why=$2 inputs=() started status=0
    shift 2
    while [ "$1" != -- ]; do inputs+=("$1") && shift; done
    shift
    REPLY=$KATA_LAB_CACHE/$name-$(digest "$(declare -f "$1")" "${inputs[@]}")
    [ ! -d "$REPLY" ] || return 0

    mkdir -p "$KATA_LAB_CACHE"
    exec 9>"$KATA_LAB_CACHE/$name.lock"
    flock -n 9 || { say "$name is being made elsewhere; waiting" && flock 9; }
    if [ ! -d "$REPLY" ]; then
        say "making $name: $why"
        started=$SECONDS
        rm -rf "$REPLY.part"
        mkdir "$REPLY.part"
        # In the background, because bash ignores set -e inside `if`, `&&` and `||`, subshells included.
        (set -e && "$@" "$REPLY.part") >"$REPLY.log" 2>&1 </dev/null 9>&- &
        wait $! || status=$?
        [ "$status" = 0 ] || fail "$name could not be made" "$REPLY.log"
        mv "$REPLY.part" "$REPLY"
        rm -f "$REPLY.log"
        say "made $name in $((SECONDS - started)) s"
    fi
    exec 9>&-
}

# digest INPUT...: one short sum of names and contents, the same in every checkout.
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
