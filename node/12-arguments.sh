# The arguments of an action. In --set=TABLE.KEY=LITERAL, the last dot before the value separates the table from the key.

parse() {
    local argument value key
    ACTION=$1
    shift
    OWNER="" VERSION="" HANDLER="" SHIM_PATH="" KATA_CONFIG="" PROGRAM="" CGROUP_DRIVER="" SETTINGS=""
    URL_AMD64="" URL_ARM64="" SHA256_AMD64="" SHA256_ARM64="" NODE="" RUNTIME_CLASS=""
    DEBUG=false CHANGE_UNDER_RUNNING_PODS=false HOST_CHECKS=enforce FORCE=false VERIFY=false
    for argument in "$@"; do
        value=${argument#*=}
        case $argument in
            --owner=*) OWNER=$value ;;
            --version=*) VERSION=$value ;;
            --url-amd64=*) URL_AMD64=$value ;;
            --url-arm64=*) URL_ARM64=$value ;;
            --sha256-amd64=*) SHA256_AMD64=$value ;;
            --sha256-arm64=*) SHA256_ARM64=$value ;;
            --handler=*) HANDLER=$value ;;
            --shim-path=*) SHIM_PATH=$value ;;
            --kata-config=*) KATA_CONFIG=$value ;;
            --program=*) PROGRAM=$value ;;
            --debug=*) DEBUG=$value ;;
            --set=*=*)
                key=${value%%=*}
                SETTINGS="$SETTINGS$NEWLINE${key%.*}$TAB${key##*.}$TAB${value#*=}"
                ;;
            --cgroup-driver=*) CGROUP_DRIVER=$value ;;
            --change-under-running-pods=*) CHANGE_UNDER_RUNNING_PODS=$value ;;
            --host-checks=*) HOST_CHECKS=$value ;;
            --force=*) FORCE=$value ;;
            --verify=*) VERIFY=$value ;;
            --node=*) NODE=$value ;;
            --runtime-class=*) RUNTIME_CLASS=$value ;;
            # It only makes a command run again.
            --revision=*) ;;
            *) fail "unknown argument $argument" "run pulumi again, so that this node gets the current node program" ;;
        esac
    done
    KATA_CONFIG_PATH=/etc/kata-containers/$HANDLER/configuration.toml
}
