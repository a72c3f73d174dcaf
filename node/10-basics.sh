#!/bin/sh
# The node program of the Pulumi package `kata-containers`: it installs Kata Containers on this Kubernetes node next to runc,
# and removes it again.
#
#   stage       downloads releases and unpacks them next to the others; changes nothing that runs
#   activate    configures Kata, containerd and the kubelet's cgroup driver for the releases, and restarts what changed
#   deactivate  restores the files of containerd and the kubelet and everything that was displaced
#   unstage     removes the releases and this program
#   probe       prints in one line of JSON how the node differs from what was applied; changes nothing
#   recover     rolls back a change that a power failure interrupted; systemd runs it before containerd and the kubelet start
#
# Managed paths:
#   /opt/kata-releases/<version>-<sha256>/   the releases, one folder each, never changed once unpacked
#   /opt/kata                                a link to the release of the main class
#   /etc/kata-containers/<handler>/          a copy of its release's configuration with the user's settings
#   /etc/modules-load.d/kata-containers.conf the kernel modules that Kata needs
#   /usr/local/bin/containerd-shim-<handler>-v2   a link by which containerd finds its shim
#   .../crio.conf.d/zz-kata-containers.conf  the runtimes of CRI-O
#   /etc/systemd/system/kata-containers-node.service   runs `recover` at boot, if a change was interrupted
#   /var/lib/kata-containers-node/           this program, the names of its owners, the journal of a change in progress
#   /run/kata-containers-node/               its lock and its logs
# In files of others (the configurations of containerd and the kubelet) every change is marked with a comment that begins
# with `#kata-containers:` and contains the original line, so that it can be undone, also by hand.
#
# The program needs a POSIX shell with `local`, awk and the tools that every Kubernetes node has.
# This file: the global variables and general helpers.

set -eu
umask 022
export LC_ALL=C
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# ctr and crictl read defaults from the environment; those of an administrator must not redirect them.
unset CONTAINERD_ADDRESS CONTAINERD_NAMESPACE 2>/dev/null || :

# All global variables. Everything else is a parameter or `local`. An assignment never precedes a function call
# (NAME=value function): in bash before 5.1 run as sh, the variable keeps that value after the call.
#
# constants                TAB NEWLINE MACHINE ARCHITECTURE SIGNATURE TEMPLATE_SIGNATURE STATE_DIR JOURNAL RELEASES_DIR KATA_LINK RUN_DIR BOOT_UNIT DISTRIBUTIONS
#                          TOML_AWK MARKS_AWK ORIGINALS_AWK CONTAINERD_AWK IMAGE_PLATFORMS VERIFICATION USUAL_DISTRIBUTION
# this run                 WORK_DIR STEP EXPLAINED PROBING; DRIVER_IN_FORCE, the cgroup driver of the kubelet, if it was asked for already
# parse                    ACTION OWNER NODE DISTRIBUTION PROGRAM CGROUP_DRIVER CHANGE_UNDER_RUNNING_PODS HOST_CHECKS FORCE VERIFY;
#                          REQUESTED, the handlers of the requested classes, the main one first; GROUPED, the arguments of
#                          classes and releases
# find_handlers            OWN_HANDLERS, the requested ones and earlier ones that the node must keep; HANDLERS, these and those of
#                          other components, which it adds to GROUPED
# find_containerd          CONTAINERD, the container runtime; CONTAINERD_PID CONTAINERD_UNIT CONTAINERD_FILE CONTAINERD_VERSION CONTAINERD_MAJOR CTR
#                          CONTAINERD_CONFIG CONTAINERD_SOCKET CONTAINERD_PATH; CONTAINERD_TEMPLATES, the folder of the templates of CONTAINERD_CONFIG,
#                          or ""; CONTAINERD_PID and KUBELET_PID are empty for a stopped service
# choose_form              CRI_PLUGIN CRI_DUMP_TABLE IMPORTED DROP_IN TEMPLATE
# find_kubelet             KUBELET KUBELET_PID KUBELET_UNIT KUBELET_CONFIG

TAB=$(printf '\t')
NEWLINE='
'
# The first line of every managed file.
SIGNATURE="# Managed by the Pulumi package kata-containers, which overwrites and removes this file."
STATE_DIR=/var/lib/kata-containers-node
JOURNAL=$STATE_DIR/journal
RELEASES_DIR=/opt/kata-releases
KATA_LINK=/opt/kata
RUN_DIR=/run/kata-containers-node
BOOT_UNIT=/etc/systemd/system/kata-containers-node.service
VERIFICATION=kata-containers-verification # the id of a container
DISTRIBUTIONS="" # those beside the usual one; their files add them

STEP=start    # named in errors
EXPLAINED=""  # set when an error was printed
PROBING=""    # set while `probe` compares the node with what was applied

# say TEXT: a line of progress, shown where Pulumi runs. A closed terminal must not stop a change.
say() { printf '%s\n' "$*" || :; }

step() { STEP=$1; }

# fail FINDING REMEDY: ends the action; a change in progress is rolled back on exit. In a probe, the finding is a drift.
fail() {
    if [ -n "$PROBING" ]; then printf '%s\n' "$1"; else explain "$1" "$2"; fi
    exit 1
}
explain() {
    EXPLAINED=yes
    printf 'error: node %s, step "%s": %s\n  what to do: %s\n' "$(uname -n)" "$STEP" "$1" "$2" >&2 || :
}

have() { command -v "$1" >/dev/null 2>&1; }

# exists PATH: a link whose target is missing exists as well.
exists() { [ -e "$1" ] || [ -L "$1" ]; }

# flush PATH...: makes them survive a power failure. A sync that takes no arguments flushes the whole machine.
flush() { sync "$@" 2>/dev/null || sync; }

# private_folder PATH: only root can read it.
private_folder() { mkdir -p "$1" && chmod 0700 "$1"; }

# excerpt: passes on the output of another program without long lines and in ASCII only, because Pulumi loses the result of
# a command that printed one byte of invalid UTF-8.
excerpt() { tr -c '\11\12\40-\176' '?' | cut -c 1-500; }

# unique: drops repeated lines and keeps the order.
unique() { awk '!seen[$0]++'; }

# within SECONDS COMMAND...: retries until the command succeeds. It uses the uptime, because the clock may be set meanwhile.
within() {
    local deadline
    deadline=$(($(uptime) + $1))
    shift
    until "$@"; do
        if [ "$(uptime)" -ge "$deadline" ]; then return 1; fi
        sleep 0.1
    done
}
uptime() { local seconds; IFS=. read -r seconds _ </proc/uptime; echo "$seconds"; }

json_string() { # TEXT
    printf '"%s"' "$(printf %s "${1%"$NEWLINE"}" | tr '\t\n' '  ' | tr -d '\001-\037' | sed 's/[\\"]/\\&/g')"
}

# json_list LINES: an array of strings; empty lines are left out.
json_list() {
    [ -n "$1" ] || { printf '[]' && return; }
    printf '[%s]' "$(printf '%s\n' "$1" | tr -d '\001-\010\013-\037' | sed "s/$TAB/ /g;"' /^$/d; s/[\\"]/\\&/g; s/.*/"&"/' | paste -s -d , -)"
}
