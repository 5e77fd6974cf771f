import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { guardText } from "./guard-text.ts";

/** What begins a formula in one spreadsheet or another. */
const triggers = [..."=+-@＝＋－＠﹦﹢﹣﹫−⁼⁺⁻"];

describe("a text in a CSV", () => {
  it.each([
    ["=1+1", "'=1+1"],
    ['=cmd|"/C calc"!A0', `'=cmd|"/C calc"!A0`],
    ["+98912", "'+98912"],
    ["-5", "'-5"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["＝1", "'＝1"],
    ["−1", "'−1"],
    ["\t=1", "'\t'=1"],
    ["\r=1", "'\r'=1"],
    ["\n=1", "'\n'=1"],
    ["\tplain", "'\tplain"],
    [" \u200b=1", "' \u200b=1"],
    ["\ufeff=1", "'\ufeff=1"],
    ["a;=1", "a;'=1"],
    ['a;"=1', `a;'"=1`],
    ["a\t@x", "a\t'@x"],
    ["a\r\n+1", "a\r\n'+1"],
    ["a|-1", "a|'-1"],
  ])("that may begin a formula gets an apostrophe: %j", (text, guarded) => {
    expect(guardText(text)).toBe(guarded);
  });

  it.each(["", "a letter", "a - b", "1=1", "x@y.org", "a; b", "it's", '{"a":-1}', "سلام", "'=1"])(
    "that is harmless stays as it is: %j",
    (text) => {
      expect(guardText(text)).toBe(text);
    },
  );

  it("begins no formula in whatever pieces a spreadsheet cuts it, and loses nothing", () => {
    const piece = fc.constantFrom(...triggers, ";", "|", "\t", "\r", "\n", '"', " ", "\u200b", "a");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        const guarded = guardText(text);
        for (const cell of guarded.split(/[;|\t\r\n]/)) {
          const seen = cell.replace(/^["\s\p{C}]+/u, "");
          expect(triggers).not.toContain(seen[0]);
        }
        expect(guarded.replaceAll("'", "")).toBe(text);
        expect(guardText(guarded)).toBe(guarded);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is guarded in a time that grows with its length only", () => {
    const startedAt = process.cpuUsage();
    for (const part of ["\n \n", " ", ";", ";  ", '"', "\t=", "\u200b"]) {
      guardText(part.repeat(100_000));
    }
    expect(process.cpuUsage(startedAt).user / 1000).toBeLessThan(2_000);
  });
});
