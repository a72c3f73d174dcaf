#!/usr/bin/env bash
# run.sh DISTRIBUTION: makes this machine a cluster of one node, installs Kata Containers on it over SSH, starts pods in virtual
# machines, and removes Kata again. It needs root, /dev/kvm and the internet, and it changes the machine for good: it is for
# hosted runners, which are used once.
set -euo pipefail
cd "$(dirname "$0")/../.."
distribution=$1
node=worker-1
folder=/var/lib/kata-virtualization
LAB_HOME=$PWD/lab
for file in common cache tools; do
    # shellcheck source=/dev/null
    . "$LAB_HOME/lib/$file.sh"
done
# shellcheck source=/dev/null
. "tests/virtualization/$distribution.sh"

[ "${GITHUB_ACTIONS-}" = true ] || fail "this would change the machine for good: run it on a hosted runner"
[ -e /dev/kvm ] || fail "this machine has no /dev/kvm"

say "preparing the machine"
mkdir -p $folder/ssh /root/.ssh
# The test compares all files in these folders, and Kata needs the space. They also contain Node.js, and programs in bin.
cp -a "$(dirname "$(dirname "$(command -v node)")")" $folder/node
PATH=$folder/node/bin:$PATH
find /opt /usr/local -mindepth 2 -not -path '/usr/local/bin/*' -delete
modprobe vhost_vsock || apt-get install -qy "linux-modules-extra-$(uname -r)"
ssh-keygen -q -t ed25519 -N '' -f $folder/key
cat $folder/key.pub >>/root/.ssh/authorized_keys
systemctl start ssh

say "setting up $distribution"
make_cluster $node
wait_until 120 kubectl wait --for=condition=Ready node/$node --timeout=1s || fail "$node does not become Ready"
wait_until 60 kubectl get serviceaccount default || fail "the default service account is missing"
ctr -n k8s.io images pull docker.io/library/busybox:1.37 >/dev/null
ctr -n k8s.io images tag docker.io/library/busybox:1.37 docker.io/library/busybox:lab

jq -n --arg node $node --arg privateKeyFile $folder/key --arg hostKey "$(cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub)" \
    --arg containerd "$(containerd --version | cut -d ' ' -f 3)" --arg kind "$distribution" \
    '{ nodes: { ($node): ({ host: "127.0.0.1", port: 22, user: "root", machine: "host", root: null } + ($ARGS.named | del(.node))) } }' \
    >$folder/inventory.json
export LAB_INVENTORY=$folder/inventory.json PULUMI_CONFIG_PASSPHRASE=lab
npx mocha --require ./tests/virtualization/hooks.ts tests/languages/tarball.test.ts
