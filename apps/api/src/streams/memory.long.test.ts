import { expect, it, onTestFinished } from "vitest";
import { startChildApi } from "../../test/child-api.ts";
import { measureStreams } from "../../test/many-streams.ts";
import { setStage } from "../../test/stage.ts";

it("two thousand streams stay under 300 MiB, and all are told of a change", async () => {
  const stage = await setStage();
  onTestFinished(() => stage.close());
  const api = await startChildApi(stage.db.url);
  const memory = await measureStreams({ stage, api }, 2_000);
  console.log(memory);
  expect(memory.peak).toBeLessThan(300);
  expect(await api.stop()).toBe(0);
}, 180_000);
