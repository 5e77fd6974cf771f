import { expect, it } from "vitest";
import { parseCell } from "./parse-cell.ts";

it.each([
  ["colour: red; size = 4 | note: a: b\n", { colour: "red", size: "4", note: "a: b" }],
  [`${"k".repeat(64)}:1`, { ["k".repeat(64)]: "1" }],
  ['{"a": [1]}', { a: [1] }],
])("reads %j as an object", (cell, object) => {
  expect(parseCell("attributes", cell)).toEqual(object);
});

it.each(["red", ": red", "colour:", "a:1;b", "__proto__: x", `${"k".repeat(65)}:1`, "{a:1"])(
  "leaves %j the text that it is",
  (cell) => {
    expect(parseCell("attributes", cell)).toBe(cell);
  },
);

it("takes a row full of spaces in its stride", () => {
  // A pattern that tries each place anew needs minutes for one of these.
  const spaces = " ".repeat(60_000);
  for (const cell of [`a: b;${spaces}c`, `a: b${spaces}c${spaces};d`]) {
    expect(parseCell("attributes", cell)).toBe(cell);
  }
});
