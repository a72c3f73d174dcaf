// Generates the tables of docs/shims.md from the rows in src/kata/shims.ts. `npm run schema` writes them.

import { join } from "node:path";
import { Shim } from "../src/args";
import { type ByRelease, compareVersions, latest } from "../src/kata/releases";
import { type Need, shims, unsupported } from "../src/kata/shims";

const needNames: Record<Need, string> = {
    kvm: "KVM",
    vhost_vsock: "`vhost_vsock`",
    vhost_net: "`vhost_net`",
    sev_snp: "AMD SEV-SNP",
    tdx: "Intel TDX",
    vfio: "VFIO",
    block_snapshotter: "a snapshotter with block devices",
};

/** The value of the first release with the shim, and the changes since then. */
function history<T>(values: ByRelease<T>, since: string, text: (value: T) => string): string {
    const changes = values.filter(([release]) => compareVersions(release, since) > 0);
    return [text(latest(values, since)!), ...changes.map(([release, value]) => `from ${release} ${text(value)}`)].join(
        "; ",
    );
}

function row(shim: Shim): string {
    const { engine, since, until, architectures, hypervisor, overhead, needs, snapshotter, incomplete } = shims[shim];
    const releases = [
        until ? `${since} until ${until[0]}, then \`${until[1]}\`` : `${since} and later`,
        ...incomplete.map(({ part, since, until }) => `without ${part} from ${since} until ${until}`),
    ];
    const cells = [
        `\`${shim}\``,
        engine === "go" ? "Go" : "Rust",
        `\`hypervisor.${hypervisor}\``,
        releases.join("; "),
        history(architectures, since, (names) => names.join(", ")),
        history(needs, since, (needs) => needs.map((need) => needNames[need]).join(", ") || "–"),
        history(overhead, since, ({ cpu, memory }) => `${cpu}, ${memory}`),
        snapshotter ?? "any",
        `\`kata-${shim}\``,
    ];
    return `| ${cells.join(" | ")} |`;
}

function table(columns: string[], rows: string[]): string {
    return [`| ${columns.join(" | ")} |`, `|${columns.map(() => "---|").join("")}`, ...rows].join("\n");
}

export const shimTables = {
    shims: table(
        [
            "shim",
            "program",
            "table of its settings",
            "Kata releases",
            "architectures",
            "needs of a node",
            "overhead",
            "snapshotter",
            "RuntimeClass of kata-deploy",
        ],
        Object.values(Shim).map(row),
    ),
    unsupported: table(
        ["shim", "reason"],
        Object.entries(unsupported).map(([name, reason]) => `| \`${name}\` | ${reason} |`),
    ),
};

export const shimsFile = join(__dirname, "shims.md");
