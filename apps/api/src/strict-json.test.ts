import { describe, expect, it } from "vitest";
import { BadJson, parseStrictJson } from "./strict-json.ts";

describe("parseStrictJson", () => {
  it.each([
    '{"a":[1,-2.5e3,true,false,null,"\\u00e9\\n"],"b":{"c":{}}}',
    ' \t\r\n"text, with {brackets]: and \\"quotes\\""\n',
    "0",
    "[]",
    '{"constructor":1,"toString":2}',
    `{"a":${"[".repeat(31)}${"]".repeat(31)}}`,
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    "9007199254740991",
    "1e300",
  ])("reads %s as JSON.parse does", (text) => {
    expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ["a name twice", '{"a":1,"a":1}'],
    ["a name twice, once escaped", '{"a":1,"\\u0061":2}'],
    ["a name twice, deep down", '[{"x":{"a":[],"a":{}}}]'],
    ["__proto__", '{"__proto__":{"a":1}}'],
    ["__proto__, escaped", '{"\\u005f_proto__":1}'],
    ["33 levels", `${"[".repeat(33)}${"]".repeat(33)}`],
    ["a hundred thousand levels", "[".repeat(100_000)],
    ["a number beyond a double", "[1e309]"],
    ["a whole number that would be rounded", '{"id":9007199254740993}'],
    ["nothing", ""],
    ["spaces", "  "],
    ["half an object", '{"a":1'],
    ["a comma too many", "[1,]"],
    ["a comment", "{} // x"],
    ["single quotes", "{'a':1}"],
    ["NaN", "[NaN]"],
    ["a bare name", "{a:1}"],
    ["a line break in a string", '"a\nb"'],
    ["NUL in a string", '"a\0b"'],
    ["a byte order mark", "\ufeff{}"],
    ["a no-break space", "\u00a0{}"],
    ["two values", "{}{}"],
    ["crossed brackets", '{"a":[}]'],
    ["a bad escape as a name", '{"\\x":1}'],
    ["a colon in an array", '["a":1]'],
  ])("refuses %s", (_, text) => {
    expect(() => parseStrictJson(text)).toThrow(BadJson);
  });
});
