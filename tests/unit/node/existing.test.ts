import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { connectionDefaults } from "../../../src/args";
import { checkExisting } from "../../../src/node/existing";
import { programOf } from "../../../src/node/program";
import { SshServer } from "../../support/sshServer";

describe("the check for an existing RuntimeClass", () => {
    const servers: SshServer[] = [];
    /** A node that gives this answer of the API server; without one, commands never end. */
    const start = async (runtimeClass?: unknown, after = 0) => {
        const answer = { stage: { drift: [] }, activate: { drift: [] }, runtimeClasses: { "kata-qemu": runtimeClass } };
        const stdout = `progress\n${JSON.stringify(answer)}\n`;
        const server = await SshServer.start(runtimeClass === undefined ? undefined : { stdout, after });
        servers.push(server);
        return server;
    };
    afterEach(() => {
        for (const server of servers.splice(0)) server.stop();
    });
    const existing = (owner?: string) => ({
        kind: "PartialObjectMetadata",
        metadata: { annotations: owner ? { "kata-containers/owner": owner } : undefined },
    });
    const missing = { kind: "Status", code: 404 };

    /** The error and the warnings of the check. */
    const check = async (nodes: { [node: string]: SshServer }) => {
        const endpoints = Object.entries(nodes).map(([node, { connection }]) => [
            node,
            pulumi.output({ ...connectionDefaults, ...connection }),
        ]);
        const warnings: string[] = [];
        const warn = console.warn;
        console.warn = (message) => warnings.push(message);
        try {
            await checkExisting(
                {
                    runtimeClassName: "kata-qemu",
                    owner: pulumi.output("acme/shop/prod/kata"),
                    endpoints: Object.fromEntries(endpoints),
                    program: programOf("exit"),
                    component: undefined as never,
                },
                1000,
            );
            return { error: undefined, warnings };
        } catch (error) {
            return { error: (error as Error).message, warnings };
        } finally {
            console.warn = warn;
        }
    };

    it("existing RuntimeClass: refuses one that Pulumi does not manage, and says how to adopt it", async () => {
        const node = await start(existing());
        const { error } = await check({ a: node });
        expect(error).to.equal(
            "the RuntimeClass kata-qemu already exists and is not managed by this package; " +
                'set runtimeClasses["kata-qemu"].adopt to true to adopt it, or delete it, or choose another name',
        );
        expect(node.commands[0]).to.match(/\nprobe \\\n--node=a \\\n--runtime-class=kata-qemu$/);
    });

    it("existing RuntimeClass: names the component that manages it", async () => {
        const { error } = await check({ a: await start(existing("acme/shop/dev/kata")) });
        expect(error).to.contain("is managed by acme/shop/dev/kata");
    });

    it("existing RuntimeClass: accepts a missing one", async () => {
        expect(await check({ a: await start(missing) })).to.deep.equal({ error: undefined, warnings: [] });
    });

    it("existing RuntimeClass: accepts one that an interrupted update created, and says what to do if the provider does not", async () => {
        const { error, warnings } = await check({ a: await start(existing("acme/shop/prod/kata")) });
        expect(error).to.equal(undefined);
        expect(warnings.join()).to.contain("interrupted").and.contain("`kubectl delete runtimeclass kata-qemu`");
    });

    it("existing RuntimeClass: probes several nodes, because one of them may have no answer", async () => {
        const { error } = await check({ a: await start(null), b: await start(existing()) });
        expect(error).to.contain("already exists");
    });

    it("existing RuntimeClass: refuses it if any of three nodes knows it, and waits for each only until the timeout", async () => {
        const nodes = [await start(missing), await start(), await start(existing(), 300)];
        const [a, b, c] = nodes as [SshServer, SshServer, SshServer];
        expect((await check({ a, b, c })).error).to.contain("already exists");
        expect(await check({ a, b })).to.deep.equal({ error: undefined, warnings: [] });
        expect((await check({ b })).warnings.join()).to.contain("no node could tell");
    });

    it("existing RuntimeClass: warns if no node has an answer", async () => {
        const { error, warnings } = await check({ a: await start(null) });
        expect(error).to.equal(undefined);
        expect(warnings.join())
            .to.contain("no node could tell whether the RuntimeClass kata-qemu already exists")
            .and.contain("takes it over, and deletes it when the component is destroyed")
            .and.contain('to keep it, set runtimeClasses["kata-qemu"].adopt to true');
    });
});
