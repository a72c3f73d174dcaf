// What has drifted, as the node program tells it.

import { mkdirSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { expect } from "chai";
import { inEveryShell } from "../support/shells";

inEveryShell("drift", (sandbox) => {
    const stdout = async (script: string) => {
        const { status, stdout, stderr } = await sandbox().run(script);
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
        return stdout;
    };
    const tree = "3.32.0-0123456789ab";
    const staged = (generation = "") => {
        const words = ["stage", "--version=3.32.0", `--sha256-amd64=${"0123456789ab".padEnd(64, "0")}`];
        sandbox().write("state/stage", `${[...words, ...(generation && [`--generation=${generation}`])].join("\n")}\n`);
        sandbox().write(`releases/${tree}/bin/shim`, "shim");
        return stdout(`printf '%s\\t%s\\n' ${tree} "$(picture releases/${tree})" >state/trees`);
    };
    /** What is said of the release, and its generation. */
    const look = async () => {
        const said = await stdout(`
            architecture() { echo amd64; }
            drifted stage
            printf '%s|%s' "$(generation stage "$found")" "$found"`);
        const [generation, found] = said.split("|") as [string, string];
        return { generation, found: found.replaceAll(sandbox().folder, "") };
    };

    it("of a release there is none as long as nothing is changed, and its generation is the recorded one", async () => {
        await staged();
        expect(await look()).to.deep.equal({ generation: "", found: "" });
        await staged("abcdefabcdef");
        expect(await look()).to.deep.equal({ generation: "abcdefabcdef", found: "" });
        mkdirSync(sandbox().path("releases/mine"));
        expect((await look()).found).to.equal("");
    });

    it("of a release: a file is changed, added, removed, or touched", async () => {
        const changes: { [what: string]: () => void } = {
            changed: () => sandbox().write(`releases/${tree}/bin/shim`, "other"),
            added: () => sandbox().write(`releases/${tree}/bin/new`, ""),
            removed: () => rmSync(sandbox().path(`releases/${tree}/bin/shim`)),
            touched: () => utimesSync(sandbox().path(`releases/${tree}/bin/shim`), 1, 1),
        };
        for (const [what, change] of Object.entries(changes)) {
            await staged();
            change();
            const { generation, found } = await look();
            expect(found, what).to.equal(`release tree /releases/${tree} is not as it was unpacked`);
            expect(generation, what).to.match(/^[0-9a-f]{12}$/);
            rmSync(sandbox().path("releases"), { recursive: true });
        }
    });

    it("a new generation is the same until it is recorded, and never again", async () => {
        await staged("abcdefabcdef");
        rmSync(sandbox().path("releases"), { recursive: true });
        const first = await look();
        expect(first.found).to.equal(`release tree /releases/${tree} is missing`);
        expect(await look()).to.deep.equal(first);
        await staged(first.generation);
        rmSync(sandbox().path("releases"), { recursive: true });
        expect((await look()).generation).to.not.equal(first.generation);
    });

    it("what an earlier version applied is not judged, and what was never activated is", async () => {
        expect(
            await stdout(
                `drifted stage; printf %s "$found"; : >state/own; echo x >state/own; drifted activate; printf %s "$found"`,
            ),
        ).to.equal("");
        expect(await stdout(`rm state/own; drifted activate; printf %s "$found"`)).to.equal(
            "Kata Containers is not active",
        );
    });

    it("what fails while it is looked for is what has drifted, in its own words", async () => {
        await staged();
        const said = await stdout(`
            find_containerd() { fail "containerd does not run on this node" "start it"; }
            architecture() { echo amd64; }
            echo x >state/own; sed s/stage/activate/ state/stage >state/activate
            drifted activate; echo "$found"
            find_containerd() { false; }
            drifted activate; echo "$found"`);
        expect(said).to.equal(
            "containerd does not run on this node\nwhat is there cannot be compared with what was applied\n",
        );
    });

    it("another run that is at work is left alone", async () => {
        await staged();
        rmSync(sandbox().path("releases"), { recursive: true });
        const drift = async (script: string) =>
            JSON.parse(
                await stdout(`architecture() { echo amd64; }; mkdir -p run; exec 9>run/lock; ${script}; do_drift`),
            ).stage.drift;
        expect(await drift("flock 9")).to.deep.equal([]);
        expect((await drift("flock 9; flock -u 9")).join()).to.match(/^release tree \S+ is missing$/);
    });

    it("of what was activated is looked for where something it is made from has changed, and only there", async () => {
        await staged();
        const changes = {
            nothing: "",
            "what containerd understands": "echo b >dumped",
            "that containerd tells nothing": ": >dumped",
            "the order of its imports": "echo 'imports = [2, 1]' >dumped; echo a >>dumped",
            "its file": "echo b >main",
            "its file, as it was": "cp main new; mv new main",
            "a file of ours": "echo b >mine",
            "a link of ours": "ln -sfn b link",
            "a file of ours, gone": "rm mine",
            "the kubelet's file": "chmod 600 kubelet",
            "a file in the kubelet's folder": "echo b >more/b",
            "what was asked for": "echo --version=3.32.0 >>state/activate",
            "what is ours": "echo other >>state/own",
            "how the kubelet is started": "sleep 101 & kubelet=$!; sleep 0.1",
        };
        const said: { [change: string]: string } = {};
        for (const [change, script] of Object.entries(changes)) {
            said[change] = await stdout(`
                architecture() { echo amd64; }
                find_containerd() { :; }
                find_kubelet() { :; }
                flag() { echo ${change.includes("folder") ? "$PWD/more" : ""}; }
                dump() { cat dumped; }
                plan_activation() { plan move planned ""; echo planned; }
                rm -rf mine link more; mkdir more
                MAIN=$PWD/main KUBELET_CONFIG=$PWD/kubelet
                main_process() { echo $kubelet; }
                sleep 100 & kubelet=$!; first=$!; sleep 0.1
                for file in main kubelet mine more/a; do echo a >$file; done
                ln -s a link; printf '%s\\n' "$PWD/mine" "$PWD/link" >state/own
                sed s/stage/activate/ state/stage >state/activate
                echo 'imports = [1, 2]' >dumped; echo a >>dumped
                dump_now; seal >state/seal
                ${script}
                drift_of_activate; kill $first $kubelet 2>/dev/null || :`);
        }
        const wanted = Object.keys(changes).map((change) => [
            change,
            ["nothing", "the order of its imports"].includes(change) ? "" : "planned\n",
        ]);
        expect(said).to.deep.equal(Object.fromEntries(wanted));
    });

    it("is passed on as JSON, whatever it holds", async () => {
        const words = ['say "hi"', "back\\slash", "it's", "", "$(id)"];
        sandbox().write("words", `${words.join("\n")}\n`);
        expect(JSON.parse(await stdout(`json_list "$(cat words)"`))).to.deep.equal(words.filter(Boolean));
        expect(await stdout(`json_list ""`)).to.equal("[]");
    });

    it("what others write around our edits is none, what they change in them is", async () => {
        const ours = "#kata-containers:begin\ncgroupDriver: cgroupfs\n#kata-containers:end\n";
        const line = "#kata-containers:was(a = 1)# a = 0\n  a = 1\n";
        const planned = async (current: string, wanted: string) => {
            sandbox().write("current", current);
            sandbox().write("wanted", wanted);
            return stdout(`empty_plan; want_edits wanted current; cut -f 1,2 "$NEXT/plan"`);
        };
        expect(await planned(`b\n${ours}c\n`, `b\nc\n${ours}`)).to.equal("");
        expect(await planned(`${line}b`, `x\n${line}`)).to.equal("");
        expect(await planned("b\n", "c\n")).to.equal("");
        expect(await planned(`b\n${ours.replace("cgroupfs", "systemd")}`, `b\n${ours}`)).to.equal("file\tcurrent\n");
        expect(await planned(line.replace("  a = 1", "a = 2"), line)).to.equal("file\tcurrent\n");
        expect(await planned("b\n", `b\n${ours}`)).to.equal("file\tcurrent\n");
        expect(readFileSync(sandbox().path("current"), "utf8")).to.equal("b\n");
    });
});
