import { expect, it } from "vitest";
import { retryDelayMs } from "./retry-delay.ts";

it("grows fourfold up to five minutes, a quarter more or less", () => {
  for (const [claims, seconds] of [
    [1, 2],
    [2, 8],
    [3, 32],
    [4, 128],
  ] as const) {
    for (let draw = 0; draw < 50; draw++) {
      const delay = retryDelayMs(2_000, claims) / 1_000;
      expect(delay).toBeGreaterThanOrEqual(seconds * 0.75);
      expect(delay).toBeLessThanOrEqual(seconds * 1.25);
    }
  }
  for (const claims of [6, 100]) expect(retryDelayMs(2_000, claims)).toBe(300_000);
});

it("differs from one draw to the next", () => {
  const draws = new Set(Array.from({ length: 20 }, () => retryDelayMs(2_000, 1)));
  expect(draws.size).toBeGreaterThan(10);
});
