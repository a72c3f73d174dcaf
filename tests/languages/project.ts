// A project in some language, made from its example: what a user does with an editor and a shell.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EngineEvent, LocalWorkspace, type OutputMap, type Stack } from "@pulumi/pulumi/automation";
import { inventory, nodes } from "../e2e/lab";
import { type Language, type LanguageName, languages, toJavaScript } from "./languages";
import { checkout, consumer, installed, run } from "./package";

/** What an operation did to each resource but the providers, by its name, and what it printed. */
export interface Ran {
    did: { [name: string]: string };
    log: string;
}

export class Project {
    readonly folder = mkdtempSync(join(tmpdir(), "kata-language-"));
    private readonly language: Language;
    private stack!: Stack;

    private constructor(readonly name: LanguageName) {
        this.language = languages[name];
        mkdirSync(join(this.folder, "state"));
        cpSync(join(checkout, "examples", this.language.example), this.folder, { recursive: true });
    }

    /** A project with the package in it: installed by npm, or added as a plugin from where npm put it. */
    static async create(name: LanguageName): Promise<Project> {
        const project = new Project(name);
        if (project.isNode) {
            rmSync(join(project.folder, "index.ts"));
            symlinkSync(join(consumer(), "node_modules"), join(project.folder, "node_modules"));
        } else {
            run(project.folder, "pulumi", ["package", "add", installed()], environment);
        }
        project.stack = await LocalWorkspace.createStack(
            { stackName: "dev", workDir: project.folder },
            { envVars: { ...environment, PULUMI_BACKEND_URL: `file://${project.folder}/state` } },
        );
        const privateKey = readFileSync(Object.values(nodes())[0]!.privateKeyFile, "utf8");
        await project.stack.setConfig("privateKey", { value: privateKey, secret: true });
        return project;
    }

    private get isNode() {
        return this.language.example === "typescript";
    }

    /** The example, with the lab's addresses and mirror, and further changes. */
    example(changes: [before: string, after: string][] = []): string {
        const { example, version, forTheLab } = this.language;
        const file = join(checkout, "examples", example, languages[example as LanguageName].file);
        const { url, checksums } = inventory().releases;
        const [first, second] = Object.values(nodes());
        return edited(readFileSync(file, "utf8"), [
            ["192.0.2.11", first!.host],
            ["192.0.2.12", second!.host],
            [version, version + forTheLab(url, checksums["3.32.0"]!.go!.amd64)],
            ...changes,
        ]);
    }

    /** Another program for the project. */
    write(program: string): void {
        const { file } = this.language;
        const packages = file === "Pulumi.yaml" ? `packages:\n  kata-containers: ${installed()}\n` : "";
        writeFileSync(join(this.folder, file), (file === "index.js" ? toJavaScript(program) : program) + packages);
    }

    preview = (env?: { [name: string]: string }) => this.ran((options) => this.stack.preview(options), env);
    up = () => this.ran((options) => this.stack.up(options));
    destroy = () => this.ran((options) => this.stack.destroy(options));

    private async ran(
        operation: (options: { onOutput(text: string): void; onEvent(event: EngineEvent): void }) => Promise<unknown>,
        env: { [name: string]: string } = {},
    ): Promise<Ran> {
        const ran: Ran = { did: {}, log: "" };
        this.stack.workspace.envVars = { ...this.stack.workspace.envVars, PATH: process.env.PATH!, ...env };
        await operation({
            onOutput: (text) => {
                ran.log += text;
            },
            onEvent: ({ resourcePreEvent }) => {
                const { urn, op, type } = resourcePreEvent?.metadata ?? {};
                if (urn && !type!.startsWith("pulumi:providers:")) ran.did[urn.split("::").at(-1)!] = op!;
            },
        });
        return ran;
    }

    outputs = (): Promise<OutputMap> => this.stack.outputs();

    /** The state as it lies on disk. */
    state = () => readFileSync(join(this.folder, "state/.pulumi/stacks/kata-example/dev.json"), "utf8");

    async remove(): Promise<void> {
        await this.stack.destroy();
        rmSync(this.folder, { recursive: true });
    }
}

/** The Go programs are built as the lab's tools are, so that what was compiled for those is there. */
const environment = { CGO_ENABLED: "0", GOFLAGS: "-trimpath -buildvcs=false" };

function edited(text: string, changes: [before: string, after: string][]): string {
    for (const [before, after] of changes) {
        if (text.split(before).length !== 2) throw new Error(`"${before}" must stand once in\n${text}`);
        text = text.replace(before, () => after);
    }
    return text;
}
