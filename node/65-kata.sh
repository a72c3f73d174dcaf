# Kata's own configuration: a copy of what the release ships, with the asked settings in their tables.

prepare_kata() {
    step "Kata configuration"
    shipped=$RELEASES/$TREE/$KATA_CONFIG
    [ -f "$shipped" ] || fail "the release has no $KATA_CONFIG" "choose another qemu.runtime for version $VERSION"
    [ -x "$RELEASES/$TREE/$SHIM" ] || fail "the release has no $SHIM" "choose another qemu.runtime for version $VERSION"
    # One switch for every component: each table that knows enable_debug gets it.
    SETTINGS="*${TAB}enable_debug${TAB}$DEBUG$SETTINGS"
    toml_set "$shipped" >"$NEXT/kata.set" 2>"$NEXT/refused" ||
        fail "qemu.settings names the table \"$(cat "$NEXT/refused")\", which the configuration of Kata Containers $VERSION has not" \
            "its tables are: $(toml_tables "$shipped" | tr '\n' ' ')"
    { echo "$SIGNATURE"; cat "$NEXT/kata.set"; } >"$NEXT/kata"
}
