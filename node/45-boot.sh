# A change can be interrupted by the machine's power. Then it is put back when the machine boots, before containerd and the
# kubelet read their configurations, and so before any of us can do it. What does that is on the node from before the first
# change begins until after the last one, and is no part of them.

BOOT_LINK=${BOOT_UNIT%/*}/multi-user.target.wants/${BOOT_UNIT##*/}

install_boot_unit() {
    cat >"$NEXT/unit" <<END
$SIGNATURE
[Unit]
Description=Put back an interrupted change by the Pulumi package kata-containers
ConditionPathExists=|$JOURNAL
ConditionPathExists=|$JOURNAL.done
ConditionPathExists=|!$STATE/own
RequiresMountsFor=$STATE /etc /opt /usr/local ${MAIN%/*} ${KUBELET_CONFIG%/*}
Before=$CONTAINERD_UNIT $KUBELET_UNIT

[Service]
Type=oneshot
# Whatever holds it up must not keep the node from starting.
TimeoutStartSec=120
ExecStart=/bin/sh $STATE/node.sh recover

[Install]
WantedBy=multi-user.target
END
    if ! cmp -s "$NEXT/unit" "$BOOT_UNIT"; then
        cp "$NEXT/unit" "$(temporary "$BOOT_UNIT")"
        flush "$(temporary "$BOOT_UNIT")"
        mv "$(temporary "$BOOT_UNIT")" "$BOOT_UNIT"
    fi
    # What `systemctl enable` would do. systemd reads both when the machine boots, so nothing is to be reloaded now.
    mkdir -p "${BOOT_LINK%/*}"
    ln -sfn "$BOOT_UNIT" "$BOOT_LINK"
    flush "${BOOT_UNIT%/*}" "${BOOT_LINK%/*}"
}

# Where nothing of ours is in force it has nothing to wait for.
remove_boot_unit() { [ -s "$STATE/own" ] || rm -f "$BOOT_LINK" "$BOOT_UNIT" "$(temporary "$BOOT_UNIT")"; }

recover_at_boot() {
    # Nothing runs yet that would have to be restarted, and it waits for this to end.
    rm -f "$JOURNAL"/restarted-*
    recover
}
