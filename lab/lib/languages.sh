# shellcheck shell=bash
# Additional tools for programs in every language: current language hosts for the Pulumi CLI, several versions of Node.js,
# Java, a generator and a parser for C#, and Ansible.

# Command or file, and the Debian package that contains it.
PYTHON_PACKAGES="
    python3 python3
    /usr/share/doc/python3-venv python3-venv
"
LANGUAGE_PACKAGES="
    $PYTHON_PACKAGES
    git git
    javac default-jdk-headless
    mvn maven
"
JAVA_PROJECT=$LAB_HOME/../examples/java/pom.xml

# prepare_hosts NAME LANGUAGE...: sets HOSTS to the folder of the hosts for these languages.
prepare_hosts() {
    local language earlier=()
    declare -g HOSTS
    for language in "${@:2}"; do
        tool "pulumi-$language" "a language host for the Pulumi CLI, for $language (1 minute)" "$(host_module "$language")"
        earlier+=("$REPLY")
    done
    cached "$1" "additions to the language hosts (15 s)" "$LAB_HOME/language-host" "${earlier[@]##*/}" -- \
        make_language_hosts "${earlier[@]}"
    HOSTS=$REPLY
}

# prepare_languages: sets NODES to the folder with the versions of Node.js, ANSIBLE to the folder of Ansible's programs, MAVEN to
# a repository of Maven, and DOTNET and CSHARP to the folders of the generator and the parser for C#. Most language hosts are
# tools of every lab; JAVA_HOST is the folder of the one for Java, unless the Pulumi CLI of the user has its own.
prepare_languages() {
    install_packages "$LANGUAGE_PACKAGES"
    find_full_pulumi
    planned prepare_language_tools
}

prepare_language_tools() {
    declare -g NODES ANSIBLE MAVEN DOTNET CSHARP JAVA_HOST=
    if [ -z "$FULL_PULUMI" ]; then
        prepare_hosts language-host-java java
        JAVA_HOST=$HOSTS
    fi
    cached maven "Maven's plugins and Pulumi's SDK for Java (20 s)" "$JAVA_PROJECT" -- make_maven
    MAVEN=$REPLY
    cached node-versions "Node.js 20, 22 and 24" "$TOOLCHAIN/node" -- make_node_versions
    NODES=$REPLY/node_modules
    tool pulumi-dotnet "the generator of SDKs for .NET (1 minute)" github.com/pulumi/pulumi/pkg/v3
    DOTNET=$REPLY
    cached csharp "a parser for C# (10 s)" "$TOOLCHAIN/csharp.txt" -- make_venv csharp
    CSHARP=$REPLY/venv/bin
    prepare_ansible
}

# prepare_ansible: sets ANSIBLE to the folder of its programs.
prepare_ansible() {
    install_packages "$PYTHON_PACKAGES"
    cached ansible "Ansible (30 s)" "$TOOLCHAIN/ansible.txt" -- make_ansible
    ANSIBLE=$REPLY/bin
}

host_module() {
    case $1 in
    java) echo github.com/pulumi/pulumi-java/pkg ;;
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
    for host in "$folder"/earlier/*; do
        name=${host##*-}
        mv "$host" "$folder/earlier/$name"
        ln -s language-host "$folder/pulumi-language-$name"
    done
    ln -s language-host "$folder/pulumi-language-nodejs"
    [ -e "$folder/earlier/python" ] || return 0
    # The language host for Python runs programs with this script of its module.
    executor=$(go mod download -C "$TOOLCHAIN/pulumi-python" -json github.com/pulumi/pulumi/sdk/v3 | jq -r .Dir)
    install "$executor/python/cmd/pulumi-language-python-exec" "$folder/earlier"
}

# make_maven FOLDER: runs an empty program with the project file of the example, so that programs with it need no download.
make_maven() {
    local work=$1.work
    mkdir -p "$work/src/main/java/example"
    cp "$JAVA_PROJECT" "$work"
    echo 'package example; public class App { public static void main(String[] arguments) {} }' >"$work/src/main/java/example/App.java"
    mvn --file "$work/pom.xml" --batch-mode --no-transfer-progress -Dmaven.repo.local="$1" compile exec:java
    rm -r "$work"
}

make_node_versions() { # FOLDER
    cp "$TOOLCHAIN"/node/package*.json "$1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund
}

# make_venv NAME FOLDER: installs toolchain/NAME.txt with pip.
make_venv() {
    python3 -m venv "$2/venv"
    "$2/venv/bin/pip" install --quiet --requirement "$TOOLCHAIN/$1.txt"
}

make_ansible() { # FOLDER
    make_venv ansible "$1"
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

# The options for Java reduce the time that Maven takes.
print_languages() {
    cat <<ENVIRONMENT
export PATH="\$PATH${JAVA_HOST:+:$JAVA_HOST}"
export MAVEN_OPTS="-Dmaven.repo.local=$MAVEN -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
export LAB_NODES="$NODES"
export LAB_ANSIBLE="$ANSIBLE"
export LAB_DOTNET="$DOTNET"
export LAB_CSHARP="$CSHARP"
ENVIRONMENT
}
