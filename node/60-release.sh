# The releases beside each other under /opt/kata-releases: bringing one, telling which one a sandbox runs on, removing.

# Chooses what belongs to this machine's architecture: URL, SHA256, and TREE, the folder of the release.
choose_release() {
    case $(architecture) in
        amd64) URL=$URL_AMD64 SHA256=$SHA256_AMD64 ;;
        arm64) URL=$URL_ARM64 SHA256=$SHA256_ARM64 ;;
        *) URL="" SHA256="" ;;
    esac
    [ -n "$SHA256" ] || fail "no archive of Kata Containers $VERSION is known for $(architecture)" \
        "give release.sha256.$(architecture), or leave this node out of \`nodes\`"
    TREE=$VERSION-$(printf %.12s "$SHA256")
}

# Unpacks the archive of $URL to $RELEASES/$TREE in one pass: the stream goes through sha256sum and the decompressor into
# $CONTENT, in a staging folder that nobody else can read, and gets its name only when the sum is right. An archive may
# set the mode of the folder it is unpacked in, so that is not the staging folder itself.
bring_release() {
    step "release"
    if is_whole "$TREE"; then
        say "Kata Containers $VERSION is already here: $RELEASES/$TREE"
        return
    fi
    if [ -d "$RELEASES/$TREE" ]; then say "$RELEASES/$TREE is not as it was unpacked; bringing it again"; fi
    case $URL in
        *.tar.xz) decompress=xz ;;
        *.tar.zst) decompress=zstd ;;
        *) fail "$URL is neither .tar.xz nor .tar.zst" "give release.url an archive of the Kata Containers project" ;;
    esac
    for tool in $decompress tar sha256sum mkfifo; do
        have "$tool" || fail "there is no $tool on this node" "install it, for instance: apt-get install $tool, or dnf install $tool"
    done
    case $URL in
        /*) [ -r "$URL" ] || fail "there is no file $URL on this node" "put the archive there, or give release.url another place" ;;
        *) have curl || have wget || fail "there is neither curl nor wget on this node" "install one, or put the archive on the node and give its path as release.url" ;;
    esac
    # An unpacked release takes between 1 and 2 GiB.
    [ "$HOST_CHECKS" = warn ] || [ "$(space "$RELEASES")" -ge 2097152 ] ||
        fail "only $(($(space "$RELEASES") / 1024)) MiB are free for $RELEASES" "make room for 2 GiB, or set hostChecks to \"warn\" to try all the same"

    mkdir -p "$RELEASES"
    chmod 0755 "$RELEASES"
    STAGING=$RELEASES/.staging
    CONTENT=$STAGING/content
    attempt=1
    until try_stream; do
        # A wrong sum or a full disk will be the same next time.
        if [ "$again" = no ] || [ "$attempt" -ge 3 ]; then fail "$finding" "$remedy"; fi
        say "$finding; trying again"
        attempt=$((attempt + 1))
        sleep 2
    done
    flush -f "$STAGING"
    printf '%s\t%s\n' "$TREE" "$(picture "$CONTENT/opt/kata")" | add_lines "$STATE/trees"
    # What runs on a damaged one keeps the files that are left.
    if [ -d "$RELEASES/$TREE" ]; then mv -T "$RELEASES/$TREE" "$RELEASES/.gone-$$-$TREE"; fi
    mv -T "$CONTENT/opt/kata" "$RELEASES/$TREE"
    sweep
    flush "$RELEASES"
    say "unpacked Kata Containers $VERSION to $RELEASES/$TREE"
}

# picture FOLDER: a sum over what can be seen of its files without reading them. It is the same for all trees that come
# from one archive.
picture() { (cd "$1" && find . ! -type d -exec stat -c '%n %f %s %Y' {} + | sort | sha256sum | cut -c 1-64); }

# is_whole TREE: it is there, as it was unpacked. (Earlier versions of this program kept no picture.)
is_whole() {
    [ -d "$RELEASES/$1" ] || return 1
    known=$(awk -F '\t' -v tree="$1" '$1 == tree { print $2; exit }' "$STATE/trees" 2>/dev/null) || :
    [ -z "$known" ] || [ "$(picture "$RELEASES/$1")" = "$known" ]
}

# source_stream: the archive, on stdout.
source_stream() {
    case $URL in
        /*) cat "$URL" ;;
        *) if have curl; then
            # What is asked for over TLS is not taken from elsewhere without it.
            case $URL in https:*) redirections="=https" ;; *) redirections="=http,https" ;; esac
            curl -fsSL --proto-redir "$redirections" --connect-timeout 30 --speed-limit 1000 --speed-time 60 -D "$NEXT/headers" "$URL"
        else
            wget -q -T 60 -t 1 -O - "$URL"
        fi ;;
    esac
}

# keep_status NAME COMMAND...
keep_status() {
    name=$1
    shift
    "$@" 2>"$NEXT/$name.err" && rc=0 || rc=$?
    echo "$rc" >"$NEXT/$name.rc"
}

try_stream() {
    rm -rf "$STAGING" "$NEXT/pipe"
    mkdir -m 0700 "$STAGING" "$CONTENT"
    mkfifo "$NEXT/pipe"
    say "bringing $URL"
    # It keeps up with the others where openssl knows the processor's instructions for it, as sha256sum often does not.
    { if have openssl; then exec openssl dgst -sha256 -r; else exec sha256sum; fi; } <"$NEXT/pipe" >"$NEXT/sum" &
    summer=$!
    report_progress "$summer" 9>&- &
    reporter=$!
    # Each part leaves its exit status in a file: a pipeline tells only that of its last.
    { keep_status source source_stream; } |
        tee "$NEXT/pipe" |
        { keep_status decompress "$decompress" -dc; cat >/dev/null; } |
        { keep_status tar tar -C "$CONTENT" -xf - --no-same-owner --no-same-permissions; cat >/dev/null; }
    wait "$summer" || :
    kill "$reporter" 2>/dev/null || :
    wait "$reporter" 2>/dev/null || :

    again=no
    remedy="check release.url and release.sha256 for version $VERSION; the sum of a good archive is: curl -L URL | sha256sum"
    if grep -qi 'no space left' "$NEXT/tar.err"; then
        finding="the disk is full: $(grep -i "no space left" "$NEXT/tar.err" | head -n 1 | excerpt)"
        remedy="make room in $RELEASES"
    elif [ "$(cat "$NEXT/source.rc")" != 0 ]; then
        finding="$URL could not be read whole: $(tail -n 1 "$NEXT/source.err" | excerpt)"
        remedy="check that this node reaches it, or give release.url a mirror or a path on the node"
        # What the server refuses (4xx) it will refuse again.
        grep -q 'error: 4[0-9][0-9]' "$NEXT/source.err" || again=yes
    elif [ "$(cut -c 1-64 "$NEXT/sum")" != "$SHA256" ]; then
        finding="the sha256 of $URL is $(cut -c 1-64 "$NEXT/sum"), not $SHA256"
    elif [ "$(cat "$NEXT/decompress.rc")$(cat "$NEXT/tar.rc")" != 00 ]; then
        finding="$URL cannot be unpacked: $(cat "$NEXT/decompress.err" "$NEXT/tar.err" | head -n 1 | excerpt)"
    elif [ -L "$CONTENT/opt" ] || [ -L "$CONTENT/opt/kata" ] || [ ! -d "$CONTENT/opt/kata/share/defaults/kata-containers" ]; then
        finding="$URL holds no opt/kata/share/defaults/kata-containers: it is no Kata Containers release"
    elif ! stray_links "$CONTENT/opt/kata" >"$NEXT/stray" || [ -s "$NEXT/stray" ]; then
        finding="$URL holds a link that leads out of opt/kata: $(head -n 1 "$NEXT/stray" | excerpt)"
    else
        # Nothing in a release needs these; nothing that came by wire gets them.
        find "$CONTENT/opt/kata" ! -type f ! -type d ! -type l -exec rm -f {} + -o ! -type l -perm /6022 -exec chmod a-s,go-w {} +
        return 0
    fi
    rm -rf "$STAGING"
    return 1
}

# stray_links FOLDER: the symbolic links in FOLDER that lead out of it. A link may go up only at its beginning: what goes up
# behind a name could do so from wherever another link leads. The folder itself goes by the name /opt/kata.
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

# report_progress PID: a line every few seconds with what the process has read so far.
report_progress() {
    last=0
    # The sleep that outlives this must not hold anybody's output open.
    while sleep 5 >/dev/null 2>&1; do
        now=$(awk '$1 == "rchar:" { print $2 }' "/proc/$1/io" 2>/dev/null) || return 0
        [ -n "$now" ] || return 0
        size=$(awk 'tolower($1) == "content-length:" { n = $2 + 0 } END { if (n) printf " of %d", n / 1048576 }' "$NEXT/headers" 2>/dev/null) || size=""
        say "$((now / 1048576))$size MiB, $(((now - last) / 5242880)) MiB/s"
        last=$now
    done
}

# sandboxes: a line for each sandbox that runs: release folder, tab, sandbox id. Kata resolves /opt/kata when a sandbox
# starts, so the program file of its shim tells which release it uses.
sandboxes() {
    # shellcheck disable=SC2012 # these names are plain, and readlink would be a process for each
    ls -ln /proc/[0-9]*/exe 2>/dev/null | sed -n "s,^.* /proc/\([0-9]*\)/exe -> $RELEASES/\([^/]*\)/.*containerd-shim-kata-v2.*,\1 \2,p" |
        while read -r pid tree; do printf '%s\t%s\n' "$tree" "$(flag "$pid" -id)"; done
}

# version_of TREE
version_of() { printf '%s\n' "$1" | sed 's/^\.gone-[0-9]*-//; s/-[0-9a-f]*$//'; }

no_sandboxes() { [ -z "$(sandboxes)" ]; }

in_k8s() { timeout 20 ctr --address "$SOCKET" -n k8s.io "$@" 2>/dev/null; }

sandbox_names() { sandboxes | cut -f 2 | pod_names; }

# pod_names: of the containers on stdin the pods, namespace/name, as containerd knows them.
pod_names() {
    while IFS= read -r id; do
        in_k8s containers info "$id" | awk -F '"' -v id="$id" '
            $2 == "io.kubernetes.pod.name" { pod = $4 }
            $2 == "io.kubernetes.pod.namespace" { namespace = $4 }
            END { print (pod == "" ? id : namespace "/" pod) }'
    done | sort -u | tr '\n' ' ' | excerpt
}

# kill_sandboxes: with all their containers, and waits until their shims are gone.
kill_sandboxes() {
    say "killing the sandboxes of $(sandbox_names)"
    sandboxes | cut -f 2 >"$NEXT/sandboxes"
    in_k8s tasks ls -q >"$NEXT/tasks" || :
    while IFS= read -r task; do
        sandbox=$(in_k8s containers info "$task" | awk -F '"' '$2 == "io.kubernetes.cri.sandbox-id" { print $4; exit }')
        if grep -qxF "$sandbox" "$NEXT/sandboxes"; then in_k8s tasks kill -a -s SIGKILL "$task" || :; fi
    done <"$NEXT/tasks"
    within 60 no_sandboxes || fail "these sandboxes do not end: $(sandbox_names)" "see what holds them: ps, crictl pods"
}

active_tree() { if [ -L "$KATA" ]; then basename "$(readlink "$KATA")"; fi; }

# prune KEEP...: removes every release that is neither named nor in use. It loses its name first, for half a release must
# not look like one.
prune() {
    for tree in "$RELEASES"/*; do
        name=${tree##*/}
        case " $* " in *" $name "*) continue ;; esac
        if ! [ -d "$tree" ] || in_use "$name"; then continue; fi
        mv "$tree" "$RELEASES/.gone-$$-$name"
        say "removed $tree"
    done
    sweep
}
# sweep: removes what has lost its name.
sweep() {
    for tree in "$RELEASES"/.gone-*; do
        if [ -d "$tree" ] && ! in_use "${tree##*/}"; then rm -rf "$tree"; fi
    done
    rm -rf "$RELEASES/.staging"
}
in_use() {
    sandboxes | cut -f 1 | grep -qxF -e "$1" || return 1
    say "kept $RELEASES/$1: sandboxes run on it"
}
