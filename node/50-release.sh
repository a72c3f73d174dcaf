# The release trees in /opt/kata-releases, one folder each: download, unpack, fingerprint, prune.

# tree_of GROUP: the folder of its release for this machine's architecture.
tree_of() { printf '%s-%.12s\n' "$(given "$1" version)" "$(given "$1" "sha256-$ARCHITECTURE")"; }
# trees: those of all groups, each once.
trees() {
    local group
    for group in $(groups); do tree_of "$group"; done | unique
}
# main_tree: that of the main class, the first one, to which $KATA_LINK leads.
main_tree() { tree_of "$(groups | head -n 1)"; }

# require_archives: each group has an archive for this machine.
require_archives() {
    local group
    step "release"
    case $ARCHITECTURE in
        amd64 | arm64) ;;
        *) fail "this package does not support the architecture $MACHINE" "remove this node from \`nodes\`" ;;
    esac
    for group in $(groups); do
        [ -n "$(given "$group" "sha256-$ARCHITECTURE")" ] ||
            fail "Kata Containers $(given "$group" version) cannot be installed on $ARCHITECTURE: the shim does not support it, or has no checksum" \
                "choose a shim and a version for $ARCHITECTURE (docs/shims.md), set release.sha256.$ARCHITECTURE or\
 runtimeClasses.NAME.sha256.$ARCHITECTURE if only the checksum is missing, or remove this node from \`nodes\`"
    done
}

# check_program PROGRAM: it can be executed where it is, and /opt/kata can become a link.
check_program() {
    local output status=0 mount
    step "release"
    output=$("$1" --version 2>&1) || status=$?
    rm -f "$RELEASES_DIR/.try"
    [ "$status" != 126 ] ||
        fail "no program can be executed in $RELEASES_DIR: $(printf %s "$output" | tail -n 1 | excerpt)" \
            "mount its filesystem without noexec, or mount another disk there"
    mount=$(readlink -f "${KATA_LINK%/*}")/${KATA_LINK##*/}
    ! cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF -e "$mount" ||
        fail "$KATA_LINK is a mount point, and must become a link to the active release" \
            "unmount it, also in /etc/fstab; the disk can be mounted at $RELEASES_DIR instead"
}

# download_release TREE URL SHA256 [QUERY]: unpacks the archive as $RELEASES_DIR/TREE. An archive may set the mode of the
# folder that it is unpacked in, so that folder is inside a staging folder that only root can read.
download_release() {
    local tree="$1" url="$2" staging="$RELEASES_DIR/.staging" attempt=1 problem retry remedy finding
    step "release"
    if tree_is_intact "$tree"; then
        say "Kata Containers $(version_of "$tree") is already unpacked in $RELEASES_DIR/$tree"
        return
    fi
    if [ -d "$RELEASES_DIR/$tree" ]; then say "$RELEASES_DIR/$tree has been modified; downloading it again"; fi
    require_tools "$url"
    # An unpacked release takes between 1 and 2 GiB.
    [ "$HOST_CHECKS" = warn ] || [ "$(free_space "$RELEASES_DIR")" -ge 2097152 ] ||
        fail "only $(($(free_space "$RELEASES_DIR") / 1024)) MiB are free for $RELEASES_DIR" \
            "free 2 GiB, or set hostChecks to \"warn\" to try anyway"

    is_writable "$RELEASES_DIR" || fail "$RELEASES_DIR is on a read-only file system" "mount a writable one there, or remove this node from \`nodes\`"
    mkdir -p "$RELEASES_DIR"
    chmod 0755 "$RELEASES_DIR"
    # Before the download, to find a missing permission early.
    label usr_t "$RELEASES_DIR"
    echo '#!/bin/sh' >"$RELEASES_DIR/.try"
    chmod 0700 "$RELEASES_DIR/.try"
    check_program "$RELEASES_DIR/.try"
    while :; do
        unpack_stream "$url" "$staging" "${4:-}" || :
        chown -hR 0:0 "$staging"
        problem=$(archive_problem "$url" "$3" "$staging/content/opt")
        if [ -z "$problem" ]; then break; fi
        rm -rf "$staging"
        retry=${problem%%"$TAB"*} problem=${problem#*"$TAB"}
        remedy=${problem%%"$TAB"*} finding=${problem#*"$TAB"}
        if [ "$retry" = no ] || [ "$attempt" -ge 3 ]; then fail "$finding" "$remedy"; fi
        say "$finding; retrying"
        attempt=$((attempt + 1))
        sleep 2
    done
    add_tree "$tree" "$staging/content/opt/kata"
    say "unpacked Kata Containers $(version_of "$tree") to $RELEASES_DIR/$tree"
}

decompressor() { case $1 in *.tar.xz) echo xz ;; *.tar.zst) echo zstd ;; esac; } # URL

require_tools() { # URL
    local decompress tool
    decompress=$(decompressor "$1")
    [ -n "$decompress" ] || fail "$1 is neither .tar.xz nor .tar.zst" \
        "set release.url to an archive of the Kata Containers project"
    for tool in "$decompress" tar sha256sum mkfifo; do
        have "$tool" || fail "$tool is not installed on this node" \
            "install the package that contains it; for xz, that is xz-utils on Debian and Ubuntu"
    done
    case $1 in
        /*) [ -r "$1" ] || fail "the file $1 does not exist on this node or is not readable" "copy the archive there, or change release.url" ;;
        *) have curl || have wget || fail "neither curl nor wget is installed on this node" \
                "install one, or copy the archive to the node and set release.url to its path" ;;
    esac
}

# unpack_stream URL STAGING QUERY: downloads, hashes and unpacks in one pass. The checksum is known only at the end, so the amount is
# bounded, and the parts that read the content are unprivileged. Each part leaves its exit status and its errors in a
# file, because a pipeline returns the status of its last part only. Each further copy of the content would take seconds.
unpack_stream() {
    local url="$1" content="$2/content" decompress summer watcher reserve
    decompress=$(decompressor "$url")
    rm -rf "$2" "$WORK_DIR/pipe" "$WORK_DIR"/*.larger "$WORK_DIR/tar.pid"
    mkdir -m 0700 "$2" "$content"
    chown 65500:65500 "$content"
    mkfifo "$WORK_DIR/pipe"
    reserve=$(reserved_space "$2")
    say "downloading $url"
    # openssl uses the processor's instructions for sha256, which sha256sum often does not.
    { if have openssl; then exec openssl dgst -sha256 -r; else exec sha256sum; fi; } <"$WORK_DIR/pipe" >"$WORK_DIR/sum" &
    summer=$!
    watch_stream "$summer" "$content" "$reserve" 9>&- &
    watcher=$!
    keep_status source source_stream "$url" "$3" | bounded 4 | tee "$WORK_DIR/pipe" |
        { keep_status decompress unprivileged decompress "$decompress" -dc; cat >/dev/null; } |
        (cd "$content" && keep_status tar unprivileged tar env "TAR_OPTIONS=--blocking-factor=512" tar -xof - --no-same-permissions; [ -e "$WORK_DIR/content.larger" ] || cat >/dev/null)
    wait "$summer" || :
    kill "$watcher" 2>/dev/null || :
    wait "$watcher" 2>/dev/null || :
    check_size "$content" "$reserve"
}

# reserved_space PATH: the KiB that an archive must leave free. The kubelet evicts pods when less than a tenth of the disk
# is free; only what a release needs may be taken from that.
reserved_space() {
    local tenth rest
    tenth=$(($(stat -f -c '%S * %b / 10240' "$1")))
    rest=$(($(free_space "$1") - 2621440))
    if [ "$rest" -lt "$tenth" ]; then echo "$rest"; else echo "$tenth"; fi
}

# bounded GIB: passes on an archive, unless it is larger. That is checked every 64 MiB.
bounded() {
    local size=0
    while dd "bs=1M" "count=64" "iflag=fullblock" 2>"$WORK_DIR/dd" && grep -q '^64+0' "$WORK_DIR/dd"; do
        size=$((size + 64))
        if [ "$size" -ge $(($1 * 1024)) ]; then echo "$1 GiB" >"$WORK_DIR/archive.larger" && return; fi
    done
}

# check_size FOLDER RESERVE: notes that the content of an archive is larger than 16 GiB or leaves less than RESERVE KiB free.
check_size() {
    local size
    size=$(du -sk "$1" | cut -f 1)
    if [ "$size" -ge 16777216 ]; then
        echo "16 GiB" >"$WORK_DIR/content.larger"
    elif [ "$(free_space "$1")" -lt "$2" ]; then
        echo "$((size / 1024)) MiB, and more would leave less than $(($2 / 1024)) MiB free on the disk" >"$WORK_DIR/content.larger"
    fi
}

# unprivileged NAME COMMAND...: runs it as a user that has no other processes, if this node has setpriv. `nobody` may have some,
# such as exporters, and those that see all processes could change the files through /proc. $WORK_DIR/NAME.pid gets its process id.
unprivileged() {
    local pid="$WORK_DIR/$1.pid" drop="setpriv --reuid 65500 --regid 65500 --clear-groups --no-new-privs"
    shift
    $drop true 2>/dev/null || drop=""
    # shellcheck disable=SC2016,SC2086 # a command
    sh -c 'echo $$ >"$0" && exec "$@"' "$pid" $drop "$@"
}

# source_stream URL QUERY: prints the archive. The query may be a signature and the proxy have a password, so they are in no
# argument and no output. curl resumes a broken download each time that it has got 1 MiB more.
source_stream() {
    local redirections="=http,https" offset=0 size=1048576 status=1
    if [ -n "${KATA_URL_PROXY:-}" ]; then
        unset HTTPS_PROXY ALL_PROXY all_proxy NO_PROXY no_proxy
        export "http_proxy=$KATA_URL_PROXY" "https_proxy=$KATA_URL_PROXY"
    fi
    # A download over TLS must not be redirected to plain HTTP.
    case $1 in /*) cat "$1"; return ;; https:*) redirections="=https" ;; esac
    if ! have curl; then
        if [ -n "$2" ]; then printf '%s\n' "$1$2" | wget -q -T 60 -t 1 -O - -i -; else wget -q -T 60 -t 1 -O - "$1"; fi
        return
    fi
    while [ "$status" != 0 ] && [ "$size" -ge 1048576 ]; do
        printf 'url = "%s"\n' "$1$2" | keep_status curl curl -fsSL --proto-redir "$redirections" --connect-timeout 30 --speed-limit 1000 \
            --speed-time 60 -C "$offset" -D "$WORK_DIR/headers-$offset" -o /dev/fd/3 -w '%{size_download}' -K - 3>&1 >"$WORK_DIR/curl.size"
        cat "$WORK_DIR/curl.err" >&2
        status=$(cat "$WORK_DIR/curl.status") size=$(cat "$WORK_DIR/curl.size") offset=$((offset + size))
    done
    return "$status"
}

keep_status() { # NAME COMMAND...
    local name="$1" status
    shift
    "$@" 2>"$WORK_DIR/$name.err" && status=0 || status=$?
    echo "$status" >"$WORK_DIR/$name.status"
}

# archive_problem URL SHA256 OPT: prints the problem of the unpacked archive in OPT, or nothing: whether to retry, tab,
# remedy, tab, finding.
archive_problem() {
    local retry=no finding remedy="check release.url and release.sha256 for this version"
    remedy="$remedy; compute the checksum of a correct archive with: curl -L URL | sha256sum"
    if grep -qi 'no space left' "$WORK_DIR/tar.err"; then
        finding="the disk is full: $(grep -i "no space left" "$WORK_DIR/tar.err" | head -n 1 | excerpt)"
        remedy="free space on the filesystem of $RELEASES_DIR, without removing a release"
    elif [ -e "$WORK_DIR/archive.larger" ]; then
        finding="$1 is larger than $(cat "$WORK_DIR/archive.larger")"
    elif [ "$(cat "$WORK_DIR/source.status")" != 0 ]; then
        finding="could not download $1: $(tail -n 1 "$WORK_DIR/source.err" | excerpt)"
        remedy="check version, release.url and that this node can reach it; otherwise set release.proxy to an HTTP proxy, or release.url to a mirror or to a path on the node"
        # A server or proxy that refused the request (4xx) will refuse it again.
        grep -qE '(error:|response|code) 4[0-9][0-9]' "$WORK_DIR/source.err" || retry=yes
    elif [ "$(cut -c 1-64 "$WORK_DIR/sum")" != "$2" ]; then
        finding="the sha256 of $1 is $(cut -c 1-64 "$WORK_DIR/sum"), not $2"
    elif [ -e "$WORK_DIR/content.larger" ]; then
        finding="$1 unpacks to more than $(cat "$WORK_DIR/content.larger")"
        remedy="free space on the filesystem of $RELEASES_DIR, without removing a release; if the size is wrong, $remedy"
    elif [ "$(cat "$WORK_DIR/decompress.status")$(cat "$WORK_DIR/tar.status")" != 00 ]; then
        finding="$1 cannot be unpacked: $(cat "$WORK_DIR/decompress.err" "$WORK_DIR/tar.err" | head -n 1 | excerpt)"
    elif [ -L "$3" ] || [ -L "$3/kata" ] || [ ! -d "$3/kata/share/defaults/kata-containers" ]; then
        finding="$1 does not look like a Kata Containers release: opt/kata/share/defaults/kata-containers is missing"
    elif ! stray_links "$3/kata" >"$WORK_DIR/stray" || [ -s "$WORK_DIR/stray" ]; then
        finding="$1 contains a link that points outside opt/kata: $(head -n 1 "$WORK_DIR/stray" | excerpt)"
    else
        return 0
    fi
    printf '%s\t%s\t%s\n' "$retry" "$remedy" "$finding"
}

# stray_links FOLDER: the symbolic links in FOLDER that lead out of it. `..` is allowed only at the beginning of a link,
# because behind a name it may go up from the target of another link. /opt/kata means FOLDER itself.
stray_links() {
    # shellcheck disable=SC2016
    find "$1" -type l -exec sh -c '
        top=$1
        shift
        for link in "$@"; do
            from=${link%/*} to=$(readlink "$link")/
            case $to in /opt/kata/*) from=$top to=${to#/opt/kata/} ;; esac
            while :; do
                case $to in
                    ./*) to=${to#./} ;;
                    ../*) from=${from%/*} to=${to#../} ;;
                    *) break ;;
                esac
            done
            case $from/ in "$top"/*) ;; *) to=/ ;; esac
            case /$to in //* | */../*) printf "%s -> %s\n" "${link#"$top"/}" "$(readlink "$link")" ;; esac
        done' sh "$1" {} +
}

# add_tree TREE FOLDER: gives a checked tree its place. No release needs devices, pipes, setuid programs or files that anyone
# can write.
add_tree() {
    local folder
    find "$2" ! -type f ! -type d ! -type l -exec rm -f {} + -o ! -type l -perm /6022 -exec chmod a-s,go-w {} +
    label usr_t -R "$2"
    find "$2" -type d \( -name bin -o -name libexec \) -prune | while IFS= read -r folder; do label bin_t -R "$folder"; done
    flush -f "$2"
    printf '%s\t%s\n' "$1" "$(tree_fingerprint "$2")" | add_lines "$STATE_DIR/trees"
    # Sandboxes that run on a damaged tree keep the files that are left.
    if [ -d "$RELEASES_DIR/$1" ]; then mv -T "$RELEASES_DIR/$1" "$RELEASES_DIR/.gone-$$-$1"; fi
    mv -T "$2" "$RELEASES_DIR/$1"
    sweep
    flush "$RELEASES_DIR"
}

# label TYPE [-R] PATH: the SELinux types of /opt, because containerd and QEMU may be confined. If /opt is a link, `restorecon`
# would set others.
label() {
    local mode
    mode=$(selinux_mode)
    [ -z "$mode" ] || chcon -t "$@" 2>"$WORK_DIR/chcon" || [ "$mode" = 0 ] ||
        fail "SELinux is enforcing, and $RELEASES_DIR cannot be labelled: $(tail -n 1 "$WORK_DIR/chcon" | excerpt)" \
            "install chcon, mount a filesystem with SELinux labels there, or make SELinux permissive; then run pulumi again"
}
# selinux_mode: 1 is enforcing, 0 is permissive; empty without SELinux.
selinux_mode() { cat /sys/fs/selinux/enforce 2>/dev/null || :; }

# watch_stream PID FOLDER RESERVE: ends tar when FOLDER is too large (check_size), and prints every 5 seconds how much the process PID
# has read.
watch_stream() {
    local count=0 last=0 now size speed
    # The sleep outlives this function and must not hold anyone's output open.
    while sleep 0.5 >/dev/null 2>&1 && [ -e "/proc/$$" ]; do
        check_size "$2" "$3"
        if [ -e "$WORK_DIR/content.larger" ] && kill "$(cat "$WORK_DIR/tar.pid")" 2>/dev/null; then return; fi
        count=$((count + 1))
        [ $((count % 10)) = 0 ] || continue
        now=$(sed -n 's/^rchar: //p' "/proc/$1/io" 2>/dev/null) || continue
        size=$(sed -n 's/^[Cc]ontent-[Ll]ength: *\([0-9]*\).*/\1/p' "$WORK_DIR/headers-0" 2>/dev/null | tail -n 1) || size=""
        speed=$(((now - last) / 5120))
        if [ "$speed" -lt 1024 ]; then speed="$speed KiB/s"; else speed="$((speed / 1024)) MiB/s"; fi
        say "downloading: $((now / 1048576))${size:+ of $((size / 1048576))} MiB, $speed"
        last=$now
    done
}

# tree_fingerprint FOLDER: a hash over the names, types, modes, sizes and modification times of its files, and the targets
# of its links, whose times not every tar restores. All trees that are unpacked from one archive have the same fingerprint.
tree_fingerprint() {
    (cd "$1" && find . -type l -exec stat -c '%N' {} + -o ! -type d -exec stat -c '%n %f %s %Y' {} + | sort | sha256sum | cut -c 1-64)
}

# tree_is_intact TREE: as it was unpacked.
tree_is_intact() {
    [ -d "$RELEASES_DIR/$1" ] && [ -f "$STATE_DIR/trees" ] || return 1
    grep -qxF -e "$1$TAB$(tree_fingerprint "$RELEASES_DIR/$1")" "$STATE_DIR/trees"
}

# recorded_trees: those of the handlers that this node has.
recorded_trees() { (GROUPED=$(cat "$STATE_DIR/classes" 2>/dev/null || :) && trees); }
# require_trees: those of all groups are unpacked.
require_trees() {
    local tree
    require_archives
    for tree in $(trees); do
        [ -d "$RELEASES_DIR/$tree" ] || fail "release tree $RELEASES_DIR/$tree is missing" \
            "replace this node's -stage and -activate resources: pulumi up --replace URN (pulumi stack --show-urns lists the URNs)"
    done
}

version_of() { printf '%s\n' "$1" | sed 's/^\.gone-[0-9]*-//; s/-[0-9a-f]*$//'; } # TREE

# sandboxes: the running sandboxes, one per line: tree, tab, sandbox id. Kata resolves /opt/kata when a sandbox starts, so
# the program file of its shim, whose real path the kernel shows, tells which tree it uses. Any user can run that file.
# The guest of a verification does not count.
sandboxes() {
    local pid tree releases id
    releases=$(readlink -f "$RELEASES_DIR") || return 0 # without /opt there is no release
    # shellcheck disable=SC2012 # the names are plain, and readlink would be one process for each
    ls -ln /proc/[0-9]*/exe 2>/dev/null | E_RELEASES=" -> $releases/" awk '
        (i = index($0, ENVIRON["E_RELEASES"])) && /containerd-shim-kata-v2/ {
            n = split(substr($0, 1, i - 1), part, "/")
            split(substr($0, i + length(ENVIRON["E_RELEASES"])), tree, "/")
            print part[n - 1], tree[1]
        }' | while read -r pid tree; do
        runs_as_root "$pid" || continue
        id=$(flag "$pid" -id)
        [ "$id" = "$VERIFICATION" ] || printf '%s\t%s\n' "$tree" "$id"
    done
}

# prune KEEP...: removes every tree that is neither named nor staged nor in use. It is renamed first, because an incomplete
# tree must not look complete.
prune() {
    local tree name
    for tree in "$RELEASES_DIR"/*; do
        name=${tree##*/}
        case " $* " in *" $name "*) continue ;; esac
        if ! [ -d "$tree" ] || is_staged "$name" || in_use "$name"; then continue; fi
        mv "$tree" "$RELEASES_DIR/.gone-$$-$name"
        say "removed $tree"
    done
    sweep
}
# is_staged TREE: a component has it in the arguments of its last stage.
is_staged() { grep -qs -e "^--sha256-$ARCHITECTURE=${1##*-}" "$STATE_DIR"/stage-*; }
# sweep: removes the renamed trees.
sweep() {
    local tree
    for tree in "$RELEASES_DIR"/.gone-*; do
        if [ -d "$tree" ] && ! in_use "${tree##*/}"; then rm -rf "$tree"; fi
    done
    rm -rf "$RELEASES_DIR/.staging"
}
in_use() {
    sandboxes | cut -f 1 | grep -qxF -e "$1" || return 1
    say "kept $RELEASES_DIR/$1: sandboxes run on it"
}
