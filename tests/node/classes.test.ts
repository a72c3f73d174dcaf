// Several RuntimeClasses on one node: their arguments, releases, configurations and links.

import { chmodSync, existsSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { expect } from "chai";
import { parse } from "smol-toml";
import { classArguments, parsed } from "../support/arguments";
import { fixtures, inEveryShell } from "../support/shells";

const sum = (digit: string) => digit.repeat(64);
const configuration = fixtures("kata-config").find(({ name }) => name === "configuration-qemu-3.32.0.toml")!.text;

inEveryShell("several classes", (sandbox) => {
    const run = async (script: string) => {
        const { status, stdout, stderr } = await sandbox().run(script);
        expect({ status, stderr }, stdout).to.deep.equal({ status: 0, stderr: "" });
        return stdout;
    };
    /** A release tree with a shim and a configuration. */
    const tree = (name: string, text = configuration) => {
        sandbox().write(`releases/${name}/share/configuration.toml`, text);
        chmodSync(sandbox().write(`releases/${name}/bin/shim`, "#!/bin/sh\n"), 0o755);
    };
    const [first, second] = ["3.32.0-aaaaaaaaaaaa", "4.1.0-bbbbbbbbbbbb"] as const;
    const main = (more: object = {}, settings: string[] = []) =>
        classArguments("kata-qemu", { "sha256-amd64": sum("a"), ...more }, settings);
    const next = (more: object = {}, settings: string[] = []) =>
        classArguments("kata-next", { version: "4.1.0", "sha256-amd64": sum("b"), ...more }, settings);
    const debugging = classArguments("kata-debug", { "sha256-amd64": sum("a"), debug: "true" });

    /** Activates these classes; what belongs to containerd and the kubelet does nothing. */
    const activate = (...classes: string[][]) => `
        ${parsed("activate", ...classes.flat())}
        mkdir -p etc bin
        config_of() { echo "$PWD/etc/$1/configuration.toml"; }
        shim_folder() { echo "$PWD/bin"; }
        wanted_modules() { :; }
        want_managed_file() { case $2 in /etc/*) ;; *) want_managed "$2"; want_file "$1" "$2" ;; esac; }
        prepare_runtime() { :; }
        prepare_kubelet() { : >"$WORK_DIR/edits"; }
        want_runtime() { :; }
        want_kubelet() { :; }
        list_running_on() { case " $RUNNING " in *" $1 "*) echo id ;; esac >"$WORK_DIR/running"; }
        RUNNING="\${RUNNING:-}" # the types of runtimes that containers use
        change() {
            empty_plan; find_handlers; plan_activation
            begin; carry_out_plan; commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"
            empty_plan; plan_activation; cat "$WORK_DIR/plan" >&2
        }
        say() { :; }
        `;
    const config = (handler: string) => readFileSync(sandbox().path(`etc/${handler}/configuration.toml`), "utf8");
    const link = (handler: string) => readlinkSync(sandbox().path(`bin/containerd-shim-${handler}-v2`));
    const relative = (path: string) => path.replace(sandbox().folder, "");

    it("keeps the arguments of each class and of each release apart", async () => {
        const words = [...main({}, ["a.b=1", "c.d.e=x = y"]), ...next({}, ["a.b=2"])];
        const output = await run(`
            ${parsed("activate", "--owner=me", ...words)}
            echo "$OWNER, $REQUESTED"
            given kata-qemu version; given kata-next version; given kata version
            settings_of kata-qemu; settings_of kata-next
            tree_of kata-qemu; tree_of kata-next; main_tree`);
        expect(output.split("\n")).to.deep.equal([
            ...["me, kata-qemu kata-next", "3.32.0", "4.1.0", "a\tb\t1", "c.d\te\tx = y", "a\tb\t2"],
            ...[first, second, first, ""],
        ]);
        const releases = [
            "--release=3.32.0",
            `--sha256-amd64=${sum("a")}`,
            "--release=4.1.0",
            `--sha256-amd64=${sum("b")}`,
        ];
        expect(await run(`${parsed("stage", "--handlers=a,b", ...releases)}; echo $REQUESTED; trees`)).to.equal(
            `a b\n${first}\n${second}\n`,
        );
    });

    it("stages each archive with its own URL, sum and query", async () => {
        const release = (version: string, digit: string) => [
            ...[
                `--release=${version}`,
                `--url-amd64=/${version}.tar.zst`,
                `--url-arm64=/arm`,
                `--sha256-amd64=${sum(digit)}`,
            ],
        ];
        const output = await run(`
            ${parsed("stage", "--owner=me", "--node=n", "--handlers=a", ...release("4.1.0", "a"), ...release("3.32.0", "b"), "--needs=kvm")}
            check_node_name() { :; }; check_host() { needs; }; download_release() { echo "$*"; }
            touch state/node.sh; KATA_URL_QUERIES="arm64-1=?no amd64-2=?sig=a=b"
            do_stage`);
        expect(output).to.equal(
            `kvm\n4.1.0-aaaaaaaaaaaa /4.1.0.tar.zst ${sum("a")} \n3.32.0-bbbbbbbbbbbb /3.32.0.tar.zst ${sum("b")} ?sig=a=b\n`,
        );
        const { stderr } = await sandbox().run(
            `${parsed("stage", ...release("4.1.0", "a"), "--release=2.2.2", `--sha256-arm64=${sum("a")}`)}; require_archives`,
        );
        expect(stderr).to.contain(
            'step "release": Kata Containers 2.2.2 cannot be installed on amd64: the shim does not support it, or has no checksum',
        );
    });

    it("gives each class its own configuration, debug and link, also from another release", async () => {
        tree(first);
        tree(second);
        await run(`${activate(main({}, ["hypervisor.qemu.default_memory=4096"]), debugging, next())} change`);
        expect(readlinkSync(sandbox().path("kata"))).to.equal(`kata-releases/${first}`);
        expect([link("kata-qemu"), link("kata-debug")]).to.deep.equal(["/opt/kata/bin/shim", "/opt/kata/bin/shim"]);
        expect(relative(link("kata-next"))).to.equal(`/releases/${second}/bin/shim`);

        const shipped: any = parse(configuration);
        const memory: any = parse(config("kata-qemu"));
        expect(memory.hypervisor.qemu).to.deep.equal({ ...shipped.hypervisor.qemu, default_memory: 4096 });
        expect((parse(config("kata-debug")) as any).runtime.enable_debug).to.equal(true);
        expect(memory.runtime.enable_debug).to.equal(false);
    });

    it("rewrites every path of a class whose release /opt/kata does not lead to, also in settings of the user", async () => {
        tree(first);
        tree(second);
        const own = 'hypervisor.qemu.kernel="/opt/kata/share/mine"';
        await run(`${activate(main(), next({}, [own]))} change`);
        const place = sandbox().path(`releases/${second}`);
        const wanted: any = parse(configuration.replaceAll("/opt/kata/", `${place}/`));
        wanted.hypervisor.qemu.kernel = `${place}/share/mine`;
        const written: any = parse(config("kata-next"));
        expect(written).to.deep.equal(wanted);
        expect(written.hypervisor.qemu.valid_hypervisor_paths).to.deep.equal([`${place}/bin/qemu-system-x86_64`]);
        expect(config("kata-next")).to.not.contain('"/opt/kata/');
        expect(config("kata-qemu")).to.not.contain(place);
    });

    it("changes nothing if only the verification is switched on or off", async () => {
        tree(first);
        await run(`${activate(["--verify=false"], main())} change`);
        // Planning again after the change must find nothing, or `run` fails.
        await run(`${activate(["--verify=true"], main())} find_handlers; plan_activation; cat "$WORK_DIR/plan" >&2`);
    });

    it("moves the paths of a class when its release becomes the main one", async () => {
        tree(first);
        tree(second);
        await run(`${activate(main(), next())} change`);
        await run(`${activate(next(), main())} change`);
        expect(readlinkSync(sandbox().path("kata"))).to.equal(`kata-releases/${second}`);
        expect(link("kata-next")).to.equal("/opt/kata/bin/shim");
        expect(relative(link("kata-qemu"))).to.equal(`/releases/${first}/bin/shim`);
        expect(config("kata-next")).to.not.contain("releases");
    });

    it("removes the configuration and the link of a class that was removed from runtimeClasses", async () => {
        tree(first);
        tree(second);
        await run(`${activate(main(), next())} change`);
        await run(`${activate(main())} change`);
        expect(existsSync(sandbox().path("etc/kata-next/configuration.toml"))).to.equal(false);
        expect(existsSync(sandbox().path("bin/containerd-shim-kata-next-v2"))).to.equal(false);
        expect(link("kata-qemu")).to.equal("/opt/kata/bin/shim");
    });

    it("an earlier handler keeps its release and its settings as long as containers run on it", async () => {
        tree(first);
        tree(second);
        const before = main({}, ["hypervisor.qemu.default_memory=4096"]);
        const after = next({ "runtime-class": "kata-qemu" });
        await run(`${activate(before)} change`);
        expect(
            await run(`RUNNING=io.containerd.kata-qemu.v2; ${activate(after)} change; echo "$HANDLERS"; trees`),
        ).to.equal(`kata-next kata-qemu\n${second}\n${first}\n`);
        const kept: any = parse(config("kata-qemu"));
        expect(kept.hypervisor.qemu.default_memory).to.equal(4096);
        expect(kept.hypervisor.qemu.path).to.equal(`${sandbox().path(`releases/${first}`)}/bin/qemu-system-x86_64`);
        expect(relative(link("kata-qemu"))).to.equal(`/releases/${first}/bin/shim`);
        // Also when something else changes meanwhile.
        await run(
            `RUNNING=io.containerd.kata-qemu.v2; ${activate([...after, "--set=runtime.sandbox_cgroup_only=true"])} change`,
        );
        expect((parse(config("kata-qemu")) as any).hypervisor.qemu.default_memory).to.equal(4096);
        await run(`${activate(after)} change`);
        expect(existsSync(sandbox().path("etc/kata-qemu/configuration.toml"))).to.equal(false);
    });

    it("keeps the releases that the last change replaced, and no earlier ones", async () => {
        const recorded = (...classes: string[][]) =>
            run(`${parsed("activate", ...classes.flat())}; printf %s "$GROUPED" >state/classes; recorded_trees`);
        expect(await recorded(main(), debugging, next())).to.equal(`${first}\n${second}\n`);
        expect(await recorded(next())).to.equal(`${second}\n`);
        expect(await run("rm state/classes; recorded_trees")).to.equal("");
    });

    it("counts the sandboxes of each handler by release", async () => {
        const output = await run(`
            sandboxes() { printf '%s\\t%s\\n' ${first} aaa .gone-12-${first} bbb ${second} ccc ${second} ddd; }
            ctr() { printf 'CONTAINER IMAGE RUNTIME\\n'; for id in aaa bbb ccc; do echo "$id - io.containerd.kata-qemu.v2"; done
                echo "ddd - io.containerd.kata-next.v2"; }
            timeout() { shift; "$@"; }
            CONTAINERD_SOCKET=/s OWN_HANDLERS="kata-qemu kata-next none"; by_handler sandboxes_of`);
        expect(JSON.parse(output)).to.deep.equal({
            "kata-qemu": { "3.32.0": 2, "4.1.0": 1 },
            "kata-next": { "4.1.0": 1 },
            none: {},
        });
    });

    describe("of two components", () => {
        const [one, two, three] = ["acme/shop/prod/one", "acme/shop/prod/two", "acme/other/prod/three"] as const;
        const third = classArguments("kata-third", { "sha256-amd64": sum("a") });
        /** The components with these handlers have claimed the node. */
        const claims = (...owners: [owner: string, handlers: string][]) =>
            sandbox().write("state/owners", owners.map(([owner, handlers]) => `${owner}\tn\t${handlers}\n`).join(""));
        const as = (owner: string, ...words: string[][]) => activate([`--owner=${owner}`, "--node=n"], ...words);
        /** Activates classes; planning for any component again must find nothing. */
        const change = (owner: string, ...words: string[][]) => run(`${as(owner, ...words)} change`);
        const plans = (owner: string, ...words: string[][]) =>
            run(`${as(owner, ...words)} empty_plan; find_handlers; plan_activation; cut -f 2 "$WORK_DIR/plan"`);
        const leave = (owner: string) =>
            run(`${as(owner)} empty_plan; find_handlers; plan_deactivation
                begin; carry_out_plan; commit; mv "$WORK_DIR/managed" "$STATE_DIR/managed"; remove_folders`);
        const linked = () => readlinkSync(sandbox().path("kata"));
        beforeEach(() => {
            const small =
                '[hypervisor.qemu]\npath = "/opt/kata/bin/q"\ndefault_memory = 1\n[runtime]\nenable_debug = false\n';
            tree(first, small);
            tree(second, small);
            claims([one, "kata-qemu"], [two, "kata-next"]);
        });

        it("keeps the classes of the other component, and plans nothing for either after a change of the other one", async () => {
            await change(one, main());
            await change(two, next({}, ["hypervisor.qemu.default_memory=512"]));
            expect(linked()).to.equal(`kata-releases/${first}`);
            expect(await plans(one, main())).to.equal("");
            await change(one, main({ debug: "true" }));
            expect(await plans(two, next({}, ["hypervisor.qemu.default_memory=512"]))).to.equal("");
            expect((parse(config("kata-next")) as any).hypervisor.qemu.default_memory).to.equal(512);
            expect([link("kata-qemu"), relative(link("kata-next"))]).to.deep.equal([
                "/opt/kata/bin/shim",
                `/releases/${second}/bin/shim`,
            ]);
        });

        it("/opt/kata leads to the release of the first component as long as it is there, in whatever order they change", async () => {
            claims([one, "kata-qemu"], [two, "kata-next"], [three, "kata-third"]);
            await change(one, next());
            claims([one, "kata-next"], [two, "kata-qemu"], [three, "kata-third"]);
            await change(two, main());
            await change(three, third);
            await change(two, main({ debug: "true" }));
            for (const [owner, words] of [
                [one, next()],
                [two, main({ debug: "true" })],
                [three, third],
            ] as const) {
                expect(await plans(owner, words), owner).to.equal("");
            }
            expect(linked()).to.equal(`kata-releases/${second}`);
            // The first component changes its main class.
            await change(one, next({ version: "3.32.0", "sha256-amd64": sum("a") }));
            expect(linked()).to.equal(`kata-releases/${first}`);
        });

        it("removes only the classes of the component that leaves, and gives /opt/kata to the others", async () => {
            await change(one, main());
            await change(two, next());
            await leave(one);
            expect(existsSync(sandbox().path("etc/kata-qemu"))).to.equal(false);
            expect(existsSync(sandbox().path("bin/containerd-shim-kata-qemu-v2"))).to.equal(false);
            expect(linked()).to.equal(`kata-releases/${second}`);
            expect([link("kata-next"), config("kata-next").includes("/releases/")]).to.deep.equal([
                "/opt/kata/bin/shim",
                false,
            ]);
            claims([two, "kata-next"]);
            expect(await plans(two, next())).to.equal("");
            expect(await run("recorded_trees")).to.equal(`${second}\n`);
        });

        it("a renamed component takes over the classes of the earlier one, and not those of others", async () => {
            await change(one, main());
            await change(two, next());
            claims([one, "kata-qemu"], [two, "kata-next"], ["acme/shop/prod/renamed", "kata-qemu"]);
            await change("acme/shop/prod/renamed", main());
            expect(await run(`handlers_of ${one}; handlers_of acme/shop/prod/renamed; handlers_of ${two}`)).to.equal(
                "kata-qemu\nkata-next\n",
            );
            expect(linked()).to.equal(`kata-releases/${first}`);
            // The rename is given up. The third component must not take the classes for its own.
            await run(`${parsed("deactivate", "--owner=acme/shop/prod/renamed", "--node=n")}; do_deactivate`);
            expect(await run(`handlers_of ${one}; handlers_of acme/shop/prod/renamed`)).to.equal("kata-qemu\n");
            claims([one, "kata-qemu"], [two, "kata-next"]);
            expect(await plans(two, next())).to.equal("");
            expect(await plans(one, main())).to.equal("");
        });

        it("keeps the earlier handler of another component, whether containers run on it or not", async () => {
            await change(one, main());
            await run(
                `RUNNING=io.containerd.kata-qemu.v2; ${as(one, classArguments("kata", { "runtime-class": "kata-qemu", "sha256-amd64": sum("a") }))} change`,
            );
            claims([one, "kata"], [two, "kata-next"]);
            await change(two, next());
            expect(link("kata-qemu")).to.equal("/opt/kata/bin/shim");
        });

        it("changes a component although another one has lost its release, and keeps the files of that one", async () => {
            await change(one, main());
            await change(two, next());
            const before = config("kata-next");
            rmSync(sandbox().path(`releases/${second}`), { recursive: true });
            await change(one, main({ debug: "true" }));
            expect(config("kata-next")).to.equal(before);
        });

        it("takes over the cgroup driver that another component requests, and refuses a different one", async () => {
            const driver = (owner: string, ...words: string[]) =>
                sandbox().run(
                    `${as(owner, words, owner === one ? main() : next())} find_handlers; echo "<$CGROUP_DRIVER>"`,
                );
            await change(one, ["--cgroup-driver=systemd"], main());
            expect((await driver(two)).stdout).to.equal("<systemd>\n");
            expect((await driver(two, "--cgroup-driver=systemd")).stdout).to.equal("<systemd>\n");
            const { status, stderr } = await driver(two, "--cgroup-driver=cgroupfs");
            expect(status).to.equal(1);
            expect(stderr)
                .to.contain('step "owner"')
                .and.contain(
                    `${two} requests the cgroup driver cgroupfs, but ${one}, which manages this node too, requests systemd`,
                );
            // The request of the component that stays counts.
            await change(two, next());
            expect((await driver(one)).stdout).to.equal("<>\n");
            await change(two, ["--cgroup-driver=systemd"], next());
            expect((await driver(one)).stdout).to.equal("<systemd>\n");
            const left = `${as(one)} find_handlers; echo "<$CGROUP_DRIVER>"`;
            expect(await run(left)).to.equal("<systemd>\n");
        });

        it("counts only sandboxes that are not of another component, and all of them if containerd does not answer", async () => {
            await change(one, main());
            await change(two, next());
            const own = (owner: string, ctr: string) =>
                run(`${parsed("deactivate", `--owner=${owner}`, "--node=n")}
                    sandboxes() { printf '%s\\t%s\\n' ${first} aaa ${second} bbb ${second} ccc; }
                    ctr() { ${ctr}; }; timeout() { shift; "$@"; }; CONTAINERD_SOCKET=/s
                    own_sandboxes | cut -f 2 | tr '\\n' ' '; no_sandboxes || echo some`);
            const listed = "printf '%s - io.containerd.%s.v2\\n' aaa kata-qemu bbb kata-next";
            expect(await own(one, listed)).to.equal("aaa ccc some\n");
            expect(await own(two, listed)).to.equal("bbb ccc some\n");
            expect(await own(one, "return 1")).to.equal("aaa bbb ccc some\n");
            // None is killed then.
            const { status, stderr } = await sandbox().run(`${parsed("deactivate", `--owner=${one}`, "--node=n")}
                say() { :; }; sandbox_names() { :; }; sandboxes() { :; }; kill_containers() { echo killed >&2; }
                CONTAINERD_SOCKET=/none CONTAINERD_UNIT=u; kill_sandboxes`);
            expect(status).to.equal(1);
            expect(stderr).to.contain("containerd does not list its containers").and.not.contain("killed");
        });

        it("reports a file of a class as drift only to its own component", async () => {
            await change(one, main());
            await change(two, next());
            const drift = (owner: string, ...words: string[][]) =>
                run(`${as(owner, ...words)} CONTAINERD_CONFIG=/c IMPORTED="" KUBELET_CONFIG=/k
                    empty_plan; find_handlers; plan_activation
                    while read -r kind path argument; do is_of_others "$path" || describe_drift "$kind" "$path" "$argument"; done <"$WORK_DIR/plan"`);
            sandbox().write("etc/kata-next/configuration.toml", "other");
            rmSync(sandbox().path("bin/containerd-shim-kata-next-v2"));
            expect(await drift(one, main())).to.equal("");
            expect(relative(relative(await drift(two, next())))).to.equal(
                "/etc/kata-next/configuration.toml was changed\n/bin/containerd-shim-kata-next-v2 is missing\n",
            );
        });
    });

    for (const [key, nearest] of [
        ["hypervisor.qemu.default_memroy", ["default_memory"]],
        ["hypervisor.qemu.vcpus", ["default_vcpus", "default_maxvcpus"]],
        ["runtime.sandbox_cgroups_only", ["sandbox_cgroup_only"]],
    ] as [string, string[]][]) {
        it(`refuses the unknown key ${key} of Kata's configuration, and names the nearest ones`, async () => {
            tree(first);
            const { status, stderr } = await sandbox().run(`${activate(main({}, [`${key}=1`]))} change`);
            expect(status).to.equal(1);
            expect(stderr).to.contain(
                `settings names the key "${key}", which Kata 3.32.0's configuration.toml does not have`,
            );
            expect(stderr.match(/^error: /gm)).to.have.length(1);
            const [, named] = /use one of its keys, such as: (.*)/.exec(stderr)!;
            expect(named!.trim().split(" ")).to.have.length(3).and.include.members(nearest);
        });
    }

    it("accepts a key that is only a comment in its table, and refuses it in another one", async () => {
        tree(
            first,
            "[hypervisor.qemu]\n# The memory\n# default_memory = 2048\nenable_debug = false\n[runtime]\n#enable_debug = true\n",
        );
        await run(`${activate(main({}, ["hypervisor.qemu.default_memory=1"]))} change`);
        const { stderr } = await sandbox().run(`${activate(main({}, ["runtime.default_memory=1"]))} change`);
        expect(stderr).to.contain('the key "runtime.default_memory"').and.contain("such as: enable_debug");
        const { stderr: table } = await sandbox().run(`${activate(main({}, ["agent.kata.x=1"]))} change`);
        expect(table).to.contain('settings names the table "agent.kata"');
    });
});
