// The differences between the languages.

import { transpileModule } from "typescript";

export interface Language {
    /** The folder of its example. */
    example: string;
    /** The file that holds the program. */
    file: string;
    /** The line with the version in the example and in the program with a DaemonSet. */
    version: string;
    /** The arguments that the lab needs in addition: its mirror, the checksum of a miniature release, host checks that warn. */
    forTheLab: (url: string, sha256: string) => string;
    /** The example's argument with the first node's address. */
    host: string;
    /** An argument with the host key of a node. */
    hostKey: (key: string) => string;
    /** The error of a program without that argument, in languages that find it before the component's own checks do. */
    noHost?: RegExp;
}

const typescript: Language = {
    example: "typescript",
    file: "index.ts",
    version: 'version: "3.32.0",',
    forTheLab: (url, sha256) => `release: { url: "${url}", sha256: { amd64: "${sha256}" } }, hostChecks: "warn",`,
    host: 'host: "192.0.2.11",',
    hostKey: (key) => `hostKey: "${key}",`,
    noHost: /index\.ts\(8,\d+\): error TS2741: Property 'host' is missing/,
};

export const languages = {
    typescript,
    javascript: { ...typescript, file: "index.js", noHost: undefined },
    yaml: {
        example: "yaml",
        file: "Pulumi.yaml",
        version: "      version: 3.32.0\n",
        forTheLab: (url, sha256) =>
            `      release: { url: "${url}", sha256: { amd64: "${sha256}" } }\n      hostChecks: warn\n`,
        host: "host: 192.0.2.11,",
        hostKey: (key) => `hostKey: "${key}",`,
        noHost: /worker-1: Cannot assign .*\n.*connection: Cannot assign .*\n.*host: Missing required property 'host'/,
    },
    python: {
        example: "python",
        file: "__main__.py",
        version: 'version="3.32.0",',
        forTheLab: (url, sha256) => `release={"url": "${url}", "sha256": {"amd64": "${sha256}"}}, host_checks="warn",`,
        host: '"host": "192.0.2.11",',
        hostKey: (key) => `"host_key": "${key}",`,
    },
    go: {
        example: "go",
        file: "main.go",
        version: 'Version: pulumi.String("3.32.0"),',
        forTheLab: (url, sha256) =>
            `Release: &katacontainers.ReleaseArgs{
                Url: pulumi.String("${url}"), Sha256: &katacontainers.ChecksumsArgs{Amd64: pulumi.String("${sha256}")},
            },
            HostChecks: katacontainers.HostChecksWarn,`,
        host: 'Host: pulumi.String("192.0.2.11"),',
        hostKey: (key) => `HostKey: pulumi.String("${key}"),`,
    },
    java: {
        example: "java",
        file: "src/main/java/example/App.java",
        version: '.version("3.32.0")',
        forTheLab: (url, sha256) =>
            `.release(com.pulumi.katacontainers.inputs.ReleaseArgs.builder().url("${url}")
                .sha256(com.pulumi.katacontainers.inputs.ChecksumsArgs.builder().amd64("${sha256}").build()).build())
            .hostChecks(com.pulumi.katacontainers.enums.HostChecks.Warn)`,
        host: '.host("192.0.2.11")',
        hostKey: (key) => `.hostKey("${key}")`,
        noHost: /Missing required property 'host'? when constructing 'ConnectionArgs'/,
    },
} satisfies { [name: string]: Language };

export type LanguageName = keyof typeof languages;

export const toJavaScript = (program: string) =>
    transpileModule(program, { compilerOptions: { module: 1, target: 9 } }).outputText;
