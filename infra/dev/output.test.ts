import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { prefixLines, shortenLine } from "./output.ts";

it.each([
  ['{"level":30,"time":1,"msg":"listening"}', "info  listening"],
  ['{"level":40,"msg":"queue","err":{"message":"refused"}}', "warn  queue (refused)"],
  ['{"level":50,"msg":"refused","err":{"message":"refused"}}', "ERROR refused"],
  ["plain words", "plain words"],
  ['{"answer":42}', '{"answer":42}'],
  ["{ not json", "{ not json"],
])("shows the line %s as %s", (line, expected) => {
  expect(shortenLine(line)).toBe(expected);
});

it("cuts a line that is too long", () => {
  expect(shortenLine("x".repeat(10_000))).toHaveLength(4004);
});

it("puts lines together however they arrive", async () => {
  const stream = new PassThrough();
  const lines: string[] = [];
  prefixLines("api", stream, (line) => lines.push(line));
  for (const piece of ["on", "e\ntw", "o\nlast"]) stream.write(piece);
  stream.end();
  await expect.poll(() => lines).toEqual(["api    | one", "api    | two", "api    | last"]);
});
