import { expect, it } from "vitest";
import { readOptions } from "./read-options.ts";

const id = "01a1fc48-7f23-7d07-9397-4ee707ff61ff";

it("looks at everything for ten minutes unless it is told otherwise", () => {
  expect(readOptions({})).toEqual({ deep: false, limitMs: 600_000 });
  expect(
    readOptions({ deep: true, after: id, only: "I1, roll-ups", "limit-seconds": "60" }),
  ).toEqual({ deep: true, after: id, only: ["I1", "roll-ups"], limitMs: 60_000 });
});

it.each([
  [{ only: "I99" }, "--only has no check I99; there are: I1, "],
  [{ only: "" }, "--only has no check"],
  [{ account: "me" }, "--account is the id of an account"],
  [{ after: `${id}'` }, "--after is the id of an account"],
  [{ account: id, after: id }, "not both"],
  [{ "limit-seconds": "0" }, "--limit-seconds is a number from 1"],
  [{ "limit-seconds": "1e9" }, "--limit-seconds is a number from 1"],
])("refuses %j in words that help", (given, words) => {
  expect(() => readOptions(given)).toThrow(words);
});
