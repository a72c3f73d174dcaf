# TOML, read and edited line by line, so that comments and the order are kept. Inside awk, a key path is the list of its
# parts, each preceded by the separator SEP and escaped as between double quotes; in arguments it is written as in TOML:
# plugins."io.containerd.grpc.v1.cri".cni
#
# toml_index() sets for each line i: at[i], the table that the line is in; head[i], the table that begins there;
# key[i] and value[i], the entry that begins there; first[i] and last[i], the first and last line of an entry whose value
# has several lines; bare[i], the part of a value on that line, without the comment behind it.

# shellcheck disable=SC2016
TOML_AWK='
BEGIN { SEP = "\037"; BASIC = "\"\"\"" }
{ line[NR] = $0 }

# Parses a key path at the start of s into KEY; the text after it is left in REST.
function parse_key(s,    c, n, part) {
    # Most are one word.
    if (match(s, /^[A-Za-z0-9_-]+ =/)) { KEY = SEP substr(s, 1, RLENGTH - 2); REST = substr(s, RLENGTH); return 1 }
    KEY = ""
    for (;;) {
        sub(/^[ \t]+/, "", s)
        c = substr(s, 1, 1)
        part = ""
        if (c == "\"") {
            if (!match(s, /^"([^"\\]|\\.)*"/)) return 0
            part = substr(s, 2, RLENGTH - 2)
            s = substr(s, RLENGTH + 1)
        } else if (c == "\047") {
            n = index(substr(s, 2), "\047")
            if (!n) return 0
            part = substr(s, 2, n - 1)
            gsub(/[\\"]/, "\\\\&", part)
            s = substr(s, n + 2)
        } else {
            if (!match(s, /^[A-Za-z0-9_-]+/)) return 0
            part = substr(s, 1, RLENGTH)
            s = substr(s, RLENGTH + 1)
        }
        KEY = KEY SEP part
        sub(/^[ \t]+/, "", s)
        if (substr(s, 1, 1) != ".") break
        s = substr(s, 2)
    }
    REST = s
    return 1
}
function path_of(s) { return parse_key(s) ? KEY : "" }
function under(path, top) { return index(path SEP, top SEP) == 1 }
function shown(path,    n, i, part, out) {
    n = split(substr(path, 2), part, SEP)
    for (i = 1; i <= n; i++) out = out (i > 1 ? "." : "") (part[i] ~ /^[A-Za-z0-9_-]+$/ ? part[i] : "\"" part[i] "\"")
    return out
}
# Scans s for strings and brackets and returns it without a comment; OPEN is the delimiter of an open string, DEPTH the
# open brackets.
function scan(s,    i, c) {
    if (OPEN == "" && s !~ /[][{}#"\047]/) return s
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (OPEN != "") {
            if (OPEN == BASIC && c == "\\") i++
            # One or two quotes in front of the closing ones belong to the string.
            else if (substr(s, i, 3) == OPEN && substr(s, i + 3, 1) != c) { OPEN = ""; i += 2 }
        } else if (c == "#") return substr(s, 1, i - 1)
        else if (c == "\"" || c == "\047") {
            if (substr(s, i, 3) == c c c) { OPEN = c c c; i += 2 }
            else for (i++; i <= length(s) && substr(s, i, 1) != c; i++) if (c == "\"" && substr(s, i, 1) == "\\") i++
        }
        else if (c == "[" || c == "{") DEPTH++
        else if (c == "]" || c == "}") DEPTH--
    }
    return s
}
# The path of a table as written in its header, through the newest element of the array of tables that it is in.
function resolve(path,    array, outer) {
    for (array in element) if (under(path, array) && length(array) > length(outer)) outer = array
    return (outer == "" ? "" : element[outer]) substr(path, length(outer) + 1)
}
function toml_index(    i, table, start, s, array) {
    table = ""; OPEN = ""; DEPTH = 0
    for (i = 1; i <= NR; i++) {
        at[i] = table
        if (OPEN != "" || DEPTH > 0) { first[i] = start; last[start] = i; bare[i] = scan(line[i]); continue }
        s = line[i]
        sub(/^[ \t]+/, "", s)
        if (s ~ /^\[/) {
            if (!parse_key(substr(s, s ~ /^\[\[/ ? 3 : 2))) continue
            if (s ~ /^\[\[/) {
                for (array in element) if (under(array, KEY)) delete element[array]
                element[KEY] = resolve(KEY) SEP "[" i "]"
            }
            table = resolve(KEY)
            head[i] = table; at[i] = table
        } else if (s != "" && s !~ /^#/ && parse_key(s) && REST ~ /^=/) {
            key[i] = KEY; start = i; first[i] = i; last[i] = i
            value[i] = substr(REST, 2)
            sub(/^[ \t]+/, "", value[i])
            bare[i] = scan(value[i])
        }
    }
}
# The key of a line such as `#enable_debug = true`, or "".
function commented(s) {
    if (s !~ /^[ \t]*#[ \t]*[A-Za-z0-9_-]+[ \t]*=/) return ""
    sub(/^[ \t]*#[ \t]*/, "", s)
    return path_of(s)
}
# A value without the comment behind it. Strings lose their quotes.
function plain(v,    c) {
    c = substr(v, 1, 1)
    if (c == "\"" || c == "\047") return substr(v, 2, index(substr(v, 2), c) - 1)
    if (c == "[" || c == "{") sub(/[ \t\r]*$/, "", v)
    else sub(/[ \t]*(#.*)?\r?$/, "", v)
    return v
}
# The whole value of the entry at line i, which may have several lines.
function whole(i,    j, out) {
    out = bare[i]
    for (j = i + 1; j <= last[i]; j++) out = out "\n" bare[j]
    return out
}
'

# toml_get FILE TABLE KEY: the value, or nothing. TABLE "" is the root.
toml_get() {
    T_TABLE=$2 T_KEY=$3 awk "$TOML_AWK"'
        END {
            toml_index()
            wanted = path_of(ENVIRON["T_TABLE"]) path_of(ENVIRON["T_KEY"])
            for (i = 1; i <= NR; i++) if (key[i] != "" && at[i] key[i] == wanted) { print plain(whole(i)); exit }
        }' "$1"
}

# toml_set FILE SETTINGS: prints FILE with the settings, one per line: table, tab, key, tab, value. An existing entry is
# replaced in its line, a commented one is enabled, a new one becomes the first of its table. The table "*" means each
# table that has the key, commented or not. Exit status 3: a table does not exist; its name is on stderr.
toml_set() {
    T_SETTINGS=$2 awk "$TOML_AWK"'
        function set_entry(table, name, v,    i, k, spot, found) {
            k = path_of(name)
            for (i = 1; i <= NR; i++) {
                if (head[i] == table && !found) { spot = i; found = 1 }
                if (at[i] != table) continue
                if (key[i] == k) { spot = i; found = 3; break }
                if (found < 2 && !first[i] && commented(line[i]) == k) { spot = i; found = 2 }
            }
            if (!found) return 0
            if (found == 1) after[spot] = after[spot] "\n" name " = " v
            else { instead[spot] = name " = " v; for (i = spot + 1; i <= last[spot]; i++) gone[i] = 1 }
            return 1
        }
        END {
            toml_index()
            n = split(ENVIRON["T_SETTINGS"], setting, "\n")
            for (s = 1; s <= n; s++) {
                if (split(setting[s], field, "\t") < 3) continue
                v = substr(setting[s], length(field[1]) + length(field[2]) + 3)
                if (field[1] != "*") {
                    if (!set_entry(path_of(field[1]), field[2], v)) { print field[1] | "cat >&2"; exit 3 }
                    continue
                }
                k = path_of(field[2])
                split("", done)
                for (i = 1; i <= NR; i++) if (!(at[i] in done) && at[i] != "" && (key[i] == k || (!first[i] && commented(line[i]) == k))) {
                    done[at[i]] = 1
                    set_entry(at[i], field[2], v)
                }
            }
            for (i = 1; i <= NR; i++) if (!gone[i]) print (i in instead ? instead[i] : line[i]) after[i]
        }' "$1"
}

# toml_keys FILE TABLE: the keys of the table, also the commented ones, one per line.
toml_keys() {
    T_TABLE=$2 awk "$TOML_AWK"'
        END {
            toml_index()
            for (i = 1; i <= NR; i++) {
                if (at[i] != path_of(ENVIRON["T_TABLE"])) continue
                k = key[i] != "" ? key[i] : first[i] ? "" : commented(line[i])
                if (k != "") print substr(k, 2)
            }
        }' "$1"
}

# toml_tables FILE: the names of its tables, one per line.
toml_tables() { awk "$TOML_AWK"'END { toml_index(); for (i = 1; i <= NR; i++) if (head[i] != "") print shown(head[i]) }' "$1"; }
