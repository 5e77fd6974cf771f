import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeText } from "./decode-text.ts";
import { findDelimiter, readCsv } from "./read-csv.ts";

const read = (text: string, mostLength = 64) => [
  ...readCsv(text, { delimiter: findDelimiter(text), mostLength }),
];

describe("a CSV", () => {
  it("is read with quotes, line ends within them and formulas as they stand", () => {
    const text = 'a,b\r\n"x ""y""\r\nz",=1+1\r\n\r\n , \r\n"",-2\r\n5" pipe,+3';
    expect(read(text)).toEqual([
      { line: 1, cells: ["a", "b"] },
      { line: 2, cells: ['x "y"\r\nz', "=1+1"] },
      { line: 6, cells: ["", "-2"] },
      { line: 7, cells: ['5" pipe', "+3"] },
    ]);
  });

  it("loses one line by a stray quote, and no more", () => {
    const text = 'a,b\n"open,1\nc,2\n"q"z,3\nd,4\n"e",5\n"never';
    expect(read(text)).toEqual([
      { line: 1, cells: ["a", "b"] },
      { line: 2, fault: "quotes" },
      { line: 3, cells: ["c", "2"] },
      { line: 4, fault: "quotes" },
      { line: 5, cells: ["d", "4"] },
      { line: 6, cells: ["e", "5"] },
      { line: 7, fault: "quotes" },
    ]);
  });

  it("says of a line that is too long that it is, and goes on behind it", () => {
    const long = "x".repeat(65);
    expect(read(`a,b\n${long},1\n"${long}",2\nc,3`)).toEqual([
      { line: 1, cells: ["a", "b"] },
      { line: 2, fault: "too_long" },
      { line: 3, fault: "too_long" },
      { line: 4, cells: ["c", "3"] },
    ]);
  });

  it("does not read the same lines over and over, however its quotes are set", () => {
    // From the start of each line a record is open that never ends.
    const records = read('",a","\n'.repeat(20_000), 64 * 1024);
    expect(records.length).toBeLessThan(100);
    expect(records.every((one) => "fault" in one)).toBe(true);
    const lines = records.map(({ line }) => line);
    expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b));
  });

  it.each([
    [
      "a;b\n1,5;2",
      [
        ["a", "b"],
        ["1,5", "2"],
      ],
    ],
    [
      "a\tb\r1\t2\r",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      '"a;b;c",d\n1,2',
      [
        ["a;b;c", "d"],
        ["1", "2"],
      ],
    ],
    ["a\n1", [["a"], ["1"]]],
  ])("finds what separates its cells and lines: %j", (text, cells) => {
    expect(read(text).map((one) => "cells" in one && one.cells)).toEqual(cells);
  });

  it("is read as others read it, whatever is written in it", () => {
    const cell = fc.string({ unit: fc.constantFrom(...'a,;\t"\n\r =é😀') });
    const rows = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(rows, fc.constantFrom("\n", "\r\n"), (table, end) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const text = table.map((row) => row.map(quote).join(",")).join(end) + end;
        const options = { delimiter: ",", skip_empty_lines: true, record_delimiter: end };
        const wanted = (parse(text, options) as string[][]).filter((row) =>
          row.some((one) => one.trim() !== ""),
        );
        const found = [...readCsv(text, { delimiter: ",", mostLength: 1_000 })];
        expect(found.map((one) => "cells" in one && one.cells)).toEqual(wanted);
      }),
      { numRuns: 200 },
    );
  });

  it("never throws and never loses its place", () => {
    const unit = fc.constantFrom(...'a,"\n\r');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        const lines = read(text, 8).map(({ line }) => line);
        expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a file's text", () => {
  const text = "نام,é😀\n";
  const utf16 = Buffer.from(text, "utf16le");

  it.each([
    ["UTF-8", Buffer.from(text)],
    ["UTF-8 with a mark", Buffer.from(`\ufeff${text}`)],
    ["UTF-16 little endian", Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
    ["UTF-16 big endian", Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(utf16).swap16()])],
  ])("is read as %s", (_, bytes) => {
    expect(decodeText(bytes)).toBe(text);
  });

  it.each([
    ["latin1", Buffer.from("caf\xe9,1", "latin1")],
    ["UTF-16 without a mark", utf16],
    ["half a UTF-16", Buffer.from([0xff, 0xfe, 0x61])],
    ["a NUL", Buffer.from("a\0b")],
  ])("is refused as %s", (_, bytes) => {
    expect(() => decodeText(bytes)).toThrow(expect.objectContaining({ code: "validation_failed" }));
  });
});
