import { expect } from "chai";
import { oneNode } from "../support/arguments";
import { deploy } from "../support/mocks";

describe("the organization of an owner", () => {
    const owner = async (organization: string, url: string | undefined) => {
        const before = process.env.PULUMI_BACKEND_URL;
        try {
            if (url === undefined) delete process.env.PULUMI_BACKEND_URL;
            else process.env.PULUMI_BACKEND_URL = url;
            const { children } = await deploy({ nodes: oneNode }, { organization });
            return children["kata-owner"]!.inputs.input;
        } finally {
            if (before === undefined) delete process.env.PULUMI_BACKEND_URL;
            else process.env.PULUMI_BACKEND_URL = before;
        }
    };

    it("the organization of an owner differs between two backends that teams run themselves, and does not show their URL", async () => {
        const [one, two] = [await owner("organization", "s3://one"), await owner("organization", "s3://two")];
        for (const name of [one, two]) expect(name).to.match(/^organization@[0-9a-f]{8}\/shop\/prod\/kata$/);
        expect(one).to.not.equal(two);
        expect(await owner("organization", "s3://one")).to.equal(one);
    });

    it("the organization of an owner is the name alone in Pulumi Cloud, and without the URL of the backend in the environment", async () => {
        expect(await owner("acme", "https://api.example.com")).to.equal("acme/shop/prod/kata");
        expect(await owner("organization", undefined)).to.equal("organization/shop/prod/kata");
    });
});
