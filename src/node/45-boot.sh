# A change can be interrupted by the machine's power. Then it is put back when the machine boots, before containerd and the
# kubelet read their configurations, and so before any of us can do it.

prepare_boot_unit() {
    cat >"$NEXT/unit" <<END
$SIGNATURE
[Unit]
Description=Put back an interrupted change by the Pulumi package kata-containers
ConditionPathExists=|$JOURNAL
ConditionPathExists=|$JOURNAL.done
RequiresMountsFor=$STATE /etc /opt /usr/local ${MAIN%/*} ${KUBELET_CONFIG%/*}
Before=$CONTAINERD_UNIT $KUBELET_UNIT

[Service]
Type=oneshot
ExecStart=/bin/sh $STATE/node.sh recover

[Install]
WantedBy=multi-user.target
END
}

# What `systemctl enable` would do. systemd reads both when the machine boots, so nothing needs to be reloaded now.
want_boot_unit() {
    want_own_file "$NEXT/unit" "$BOOT_UNIT"
    want_own_link "$BOOT_UNIT" "${BOOT_UNIT%/*}/multi-user.target.wants/${BOOT_UNIT##*/}"
}

do_recover() {
    # Nothing runs yet that would have to be restarted.
    rm -f "$JOURNAL"/restarted-*
    recover
}
