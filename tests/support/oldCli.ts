// The engine of an old Pulumi CLI, for a program or for this package as a plugin.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const checkout = join(__dirname, "../..");
const ofPulumi = createRequire(createRequire(__filename).resolve("@pulumi/pulumi"));
const grpc = ofPulumi("@grpc/grpc-js");
const { EngineService } = ofPulumi("@pulumi/pulumi/proto/engine_grpc_pb");
const { ResourceMonitorService } = ofPulumi("@pulumi/pulumi/proto/resource_grpc_pb");
const { RegisterResourceResponse, SupportsFeatureResponse } = ofPulumi("@pulumi/pulumi/proto/resource_pb");
const { ConstructRequest } = ofPulumi("@pulumi/pulumi/proto/provider_pb");
const { ResourceProviderClient } = ofPulumi("@pulumi/pulumi/proto/provider_grpc_pb");
const { Struct } = ofPulumi("google-protobuf/google/protobuf/struct_pb");
const { Empty } = ofPulumi("google-protobuf/google/protobuf/empty_pb");

export interface Seen {
    /** The errors that a user sees. */
    errors: string[];
    /** The types of the resources that were registered. */
    registered: string[];
}

type Reply = (error: unknown, response?: unknown) => void;

/** Answers `refusal` to the question for its version, or does not know the question. */
export class OldCli {
    readonly seen: Seen = { errors: [], registered: [] };
    private readonly folder = mkdtempSync(join(tmpdir(), "kata-cli-"));
    private readonly server = new grpc.Server();
    private address = "";
    private child: ChildProcess | undefined;

    static async start(refusal?: string): Promise<OldCli> {
        const self = new OldCli();
        const { errors, registered } = self.seen;
        self.server.addService(EngineService, {
            log: ({ request }: any, reply: Reply) => {
                if (request.getSeverity() === 3) errors.push(request.getMessage().trim());
                reply(null, new Empty());
            },
            ...(refusal && {
                requirePulumiVersion: (_: unknown, reply: Reply) =>
                    reply({ code: grpc.status.UNKNOWN, details: refusal }),
            }),
        });
        self.server.addService(ResourceMonitorService, {
            supportsFeature: (_: unknown, reply: Reply) => reply(null, new SupportsFeatureResponse()),
            registerResource: ({ request }: any, reply: Reply) => {
                registered.push(request.getType());
                const response = new RegisterResourceResponse();
                response.setUrn(`urn:pulumi:prod::shop::${request.getType()}::${request.getName()}`);
                response.setObject(request.getObject());
                reply(null, response);
            },
            registerResourceOutputs: (_: unknown, reply: Reply) => reply(null, new Empty()),
        });
        const bind = (done: Reply) =>
            self.server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), done);
        const port = await new Promise((resolve, reject) =>
            bind((error, port) => (error ? reject(error) : resolve(port))),
        );
        self.address = `127.0.0.1:${port}`;
        return self;
    }

    /** Runs a program with the component. */
    async runProgram(args: object): Promise<void> {
        const text = `new (require(${JSON.stringify(join(checkout, "src"))}).KataContainers)("kata", ${JSON.stringify(args)})`;
        const flags = [
            "--monitor",
            this.address,
            "--engine",
            this.address,
            "--organization",
            "acme",
            "--project",
            "shop",
        ];
        const more = ["--stack", "prod", "--pwd", this.folder, "--parallel", "4"];
        const child = this.spawn([ofPulumi.resolve("@pulumi/pulumi/cmd/run"), ...flags, ...more], text);
        await once(child, "exit");
    }

    /** Constructs the component in a plugin. */
    async construct(args: object): Promise<void> {
        const text = `require(${JSON.stringify(ofPulumi.resolve("@pulumi/pulumi/provider/experimental"))}).componentProviderHost({
            name: "kata-containers", dirname: ${JSON.stringify(checkout)},
            components: [require(${JSON.stringify(join(checkout, "src"))}).KataContainers] })`;
        const child = this.spawn([], text, [this.address]);
        const [port] = await once(child.stdout!, "data");
        const client = new ResourceProviderClient(`127.0.0.1:${Number(port)}`, grpc.credentials.createInsecure());
        const request = new ConstructRequest();
        request.setType("kata-containers:index:KataContainers");
        request.setName("kata");
        request.setProject("shop");
        request.setStack("prod");
        request.setOrganization("acme");
        request.setMonitorendpoint(this.address);
        request.setInputs(Struct.fromJavaScript(args));
        await new Promise<void>((resolve) =>
            client.construct(request, (error: { details: string } | null) => {
                if (error) this.seen.errors.push(error.details);
                resolve();
            }),
        );
        client.close();
    }

    private spawn(words: string[], text: string, more: string[] = []): ChildProcess {
        const file = join(this.folder, "index.js");
        writeFileSync(file, text);
        this.child = spawn(process.execPath, ["--import=tsx", ...words, file, ...more], {
            cwd: checkout,
            stdio: ["ignore", "pipe", "inherit"],
        });
        return this.child;
    }

    stop(): void {
        this.child?.kill();
        this.server.forceShutdown();
        rmSync(this.folder, { recursive: true });
    }
}
