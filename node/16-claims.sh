# The components that manage this node. A claim is a line of $STATE_DIR/owners: component, node, handlers, with tabs. Components
# with different handlers share the node: a plan has the classes of all, and each removes only its own. Two claims have the
# same handlers only while a renamed component or a corrected node name replaces the earlier one; either can be released.

# shellcheck disable=SC2086 # a list
claimed_handlers() { printf '%s\n' $REQUESTED | sort | paste -s -d , -; }
stack_of() { printf '%s\n' "$1" | cut -d / -f 1-3; }
is_claimed() { case $NEWLINE$(cut -f 1 "$STATE_DIR/owners" 2>/dev/null)$NEWLINE in *"$NEWLINE$OWNER$NEWLINE"*) ;; *) return 1 ;; esac; }
own_claim() { E_CLAIM=$OWNER$TAB$NODE$TAB awk 'index($0, ENVIRON["E_CLAIM"]) == 1' "$STATE_DIR/owners" 2>/dev/null || :; }

# claims same: the other claims of this component or to one of its handlers; claims other: those of other components.
claims() {
    local handlers
    handlers=${REQUESTED:-$(own_claim | cut -f 3 | tr , ' ')}
    E_OWNER=$OWNER E_NODE=$NODE E_HANDLERS="(^|,)($(printf %s "${handlers:--}" | tr ' ' '|'))(,|\$)" awk -F '\t' -v kind="$1" '
        $1 == ENVIRON["E_OWNER"] && $2 == ENVIRON["E_NODE"] { next }
        ($1 == ENVIRON["E_OWNER"] || $3 ~ ENVIRON["E_HANDLERS"]) == (kind == "same")' "$STATE_DIR/owners" 2>/dev/null || :
}

# handlers_of COMPONENT: those of its active classes.
handlers_of() { E_OWNER=$1 awk -F '\t' '$2 == "owner" && $3 == ENVIRON["E_OWNER"] { print $1 }' "$STATE_DIR/classes" 2>/dev/null || :; }
handlers_of_others() { local component; claims other | cut -f 1 | while IFS= read -r component; do handlers_of "$component"; done | unique; }

# refuse_other_owners: a handler of another component, and a component whose place was taken.
refuse_other_owners() {
    local component handlers claimed="" handler reason
    step "owner"
    [ -e "$STATE_DIR/owners" ] || return 0
    while IFS="$TAB" read -r component _ handlers; do
        if [ "$component" = "$OWNER" ]; then claimed=yes && continue; fi
        handler=$({ printf '%s\n' "$handlers" | tr , '\n'; handlers_of "$component"; } |
            grep -xF -e "$(claimed_handlers | tr , '\n')" | head -n 1) || :
        if [ -z "$handler" ]; then continue; fi
        reason="$OWNER cannot manage it too"
        if [ "$(stack_of "$component") $handlers" = "$(stack_of "$OWNER") $(claimed_handlers)" ]; then
            reason=${claimed:+"it took the node over from $OWNER"}
        fi
        [ -z "$reason" ] || fail "the handler $handler of this node is managed by $component; $reason" \
            "set another handler in runtimeClasses, or remove the node from one of the two; if one no longer exists, remove its line from $STATE_DIR/owners on the node"
    done <"$STATE_DIR/owners"
}

# replace_claim [LINE]: LINE takes the place of the claim of this component.
replace_claim() {
    { grep -vxF -e "$(own_claim)" "$STATE_DIR/owners" 2>/dev/null || :; [ $# = 0 ] || printf '%s\n' "$1"; } >"$WORK_DIR/owners"
    flush "$WORK_DIR/owners"
    mv "$WORK_DIR/owners" "$STATE_DIR/owners"
    flush "$STATE_DIR"
}
claim() {
    local line other
    line="$OWNER$TAB$NODE$TAB$(claimed_handlers)"
    if [ "$(own_claim)" = "$line" ]; then return; fi
    other=$(claims same | tail -n 1 | cut -f 1)
    [ "${other:-$OWNER}" = "$OWNER" ] || say "taking over this node from $other; if it still exists, remove this node from one of the two"
    replace_claim "$line"
}
drop_claim() { replace_claim; is_claimed || rm -f "$(record_of stage)" "$(record_of activate)" "$(record_of status)"; }
# release_claim: removes the claim if another one of this component or to its handlers is left, and fails if it is the only one.
release_claim() {
    local other
    other=$({ claims other; claims same; } | tail -n 1 | awk -F "$TAB" '{ print $1 " as " $2 }')
    if [ -n "$(own_claim)" ]; then
        [ -n "$(claims same)" ] || return 1
        drop_claim
    fi
    say "nothing to undo: this node is managed by ${other:-nobody}"
}

# record_of ACTION: the file with the arguments of the last successful run for this component, one per line.
record_of() { printf '%s/%s-%.12s' "$STATE_DIR" "$1" "$(printf %s "$OWNER" | sha256sum)"; }
