# Kata's own configuration: a copy of the release's file with the user's settings.

# home_of HANDLER: the folder of its release; $KATA_LINK for that of the main class.
home_of() {
    local tree
    tree=$(tree_of "$1")
    if [ "$tree" = "$(main_tree)" ]; then echo /opt/kata; else echo "$RELEASES_DIR/$tree"; fi
}

# nearest KEY: of the lines on stdin, the three that have the longest text in common with KEY.
nearest() {
    E_KEY=$1 awk '
        function common(a, b,    n, i) {
            for (n = length(a); n > 0; n--) for (i = 1; i + n - 1 <= length(a); i++) if (index(b, substr(a, i, n))) return n
        }
        { print 4 * common($0, ENVIRON["E_KEY"]) - length, $0 }' | sort -rn | head -n 3 | cut -d ' ' -f 2 | tr '\n' ' '
}

# prepare_kata HANDLER: in $WORK_DIR/kata-HANDLER.
prepare_kata() {
    local tree version class file unknown table key shipped
    step "Kata configuration"
    tree=$RELEASES_DIR/$(tree_of "$1") version=$(given "$1" version) class=$(given "$1" runtime-class) file=$(given "$1" kata-config)
    shipped=$tree/$file
    # Another component has lost its release, and repairs it itself.
    if [ ! -d "$tree" ] && [ -f "$(config_of "$1")" ]; then cp "$(config_of "$1")" "$WORK_DIR/kata-$1" && return; fi
    [ -f "$shipped" ] || fail "Kata $version has no file $file" "set shim or version of runtimeClasses.$class so that the release contains the shim"
    [ -x "$tree/$(given "$1" shim-path)" ] ||
        fail "Kata $version has no program $(given "$1" shim-path)" "set shim or version of runtimeClasses.$class so that the release contains the shim"
    # One switch for all components: every table that has enable_debug gets it.
    toml_set "$shipped" "*${TAB}enable_debug$TAB$(given "$1" debug)$NEWLINE$(root_setting "${KUBELET_PID:-}")$NEWLINE$(settings_of "$1")" >"$WORK_DIR/kata.set" 2>"$WORK_DIR/refused" ||
        fail "runtimeClasses.$class.settings names the table \"$(cat "$WORK_DIR/refused")\", which does not exist in Kata $version's configuration" \
            "use one of its tables: $(toml_tables "$shipped" | tr '\n' ' ')"
    unknown=$(settings_of "$1" | while IFS="$TAB" read -r table key _; do
        toml_keys "$shipped" "$table" >"$WORK_DIR/keys"
        grep -qxF -e "$key" "$WORK_DIR/keys" || printf '%s\t%s\n' "$table.$key" "$(nearest "$key" <"$WORK_DIR/keys")"
    done | head -n 1)
    [ -z "$unknown" ] || fail "runtimeClasses.$class.settings names the key \"${unknown%%"$TAB"*}\", which Kata $version's ${file##*/} does not have" \
        "use one of its keys, such as: ${unknown#*"$TAB"}"
    # QEMU finds its firmware from the place of its program.
    { echo "$SIGNATURE"; sed "s,\"/opt/kata/,\"$(home_of "$1")/,g" "$WORK_DIR/kata.set"; } >"$WORK_DIR/kata-$1"
}
