// A Pulumi project in one of the languages, made from its example.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type EngineEvent, LocalWorkspace, type OutputMap, type Stack } from "@pulumi/pulumi/automation";
import { errorOf, inventory, nodes } from "../support/lab";
import { checkout, consumer, installed, run } from "./consumer";
import { type Language, type LanguageName, languages, toJavaScript } from "./languages";

/** The result of a Pulumi command. */
export interface Ran {
    /** The operation on each resource except providers, by the name of the resource. */
    did: { [name: string]: string };
    /** The inputs of each resource. */
    inputs: { [name: string]: any };
    log: string;
}

export class Project {
    readonly folder = mkdtempSync(join(tmpdir(), "kata-language-"));
    private readonly language: Language;
    private stack!: Stack;
    /** The part that `pulumi package add` wrote into Pulumi.yaml, for YAML, where that file is the program. */
    private packages = "";

    private constructor(name: LanguageName, example = languages[name].example) {
        this.language = { ...languages[name], example };
        mkdirSync(join(this.folder, "state"));
        cpSync(join(checkout, "examples", example), this.folder, { recursive: true });
    }

    /** Makes a project with the package: installed by npm, or added as a plugin from npm's folder or from `source`. */
    static async create(name: LanguageName, source?: string): Promise<Project> {
        const project = new Project(name);
        if (project.language.example === "typescript") {
            if (name === "javascript") rmSync(join(project.folder, "index.ts"));
            await project.linkModules();
        } else {
            await run(project.folder, "pulumi", ["package", "add", source ?? (await installed())], goEnvironment);
            if (name === "java") await project.copySdk();
            if (name === "yaml") project.packages = /^packages:.*/ms.exec(project.read("Pulumi.yaml"))![0];
        }
        return project.withStack();
    }

    /** Makes a project of another example, in TypeScript. */
    static async other(example: string): Promise<Project> {
        const project = new Project("typescript", example);
        await project.linkModules();
        return project.withStack();
    }

    private async linkModules(): Promise<void> {
        symlinkSync(join(await consumer(), "node_modules"), join(this.folder, "node_modules"));
    }

    /** Copies the sources of the SDK into the project, as examples/java/README.md says. */
    private copySdk(): Promise<string> {
        return run(this.folder, "sh", ["-c", "cp -r sdks/*/src ."]);
    }

    private async withStack(): Promise<this> {
        this.stack = await LocalWorkspace.createStack(
            { stackName: "dev", workDir: this.folder },
            { envVars: { ...goEnvironment, PULUMI_BACKEND_URL: `file://${this.folder}/state` } },
        );
        await this.setSecret("privateKey", privateKey());
        return this;
    }
    setSecret = (name: string, value: string) => this.stack.setConfig(name, { value, secret: true });

    private read = (file: string) => readFileSync(join(this.folder, file), "utf8");

    /** The example, with changes. */
    example(changes: [before: string, after: string][] = []): string {
        const file = this.language.file.replace("index.js", "index.ts");
        return edited(readFileSync(join(checkout, "examples", this.language.example, file), "utf8"), changes);
    }

    /** The example with the lab's addresses and mirror, and more changes. */
    exampleForTheLab(changes: [before: string, after: string][] = []): string {
        return edited(this.example(changes), [...addresses(), this.withMirror()]);
    }
    /** One of the programs in the folder `programs`, with the lab's mirror. */
    programForTheLab(name: string): string {
        return edited(this.program(name), [this.withMirror()]);
    }
    private withMirror(): [before: string, after: string] {
        const { version } = this.language;
        return [version, version + this.forTheLab()];
    }
    forTheLab(): string {
        const { url, checksums } = inventory().releases;
        return this.language.forTheLab(url, checksums["3.32.0"]!.qemu!.amd64);
    }

    /** One of the programs in the folder `programs`. */
    program(name: string): string {
        const file = basename(this.language.file).replace("index.js", "index.ts");
        return readFileSync(join(__dirname, "programs", name, file), "utf8");
    }

    /** Replaces the program of the project. */
    write(program: string): void {
        const { file } = this.language;
        const text = file === "index.js" ? toJavaScript(program) : program;
        writeFileSync(join(this.folder, file), text + this.packages);
    }

    /** Runs a preview that must fail, and returns its error. */
    refusal(): Promise<string> {
        return errorOf(this.preview());
    }

    preview = (env?: { [name: string]: string }) => this.ran((options) => this.stack.preview(options), env);
    up = () => this.ran((options) => this.stack.up(options));
    destroy = () => this.ran((options) => this.stack.destroy(options));

    private async ran(
        operation: (options: { onOutput(text: string): void; onEvent(event: EngineEvent): void }) => Promise<unknown>,
        env: { [name: string]: string } = {},
    ): Promise<Ran> {
        const ran: Ran = { did: {}, inputs: {}, log: "" };
        this.stack.workspace.envVars = { ...this.stack.workspace.envVars, PATH: process.env.PATH!, ...env };
        await operation({
            onOutput: (text) => {
                ran.log += text;
            },
            onEvent: ({ resourcePreEvent }) => {
                const { urn, op, type, new: wanted } = resourcePreEvent?.metadata ?? {};
                if (!urn || type!.startsWith("pulumi:providers:")) return;
                const name = urn.split("::").at(-1)!;
                ran.did[name] = op!;
                ran.inputs[name] = wanted?.inputs;
            },
        });
        return ran;
    }

    outputs = (): Promise<OutputMap> => this.stack.outputs();

    /** The state file. */
    state = () => this.read("state/.pulumi/stacks/kata-example/dev.json");

    async remove(): Promise<void> {
        await this.stack.destroy();
        rmSync(this.folder, { recursive: true });
    }
}

export const privateKey = () => readFileSync(Object.values(nodes())[0]!.privateKeyFile, "utf8");

/** Go programs are built with the options of the lab's tools, which share the build cache. */
export const goEnvironment = { CGO_ENABLED: "0", GOFLAGS: "-trimpath -buildvcs=false" };

const addresses = (): [before: string, after: string][] =>
    Object.values(nodes()).map(({ host }, index) => [`192.0.2.1${index + 1}`, host]);

function edited(text: string, changes: [before: string, after: string][]): string {
    for (const [before, after] of changes) {
        if (text.split(before).length !== 2) throw new Error(`"${before}" must occur once in\n${text}`);
        text = text.replace(before, () => after);
    }
    return text;
}
