# Kata's own configuration: a copy of the release's file with the user's settings.

# prepare_kata: in $WORK_DIR/kata.
prepare_kata() {
    local shipped="$RELEASES_DIR/$TREE/$KATA_CONFIG"
    step "Kata configuration"
    [ -f "$shipped" ] || fail "Kata $VERSION has no file $KATA_CONFIG" "set shim or version so that the release contains the shim"
    [ -x "$RELEASES_DIR/$TREE/$SHIM_PATH" ] || fail "Kata $VERSION has no program $SHIM_PATH" "set shim or version so that the release contains the shim"
    # One switch for all components: every table that has enable_debug gets it.
    toml_set "$shipped" "*${TAB}enable_debug${TAB}$DEBUG$SETTINGS" >"$WORK_DIR/kata.set" 2>"$WORK_DIR/refused" ||
        fail "the settings name the table \"$(cat "$WORK_DIR/refused")\", which does not exist in Kata $VERSION's configuration" \
            "use one of its tables: $(toml_tables "$shipped" | tr '\n' ' ')"
    { echo "$SIGNATURE"; cat "$WORK_DIR/kata.set"; } >"$WORK_DIR/kata"
}
