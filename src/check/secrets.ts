// Arguments that cannot be secret.

import * as pulumi from "@pulumi/pulumi";
import { entryPath, isObject, join, type Problem } from "./checks";

const reason =
    "cannot be a secret, because previews and files on the nodes show it: pass it through pulumi.unsecret if it is not confidential";
/** A secret here hides only its own value, in the RuntimeClass or in the download. */
const allowed = /^release\.(url|proxy)$|^runtimeClasses\b.*\.(labels|annotations|tolerations|nodeSelector)$/;

/** A secret in the text of a command would hide the whole text, so that no preview could show what changes on a node. */
export async function secretProblems(value: unknown, path = ""): Promise<Problem[]> {
    if (allowed.test(path)) return [];
    if (pulumi.Output.isInstance(value)) return (await pulumi.isSecret(value)) ? [{ path, reason }] : [];
    const isMap = /^runtimeClasses$|\.(settings|nodeSelector)$/.test(path);
    const items = Array.isArray(value)
        ? value.map((item, i) => secretProblems(item, `${path}[${i}]`))
        : Object.entries(isObject(value) ? value : {}).map(([name, item]) =>
              secretProblems(item, isMap ? entryPath(path, name) : join(path, name)),
          );
    return (await Promise.all(items)).flat();
}
