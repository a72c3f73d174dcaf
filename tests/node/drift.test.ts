// Drift, as the node program finds it.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { expect } from "chai";
import { classArguments } from "../support/arguments";
import { inEveryShell } from "../support/shells";

inEveryShell("probing", (sandbox) => {
    const stdout = async (script: string) => {
        const { status, stdout, stderr } = await sandbox().run(script);
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
        return stdout;
    };
    const tree = "3.32.0-0123456789ab";
    const record = (action: string) =>
        `state/${action}-${createHash("sha256").update("me").digest("hex").slice(0, 12)}`;
    /** A component that has claimed the node. */
    const claimed = `ARCHITECTURE=amd64
            OWNER=me NODE=n REQUESTED=""; printf 'me\\tn\\tkata\\n' >state/owners`;
    const staged = () => {
        const words = ["stage", "--owner=me", "--release=3.32.0", `--sha256-amd64=${"0123456789ab".padEnd(64, "0")}`];
        sandbox().write(record("stage"), `${words.join("\n")}\n`);
        sandbox().write(`releases/${tree}/bin/shim`, "shim");
        return stdout(`printf '%s\\t%s\\n' ${tree} "$(tree_fingerprint releases/${tree})" >state/trees`);
    };
    /** Records that a class with this handler was activated, and earlier ones with these. */
    const activated = (handler: string, ...earlier: string[]) => {
        const classes = [handler, ...earlier].map((each) => classArguments(each, { "runtime-class": "kata" }));
        sandbox().write(record("activate"), `${["activate", "--owner=me", "--node=n", ...classes[0]!].join("\n")}\n`);
        const lines = classes.flatMap(([, ...words], i) =>
            words.map((word) => [[handler, ...earlier][i], ...word.slice(2).split("=")].join("\t")),
        );
        const owners = [handler, ...earlier].map((each) => `${each}\towner\tme`);
        sandbox().write("state/classes", `${[...lines, ...owners].join("\n")}\n`);
    };
    /** The release's drift and revision. */
    const probe = async () => {
        const output = await stdout(`
            ${claimed}
            found=$(drifted stage)
            printf '%s|%s' "$(revision stage "$found")" "$found"`);
        const [revision, found] = output.split("|") as [string, string];
        return { revision, found: found.replaceAll(sandbox().folder, "") };
    };

    it("reports no drift and no new revision of an unchanged release", async () => {
        await staged();
        expect(await probe()).to.deep.equal({ revision: "", found: "" });
        mkdirSync(sandbox().path("releases/mine"));
        expect((await probe()).found).to.equal("");
    });

    it("reports files of a release that were changed, added, removed or touched", async () => {
        const changes: { [change: string]: () => void } = {
            changed: () => sandbox().write(`releases/${tree}/bin/shim`, "other"),
            added: () => sandbox().write(`releases/${tree}/bin/new`, ""),
            removed: () => rmSync(sandbox().path(`releases/${tree}/bin/shim`)),
            touched: () => utimesSync(sandbox().path(`releases/${tree}/bin/shim`), 1, 1),
        };
        for (const [change, make] of Object.entries(changes)) {
            await staged();
            make();
            const { revision, found } = await probe();
            expect(found, change).to.equal(`release tree /releases/${tree} has been modified`);
            expect(revision, change).to.match(/^[0-9a-f]{12}$/);
            rmSync(sandbox().path("releases"), { recursive: true });
        }
    });

    it("repeats a new revision until the action has run, and then makes another one", async () => {
        await staged();
        rmSync(sandbox().path("releases"), { recursive: true });
        const first = await probe();
        expect(first.found).to.equal(`release tree /releases/${tree} is missing`);
        expect(await probe()).to.deep.equal(first);
        await staged();
        rmSync(sandbox().path("releases"), { recursive: true });
        expect((await probe()).revision).to.not.equal(first.revision);
    });

    it("reports a node that was never activated, and no drift without recorded arguments", async () => {
        expect(await stdout(`${claimed}; drifted stage; echo x >state/managed; drifted activate`)).to.equal("");
        expect(await stdout(`${claimed}; rm state/managed; drifted activate`)).to.equal(
            "Kata Containers is not active\n",
        );
    });

    it("reports a failure during the comparison as drift", async () => {
        await staged();
        activated("kata");
        const output = await stdout(`
            host_findings() { :; }
            find_containerd() { fail "containerd does not run on this node" "start it"; }
            ${claimed}
            echo x >state/managed
            drifted activate
            find_containerd() { false; }
            drifted activate`);
        expect(output).to.equal(
            "containerd does not run on this node\nthe node cannot be compared with what was applied\n",
        );
    });

    it("reports no drift while another run is active", async () => {
        await staged();
        rmSync(sandbox().path("releases"), { recursive: true });
        const drift = async (script: string) =>
            JSON.parse(await stdout(`${claimed}; mkdir -p run; exec 9>run/lock; ${script}; do_probe`)).stage.drift;
        expect(await drift("flock 9")).to.deep.equal([]);
        expect((await drift("flock 9; flock -u 9")).join()).to.match(/^release tree \S+ is missing$/);
    });

    it("plans the change again if and only if something that the plan depends on has changed", async () => {
        await staged();
        const changes = {
            nothing: "",
            "the configuration as containerd understands it": "echo b >dumped",
            "containerd prints no configuration": ": >dumped",
            "the order of its imports": "echo 'imports = [2, 1]' >dumped; echo a >>dumped",
            "containerd's file": "echo b >main",
            "containerd's file, with the same content": "cp main new; mv new main",
            "a backup beside a file, of the change itself": "echo b >more/.a.kata-containers-backup",
            "a managed file": "echo b >mine",
            "a managed link": "ln -sfn b link",
            "a managed file is missing": "rm mine",
            "the kubelet's file": "chmod 600 kubelet",
            "a file in the kubelet's folder": "echo b >more/b",
            "the recorded classes": "echo >>state/classes",
            "the classes, by another component, to which this one had lost its own":
                ": >state/classes; GROUPED=''; fingerprint state/managed >state/fingerprint",
            "the list of managed paths": "echo other >>state/managed",
            "the kubelet's command line": "sleep 101 & kubelet=$!; sleep 0.1",
        };
        const output: { [change: string]: string } = {};
        for (const [change, script] of Object.entries(changes)) {
            activated("kata");
            output[change] = await stdout(`
                ${claimed}
                host_findings() { :; }
                find_containerd() { :; }
                flag() { echo ${change.includes("folder") ? "$PWD/more" : ""}; }
                dump() { cat dumped; }
                plan_activation() { plan move planned ""; echo planned; }
                rm -rf mine link more; mkdir more
                CONTAINERD_CONFIG=$PWD/main KUBELET_CONFIG=$PWD/kubelet
                kubelet_pid() { echo $kubelet; }
                sleep 100 & kubelet=$!; first=$!; sleep 0.1
                for file in main kubelet mine more/a; do echo a >$file; done
                ln -s a link; printf '%s\\n' "$PWD/mine" "$PWD/link" >state/managed
                echo 'imports = [1, 2]' >dumped; echo a >>dumped
                parse_recorded activate; find_handlers
                dump_now; fingerprint state/managed >state/fingerprint
                ${script}
                drift_of_activate; kill $first $kubelet 2>/dev/null || :`);
        }
        const wanted = Object.keys(changes).map((change) => [
            change,
            /^nothing$|^the order|^a backup/.test(change) ? "" : "planned\n",
        ]);
        expect(output).to.deep.equal(Object.fromEntries(wanted));
    });

    it("reports an earlier runtime that nothing runs on, and nothing while it is in use", async () => {
        await staged();
        sandbox().write("state/managed", "/etc/k/kata/configuration.toml\n");
        activated("kata", "kata-qemu", "old");
        const drift = await stdout(`
            ${claimed}
            host_findings() { :; }
            find_containerd() { :; }
            dump_now() { :; }
            list_running_on() { case $1 in *.kata-qemu.*) echo id ;; esac >"$WORK_DIR/running"; }
            plan_activation() { echo "planned: $HANDLERS"; }
            : >"$WORK_DIR/plan"
            drift_of_activate`);
        expect(drift).to.equal("the earlier runtime old is no longer in use\nplanned: kata kata-qemu old\n");
    });

    it("reports no drift of a component whose place another one has taken, because activate would be refused", async () => {
        await staged();
        sandbox().write("state/managed", "/etc/k/kata/configuration.toml\n");
        activated("kata");
        const drift = (owner: string) =>
            stdout(`
                ${claimed}
                printf '%s\\t%s\\tkata\\n' "$OWNER" "$NODE" acme/shop/prod/new n >state/owners
                sed -i "s|^\\(kata\\towner\\t\\).*|\\1${owner}|" state/classes
                host_findings() { :; }; find_containerd() { :; }; find_handlers() { :; }; dump_now() { :; }
                plan_activation() { echo planned; }
                : >"$WORK_DIR/plan"
                drift_of_activate`);
        expect(await drift("acme/shop/prod/new")).to.equal("");
        expect(await drift("$OWNER")).to.equal("planned\n");
    });

    it("gives a component that has not claimed the node new revisions without drift", async () => {
        await staged();
        const { stage, activate, handlers } = JSON.parse(await stdout(`${claimed}; OWNER=other; do_probe`));
        for (const { revision, drift } of [stage, activate]) {
            expect(revision).to.match(/^[0-9a-f]{12}$/);
            expect(drift).to.deep.equal([]);
        }
        expect(handlers).to.deep.equal([]);
        expect(JSON.parse(await stdout(`${claimed}; do_probe`)).stage).to.deep.equal({ revision: "", drift: [] });
    });

    it("prints any drift as JSON", async () => {
        const words = ['say "hi"', "back\\slash", "it's", "", "$(id)"];
        sandbox().write("words", `${words.join("\n")}\n`);
        expect(JSON.parse(await stdout(`json_list "$(cat words)"`))).to.deep.equal(words.filter(Boolean));
        expect(await stdout(`json_list ""`)).to.equal("[]");
    });

    it("ignores what others write around managed edits, and reports changes of managed edits", async () => {
        const ours = "#kata-containers:begin\ncgroupDriver: cgroupfs\n#kata-containers:end\n";
        const line = "#kata-containers:was(a = 1)# a = 0\n  a = 1\n";
        const planned = async (current: string, wanted: string) => {
            sandbox().write("current", current);
            sandbox().write("wanted", wanted);
            return stdout(`empty_plan; want_edits wanted current; cut -f 1,2 "$WORK_DIR/plan"`);
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
