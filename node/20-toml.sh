# TOML, read and edited line by line, so that comments and order stay. A key path is passed around as its parts, each
# preceded by the separator SEP and as it stands between double quotes; in arguments it is written as in TOML:
# plugins."io.containerd.grpc.v1.cri".cni
#
# toml_index() leaves for each line i: at[i] the table it stands in; head[i] the table that begins there;
# key[i] and value[i] the entry that begins there, parts[i] how many parts its key has; first[i] the first and last[i]
# the last line of that entry, for values of several lines.

# shellcheck disable=SC2016
TOML='
BEGIN { SEP = "\037"; BASIC = "\"\"\"" }
{ line[NR] = $0 }

# Parses a key path at the start of s into KEY and PARTS; what follows it is left in REST.
function parse_key(s,    c, n, part) {
    KEY = ""; PARTS = 0
    for (;;) {
        sub(/^[ \t]+/, "", s)
        c = substr(s, 1, 1)
        part = ""
        if (c == "\"") {
            for (n = 2; (c = substr(s, n, 1)) != "\""; n++) {
                if (c == "") return 0
                if (c == "\\") part = part substr(s, n++, 1)
                part = part substr(s, n, 1)
            }
            s = substr(s, n + 1)
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
        PARTS++
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
# Follows strings and brackets through s; OPEN is the delimiter of an open string, DEPTH the open brackets.
function follow(s,    i, c) {
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (OPEN != "") {
            if (OPEN == BASIC && c == "\\") i++
            # One or two quotes more, before the closing ones, are of the string.
            else if (substr(s, i, 3) == OPEN && substr(s, i + 3, 1) != c) { OPEN = ""; i += 2 }
        } else if (c == "#") return
        else if (c == "\"" || c == "\047") {
            if (substr(s, i, 3) == c c c) { OPEN = c c c; i += 2 }
            else for (i++; i <= length(s) && substr(s, i, 1) != c; i++) if (c == "\"" && substr(s, i, 1) == "\\") i++
        }
        else if (c == "[" || c == "{") DEPTH++
        else if (c == "]" || c == "}") DEPTH--
    }
}
# The path of a table as its header has it, led through the newest element of an array of tables that it stands in.
function placed(path,    array, outer) {
    for (array in element) if (under(path, array) && length(array) > length(outer)) outer = array
    return (outer == "" ? "" : element[outer]) substr(path, length(outer) + 1)
}
function toml_index(    i, table, start, s, array) {
    table = ""; OPEN = ""; DEPTH = 0
    for (i = 1; i <= NR; i++) {
        at[i] = table
        if (OPEN != "" || DEPTH > 0) { first[i] = start; last[start] = i; follow(line[i]); continue }
        s = line[i]
        sub(/^[ \t]+/, "", s)
        if (s ~ /^\[/) {
            if (!parse_key(substr(s, s ~ /^\[\[/ ? 3 : 2))) continue
            if (s ~ /^\[\[/) {
                for (array in element) if (under(array, KEY)) delete element[array]
                element[KEY] = placed(KEY) SEP "[" i "]"
            }
            table = placed(KEY)
            head[i] = table; at[i] = table
        } else if (s != "" && s !~ /^#/ && parse_key(s) && REST ~ /^=/) {
            key[i] = KEY; parts[i] = PARTS; start = i; first[i] = i; last[i] = i
            value[i] = substr(REST, 2)
            sub(/^[ \t]+/, "", value[i])
            follow(value[i])
        }
    }
}
# A value as it stands, without the comment behind it. Strings lose their quotes.
function plain(v,    n, c) {
    c = substr(v, 1, 1)
    if (c == "\"" || c == "\047") {
        n = index(substr(v, 2), c)
        return substr(v, 2, n - 1)
    }
    sub(/[ \t]*(#.*)?\r?$/, "", v)
    return v
}
# The whole text of the entry at line i, for values of several lines.
function whole(i,    j, out) {
    out = value[i]
    for (j = i + 1; j <= last[i]; j++) out = out "\n" line[j]
    return out
}
'

# toml_get FILE TABLE KEY: the value, or nothing. TABLE "" is the root.
toml_get() {
    T_TABLE=$2 T_KEY=$3 awk "$TOML"'
        END {
            toml_index()
            table = ENVIRON["T_TABLE"] == "" ? "" : path_of(ENVIRON["T_TABLE"])
            wanted = table path_of(ENVIRON["T_KEY"])
            for (i = 1; i <= NR; i++) if (key[i] != "" && at[i] key[i] == wanted) { print plain(whole(i)); exit }
        }' "$1"
}

# toml_set FILE: writes FILE to stdout with the settings in $SETTINGS, one a line: table, tab, key, tab, value.
# An entry is replaced where it stands, a commented one is brought to life, a missing one is put at the head of its
# table. The table "*" stands for each table that has the key, commented or not.
# Exit status 3: a table is not there; its name is on stderr.
toml_set() {
    T_SETTINGS=$SETTINGS awk "$TOML"'
        # A line such as `#enable_debug = true`: the key, or "".
        function commented(s) {
            if (s !~ /^[ \t]*#[ \t]*[A-Za-z0-9_-]+[ \t]*=/) return ""
            sub(/^[ \t]*#[ \t]*/, "", s)
            return path_of(s)
        }
        function put(table, name, v,    i, k, spot, found) {
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
                    if (!put(path_of(field[1]), field[2], v)) { print field[1] | "cat >&2"; exit 3 }
                    continue
                }
                k = path_of(field[2])
                split("", done)
                for (i = 1; i <= NR; i++) if (!(at[i] in done) && at[i] != "" && (key[i] == k || (!first[i] && commented(line[i]) == k))) {
                    done[at[i]] = 1
                    put(at[i], field[2], v)
                }
            }
            for (i = 1; i <= NR; i++) if (!gone[i]) print (i in instead ? instead[i] : line[i]) after[i]
        }' "$1"
}

# toml_tables FILE: the names of its tables, one a line.
toml_tables() { awk "$TOML"'END { toml_index(); for (i = 1; i <= NR; i++) if (head[i] != "") print shown(head[i]) }' "$1"; }
