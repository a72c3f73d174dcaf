#!/bin/bash
# Builds the miniature Kata releases: build.sh OUTPUT_DIR [ARCHITECTURE...], for amd64 by default, or for arm64.
#
# OUTPUT_DIR/<version>/<archive> has the names, layout and owners of Kata's own archives. OUTPUT_DIR/checksums.json has their
# sha256 sums by version, shim and architecture. The build is reproducible.
set -euo pipefail

output=$(realpath -m "${1:?usage: build.sh OUTPUT_DIR [ARCHITECTURE...]}")
shift
architectures=("${@:-amd64}")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

about() {
    echo "miniature release for tests: installed and configured like Kata Containers $version, runs pods on runc, virtualizes nothing"
}

amd64() { [ "$architecture" = amd64 ]; }

# put MODE FILE: writes stdin to FILE in the tree.
put() {
    mkdir -p "$(dirname "$tree/$2")"
    cat >"$tree/$2"
    chmod "$1" "$tree/$2"
}

# data FILE...: files that only need to exist.
data() {
    local file
    for file; do about | put 0644 "$file"; done
}

# program MODE FILE...: programs that print an error and fail.
program() {
    local mode=$1 file
    shift
    for file; do printf '#!/bin/sh\necho "%s: %s" >&2\nexit 1\n' "${file##*/}" "$(about)" | put "$mode" "$file"; done
}

# link TARGET FILE
link() {
    mkdir -p "$(dirname "$tree/$2")"
    ln -s "$1" "$tree/$2"
}

# qemu SUFFIX...
qemu() {
    local suffix
    for suffix; do
        program 0755 "bin/qemu-system-$machine$suffix"
        data "share/kata-qemu$suffix/qemu/bios-256k.bin" "share/kata-qemu$suffix/qemu/kvmvapic.bin"
    done
}

# kernel VERSION SUFFIX...
kernel() {
    local share=share/kata-containers kernel=$1 suffix kind
    shift
    for suffix; do
        data "$share/config-$kernel$suffix"
        for kind in vmlinux vmlinuz; do
            data "$share/$kind-$kernel$suffix"
            link "$kind-$kernel$suffix" "$share/$kind$suffix.container"
        done
    done
}

# guest image|initrd SUFFIX...
guest() {
    local share=share/kata-containers name=kata-containers kind=$1 suffix
    [ "$kind" = image ] || name+=-initrd
    shift
    for suffix; do
        data "$share/kata-ubuntu$suffix.$kind"
        link "kata-ubuntu$suffix.$kind" "$share/$name$suffix.img"
    done
}

# absent FILE...: files that configurations name, although Kata's archive does not have them either.
absent() { missing+=("$@"); }

# shim go|rust PROGRAM FOLDER DEFAULT: the program, all its configuration files, and the link to the default one.
shim() {
    local lists
    mkdir -p "$tree/$3" "$(dirname "$tree/$2")"
    mapfile -t lists < <(cd "$here/config" && printf '%s\n' */"$1" | sort -V | sed "\|^$version/|q")
    (
        cd "$here/config"
        awk -v release="$version" -v architecture="$architecture" -v about="$(about)" -v folder="$tree/$3" \
            -f ../config.awk "${lists[@]}"
        cd "$here/shim"
        CGO_ENABLED=0 GOOS=linux GOARCH=$architecture go build -trimpath -buildvcs=false \
            -ldflags "-s -w -buildid= -X main.release=$version -X main.engine=$1" -o "$tree/$2" .
    )
    link "configuration-$4.toml" "$3/configuration.toml"
}

go_shim() {
    shim go bin/containerd-shim-kata-v2 share/defaults/kata-containers qemu
    put 0755 bin/kata-runtime <<STUB
#!/bin/sh
case \${1-} in
--version | version) echo "kata-runtime  : $version ($(about))" ;;
*) echo "kata-runtime: $(about)" >&2; exit 1 ;;
esac
STUB
    program 0755 bin/kata-monitor bin/kata-collect-data.sh
}

rust_shim() { shim rust runtime-rs/bin/containerd-shim-kata-v2 share/defaults/kata-containers/runtime-rs "$1"; }

firecracker() { program 0744 bin/firecracker bin/jailer; }

firmware() {
    if amd64; then
        data share/ovmf/OVMF.fd share/ovmf/AMDSEV.fd share/ovmf/OVMF.inteltdx.fd
    else
        data share/aavmf/AAVMF_CODE.fd share/aavmf/AAVMF_VARS.fd
    fi
}

metadata() {
    about | sed "s/.*/$version (&)/" | put 0644 VERSION
    [ "$version" = 3.7.0 ] || printf '# %s\nversion: "%s"\n' "$(about)" "$version" | put 0644 versions.yaml
}

content_2_2_2() {
    qemu ''
    kernel 5.10.25-85 ''
    guest image ''
    guest initrd ''
    program 0755 bin/cloud-hypervisor libexec/kata-qemu/virtiofsd libexec/kata-containers/kata-netmon
    firecracker
    go_shim
    absent bin/acrn-dm bin/acrnctl
}

content_3_7_0() {
    metadata
    qemu ''
    kernel 6.1.62-134 '' -dragonball-experimental
    guest image ''
    guest initrd ''
    program 0755 bin/cloud-hypervisor bin/stratovirt libexec/virtiofsd libexec/nydusd
    firecracker
    if amd64; then
        qemu -snp-experimental
        kernel 6.1.62-134 -confidential -nvidia-gpu -nvidia-gpu-confidential
        guest image -confidential
        guest initrd -confidential -mariner
        data share/ovmf/OVMF.fd share/ovmf/AMDSEV.fd
    fi
    go_shim
    rust_shim dragonball
    absent bin/acrn-dm bin/acrnctl share/kata-containers/kata-containers-{se,initrd-nvidia-gpu,initrd-nvidia-gpu-confidential}.img
}

content_3_32_0() {
    metadata
    qemu ''
    kernel 6.18.35-197 '' -debug -dragonball-experimental -nvidia-gpu
    guest image '' -confidential -nvidia-gpu
    guest initrd ''
    firmware
    program 0755 bin/cloud-hypervisor libexec/virtiofsd libexec/nydusd
    firecracker
    if amd64; then
        qemu -snp-experimental -tdx-experimental
        guest image -mariner -nvidia-gpu-confidential
        guest initrd -confidential
    else
        kernel 6.18.35-197 -confidential
    fi
    go_shim
    rust_shim qemu-runtime-rs
    absent bin/stratovirt share/kata-containers/kata-containers-se.img share/kata-containers/vmlinuz-confidential.container
}

# Both archives of 4.1.0.
content_4_1_0() {
    metadata
    qemu ''
    kernel 6.18.35-202 '' -debug -nvidia-gpu
    guest image '' -nvidia
    guest initrd ''
    firmware
    program 0755 bin/cloud-hypervisor libexec/virtiofsd libexec/nydusd
    if amd64; then
        qemu -snp-experimental -tdx-experimental
        guest image -mariner
        guest initrd -confidential
    fi
}

content_4_1_0_go() {
    guest image -confidential -nvidia-gpu
    if amd64; then guest image -nvidia-gpu-confidential; fi
    firecracker
    go_shim
    absent bin/stratovirt share/kata-containers/kata-containers-se.img
}

content_4_1_0_rust() {
    qemu -no-shared-fs
    kernel 6.18.35-202 -dragonball-experimental
    guest image -coco-extension -devkit-extension -nvidia-gpu-extension
    program 0755 bin/openvmm
    rust_shim qemu-runtime-rs
    absent bin/firecracker bin/jailer share/kata-containers/kata-containers-se-runtime-rs.img
    # Kata's archive has this link too, which leads nowhere.
    link configuration-qemu.toml share/defaults/kata-containers/configuration.toml
}

# check_configuration ROOT: fails unless the files that configurations name and that do not exist are those called absent.
# Archives for arm64 have configurations for amd64's confidential hardware too, and none of the files for it.
check_configuration() {
    local file
    amd64 || return 0
    grep -rhoE '"/opt/kata/[^"]+"' "$1/opt/kata/share/defaults" | tr -d '"' | sort -u | while read -r file; do
        [ -e "$1$file" ] || echo "${file#/opt/kata/}"
    done | diff <(printf '%s\n' "${missing[@]}" | sort) - >&2 || {
        echo "$version: the configurations name other files that do not exist (>) than those called absent (<)" >&2
        exit 1
    }
}

# release VERSION ARCHIVE OWNER CONTENT...: builds a tree and packs it.
release() {
    version=$1 missing=()
    local root=$work/$2 archive=$output/$1/$2 owner=$3 compress content sum
    shift 3
    tree=$root/opt/kata
    mkdir -p "$tree" "${archive%/*}"
    about | put 0644 README
    for content; do $content; done
    check_configuration "$root"
    case $archive in
    *.xz) compress='xz -T1 -3' ;;
    *.zst) compress='zstd -q -T1 -9' ;;
    esac
    tar -C "$root" --sort=name --format=gnu --mtime=@1600000000 \
        --owner="$owner" --group="$owner" --numeric-owner -cf - . | $compress >"$archive"
    sum=$(sha256sum <"$archive" | cut -d' ' -f1)
    find "$tree/share/defaults" -name 'configuration-*.toml' |
        sed -E "s/.*configuration-(.*)\\.toml/$version \\1 $architecture $sum/" | sort >>"$work/sums"
    rm -rf "$root"
}

for architecture in "${architectures[@]}"; do
    machine=aarch64
    if amd64; then
        machine=x86_64
        release 2.2.2 kata-static-2.2.2-x86_64.tar.xz 1001 content_2_2_2
    fi
    release 3.7.0 "kata-static-3.7.0-$architecture.tar.xz" 0 content_3_7_0
    release 3.32.0 "kata-static-3.32.0-$architecture.tar.zst" 0 content_3_32_0
    release 4.1.0 "kata-go-static-4.1.0-$architecture.tar.zst" 0 content_4_1_0 content_4_1_0_go
    release 4.1.0 "kata-static-4.1.0-$architecture.tar.zst" 0 content_4_1_0 content_4_1_0_rust
done

# The shim `remote` is Go's, although Rust has such a file too: the first sum counts.
jq -Rn 'reduce (inputs / " ") as [$version, $shim, $architecture, $sum] ({}; .[$version][$shim][$architecture] //= $sum)' \
    "$work/sums" >"$output/checksums.json"
