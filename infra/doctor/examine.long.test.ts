import { afterAll, beforeAll, expect, it } from "vitest";
import { checksOf, lookAtPlanted } from "./test/look-at-planted.ts";
import { plants } from "./test/plants.ts";
import { makeStage, type Stage } from "./test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.close());

it.each(plants)("the doctor finds $name, and nothing else", async (plant) => {
  const report = await lookAtPlanted(stage, plant);
  expect(checksOf(report), JSON.stringify(report)).toEqual([...plant.expected].sort());
});
