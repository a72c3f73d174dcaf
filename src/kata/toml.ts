// Values of Kata's configuration as TOML.

const lonelySurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function isScalar(value: unknown): boolean {
    return (
        typeof value === "boolean" ||
        (typeof value === "string" && !lonelySurrogate.test(value)) ||
        // An integer that JavaScript cannot hold exactly would be written as another one.
        (typeof value === "number" &&
            Number.isFinite(value) &&
            (!Number.isInteger(value) || Number.isSafeInteger(value)))
    );
}

/** Whether the value can be written: a string, a boolean, a finite number or a list of those. */
export function isTomlValue(value: unknown): boolean {
    return Array.isArray(value) ? value.every(isScalar) : isScalar(value);
}

/** The value on one line. */
export function tomlLiteral(value: unknown): string {
    if (Array.isArray(value)) {
        return `[${value.map(tomlLiteral).join(", ")}]`;
    }
    // JSON's escapes are TOML's too; DEL is the one character that only TOML wants escaped.
    return typeof value === "string" ? JSON.stringify(value).replaceAll("\x7f", "\\u007f") : String(value);
}
