import { inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { parse } from "smol-toml";
import { isTomlValue, tomlLiteral } from "../../../src/kata/toml";
import { hostile } from "../../support/arguments";

describe("TOML literals", () => {
    for (const [value, literal] of [
        [4096, "4096"],
        [-0, "0"],
        [0.5, "0.5"],
        [1e21 + 0.5, undefined],
        [1e-7, "1e-7"],
        [true, "true"],
        ["", '""'],
        ['a "b" \\', '"a \\"b\\" \\\\"'],
        ["\0\b\t\n\f\r\x1b\x7f", '"\\u0000\\b\\t\\n\\f\\r\\u001b\\u007f"'],
        ["ä🦀", '"ä🦀"'],
        [["a", "b"], '["a", "b"]'],
        [[], "[]"],
        [[1, true], "[1, true]"],
        ["\udc00", undefined],
        [Number.NaN, undefined],
        [2 ** 53, undefined],
        [{ a: 1 }, undefined],
        [[["a"]], undefined],
        [new Date(), undefined],
        [() => 1, undefined],
        [10n, undefined],
    ] as [unknown, string | undefined][]) {
        it(
            literal === undefined
                ? `refuses ${inspect(value)} as a TOML value`
                : `writes ${inspect(value)} as the TOML literal ${literal}`,
            () => {
                expect(isTomlValue(value)).to.equal(literal !== undefined);
                if (literal !== undefined) {
                    expect(tomlLiteral(value)).to.equal(literal);
                }
            },
        );
    }

    it("TOML literals keep every string on one line and within its quotes", () => {
        const onOneLine = (text: string) => {
            expect(tomlLiteral(text)).to.match(/^"(\\.|[^"\\\p{Cc}])*"$/u);
            expect(parse(`key = ${tomlLiteral(text)}`).key).to.equal(text);
        };
        for (const text of hostile) onOneLine(text);
        fc.assert(fc.property(fc.string({ unit: "binary" }), onOneLine));
    });

    it("a TOML parser reads each written literal as the same value", () => {
        const scalar = fc.oneof(
            fc.string({ unit: "binary" }),
            fc.boolean(),
            fc.maxSafeInteger(),
            fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Number.isInteger(value)),
        );
        fc.assert(
            fc.property(fc.oneof(scalar, fc.array(scalar)), (value) => {
                expect(isTomlValue(value)).to.equal(true);
                expect(parse(`key = ${tomlLiteral(value)}`).key).to.deep.equal(value);
            }),
        );
    });
});
