import { randomUUID } from "node:crypto";
import { removeOutdatedResults } from "@ducat/db/retention";
import { Generation } from "@ducat/types/generations";
import { afterAll, beforeAll, expect, it } from "vitest";
import { assignPlan } from "../../../../packages/db/src/entitlements.ts";
import { audit, makeFeatured } from "../../../../packages/db/test/entitlement-factories.ts";
import { settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

/** A generation of two pictures whose first is older than the plan keeps it, and gone. */
async function makeOld() {
  const account = await stage.makeAccount(10);
  const { product } = await makeFeatured(stage.db.admin, { limits: { retention_days: 7 } });
  await assignPlan(stage.db.app, account, { plan: product.key, audit });
  const body = order({ areas: ["a", "b"] });
  const made = await stage.call("/v1/generations", { account, key: randomUUID(), body });
  await settle(stage, account, made.body, ["completed", "completed"]);
  const path = `/v1/generations/${made.body.id}`;
  const before = await stage.call(path, { account });
  await stage.db.admin`
    UPDATE ducat.generation_items SET completed_at = completed_at - interval '8 days'
    WHERE id = ${made.body.items[0].id}`;
  const { keys } = await removeOutdatedResults(stage.db.worker, account, 10);
  for (const key of keys) await stage.deps.blobs.remove(key);
  return { account, path, before: before.body, keys };
}

it("an item whose result is gone has no URL, says since when, and is otherwise the same", async () => {
  const { account, path, before, keys } = await makeOld();
  expect(keys.length).toBe(1);
  const { body } = await stage.call(path, { account });
  expect(Generation.parse(body).items[0]).toMatchObject({ output: null, status: "completed" });
  expect(Date.now() - Date.parse(body.items[0].output_removed_at)).toBeLessThan(60_000);
  for (const name of ["id", "label", "cost", "refunded", "attempts", "started_at", "error"]) {
    expect(body.items[0][name], name).toEqual(before.items[0][name]);
  }
  expect(body.items[1]).toMatchObject({
    output: { url: expect.any(String) },
    output_removed_at: null,
  });
  const list = await stage.call("/v1/generations", { account });
  expect(list.body.data[0].items[0].output).toBeNull();
});

it("the URL that was given out opens nothing any more, and the ledger is as it was", async () => {
  const { account, before } = await makeOld();
  const url = new URL(before.items[0].output.url);
  expect((await stage.app.request(url.pathname + url.search)).status).toBe(404);
  const { body } = await stage.call("/v1/credits/balance", { account });
  expect(body).toMatchObject({ available: 11, held: 0, lifetime: { used: 2 } });
});

it("the create answer is replayed with the very bytes of the first time", async () => {
  const account = await stage.makeAccount(10);
  const asked = { account, key: randomUUID(), body: order() };
  const first = await stage.call("/v1/generations", asked);
  await settle(stage, account, first.body, ["completed"]);
  const again = await stage.call("/v1/generations", asked);
  expect(again.text).toBe(first.text);
});
