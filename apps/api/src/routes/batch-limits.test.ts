import { randomUUID } from "node:crypto";
import { setFeatureOverride } from "@ducat/db/entitlements";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCatalog } from "../../../../infra/catalog/load-catalog.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await loadCatalog({ adminUrl: stage.db.url, catalog: "copywriter" });
});
afterAll(() => stage.close());

const path = "/v1/generations/batch";
const style = "modern_minimalist";
const send = (account: string, count: number, key: string = randomUUID()) => {
  const rows = Array(count).fill({ input: { type: "text", prompt: "a chair" } });
  return stage.call(path, { account, key, body: { style, rows } });
};

describe("a plan", () => {
  it("says how many rows a batch may have, and leaves the key usable", async () => {
    const account = await stage.makeAccount(50);
    const key = randomUUID();
    const refused = await send(account, 11, key);
    expect([refused.status, refused.body]).toMatchObject([
      ...[
        403,
        { code: "quota_exceeded", quota: "products_per_batch", limit: 10, upgrade: "basic" },
      ],
    ]);
    expect((await send(account, 10, key)).status).toBe(201);
  });

  it("says whether files are taken", async () => {
    const account = await stage.makeAccount(50);
    const sendCsv = () =>
      stage.call(`${path}?style=${style}`, {
        ...{ account, key: randomUUID(), raw: "prompt\na chair" },
        headers: { "content-type": "text/csv" },
      });
    expect((await sendCsv()).status).toBe(201);
    await setFeatureOverride(stage.db.app, account, {
      ...{ feature: "csv_upload", value: false },
      ...{ reason: "test", audit: { actor: "test", request_id: "test", ip: null } },
    });
    await stage.deps.entitlements.forget(account);
    const refused = await sendCsv();
    expect([refused.status, refused.body.quota]).toEqual([403, "csv_upload"]);
    expect((await send(account, 1)).status).toBe(201);
  });
});
