# Edits in files of others: unmark(mark(file)) is the file, byte for byte, and changes that others make elsewhere in it
# are kept. There are three marks, each a comment both in TOML and in YAML:
#   #kata-containers:was(NEW)# ORIGINAL   the original of the next line, which is now NEW
#   #kata-containers:disabled# LINE       a line that has no effect any longer
#   #kata-containers:begin … end          added lines; `begin` notes that the file had no final newline

# cut_short FILE: "yes" if its last line has no newline.
cut_short() { if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo yes; fi; }

# require_marks FILE [PLACE]: without its `end`, unmark would delete everything below a `begin`.
require_marks() {
    local line
    line=$(awk '
        /^#kata-containers:begin/ { if (begun) exit; begun = NR }
        /^#kata-containers:end/ { if (!begun) { begun = NR; exit } begun = 0 }
        END { if (begun) print begun }' "$1")
    [ -z "$line" ] || fail "the mark in line $line of $1 has no matching mark" \
        "enclose exactly the lines that this package added in the lines \`#kata-containers:begin\` and \`#kata-containers:end\`, or delete them together with the mark${2:-}"
}

# unmark FILE: prints the file without the managed edits. A line that someone changed since is kept.
unmark() {
    E_CUT_SHORT=$(cut_short "$1") awk '
        function emit(s) { out = out sep s; sep = "\n"; cut_short = 0 }
        inside { if (/^#kata-containers:end/) inside = 0; next }
        /^#kata-containers:begin/ { inside = 1; if (/no newline/) cut_short = 1; next }
        /^#kata-containers:disabled# / { emit(substr($0, 28)); next }
        match($0, /^#kata-containers:was\([^)]*\)# /) {
            original = substr($0, RLENGTH + 1); wanted = substr($0, 22, RLENGTH - 24); pending = 1
            next
        }
        {
            s = $0
            sub(/^[ \t]+/, "", s)
            emit(pending && s == wanted ? original : $0)
            pending = 0
        }
        END { if (sep != "" && !cut_short && ENVIRON["E_CUT_SHORT"] == "") out = out "\n"; printf "%s", out }' "$1"
}

# edits FILE: prints only the managed edits. Their position in the file does not matter.
edits() {
    awk '
        inside { print; if (/^#kata-containers:end/) inside = 0; next }
        /^#kata-containers:begin/ { inside = 1; print "begin"; next }
        /^#kata-containers:/ { print; next_too = /^#kata-containers:was/; next }
        next_too { sub(/^[ \t]+/, ""); print; next_too = 0 }' "$1"
}

# awk functions for the marks; $E_CUT_SHORT is cut_short of the file.
# shellcheck disable=SC2016
MARKS_AWK='
function begin_mark() {
    return ENVIRON["E_CUT_SHORT"] == "" ? "#kata-containers:begin\n" : "\n#kata-containers:begin (no newline before)\n"
}
function end_mark() { return "#kata-containers:end\n" }
function replaced(old, new) { return "#kata-containers:was(" new ")# " old "\n" }
'
