# Writes the configuration files of a release into `folder`, from the lists config/RELEASE/go or config/RELEASE/rust of this
# and all earlier releases. Variables: release, architecture, folder, about.
#
# A list has a block for each file configuration-NAME.toml:
#
#     === NAME [amd64] [< RELEASE/NAME]   amd64: not on other architectures. < begins with the entries of an earlier block
#     [table]
#     key = value                         sets or replaces the key
#     #key = value                        the same, commented out; Kata's comments that only look like one are here too
#     -key                                removes the key
#     -[table]                            removes the table
#     arm64 LINE                          on arm64 only
#
# Values are those of amd64; on arm64, the names of QEMU's programs end in aarch64.

{
    if (architecture != "arm64") { if (/^arm64 /) next } else { sub(/^arm64 /, ""); gsub(/qemu-system-x86_64/, "qemu-system-aarch64") }
}

/^===/ {
    from = FILENAME
    sub(/\/[^\/]*$/, "", from)
    sub(/.*\//, "", from)
    block = from "/" $2
    split("", elements)
    if (from == release && !($3 == "amd64" && architecture != "amd64")) wanted[block] = $2
    if ($(NF - 1) == "<") inherit($NF)
    next
}

# A table, or the next element of an array of tables.
/^-?\[/ {
    table = $0
    sub(/^-/, "", table)
    table = table SUBSEP (/\[\[/ ? ++elements[table] : 1)
    add_table(table)
    gone[block, table] = /^-/
    if (/^-/) for (i = 1; i <= keys[block, table]; i++) delete entry[block, table, key[block, table, i]]
    next
}

/^-/ { delete entry[block, table, substr($0, 2)]; next }
{ name = $1; sub(/^#/, "", name); set(table, name, $0) }

function add_table(table) {
    if (!((block, table) in known)) title[block, ++tables[block]] = table
    known[block, table] = 1
}

function set(table, name, text) {
    if (!((block, table, name) in known)) key[block, table, ++keys[block, table]] = name
    known[block, table, name] = 1
    entry[block, table, name] = text
}

function inherit(base,    i, j, table, name) {
    if (!(base in tables)) { print block ": no block " base >"/dev/stderr"; exit 1 }
    for (i = 1; i <= tables[base]; i++) {
        table = title[base, i]
        if (gone[base, table]) continue
        add_table(table)
        for (j = 1; j <= keys[base, table]; j++) {
            name = key[base, table, j]
            if ((base, table, name) in entry) set(table, name, entry[base, table, name])
        }
    }
}

END {
    for (block in wanted) {
        file = folder "/configuration-" wanted[block] ".toml"
        print "# Configuration of a " about >file
        # As in Kata's files, the hypervisor comes first.
        for (pass = 1; pass <= 2; pass++) for (i = 1; i <= tables[block]; i++) {
            table = title[block, i]
            if (gone[block, table] || (table ~ /^\[+hypervisor/) != (pass == 1)) continue
            print "\n" substr(table, 1, index(table, SUBSEP) - 1) >file
            for (j = 1; j <= keys[block, table]; j++)
                if ((block, table, key[block, table, j]) in entry) print entry[block, table, key[block, table, j]] >file
        }
        close(file)
    }
}
