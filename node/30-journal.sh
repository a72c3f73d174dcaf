# A change to the node as one transaction. Each path is recorded in the journal before it is replaced by renaming; the
# journal is removed when the node has proved healthy. A journal found at the start of a run is an interrupted change
# and is rolled back first.

journal_open() { [ -d "$JOURNAL" ]; }

begin() { mkdir "$JOURNAL" && flush "$STATE_DIR"; }

# beside PATH: the folder for its backup and its new form: its own, or the one above a folder in which a service notices each file.
beside() { case $1 in */containerd.d/* | */zz-kata-containers.conf) echo "${1%/*/*}" ;; *) echo "${1%/*}" ;; esac; }

# backup_of PATH: until the change is committed, a second hard link, so that neither it nor a rollback needs disk space.
backup_of() { printf '%s/.%s.kata-containers-backup' "$(beside "$1")" "${1##*/}"; }

# temporary PATH: where the new PATH is prepared.
temporary() { printf '%s/.%s.kata-containers-new' "$(beside "$1")" "${1##*/}"; }

entries() { set -- "$JOURNAL"/[0-9]*; if [ -e "$1" ]; then echo $#; else echo 0; fi; }

# note PATH [TO]: records that PATH is about to be replaced, and backs it up; or that it is about to be moved to TO.
note() {
    local entry
    entry=$JOURNAL/$(entries)
    rm -rf "$JOURNAL/next"
    mkdir "$JOURNAL/next"
    printf '%s' "$1" >"$JOURNAL/next/path"
    if [ $# -gt 1 ]; then
        printf '%s' "$2" >"$JOURNAL/next/to"
    elif exists "$1"; then
        : >"$JOURNAL/next/backup"
    fi
    flush "$JOURNAL/next"/*
    mv "$JOURNAL/next" "$entry"
    flush "$JOURNAL"
    if [ -e "$entry/backup" ]; then
        # Some filesystems have no hard links.
        ln -f "$1" "$(backup_of "$1")" 2>/dev/null || cp -a "$1" "$(backup_of "$1")"
        flush "$(beside "$1")"
    fi
}

# add_lines LIST: adds the lines of stdin to a list in the state folder. A backup shares the list's file, so the list is
# replaced and never written in place.
add_lines() {
    { if [ -f "$1" ]; then cat "$1"; fi && cat; } | unique >"$WORK_DIR/list"
    mv "$WORK_DIR/list" "$1"
}

# make_folder PATH: recorded in a list, so that deactivate removes the folders that are empty then.
make_folder() {
    [ -d "$1" ] && return
    make_folder "${1%/*}"
    note "$1"
    mkdir "$1"
    printf '%s\n' "$1" | add_lines "$STATE_DIR/folders"
}
remove_folders() {
    local folder
    [ -f "$STATE_DIR/folders" ] || return 0
    sort -ru "$STATE_DIR/folders" | while IFS= read -r folder; do
        rmdir "$folder" 2>/dev/null || ! [ -d "$folder" ] || printf '%s\n' "$folder"
    done >"$WORK_DIR/folders"
    mv "$WORK_DIR/folders" "$STATE_DIR/folders"
}

# restart UNIT: recorded, so that rolling back restarts it as well.
restart() {
    record_restart "$1"
    say "restarting $1"
    restart_unit "$1"
}
record_restart() { printf %s "${2:-}" >"$JOURNAL/restarted-$1"; } # UNIT [stopped]
restart_unit() {
    systemctl reset-failed "$1" 2>/dev/null || :
    timeout "$(time_limit "$1")" systemctl restart "$1"
}

# log_excerpt UNIT SINCE: its log lines that look like failures, and its last ones.
log_excerpt() {
    journalctl -u "$1" --since "$2" -n 500 --no-pager -o cat 2>/dev/null | excerpt >"$RUN_DIR/unit-log" || :
    {
        grep -E 'level=(fatal|panic)' "$RUN_DIR/unit-log" | tail -n 2
        grep -iE 'fail|error|refuse' "$RUN_DIR/unit-log" | tail -n 6
        tail -n 8 "$RUN_DIR/unit-log"
    } | unique | sed 's/^/  | /'
}

# commit: flushes all changes, then closes the journal, then removes the backups.
commit() {
    local entry
    for entry in "$JOURNAL"/[0-9]*; do
        if [ -f "$entry/path" ]; then flush_folder "$(cat "$entry/path")"; fi
    done
    mv "$JOURNAL" "$JOURNAL.done"
    flush "$STATE_DIR"
    remove_backups
}
# flush_folder PATH: the folder in which something was renamed or removed.
flush_folder() { if [ -d "${1%/*}" ]; then flush "${1%/*}"; fi; }
remove_backups() {
    local entry
    for entry in "$JOURNAL.done"/[0-9]*; do
        if [ -f "$entry/backup" ]; then rm -f "$(backup_of "$(cat "$entry/path")")"; fi
    done
    rm -rf "$JOURNAL.done"
}

# roll_back: restores every recorded path, the last one first, and restarts what was restarted. It only renames and
# removes, so a full disk does not stop it. It may itself be interrupted and started again.
roll_back() {
    local count restarted unit
    count=$(entries)
    while [ "$count" -gt 0 ]; do
        count=$((count - 1))
        roll_back_entry "$JOURNAL/$count"
    done
    for restarted in "$JOURNAL"/restarted-*; do
        [ -e "$restarted" ] || continue
        unit=${restarted##*/restarted-}
        restart_unit "$unit" || say "warning: $unit did not start after the rollback: repair it (its log: journalctl -u $unit)"
    done
}
roll_back_entry() {
    local entry="$1" path to backup
    path=$(cat "$entry/path")
    backup=$(backup_of "$path")
    rm -rf "$(temporary "$path")" "$JOURNAL/next"
    if [ -f "$entry/to" ]; then
        to=$(cat "$entry/to")
        if exists "$to" && ! exists "$path"; then mv -T "$to" "$path"; fi
    elif [ -f "$entry/backup" ]; then
        # Without a backup, the change was interrupted before it began, or the path is restored already.
        if exists "$backup"; then
            # mv refuses to rename one hard link of a file to another, or does nothing.
            if [ "$(stat -c %i "$backup")" = "$(stat -c %i "$path" 2>/dev/null)" ]; then
                rm -f "$backup"
            else
                mv -fT "$backup" "$path"
            fi
        fi
    elif [ -d "$path" ] && [ ! -L "$path" ]; then
        rmdir "$path" 2>/dev/null || :
    else
        rm -f "$path"
    fi
    # The entry is dropped at once: an earlier entry may restore the same path, which this one must not remove then.
    flush_folder "$path"
    mv "$entry" "$JOURNAL/next"
    rm -rf "$JOURNAL/next"
}
