// The files that the program prepares for containerd.

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "smol-toml";
import { inEveryShell, type Sandbox } from "../support/shells";

const plugin = "io.containerd.cri.v1.runtime";
const runtime = (name: string) => `[plugins."${plugin}".containerd.runtimes.${name}]\n`;
const foreign = `version = 3\n${runtime("kata-qemu")}runtime_type = "io.containerd.kata.v2"\n`;

/** Prepares the files for containerd 2.x with a folder of drop-ins, and returns the package's own drop-in. */
const dropIn = async (sandbox: Sandbox, driver: string) => {
    sandbox.write("config.toml", `version = 3\nimports = ["${sandbox.path("conf.d")}/*.toml"]\n`);
    sandbox.write("dumped", `version = 3\n${runtime("runc")}runtime_type = "io.containerd.runc.v2"\n`);
    const { status, stderr } = await sandbox.run(`
        CONTAINERD_VERSION=2.3.7 CONTAINERD_MAJOR=2 CONTAINERD_CONFIG=$PWD/config.toml CGROUP_DRIVER=${driver}
        HANDLER=kata-qemu KATA_CONFIG_PATH=/etc/kata-containers/kata-qemu/configuration.toml
        dump() { cat dumped; }
        prepare_containerd`);
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
    const content = parse(readFileSync(sandbox.path("work/drop-in"), "utf8")) as any;
    return content.plugins[plugin].containerd.runtimes;
};

inEveryShell("preparing containerd's drop-in", (sandbox) => {
    for (const [driver, systemd] of Object.entries({ systemd: true, cgroupfs: false })) {
        it(`sets ${driver} for runc although another drop-in defines the handler`, async () => {
            sandbox().write("conf.d/foreign.toml", foreign);
            const runtimes = await dropIn(sandbox(), driver);
            expect(runtimes.runc).to.deep.equal({ options: { SystemdCgroup: systemd } });
            expect(runtimes["kata-qemu"].runtime_type).to.equal("io.containerd.kata-qemu.v2");
            const disabled = readFileSync(sandbox().path("work/imported/foreign.toml"), "utf8");
            expect(parse(disabled)).to.deep.equal({ version: 3 });
        });
    }

    it("leaves runc alone if no cgroup driver is requested", async () => {
        sandbox().write("conf.d/foreign.toml", foreign);
        expect(Object.keys(await dropIn(sandbox(), '""'))).to.deep.equal(["kata-qemu"]);
    });
});
