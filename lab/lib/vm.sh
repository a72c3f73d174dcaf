# shellcheck shell=bash
# Nodes with a kernel of their own: QEMU machines in emulation, made from the same root filesystem plus Debian's kernel. They
# have what a container lacks: kernel modules, /dev/kvm, cgroup v2, and a power cut that loses what was not synced.

VM_PACKAGES="
    qemu-img qemu-utils
    qemu-system-x86_64 qemu-system-x86
    /usr/share/seabios/bios-256k.bin seabios
    mke2fs e2fsprogs
"

# prepare_vm: VM_ROOT is the root filesystem of such a node.
prepare_vm() {
    declare -g VM_ROOT
    install_packages "$VM_PACKAGES"
    cached vm "the root filesystem of a virtual machine: a node's, and Debian's kernel (2 to 3 minutes)" \
        "${NODE_ROOT##*/}" -- make_vm_root
    # shellcheck disable=SC2034 # for mount_node
    VM_ROOT=$REPLY
}

# make_vm_root FOLDER
make_vm_root() {
    NODE_PACKAGES+=,udev,initramfs-tools,linux-image-amd64
    make_node_root "$1"
    # The modules that the root filesystem needs, instead of those of any machine: a quarter of the size.
    echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"
    printf '%s\n' virtio_pci virtio_blk ext4 >>"$1/etc/initramfs-tools/modules"
    chroot "$1" update-initramfs -u
    # Else udev loads it at boot, and nobody sees whether what installs Kata does.
    echo blacklist kvm_amd >"$1/etc/modprobe.d/lab.conf"
    chroot "$1" systemctl disable -q lab-node
    chroot "$1" systemctl enable -q systemd-networkd
    # A concession to containers.
    sed -i '/^enforceNodeAllocatable:/d' "$1/var/lib/kubelet/config.yaml"
}

is_vm() { [ "$(node_kind "$1")" = vm ]; }

# A device on the bridge, where the machine is the other end.
make_vm_network() { # NODE
    local device
    device="$(bridge)-$(node_index "$1")"
    ip tuntap add dev "$device" mode tap
    ip link set "$device" master "$(bridge)" up
    ip route add "$(node_pods "$1")" via "$(node_address "$1")"
}

# use_containerd_vm ROOT: without the concession to this machine.
use_containerd_vm() (
    # shellcheck disable=SC2317 # called there
    may_lower_oom_score() { true; }
    use_containerd_2.3 "$1"
)

# finish_vm NODE: its address, and its disk, from its root filesystem as it stands.
finish_vm() {
    local folder=$LAB_DIR/nodes/$1 root index
    root=$(node_root "$1")
    {
        printf '[Match]\nName=en*\n\n[Network]\nAddress=%s/24\nGateway=%s\n' "$(node_address "$1")" "$(host_address)"
        # Nothing to wait for at boot.
        printf '%s\n' LinkLocalAddressing=no IPv6AcceptRA=no
        # Where the pods of the others are, whether they are there yet or not.
        for ((index = 0; index < NODE_LIMIT; index++)); do
            [ "$index" = "$(node_index "$1")" ] ||
                printf '\n[Route]\nDestination=%s\nGateway=%s\n' "$(pods_of $index)" "$(address_of $index)"
        done
    } >"$root/etc/systemd/network/lab.network"
    cp "$root/vmlinuz" "$root/initrd.img" "$folder"
    mke2fs -q -t ext4 -L root -d "$root" "$folder/disk" 8G >"$LAB_DIR/log/$1-disk.log" 2>&1 ||
        fail "no disk for $1" "$LAB_DIR/log/$1-disk.log"
    umount "$root"
    rm -r "$folder/upper" "$folder/work"
}

# boot_vm NODE. One processor, as two hung once under QEMU 7.2. Whatever the machine has written is in this machine's own
# page cache and outlives QEMU, so that syncing the file as well (cache=writeback) would only take time.
boot_vm() {
    local folder=$LAB_DIR/nodes/$1 mac
    printf -v mac '52:54:00:%02x:00:%02x' "$(lab_number)" "$(node_index "$1")"
    start "node-$1" qemu-system-x86_64 -name "$(bridge)-$1" -nodefaults -display none -serial stdio \
        -machine q35 -accel tcg,thread=multi,tb-size=1024 -cpu max,la57=off -smp 1 -m 3072 \
        -kernel "$folder/vmlinuz" -initrd "$folder/initrd.img" \
        -append "root=/dev/vda rw console=ttyS0 quiet mitigations=off nokaslr" \
        -drive "file=$folder/disk,format=raw,if=virtio,cache=unsafe" \
        -netdev "tap,id=net,ifname=$(bridge)-$(node_index "$1"),script=no,downscript=no" \
        -device "virtio-net-pci,netdev=net,mac=$mac,romfile="
}
