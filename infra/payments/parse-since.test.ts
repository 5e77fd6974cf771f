import { expect, it } from "vitest";
import { parseSince } from "./parse-since.ts";

const now = Date.parse("2026-11-20T12:00:00Z");

it.each([
  ["24h", "2026-11-19T12:00:00.000Z"],
  ["7d", "2026-11-13T12:00:00.000Z"],
  ["2026-11-01", "2026-11-01T00:00:00.000Z"],
  ["2026-11-01T08:30:00+03:30", "2026-11-01T05:00:00.000Z"],
  ["2026-11-01T08:30Z", "2026-11-01T08:30:00.000Z"],
])("reads %s as %s", (text, expected) => {
  expect(parseSince(text, now).toISOString()).toBe(expected);
});

it.each(["", "7", "7w", "-1d", "yesterday", "2026-13-01", "2026-11-01T08:30", "1763640000"])(
  "refuses %j in words that help",
  (text) => expect(() => parseSince(text, now)).toThrow("--since is"),
);
