import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EvenStage, findDifference, setEvenStage, ways } from "../../test/even-times.ts";

/** A sample of what even-out.long.test.ts tries 200 pairs of. */
const pairs = 24;

describe("who has a login", () => {
  let stage: EvenStage;
  beforeAll(async () => {
    stage = await setEvenStage();
  });
  afterAll(() => stage.close());

  it.each(ways)("is not told by the time of $path by $column", async (way) => {
    const { difference, noise, statuses } = await findDifference(stage, way, pairs);
    expect(statuses).toHaveLength(1);
    expect(difference).toBeLessThan(noise);
  });
});
