import { spawn, spawnSync } from "node:child_process";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { drainScript } from "../../../src/node/drain";

const shells = [["dash"], ["bash"], ["busybox", "sh"], ["zsh", "--emulate", "sh"]].filter(
    ([shell]) => spawnSync(shell!, ["-c", "exit 0"]).error === undefined,
);

describe("the drain script", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "kata-drain-"));
        mkdirSync(join(folder, "tmp"));
        writeFileSync(join(folder, "kubectl"), `#!/bin/sh\n[ -s "$KUBECONFIG" ] && touch ${folder}/asked; sleep 0.5\n`);
        chmodSync(join(folder, "kubectl"), 0o755);
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    for (const [shell, ...options] of shells as [string, ...string[]][]) {
        it(`the drain script removes its kubeconfig also when a signal ends it, under ${shell}`, async () => {
            for (const signal of [undefined, "SIGHUP", "SIGINT", "SIGPIPE", "SIGTERM"] as const) {
                rmSync(join(folder, "asked"), { force: true });
                const words = ["uncordon", "worker-1", "", "600", "0123456789ab"];
                const child = spawn(shell, [...options, "-c", drainScript, "kata-containers", ...words], {
                    env: { PATH: `${folder}:${process.env.PATH}`, TMPDIR: join(folder, "tmp") },
                    stdio: ["pipe", "ignore", "ignore"],
                });
                const ended = new Promise((resolve) => child.on("close", resolve));
                child.stdin.end("a secret");
                while (!existsSync(join(folder, "asked"))) await new Promise((resolve) => setTimeout(resolve, 10));
                if (signal) child.kill(signal);
                expect(await ended, signal).to.equal(signal ? 1 : 0);
                expect(readdirSync(join(folder, "tmp")), signal).to.deep.equal([]);
            }
        });

        it(`a node that two components drain stays cordoned until both are done, under ${shell}`, () => {
            mkdirSync(join(folder, "annotations"));
            writeFileSync(
                join(folder, "kubectl"),
                `#!/bin/sh
                cd ${folder}
                for last; do :; done
                name=\${last#*kata-containers/}
                case "$1 $last" in
                    "get name") echo node/worker-1 ;;
                    "get jsonpath={.metadata.annotations}") ls annotations | sed 's,.*,"kata-containers/&":"true",' ;;
                    "get jsonpath={.metadata.annotations."*) [ ! -e "annotations/\${name%?}" ] || printf true ;;
                    "get jsonpath={.spec.unschedulable}") [ ! -e cordoned ] || printf true ;;
                    "annotate "*=true) touch "annotations/\${name%=true}" ;;
                    "annotate "*-) rm "annotations/\${name%-}" ;;
                    "cordon "*) touch cordoned ;;
                    "uncordon "*) rm cordoned ;;
                esac
                `,
            );
            const run = (action: string, component: string) => {
                const words = [action, "worker-1", "systemd", "600", component.repeat(12)];
                const { status, stderr } = spawnSync(
                    shell,
                    [...options, "-c", drainScript, "kata-containers", ...words],
                    { env: { PATH: `${folder}:${process.env.PATH}` }, input: "a secret", encoding: "utf8" },
                );
                expect(status, stderr).to.equal(0);
                return existsSync(join(folder, "cordoned"));
            };
            const states = [run("drain", "a"), run("drain", "b"), run("uncordon", "a"), run("uncordon", "b")];
            expect(states).to.deep.equal([true, true, true, false]);
            // An administrator had cordoned it.
            writeFileSync(join(folder, "cordoned"), "");
            expect([run("drain", "a"), run("uncordon", "a")]).to.deep.equal([true, true]);
        });

        it(`uses the kubectl of a distribution where there is no other one, under ${shell}`, () => {
            rmSync(join(folder, "kubectl"));
            writeFileSync(join(folder, "k0s"), '#!/bin/sh\n[ "$1 $2 $3" = "kubectl get node" ] && echo found\n');
            chmodSync(join(folder, "k0s"), 0o755);
            for (const program of ["mktemp", "cat", "rm", "grep"])
                symlinkSync(spawnSync("which", [program], { encoding: "utf8" }).stdout.trim(), join(folder, program));
            const run = () =>
                spawnSync(
                    spawnSync("which", [shell], { encoding: "utf8" }).stdout.trim(),
                    [
                        ...options,
                        "-c",
                        drainScript,
                        "kata-containers",
                        "uncordon",
                        "worker-1",
                        "",
                        "600",
                        "0123456789ab",
                    ],
                    { env: { PATH: folder }, input: "", encoding: "utf8" },
                );
            expect(run().status, run().stderr).to.equal(0);
            rmSync(join(folder, "k0s"));
            expect(run().stderr).to.match(/kubectl: .*not found|not found: kubectl/);
        });

        it(`fails if kubectl fails, rather than skip the drain of a node that it cannot find, under ${shell}`, () => {
            writeFileSync(join(folder, "kubectl"), "#!/bin/sh\necho no connection >&2; exit 1\n");
            const { status, stdout, stderr } = spawnSync(
                shell,
                [
                    ...options,
                    "-c",
                    drainScript,
                    "kata-containers",
                    "drain",
                    "worker-1",
                    "systemd",
                    "600",
                    "0123456789ab",
                ],
                { env: { PATH: `${folder}:${process.env.PATH}` }, input: "a secret", encoding: "utf8" },
            );
            expect([status, stdout]).to.deep.equal([1, ""]);
            // bash may read the startup file of a remote shell, and fail.
            expect(stderr).to.match(/no connection\n$/);
        });
    }
});
