// How the lab gets its tools, with a server of the test and small files.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";

const lab = join(__dirname, "../lab");
const toolchain = join(lab, "toolchain");
const sums = "kubernetes.sha256sums";

describe("the tools of the lab", () => {
    it("the checksums of Kubernetes are those of the version and the programs that the lab builds", () => {
        const module = readFileSync(join(toolchain, "kubernetes/go.mod"), "utf8");
        const [, version] = /^require k8s\.io\/kubernetes (\S+)/m.exec(module)!;
        const programs = Array.from(module.matchAll(/^\tk8s\.io\/kubernetes\/cmd\/(\S+)$/gm), ([, name]) => name);
        const lines = readFileSync(join(toolchain, sums), "utf8").trim().split("\n");
        const pinned = lines
            .filter((line) => !line.startsWith("#"))
            .map((line) => /^[0-9a-f]{64} {2}(.*)$/.exec(line)![1]);
        expect(programs).to.have.length(5);
        expect(pinned).to.deep.equal(programs.map((name) => `${version}/bin/linux/amd64/${name}`));
    });

    describe("with a lab whose Kubernetes has two small programs", function () {
        this.timeout(120000);
        const published: { [path: string]: string } = {
            "/v1.2.3/bin/kube-apiserver": "server",
            "/v1.2.3/bin/kubelet": "agent",
        };
        const answer: RequestListener = ({ url }, response) =>
            url! in published ? response.end(published[url!]) : response.writeHead(404).end();
        let home: string;
        let server: Server;

        beforeEach(() => {
            home = mkdtempSync(join(tmpdir(), "kata-lab-"));
            mkdirSync(join(home, "toolchain"));
            const sum = (text: string) => createHash("sha256").update(text).digest("hex");
            const lines = Object.entries(published).map(([path, text]) => `${sum(text)}  ${path.slice(1)}\n`);
            writeFileSync(join(home, "toolchain", sums), `# A comment.\n${lines.join("")}`);
            server = createServer();
        });
        afterEach(() => {
            server.closeAllConnections();
            server.close();
            rmSync(home, { recursive: true });
        });

        async function listen(listener: RequestListener): Promise<string> {
            await once(server.on("request", listener).listen(0, "127.0.0.1"), "listening");
            return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        }

        /** Runs commands with the functions of the lab, and a function that builds Kubernetes at once. */
        function run(commands: string, url: string) {
            const program = `
                set -euo pipefail -E
                for file in common cache tools; do . ${lab}/lib/$file.sh; done
                trap 'say "error: $BASH_COMMAND"' ERR
                build() { echo built >"$1/kubelet"; }
                kubernetes() { cached kubernetes "the control plane (7 minutes)" -- build; }
                ${commands}`;
            const env = {
                ...process.env,
                LAB_HOME: home,
                KATA_LAB_CACHE: join(home, "cache"),
                LAB_KUBERNETES_URL: url,
            };
            return promisify(execFile)("bash", ["-c", program], { env: { ...env, no_proxy: "127.0.0.1" } });
        }

        /** Expects that the lab builds Kubernetes, and a line with the reason. */
        async function expectBuild(url: string, reason: string | RegExp) {
            const { stdout, stderr } = await run('kubernetes; head "$REPLY"/*', url);
            const [first, second, third, ...more] = stderr.trim().split("\n");
            expect(stdout, stderr).to.equal("built\n");
            expect(first).to.equal("lab: downloading kubernetes");
            expect(second)
                .to.match(/^lab: could not download kubernetes: /)
                .and.match(new RegExp(reason));
            expect(third).to.equal("lab: building kubernetes: the control plane (7 minutes); about 7 minutes left");
            expect(more).to.have.length(1);
        }

        it("downloads programs whose checksums are right, and keeps them", async () => {
            const url = await listen(answer);
            const { stdout, stderr } = await run('kubernetes; cd "$REPLY"; head *; ls -l | cut -c 1-10; ls ..', url);
            const folder = /kubernetes-[0-9a-f]{12}/.exec(stdout)![0];
            expect(stdout).to.equal(
                `==> kube-apiserver <==\nserver\n==> kubelet <==\nagenttotal 8\n-rwxr-xr-x\n-rwxr-xr-x\n${folder}\nkubernetes.lock\n`,
            );
            expect(stderr).to.match(/^lab: downloading kubernetes\nlab: kubernetes is ready after \d+ s\n$/);
            expect((await run("kubernetes", "http://mirror.invalid")).stderr).to.equal("");
        });

        it("builds Kubernetes if the checksum of a download is wrong", async () =>
            expectBuild(
                await listen((_, response) => response.end("agent")),
                "kube-apiserver: the sha256 is not the pinned one",
            ));

        it("builds Kubernetes if a program is missing on the server", async () =>
            expectBuild(await listen((_, response) => response.writeHead(404).end()), "404"));

        it("builds Kubernetes if the server ends a download", async () =>
            expectBuild(
                await listen((_, response) => {
                    response.writeHead(200, { "Content-Length": 6 }).write("ser", () => response.destroy());
                }),
                "curl: ",
            ));

        it("builds Kubernetes if no server is there", async () => {
            const url = await listen(answer);
            server.close();
            await expectBuild(url, "Failed to connect|Couldn't connect");
        });

        it("builds Kubernetes if the name of the server is unknown", () =>
            expectBuild("http://mirror.invalid", "Could not resolve"));

        it("builds Kubernetes if the server stalls during a download", async () =>
            expectBuild(
                await listen((_, response) => {
                    response.writeHead(200, { "Content-Length": 6 }).write("ser");
                }),
                "too slow",
            ));

        it("builds Kubernetes if the server accepts connections and does not answer", async () =>
            expectBuild(await listen(() => {}), "too slow"));

        it("says how many minutes are left before each build", async () => {
            const commands = `
                unset -f download_kubernetes
                provider() { cached provider "the provider (11 minutes)" 1.2 -- build; }
                small() { cached small "from Debian" 12 -- build; }
                all() { kubernetes; small; kubernetes; provider; cached last "from Debian" -- build; }
                provider; rm -r "$REPLY"
                planned all; echo "-" >&2; planned all`;
            const { stderr } = await run(commands, "");
            expect(stderr.split("\n").filter((line) => !line.includes("ready"))).to.deep.equal([
                "lab: building provider: the provider (11 minutes); about 11 minutes left",
                "lab: building kubernetes: the control plane (7 minutes); about 18 minutes left",
                "lab: building small: from Debian; about 11 minutes left",
                "lab: building provider: the provider (11 minutes); about 11 minutes left",
                "lab: building last: from Debian; less than a minute left",
                "-",
                "",
            ]);
        });

        it("stops at the first command of a build that fails", async () => {
            const commands = `
                unset -f download_kubernetes
                build() { echo reason; false; echo built >"$1/kubelet"; }
                planned kubernetes`;
            const error = await run(commands, "").then(
                () => "",
                ({ stderr }) => stderr,
            );
            expect(error)
                .to.contain("lab: error: could not build kubernetes\n    | reason\n")
                .and.contain("full log: ");
        });
    });
});
