import { expect, it } from "vitest";
import { readRetryAfter } from "./retry-after.ts";

it("reads seconds, milliseconds and dates, an hour at most", () => {
  expect(readRetryAfter({ "retry-after": "7" })).toBe(7_000);
  expect(readRetryAfter({ "retry-after": "1.5", "retry-after-ms": "250" })).toBe(250);
  expect(readRetryAfter({ "retry-after": "999999" })).toBe(3_600_000);
  const date = new Date(Date.now() + 60_000).toUTCString();
  const ms = readRetryAfter({ "retry-after": date }) ?? 0;
  expect(ms).toBeGreaterThan(50_000);
  expect(ms).toBeLessThanOrEqual(60_000);
  expect(readRetryAfter({ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" })).toBe(0);
});

it("takes anything else for nothing said", () => {
  for (const text of ["", " ", "soon", "-5", "1e3x", "NaN"]) {
    expect(readRetryAfter({ "retry-after": text }), text).toBe(undefined);
  }
  expect(readRetryAfter({})).toBe(undefined);
});
