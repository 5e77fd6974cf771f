import { expect, test } from "vitest";
import { zeroLosslessWebp, zeroPng, zeroProgressiveJpeg } from "../test/image-parts.ts";
import { measureMemory } from "../test/measure-memory.ts";

test("the largest pictures allowed take at most 300 MiB", async () => {
  const files = {
    interlaced: zeroPng({ width: 6600, height: 6600, depth: 8, colour: 2, interlaced: true }),
    deep: zeroPng({ width: 7000, height: 7000, depth: 16, colour: 6 }),
    progressive: zeroProgressiveJpeg({ width: 4600, height: 4600 }),
    lossless: zeroLosslessWebp({ width: 5700, height: 5700 }),
  };
  const report = await measureMemory(files);
  expect(Object.keys(report.outcomes)).toHaveLength(5);
  expect(Object.values(report.outcomes)).not.toContain("validation_failed");
  expect(report.peak - report.idle).toBeLessThanOrEqual(300);
}, 120_000);
