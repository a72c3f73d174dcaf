# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# The real CRI-O, built from its Go module, with Debian's conmon and runc, and with its own unit. Its configuration is as in its
# packages, for runc, with skip_mount_home, without which Kata's pods do not run. Its folder and driver are those of an administrator
# who sets them in its environment and flags, and crictl is still configured for the images of an earlier container runtime.

KIND_ABOUT="a container with CRI-O 1.36"
KIND_MACHINE=container
# CRI-O's own default.
KIND_PAUSE_IMAGE=registry.k8s.io/pause:3.10.1
KIND_RUNTIME_UNIT=crio
KIND_RUNTIME_STATE=/var/lib/containers
KIND_CRIO_MODULE=github.com/cri-o/cri-o

kind_prepare() {
    local version
    version=$(module_version crio $KIND_CRIO_MODULE)
    cached crio "CRI-O $version and crictl (4 minutes)" "$TOOLCHAIN/crio" -- make_crio
    CRIO=$REPLY
    cached conmon "from Debian" "$DEBIAN" -- take_conmon
    CONMON=$REPLY
}
make_crio() { # FOLDER
    local tags="containers_image_openpgp exclude_graphdriver_btrfs"
    build_go "$TOOLCHAIN/crio" "" "$tags" "$1"
    CGO_ENABLED=0 nice go build -C "$TOOLCHAIN/crio" -trimpath -buildvcs=false -tags "$tags" -o "$1/" ./load-images
    # CRI-O makes namespaces with it.
    gcc -std=c99 -O2 -static -o "$1/pinns" "$(go list -C "$TOOLCHAIN/crio" -m -f '{{.Dir}}' $KIND_CRIO_MODULE)"/pinns/src/*.c
}
take_conmon() { # FOLDER
    take_from_debian conmon "$1"
    take_from_debian libglib2.0-0 "$1"
}

kind_runtime_answers() { in_node "$1" crictl info; }
kind_import_images() { in_node "$1" load-images; }

kind_install() { # ROOT
    local version
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    cp "$CRIO/"* "$1/usr/local/bin"
    cp "$CONMON/usr/bin/conmon" "$1/usr/bin"
    cp -a "$CONMON"/usr/lib/*/libglib-2.0.so.* "$1/usr/lib/x86_64-linux-gnu"
    mkdir -p "$1/etc/crio/conf.d" "$1/etc/containers" "$1/etc/sysconfig"
    printf '%s\n' CONTAINER_CONFIG_DIR=/etc/crio/conf.d/ CRIO_RUNTIME_OPTIONS=--cgroup-manager=cgroupfs >"$1/etc/sysconfig/crio"
    echo '{ "default": [{ "type": "insecureAcceptAnything" }] }' >"$1/etc/containers/policy.json"
    echo 'unqualified-search-registries = ["docker.io"]' >"$1/etc/containers/registries.conf"
    printf '%s\n' '[storage]' 'driver = "overlay"' '[storage.options.overlay]' 'skip_mount_home = "true"' >"$1/etc/containers/storage.conf"
    # In the lab, the program of the pause image differs.
    cat >"$1/etc/crio/conf.d/10-crio.conf" <<'CONFIG'
[crio.image]
pause_command = ""

[crio.runtime]
default_runtime = "runc"

[crio.runtime.runtimes.runc]
runtime_path = "/usr/sbin/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/bin/conmon"
monitor_cgroup = "pod"
CONFIG
    printf '%s\n' 'runtime-endpoint: unix:///var/run/crio/crio.sock' 'image-endpoint: unix:///run/containerd/containerd.sock' >"$1/etc/crictl.yaml"
    sed -i 's,^containerRuntimeEndpoint: .*,containerRuntimeEndpoint: unix:///var/run/crio/crio.sock,' "$1/var/lib/kubelet/config.yaml"
    install_crio_unit "$1"
    version=$(module_version crio $KIND_CRIO_MODULE)
    echo "${version#v}"
}

# install_crio_unit ROOT: as in CRI-O's repository, without an OOM score, which a lab may not lower. The miniature's shim does not leave
# the cgroup of the service that starts it, as Kata's does, so a stop ends only the main process.
install_crio_unit() {
    cat >"$1/etc/systemd/system/crio.service" <<'UNIT'
[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/crio
Environment=GOTRACEBACK=crash
ExecStart=/usr/local/bin/crio \
          $CRIO_CONFIG_OPTIONS \
          $CRIO_RUNTIME_OPTIONS \
          $CRIO_STORAGE_OPTIONS \
          $CRIO_NETWORK_OPTIONS \
          $CRIO_METRICS_OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
TasksMax=infinity
LimitNPROC=1048576
LimitCORE=infinity
TimeoutStartSec=0
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
UNIT
    mkdir "$1/etc/systemd/system/crio.service.d"
    cat >"$1/etc/systemd/system/crio.service.d/lab.conf" <<'UNIT'
[Unit]
After=lab-node.service

[Service]
KillMode=process
ExecStartPre=/usr/local/sbin/lab-cgroups
UNIT
    # With cgroup v1, CRI-O sets limits of all controllers that the kernel lists, also those that the lab has no hierarchy of.
    cat >"$1/usr/local/sbin/lab-cgroups" <<'SCRIPT'
#!/bin/sh
if [ -e /sys/fs/cgroup/cgroup.controllers ] || mountpoint -q /proc/cgroups; then exit; fi
while read -r name rest; do
    if [ "$name" = '#subsys_name' ] || [ -d "/sys/fs/cgroup/$name" ]; then echo "$name $rest"; fi
done </proc/cgroups >/run/lab-cgroups
mount --bind /run/lab-cgroups /proc/cgroups
SCRIPT
    chmod +x "$1/usr/local/sbin/lab-cgroups"
    chroot "$1" systemctl enable -q crio
}
