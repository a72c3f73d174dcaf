# shellcheck shell=bash
# Additional tools for programs in every language: current language hosts for the Pulumi CLI, several versions of Node.js,
# and Ansible.

# Command or file, and the Debian package that contains it.
LANGUAGE_PACKAGES="
    git git
    python3 python3
    /usr/share/doc/python3-venv python3-venv
"

# prepare_hosts: sets HOSTS to the folder of the language hosts.
prepare_hosts() {
    local name earlier=()
    declare -g HOSTS
    for name in python go yaml; do
        tool "pulumi-$name" "a language host for the Pulumi CLI, for $name (1 minute)" "$(host_module "$name")"
        earlier+=("$REPLY")
    done
    cached language-host "additions to the language hosts (15 s)" "$LAB_HOME/language-host" "${earlier[@]##*/}" -- \
        make_language_hosts "${earlier[@]}"
    # shellcheck disable=SC2034 # for prepare_tools
    HOSTS=$REPLY
}

# prepare_languages: sets NODES to the folder with the versions of Node.js, and ANSIBLE to the folder of Ansible's programs. The
# language hosts are tools of every lab.
prepare_languages() {
    declare -g NODES ANSIBLE
    install_packages "$LANGUAGE_PACKAGES"
    cached node-versions "Node.js 20, 22 and 24" "$TOOLCHAIN/node" -- make_node_versions
    NODES=$REPLY/node_modules
    prepare_ansible
}

# prepare_ansible: sets ANSIBLE to the folder of its programs.
prepare_ansible() {
    install_packages "$LANGUAGE_PACKAGES"
    cached ansible "Ansible (30 s)" "$TOOLCHAIN/ansible.txt" -- make_ansible
    ANSIBLE=$REPLY/bin
}

host_module() {
    case $1 in
    yaml) echo github.com/pulumi/pulumi-yaml ;;
    *) echo github.com/pulumi/pulumi/sdk/v3 ;;
    esac
}

make_language_hosts() { # EARLIER... FOLDER
    local folder=${*: -1} host name executor
    CGO_ENABLED=0 nice go build -C "$LAB_HOME/language-host" -trimpath -buildvcs=false -ldflags '-s -w' -o "$folder/language-host" .
    mkdir "$folder/earlier"
    for host in "${@:1:$#-1}"; do
        cp "$host"/* "$folder/earlier"
    done
    # The language host for Python runs programs with this script of its module.
    executor=$(go mod download -C "$TOOLCHAIN/pulumi-python" -json github.com/pulumi/pulumi/sdk/v3 | jq -r .Dir)
    install "$executor/python/cmd/pulumi-language-python-exec" "$folder/earlier"
    for name in python go yaml; do
        mv "$folder/earlier/pulumi-language-$name" "$folder/earlier/$name"
        ln -s language-host "$folder/pulumi-language-$name"
    done
    ln -s language-host "$folder/pulumi-language-nodejs"
}

make_node_versions() { # FOLDER
    cp "$TOOLCHAIN"/node/package*.json "$1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund
}

make_ansible() { # FOLDER
    python3 -m venv "$1/venv"
    "$1/venv/bin/pip" install --quiet --requirement "$TOOLCHAIN/ansible.txt"
    mkdir "$1/bin"
    # Not the scripts of pip, which contain the path of this folder: it is renamed later.
    cat >"$1/bin/ansible-inventory" <<'SCRIPT'
#!/bin/sh
program=${0##*/ansible-}
exec "$(dirname "$0")/../venv/bin/python3" -m "ansible.cli.$program" "$@"
SCRIPT
    chmod +x "$1/bin/ansible-inventory"
    ln -s ansible-inventory "$1/bin/ansible-playbook"
}

print_languages() {
    cat <<ENVIRONMENT
export LAB_NODES="$NODES"
export LAB_ANSIBLE="$ANSIBLE"
ENVIRONMENT
}
