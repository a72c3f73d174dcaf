# Runs on the node for a pod of the DaemonSet: runner.sh keep|remove PID, the process id of the pod.
#
#   keep    installs what the files of the pod request, labels the Node, and looks every interval whether it is still so. It ends
#           with an error when a change fails; the kubelet starts it again, later each time.
#   remove  waits for the end of the pod. It removes Kata Containers if the DaemonSet is being deleted or its node selector no
#           longer selects the node, and otherwise leaves the node as it is: pods also end when they are updated or evicted.
#
# They are two containers, because the one that removes must run whenever the pod ends. All changes are made by the node program,
# node.sh, in units of their own, so they survive the end of the pod. Talks to the API server with the account of the pod, at the
# address in the kubeconfig of the kubelet, as every node can reach it there.
#
# In the ConfigMap OBJECT-rollout, each node that changes or has failed has an entry, NODE: STATE REVISION TIME REASON. At most
# MAX_UNAVAILABLE nodes have one that counts (a turn), also when all pods start at the same time.

# Set first, because a pod may end while it starts.
ENDING=""
if [ "$1" = remove ]; then trap 'ENDING=yes' TERM; fi

POD=/proc/$2/root
FILES=$POD/kata-containers
ACCOUNT=$POD/kata-containers-account
# All functions of the node program; its last line calls them.
eval "$(sed '$d' "$FILES/node.sh")"

setting() { sed -n "s/^$1=//p" "$FILES/settings"; }
parse probe --owner="$(setting OWNER)" --node="$NODE_NAME"
OBJECT=$(setting OBJECT)
NAMESPACE=$(setting NAMESPACE)
REVISION=$(setting REVISION)

DAEMON_SET=/apis/apps/v1/namespaces/$NAMESPACE/daemonsets/$OBJECT
ROLLOUT=/api/v1/namespaces/$NAMESPACE/configmaps/$OBJECT-rollout
# A node that changes for longer has lost its pod or its power.
STALE_AFTER=1200
NODES=0 # how many the DaemonSet selects
TURN=- # the revision for which this node holds a turn
CODE="" # the status code of the last answer of the API server; 000: no answer
WAITED_FOR="" # what was reported last

# --- The API server ---

# api METHOD PATH [TYPE BODY]: the answer in $WORK_DIR/answer, the status code in CODE.
api() {
    local server
    CODE=000
    : >"$WORK_DIR/answer"
    find_server
    if [ ! -s "$WORK_DIR/server" ] || [ ! -s "$ACCOUNT/token" ]; then return 0; fi
    server=$(cat "$WORK_DIR/server")
    if [ $# = 2 ]; then set -- "$1" "$server$2"; else set -- "$1" "$server$2" -H "Content-Type: $3" --data-binary "$4"; fi
    # On standard input, where no other process sees the token. It changes every hour. As "curl", it would get JSON with spaces.
    CODE=$(printf 'header = "Authorization: Bearer %s"\n' "$(cat "$ACCOUNT/token")" | curl -sS -K - -m 20 --noproxy '*' \
        --cacert "$ACCOUNT/ca.crt" -A "$OBJECT" -H "Accept: application/json" -o "$WORK_DIR/answer" -w '%{http_code}' -X "$@" 2>"$WORK_DIR/curl") || CODE=000
}
# api_reason: why the last question failed.
api_reason() {
    if [ "$CODE" = 000 ]; then
        printf '%s\n' "the API server does not answer: $(tail -n 1 "$WORK_DIR/curl" 2>/dev/null | excerpt)"
    else
        printf '%s\n' "the API server answers with $CODE: $(sed -nE 's/.*"message":"(([^"\\]|\\.)*)".*/\1/p' "$WORK_DIR/answer" | sed 's/\\\(.\)/\1/g' | excerpt)"
    fi
}
answer_entry() { sed -n "s,.*\"$1\":\"\\([^\"]*\\)\".*,\\1,p" "$WORK_DIR/answer"; } # NAME, which is there once

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# event KIND NAME NAMESPACE UID REASON MESSAGE: `kubectl describe` and `pulumi up` show it with that object.
# shellcheck disable=SC2153 # parse sets NODE
event() {
    local version=v1 object=""
    if [ "$1" = DaemonSet ]; then version=apps/v1 object=",\"namespace\":\"$3\""; fi
    api POST "/api/v1/namespaces/$3/events" application/json "{
        \"metadata\":{\"generateName\":\"$OBJECT-\"},\"type\":\"Warning\",\"reason\":\"$5\",\"message\":$(json_string "$(printf %s "$6" | cut -c 1-1000)"),
        \"involvedObject\":{\"apiVersion\":\"$version\",\"kind\":\"$1\",\"name\":\"$2\",\"uid\":\"$4\"$object},
        \"source\":{\"component\":\"$OBJECT\",\"host\":\"$NODE\"},\"count\":1,\"firstTimestamp\":\"$(now)\",\"lastTimestamp\":\"$(now)\"}"
}
# warn REASON MESSAGE: an Event of the Node, and one of the DaemonSet.
warn() {
    event Node "$NODE" default "$NODE" "$1" "$2"
    api GET "$DAEMON_SET"
    [ "$CODE" != 200 ] || event DaemonSet "$OBJECT" "$NAMESPACE" "$(sed -n 's/^[^}]*"uid":"\([^"]*\)".*/\1/p' "$WORK_DIR/answer")" "$1" "$NODE: $2"
}

# pause SECONDS: a signal ends it.
pause() { sleep "$1" & wait $! || :; }

# --- Turns ---

# entries_of_rollout: node, tab, entry, from the ConfigMap in $WORK_DIR/answer.
entries_of_rollout() {
    awk '{
        if (!(i = index($0, ",\"data\":{"))) next
        rest = substr($0, i + 9)
        while (match(rest, /^,?"[^"]*":"([^"\\]|\\.)*"/)) {
            entry = substr(rest, 1, RLENGTH)
            rest = substr(rest, RLENGTH + 1)
            sub(/^,?"/, "", entry)
            i = index(entry, "\":\"")
            print substr(entry, 1, i - 1) "\t" substr(entry, i + 3, length(entry) - i - 3)
        }
    }' "$WORK_DIR/answer"
}
# blocking STATE PROVEN: the other entries that count for it, which are those with the same state. Nodes that failed stop the changes of
# this revision until some node has proved it; after that, a failure is one of that node. An entry that this node has seen unchanged
# for STALE_AFTER seconds does not count.
blocking() {
    entries_of_rollout | E_NODE=$NODE E_REVISION=$REVISION E_STATE=$1 E_PROVEN=$2 awk -F '\t' -v now="$(uptime)" -v limit="$STALE_AFTER" -v seen="$WORK_DIR/seen" '
        BEGIN {
            while ((getline line < seen) > 0) since[substr(line, index(line, " ") + 1)] = line + 0
            close(seen)
            printf "" > seen
        }
        $1 == ENVIRON["E_NODE"] { next }
        { split($2, word, " ") }
        word[1] == ENVIRON["E_STATE"] || (ENVIRON["E_STATE"] == "changing" && word[1] == "failed" && word[2] == ENVIRON["E_REVISION"] && word[2] != ENVIRON["E_PROVEN"]) {
            if (!($0 in since)) since[$0] = now
            print since[$0], $0 > seen
            if (now - since[$0] < limit) print
        }'
}
# turns LIMIT: how many nodes may have one at a time.
turns() {
    awk -v limit="$1" -v nodes="$NODES" '
        BEGIN { number = limit < 1 ? int(limit * nodes) : limit; print (number < 1 ? 1 : number) }'
}
# count_nodes: they may become more meanwhile.
count_nodes() {
    local number
    api GET "$DAEMON_SET"
    number=$(sed -n 's/.*"desiredNumberScheduled":\([0-9]*\).*/\1/p' "$WORK_DIR/answer")
    NODES=${number:-$NODES}
}
# write_rollout JSON: merges it into the ConfigMap.
write_rollout() { api PATCH "$ROLLOUT" application/merge-patch+json "$1"; }
end_turn() { write_rollout "{\"data\":{\"$NODE\":null}}"; }
# entry STATE REVISION [REASON]
entry() { json_string "$1 $2 $(now)${3:+ $3}"; }

# take_turn STATE LIMIT: waits for it. It fails if the API server refuses.
take_turn() {
    local others other refusals=0
    while :; do
        count_nodes
        api GET "$ROLLOUT"
        if [ "$CODE" = 200 ]; then
            others=$(blocking "$1" "$(answer_entry kata-containers/proven)")
            if [ "$(printf '%s\n' "$others" | grep -c .)" -lt "$(turns "$2")" ]; then
                write_rollout "{\"metadata\":{\"resourceVersion\":\"$(answer_entry resourceVersion)\"},\"data\":{\"$NODE\":$(entry "$1" "$REVISION")}}"
                if [ "$CODE" = 200 ]; then return; fi
            else
                wait_for "waiting for other nodes: $(printf '%s\n' "$others" | sed "s/$TAB/ is /" | head -n 3 | paste -s -d ';' - | excerpt)"
                # A Node that was deleted does not remove its entry.
                for other in $(printf '%s\n' "$others" | cut -f 1 | head -n 3); do
                    api GET "/api/v1/nodes/$other"
                    if [ "$CODE" = 404 ]; then write_rollout "{\"data\":{\"$other\":null}}"; fi
                done
                CODE=200
            fi
        fi
        case $CODE in
            200) refusals=0 ;;
            409) ;; # another node was faster
            *) is_patient "$refusals" || return 1
                refusals=$((refusals + 1)) ;;
        esac
        pause_between 4
    done
}
# is_patient REFUSALS: a server that starts may refuse what it allows later.
is_patient() {
    wait_for "$(api_reason)"
    case $CODE in 000 | 409 | 429 | 5*) return 0 ;; esac
    [ "$1" -lt 12 ]
}
# pause_between SECONDS: at least one, longer in a large cluster, and random, so that nodes that wait together do not ask together.
pause_between() {
    pause "$(awk -v most="$1" -v nodes="$NODES" -v seed="$(($(uptime) + $$))" 'BEGIN { srand(seed); printf "%.1f", 1 + rand() * (nodes / 20 > most ? nodes / 20 : most) }')"
}
wait_for() { if [ "$1" != "$WAITED_FOR" ]; then WAITED_FOR=$1 && say "$1"; fi; }

# --- The node program ---

# arguments ACTION: those of the action, one per line, as its record has them.
arguments() {
    printf '%s\n' "$1" "--owner=$OWNER" "--node=$NODE"
    if [ -e "$FILES/$1" ]; then cat "$FILES/$1"; fi
}
# with_arguments ACTION COMMAND...: runs the command with them.
# shellcheck disable=SC2046 # split at line breaks
with_arguments() {
    local action="$1" IFS="$NEWLINE"
    shift
    set -f
    set -- "$@" $(arguments "$action")
    set +f; IFS=" $TAB$NEWLINE"
    "$@"
}
# run PROGRAM ACTION: its output is the log of the pod, and stays in $WORK_DIR/log.
run() {
    local process
    : >"$WORK_DIR/log"
    KATA_URL_QUERIES=$(cat "$POD/kata-containers-release/queries") KATA_URL_PROXY=$(cat "$POD/kata-containers-release/proxy")
    export KATA_URL_QUERIES KATA_URL_PROXY
    with_arguments "$2" sh "$1" >"$WORK_DIR/log" 2>&1 &
    process=$!
    copy_log "$WORK_DIR/log" "$process"
    wait "$process"
}
program_id() { sha256sum <"$1" 2>/dev/null | cut -c 1-12; }
is_recorded() { arguments "$1" | cmp -s - "$(record_of "$1")"; } # ACTION

# is_as_requested: the last run of each action was this one, and nothing has drifted since.
is_as_requested() {
    is_recorded stage && is_recorded activate && [ -s "$(record_of status)" ] || return 1
    # Another component may have installed its own, of another version of the package.
    [ -n "$(claims other)" ] || [ "$(program_id "$STATE_DIR/node.sh")" = "$(program_id "$FILES/node.sh")" ] || return 1
    # A signal ends `wait`, but not a command.
    sh "$STATE_DIR/node.sh" probe --owner="$OWNER" --node="$NODE" >"$WORK_DIR/probe" &
    wait $! || return 1
    grep -q '^{"stage":{"revision":"",.*"activate":{"revision":"",' "$WORK_DIR/probe" && return
    say "drift: $(grep -o '"drift":\[[^]]*\]' "$WORK_DIR/probe" | sed 's/"drift"://' | tr '\n' ' ')"
    return 1
}

# --- keep ---

keep() {
    local first=yes
    have curl || give_up "curl is not installed on this node" "install it, so that this node can talk to the API server"
    while :; do
        if ! is_as_requested; then
            rm -f "$POD/run/kata-containers/ready"
            change
            first=yes
        fi
        publish
        # The entry of an earlier run, or of the run that ends here.
        if [ -n "$first" ]; then
            until_done write_rollout "{\"metadata\":{\"annotations\":{\"kata-containers/proven\":\"$REVISION\"}},\"data\":{\"$NODE\":null}}" || refused
            TURN=-
            say "this node is as requested"
        fi
        first=""
        : >"$POD/run/kata-containers/ready"
        pause "$(setting INTERVAL)"
    done
}
change() {
    local new="$STATE_DIR/new.$$" limit
    (umask 077 && mkdir -p "$STATE_DIR" && cat "$FILES/node.sh" >"$new") || {
        rm -f "$new"
        give_up "$new cannot be written" "free some disk space on this node"
    }
    limit=$(setting MAX_PARALLEL_DOWNLOADS)
    if [ -n "$limit" ]; then take_turn downloading "$limit" || refused; fi
    run "$new" stage || failed
    if [ -n "$limit" ]; then until_done end_turn || refused; fi
    take_turn changing "$(setting MAX_UNAVAILABLE)" || refused
    TURN=$REVISION
    # An interrupted run leaves no status.
    rm -f "$(record_of status)"
    run "$STATE_DIR/node.sh" activate || failed
    tail -n 1 "$WORK_DIR/log" >"$WORK_DIR/status"
    flush "$WORK_DIR/status"
    cp "$WORK_DIR/status" "$STATE_DIR/status.new"
    mv "$STATE_DIR/status.new" "$(record_of status)"
}
# publish: the labels, so that Kata pods can run here, and the status of the node.
# shellcheck disable=SC2086 # a list
publish() {
    local handlers
    handlers=$(handlers_of "$OWNER")
    # Another component of this stack has taken the node over, and labels it.
    if [ -z "$handlers" ]; then return; fi
    until_done apply "\"labels\":{\"katacontainers.io/kata-runtime\":\"true\"$(printf ',"handler.kata-containers/%s":"true"' $handlers)},
        \"annotations\":{\"status.kata-containers/$OBJECT\":$(json_string "$(cat "$(record_of status)" 2>/dev/null)")}" || refused
}
# apply METADATA: the fields of the Node that belong to this DaemonSet, and no others.
apply() {
    api PATCH "/api/v1/nodes/$NODE?force=true&fieldManager=$NAMESPACE.$OBJECT" application/apply-patch+yaml \
        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"$NODE\"${1:+,$1}}}"
}
# until_done COMMAND...: asks the API server until it answers. It fails if the API server refuses.
until_done() {
    local refusals=0
    while :; do
        "$@"
        case $CODE in 200 | 201) WAITED_FOR="" && return ;; esac
        is_patient "$refusals" || return 1
        refusals=$((refusals + 1))
        pause_between 8
    done
}

refused() { give_up "$(api_reason)" "restore the objects named $OBJECT, which this package created: run pulumi refresh and pulumi up"; }
# failed: the node program has printed the error last.
failed() {
    local remedy
    remedy=$(sed -n 's/^  what to do: //p' "$WORK_DIR/log" | tail -n 1)
    give_up "$(error_of_run)" "${remedy:-see its output above; if the node has run out of memory, free some}"
}
error_of_run() {
    local error
    error=$(sed -n 's/^error: node [^,]*, step/step/p' "$WORK_DIR/log" | tail -n 1)
    printf '%s\n' "${error:-the node program was killed}"
}
# give_up FINDING REMEDY: reports it everywhere, and ends the container. Without a turn, the failure does not stop other nodes:
# if all of them fail to download, they would wait for each other.
give_up() {
    local text="$1; what to do: $2" length=300
    rm -f "$POD/run/kata-containers/ready"
    printf '%s: %s\n' "$NODE" "$text" | cut -c 1-2000 >"$POD/dev/termination-log"
    say "failed: $text"
    # A ConfigMap holds 1 MiB; Kubernetes supports 5,000 nodes, which may all fail.
    count_nodes
    if [ "$NODES" -gt 1000 ]; then length=100; fi
    write_rollout "{\"data\":{\"$NODE\":$(entry failed "$TURN" "$(printf %s "$text" | cut -c "1-$length")")}}"
    warn KataContainersFailed "$text"
    exit 1
}

# --- remove ---

# must_remove: whether the pod ends because this node shall have no Kata Containers any longer; 2: unknown. An account that is refused proves
# nothing: its token ends with a pod that is deleted by force.
must_remove() {
    local deadline selected
    deadline=$(($(uptime) + 300))
    while [ "$(uptime)" -lt "$deadline" ]; do
        api GET "$DAEMON_SET"
        case $CODE in
            404) return 0 ;;
            200)
                ! grep -q '"deletionTimestamp":"' "$WORK_DIR/answer" || return 0
                selected=0
                is_selected || selected=$?
                case $selected in 0) return 1 ;; 1) return 0 ;; esac
                ;;
        esac
        wait_for "$(api_reason)"
        pause 2
    done
    return 2
}
# is_selected: by the DaemonSet in $WORK_DIR/answer; with status 2, the API server does not say. A deleted Node stays as it is.
is_selected() {
    local selector pair labels
    selector=$(answer_entry kata-containers/node-selector)
    case ,$(answer_entry kata-containers/nodes), in *",$NODE,"*) return 1 ;; esac
    api GET "/api/v1/nodes/$NODE"
    case $CODE in 200) ;; 404) return 0 ;; *) return 2 ;; esac
    labels=$(sed -n 's/.*"labels":{\([^}]*\)}.*/,\1,/p' "$WORK_DIR/answer")
    for pair in $(printf %s "$selector" | tr , ' '); do
        case $labels in *",\"${pair%%=*}\":\"${pair#*=}\","*) ;; *) return 1 ;; esac
    done
}

remove() {
    # `keep` has ended, but its last run may be starting or in progress, and claim the node.
    within 1800 no_unit_runs || :
    flock -w 1800 "$RUN_DIR/lock" true || :
    if [ -e "$STATE_DIR/node.sh" ] && is_claimed; then remove_kata; fi
    until_done end_turn || :
}
no_unit_runs() { ! any_runs "kata-containers-stage-*" "kata-containers-activate-*"; }
remove_kata() {
    local error
    say "removing Kata Containers from this node"
    # Nodes on which the rollout failed do not stop a removal.
    REVISION=removal
    # No new Kata pods.
    until_done apply "" || :
    # After the claim is released, another component may remove the node program.
    while is_claimed; do
        until_free || return 0
        if [ -z "$(claims same)" ] && take_turn changing "$(setting MAX_UNAVAILABLE)"; then TURN=$REVISION; fi
        if run "$STATE_DIR/node.sh" deactivate && run "$STATE_DIR/node.sh" unstage; then return; fi
        error=$(error_of_run)
        if [ "$error" != "$WAITED_FOR" ]; then warn KataContainersNotRemoved "$error"; fi
        end_turn
        WAITED_FOR=$error
        pause 30
    done
}
# until_free: waits for the end of the sandboxes, unless they shall be killed, or another component has taken the node over. It fails
# if the node shall keep Kata Containers after all.
until_free() {
    local names answer
    if grep -qx -e --force=true "$FILES/deactivate"; then return; fi
    while [ -z "$(claims same)" ] && names=$(names_of_sandboxes) && [ -n "$names" ]; do
        if [ "$names" != "$WAITED_FOR" ]; then
            WAITED_FOR=$names
            say "waiting for the end of sandboxes: $names"
            warn KataContainersInUse "Kata Containers is removed when these pods have ended: $names; delete them, or set forceRemoval to true in an update before the removal"
        fi
        pause 5
        answer=0
        must_remove || answer=$?
        [ "$answer" != 1 ] || return 1
    done
}
names_of_sandboxes() { (with_arguments deactivate sandboxes_left) 2>/dev/null || echo "those of $NODE, whose container runtime does not list them"; }
sandboxes_left() {
    parse "$@"
    find_containerd
    find_handlers
    no_sandboxes || sandbox_names
}

WORK_DIR=$RUN_DIR/runner-$$
private_folder "$RUN_DIR"
private_folder "$WORK_DIR"
trap 'rm -rf "$WORK_DIR"' EXIT
# Those of runners that were killed.
for folder in "$RUN_DIR"/runner-*; do kill -0 "${folder##*-}" 2>/dev/null || rm -rf "$folder"; done
find_distribution
case $1 in
    keep)
        trap 'exit 0' TERM
        keep
        ;;
    remove)
        # A signal just before `wait` does not end it.
        while [ -z "$ENDING" ]; do pause 5; done
        answer=0
        must_remove || answer=$?
        case $answer in
            0) remove ;;
            2) say "cannot find out why the pod ends, so this node keeps Kata Containers" ;;
        esac
        ;;
esac
