# shellcheck shell=bash
# shellcheck disable=SC2034 # see lib/kinds.sh
# containerd 2.3 as its release archive leaves it: programs and unit under /usr/local, and a configuration file of version 4
# that imports the drop-in folder /etc/containerd/conf.d.

KIND_ABOUT="a container with containerd 2.3 under /usr/local and a drop-in folder"
KIND_MACHINE=container
KIND_DEFAULT_NODE=worker-2
KIND_PAUSE_IMAGE=registry.k8s.io/pause:3.10.2

kind_prepare() {
    tool containerd "containerd VERSION, as Debian has 1.6 (1 minute)" github.com/containerd/containerd/v2 \
        "-X github.com/containerd/containerd/v2/version.Version=VERSION" "no_btrfs no_devmapper no_zfs"
    CONTAINERD=$REPLY
}

kind_install() { # ROOT
    local version
    chroot "$1" dpkg --purge containerd >"$LAB_DIR/log/dpkg.log" 2>&1
    cp "$CONTAINERD/"* "$1/usr/local/bin"
    mkdir -p "$1/etc/containerd/conf.d" "$1/usr/local/lib/systemd/system"
    cat >"$1/usr/local/lib/systemd/system/containerd.service" <<'UNIT'
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
UNIT
    chroot "$1" systemctl enable -q containerd
    printf '%s\n' 'version = 4' 'imports = ["/etc/containerd/conf.d/*.toml"]' >"$1/etc/containerd/config.toml"
    "${KIND_MACHINE}_may_lower_oom_score" ||
        printf '%s\n' '' "[plugins.'io.containerd.cri.v1.runtime']" '  restrict_oom_score_adj = true' >>"$1/etc/containerd/config.toml"
    version=$(module_version containerd github.com/containerd/containerd/v2)
    echo "${version#v}"
}
