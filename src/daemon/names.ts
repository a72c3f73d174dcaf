// The names of the objects of a DaemonSet in Kubernetes.

import { createHash } from "node:crypto";

const prefix = "kata-containers-";
/** So that names with a suffix fit in a label, and in the second part of the key of an annotation. */
const maxLength = 50;

export interface Names {
    /** The name of most objects. Others have a suffix. */
    object: string;
    namespace: string;
    /**
     * The name of objects that are in no namespace. It changes with the namespace, so that pods of the previous namespace keep their
     * rights until they end.
     */
    cluster: string;
    /** The files of the pods, without the suffix of each revision. */
    files: string;
    /** The data that the pods share. */
    rollout: string;
    /** The secrets for downloads. */
    release: string;
}

export function namesOf(component: string, namespace: string | undefined): Names {
    const object = objectName(component);
    return {
        object,
        namespace: namespace ?? object,
        cluster: [object, ...(namespace ? [namespace] : [])].join("."),
        files: `${object}-files`,
        rollout: `${object}-rollout`,
        release: `${object}-release`,
    };
}

/** A DNS label. A hash tells two components apart whose names differ only in what a label cannot have. */
export function objectName(component: string): string {
    const label = component.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    const name = prefix + label;
    if (label === component && name.length <= maxLength && !name.endsWith("-")) return name;
    const sum = createHash("sha256").update(component).digest("hex").slice(0, 6);
    return `${name.slice(0, maxLength - sum.length - 1).replace(/-+$/, "")}-${sum}`;
}
