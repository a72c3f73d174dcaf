# shellcheck shell=bash
# The container images of the lab, because nodes cannot reach a registry: one busybox image, tagged as busybox:lab and as the
# pause image of every kind of node, whose program ends at SIGTERM, as that of Kubernetes does.

# make_images ARCHITECTURE BUSYBOX FOLDER: makes a tar file in Docker's archive format.
make_images() {
    local work=$3/work layer applet
    mkdir -p "$work/root/"{bin,etc,tmp,proc,sys,dev}
    cp "$2" "$work/root/bin/busybox"
    for applet in $("$BUSYBOX/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
    done
    tar -C "$work/root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf "$work/layer.tar" .
    layer=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
    jq -n --arg architecture "$1" --arg layer "sha256:$layer" '{
        $architecture, os: "linux",
        config: { Cmd: ["/bin/sh", "-c", "trap exit TERM; sleep 2147483647 & wait"], Env: ["PATH=/bin"], WorkingDir: "/" },
        rootfs: { type: "layers", diff_ids: [$layer] } }' >"$work/config.json"
    jq -n '[{ Config: "config.json", RepoTags: $ARGS.positional, Layers: ["layer.tar"] }]' \
        --args "${IMAGE_NAMES[@]}" >"$work/manifest.json"
    tar -C "$work" -cf "$3/images.tar" manifest.json config.json layer.tar
    rm -r "$work"
}
