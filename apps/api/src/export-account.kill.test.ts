import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChildApi, startChildApi } from "../test/child-api.ts";
import { rootKey, type Stage, setStage } from "../test/stage.ts";

const mebibyte = 1024 * 1024;

describe("an export of 400 MB, in a process of its own", () => {
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

  it("is sent whole within 300 MiB, to a reader that takes its time", async () => {
    const account = await stage.makeAccount();
    await addTexts(account, 2_000, 200_000);
    const headers = { authorization: `Bearer ${rootKey}`, "ducat-account": account };
    await (await fetch(`${api.url}/v1/me`, { headers })).text();
    const idle = (await api.readMemory()).rss;

    const response = await fetch(`${api.url}/v1/me/export`, { headers });
    let size = 0;
    let last = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      last = chunk.at(-1) ?? 0;
      if (size < 20 * mebibyte) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(response.status).toBe(200);
    expect(size).toBeGreaterThan(400_000_000);
    expect(String.fromCharCode(last)).toBe("\n");
    const { peak } = await api.readMemory();
    expect((peak - idle) / mebibyte).toBeLessThan(300);
  });

  /** Free generations that have ended, each with a text. */
  async function addTexts(account: string, count: number, characters: number) {
    await stage.db.admin`
      WITH made AS (
        INSERT INTO ducat.generations (account_id, id, idempotency_key, fingerprint, style_id,
          style_version, kind, input, params, metadata, status, item_count, open_items,
          failed_items, cost, trial_cost, balance_after, deadline_at, completed_at)
        SELECT ${account}, ducat.uuid_v7(), 'k' || n, '\\x00', 'modern_minimalist', 1, 'text',
          '{}', '{}', '{}', 'failed', 1, 0, 1, 0, 0, 0, now() - interval '40 days',
          now() - interval '40 days'
        FROM generate_series(1, ${count}::int) n RETURNING id)
      INSERT INTO ducat.generation_items (account_id, generation_id, position, status, due_at,
        cost, cost_from, output)
      SELECT ${account}, id, 0, 'failed', now(), 0, 0,
        jsonb_build_object('kind', 'text', 'text', repeat('t', ${characters}::int)) FROM made`;
  }
});
