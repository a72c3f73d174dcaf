# shellcheck shell=bash
# A cache for what the lab builds, keyed by a digest of the inputs: nothing is built again while its inputs are the same.

KATA_LAB_CACHE=${KATA_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata-containers-lab}

# The folders that cached will fill, each with the minutes that it takes.
declare -A MISSING=()
PLANNING=

# planned FUNCTION ARGUMENT...: FUNCTION calls cached. Calls it once to collect all that is missing, so that the messages of the
# second call, which builds it, say how many minutes are left.
planned() {
    PLANNING=yes
    "$@"
    PLANNING=
    [ ${#MISSING[@]} = 0 ] || "$@"
}

# cached NAME WHY INPUT... -- FUNCTION ARGUMENT...: sets REPLY to a folder that FUNCTION ARGUMENT... FOLDER has filled. An
# input is a file, a folder (all files in it) or a text; the body of FUNCTION is one too. WHY ends with the time that it takes
# on two cores, as in (2 minutes). If there is a function download_NAME, that one is tried first; it gets the same programs, and
# is not an input. Either fills FOLDER.part, which is renamed once it is complete.
cached() {
    local name=$1 why=$2 inputs=() started FILLED=
    shift 2
    while [ "$1" != -- ]; do inputs+=("$1") && shift; done
    shift
    REPLY=$KATA_LAB_CACHE/$name-$(digest "$(declare -f "$1")" "${inputs[@]}")
    [ ! -d "$REPLY" ] || return 0
    MISSING[$REPLY]=$(minutes_in "$why")
    [ -z "$PLANNING" ] || return 0

    mkdir -p "$KATA_LAB_CACHE"
    exec 9>"$KATA_LAB_CACHE/$name.lock"
    flock -n 9 || { say "waiting for another process that builds $name" && flock 9; }
    if [ ! -d "$REPLY" ]; then
        started=$SECONDS
        if declare -F "download_$name" >/dev/null; then
            say "downloading $name"
            fill "$REPLY" "download_$name"
            [ -n "$FILLED" ] || say "could not download $name: $(head -n 1 "$REPLY.log")"
        fi
        if [ -z "$FILLED" ]; then
            say "building $name: $why; $(time_left)"
            fill "$REPLY" "$@"
            [ -n "$FILLED" ] || fail "could not build $name" "$REPLY.log"
        fi
        mv "$REPLY.part" "$REPLY"
        rm -f "$REPLY.log"
        say "$name is ready after $((SECONDS - started)) s"
    fi
    unset "MISSING[$REPLY]"
    exec 9>&-
}

# fill FOLDER COMMAND...: sets FILLED if COMMAND succeeds. Not a status: bash ignores set -e inside `if`, `&&` and `||`, in functions
# and subshells too.
fill() {
    local folder=$1
    shift
    rm -rf "$folder.part"
    mkdir "$folder.part"
    (set -e && "$@" "$folder.part") >"$folder.log" 2>&1 </dev/null 9>&- &
    ! wait $! || FILLED=yes
}

minutes_in() { # WHY
    [[ $1 =~ ([0-9]+)\ minutes?\)$ ]] || BASH_REMATCH=(0 0)
    echo "${BASH_REMATCH[1]}"
}

time_left() {
    local minutes left=0
    for minutes in "${MISSING[@]}"; do left=$((left + minutes)); done
    case $left in
    0) echo "less than a minute left" ;;
    1) echo "about 1 minute left" ;;
    *) echo "about $left minutes left" ;;
    esac
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
