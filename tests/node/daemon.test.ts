// The scripts of the DaemonSet, in a folder that stands for the node and the pod. A script stands for `curl` and answers from files
// as the API server does; a short node program, with the real functions, records its actions.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    openSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { programFiles, readProgram } from "../../src/node/program";
import { environments, inEveryShell } from "../support/shells";

const scriptOf = (name: string) => readFileSync(join(__dirname, "../../daemon", `${name}.sh`), "utf8");
const functions = readProgram(programFiles().slice(0, -1)).text;

const node = "worker-1";
const object = "kata-containers-kata";
const namespace = "platform";
const owner = "acme/shop/prod/kata in DaemonSet platform/kata-containers-kata";
const token = "eyJ.to-ken_of.the-account";
const secrets = { queries: "amd64-1=sig=s3cret&x=$HOME *", proxy: "http://user:pass-word@proxy:3128" };
const revision = "0123456789";

const paths = {
    daemonSet: `/apis/apps/v1/namespaces/${namespace}/daemonsets/${object}`,
    rollout: `/api/v1/namespaces/${namespace}/configmaps/${object}-rollout`,
    node: `/api/v1/nodes/${node}`,
    "node a": "/api/v1/nodes/a",
    events: `/api/v1/namespaces/${namespace}/events`,
    "events of nodes": "/api/v1/namespaces/default/events",
};
type Kind = keyof typeof paths;

/** Like the API server, it indents the JSON for a client that calls itself curl. */
const curl = (folder: string) => `#!/bin/sh
cat >${folder}/stdin
printf '%s\\n' "$@" >>${folder}/curl-arguments
method="" url="" body="" type="" out="" agent=""
while [ $# -gt 0 ]; do
    case $1 in
        -X) method=$2; shift ;;
        -A) agent=$2; shift ;;
        -o) out=$2; shift ;;
        -H) case $2 in "Content-Type: "*) type=\${2#*: } ;; esac; shift ;;
        --data-binary) body=$(printf %s "$2" | tr '\\n' ' '); shift ;;
        -K | -m | -w | --noproxy | --cacert) shift ;;
        -sS) ;;
        *) url=$1 ;;
    esac
    shift
done
path=\${url#https://api:6443}
printf '%s\\t%s\\t%s\\t%s\\n' "$method" "$path" "$type" "$body" >>${folder}/calls
name=$method$(printf %s "\${path%%[?]*}" | tr / _)
grep -qx 'header = "Authorization: Bearer ${token}"' ${folder}/stdin || name=unauthorized
file=${folder}/api/$name
# The first of a queue, or the usual answer.
for queued in "$file".[0-9]*; do if [ -e "$queued" ]; then mv "$queued" "$file-now"; file=$file-now; break; fi; done
code=$(head -n 1 "$file")
if [ "$code" = 000 ]; then echo "curl: (7) Failed to connect to api" >&2; printf 000; exit 7; fi
if [ -n "$agent" ]; then tail -n +2 "$file" >"$out"; else tail -n +2 "$file" | sed 's/":/": /g; s/[{,]/&\\n/g' >"$out"; fi
printf %s "$code"
`;

/** The last line calls the functions, like that of the real program. */
const program = (folder: string) => `${functions}
STATE_DIR=${folder}/state RUN_DIR=${folder}/run WORK_DIR=${folder}/work
flush() { :; }
kubelet_pid() { echo 1; }
kubelet_kubeconfig() { echo ${folder}/kubeconfig; }
systemctl() { [ "$*" != "is-active kata-containers-stage-* kata-containers-activate-*" ] || cat ${folder}/units 2>/dev/null; }
find_distribution() { if [ -e ${folder}/slow ]; then touch ${folder}/starting; sleep 0.5; fi; }
find_containerd() { [ "$ACTION" = deactivate ]; if [ -e ${folder}/silent ]; then fail "containerd does not answer" "start it"; fi; }
# A power failure.
cp() { if [ -e ${folder}/crash ]; then printf '{"kataV' >"$2"; kill -9 $$; fi; command cp "$@"; }
find_handlers() { :; }
no_sandboxes() { [ ! -s ${folder}/sandboxes ]; }
sandbox_names() { cat ${folder}/sandboxes; }
main() {
    printf 'run\\t%s\\n' "$1" >>${folder}/calls
    parse "$@"
    [ "$ACTION" = probe ] || say "$ACTION begins"
    if [ -e ${folder}/work-$ACTION ]; then . ${folder}/work-$ACTION; fi
    if [ "$ACTION" = probe ]; then cat ${folder}/probe; return; fi
    printf '%s\\n' "$@" >${folder}/arguments-$ACTION
    printf '%s\\n' "$KATA_URL_QUERIES" "$KATA_URL_PROXY" >${folder}/secrets
    case $ACTION in
        stage)
            mv "$0" "$STATE_DIR/node.sh"
            claim
            ;;
        activate)
            printf 'kata-qemu\\towner\\t%s\\nkata-clh\\towner\\t%s\\n' "$OWNER" "$OWNER" >"$STATE_DIR/classes"
            say '{"kataVersions":{"kata-qemu":"4.1.0"}}'
            ;;
        deactivate)
            if release_claim; then return; fi
            rm -f "$STATE_DIR/classes" "$(record_of activate)"
            return
            ;;
        unstage)
            if release_claim; then return; fi
            rm -rf "$STATE_DIR"
            return
            ;;
    esac
    printf '%s\\n' "$@" >"$(record_of "$ACTION")"
}
main "$@" </dev/null
`;

const noDrift = '{"stage":{"revision":"","drift":[]},"activate":{"revision":"","drift":[]},"handlers":[]}';
const drift =
    '{"stage":{"revision":"","drift":[]},"activate":{"revision":"5","drift":["/opt/kata is missing"]},"handlers":[]}';

/** Hostile arguments; the last dot and equals sign of a setting are no matter here. */
const activateArguments = [
    "--program=0123456789ab",
    "--class=kata-qemu",
    '--set=a.b="two  spaces, $HOME $(id) `id` * ? [a-z] ~ \'x\' \\\\n \\" %s &"',
    "--set=-n.c=  leading and trailing  ",
    "--set=a.d=#no comment; Käse 漢字\ttab",
];

interface Call {
    method: string;
    path: string;
    type: string;
    body: any;
}

class Run {
    status: number | null | undefined;

    constructor(
        private readonly child: ChildProcess,
        private readonly logFile: string,
    ) {
        child.on("exit", (code) => {
            this.status = code;
        });
    }

    get pid(): number {
        return this.child.pid!;
    }

    get log(): string {
        return readFileSync(this.logFile, "utf8");
    }

    term(): void {
        this.child.kill("SIGTERM");
    }

    async ended(): Promise<number | null> {
        await until(
            () => this.status !== undefined,
            () => `the script runs on: ${this.log}`,
        );
        return this.status!;
    }

    async logged(text: string): Promise<void> {
        await until(
            () => this.log.includes(text),
            () => `no "${text}" in: ${this.log}`,
        );
    }

    /** It and everything that it has started. */
    kill(): void {
        try {
            process.kill(-this.pid, "SIGKILL");
        } catch {}
    }
}

async function until(condition: () => boolean, otherwise: () => string): Promise<void> {
    for (const end = Date.now() + 15000; !condition(); await sleep(20)) {
        if (Date.now() > end) throw new Error(otherwise());
    }
}

inEveryShell(
    "the pod of a DaemonSet",
    (sandbox) => {
        const pod = "proc/4242/root";
        const ready = `${pod}/run/kata-containers/ready`;
        const termination = `${pod}/dev/termination-log`;
        let shell: string[];
        let runs: Run[];
        let queued: number;

        const has = (path: string) => existsSync(sandbox().path(path));
        const read = (path: string) => readFileSync(sandbox().path(path), "utf8");
        const executable = (path: string, text: string) => chmodSync(sandbox().write(path, text), 0o755);

        /** What the API server answers from now on, or once, before its usual answer. */
        const nameOf = (method: string, kind: Kind) => `api/${method}${paths[kind].replaceAll("/", "_")}`;
        const text = (code: number | string, body: unknown) => `${code}\n${JSON.stringify(body)}\n`;
        const answers = (method: string, kind: Kind, code: number | string, body: unknown = {}) =>
            sandbox().write(nameOf(method, kind), text(code, body));
        const answersOnce = (method: string, kind: Kind, code: number | string, body: unknown = {}) =>
            sandbox().write(`${nameOf(method, kind)}.${queued++}`, text(code, body));

        const daemonSet = (metadata: object = {}, annotations: object = {}) => ({
            ...{ kind: "DaemonSet", apiVersion: "apps/v1" },
            metadata: {
                ...{ name: object, namespace, uid: "uid-of-set", labels: { app: "kata" }, ...metadata },
                annotations: {
                    "kata-containers/node-selector": "kubernetes.io/os=linux,pool=kata",
                    "kata-containers/nodes": "",
                    ...annotations,
                },
            },
            spec: { template: { metadata: { uid: "none" } } },
            status: { currentNumberScheduled: 8, desiredNumberScheduled: 8, numberReady: 3 },
        });
        const nodeWith = (labels: object) => ({
            ...{
                kind: "Node",
                apiVersion: "v1",
                metadata: { name: node, labels, managedFields: [{ "f:labels": {} }] },
            },
            spec: {},
        });
        const labels = { "kubernetes.io/os": "linux", pool: "kata", empty: "" };
        const rollout = (data: { [node: string]: string } = {}, proven?: string) => ({
            ...{ kind: "ConfigMap", apiVersion: "v1" },
            metadata: {
                ...{ name: `${object}-rollout`, namespace, uid: "uid", resourceVersion: "77" },
                annotations: proven ? { "kata-containers/proven": proven } : undefined,
                managedFields: [{ fieldsV1: { "f:data": { "f:x": {} } } }],
            },
            ...(Object.keys(data).length > 0 ? { data } : {}),
        });

        beforeEach(function () {
            const [title] = this.currentTest!.titlePath() as [string];
            shell = environments.find(({ name }) => title.endsWith(`${name})`))!.shell;
            runs = [];
            queued = 10;
            const { folder } = sandbox();
            symlinkSync(execFileSync("which", [shell[0]!], { encoding: "utf8" }).trim(), sandbox().path("path/sh"));
            executable("path/curl", curl(folder));
            sandbox().write("kubeconfig", "clusters:\n- cluster:\n    server: https://api:6443\n");
            sandbox().write("probe", `${noDrift}\n`);
            sandbox().write("calls", "");
            mkdirSync(sandbox().path("work"));
            const files = {
                ...{ "kata-containers/node.sh": program(folder), "kata-containers/runner.sh": runner() },
                ...{ "kata-containers/stage": "--handlers=kata-clh,kata-qemu\n--release=4.1.0\n" },
                ...{
                    "kata-containers/activate": `${activateArguments.join("\n")}\n`,
                    "kata-containers/deactivate": "",
                },
                ...{
                    "kata-containers-release/queries": secrets.queries,
                    "kata-containers-release/proxy": secrets.proxy,
                },
                ...{
                    "kata-containers-account/token": token,
                    "var/run/secrets/kubernetes.io/serviceaccount/token": "old",
                },
                ...{ "dev/termination-log": "", "run/kata-containers/created": "" },
            };
            for (const [name, text] of Object.entries(files)) sandbox().write(`${pod}/${name}`, text);
            settings({});
            symlinkSync("/proc/uptime", sandbox().path("proc/uptime"));
            answers("GET", "daemonSet", 200, daemonSet());
            answers("GET", "rollout", 200, rollout());
            answers("GET", "node", 200, nodeWith(labels));
            for (const other of ["a", "b", "c", "d"]) sandbox().write(`api/GET_api_v1_nodes_${other}`, text(200, {}));
            answers("PATCH", "rollout", 200);
            answers("PATCH", "node", 200);
            answers("POST", "events", 201);
            answers("POST", "events of nodes", 201);
            sandbox().write("api/unauthorized", text(401, { message: "Unauthorized" }));
        });
        /** Inside of each group, so that it runs before the sandbox is removed. */
        const endRuns = () =>
            afterEach(async () => {
                for (const run of runs) run.kill();
                for (const run of runs) await run.ended();
            });

        /** zsh may notice a signal only after the interval. */
        const settings = (changed: { [name: string]: string | number }) => {
            const all = { OWNER: owner, OBJECT: object, NAMESPACE: namespace, REVISION: revision, MAX_UNAVAILABLE: 1 };
            const lines = Object.entries({ ...all, INTERVAL: 4, ...changed }).map(
                ([name, value]) => `${name}=${value}\n`,
            );
            sandbox().write(`${pod}/kata-containers/settings`, lines.join(""));
        };

        /** The runner with the folders of the sandbox and short waits; further texts are replaced as well. */
        function runner(...more: [string, string][]): string {
            const shorter: [string, string][] = [
                ["/proc/", `${sandbox().path("proc")}/`],
                ["1 + rand() * (", "0.1 + 0.01 * ("],
                ["pause 2\n", "pause 0.1\n"],
                ["pause 5", "pause 0.1"],
                ["pause 30\n", "pause 0.1\n"],
            ];
            return [...shorter, ...more].reduce((text, [found, replacement]) => {
                expect(text).to.contain(found);
                return text.replaceAll(found, replacement);
            }, scriptOf("runner"));
        }

        function start(file: string, ...args: string[]): Run {
            const log = sandbox().write(`log-${runs.length}`, "");
            const output = openSync(log, "a");
            const child = spawn(shell[0]!, [...shell.slice(1), file, ...args], {
                cwd: sandbox().folder,
                env: { ...process.env, PATH: `${sandbox().path("path")}:${process.env.PATH}`, NODE_NAME: node },
                stdio: ["ignore", output, output],
                detached: true,
            });
            const run = new Run(child, log);
            runs.push(run);
            return run;
        }
        const startRunner = (role: string) => start(sandbox().path(`${pod}/kata-containers/runner.sh`), role, "4242");
        const useRunner = (...replaced: [string, string][]) =>
            sandbox().write(`${pod}/kata-containers/runner.sh`, runner(...replaced));
        const removeToken = () => rmSync(sandbox().path(`${pod}/kata-containers-account/token`));

        const calls = (): Call[] =>
            read("calls")
                .split("\n")
                .filter(Boolean)
                .map((line) => {
                    const [method, path, type, body] = line.split("\t") as [string, string, string, string];
                    return { method, path, type, body: body ? JSON.parse(body) : undefined };
                });
        const kindOf = (path: string) =>
            Object.entries(paths).find(([, each]) => each === path.split("?")[0])?.[0] ?? path;
        const requests = (method: string, kind: Kind) =>
            calls().filter((call) => call.method === method && kindOf(call.path) === kind);
        /** In their order: `run ACTION`, `METHOD KIND`, and how the entry of the node, or of another one, changes. */
        const order = () =>
            calls().map(({ method, path, body }) => {
                const words = `${method} ${kindOf(path)}`;
                if (words !== "PATCH rollout") return words;
                const [changed, entry] = Object.entries<string | null>(body.data)[0]!;
                return `entry${changed === node ? "" : ` of ${changed}`}: ${entry?.split(" ")[0] ?? "none"}`;
            });
        const changes = () => order().filter((step) => !step.startsWith("GET "));
        const entries = (): (string | null)[] => requests("PATCH", "rollout").map(({ body }) => body.data[node]);

        const untilReady = (run: Run) =>
            until(
                () => has(ready),
                () => `not ready: ${run.log}`,
            );
        /** Runs `keep` until the node is ready, and ends it. */
        const kept = async () => {
            const run = startRunner("keep");
            await untilReady(run);
            run.term();
            expect(await run.ended()).to.equal(0);
            return run;
        };
        const again = () => {
            rmSync(sandbox().path(ready));
            sandbox().write("calls", "");
        };

        const installation = ["run stage", "entry: changing", "run activate", "PATCH node", "entry: none"];

        describe("keep", () => {
            endRuns();

            it("installs: stages without a turn, takes one, activates, labels the Node, releases the turn and is ready", async () => {
                const run = startRunner("keep");
                await untilReady(run);
                expect(order()).to.deep.equal([
                    ...["run stage", "GET daemonSet", "GET rollout", "entry: changing", "run activate", "PATCH node"],
                    "entry: none",
                ]);
                const [taken, released] = requests("PATCH", "rollout");
                expect(taken!.type).to.equal("application/merge-patch+json");
                expect(taken!.body.metadata).to.deep.equal({ resourceVersion: "77" });
                expect(taken!.body.data[node]).to.match(/^changing 0123456789 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
                expect(released!.body).to.deep.equal({
                    metadata: { annotations: { "kata-containers/proven": revision } },
                    data: { [node]: null },
                });
                const [labelled] = requests("PATCH", "node");
                expect(labelled).to.deep.include({ type: "application/apply-patch+yaml" });
                expect([...new URLSearchParams(labelled!.path.split("?")[1])]).to.deep.equal([
                    ["force", "true"],
                    ["fieldManager", `${namespace}.${object}`],
                ]);
                expect(labelled!.body).to.deep.equal({
                    apiVersion: "v1",
                    kind: "Node",
                    metadata: {
                        name: node,
                        labels: {
                            "katacontainers.io/kata-runtime": "true",
                            "handler.kata-containers/kata-qemu": "true",
                            "handler.kata-containers/kata-clh": "true",
                        },
                        annotations: { [`status.kata-containers/${object}`]: '{"kataVersions":{"kata-qemu":"4.1.0"}}' },
                    },
                });
                expect(run.log).to.match(
                    /^stage begins\nactivate begins\n\{"kataVersions".*\}\nthis node is as requested\n$/,
                );
                expect(run.status).to.equal(undefined);
                expect(readdirSync(sandbox().path("run"))).to.deep.equal([`runner-${run.pid}`]);
                run.term();
                expect(await run.ended()).to.equal(0);
                expect(readdirSync(sandbox().path("run"))).to.deep.equal([]);
                expect(readdirSync(sandbox().path("state")).filter((name) => name.startsWith("new."))).to.deep.equal(
                    [],
                );
            });

            it("removes the folders of runners that were killed, and no others", async () => {
                const killed = startRunner("keep");
                await untilReady(killed);
                killed.kill();
                await killed.ended();
                again();
                const remove = startRunner("remove");
                await until(
                    () => has(`run/runner-${remove.pid}`),
                    () => remove.log,
                );
                const run = startRunner("keep");
                await untilReady(run);
                expect(readdirSync(sandbox().path("run")).sort()).to.deep.equal(
                    [`runner-${remove.pid}`, `runner-${run.pid}`].sort(),
                );
            });

            it("passes arguments on as they are, and secrets in the environment and on standard input only", async () => {
                await kept();
                const given = (action: string, more: string[]) =>
                    [action, `--owner=${owner}`, `--node=${node}`, ...more].map((line) => `${line}\n`).join("");
                expect(read("arguments-activate")).to.equal(given("activate", activateArguments));
                expect(read("arguments-stage")).to.equal(
                    given("stage", ["--handlers=kata-clh,kata-qemu", "--release=4.1.0"]),
                );
                expect(read("secrets")).to.equal(`${secrets.queries}\n${secrets.proxy}\n`);
                const visible = read("curl-arguments") + read("arguments-stage") + read("arguments-activate");
                expect(visible)
                    .to.contain(`--cacert\n${sandbox().path(pod)}/kata-containers-account/ca.crt\n`)
                    .and.not.match(/eyJ|s3cret|pass-word/);
            });

            it("changes nothing when it starts again, and proves its revision", async () => {
                await kept();
                again();
                settings({ REVISION: "9876543210" });
                await kept();
                expect(order()).to.deep.equal(["run probe", "PATCH node", "entry: none"]);
                expect(requests("PATCH", "rollout")[0]!.body.metadata.annotations).to.deep.equal({
                    "kata-containers/proven": "9876543210",
                });
                expect(requests("PATCH", "node")[0]!.body.metadata.annotations).to.deep.equal({
                    [`status.kata-containers/${object}`]: '{"kataVersions":{"kata-qemu":"4.1.0"}}',
                });
            });

            for (const [changed, change] of [
                ["arguments of stage", () => sandbox().write(`${pod}/kata-containers/stage`, "--handlers=kata-qemu\n")],
                ["arguments of activate", () => sandbox().write(`${pod}/kata-containers/activate`, "--program=1\n")],
                [
                    "a setting that differs in spaces only",
                    () => {
                        const text = activateArguments.join("\n").replace("two  spaces", "two spaces");
                        sandbox().write(`${pod}/kata-containers/activate`, `${text}\n`);
                    },
                ],
                [
                    "node program",
                    () => sandbox().write(`${pod}/kata-containers/node.sh`, `:\n${program(sandbox().folder)}`),
                ],
                ["node program on the node", () => sandbox().write("state/node.sh", "echo changed\n")],
            ] as [string, () => unknown][]) {
                it(`installs again after a change: ${changed}`, async () => {
                    await kept();
                    again();
                    change();
                    await kept();
                    expect(changes()).to.deep.equal(installation);
                    expect(read("state/node.sh")).to.equal(read(`${pod}/kata-containers/node.sh`));
                });
            }

            it("installs again after a run that left an empty status, or lost its power while it wrote the status", async () => {
                await kept();
                const [status] = readdirSync(sandbox().path("state")).filter((name) => name.startsWith("status-"));
                sandbox().write(`state/${status}`, "");
                again();
                await kept();
                expect(changes()).to.deep.equal(installation);
                expect(read(`state/${status}`)).to.equal('{"kataVersions":{"kata-qemu":"4.1.0"}}\n');

                settings({ REVISION: "9876543210" });
                rmSync(sandbox().path(`state/${status}`));
                sandbox().write("crash", "");
                const crashed = startRunner("keep");
                expect(await crashed.ended()).to.equal(null);
                rmSync(sandbox().path("crash"));
                sandbox().write("calls", "");
                await kept();
                expect(changes()).to.deep.equal(installation);
                expect(requests("PATCH", "node")[0]!.body.metadata.annotations).to.deep.equal({
                    [`status.kata-containers/${object}`]: '{"kataVersions":{"kata-qemu":"4.1.0"}}',
                });
            });

            it("keeps the node program that another component with other handlers has installed", async () => {
                await kept();
                again();
                const otherProgram = `:\n${program(sandbox().folder)}`;
                const claims = `${read("state/owners")}acme/shop/prod/other\t${node}\tkata-fc\n`;
                sandbox().write("state/node.sh", otherProgram);
                sandbox().write("state/owners", claims);
                await kept();
                expect(order()).to.deep.equal(["run probe", "PATCH node", "entry: none"]);
                expect(read("state/node.sh")).to.equal(otherProgram);
            });

            it("repairs the drift that a probe reports, and is not ready meanwhile", async () => {
                settings({ INTERVAL: 1 });
                const run = startRunner("keep");
                await untilReady(run);
                sandbox().write("calls", "");
                sandbox().write(
                    "work-activate",
                    `if [ -e ${sandbox().path(ready)} ]; then say early; fi; echo '${noDrift}' >${sandbox().path("probe")}\n`,
                );
                sandbox().write("probe", `${drift}\n`);
                await run.logged('drift: [] ["/opt/kata is missing"]');
                await untilReady(run);
                await until(
                    () => changes().length > 6,
                    () => `no further probe: ${changes()}`,
                );
                expect(changes().slice(changes().indexOf("run stage")).slice(0, 5)).to.deep.equal(installation);
                expect(changes()).to.contain("run probe");
                expect(run.log).to.not.contain("early");
                run.term();
                expect(await run.ended()).to.equal(0);
            });

            it("applies the labels again at each interval, and leaves the entry alone", async () => {
                settings({ INTERVAL: 1 });
                const run = startRunner("keep");
                await until(
                    () => requests("PATCH", "node").length > 2,
                    () => run.log,
                );
                expect(entries().filter((entry) => entry === null)).to.have.length(1);
                expect(run.log.match(/as requested/g)).to.have.length(1);
            });

            it("does not label a node that another component has taken over", async () => {
                await kept();
                again();
                sandbox().write("state/classes", "kata-qemu\towner\tacme/shop/prod/other\n");
                await kept();
                expect(requests("PATCH", "node")).to.deep.equal([]);
            });

            for (const [action, turn] of [
                ["stage", "-"],
                ["activate", revision],
            ] as const) {
                it(`reports a failure of ${action} everywhere, and is not ready`, async () => {
                    sandbox().write(
                        `work-${action}`,
                        'step "disk"\nfail "no \\"space\\", \\\\ left" "free some, 100 %"\n',
                    );
                    sandbox().write(ready, "");
                    const run = startRunner("keep");
                    expect(await run.ended()).to.equal(1);
                    const reason = 'step "disk": no "space", \\ left; what to do: free some, 100 %';
                    expect(read(termination)).to.equal(`${node}: ${reason}\n`);
                    expect(run.log).to.contain("what to do: free some, 100 %\n").and.contain(`failed: ${reason}\n`);
                    expect(has(ready)).to.equal(false);
                    const [state, rev, , ...words] = entries().at(-1)!.split(" ");
                    expect([state, rev, words.join(" ")]).to.deep.equal(["failed", turn, reason]);
                    const [ofNode] = requests("POST", "events of nodes");
                    const [ofSet] = requests("POST", "events");
                    expect(ofNode!.body).to.deep.include({ type: "Warning", reason: "KataContainersFailed" });
                    expect(ofNode!.body).to.deep.include({ message: reason, metadata: { generateName: `${object}-` } });
                    expect(ofNode!.body.involvedObject).to.deep.equal({
                        apiVersion: "v1",
                        kind: "Node",
                        name: node,
                        uid: node,
                    });
                    expect(ofSet!.body.message).to.equal(`${node}: ${reason}`);
                    expect(ofSet!.body.involvedObject).to.deep.equal({
                        ...{ apiVersion: "apps/v1", kind: "DaemonSet", name: object, uid: "uid-of-set", namespace },
                    });
                    expect(readdirSync(sandbox().path("run"))).to.deep.equal([]);

                    // The kubelet starts it again.
                    rmSync(sandbox().path(`work-${action}`));
                    sandbox().write("calls", "");
                    await kept();
                    expect(changes()).to.deep.equal(installation);
                });
            }

            for (const [number, length] of [
                [1000, 300],
                [5000, 100],
            ] as const) {
                it(`shares ${length} characters of the reason with ${number} nodes, which have 1 MiB together`, async () => {
                    const status = { currentNumberScheduled: 8, desiredNumberScheduled: number, numberReady: 3 };
                    answers("GET", "daemonSet", 200, { ...daemonSet(), status });
                    const finding = "x".repeat(500);
                    sandbox().write("work-stage", `step "disk"\nfail "${finding}" "free some"\n`);
                    expect(await startRunner("keep").ended()).to.equal(1);
                    const entry = entries().at(-1)!;
                    expect(entry).to.match(/^failed - \S+ step "disk": x+$/);
                    expect(entry.split(" ").slice(3).join(" ")).to.have.length(length);
                    expect(entry.length * number).to.be.lessThan(2 ** 20);
                    expect(read(termination)).to.contain(`${finding}; what to do: free some`);
                });
            }

            for (const [action, turn] of [
                ["stage", "-"],
                ["activate", revision],
            ] as const) {
                it(`reports a node program that was killed in ${action}`, async () => {
                    sandbox().write(`work-${action}`, "kill -9 $$\n");
                    const run = startRunner("keep");
                    expect(await run.ended()).to.equal(1);
                    expect(read(termination)).to.match(/^worker-1: the node program was killed; what to do: \S.*\S\n$/);
                    expect(entries().at(-1)).to.match(
                        new RegExp(`^failed ${turn} \\S+Z the node program was killed; `),
                    );
                    expect(requests("POST", "events")).to.have.length(1);
                });
            }

            it("reports that the node program cannot be written, and leaves no part of it", async () => {
                const full = start(
                    sandbox().write("full.sh", 'exec prlimit --fsize=20000 "$@"\n'),
                    ...shell,
                    sandbox().path(`${pod}/kata-containers/runner.sh`),
                    ...["keep", "4242"],
                );
                expect(await full.ended()).to.equal(1);
                expect(read(termination)).to.match(
                    /^worker-1: \S+\/state\/new\.\d+ cannot be written; what to do: free some disk space on this node\n$/,
                );
                expect(changes()).to.deep.equal(["entry: failed", "POST events of nodes", "POST events"]);
                expect(readdirSync(sandbox().path("state"))).to.deep.equal([]);

                rmSync(sandbox().path("state"), { recursive: true });
                sandbox().write("state", "");
                expect(await startRunner("keep").ended()).to.equal(1);
                expect(read(termination)).to.contain("cannot be written");
            });

            const limited: [
                title: string,
                settings: { [name: string]: number },
                entries: { [node: string]: string },
                proven?: string,
            ][] = [
                ["one other node changes, with a limit of 1", {}, { a: `changing ${revision} T` }],
                ["another node changes to another revision", {}, { a: "changing 1111111111 T" }],
                [
                    "two nodes change, with a limit of 2",
                    { MAX_UNAVAILABLE: 2 },
                    { a: "changing 1 T", b: "changing 1 T" },
                ],
                [
                    "two nodes change, with a quarter of 8 nodes",
                    { MAX_UNAVAILABLE: 0.25 },
                    { a: "changing 1 T", b: `failed ${revision} T reason` },
                ],
                [
                    "one node changes, with a fraction of less than one node",
                    { MAX_UNAVAILABLE: 0.01 },
                    { a: "changing 1 T" },
                ],
                [
                    "another node failed with the same revision, which another one has proved before",
                    {},
                    { a: `failed ${revision} T said "a", \\ {"b":"c"}, ",d":"changing` },
                    "1111111111",
                ],
            ];
            for (const [title, given, others, proven] of limited) {
                it(`waits while ${title}`, async () => {
                    settings(given);
                    answers("GET", "rollout", 200, rollout({ ...others, [node]: `failed ${revision} T own` }, proven));
                    const run = startRunner("keep");
                    await run.logged("waiting for other nodes: a is ");
                    await sleep(300);
                    expect(run.log.match(/waiting for other nodes/g)).to.have.length(1);
                    expect(changes()).to.deep.equal(["run stage"]);
                    answers("GET", "rollout", 200, rollout());
                    await untilReady(run);
                    expect(changes()).to.deep.equal(installation);
                });
            }
            const free: typeof limited = [
                ["one node changes, with a limit of 2", { MAX_UNAVAILABLE: 2 }, { a: "changing 1 T" }],
                ["one node changes, with a quarter of 8 nodes", { MAX_UNAVAILABLE: 0.25 }, { a: "changing 1 T" }],
                ["it has an entry of its own", {}, { [node]: "changing 1111111111 T" }],
                ["another node failed with another revision", {}, { a: 'failed 1111111111 T said "a", b: changing' }],
                ["another node failed without a turn", {}, { a: "failed - T reason", b: "failed - T reason" }],
                [
                    "another node failed with the same revision, which is proven",
                    {},
                    { a: `failed ${revision} T said "changing", \\"x":"changing ${revision} T"` },
                    revision,
                ],
            ];
            for (const [title, given, others, proven] of free) {
                it(`does not wait if ${title}`, async () => {
                    settings(given);
                    answers("GET", "rollout", 200, rollout(others, proven));
                    const run = await kept();
                    expect(changes()).to.deep.equal(installation);
                    expect(run.log).to.not.contain("waiting");
                });
            }

            it("does not wait for a node whose entry is old, although entries of others come and go", async () => {
                useRunner(["STALE_AFTER=1200", "STALE_AFTER=2"]);
                settings({ MAX_UNAVAILABLE: 2 });
                let time = 0;
                const next = () =>
                    answers(
                        "GET",
                        "rollout",
                        200,
                        rollout({ a: `changing ${revision} T`, b: `changing ${revision} ${time++}` }),
                    );
                next();
                const timer = setInterval(next, 300);
                try {
                    const run = startRunner("keep");
                    await run.logged("waiting for other nodes: a is ");
                    await untilReady(run);
                    expect(changes()).to.deep.equal(installation);
                } finally {
                    clearInterval(timer);
                }
            });

            it("waits for a turn to download, if their number is limited, and changes while others download", async () => {
                settings({ MAX_PARALLEL_DOWNLOADS: 2 });
                const downloading = (others: object) =>
                    answers(
                        "GET",
                        "rollout",
                        200,
                        rollout({ ...others, c: `failed ${revision} T reason` }, "1111111111"),
                    );
                downloading({ a: "downloading 1 T", b: "downloading 1 T" });
                const run = startRunner("keep");
                await run.logged("waiting for other nodes: a is downloading 1 T");
                await sleep(300);
                expect(changes()).to.deep.equal([]);
                downloading({ a: "downloading 1 T", b: "changing 1 T" });
                await run.logged("waiting for other nodes: b is changing 1 T");
                const downloaded = ["entry: downloading", "run stage", "entry: none"];
                expect(changes()).to.deep.equal(downloaded);
                answers("GET", "rollout", 200, rollout({ a: "downloading 1 T", b: "downloading 1 T" }));
                await untilReady(run);
                expect(changes()).to.deep.equal([...downloaded, ...installation.slice(1)]);
            });

            it("stops nobody if it fails to download in its turn", async () => {
                settings({ MAX_PARALLEL_DOWNLOADS: 1 });
                sandbox().write("work-stage", 'step "release"\nfail "could not download it" "check the mirror"\n');
                expect(await startRunner("keep").ended()).to.equal(1);
                expect(entries().map((entry) => entry?.split(" ").slice(0, 2))).to.deep.equal([
                    ["downloading", revision],
                    ["failed", "-"],
                ]);
            });

            const withNodes = (number: number) => {
                const status = { currentNumberScheduled: 3, desiredNumberScheduled: number, numberReady: 3 };
                answers("GET", "daemonSet", 200, { ...daemonSet(), status });
            };

            it("counts the nodes again while it waits, because there may be more of them", async () => {
                settings({ MAX_UNAVAILABLE: 0.25 });
                withNodes(7);
                answers("GET", "rollout", 200, rollout({ a: "changing 1 T" }));
                const run = startRunner("keep");
                await run.logged("waiting for other nodes: a is ");
                await sleep(300);
                expect(changes()).to.deep.equal(["run stage"]);
                withNodes(8);
                await untilReady(run);
                expect(changes()).to.deep.equal(installation);
            });

            it("waits at random, and longer in a large cluster", async () => {
                useRunner(
                    ["0.1 + 0.01 * (", "1 + rand() * ("],
                    ['pause() { sleep "$1"', `pause() { echo "$1" >>${sandbox().path("pauses")}; sleep 0.3`],
                );
                sandbox().write("pauses", "");
                const pauses = () => read("pauses").split("\n").filter(Boolean).map(Number);
                answers("GET", "rollout", 200, rollout({ a: "changing 1 T" }));
                startRunner("keep");
                await until(
                    () => new Set(pauses()).size > 2,
                    () => `the same pauses: ${pauses()}`,
                );
                for (const pause of pauses()) expect(pause).to.be.within(1, 5);
                withNodes(8000);
                await until(
                    () => pauses().some((pause) => pause > 5),
                    () => `short pauses: ${pauses()}`,
                );
                for (const pause of pauses()) expect(pause).to.be.within(1, 401);
            });

            it("removes the entries of Nodes that were deleted, and of no others", async () => {
                settings({ MAX_UNAVAILABLE: 2 });
                const entries = { a: "changing 1 T", b: "changing 1 T" };
                answers("GET", "rollout", 200, rollout(entries));
                for (const code of [500, 403, "000"]) answersOnce("GET", "node a", code);
                const run = startRunner("keep");
                await until(
                    () => requests("GET", "node a").length > 3,
                    () => run.log,
                );
                expect(changes()).to.deep.equal(["run stage"]);
                answers("GET", "node a", 404);
                await until(
                    () => changes().includes("entry of a: none"),
                    () => `no removal: ${changes()}`,
                );
                expect(requests("PATCH", "rollout")[0]!.body).to.deep.equal({ data: { a: null } });
                answers("GET", "rollout", 200, rollout({ b: entries.b }));
                await untilReady(run);
                expect(changes().filter((step) => step !== "entry of a: none")).to.deep.equal(installation);
            });

            it("asks again for a turn if another node was faster", async () => {
                answersOnce("PATCH", "rollout", 409, { message: "the object has been modified" });
                const run = await kept();
                expect(changes()).to.deep.equal(["run stage", "entry: changing", ...installation.slice(1)]);
                expect(run.log).to.not.contain("409");
            });

            it("waits for an API server that does not answer, and says so", async () => {
                answersOnce("GET", "daemonSet", "000");
                for (const code of [500, "000", 503]) answersOnce("GET", "rollout", code, { message: "etcd" });
                for (const code of ["000", 500]) answersOnce("PATCH", "rollout", code);
                for (const code of [429, 409, "000"]) answersOnce("PATCH", "node", code, { message: "slow down" });
                const run = await kept();
                expect(run.log).to.contain("the API server answers with 500: etcd\n");
                expect(run.log).to.contain("the API server does not answer: curl: (7) Failed to connect to api\n");
                expect(run.log).to.contain("the API server answers with 429: slow down\n");
                expect(order().filter((step) => step === "PATCH node")).to.have.length(4);
            });

            for (const [method, kind] of [
                ["GET", "rollout"],
                ["PATCH", "rollout"],
                ["PATCH", "node"],
            ] as const) {
                it(`continues if the API server refuses ${method} of ${kind} for a while`, async () => {
                    for (let i = 0; i < 12; i++)
                        answersOnce(method, kind, [401, 403, 404][i % 3]!, { message: "starting" });
                    const run = await kept();
                    expect(run.log).to.contain("the API server answers with 403: starting\n");
                    expect(requests(method, kind).length).to.be.at.least(13);
                    expect(changes().filter((step) => step.startsWith("POST"))).to.deep.equal([]);
                    expect(entries().at(-1)).to.equal(null);
                });

                it(`gives up if the API server refuses ${method} of ${kind}, and passes on its reason`, async () => {
                    useRunner(["-lt 12", "-lt 2"]);
                    answers(method, kind, 403, {
                        code: 403,
                        message: 'configmaps "x" is forbidden: User "a\\b" cannot',
                    });
                    const run = startRunner("keep");
                    expect(await run.ended()).to.equal(1);
                    expect(read(termination)).to.match(
                        /^worker-1: the API server answers with 403: configmaps "x" is forbidden: User "a\\b" cannot; what to do: .*pulumi up\n$/,
                    );
                    expect(requests("POST", "events")).to.have.length(1);
                    expect(has(ready)).to.equal(false);
                    // The last one reports the failure.
                    const tries = requests(method, kind).length - (method === "PATCH" && kind === "rollout" ? 1 : 0);
                    expect(tries).to.equal(3);
                });
            }

            it("waits for a token, without a question", async () => {
                removeToken();
                const run = startRunner("keep");
                await run.logged("the API server does not answer: ");
                await sleep(300);
                expect(order()).to.deep.equal(["run stage"]);
                sandbox().write(`${pod}/kata-containers-account/token`, token);
                await untilReady(run);
                expect(changes()).to.deep.equal(installation);
            });

            it("ends at once on SIGTERM, also in a change, which keeps its turn", async () => {
                sandbox().write("work-activate", "say working; while :; do sleep 0.1; done\n");
                const run = startRunner("keep");
                await run.logged("working");
                const began = Date.now();
                run.term();
                expect(await run.ended()).to.equal(0);
                expect(Date.now() - began).to.be.below(3000);
                expect(changes()).to.deep.equal(["run stage", "entry: changing", "run activate"]);
                expect(has(ready)).to.equal(false);

                // The next one has no status of that run.
                for (const each of runs) each.kill();
                rmSync(sandbox().path("work-activate"));
                sandbox().write("calls", "");
                await kept();
                expect(changes()).to.deep.equal(installation);
            });

            it("ends at once on SIGTERM while it probes, or waits for a turn or the API server", async () => {
                await kept();
                again();
                sandbox().write("work-probe", "while :; do sleep 0.1; done\n");
                const probing = startRunner("keep");
                await until(
                    () => order().includes("run probe"),
                    () => probing.log,
                );
                probing.term();
                expect(await probing.ended()).to.equal(0);
                probing.kill();
                sandbox().write("probe", "");
                rmSync(sandbox().path("work-probe"));

                answers("GET", "rollout", 200, rollout({ a: "changing 1 T" }));
                const waiting = startRunner("keep");
                await waiting.logged("waiting for other nodes");
                waiting.term();
                expect(await waiting.ended()).to.equal(0);
                answers("GET", "rollout", 200, rollout());
                answers("PATCH", "node", "000");
                const away = startRunner("keep");
                await away.logged("does not answer");
                away.term();
                expect(await away.ended()).to.equal(0);
            });
        });

        describe("remove", () => {
            endRuns();

            const other = "acme/shop/prod/renamed";
            const recordOf = (action: string) =>
                `state/${action}-${createHash("sha256").update(owner).digest("hex").slice(0, 12)}`;
            const install = (...claims: string[]) => {
                sandbox().write("state/node.sh", program(sandbox().folder));
                sandbox().write(
                    "state/owners",
                    [owner, ...claims].map((each) => `${each}\t${node}\tkata-clh,kata-qemu\n`).join(""),
                );
                sandbox().write("state/classes", `kata-qemu\towner\t${owner}\n`);
                sandbox().write(recordOf("status"), "{}\n");
            };
            beforeEach(() => install());

            /** Runs `remove` and ends its pod. */
            const startEnding = async () => {
                const run = startRunner("remove");
                await until(
                    () => has(`run/runner-${run.pid}`),
                    () => run.log,
                );
                run.term();
                return run;
            };
            const ended = async () => {
                const run = await startEnding();
                expect(await run.ended()).to.equal(0);
                return run;
            };
            const removal = ["PATCH node", "entry: changing", "run deactivate", "run unstage", "entry: none"];
            const isRemoved = () => {
                expect(changes()).to.deep.equal(removal);
                expect(has("state")).to.equal(false);
            };
            const isLeft = () => {
                expect(changes()).to.deep.equal([]);
                expect(has("state/owners")).to.equal(true);
            };
            const deleted = () =>
                answers("GET", "daemonSet", 200, daemonSet({ deletionTimestamp: "2026-01-01T00:00:00Z" }));

            it("waits for the end of the pod, and leaves a node that is still selected", async () => {
                const run = startRunner("remove");
                await sleep(500);
                expect([run.status, calls()]).to.deep.equal([undefined, []]);
                run.term();
                expect(await run.ended()).to.equal(0);
                isLeft();
                expect(readdirSync(sandbox().path("run"))).to.deep.equal([]);
            });

            it("removes Kata if the DaemonSet is being deleted: labels first, then with a turn", async () => {
                deleted();
                const run = await ended();
                isRemoved();
                expect(requests("PATCH", "node")[0]!.body).to.deep.equal({
                    ...{ apiVersion: "v1", kind: "Node", metadata: { name: node } },
                });
                expect(requests("PATCH", "rollout")[1]!.body).to.deep.equal({ data: { [node]: null } });
                expect(run.log).to.match(
                    /^removing Kata Containers from this node\ndeactivate begins\nunstage begins\n$/,
                );
                expect(read("arguments-unstage")).to.equal(`unstage\n--owner=${owner}\n--node=${node}\n`);
            });

            it("removes Kata if the DaemonSet is gone", async () => {
                answers("GET", "daemonSet", 404);
                await ended();
                isRemoved();
            });

            for (const [title, given] of [
                ["without a label of the selector", { "kubernetes.io/os": "linux" }],
                ["with another value of a label", { ...labels, pool: "kata2" }],
            ] as const) {
                it(`removes Kata from a node ${title}`, async () => {
                    answers("GET", "node", 200, nodeWith(given));
                    await ended();
                    isRemoved();
                });
            }

            it("removes Kata from a node that is named in `nodes`, and only from that one", async () => {
                const named = (nodes: string) =>
                    answers("GET", "daemonSet", 200, daemonSet({}, { "kata-containers/nodes": nodes }));
                named("worker-10,a-worker-1");
                await ended();
                isLeft();
                named("worker-0,worker-1,worker-10");
                sandbox().write("calls", "");
                await ended();
                isRemoved();
            });

            it("leaves a node whose Node is deleted", async () => {
                answers("GET", "node", 404);
                await ended();
                isLeft();
            });

            const unknown: [title: string, kind: Kind, code: number | string, reason: string][] = [
                ["does not answer", "daemonSet", "000", "does not answer: curl: (7)"],
                ["refuses the account", "daemonSet", 403, "answers with 403: no"],
                ["does not find the Node because it fails", "node", 500, "answers with 500: no"],
                ["refuses the account for the Node", "node", 403, "answers with 403: no"],
            ];
            for (const [title, kind, code, reason] of unknown) {
                it(`leaves the node if the API server ${title}`, async () => {
                    useRunner(["$(uptime) + 300", "$(uptime) + 2"]);
                    answers("GET", kind, code, { message: "no" });
                    const run = await ended();
                    isLeft();
                    expect(run.log).to.contain(reason).and.contain("cannot find out why the pod ends");
                });
            }

            it("leaves the node if its token is no longer valid, or missing, although the DaemonSet is deleted", async () => {
                useRunner(["$(uptime) + 300", "$(uptime) + 2"]);
                deleted();
                sandbox().write(`${pod}/kata-containers-account/token`, "old");
                expect((await ended()).log).to.contain("answers with 401: Unauthorized");
                isLeft();
                removeToken();
                const asked = calls().length;
                expect((await ended()).log).to.contain("does not answer: ");
                isLeft();
                expect(calls()).to.have.length(asked);
            });

            it("asks until the API server answers", async () => {
                deleted();
                for (const code of ["000", 500, 403, 401]) answersOnce("GET", "daemonSet", code);
                await ended();
                isRemoved();
            });

            it("keeps a signal that comes while it starts", async () => {
                deleted();
                sandbox().write("slow", "");
                const run = startRunner("remove");
                await until(
                    () => has("starting"),
                    () => run.log,
                );
                run.term();
                expect(await run.ended()).to.equal(0);
                isRemoved();
            });

            it("waits for the end of sandboxes, and names their pods in one Event", async () => {
                deleted();
                sandbox().write("sandboxes", "shop/db, shop/web");
                const run = await startEnding();
                await run.logged("waiting for the end of sandboxes: shop/db, shop/web");
                await sleep(500);
                const steps = ["PATCH node", "POST events of nodes", "POST events"];
                expect(changes()).to.deep.equal(steps);
                const { body } = requests("POST", "events")[0]!;
                expect(body).to.include({ reason: "KataContainersInUse" });
                expect(body.message).to.contain("worker-1: ").and.contain("these pods have ended: shop/db, shop/web;");
                sandbox().write("sandboxes", "");
                expect(await run.ended()).to.equal(0);
                expect(changes()).to.deep.equal(["PATCH node", ...steps.slice(1), ...removal.slice(1)]);
            });

            const waiting = ["PATCH node", "POST events of nodes", "POST events"];

            it("leaves a node that is selected again while it waits for sandboxes", async () => {
                answers("GET", "node", 200, nodeWith({ ...labels, pool: "other" }));
                sandbox().write("sandboxes", "shop/db");
                const run = await startEnding();
                await run.logged("waiting for the end of sandboxes: shop/db");
                await sleep(500);
                expect([run.status, changes()]).to.deep.equal([undefined, waiting]);
                answers("GET", "node", 200, nodeWith(labels));
                expect(await run.ended()).to.equal(0);
                expect(changes()).to.deep.equal([...waiting, "entry: none"]);
                expect(has("state/owners")).to.equal(true);
            });

            it("continues to wait for sandboxes while the API server does not answer", async () => {
                useRunner(["$(uptime) + 300", "$(uptime) + 1"]);
                deleted();
                sandbox().write("sandboxes", "shop/db");
                const run = await startEnding();
                await run.logged("waiting for the end of sandboxes: shop/db");
                answers("GET", "daemonSet", 403, { message: "no" });
                await run.logged("answers with 403: no");
                await sleep(2000);
                expect(run.status).to.equal(undefined);
                expect(run.log).to.not.contain("keeps Kata Containers");
                sandbox().write("sandboxes", "");
                expect(await run.ended()).to.equal(0);
                expect(changes().slice(-4)).to.deep.equal(removal.slice(1));
            });

            it("ends its wait for sandboxes if another component takes the node over", async () => {
                deleted();
                sandbox().write("sandboxes", "shop/db");
                const run = await startEnding();
                await run.logged("waiting for the end of sandboxes: shop/db");
                install(other);
                expect(await run.ended()).to.equal(0);
                expect(changes().slice(3)).to.deep.equal(["run deactivate", "run unstage", "entry: none"]);
                expect(read("state/owners")).to.equal(`${other}\t${node}\tkata-clh,kata-qemu\n`);
            });

            it("does not remove Kata while the container runtime does not answer", async () => {
                deleted();
                sandbox().write("silent", "");
                const run = await startEnding();
                await run.logged("waiting for the end of sandboxes: those of worker-1, whose container runtime");
                await sleep(500);
                expect([run.status, changes()]).to.deep.equal([undefined, waiting]);
                rmSync(sandbox().path("silent"));
                expect(await run.ended()).to.equal(0);
                expect(changes()).to.deep.equal([...waiting, ...removal.slice(1)]);
            });

            it("does not wait for sandboxes with --force", async () => {
                deleted();
                sandbox().write("sandboxes", "shop/db");
                sandbox().write(
                    `${pod}/kata-containers/deactivate`,
                    "--change-under-running-pods=true\n--force=true\n",
                );
                await ended();
                isRemoved();
                expect(read("arguments-deactivate")).to.contain("--force=true\n");
            });

            it("hands the node over to another component of the stack, without a wait and without a turn", async () => {
                install(other);
                sandbox().write("sandboxes", "shop/db");
                answers("GET", "daemonSet", 200, daemonSet({}, { "kata-containers/nodes": node }));
                answers("GET", "rollout", 200, rollout({ a: "changing 1 T" }));
                await ended();
                expect(order().filter((step) => step !== "GET daemonSet")).to.deep.equal([
                    ...["PATCH node", "run deactivate", "run unstage", "entry: none"],
                ]);
                expect(read("state/owners")).to.equal(`${other}\t${node}\tkata-clh,kata-qemu\n`);
                expect(has(recordOf("status"))).to.equal(false);
            });

            it("hands the node over although the other component removes the node program meanwhile", async () => {
                install(other);
                deleted();
                sandbox().write("work-unstage", 'rm -r "$STATE_DIR"; exit 1\n');
                await ended();
                expect(changes().filter((step) => step === "run unstage")).to.have.length(1);
            });

            it("only removes its entry if nothing is installed", async () => {
                deleted();
                sandbox().write("state/owners", `${other}\t${node}\tkata-qemu\n`);
                await ended();
                expect(changes()).to.deep.equal(["entry: none"]);
                rmSync(sandbox().path("state"), { recursive: true });
                await ended();
                expect(changes()).to.deep.equal(["entry: none", "entry: none"]);
            });

            it("waits for a run of keep that may claim the node", async () => {
                deleted();
                rmSync(sandbox().path("state/owners"));
                mkdirSync(sandbox().path("run"));
                const claiming = `touch locked; sleep 1; printf '${owner}\\t${node}\\tkata-clh,kata-qemu\\n' >state/owners`;
                const holder = spawn("flock", ["run/lock", "sh", "-c", claiming], { cwd: sandbox().folder });
                await until(
                    () => has("locked"),
                    () => "no lock",
                );
                await ended();
                isRemoved();
                holder.kill();
            });

            it("waits for a run of keep that systemd is starting", async () => {
                deleted();
                rmSync(sandbox().path("state/owners"));
                sandbox().write("units", "inactive\nactivating\n");
                const run = await startEnding();
                await sleep(1000);
                expect([run.status, changes()]).to.deep.equal([undefined, []]);
                sandbox().write("state/owners", `${owner}\t${node}\tkata-clh,kata-qemu\n`);
                sandbox().write("units", "inactive\n");
                expect(await run.ended()).to.equal(0);
                isRemoved();
            });

            it("waits for nodes that change, but not for nodes that failed", async () => {
                deleted();
                const failed = { b: `failed ${revision} T reason`, c: "failed - T reason", d: "failed removal T" };
                answers("GET", "rollout", 200, rollout({ a: "changing removal T", b: failed.b, c: failed.c }));
                const run = await startEnding();
                await run.logged("waiting for other nodes: a is changing removal T\n");
                answers("GET", "rollout", 200, rollout({ b: failed.b, c: failed.c }));
                expect(await run.ended()).to.equal(0);
                isRemoved();
                expect(entries()[0]).to.match(/^changing removal \S+Z$/);
            });

            it("retries the removal of the labels and of the entry", async () => {
                deleted();
                for (const code of ["000", 500, 409]) answersOnce("PATCH", "node", code);
                answersOnce("PATCH", "rollout", 200);
                for (const code of ["000", 503]) answersOnce("PATCH", "rollout", code);
                await ended();
                expect(changes()).to.deep.equal([
                    ...["PATCH node", "PATCH node", "PATCH node", ...removal, "entry: none", "entry: none"],
                ]);
            });

            it("reports a failed removal in Events, once for each reason, and retries it with another turn", async () => {
                deleted();
                // Renamed, because a run may read it at any time.
                const found = (finding: string) =>
                    renameSync(sandbox().write("next", finding), sandbox().path("finding"));
                found("one");
                sandbox().write(
                    "work-deactivate",
                    'if found=$(cat finding 2>/dev/null); then fail "$found" "remedy"; fi\n',
                );
                const run = await startEnding();
                const tries = (more: number) => {
                    const count = () => changes().filter((step) => step === "run deactivate").length;
                    const enough = count() + more;
                    return until(
                        () => count() >= enough,
                        () => `no further try: ${run.log}`,
                    );
                };
                await tries(3);
                found("two");
                await tries(3);
                rmSync(sandbox().path("finding"));
                expect(await run.ended()).to.equal(0);
                expect(has("state")).to.equal(false);
                const messages = requests("POST", "events of nodes").map(({ body }) => [body.reason, body.message]);
                expect(messages).to.deep.equal(
                    ["one", "two"].map((finding) => ["KataContainersNotRemoved", `step "start": ${finding}`]),
                );
                const [labels, ...steps] = changes().filter((step) => !step.startsWith("POST"));
                const [taken, deactivated, unstaged, released] = removal.slice(1);
                expect([labels, ...steps.slice(-4)]).to.deep.equal([
                    removal[0],
                    taken,
                    deactivated,
                    unstaged,
                    released,
                ]);
                for (let i = 0; i < steps.length - 4; i += 3) {
                    expect(steps.slice(i, i + 3)).to.deep.equal([taken, deactivated, released]);
                }
            });
        });

        describe("pod.sh", () => {
            endRuns();

            /** Starts it with a script in place of the runner. */
            const startPod = (runner: string) => {
                executable("path/nsenter", `#!/bin/sh\necho "$@" >${sandbox().path("told")}\n${runner}\n`);
                // busybox would prefer its own nsenter.
                const text = scriptOf("pod").replace("\nnsenter ", `\n${sandbox().path("path/nsenter")} `);
                return start(sandbox().write("pod.sh", text), "keep");
            };

            it("starts the runner in the namespaces of the node, and passes on its status", async () => {
                const run = startPod("exit 3");
                expect(await run.ended()).to.equal(3);
                expect(read("told")).to.equal(
                    `-t 1 -m -u -i -n sh /proc/${run.pid}/root/kata-containers/runner.sh keep ${run.pid}\n`,
                );
                expect(await startPod("exit 0").ended()).to.equal(0);
            });

            it("passes SIGTERM on to the runner, and waits for its end", async () => {
                const run = startPod(
                    "trap 'echo told; sleep 1; echo done; exit 7' TERM; echo up; while :; do sleep 0.05; done",
                );
                await run.logged("up");
                run.term();
                await run.logged("told");
                expect(run.status).to.equal(undefined);
                expect(await run.ended()).to.equal(7);
                expect(run.log).to.equal("up\ntold\ndone\n");
            });

            it("passes a second SIGTERM on", async () => {
                const run = startPod(
                    "n=0; trap 'n=$((n + 1)); echo told $n' TERM; echo up; until [ $n = 2 ]; do sleep 0.05; done",
                );
                await run.logged("up");
                run.term();
                await run.logged("told 1");
                run.term();
                expect(await run.ended()).to.equal(0);
            });
        });
    },
    1,
);
