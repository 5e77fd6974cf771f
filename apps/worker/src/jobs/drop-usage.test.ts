import { createEntitlements } from "@ducat/entitlements/entitlements";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCache } from "../../../../packages/cache/src/cache.ts";
import { eventually, type MadeItem, type Stage, setStage } from "../../test/stage.ts";
import type { Outcome } from "../generators/generator.ts";

/*
 * A process of the API remembers what an account has used; a worker gives it back and remembers
 * nothing. Whoever looks on sees it as soon as the item has ended.
 */
describe("what a worker gives back of a quota", () => {
  let stage: Stage;
  let api: ReturnType<typeof createEntitlements>;
  beforeAll(async () => {
    stage = await setStage("postgres");
    const log = { warn: () => {} } as never;
    const cache = createCache({ postgresUrl: stage.db.url, log });
    stage.onClose(() => cache.close());
    await cache.ready();
    api = createEntitlements({ db: stage.db.app, cache, log });
    await stage.db.admin`
      UPDATE ducat.products SET features = features || '{"designs": {"kind": "limit",
        "name": {}, "position": 90, "period": "month", "reset": "calendar", "limit": 5}}'
      WHERE is_default`;
  });
  afterAll(() => stage.close());

  const usedOf = async ({ accountId }: MadeItem) => {
    const { designs } = (await api.get(accountId)).features;
    return designs?.kind === "limit" ? designs.used : undefined;
  };
  /** An item that has taken one design, and an API that remembers so. */
  const makeItem = async () => {
    const [row] = await stage.db.admin<{ start: string }[]>`
      SELECT date_trunc('month', clock_timestamp(), 'UTC')::text AS start`;
    const take = { feature: "designs", amount: 1, limit: 5, period_start: row?.start ?? "" };
    const item = await stage.makeItem({}, { usage: [take] });
    expect(await usedOf(item)).toBe(1);
    return item;
  };
  const broken: Outcome = { status: "failed", code: "bad", message: "No.", retryable: false };
  const work = async (outcome: Outcome) => {
    const local = { name: "made", run: async () => outcome };
    await stage.createWorker({ generators: { local } }).start();
  };

  it("is seen when an item has failed for good", async () => {
    await work(broken);
    const item = await makeItem();
    await stage.enqueue(item);
    await eventually(async () => expect(await usedOf(item)).toBe(0));
    await stage.closeWorkers();
  });

  it("is seen when the sweeper has ended an item whose time was over", async () => {
    const item = await makeItem();
    await stage.db.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() - interval '1 hour'
      WHERE id = ${item.generationId}`;
    await stage.makeDue(item);
    await work(broken);
    await eventually(async () => expect(await usedOf(item)).toBe(0));
    await stage.closeWorkers();
  });
});
