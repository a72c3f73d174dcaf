# shellcheck shell=bash
# Messages, errors with the end of a log, and waiting.

say() { printf 'lab: %s\n' "$*" >&2; }

# fail MESSAGE [LOG]
fail() {
    say "error: $1"
    if [ -s "${2-}" ]; then
        tail -n 25 "$2" | sed 's/^/    | /' >&2
        printf '    full log: %s; fix the cause, then run this again\n' "$2" >&2
    fi
    exit 1
}

# wait_until SECONDS COMMAND...: retries until the command succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}
