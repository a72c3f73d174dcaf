// Private keys in every form that the command provider reads.

import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type ParsedKey, utils } from "ssh2";
import { readableKey } from "../../../src/node/privateKey";

describe("readableKey", () => {
    let folder: string;
    before(() => {
        folder = mkdtempSync(join(tmpdir(), "kata-keys-"));
    });
    after(() => rmSync(folder, { recursive: true }));

    const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: folder, stdio: "pipe" });
    const pkcs8 = (...options: string[]) => {
        run("openssl", "genpkey", ...options, "-out", "key");
        return readFileSync(join(folder, "key"), "utf8");
    };
    /** The key as ssh2 reads it, which signs what its public key verifies. */
    const parsed = (text: string) => {
        const key = utils.parseKey(readableKey(text)) as ParsedKey;
        expect(key).not.to.be.instanceOf(Error);
        const data = Buffer.from("data");
        expect(key.verify(data, key.sign(data) as Buffer)).to.equal(true);
        return key;
    };
    const kinds: { [kind: string]: string[] } = {
        "ssh-ed25519": ["-algorithm", "ed25519"],
        "ssh-rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "ecdsa-sha2-nistp256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    };

    for (const [kind, options] of Object.entries(kinds)) {
        it(`pkcs8 key: reads a ${kind} key of openssl genpkey, also with text before it and CRLF`, () => {
            const text = pkcs8(...options);
            expect(text).to.match(/^-----BEGIN PRIVATE KEY-----\n/);
            const key = parsed(text);
            expect(key.type).to.equal(kind);
            // The public key as openssl sees it, and as OpenSSH reads the result.
            const { x, n } = createPublicKey(text).export({ format: "jwk" });
            expect(key.getPublicSSH().includes(Buffer.from((x ?? n)!, "base64url"))).to.equal(true);
            writeFileSync(join(folder, "readable"), readableKey(text), { mode: 0o600 });
            const [, expected] = run("ssh-keygen", "-y", "-f", "readable").toString().split(" ");
            expect(key.getPublicSSH().toString("base64")).to.equal(expected!.trim());
            const changed = `a key\n-- of mine --\n${text.replaceAll("\n", "\r\n")}\nmore`;
            expect(parsed(changed).getPublicSSH()).to.deep.equal(key.getPublicSSH());
        });
    }

    it("pkcs8 key: passes keys of ssh-keygen on, without the text before them", () => {
        for (const [i, format] of ["OPENSSH", "PEM"].entries()) {
            run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", ...(i ? ["-m", "PEM"] : []), "-f", `ssh-${format}`);
            const text = readFileSync(join(folder, `ssh-${format}`), "utf8");
            expect(readableKey(`text\n${text}`)).to.equal(text.trimEnd());
            parsed(text);
        }
        expect(readableKey("no key")).to.equal("no key");
    });
});
