#!/usr/bin/env bash
# What bringing a release costs on a node of a running lab, beside its floor: curl | zstd -d | tar x of the same archive.
#   LAB_NAME=demo bench/release.sh [NODE] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
node=${1:-worker-1} rounds=${2:-5}
eval "$(lab/lab env)"

folder=$(mktemp -d)
address=$(jq -r .releases.url "$LAB_INVENTORY" | sed -E 's,http://([^:]*):.*,\1,')
# The programs of the lab stand for those of a release: some hundred megabytes that compress as programs do.
mkdir -p "$folder/opt/kata/bin" "$folder/opt/kata/share/defaults/kata-containers" "$folder/served"
cp -L "$(dirname "$(command -v kubectl)")"/kube* "$folder/opt/kata/bin"
for ((i = 0; i < 500; i++)); do head -c 20000 "$(command -v kubectl)" >"$folder/opt/kata/share/file$i"; done
archive=$folder/served/kata-static-3.32.0-amd64.tar.zst
tar -C "$folder" -c ./opt | zstd -q -T0 >"$archive"
sum=$(sha256sum "$archive" | cut -c 1-64)
busybox httpd -f -p "$address:8099" -h "$folder/served" &
server=$!
trap 'kill $server; rm -rf "$folder"' EXIT

echo "archive: $(du -m "$archive" | cut -f 1) MiB, unpacked: $(du -sm "$folder/opt" | cut -f 1) MiB, in $(find "$folder/opt" -type f | wc -l) files"
url=http://$address:8099/${archive##*/}
cat src/node/*.sh | lab/lab ssh "$node" 'cat >/root/node.sh'
lab/lab ssh "$node" "
    now() { date +%s.%N; }
    took() { echo \"\$1 \$(echo \"\$(now) \$2\" | awk '{ printf \"%.2f\", \$1 - \$2 }') s\"; }
    for round in $(seq -s ' ' "$rounds"); do
        mkdir /opt/floor; sync; start=\$(now)
        curl -fsSL $url | zstd -dc | tar -C /opt/floor -x
        took floor \$start
        sync; took 'floor, synced' \$start; rm -r /opt/floor
        cp /root/node.sh /root/sent.sh; sync; start=\$(now)
        sh /root/sent.sh stage --owner=bench/bench/bench/bench --version=3.32.0 --host-checks=warn --url-amd64=$url --sha256-amd64=$sum >/root/bench.log || cat /root/bench.log
        took stage \$start
        sh /var/lib/kata-containers-node/node.sh unstage --owner=bench/bench/bench/bench >/root/bench.log
    done
    rm /root/node.sh /root/bench.log" | tee "$folder/times"
echo
sort "$folder/times" | awk -F ' ' '{ v = $(NF - 1); $NF = ""; $(NF - 1) = ""; t[$0] = t[$0] " " v; n[$0]++ }
    END { for (k in t) { split(t[k], a, " "); print "median", k, a[int((n[k] + 1) / 2)], "s" } }'
