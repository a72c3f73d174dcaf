# Edits in files of others, made so that unmark(mark(file)) is the file, byte for byte, and so that whatever was changed
# elsewhere in it meanwhile stays. Three marks, each a comment both in TOML and in YAML:
#   #kata-containers:was(NEW)# ORIGINAL   the original of the line that follows, which says NEW
#   #kata-containers:aside# LINE          a line that was put out of force
#   #kata-containers:begin … end          lines that were added; `begin` notes where the file had no final newline

# bare FILE: "yes" where its last line has no newline.
bare() { if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo yes; fi; }

# unmark FILE: the file without our edits, on stdout. A line that someone changed after us stays as they left it.
unmark() {
    if ! grep -q '^#kata-containers:' "$1"; then
        cat "$1"
        return
    fi
    E_BARE=$(bare "$1") awk '
        function put(s) { out = out sep s; sep = "\n"; bare = 0 }
        inside { if (/^#kata-containers:end/) inside = 0; next }
        /^#kata-containers:begin/ { inside = 1; if (/no newline/) bare = 1; next }
        /^#kata-containers:aside# / { put(substr($0, 25)); next }
        match($0, /^#kata-containers:was\([^)]*\)# /) {
            original = substr($0, RLENGTH + 1); wanted = substr($0, 22, RLENGTH - 24); pending = 1
            next
        }
        {
            s = $0
            sub(/^[ \t]+/, "", s)
            put(pending && s == wanted ? original : $0)
            pending = 0
        }
        END { if (sep != "" && !bare && ENVIRON["E_BARE"] == "") out = out "\n"; printf "%s", out }' "$1"
}

# edits FILE: our edits alone, on stdout. Where in the file they stand is for its owner to change.
edits() {
    awk '
        inside { print; if (/^#kata-containers:end/) inside = 0; next }
        /^#kata-containers:begin/ { inside = 1; print "begin"; next }
        /^#kata-containers:/ { print; next_too = /^#kata-containers:was/; next }
        next_too { sub(/^[ \t]+/, ""); print; next_too = 0 }' "$1"
}

# shellcheck disable=SC2016
MARKS='
function begin_added() {
    return (ENVIRON["E_BARE"] == "" ? "" : "\n") "#kata-containers:begin" (ENVIRON["E_BARE"] == "" ? "" : " (no newline before)") "\n"
}
function end_added() { return "#kata-containers:end\n" }
function replaced(old, new) { return "#kata-containers:was(" new ")# " old "\n" }
'

# mark_containerd FILE: containerd's main configuration with the runtime $HANDLER in it, on stdout. $PLUGIN is the CRI
# plugin's name in this version of the file, $SYSTEMD_CGROUP what every runc runtime gets as SystemdCgroup, or "" to
# leave it, $VERSION_LINE what an empty file has to begin with, $RUNTIME_TABLES the tables of the runtime. $ALONE is set
# where a runtimes table in the file drops the built-in runc. Exit status 4: the file has a form that cannot be edited
# safely; which is on stderr. What is imported from $KATA goes as well, for it is about to be moved.
mark_containerd() {
    E_BARE=$(bare "$1") E_PLUGIN=$PLUGIN E_HANDLER=$HANDLER E_CGROUP=$SYSTEMD_CGROUP E_VERSION=$VERSION_LINE E_TABLES=$RUNTIME_TABLES E_ALONE=$ALONE E_KATA=$KATA/ \
        awk "$TOML$MARKS"'
        function refuse(i, why) { print "line " i ": " why | "cat >&2"; exit 4 }
        function check_forms(    i, path, inline) {
            for (i = 1; i <= NR; i++) {
                if (key[i] == "") continue
                path = at[i] key[i]
                inline = value[i] ~ /^\{/
                if (inline && under(runtimes, path)) refuse(i, shown(path) " is an inline table")
                if (under(path, runtimes) && (at[i] == runtimes || !under(at[i], runtimes)))
                    refuse(i, "a runtime is written with dotted keys or as an inline table")
                if (cgroup != "" && under(path, runtimes) && !under(path, ours) && under(key[i], SEP "options"))
                    refuse(i, "the options of a runtime are written with dotted keys or as an inline table")
            }
        }
        # An array may hold comments, so that what imports ends with can be put aside as well.
        function drop_imports(    i, j, new, p) {
            for (i = 1; i <= NR && key[i] != SEP "imports"; i++);
            if (i > NR || at[i] != "") return
            for (j = i; j <= last[i]; j++) {
                new = line[j]
                while ((p = match(new, "[\"\047]" ENVIRON["E_KATA"] "[^\"\047]*[\"\047][ \t]*,?[ \t]*")))
                    new = substr(new, 1, p - 1) substr(new, p + RLENGTH)
                if (new == line[j]) continue
                if (new ~ /^[ \t]*(#.*)?$/) { before[j] = "#kata-containers:aside# "; continue }
                sub(/^[ \t]+/, "", new)
                if (new ~ /\)/) refuse(j, "imports holds a parenthesis")
                before[j] = replaced(line[j], new)
                line[j] = new
            }
        }
        function set_cgroup(runtime,    i, options, head_line) {
            options = runtime SEP "options"
            for (i = 1; i <= NR; i++) {
                if (head[i] == options) head_line = i
                if (at[i] != options || key[i] != SEP "SystemdCgroup") continue
                if (plain(value[i]) == cgroup) return
                match(line[i], /^[ \t]*/)
                before[i] = replaced(line[i], "SystemdCgroup = " cgroup)
                line[i] = substr(line[i], 1, RLENGTH) "SystemdCgroup = " cgroup
                return
            }
            if (head_line) after[head_line] = "\n#kata-containers:begin\nSystemdCgroup = " cgroup "\n#kata-containers:end"
            else added = added "[" shown(options) "]\nSystemdCgroup = " cgroup "\n"
        }
        END {
            toml_index()
            runtimes = SEP "plugins" SEP ENVIRON["E_PLUGIN"] SEP "containerd" SEP "runtimes"
            ours = runtimes SEP ENVIRON["E_HANDLER"]
            cgroup = ENVIRON["E_CGROUP"]
            check_forms()
            drop_imports()
            for (i = 1; i <= NR; i++) {
                if (!under(at[i], runtimes) || at[i] == runtimes || under(at[i], ours)) continue
                others = 1
                if (key[i] == SEP "runtime_type" && plain(value[i]) == "io.containerd.runc.v2") runc[at[i]] = 1
            }
            if (cgroup != "") for (runtime in runc) set_cgroup(runtime)
            if (ENVIRON["E_ALONE"] != "" && !others) {
                added = added "[" shown(runtimes SEP "runc") "]\nruntime_type = \"io.containerd.runc.v2\"\n"
                if (cgroup != "") added = added "[" shown(runtimes SEP "runc" SEP "options") "]\nSystemdCgroup = " cgroup "\n"
            }
            for (i = 1; i <= NR; i++) {
                # What else goes by our name is put out of force; blank lines and comments already are.
                aside = under(at[i], ours) && line[i] !~ /^[ \t]*(#|\r?$)/ ? "#kata-containers:aside# " : ""
                printf "%s%s%s%s%s", (i > 1 ? "\n" : ""), before[i], aside, line[i], after[i]
            }
            if (NR && ENVIRON["E_BARE"] == "") printf "\n"
            added = ENVIRON["E_VERSION"] added ENVIRON["E_TABLES"]
            if (added != "") printf "%s%s%s", begin_added(), added, end_added()
        }' "$1"
}

# mark_kubelet FILE DRIVER: the kubelet's configuration with that cgroupDriver, on stdout.
mark_kubelet() {
    E_BARE=$(bare "$1") E_DRIVER=$2 awk "$MARKS"'
        BEGIN { new = "cgroupDriver: " ENVIRON["E_DRIVER"] }
        !found && /^["\047]?cgroupDriver["\047]?[ \t]*:/ {
            found = 1
            s = $0
            sub(/[ \t]*(#.*)?\r?$/, "", s)
            gsub(/["\047]/, "", s)
            if (s != new) $0 = replaced($0, new) new
        }
        { printf "%s%s", (NR > 1 ? "\n" : ""), $0 }
        END {
            if (NR && ENVIRON["E_BARE"] == "") printf "\n"
            if (!found) printf "%s%s\n%s", begin_added(), new, end_added()
        }' "$1"
}
