#!/bin/bash
# Builds the miniature Kata releases: build.sh OUTPUT_DIR
#
# OUTPUT_DIR/<version>/<archive> has the names, layout and owners of Kata's own archives. OUTPUT_DIR/checksums.json has their
# sha256 sums by version, shim and architecture. The build is reproducible.
set -euo pipefail

output=$(realpath -m "${1:?usage: build.sh OUTPUT_DIR}")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

about() { # VERSION
    echo "miniature release for tests: installed and configured like Kata Containers $1, runs pods on runc, virtualizes nothing"
}

# put MODE FILE: writes stdin to FILE in the tree.
put() {
    mkdir -p "$(dirname "$tree/$2")"
    cat >"$tree/$2"
    chmod "$1" "$tree/$2"
}

# data FILE...: files that only need to exist.
data() {
    local file
    for file; do about "$version" | put 0644 "$file"; done
}

# program MODE FILE...: programs that print an error and fail.
program() {
    local mode=$1 file
    shift
    for file; do printf '#!/bin/sh\necho "%s: %s" >&2\nexit 1\n' "${file##*/}" "$(about "$version")" | put "$mode" "$file"; done
}

# link TARGET FILE
link() {
    mkdir -p "$(dirname "$tree/$2")"
    ln -s "$1" "$tree/$2"
}

# config NAME DIRECTORY: a configuration file, and the link that makes it the default.
config() {
    put 0644 "$2/$1" <"$here/config/$version/$1"
    link "$1" "$2/configuration.toml"
}

# shim NAME FILE
shim() {
    (
        cd "$here/shim"
        CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -buildvcs=false \
            -ldflags "-s -w -buildid= -X main.release=$version -X main.name=$1" -o "$tree/$2" .
    )
}

# guest KERNEL VIRTIOFSD: hypervisors, kernels and images, which both shims use.
guest() {
    local share=share/kata-containers
    program 0755 bin/qemu-system-x86_64 bin/cloud-hypervisor "$2"
    data share/kata-qemu/qemu/bios-256k.bin share/kata-qemu/qemu/kvmvapic.bin \
        "$share/vmlinux-$1" "$share/vmlinuz-$1" "$share/kata-ubuntu.image" "$share/kata-alpine.initrd"
    link "vmlinux-$1" "$share/vmlinux.container"
    link "vmlinuz-$1" "$share/vmlinuz.container"
    link kata-ubuntu.image "$share/kata-containers.img"
    link kata-alpine.initrd "$share/kata-containers-initrd.img"
}

go_shim() {
    local defaults=share/defaults/kata-containers
    shim qemu bin/containerd-shim-kata-v2
    put 0755 bin/kata-runtime <<STUB
#!/bin/sh
case \${1-} in
--version | version) echo "kata-runtime  : $version ($(about "$version"))" ;;
*) echo "kata-runtime: $(about "$version")" >&2; exit 1 ;;
esac
STUB
    program 0755 bin/kata-monitor bin/kata-collect-data.sh
    program 0744 bin/firecracker bin/jailer
    config configuration-qemu.toml "$defaults"
}

rust_shim() {
    mkdir -p "$tree/runtime-rs/bin"
    shim qemu-runtime-rs runtime-rs/bin/containerd-shim-kata-v2
    config configuration-qemu-runtime-rs.toml share/defaults/kata-containers/runtime-rs
}

# check_configuration ROOT: fails if a configuration names a file that is not in the tree.
check_configuration() {
    local file
    grep -rhoE '"/opt/kata/[^"]+"' "$1/opt/kata/share/defaults" | tr -d '"' | while read -r file; do
        [ -e "$1$file" ] || { echo "$version: a configuration names $file, which does not exist" >&2 && exit 1; }
    done
}

# release VERSION ARCHIVE OWNER PART...: builds a tree from the parts and packs it.
release() {
    version=$1
    local root=$work/$2 archive=$output/$1/$2 owner=$3 compress part
    shift 3
    tree=$root/opt/kata
    mkdir -p "$tree" "${archive%/*}"
    put 0644 README < <(about "$version")
    for part; do $part; done
    check_configuration "$root"
    case $archive in
    *.xz) compress='xz -T1 -3' ;;
    *.zst) compress='zstd -q -T1 -9' ;;
    esac
    tar -C "$root" --sort=name --format=gnu --mtime=@1600000000 \
        --owner="$owner" --group="$owner" --numeric-owner -cf - . | $compress >"$archive"
}

version_file() { about "$version" | sed "s/.*/$version (&)/" | put 0644 VERSION; }
versions_yaml() { printf '# %s\nversion: "%s"\n' "$(about "$version")" "$version" | put 0644 versions.yaml; }
old_guest() { guest 5.10.25-85 libexec/kata-qemu/virtiofsd; }
old_netmon() { program 0755 libexec/kata-containers/kata-netmon; }
new_guest() { guest 6.18.35-200 libexec/virtiofsd; }

release 2.2.2 kata-static-2.2.2-x86_64.tar.xz 1001 old_guest old_netmon go_shim
release 3.7.0 kata-static-3.7.0-amd64.tar.xz 0 version_file new_guest go_shim rust_shim
release 3.32.0 kata-static-3.32.0-amd64.tar.zst 0 version_file versions_yaml new_guest go_shim rust_shim
release 4.1.0 kata-static-4.1.0-amd64.tar.zst 0 version_file versions_yaml new_guest rust_shim
release 4.1.0 kata-go-static-4.1.0-amd64.tar.zst 0 version_file versions_yaml new_guest go_shim

checksum() { # VERSION ARCHIVE
    printf '{"amd64": "%s"}' "$(sha256sum <"$output/$1/$2" | cut -d' ' -f1)"
}

cat >"$output/checksums.json" <<JSON
{
  "2.2.2": {
    "qemu": $(checksum 2.2.2 kata-static-2.2.2-x86_64.tar.xz)
  },
  "3.7.0": {
    "qemu": $(checksum 3.7.0 kata-static-3.7.0-amd64.tar.xz),
    "qemu-runtime-rs": $(checksum 3.7.0 kata-static-3.7.0-amd64.tar.xz)
  },
  "3.32.0": {
    "qemu": $(checksum 3.32.0 kata-static-3.32.0-amd64.tar.zst),
    "qemu-runtime-rs": $(checksum 3.32.0 kata-static-3.32.0-amd64.tar.zst)
  },
  "4.1.0": {
    "qemu": $(checksum 4.1.0 kata-go-static-4.1.0-amd64.tar.zst),
    "qemu-runtime-rs": $(checksum 4.1.0 kata-static-4.1.0-amd64.tar.zst)
  }
}
JSON
