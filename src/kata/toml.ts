// Values of Kata's configuration file as TOML.

const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function isScalar(value: unknown): boolean {
    return (
        typeof value === "boolean" ||
        (typeof value === "string" && !loneSurrogate.test(value)) ||
        // An unsafe integer would be written as another number.
        (typeof value === "number" &&
            Number.isFinite(value) &&
            (!Number.isInteger(value) || Number.isSafeInteger(value)))
    );
}

/** Whether there is a literal for the value: a string, a boolean, a finite number or a list of those. */
export function isTomlValue(value: unknown): boolean {
    return Array.isArray(value) ? value.every(isScalar) : isScalar(value);
}

/** The literal of the value, on one line. */
export function tomlLiteral(value: unknown): string {
    if (Array.isArray(value)) {
        return `[${value.map(tomlLiteral).join(", ")}]`;
    }
    // TOML has the escapes of JSON. DEL is the only character that must be escaped in TOML but not in JSON.
    return typeof value === "string" ? JSON.stringify(value).replaceAll("\x7f", "\\u007f") : String(value);
}
