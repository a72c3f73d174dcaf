# shellcheck shell=bash
# Nodes that are QEMU machines in emulation, with the root filesystem of a container plus Debian's kernel, also for arm64.

VM_PACKAGES="
    qemu-img qemu-utils
    qemu-system-x86_64 qemu-system-x86
    /usr/share/seabios/bios-256k.bin seabios
    mke2fs e2fsprogs
"
VM_PACKAGES_ARM64="
    qemu-system-aarch64 qemu-system-arm
    mke2fs e2fsprogs
"

emulator_prepare() {
    declare -gA VM_ROOTS IMAGES
    "emulator_prepare_$KIND_ARCHITECTURE"
}

emulator_prepare_amd64() {
    install_packages "$VM_PACKAGES"
    cached vm "the root filesystem of a virtual machine: a node's and Debian's kernel (3 minutes)" \
        "${NODE_ROOT##*/}" -- make_vm_root amd64 "$KUBERNETES/kubelet"
    VM_ROOTS[amd64]=$REPLY
}

emulator_prepare_arm64() {
    local version kubelet
    install_packages "$VM_PACKAGES_ARM64"
    version=$(module_version kubernetes k8s.io/kubernetes)
    cached kubelet-arm64 "the kubelet $version for arm64 (5 minutes)" "$TOOLCHAIN/kubernetes" "$KUBERNETES_LDFLAGS" -- \
        make_kubelet arm64 "${KUBERNETES_LDFLAGS//VERSION/$version}"
    kubelet=$REPLY
    cached qemu-user "from Debian, to run programs for arm64" "$DEBIAN" -- take_from_debian qemu-user-static
    cached vm-arm64 "the root filesystem of a virtual machine for arm64 (10 minutes)" \
        "${NODE_ROOT##*/}" "${kubelet##*/}" "$(declare -f make_vm_root)" -- make_vm_root_arm64 "$REPLY" "$kubelet/kubelet"
    VM_ROOTS[arm64]=$REPLY
    cached images-arm64 "the container images for arm64" "${IMAGE_NAMES[*]}" "${REPLY##*/}" -- make_images arm64 "$REPLY/bin/busybox"
    # shellcheck disable=SC2034 # for import_images
    IMAGES[arm64]=$REPLY
}

# make_vm_root ARCHITECTURE KUBELET FOLDER
make_vm_root() {
    NODE_PACKAGES+=,udev,initramfs-tools,linux-image-$1
    # Only the modules that the root filesystem needs: a quarter of the size.
    # shellcheck disable=SC2016 # mmdebstrap sets $1
    make_node_root "$@" --essential-hook='
        mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
        echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"
        printf "%s\n" virtio_pci virtio_blk ext4 >"$1/usr/share/initramfs-tools/modules.d/lab"'
    # Otherwise udev loads kvm_amd at boot, by its aliases, and a test cannot tell whether installing Kata does. A blacklist would
    # keep modules-load.d from loading it too.
    sed -n 's/^alias \(.*\) kvm_amd$/alias \1 off/p' "$3"/lib/modules/*/modules.alias >"$3/etc/modprobe.d/lab.conf"
    chroot "$3" systemctl disable -q lab-node
    chroot "$3" systemctl enable -q systemd-networkd
    # Only containers need this setting.
    sed -i '/^enforceNodeAllocatable:/d' "$3/var/lib/kubelet/config.yaml"
}

# make_vm_root_arm64 QEMU_USER KUBELET FOLDER: busybox is for the images.
make_vm_root_arm64() {
    NODE_PACKAGES+=,busybox-static
    run_arm64_programs "$1" "$3.binfmt"
    make_vm_root arm64 "$2" "$3"
}

# run_arm64_programs QEMU_USER FOLDER: lets this host run programs for arm64 until this shell ends.
run_arm64_programs() {
    local name=kata-lab-$BASHPID
    mkdir -p "$2"
    mount -t binfmt_misc "$name" "$2"
    # If this host has mounted it elsewhere too, the entry outlives this mount.
    # shellcheck disable=SC2064 # the variables are local
    trap "echo -1 >'$2/$name'; umount '$2'; rmdir '$2'" EXIT
    # F opens the interpreter now: a chroot does not contain it.
    sed "s|^:[^:]*\(.*:\)[^:]*:[^:]*$|:$name\1$1/usr/bin/qemu-aarch64-static:F|" "$1/usr/lib/binfmt.d/qemu-aarch64.conf" >"$2/register"
}

emulator_base() { echo "${VM_ROOTS[$KIND_ARCHITECTURE]}"; }
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
    local folder=$LAB_DIR/nodes/$1 mac machine console
    printf -v mac '52:54:00:%02x:00:%02x' "$(lab_number)" "$(node_index "$1")"
    case $KIND_ARCHITECTURE in
    amd64) machine=(qemu-system-x86_64 -machine q35 -cpu "max,la57=off") console=ttyS0 ;;
    arm64) machine=(qemu-system-aarch64 -machine virt -cpu cortex-a72) console=ttyAMA0 ;;
    esac
    start "node-$1" "${machine[@]}" -name "$(bridge)-$1" -nodefaults -display none -serial stdio \
        -accel tcg,thread=multi,tb-size=1024 -smp 1 -m 3072 \
        -kernel "$folder/vmlinuz" -initrd "$folder/initrd.img" \
        -append "root=/dev/vda rw console=$console quiet mitigations=off nokaslr" \
        -drive "file=$folder/disk,format=raw,if=virtio,cache=unsafe" \
        -netdev "tap,id=net,ifname=$(bridge)-$(node_index "$1"),script=no,downscript=no" \
        -device "virtio-net-pci,netdev=net,mac=$mac,romfile="
}

emulator_kill() { # NODE
    local pid
    ! pid=$(pid_of "node-$1") || kill -KILL "$pid"
    wait_until 20 is_gone "node-$1" || fail "node $1 does not stop" "$LAB_DIR/log/node-$1.log"
}
