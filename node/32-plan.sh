# The plan: the list of changes, one path per line: kind, tab, path, tab, argument. The want_* functions add the
# differences from the request, so an empty plan means that the node is as requested.

empty_plan() {
    : >"$WORK_DIR/plan"
    : >"$WORK_DIR/managed"
    : >"$WORK_DIR/stripped"
}
plan() { printf '%s\t%s\t%s\n' "$@" >>"$WORK_DIR/plan"; } # KIND PATH ARGUMENT
planned() { cut -f 2 "$WORK_DIR/plan" | grep -qxF -e "$1"; }

# is_managed PATH: managed files carry the signature in their first line, managed links lead to a release.
is_managed() {
    local line=""
    if [ -L "$1" ]; then
        case $(readlink "$1") in kata-releases/* | /opt/kata/* | "$RELEASES_DIR"/*) return 0 ;; *) return 1 ;; esac
    fi
    if [ -f "$1" ]; then IFS= read -r line <"$1" || :; fi
    [ "$line" = "$SIGNATURE" ] || [ "$line" = "$TEMPLATE_SIGNATURE" ]
}

# displaced_of PATH: the path of a displaced file until deactivate restores it.
displaced_of() { printf '%s/%s.kata-containers-displaced' "$(beside "$1")" "${1##*/}"; }

want_file() { # FILE PATH
    if ! { [ -f "$2" ] && cmp -s "$1" "$2"; }; then plan file "$2" "$1"; fi
}
want_edits() { # FILE PATH, a file of others: only managed edits in it count, and those whose marks are gone
    if [ ! -f "$2" ] || grep -qxF -e "$2" "$WORK_DIR/stripped" || [ "$(edits "$1")" != "$(edits "$2")" ]; then plan file "$2" "$1"; fi
}
want_managed_file() { # FILE PATH
    want_managed "$2"
    want_file "$1" "$2"
}
want_managed_link() { # TARGET PATH
    want_managed "$2"
    if [ "$(readlink "$2")" != "$1" ]; then plan link "$2" "$1"; fi
}
want_managed() {
    printf '%s\n' "$1" >>"$WORK_DIR/managed"
    if exists "$1" && ! is_managed "$1"; then plan move "$1" "$(displaced_of "$1")"; fi
}

# unwant PATH: a managed path that is not wanted any longer is removed, and what it displaced is restored. A file that
# someone else put there since is kept.
unwant() {
    if planned "$1" || { exists "$1" && ! is_managed "$1"; }; then return 0; fi
    if exists "$1"; then plan remove "$1" ""; fi
    if exists "$(displaced_of "$1")"; then plan move "$(displaced_of "$1")" "$1"; fi
}
# unwant_rest: all managed paths that were not wanted again, the newest first.
unwant_rest() {
    local path
    [ -f "$STATE_DIR/managed" ] || return 0
    tac "$STATE_DIR/managed" | while IFS= read -r path; do
        grep -qxF "$path" "$WORK_DIR/managed" || unwant "$path"
    done
}

# carry_out_plan: a new file gets the mode and owner of the one that it replaces, or else 0644 and root. A link of others is kept.
carry_out_plan() {
    local kind path argument new
    note "$STATE_DIR/managed"
    note "$STATE_DIR/folders"
    # Paths are added to the list of managed paths before the change and removed after it, so that the list is never incomplete.
    add_lines "$STATE_DIR/managed" <"$WORK_DIR/managed"
    while IFS="$TAB" read -r kind path argument; do
        if [ "$kind" = file ] && [ -L "$path" ] && ! is_managed "$path"; then path=$(readlink -f "$path"); fi
        new=$(temporary "$path")
        make_folder "${path%/*}"
        if [ "$kind" = move ]; then note "$path" "$argument"; else note "$path"; fi
        case $kind in
            file)
                if [ -e "$path" ]; then cp -a "$path" "$new"; else : >"$new" && chmod 0644 "$new"; fi
                cat "$argument" >"$new"
                flush "$new"
                mv "$new" "$path"
                say "wrote $path"
                ;;
            link)
                ln -sfn "$argument" "$new"
                mv -T "$new" "$path"
                say "linked $path to $argument"
                ;;
            move)
                mv -T "$path" "$argument"
                say "moved $path to $argument"
                ;;
            remove)
                rm -f "$path"
                say "removed $path"
                ;;
        esac
    done <"$WORK_DIR/plan"
}
