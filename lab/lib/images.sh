# shellcheck shell=bash
# The container images of the lab, as no registry can be reached from a node: one with busybox, and the same under the
# names that each containerd has for its pause image.

IMAGE_NAMES=(busybox:lab registry.k8s.io/pause:3.6 registry.k8s.io/pause:3.10.2)

# make_images FOLDER: a tar file in Docker's archive format
make_images() {
    local work=$1/work layer applet
    mkdir -p "$work/root/"{bin,etc,tmp,proc,sys,dev}
    cp "$BUSYBOX/bin/busybox" "$work/root/bin"
    for applet in $("$BUSYBOX/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
    done
    tar -C "$work/root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf "$work/layer.tar" .
    layer=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
    jq -n --arg layer "sha256:$layer" '{
        architecture: "amd64", os: "linux",
        config: { Cmd: ["/bin/sleep", "2147483647"], Env: ["PATH=/bin"], WorkingDir: "/" },
        rootfs: { type: "layers", diff_ids: [$layer] } }' >"$work/config.json"
    jq -n '[{ Config: "config.json", RepoTags: $ARGS.positional, Layers: ["layer.tar"] }]' \
        --args "${IMAGE_NAMES[@]}" >"$work/manifest.json"
    tar -C "$work" -cf "$1/images.tar" manifest.json config.json layer.tar
    rm -r "$work"
}
