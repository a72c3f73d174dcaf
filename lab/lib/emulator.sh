# shellcheck shell=bash
# Nodes that are QEMU machines in emulation, with the root filesystem of a container plus Debian's kernel.

VM_PACKAGES="
    qemu-img qemu-utils
    qemu-system-x86_64 qemu-system-x86
    /usr/share/seabios/bios-256k.bin seabios
    mke2fs e2fsprogs
"

emulator_prepare() {
    declare -g VM_ROOT
    install_packages "$VM_PACKAGES"
    cached vm "the root filesystem of a virtual machine: a node's and Debian's kernel (2 to 3 minutes)" \
        "${NODE_ROOT##*/}" -- make_vm_root
    VM_ROOT=$REPLY
}

# make_vm_root FOLDER
make_vm_root() {
    NODE_PACKAGES+=,udev,initramfs-tools,linux-image-amd64
    make_node_root "$1"
    # Only the modules that the root filesystem needs: a quarter of the size.
    echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"
    printf '%s\n' virtio_pci virtio_blk ext4 >>"$1/etc/initramfs-tools/modules"
    chroot "$1" update-initramfs -u
    # Otherwise udev loads kvm_amd at boot, by its aliases, and a test cannot tell whether installing Kata does. A blacklist would
    # keep modules-load.d from loading it too.
    sed -n 's/^alias \(.*\) kvm_amd$/alias \1 off/p' "$1"/lib/modules/*/modules.alias >"$1/etc/modprobe.d/lab.conf"
    chroot "$1" systemctl disable -q lab-node
    chroot "$1" systemctl enable -q systemd-networkd
    # Only containers need this setting.
    sed -i '/^enforceNodeAllocatable:/d' "$1/var/lib/kubelet/config.yaml"
}

emulator_base() { echo "$VM_ROOT"; }
emulator_slowness() { echo 5; }
emulator_may_lower_oom_score() { true; }

# A tap device on the bridge; the machine is its other end.
emulator_network() { # NODE
    local device
    device="$(bridge)-$(node_index "$1")"
    ip tuntap add dev "$device" mode tap
    ip link set "$device" master "$(bridge)" up
    ip route add "$(node_pods "$1")" via "$(node_address "$1")"
}

# Its own network configuration has the routes to all possible nodes.
emulator_route_pods() { :; } # NODE OTHER

# emulator_finish NODE: writes its network configuration, and makes its disk from the root filesystem.
emulator_finish() {
    local folder=$LAB_DIR/nodes/$1 root index
    root=$(node_root "$1")
    {
        printf '[Match]\nName=en*\n\n[Network]\nAddress=%s/24\nGateway=%s\n' "$(node_address "$1")" "$(host_address)"
        # These two would delay the boot.
        printf '%s\n' LinkLocalAddressing=no IPv6AcceptRA=no
        for ((index = 0; index < NODE_LIMIT; index++)); do
            [ "$index" = "$(node_index "$1")" ] ||
                printf '\n[Route]\nDestination=%s\nGateway=%s\n' "$(pods_of $index)" "$(address_of $index)"
        done
    } >"$root/etc/systemd/network/lab.network"
    cp "$root/vmlinuz" "$root/initrd.img" "$folder"
    mke2fs -q -t ext4 -L root -d "$root" "$folder/disk" 8G >"$LAB_DIR/log/$1-disk.log" 2>&1 ||
        fail "could not create the disk of $1" "$LAB_DIR/log/$1-disk.log"
    umount "$root"
    rm -r "$folder/upper" "$folder/work"
}

# emulator_boot NODE: with one processor, because two hung under QEMU 7.2. cache=unsafe is safe enough: data that the machine
# has written is in the page cache of this host, which outlives QEMU.
emulator_boot() {
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

emulator_kill() { # NODE
    local pid
    ! pid=$(pid_of "node-$1") || kill -KILL "$pid"
    wait_until 20 is_gone "node-$1" || fail "node $1 does not stop" "$LAB_DIR/log/node-$1.log"
}
