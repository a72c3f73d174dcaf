// A node that gets the node program with the failpoints of failpoints.sh in it. The program runs as the component runs it.

import { spawn } from "node:child_process";
import { join } from "node:path";
import type { KataContainersArgs } from "../../src";
import { activate, type Claim, deactivate, send, stage, unstage } from "../../src/node/commands";
import { makePlan } from "../../src/plan";
import { args, bootNode, inventory, killNode, onNode, sshOptions } from "./lab";
import { programWith } from "./program";

export const kinds = ["connection", "program", "power", "disk", "service"] as const;
/** The faults. failpoints.sh says what each of them does. */
export type Kind = (typeof kinds)[number];

export interface Run {
    status: number | null;
    output: string;
}

/** The state of a node: a list of every file that matters, and what is unhealthy ("" if all is healthy). */
export interface Inspection {
    snapshot: string;
    unhealthy: string;
}

/** What the faults must know about a kind of node. */
interface Shape {
    /** The units whose start a fault can prevent. */
    units: string;
    /** The files that configure the container runtime. */
    configuration: string;
    /** Prints what is wrong with the container runtime. */
    check: string;
}
const cri = (ctr: string) =>
    `${ctr} plugins ls | awk '$2 == "cri" || $1 == "io.containerd.cri.v1" { seen = 1; if ($NF != "ok") bad = 1 } END { exit !seen || bad }' || echo "CRI is unhealthy"`;
const usual: Shape = {
    units: "containerd kubelet",
    configuration: "/etc/containerd/config.toml /etc/containerd/conf.d/*.toml /var/lib/kubelet/config.yaml",
    check: `containerd config dump >/dev/null 2>&1 || echo "containerd does not accept its configuration"
            ${cri("ctr")}`,
};
const rancher = (units: string, data: string, ctr: string): Shape => ({
    units,
    configuration: `${data}/agent/etc/containerd/*.tmpl ${data}/agent/etc/containerd/*.d/*`,
    check: cri(`${ctr} --address /run/k3s/containerd/containerd.sock`),
});
// k0s starts containerd without a unit.
const k0s: Shape = { units: "", configuration: "/etc/k0s/containerd.d/*", check: cri("k0s ctr") };
const shapes: { [kind: string]: Shape } = {
    rke2: rancher("rke2-server", "/var/lib/rancher/rke2", "/var/lib/rancher/rke2/bin/ctr"),
    k3s: rancher("k3s-lab", "/srv/rancher/k3s", "k3s ctr"),
    k0s,
    "k0s-1.35": k0s,
    microk8s: {
        units: "snap.microk8s.daemon-containerd",
        configuration: "/var/snap/microk8s/current/args/containerd-template.toml",
        check: cri("/snap/microk8s/current/bin/ctr --address /var/snap/microk8s/common/run/containerd.sock"),
    },
    crio: {
        units: "crio",
        configuration: "/etc/crio/conf.d/*",
        check: 'crictl info >/dev/null || echo "CRI-O does not answer"',
    },
};

/** The folders that the program writes to. */
const written = "/etc/containerd /etc/systemd/system /etc/modules-load.d /var/lib/kata-containers-node";

export class FaultyNode {
    private readonly program = programWith(join(__dirname, "failpoints.sh"));
    private readonly claim: Claim;
    private readonly shape: Shape;

    constructor(
        readonly name: string,
        private readonly more: Partial<KataContainersArgs> = {},
    ) {
        this.claim = { owner: "organization/e2e/faults/kata", node: name };
        this.shape = shapes[inventory().nodes[name]!.kind] ?? usual;
    }

    /** The faults and failpoints that concern what is different on this kind of node. */
    get special() {
        const folders = this.shape.configuration.split(" ").map((path) => path.slice(0, path.lastIndexOf("/") + 1));
        return {
            kinds: kinds.filter(
                (kind) => kind === "program" || kind === "power" || (kind === "service" && this.shape.units),
            ),
            concerned: (failpoint: string) =>
                /^(begin|commit|restart|boot|end)\b/.test(failpoint) ||
                folders.some((folder) => failpoint.includes(folder)),
        };
    }

    private plan() {
        const { nodes: _, ...settings } = args("3.32.0", this.more);
        return makePlan(settings as Parameters<typeof makePlan>[0]);
    }

    private run(text: string, stdin: string | Buffer = ""): Promise<Run> {
        const { host, port, user } = inventory().nodes[this.name]!;
        // A machine without power does not close its connections.
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

    stage = async () => {
        const sent = await this.run(send(this.program), this.program.packed);
        return sent.status === 0 ? this.run(stage(this.plan(), this.claim, this.program)) : sent;
    };
    activate = () => this.run(activate(this.plan(), this.claim, this.program));
    deactivate = () => this.run(deactivate(this.plan(), this.claim));
    unstage = () => this.run(unstage(this.claim));

    /** Installs what the faults need on the node, such as a check before the services start. */
    prepare(): void {
        onNode(
            this.name,
            `mkdir -p /root/failpoints /small
            : >/root/failpoints/armed
            cat >/root/failpoints/configuration <<'END'
cat ${this.shape.configuration} 2>/dev/null | sha256sum
END
            for unit in ${this.shape.units}; do
                mkdir -p /etc/systemd/system/$unit.service.d
                printf '%s\\n' '[Service]' \\
                    'ExecStartPre=/bin/sh -c "! [ -e /root/failpoints/refuse ] || [ \\"$(sh /root/failpoints/configuration)\\" = \\"$(cat /root/failpoints/good)\\" ] || { echo refused by the test >&2; exit 1; }"' \\
                    >/etc/systemd/system/$unit.service.d/faults.conf
            done
            systemctl daemon-reload`,
        );
    }
    /** Puts the folders that the program writes to, if they exist, on a small disk, which a fault can fill. */
    smallDisk(): void {
        onNode(
            this.name,
            `mount -t tmpfs -o size=8m none /small
            for folder in ${written}; do
                [ -d $folder ] || continue
                mkdir -p /small$folder && cp -a $folder/. /small$folder && mount --bind /small$folder $folder
            done`,
        );
    }
    bigDisk(): void {
        onNode(
            this.name,
            `for folder in ${written}; do ! mountpoint -q $folder || umount $folder; done
            umount /small`,
        );
    }
    restore(): void {
        onNode(
            this.name,
            `rm -rf /root/failpoints /etc/systemd/system/*.service.d/faults.conf && rmdir /small
            for unit in ${this.shape.units}; do rmdir --ignore-fail-on-non-empty /etc/systemd/system/$unit.service.d; done
            systemctl daemon-reload`,
        );
    }

    /** Sets the faults that happen next, each `FAULT FAILPOINT`. */
    arm(...faults: string[]): void {
        onNode(
            this.name,
            `cd /root/failpoints && rm -f names reached power held refuse && sh configuration >good
            cat >armed <<'END'\n${faults.map((fault) => `${fault}\n`).join("")}END`,
        );
    }
    /** The first fault that has not happened yet. */
    next = () => onNode(this.name, "head -n 1 /root/failpoints/armed");
    /** The failpoints that were reached. */
    reached = () => onNode(this.name, "cat /root/failpoints/reached").split("\n");
    /** Tells whether the program waits: until it is released, or until its power is cut. */
    waits = (until: "held" | "power") => onNode(this.name, "ls /root/failpoints").split("\n").includes(until);
    release(): void {
        onNode(this.name, "rm /root/failpoints/held");
    }
    /** Waits for the end of the run in progress. The next one may wait at a failpoint already. */
    idle(): void {
        const isIdle = "[ -e /root/failpoints/held ] || flock -n /run/kata-containers-node/lock true";
        onNode(this.name, `timeout 300 sh -c 'until ${isIdle}; do sleep 0.1; done'`);
    }
    /** Ends a fault that lasts. */
    end(): void {
        onNode(this.name, "rm -f /root/failpoints/refuse /small/full");
    }

    /** Runs an action that changes the node to its end, and lists the failpoints on its way. */
    async failpoints(action: () => Promise<Run>): Promise<string[]> {
        this.arm();
        const { status, output } = await action();
        if (status !== 0) throw new Error(output);
        return this.reached();
    }

    /** Runs an action with a fault at a failpoint. */
    async fault(kind: Kind, failpoint: string, action: () => Promise<Run>): Promise<Run> {
        this.arm(`${kind} ${failpoint}`);
        const running = action();
        if (kind === "power") {
            const ended = running.then(() => true);
            while (!this.waits("power")) {
                if (await Promise.race([ended, pause(50)])) throw new Error((await running).output);
            }
            killNode(this.name);
            await running;
            bootNode(this.name);
        }
        return running;
    }

    /** Ends the fault, then inspects the node. `container` is one that must still run. */
    inspect(container?: string): Inspection {
        const [snapshot, unhealthy] = onNode(
            this.name,
            `: >/root/failpoints/armed; rm -f /root/failpoints/refuse /small/full
            find /etc /usr/local/bin /opt ${this.shape.configuration} /var/lib/kata-containers-node/journal* \
                -path '/opt/kata-releases/*/*' -prune -o -type f -size -1000k -exec sha256sum {} + \
                -o -type l -printf '%l %p\n' -o -type d -print 2>/dev/null | sort -k 2
            echo ----
            ${this.shape.check}
            for i in $(seq 100); do [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ] && break; sleep 0.1; done
            [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ] || echo "the kubelet is unhealthy"
            ${container ? `grep -qs ${container} /proc/[0-9]*/cgroup || echo "the container of a pod is gone"` : ""}`,
        ).split("----");
        return { snapshot: snapshot!, unhealthy: unhealthy!.trim() };
    }
}

const pause = (milliseconds: number) => new Promise<false>((resolve) => setTimeout(resolve, milliseconds, false));
