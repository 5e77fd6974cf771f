import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChildApi, startChildApi } from "../../test/child-api.ts";
import { fillLedger } from "../../test/fill-ledger.ts";
import { rootKey, type Stage, setStage } from "../../test/stage.ts";

const mebibyte = 1024 * 1024;

describe("a ledger of a million lines, from a process of its own", () => {
  let stage: Stage;
  let api: ChildApi;
  beforeAll(async () => {
    stage = await setStage();
    api = await startChildApi(stage.db.url);
  });
  afterAll(async () => {
    await api.stop();
    await stage.close();
  });

  it("is sent in a quarter of the memory that its rows would take", {
    timeout: 300_000,
  }, async () => {
    const read = async (lines: number) => {
      const account = await stage.makeAccount();
      await fillLedger(stage.db, account, lines / 2);
      const authorization = `Bearer ${rootKey}`;
      const headers = { authorization, "ducat-account": account, accept: "text/csv" };
      const response = await fetch(`${api.url}/v1/credits/transactions`, { headers });
      let [size, ends] = [0, 0];
      for await (const chunk of response.body ?? []) {
        size += chunk.length;
        for (const byte of chunk) if (byte === 10) ends += 1;
      }
      // A header, and the line of the trial.
      expect([response.status, ends]).toEqual([200, lines + 2]);
      return { size, peak: (await api.readMemory()).peak };
    };
    await read(1_000);
    const idle = (await api.readMemory()).rss;
    const { size, peak } = await read(1_000_000);
    expect(size).toBeGreaterThan(90_000_000);
    // It goes up and down by 150 MiB with the collector's mood, at its end as at its beginning.
    expect((peak - idle) / mebibyte).toBeLessThan(250);
  });
});
