# The arguments of an action. Those after --class=HANDLER or --release=VERSION belong to that class or release; they are in
# GROUPED, one per line: group, tab, name, tab, value. The group of a class is its handler, that of a release its number.

parse() {
    local argument name value group=""
    ACTION=$1
    shift
    OWNER="" NODE="" DISTRIBUTION="" PROGRAM="" CGROUP_DRIVER="" REQUESTED="" HANDLERS="" GROUPED=""
    CHANGE_UNDER_RUNNING_PODS=false HOST_CHECKS=enforce VERIFY="" FORCE=false
    for argument in "$@"; do
        name=${argument%%=*} value=${argument#*=}
        case $argument in
            --owner=*) OWNER=$value ;;
            --node=*) NODE=$value ;;
            --distribution=*) DISTRIBUTION=$value ;;
            --program=*) PROGRAM=$value ;;
            --cgroup-driver=*) CGROUP_DRIVER=$value ;;
            --change-under-running-pods=*) CHANGE_UNDER_RUNNING_PODS=$value ;;
            --host-checks=*) HOST_CHECKS=$value ;;
            --verify=*) VERIFY=$value ;;
            --force=*) FORCE=$value ;;
            --handlers=*) REQUESTED=$(printf %s "$value" | tr , ' ') ;;
            --class=*) group=$value REQUESTED="${REQUESTED:+$REQUESTED }$value" ;;
            --release=*)
                group=$((${group:-0} + 1))
                GROUPED=$GROUPED$group${TAB}version$TAB$value$NEWLINE
                ;;
            --runtime-class=* | --version=* | --url-*=* | --sha256-*=* | --shim-path=* | --kata-config=* | --needs=* | --debug=* | --snapshotter=* | --set=*=* | --verifiable=*)
                GROUPED=$GROUPED$group$TAB${name#--}$TAB$value$NEWLINE
                ;;
            # It only makes a command run again.
            --revision=*) ;;
            *) fail "unknown argument $argument" "run pulumi again, so that this node gets the current node program" ;;
        esac
    done
}

groups() {
    local line seen=" " IFS="$NEWLINE"
    set -f
    for line in $GROUPED; do
        line=${line%%"$TAB"*}
        case $seen in *" $line "*) ;; *) seen="$seen$line " && printf '%s\n' "$line" ;; esac
    done
    set +f
}
# given GROUP NAME: the values of that argument of a class or a release, or with "*" of all. Called too often to start programs, as groups is.
given() {
    local line IFS="$NEWLINE"
    set -f
    # shellcheck disable=SC2254 # "*" is a pattern
    for line in $GROUPED; do case $line in $1"$TAB$2$TAB"*) printf '%s\n' "${line#*"$TAB$2$TAB"}" ;; esac; done
    set +f
}
# all_given NAME: its values in all groups.
all_given() { given "*" "$1" | unique; }

# settings_of HANDLER: table, tab, key, tab, literal. The last dot before the value of --set separates the table from the key.
settings_of() {
    local setting name
    given "$1" set | while IFS= read -r setting; do
        name=${setting%%=*}
        printf '%s\t%s\t%s\n' "${name%.*}" "${name##*.}" "${setting#*=}"
    done
}
