// The kubelet's own answers: the value that counts in its files, and where it says that it is healthy.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("the kubelet", (sandbox) => {
    it("changes each of several equal keys, reads the last one, and restores all of them (kubelet-duplicate-key)", async () => {
        const file =
            "kind: KubeletConfiguration\ncgroupDriver: cgroupfs\nclusterDomain: a\n# later\ncgroupDriver: systemd\n";
        sandbox().write("config.yaml", file);
        const { stdout } = await sandbox().run(
            `yaml_get config.yaml cgroupDriver
            mark_yaml config.yaml cgroupDriver systemd >edited; grep ^cgroupDriver edited; unmark edited`,
        );
        expect(stdout).to.equal(`systemd\ncgroupDriver: systemd\ncgroupDriver: systemd\n${file}`);
    });

    it("reads the kubelet's configuration in JSON and YAML", async () => {
        const entry = async (text: string) => {
            sandbox().write("config", text);
            return (await sandbox().run("yaml_get config healthzPort")).stdout;
        };
        expect(await entry("kind: K\n")).to.equal("");
        expect(await entry("healthzPort: 1 # one\n")).to.equal("1\n");
        expect(await entry("---\n# x\n'healthzPort' : \"2\"\r\nother:\n  healthzPort: 3\n")).to.equal("2\n");
        expect(await entry('{"kind":"K","healthzPort":4,"a":{"b":[1,2]}}')).to.equal("4\n");
        expect(await entry('---\n{\n  "a": { "b": "x" },\n  "healthzPort": 5\n}\n')).to.equal("5\n");
        expect(await entry("healthzPort:\n")).to.equal("\n");
    });

    describe("the health endpoint (kubelet health)", () => {
        let server: Server | undefined;
        afterEach(() => server?.close());
        const serve = async (host: string) => {
            server = createServer((request, response) => response.end(request.url === "/healthz" ? "ok" : "no"));
            await new Promise((resolve) => server!.listen(0, host, () => resolve(undefined)));
            return (server.address() as AddressInfo).port;
        };
        const healthy = async (flags: string, config: string) => {
            sandbox().ownProc = true;
            sandbox().write("config", config);
            sandbox().write(
                "proc/30/cmdline",
                `kubelet\0--config=${sandbox().path("config")}\0${flags.replaceAll(" ", "\0")}\0`,
            );
            const { stdout, stderr } = await sandbox().run(
                "kubelet_pid() { echo 30; }; if kubelet_is_healthy; then echo healthy; else echo unhealthy; fi",
            );
            expect(stderr).to.equal("");
            return stdout.trim();
        };

        it("probes the health port that a flag or the configuration file sets", async () => {
            const port = await serve("127.0.0.1");
            expect(await healthy("", `healthzPort: ${port}\n`)).to.equal("healthy");
            expect(await healthy(`--healthz-port=1 --healthz-port ${port}`, "healthzPort: 1\n")).to.equal("healthy");
            expect(await healthy("", `healthzPort: ${port}\nhealthzBindAddress: 0.0.0.0\n`)).to.equal("healthy");
            expect(await healthy("", `{"healthzPort":${port},"healthzBindAddress":"127.0.0.1"}`)).to.equal("healthy");
            expect(await healthy("--v=2", "healthzPort: 1\n")).to.equal("unhealthy");
        });

        it("probes a health endpoint at an IPv6 address", async function () {
            let port: number;
            try {
                port = await serve("::1");
            } catch {
                return this.skip();
            }
            expect(await healthy("", `healthzPort: ${port}\nhealthzBindAddress: "::1"\n`)).to.equal("healthy");
            expect(await healthy(`--healthz-port=${port} --healthz-bind-address=::`, "")).to.equal("healthy");
        });

        it("skips the probe if the health port is 0", async () => {
            expect(await healthy("", "healthzPort: 0\n")).to.equal("healthy");
            expect(await healthy("--healthz-port=0", "healthzPort: 1\n")).to.equal("healthy");
        });
    });
});
