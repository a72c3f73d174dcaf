// Converts private keys that the command provider can read and ssh2 cannot.

import { createPrivateKey } from "node:crypto";

/** The key without the text around it, and not in the form of PKCS#8. */
export function readableKey(text: string): string {
    const [, block, type] =
        /(-----BEGIN ([A-Z ]*)PRIVATE KEY-----\r?\n[^-]*-----END [A-Z ]*PRIVATE KEY-----)/.exec(text) ?? [];
    if (block === undefined || type !== "") return block ?? text;
    const key = createPrivateKey(block);
    if (key.asymmetricKeyType === "rsa") return key.export({ type: "pkcs1", format: "pem" }).toString();
    if (key.asymmetricKeyType === "ec") return key.export({ type: "sec1", format: "pem" }).toString();
    if (key.asymmetricKeyType !== "ed25519") return block;
    const { d, x } = key.export({ format: "jwk" });
    return opensshEd25519(Buffer.from(d!, "base64url"), Buffer.from(x!, "base64url"));
}

/** The key in the form of OpenSSH, the only one for Ed25519 that ssh2 reads (PROTOCOL.key of OpenSSH). */
function opensshEd25519(seed: Buffer, publicKey: Buffer): string {
    const number = (value: number) => Buffer.from(new Uint32Array([value]).buffer).swap32();
    const field = (value: Buffer | string) => Buffer.concat([number(Buffer.byteLength(value)), Buffer.from(value)]);
    const named = Buffer.concat([field("ssh-ed25519"), field(publicKey)]);
    // Two equal numbers, the key, a comment, and padding to a multiple of 8.
    const pair = Buffer.concat([number(0), number(0), named, field(Buffer.concat([seed, publicKey])), field("")]);
    const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, -pair.length & 7));
    const parts = ["openssh-key-v1\0", field("none"), field("none"), field(""), number(1)];
    const body = [...parts, field(named), field(Buffer.concat([pair, padding]))].map((part) => Buffer.from(part));
    const lines = Buffer.concat(body)
        .toString("base64")
        .match(/.{1,70}/g)!;
    return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}
