# A change to the node as one transaction. Everything that is to be written is prepared and checked first; then each
# path is noted in the journal before it is replaced, by renaming, and the journal goes away when the node has proved
# to be well. A journal that is still there is work that was cut off: it is put back before anything else is done.

JOURNAL=$STATE/journal

there() { [ -e "$1" ] || [ -L "$1" ]; }

journal_open() { [ -d "$JOURNAL" ]; }

begin() {
    mkdir "$JOURNAL"
    flush "$STATE"
}

# kept PATH: where what is at PATH stays until the change is through. It is another name of the same file, beside it, so
# that keeping it and putting it back need no room on the disk.
kept() { printf '%s/.%s.kata-containers-kept' "${1%/*}" "${1##*/}"; }

# note PATH [TO]: keeps what is at PATH now, or, given TO, that PATH is about to be moved there.
note() {
    entry=$JOURNAL/$(entries)
    rm -rf "$JOURNAL/next"
    mkdir "$JOURNAL/next"
    printf '%s' "$1" >"$JOURNAL/next/path"
    if [ $# -gt 1 ]; then
        printf '%s' "$2" >"$JOURNAL/next/to"
    elif there "$1"; then
        : >"$JOURNAL/next/kept"
    fi
    flush "$JOURNAL/next"/*
    mv "$JOURNAL/next" "$entry"
    flush "$JOURNAL"
    if [ -e "$entry/kept" ]; then
        # A filesystem without hard links gets a copy.
        ln -f "$1" "$(kept "$1")" 2>/dev/null || cp -a "$1" "$(kept "$1")"
        flush "${1%/*}"
    fi
}
entries() { find "$JOURNAL" -mindepth 1 -maxdepth 1 -name '[0-9]*' | wc -l; }

# make_folder PATH: kept in a list, so that a folder we made and nobody uses goes when we go.
make_folder() {
    [ -d "$1" ] && return
    make_folder "${1%/*}"
    note "$1"
    mkdir "$1"
    printf '%s\n' "$1" | add_lines "$STATE/folders"
}
remove_folders() {
    [ -f "$STATE/folders" ] || return 0
    sort -ru "$STATE/folders" | while IFS= read -r folder; do
        rmdir "$folder" 2>/dev/null || ! [ -d "$folder" ] || printf '%s\n' "$folder"
    done >"$NEXT/folders"
    mv "$NEXT/folders" "$STATE/folders"
}

# add_lines LIST: the lines of stdin, to a list of ours. What is kept shares the file, so it is replaced.
add_lines() {
    { if [ -f "$1" ]; then cat "$1"; fi && cat; } | awk '!seen[$0]++' >"$NEXT/list"
    mv "$NEXT/list" "$1"
}

# temporary PATH: where the successor of PATH is made, beside it.
temporary() { printf '%s/.%s.kata-containers' "${1%/*}" "${1##*/}"; }

# install_file NEW PATH: NEW takes the place of PATH; mode and owner are those of PATH, or 0644 and root.
install_file() {
    make_folder "${2%/*}"
    note "$2"
    new=$(temporary "$2")
    if [ -e "$2" ]; then cp -a "$2" "$new"; else : >"$new" && chmod 0644 "$new"; fi
    cat "$1" >"$new"
    flush "$new"
    mv "$new" "$2"
    say "wrote $2"
}

# install_link TARGET PATH
install_link() {
    make_folder "${2%/*}"
    note "$2"
    new=$(temporary "$2")
    ln -sfn "$1" "$new"
    mv -T "$new" "$2"
    say "linked $2 to $1"
}

# move PATH TO
move() {
    note "$1" "$2"
    mv -T "$1" "$2"
    say "moved $1 to $2"
}

# Our own files carry this in their first line, our links lead to a release.
SIGNATURE="# Written by the Pulumi package kata-containers, which overwrites it and takes it away again."
ours() {
    if [ -L "$1" ]; then
        case $(readlink "$1") in kata-releases/* | /opt/kata/*) return 0 ;; *) return 1 ;; esac
    fi
    [ -f "$1" ] && [ "$(head -n 1 "$1")" = "$SIGNATURE" ]
}
# What someone else has at a path of ours stands beside it, under this name, until we leave.
aside_of() { printf '%s.before-kata-containers' "$1"; }

# The plan: what has to change, one path a line. An empty plan is a node that is as asked.
want_file() { # NEW PATH
    if ! { [ -f "$2" ] && cmp -s "$1" "$2"; }; then plan file "$2" "$1"; fi
}
want_edits() { # NEW PATH, a file of others
    if ! { [ -f "$2" ] && [ "$(edits "$1")" = "$(edits "$2")" ]; }; then plan file "$2" "$1"; fi
}
want_own_file() { # NEW PATH
    printf '%s\n' "$2" >>"$NEXT/own"
    set_aside_foreign "$2"
    want_file "$1" "$2"
}
want_own_link() { # TARGET PATH
    printf '%s\n' "$2" >>"$NEXT/own"
    set_aside_foreign "$2"
    if [ "$(readlink "$2")" != "$1" ]; then plan link "$2" "$1"; fi
}
set_aside_foreign() {
    if there "$1" && ! ours "$1"; then plan move "$1" "$(aside_of "$1")"; fi
}
# A path that was ours and is not wanted any more goes, and what stood there before comes back. What someone put there
# since stays.
unwant() {
    if planned "$1" || { there "$1" && ! ours "$1"; }; then return 0; fi
    if there "$1"; then plan gone "$1" ""; fi
    if there "$(aside_of "$1")"; then plan move "$(aside_of "$1")" "$1"; fi
}
# In the reverse order of their coming.
unwant_rest() {
    [ -f "$STATE/own" ] || return 0
    awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' "$STATE/own" | while IFS= read -r path; do
        grep -qxF "$path" "$NEXT/own" || unwant "$path"
    done
}
plan() { printf '%s\t%s\t%s\n' "$@" >>"$NEXT/plan"; }
planned() { awk -F '\t' -v path="$1" '$2 == path { found = 1 } END { exit !found }' "$NEXT/plan"; }

carry_out_plan() {
    note "$STATE/own"
    note "$STATE/folders"
    # What is ours grows before the change and shrinks after it, so that nothing of ours is ever forgotten.
    add_lines "$STATE/own" <"$NEXT/own"
    while IFS="$TAB" read -r kind path argument; do
        case $kind in
            file) install_file "$argument" "$path" ;;
            link) install_link "$argument" "$path" ;;
            move) move "$path" "$argument" ;;
            gone)
                note "$path"
                rm -f "$path"
                say "removed $path"
                ;;
        esac
    done <"$NEXT/plan"
}

# restart UNIT: noted, so that putting back restarts it too.
restart() {
    mark_restart "$1"
    SINCE=$(date '+%Y-%m-%d %H:%M:%S')
    say "restarting $1"
    systemctl reset-failed "$1" 2>/dev/null || :
    timeout 120 systemctl restart "$1"
}

mark_restart() { : >"$JOURNAL/restarted-$1"; }

# journal_words UNIT: what it said since it was restarted: what sounds like a failure, and its last words.
journal_words() {
    journalctl -u "$1" --since "$SINCE" -n 500 --no-pager -o cat 2>/dev/null | excerpt >"$RUN/words" || :
    {
        grep -E 'level=(fatal|panic)' "$RUN/words" | tail -n 2
        grep -iE 'fail|error|refuse' "$RUN/words" | tail -n 6
        tail -n 8 "$RUN/words"
    } | awk '!seen[$0]++ { print "  | " $0 }'
}

# commit: what was changed is on the disk before the journal goes, and only then goes what was kept.
commit() {
    for entry in "$JOURNAL"/[0-9]*; do
        if [ -f "$entry/path" ]; then flush_folder "$(cat "$entry/path")"; fi
    done
    mv "$JOURNAL" "$JOURNAL.done"
    flush "$STATE"
    forget_kept
}
# flush_folder PATH: the folder in which something was renamed or removed.
flush_folder() { if [ -d "${1%/*}" ]; then flush "${1%/*}"; fi; }
forget_kept() {
    for entry in "$JOURNAL.done"/[0-9]*; do
        if [ -f "$entry/kept" ]; then rm -f "$(kept "$(cat "$entry/path")")"; fi
    done
    rm -rf "$JOURNAL.done"
}

# Renaming one of two names of a file to the other is refused, or does nothing.
bring_back() {
    if [ "$(stat -c %i "$(kept "$1")")" = "$(stat -c %i "$1" 2>/dev/null)" ]; then
        rm -f "$(kept "$1")"
    else
        mv -fT "$(kept "$1")" "$1"
    fi
}

# put_back: every noted path becomes what it was, last first. It only renames and removes, so a full disk does not stop
# it, and it may itself be cut off and begun again.
put_back() {
    count=$(entries)
    while [ "$count" -gt 0 ]; do
        count=$((count - 1))
        entry=$JOURNAL/$count
        path=$(cat "$entry/path")
        rm -rf "$(temporary "$path")" "$JOURNAL/next"
        if [ -f "$entry/to" ]; then
            to=$(cat "$entry/to")
            if there "$to" && ! there "$path"; then mv -T "$to" "$path"; fi
        elif [ -f "$entry/kept" ]; then
            # Where nothing is kept, it was cut off before it began, or it is back already.
            if there "$(kept "$path")"; then bring_back "$path"; fi
        elif [ -d "$path" ] && [ ! -L "$path" ]; then
            rmdir "$path" 2>/dev/null || :
        else
            rm -f "$path"
        fi
        # An entry is put back once: what an earlier one brings back to the same path must not be taken for what it was to
        # remove.
        flush_folder "$path"
        mv "$entry" "$JOURNAL/next"
        rm -rf "$JOURNAL/next"
    done
    for mark in "$JOURNAL"/restarted-*; do
        [ -e "$mark" ] || continue
        unit=${mark##*/restarted-}
        systemctl reset-failed "$unit" 2>/dev/null || :
        timeout 120 systemctl restart "$unit" || say "$unit did not start again"
    done
}

# What an earlier run left unfinished, because it was killed or the machine lost power, is put back first.
recover() {
    if journal_open; then
        step "recovery"
        say "an earlier run was cut off: $(cat "$RUN/run" 2>/dev/null || echo "the machine lost power"); putting the node back first"
        put_back
        commit
    fi
    forget_kept
    remove_boot_unit
}
