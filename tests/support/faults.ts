// The node program with faults in it: it is run as the component runs it, and something happens just before its nth step.
// A step is a command that the journal has to answer for; which there are is found by running the program once.

import { spawn } from "node:child_process";
import type { KataContainersArgs } from "../../src";
import { activate, deactivate, stage, unstage } from "../../src/node/commands";
import { type Program, programOf, readProgram } from "../../src/node/program";
import { makePlan } from "../../src/plan";
import { args, bootNode, inventory, killNode, onNode, sshOptions } from "./lab";

export const kinds = ["connection", "program", "power", "disk", "service"] as const;
/**
 * What happens: the connection is cut, the program is killed, the node is killed, the disk is full from now on, the
 * services refuse to start with another configuration from now on.
 */
export type Kind = (typeof kinds)[number];

const last = 'main "$@" </dev/null\n';
/** What takes the place of the commands that change something, from the opening of the journal to its end. */
const faults = `
FAULTS=/root/faults
fault_point() {
    case $1 in begin) ;; *) [ -d "$JOURNAL" ] || return 0 ;; esac
    printf '%s\\n' "$1" >>$FAULTS/steps
    read -r fault_kind fault_wanted <$FAULTS/wanted
    # Some steps are in a subshell.
    [ "$(wc -l <$FAULTS/steps)" = "$fault_wanted" ] || [ "$1" = "$fault_wanted" ] || return 0
    echo "fault: $fault_kind before: $1" || :
    echo none >$FAULTS/wanted
    case $fault_kind in
        connection)
            # The worker's parent follows it for the caller, under an SSH server of its own.
            fault_pid=$PPID
            until [ "$(cat /proc/$fault_pid/comm)" = sshd ]; do fault_pid=$(awk '$1 == "PPid:" { print $2 }' /proc/$fault_pid/status); done
            kill -KILL $fault_pid
            ;;
        program) kill -KILL 0 ;;
        power)
            touch $FAULTS/reached
            sleep 600
            ;;
        disk) dd if=/dev/zero of=/small/full bs=4k 2>/dev/null || : ;;
        service) touch $FAULTS/refuse ;;
    esac
}
mkdir() { case $* in "$JOURNAL") fault_point begin ;; esac && command mkdir "$@"; }
rm() { case $* in *"$JOURNAL"* | "-f"*.kata-containers) ;; *) fault_point "remove \${*##* }" ;; esac && command rm "$@"; }
mv() {
    case $* in
        "$JOURNAL/next "*) fault_point "note $(cat "$JOURNAL/next/path")" ;;
        "$JOURNAL "*) fault_point commit ;;
        *) fault_point "write \${*##* }" ;;
    esac
    command mv "$@"
}
timeout() { case $* in *"systemctl restart"*) fault_point "restart \${*##* }" ;; esac && command timeout "$@"; }
`;

function withFaults(): Program {
    const { text } = readProgram();
    if (!text.endsWith(last)) throw new Error(`the node program must end with ${last}`);
    return programOf(text.slice(0, -last.length) + faults + last);
}

export interface Run {
    status: number | null;
    output: string;
}

/** A node whose program has faults. */
export class FaultyNode {
    private readonly program = withFaults();
    private readonly owner = "organization/e2e/faults/kata";

    constructor(
        readonly name: string,
        private readonly more: Partial<KataContainersArgs> = {},
    ) {}

    private plan() {
        const { nodes: _, ...settings } = args("3.32.0", this.more);
        return makePlan(settings as Parameters<typeof makePlan>[0]);
    }

    private run(text: string, stdin = ""): Promise<Run> {
        const { host, port, user } = inventory().nodes[this.name]!;
        // A machine whose power went says nothing any more.
        const alive = ["-o", "ServerAliveInterval=10"];
        const child = spawn("ssh", [...sshOptions(this.name), ...alive, "-p", `${port}`, `${user}@${host}`, text]);
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
            stream.on("data", (data) => {
                output += data;
            });
        }
        child.stdin.on("error", () => {}).end(stdin);
        return new Promise((resolve) => child.on("close", (status) => resolve({ status, output })));
    }

    stage = () => this.run(stage(this.plan(), this.owner, this.program), this.program.packed);
    activate = () => this.run(activate(this.plan(), this.owner, this.program));
    deactivate = () => this.run(deactivate(this.plan(), this.owner));
    unstage = () => this.run(unstage(this.owner));

    /** Installs what the faults need: a small disk for all that is written, and services that can be told to refuse. */
    prepare(): void {
        onNode(
            this.name,
            `mkdir -p /root/faults /small
            echo none >/root/faults/wanted
            cat >/root/faults/configuration <<'END'
cat /etc/containerd/config.toml /etc/containerd/conf.d/*.toml /var/lib/kubelet/config.yaml 2>/dev/null | sha256sum
END
            for unit in containerd kubelet; do
                mkdir -p /etc/systemd/system/$unit.service.d
                printf '%s\\n' '[Service]' \\
                    'ExecStartPre=/bin/sh -c "! [ -e /root/faults/refuse ] || [ \\"$(sh /root/faults/configuration)\\" = \\"$(cat /root/faults/good)\\" ] || { echo refused by the test >&2; exit 1; }"' \\
                    >/etc/systemd/system/$unit.service.d/faults.conf
            done
            systemctl daemon-reload`,
        );
    }
    /** For the time in which the disk is to fill up. */
    smallDisk(): void {
        onNode(
            this.name,
            `mount -t tmpfs -o size=8m none /small
            for folder in /etc/containerd /etc/systemd/system /etc/modules-load.d /var/lib/kata-containers-node; do
                mkdir -p /small$folder && cp -a $folder/. /small$folder && mount --bind /small$folder $folder
            done`,
        );
    }
    bigDisk(): void {
        onNode(
            this.name,
            "umount /etc/containerd /etc/systemd/system /etc/modules-load.d /var/lib/kata-containers-node /small",
        );
    }
    restore(): void {
        onNode(
            this.name,
            "rm -rf /root/faults /etc/systemd/system/*.service.d/faults.conf && rmdir /small /etc/systemd/system/containerd.service.d && systemctl daemon-reload",
        );
    }

    /** The steps of an action that changes something, which is done in full. */
    async steps(action: () => Promise<Run>): Promise<string[]> {
        onNode(this.name, "echo none >/root/faults/wanted && rm -f /root/faults/steps");
        const { status, output } = await action();
        if (status !== 0) throw new Error(output);
        return onNode(this.name, "cat /root/faults/steps").split("\n");
    }

    /** An action in which something happens before its nth step, or the step of that name. */
    async fault(kind: Kind, step: number | string, action: () => Promise<Run>): Promise<Run> {
        onNode(
            this.name,
            `cd /root/faults && rm -f reached refuse steps && echo '${kind} ${step}' >wanted && sh configuration >good`,
        );
        const running = action();
        if (kind === "power") {
            const ended = running.then(() => true);
            while (!onNode(this.name, "ls /root/faults").includes("reached")) {
                if (await Promise.race([ended, pause(50)])) throw new Error((await running).output);
            }
            killNode(this.name);
            await running;
            bootNode(this.name);
        }
        return running;
    }

    /** Every file that counts, and what is not well: nothing, if all is. What the fault has broken is mended before. */
    look(container?: string): { picture: string; ills: string } {
        const [picture, ills] = onNode(
            this.name,
            `cd /root/faults && echo none >wanted && rm -f refuse /small/full
            find /etc /usr/local/bin /opt /var/lib/kubelet/config.yaml /var/lib/kata-containers-node/journal* \
                -path '/opt/kata-releases/*/*' -prune -o -type f -size -1000k -exec sha256sum {} + \
                -o -type l -printf '%l %p\n' -o -type d -print 2>/dev/null | sort -k 2
            echo ----
            containerd config dump >/dev/null 2>&1 || echo "containerd does not accept its configuration"
            ctr plugins ls | awk '$2 == "cri" || $1 == "io.containerd.cri.v1" { seen = 1; if ($NF != "ok") bad = 1 } END { exit !seen || bad }' || echo "CRI is not well"
            for i in $(seq 100); do [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ] && break; sleep 0.1; done
            [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ] || echo "the kubelet is not well"
            ${container ? `ctr -n k8s.io tasks ls | grep ${container} | grep -q RUNNING || echo "the container of a pod is gone"` : ""}`,
        ).split("----");
        return { picture: picture!, ills: ills!.trim() };
    }
}

const pause = (milliseconds: number) => new Promise<false>((resolve) => setTimeout(resolve, milliseconds, false));
