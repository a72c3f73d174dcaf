# shellcheck shell=bash
# The tools of the lab: Debian packages, and programs that are built from their Go modules.

TOOLCHAIN=$LAB_HOME/toolchain
DEBIAN=bookworm
COMMAND_PROVIDER=1.2.1
KUBERNETES_PROVIDER=4.34.2
# A mirror of Kubernetes' official programs.
LAB_KUBERNETES_URL=${LAB_KUBERNETES_URL:-https://dl.k8s.io}

# Command or file, and the Debian package that contains it: for the lab, the unit tests and the tests of the node program.
PACKAGES="
    /etc/ssl/certs/ca-certificates.crt ca-certificates
    /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
    busybox busybox-static
    curl curl
    gawk gawk
    gcc gcc
    /usr/include/stdlib.h libc6-dev
    ip iproute2
    jq jq
    mmdebstrap mmdebstrap
    openssl openssl
    mawk mawk
    setsid util-linux
    shellcheck shellcheck
    ssh openssh-client
    /usr/sbin/sshd openssh-server
    systemd-nspawn systemd-container
    xz xz-utils
    zsh zsh
    tcsh tcsh
    zstd zstd
"

install_packages() { # LINES, as in PACKAGES
    local probe package missing=() log
    while read -r probe package; do
        [ -z "$probe" ] || [ -e "$probe" ] || command -v "$probe" >/dev/null || missing+=("$package")
    done <<<"$1"
    [ ${#missing[@]} != 0 ] || return 0
    say "installing Debian packages: ${missing[*]}"
    log=$(mktemp)
    # A fresh machine has no package lists, or old ones. The lock lets labs start at the same time.
    mkdir -p "$KATA_LAB_CACHE"
    (
        flock 9
        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
    ) 9>"$KATA_LAB_CACHE/apt.lock" >"$log" 2>&1 </dev/null || fail "could not install the Debian packages ${missing[*]}" "$log"
    rm -f "$log"
}

# take_from_debian PACKAGE FOLDER: unpacks a package without installing it, so that no service starts on this host.
take_from_debian() {
    cd "$2" || return
    apt-get -o APT::Sandbox::User=root download "$1" || { apt-get update -q && apt-get -o APT::Sandbox::User=root download "$1"; }
    dpkg -x ./*.deb .
    rm ./*.deb
}

# module_version TOOL MODULE
module_version() { sed -nE "s|^(require)?\s*$2 (v\S+).*|\2|p" "$TOOLCHAIN/$1/go.mod"; }

# build_go SOURCE LDFLAGS TAGS FOLDER: builds the tools of a module, static, so that they run with any C library.
build_go() { CGO_ENABLED=0 nice go build -C "$1" -trimpath -buildvcs=false -ldflags "-s -w $2" -tags "$3" -o "$4/" tool; }

# tool NAME WHY MODULE [LDFLAGS [TAGS]]: builds the module toolchain/NAME and sets REPLY to the folder of its programs. The
# word VERSION in WHY and LDFLAGS stands for the version of MODULE.
tool() {
    local version source=$TOOLCHAIN/$1 ldflags=${4-}
    version=$(module_version "$1" "$3")
    cached "$1" "${2//VERSION/$version}" "$source" "${@:4}" -- build_go "$source" "${ldflags//VERSION/$version}" "${5-}"
}

# plugin NAME VERSION WHY SOURCE: uses the plugin in ~/.pulumi; otherwise downloads it with a full Pulumi CLI; otherwise
# builds it.
plugin() {
    REPLY=$HOME/.pulumi/plugins/resource-$1-v$2
    [ -x "$REPLY/pulumi-resource-$1" ] || cached "pulumi-$1" "$3" "$4" "$FULL_PULUMI" -- "make_plugin_$1" "$2"
    PLUGINS[resource-$1-v$2]=$REPLY
}

# download_plugin NAME VERSION FOLDER
download_plugin() {
    local home=$3.home status=0
    [ -n "$FULL_PULUMI" ] || return 1
    PULUMI_HOME=$home timeout 300 "$FULL_PULUMI" plugin install resource "$1" "$2" &&
        mv "$home/plugins/resource-$1-v$2/"* "$3" || status=1
    rm -rf "$home"
    return $status
}

make_plugin_command() { # VERSION FOLDER
    download_plugin command "$1" "$2" || "$LAB_HOME/command-provider/build.sh" "$2/pulumi-resource-command"
}

make_plugin_kubernetes() { # VERSION FOLDER
    ! download_plugin kubernetes "$1" "$2" || return 0
    local module=github.com/pulumi/pulumi-kubernetes work=$2.work main kinds
    rm -rf "$work"
    mkdir "$work"
    cp "$TOOLCHAIN/pulumi-kubernetes/"go.* "$work"
    cd "$work" || return
    copy_module "$module/provider/v4" provider
    # The module lacks the generated files that it embeds.
    main=provider/cmd/pulumi-resource-kubernetes
    jq -c --arg version "$1" '.version = $version' $main/schema.json >$main/schema-embed.json
    jq -c . $main/terraform-mapping.json >$main/terraform-mapping-embed.json
    # Half of the build would be the SDK's Go types of all kinds. The provider only registers children of YAML files and charts
    # with them, by the same names that it can give to the type for other kinds.
    copy_module "$module/sdk/v4" sdk
    kinds=sdk/go/kubernetes/yaml/v2/kinds.go
    sed -i -E '/^\t[a-z0-9]+ "github.com\/pulumi\/pulumi-kubernetes\//d; s/(var res) .*/\1 apiextensions.CustomResource/' $kinds
    build_go . "-X $module/provider/v4/pkg/version.Version=$1" "" "$2"
    rm -rf "$work"
}

# copy_module MODULE FOLDER: lets the module in this folder use a copy of MODULE, which can be changed.
copy_module() {
    cp -r "$(go mod download -json "$1" | jq -r .Dir)" "$2"
    chmod -R u+w "$2"
    go mod edit -replace "$1=./$2"
}

# make_nvidia_ctk VERSION FOLDER: it needs cgo, and is static because a node may have another C library.
make_nvidia_ctk() {
    CGO_ENABLED=1 nice go build -C "$TOOLCHAIN/nvidia-ctk" -trimpath -buildvcs=false -o "$2/" -ldflags \
        "-s -w -linkmode external -extldflags -static -X github.com/NVIDIA/nvidia-container-toolkit/internal/info.version=$1" tool
}

make_miniature() { "$LAB_HOME/miniature/build.sh" "$1" amd64 arm64; }

# download_kubernetes FOLDER: the programs of toolchain/kubernetes, as toolchain/kubernetes.sha256sums names them. Slower than
# 500 kB/s for 10 seconds, it would take longer than building them.
download_kubernetes() {
    local sums=$TOOLCHAIN/kubernetes.sha256sums
    sed -n "s|^[^#].* |$LAB_KUBERNETES_URL/|p" "$sums" |
        xargs curl --fail --fail-early --silent --show-error --location --connect-timeout 5 --speed-limit 500000 --speed-time 10 \
            --output-dir "$1" --remote-name-all
    cd "$1" || return
    sed 's|  .*/|  |' "$sums" | sha256sum --check --quiet 2>/dev/null | sed 's/FAILED$/the sha256 is not the pinned one/'
    chmod +x ./*
}

# make_kubelet ARCHITECTURE LDFLAGS FOLDER: the kubelet alone.
make_kubelet() {
    CGO_ENABLED=0 GOARCH=$1 nice go build -C "$TOOLCHAIN/kubernetes" -trimpath -buildvcs=false -ldflags "-s -w $2" -o "$3/" \
        k8s.io/kubernetes/cmd/kubelet
}

# prepare_checks: installs and builds what lint, unit tests and tests of the node program need. Sets ACTIONLINT to the folder
# of its program.
prepare_checks() {
    declare -g ACTIONLINT
    install_packages "$PACKAGES"
    tool actionlint "actionlint VERSION, for the workflows in .github (15 s)" github.com/rhysd/actionlint
    # shellcheck disable=SC2034 # for lab/lab
    ACTIONLINT=$REPLY
}

# find_full_pulumi: sets FULL_PULUMI to the Pulumi CLI of the user, not one that the lab built and `lab env` put on PATH.
find_full_pulumi() {
    local candidate
    FULL_PULUMI=
    while read -r candidate; do
        [[ $(realpath "$candidate") != "$KATA_LAB_CACHE"/* ]] || continue
        "$candidate" version >/dev/null 2>&1 || continue
        FULL_PULUMI=$candidate
        return
    done < <(type -aP pulumi || true)
}

# prepare_tools NODE=KIND...: installs and builds what a cluster with these nodes needs, in the order in which it is used. Sets
# TOOLS to the folders with programs for PATH, PLUGINS to the folders of Pulumi's plugins by name, and the others to a folder each.
prepare_tools() {
    install_packages "$PACKAGES"
    planned prepare_lab "$@"
}

# prepare_lab NODE=KIND...
prepare_lab() {
    declare -g TOOLS=()
    prepare_cluster "$@"
    prepare_pulumi
}

# shellcheck disable=SC2034 # used by the other files
prepare_cluster() {
    local component=k8s.io/component-base/version version
    declare -g KUBERNETES KUBERNETES_LDFLAGS ETCD BUSYBOX MINIATURE NVIDIA_CTK IMAGE_NAMES NODE_ROOT
    declare -gA IMAGES=()
    KUBERNETES_LDFLAGS="-X $component.gitVersion=VERSION -X $component.gitMajor=1 -X $component.gitMinor=36 -X $component.gitTreeState=clean"
    tool kubernetes "the control plane, kubelet and kubectl VERSION (7 minutes)" k8s.io/kubernetes "$KUBERNETES_LDFLAGS"
    KUBERNETES=$REPLY
    TOOLS+=("$REPLY")
    cached etcd "from Debian" "$DEBIAN" -- take_from_debian etcd-server
    ETCD=$REPLY
    cached busybox "from Debian, for container images" "$DEBIAN" -- take_from_debian busybox-static
    BUSYBOX=$REPLY
    cached miniature "miniature Kata releases for amd64 and arm64 (2 minutes)" "$LAB_HOME/miniature" -- make_miniature
    MINIATURE=$REPLY
    version=$(module_version nvidia-ctk github.com/NVIDIA/nvidia-container-toolkit)
    cached nvidia-ctk "NVIDIA's nvidia-ctk $version (1 minute)" "$TOOLCHAIN/nvidia-ctk" -- make_nvidia_ctk "$version"
    NVIDIA_CTK=$REPLY
    # shellcheck disable=SC2207 # one word each
    IMAGE_NAMES=(busybox:lab $(pause_images))
    cached images "the container images of the lab" "${IMAGE_NAMES[*]}" "${BUSYBOX##*/}" -- make_images amd64 "$BUSYBOX/bin/busybox"
    IMAGES[amd64]=$REPLY
    cached node "the root filesystem of a node: Debian $DEBIAN, containerd, kubelet (1 minute)" \
        $DEBIAN "$NODE_PACKAGES" "$LAB_HOME/lib/node-root" "${KUBERNETES##*/}" -- make_node_root amd64 "$KUBERNETES/kubelet"
    NODE_ROOT=$REPLY
    prepare_kinds "${@#*=}"
}

# shellcheck disable=SC2034
prepare_pulumi() {
    declare -gA PLUGINS=()
    find_full_pulumi
    if [ -z "$FULL_PULUMI" ]; then
        tool pulumi "the Pulumi CLI VERSION, because PATH has none (4 minutes)" github.com/pulumi/pulumi/pkg/v3 \
            "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=VERSION"
        TOOLS+=("$REPLY")
        prepare_hosts language-host python go yaml
        TOOLS+=("$HOSTS")
    fi
    if [ -n "${LAB_REAL_COMMAND_PROVIDER-}" ]; then
        [ -x "$LAB_REAL_COMMAND_PROVIDER" ] || fail "LAB_REAL_COMMAND_PROVIDER=$LAB_REAL_COMMAND_PROVIDER is not an executable file"
        PLUGINS[resource-command-v$COMMAND_PROVIDER]=$(realpath "$LAB_REAL_COMMAND_PROVIDER")
    else
        plugin command $COMMAND_PROVIDER "the command provider $COMMAND_PROVIDER, or a stand-in for it (1 minute)" \
            "$LAB_HOME/command-provider"
    fi
    plugin kubernetes $KUBERNETES_PROVIDER "the Kubernetes provider $KUBERNETES_PROVIDER (6 minutes)" \
        "$TOOLCHAIN/pulumi-kubernetes"
}
