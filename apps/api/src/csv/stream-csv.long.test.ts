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

  it("is sent whole as CSV within 150 MiB", { timeout: 300_000 }, async () => {
    const account = await stage.makeAccount();
    await fillLedger(stage.db, account, 500_000);
    const headers = {
      authorization: `Bearer ${rootKey}`,
      "ducat-account": account,
      accept: "text/csv",
    };
    const read = async (query = "") => {
      const url = `${api.url}/v1/credits/transactions${query}`;
      const response = await fetch(url, { headers });
      let [size, lines] = [0, 0];
      for await (const chunk of response.body ?? []) {
        size += chunk.length;
        for (const byte of chunk) if (byte === 10) lines += 1;
      }
      return { status: response.status, size, lines };
    };
    await read("?type=trial");
    const idle = (await api.readMemory()).rss;
    const { status, size, lines } = await read();
    expect([status, lines]).toEqual([200, 1_000_002]);
    expect(size).toBeGreaterThan(90_000_000);
    const { peak } = await api.readMemory();
    expect((peak - idle) / mebibyte).toBeLessThan(150);
  });
});
