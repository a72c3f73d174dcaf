# Recovery of an interrupted change: at the start of the next run, or, after a power failure, at boot, before containerd
# and the kubelet read their configurations. The boot unit is installed before the first change and removed after the
# last one; it is not part of their transactions.

boot_link() { printf '%s/multi-user.target.wants/%s' "${BOOT_UNIT%/*}" "${BOOT_UNIT##*/}"; }

# install_boot_unit UNITS FOLDERS: UNITS start after the recovery, FOLDERS must be mounted for it.
install_boot_unit() {
    local new link
    cat >"$WORK_DIR/unit" <<UNIT
$SIGNATURE
[Unit]
Description=Roll back an interrupted change of the Pulumi package kata-containers
ConditionPathExists=|$JOURNAL
ConditionPathExists=|$JOURNAL.done
ConditionPathExists=|!$STATE_DIR/managed
RequiresMountsFor=$STATE_DIR /etc /opt /usr/local $2
Before=$1

[Service]
Type=oneshot
# The node must start even if this hangs.
TimeoutStartSec=120
ExecStart=/bin/sh $STATE_DIR/node.sh recover

[Install]
WantedBy=multi-user.target
UNIT
    if ! cmp -s "$WORK_DIR/unit" "$BOOT_UNIT"; then
        new=$(temporary "$BOOT_UNIT")
        cp "$WORK_DIR/unit" "$new"
        flush "$new"
        mv "$new" "$BOOT_UNIT"
    fi
    # The same as `systemctl enable`. systemd reads both at boot, so it need not reload now.
    link=$(boot_link)
    mkdir -p "${link%/*}"
    ln -sfn "$BOOT_UNIT" "$link"
    flush "${BOOT_UNIT%/*}" "${link%/*}"
}

# remove_boot_unit: unless the node is still active.
remove_boot_unit() { [ -s "$STATE_DIR/managed" ] || rm -f "$(boot_link)" "$BOOT_UNIT" "$(temporary "$BOOT_UNIT")"; }

# recover: rolls back the change of an earlier run that was killed or lost power.
recover() {
    local restarted
    if journal_open; then
        for restarted in "$JOURNAL"/restarted-*; do
            # Somebody stopped this service since.
            if [ ! -e "$restarted" ] || [ -s "$restarted" ]; then continue; fi
            [ "$(systemctl is-active "${restarted##*/restarted-}")" != inactive ] || rm "$restarted"
        done
        step "recovery"
        say "an earlier run was interrupted ($(cat "$RUN_DIR/run" 2>/dev/null || echo "power failure")); rolling it back first"
        roll_back
        commit
    fi
    remove_backups
    remove_boot_unit
}
