# Runs in both containers of the pod, `keep` and `remove`, and only starts the runner of that name outside of them: as root, in
# the namespaces of the node, but still in the control group of the container, which ends it. The pod shares the process ids of
# the node, so /proc/<id of this process>/root leads the runner to the files of the container.

# Without -p, because that would be another process.
runner=""
trap '[ -z "$runner" ] || kill -TERM "$runner"' TERM
nsenter -t 1 -m -u -i -n sh "/proc/$$/root/kata-containers/runner.sh" "$1" $$ &
runner=$!
while :; do
    status=0
    wait "$runner" || status=$?
    # A signal ends `wait`, but not the runner.
    kill -0 "$runner" 2>/dev/null || exit "$status"
done
