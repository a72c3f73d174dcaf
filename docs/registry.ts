// Generates the example in docs/_index.md, the page of the Pulumi Registry, from the programs in examples/.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The program in each language, by the names that the Registry has for them. */
export const programs = {
    typescript: "typescript/index.ts",
    python: "python/__main__.py",
    go: "go/main.go",
    csharp: "csharp/Program.cs",
    java: "java/src/main/java/example/App.java",
    yaml: "yaml/Pulumi.yaml",
};

const choice = ([language, file]: [string, string]) => {
    const program = readFileSync(join(__dirname, "../examples", file), "utf8");
    return `{{% choosable language ${language} %}}\n\n\`\`\`${language}\n${program}\`\`\`\n\n{{% /choosable %}}`;
};

/** The tabs of languages, in the form of the Registry. */
export const chooser = () =>
    [
        `{{< chooser language "${Object.keys(programs).join(",")}" >}}`,
        ...Object.entries(programs).map(choice),
        "{{< /chooser >}}",
    ].join("\n\n");

export const registryFile = join(__dirname, "_index.md");
