import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { KataContainers } from "../../../src";
import { hostKey } from "../../support/arguments";
import { rejection, resolved } from "../../support/mocks";

describe("two components of one program", () => {
    const mocks = { newResource: ({ inputs, name }: any) => ({ id: name, state: inputs }), call: () => ({}) };
    const run = () => pulumi.runtime.setMocks(mocks, "shop", "prod", true, "acme");
    const create = (name: string, nodes: unknown, more: object = {}) =>
        new KataContainers(name, { nodes, drift: "off", ...more } as never).nodeStatuses;
    const connection = { host: "a", password: "p", hostKey };
    const through = (proxy: object) => ({ b: { connection: { ...connection, proxy } } });
    const direct = { a: { connection } };

    it("rejects a machine on which another component manages the same handler, and names both", async () => {
        await run();
        await resolved(create("one", direct));
        const error = await rejection(resolved(create("two", { b: direct.a })));
        expect(error.message).to.equal(
            'KataContainers "two" has an invalid argument:\n  - nodes["b"].connection: has the same address as "a" of ' +
                "urn:pulumi:prod::shop::kata-containers:index:KataContainers::one, which has the handler kata-qemu too: " +
                "set another handler in runtimeClasses of one of the two components, or remove the machine from it",
        );
    });

    it("accepts a machine on which another component manages other handlers", async () => {
        await run();
        await resolved(create("one", direct));
        const runtimeClasses = { "kata-clh": {}, "kata-qemu": { handler: "next" } };
        await resolved(create("two", direct, { runtimeClasses }));
        const error = await rejection(resolved(create("three", direct, { runtimeClasses: { "kata-clh": {} } })));
        expect(error.message).to.contain("KataContainers::two, which has the handler kata-clh too");
    });

    it("accepts the same address in two networks, a machine that is gone, and another run", async () => {
        await run();
        await resolved(create("one", direct));
        await resolved(create("two", through({ ...connection, host: "bastion" })));
        await resolved(create("three", { b: { ...direct.a, gone: true } }));
        await run();
        await resolved(create("four", direct));
    });
});
