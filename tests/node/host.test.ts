// What Kata needs of the machine: it is tried for real before anything is changed, and a probe only looks.

import { expect } from "chai";
import { classArguments, parsed } from "../support/arguments";
import { inEveryShell } from "../support/shells";

inEveryShell("host checks", (sandbox) => {
    /**
     * A machine on which modprobe says yes to everything with -n. Loading a module makes its device, except for modules that
     * are busy.
     */
    const machine = (devices: string[], busy: string[] = [], flags = "fpu svm sse") => {
        sandbox().ownProc = true;
        sandbox().write("proc/cpuinfo", `processor : 0\nflags\t\t: ${flags}\n`);
        return `${parsed("activate", ...classArguments("kata-qemu"))}
            MACHINE=x86_64
            has_device() { case " ${devices.join(" ")} $(cat loaded 2>/dev/null | tr '\\n' ' ') " in *" $1 "*) ;; *) return 1 ;; esac; }
            modprobe() {
                case "$*" in
                    *-n*) return 0 ;;
                    ${busy.map((name) => `*${name}*) echo "modprobe: ERROR: could not insert '${name}': Device or resource busy" >&2; return 1 ;;`).join("\n")}
                    *kvm_*) echo kvm >>loaded ;;
                    *) for last; do :; done; echo "$last" | tr _ - >>loaded ;;
                esac
            }`;
    };
    const run = async (script: string) => {
        const { status, stdout, stderr } = await sandbox().run(script);
        return { status, stdout, stderr };
    };

    it("loads the modules for real, and accepts a machine that has the devices then", async () => {
        const { status, stderr } = await run(`${machine([])}; check_host; sort loaded`);
        expect(stderr).to.equal("");
        expect(status).to.equal(0);
    });

    it("refuses a machine on which a module cannot be loaded, although modprobe -n says that it can (vhost-busy)", async () => {
        const { status, stderr } = await run(`${machine([], ["vhost_vsock"])}; check_host`);
        expect(status).to.equal(1);
        expect(stderr).to.contain(
            "/dev/vhost-vsock does not exist: modprobe: ERROR: could not insert 'vhost_vsock': Device or resource busy",
        );
        expect(stderr).to.not.contain("/dev/vhost-net");
        expect(stderr).to.contain("hostChecks");
    });

    it("warns of a module that cannot be loaded, with hostChecks: warn", async () => {
        const { status, stdout } = await run(`${machine([], ["vhost_vsock"])}; HOST_CHECKS=warn; check_host`);
        expect(status).to.equal(0);
        expect(stdout).to.match(/^warning: \/dev\/vhost-vsock does not exist: .*busy; to fix it: fix the cause .*\n$/);
    });

    it("refuses a machine whose KVM module is loaded without giving /dev/kvm", async () => {
        const { status, stderr } = await run(`${machine([], ["kvm_amd"])}; check_host`);
        expect(status).to.equal(1);
        expect(stderr).to.match(/\/dev\/kvm does not exist: modprobe: .*kvm_amd.*busy/);
    });

    it("asks of a machine only what the shims of its classes need", async () => {
        const other = (needs: string, ...more: string[]) =>
            parsed("activate", ...classArguments("kata-clh", { needs }), ...more);
        const findings = async (script: string, flags?: string) =>
            (await run(`${machine([], [], flags)}; ${script}; host_findings | cut -f 1`)).stdout;
        expect((await run(`${machine([])}; ${other("kvm")}; check_host; cat loaded`)).stdout).to.equal("kvm\n");
        expect((await run(`${machine([])}; ${other("kvm")}; wanted_modules`)).stdout).to.equal("kvm_amd\n");
        expect(
            (await run(`${machine([])}; ${other("")}; rm loaded; wanted_modules; check_host; find . -name loaded`))
                .stdout,
        ).to.equal("");
        expect(await findings(other("kvm", ...classArguments("kata-qemu", { needs: "kvm,vhost_net" })))).to.equal(
            "/dev/kvm does not exist\n/dev/vhost-net does not exist\n",
        );
        expect(await findings(other("vhost_vsock"), "none")).to.equal("/dev/vhost-vsock does not exist\n");
    });

    it("refuses a confidential or GPU shim on a machine whose kernel does not have it active", async () => {
        const check = (needs: string) =>
            run(`${machine([])}; ${parsed("activate", ...classArguments("kata", { needs }))}; check_host`);
        for (const [needs, finding, remedy] of [
            [
                "sev_snp",
                "AMD SEV-SNP is not active (/sys/module/kvm_amd/parameters/sev_snp), so pods would run unprotected",
                "remove the RuntimeClass",
            ],
            [
                "tdx",
                "Intel TDX is not active (/sys/module/kvm_intel/parameters/tdx), so pods would run unprotected",
                "remove the RuntimeClass",
            ],
            ["vfio", "the IOMMU is not active", "intel_iommu=on"],
        ] as const) {
            const { status, stderr } = await check(needs);
            expect(status, needs).to.equal(1);
            expect(stderr).to.contain(finding).and.contain(remedy);
            const warned = await run(
                `${machine([])}; ${parsed("activate", ...classArguments("kata", { needs }))}; HOST_CHECKS=warn; check_host`,
            );
            expect(warned.status, "the protection of pods is always required").to.equal(needs === "vfio" ? 0 : 1);
        }
        const { stdout } = await run(
            `for value in Y 1 N 0 ""; do echo "$value" >on; require_on name on; done; require_on name no`,
        );
        expect(stdout.match(/name is not active/g)).to.have.length(4);
    });

    it("loads the KVM module of this processor at boot as well", async () => {
        const modules = async (flags: string, script = ":") =>
            (await run(`${machine([], [], flags)}; ${script}; wanted_modules`)).stdout.trim().split("\n");
        expect(await modules("fpu svm sse")).to.deep.equal(["vhost_net", "vhost_vsock", "kvm_amd"]);
        expect(await modules("fpu vmx")).to.deep.equal(["vhost_net", "vhost_vsock", "kvm_intel"]);
        expect(await modules("fpu vmxnet sse")).to.deep.equal(["vhost_net", "vhost_vsock"]);
        expect(await modules("fpu vmx", "modprobe() { return 1; }")).to.deep.equal(["vhost_net", "vhost_vsock"]);
    });

    it("reports devices that are missing as drift where checks are enforced, and loads nothing in a probe", async () => {
        const drift = async (hostChecks: string) =>
            run(`${machine(["vhost-net"])}
                mkdir -p releases/3.32.0-0123456789ab state; echo x >state/managed
                find_containerd() { exit 0; }
                OWNER=me; printf '%s\\n' activate --host-checks=${hostChecks} ${classArguments("kata-qemu").join(" ")} >"$(record_of activate)"
                (drift_of_activate); [ ! -e loaded ] || echo loaded`);
        expect((await drift("enforce")).stdout).to.equal("/dev/kvm does not exist\n/dev/vhost-vsock does not exist\n");
        expect((await drift("warn")).stdout).to.equal("");
    });

    it("refuses a release that cannot be executed where it is, and writes nothing to find out (opt-noexec)", async () => {
        sandbox().write("releases/t/bin/shim", "#!/bin/sh\nexit 3\n");
        const check = 'check_program "$RELEASES_DIR/t/bin/shim"';
        const { status, stderr } = await run(check);
        expect(status).to.equal(1);
        expect(stderr).to.match(/no program can be executed in \S*\/releases: .*denied/i);
        expect(stderr).to.contain("noexec");
        // A release without the program is refused later, by its own words.
        for (const script of [`chmod +x releases/t/bin/shim; ${check}`, 'check_program "$RELEASES_DIR/t/bin/no"']) {
            expect(await run(script)).to.include({ status: 0, stdout: "", stderr: "" });
        }
        expect((await run("ls -A releases")).stdout).to.equal("t\n");
    });

    it("refuses a folder for releases in which no program can be executed, before it downloads (opt-noexec)", async () => {
        sandbox().write("a.tar.xz", "");
        const { status, stdout, stderr } = await run(
            'chmod() { :; }; HOST_CHECKS=warn; download_release t "$PWD/a.tar.xz" abc',
        );
        expect(status).to.equal(1);
        expect(stdout).to.not.contain("downloading");
        expect(stderr).to.match(/no program can be executed in \S*\/releases: .*denied/i);
    });

    it("refuses a folder for releases on a read-only file system, before it downloads (Container-Optimized OS)", async () => {
        sandbox().write("a.tar.xz", "");
        const { status, stdout, stderr } = await run(
            'is_writable() { [ "$1" != "$RELEASES_DIR" ]; }; HOST_CHECKS=warn; download_release t "$PWD/a.tar.xz" abc',
        );
        expect(status).to.equal(1);
        expect(stdout).to.not.contain("downloading");
        expect(stderr).to.match(/\/releases is on a read-only file system\n.*mount a writable one there/);
    });

    it("refuses a /opt/kata that is a mount point, also where /opt is a link", async () => {
        sandbox().ownProc = true;
        const mounted = (path: string) =>
            sandbox().write(
                "proc/self/mountinfo",
                `22 1 8:1 / / rw - ext4 /dev/sda rw\n23 22 8:2 /x ${path} rw - ext4 /dev/sdb rw\n`,
            );
        mounted(sandbox().path("opt/kata"));
        sandbox().write("opt/kata/x", "");
        for (const opt of ["opt", "link"]) {
            const { status, stderr } = await run(`ln -sfn opt link; KATA_LINK=$PWD/${opt}/kata; check_program true`);
            expect(status).to.equal(1);
            expect(stderr).to.contain(`/${opt}/kata is a mount point`);
        }
        mounted(sandbox().path("opt/kata-releases"));
        expect(await run("KATA_LINK=$PWD/opt/kata; check_program true")).to.include({ status: 0 });
    });
});
