import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChildApi, startChildApi } from "../../test/child-api.ts";
import { measureStreams } from "../../test/many-streams.ts";
import { openEvents } from "../../test/read-stream.ts";
import { type Stage, setStage } from "../../test/stage.ts";

describe("a process with streams", () => {
  let stage: Stage;
  let api: ChildApi;
  beforeAll(async () => {
    stage = await setStage();
    api = await startChildApi(stage.db.url);
  });
  afterAll(() => stage.close());

  it("takes little for each of two hundred, and tells all of them", async () => {
    const { idle, open } = await measureStreams({ stage, api }, 200);
    // 2,000 of them in 300 MiB beside the process itself; see memory.long.test.ts.
    expect(open - idle).toBeLessThan(60);
  });

  it("ends them when it is told to stop, and ends with 0", async () => {
    const account = await stage.makeAccount(1);
    const ask = (path: string, init: RequestInit) => fetch(`${api.url}${path}`, init);
    const stream = await openEvents(ask, "/v1/events/stream", { account });
    await stream.until(({ type }) => type === "balance");
    const since = performance.now();
    const [code] = await Promise.all([api.stop(), stream.ended]);
    expect(code).toBe(0);
    expect(stream.comments).toEqual(["this process stops, connect again"]);
    expect(performance.now() - since).toBeLessThan(8_000);
  });
});
