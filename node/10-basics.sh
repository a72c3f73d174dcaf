#!/bin/sh
# The node program of the Pulumi package `kata-containers`.
#
# It installs Kata Containers on this Kubernetes node beside runc and takes it away again:
#
#   stage       downloads a release and unpacks it beside the others; touches nothing that runs
#   activate    switches the node to it: Kata's configuration, containerd, the kubelet's cgroup driver
#   deactivate  puts containerd, the kubelet and every file back
#   unstage     removes the releases and this program
#   status      says in one line of JSON what is installed; changes nothing
#   drift       says in one line of JSON what is not any more as it was applied; changes nothing
#   recover     puts back a change that a power cut interrupted; run by systemd, before containerd and the kubelet start
#
# What it owns:
#   /opt/kata-releases/<version>-<sha256>/   the releases, one folder each, never changed once there
#   /opt/kata                                a link to the active one
#   /etc/kata-containers/<handler>/          a copy of the release's configuration with the asked settings
#   /etc/modules-load.d/kata-containers.conf the kernel modules Kata needs
#   /usr/local/bin/containerd-shim-<handler>-v2   a link, by which containerd finds Kata's shim
#   /etc/systemd/system/kata-containers-node.service   runs `recover` when the machine boots, where there is need
#   /var/lib/kata-containers-node/           this program, its owners' names, the journal of a change under way
#   /run/kata-containers-node/               its lock and its logs
# In files of others (containerd's and the kubelet's configuration) every changed line stands behind a comment
# that begins with `#kata-containers:` and holds the original, so that it can be undone, also by hand.
#
# It needs a POSIX shell, awk and what every Kubernetes node has.

set -eu
umask 022
export LC_ALL=C
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Several binaries (ctr, crictl) read defaults from the environment; an administrator's must not steer us.
unset CONTAINERD_ADDRESS CONTAINERD_NAMESPACE 2>/dev/null || :

STATE=/var/lib/kata-containers-node
RELEASES=/opt/kata-releases
KATA=/opt/kata
RUN=/run/kata-containers-node
BOOT_UNIT=/etc/systemd/system/kata-containers-node.service

TAB=$(printf '\t')
NEWLINE='
'

# A line of progress. Standard output carries them to the terminal of whoever runs Pulumi. That it cannot be written is no
# reason to stop in the middle.
say() { printf '%s\n' "$*" || :; }

# The name of the step under way, for errors.
STEP=start
step() { STEP=$1; }

# fail FINDING REMEDY: the one way to give up. Whatever has been changed by then is put back on exit.
fail() {
    explain "$1" "$2"
    exit 1
}
explain() {
    EXPLAINED=yes
    {
        printf 'error: node %s, step "%s": %s\n' "$(uname -n)" "$STEP" "$1"
        printf '  what to do: %s\n' "$2"
    } >&2 || :
}

have() { command -v "$1" >/dev/null 2>&1; }

# flush PATH...: what was written survives a power cut. A sync that takes no arguments does the whole machine.
flush() { sync "$@" 2>/dev/null || sync; }

# private_folder PATH: root's alone.
private_folder() {
    mkdir -p "$1"
    chmod 0700 "$1"
}

# excerpt: the words of another program, from stdin, as they may be passed on: no long lines, and nothing but ASCII, for
# one byte that is not UTF-8 loses Pulumi the result of a command that ran.
excerpt() { tr -c '\11\12\40-\176' '?' | cut -c 1-500; }

# within SECONDS COMMAND...: tries until the command succeeds.
within() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        if [ "$(date +%s)" -ge "$deadline" ]; then return 1; fi
        sleep 0.1
    done
}

# json_string TEXT
json_string() {
    printf '%s' "$1" | awk '
        { gsub(/[\\"]/, "\\\\&"); gsub(/\t/, " "); gsub(/[\001-\037]/, ""); out = out (NR > 1 ? " " : "") $0 }
        END { printf "\"%s\"", out }'
}
