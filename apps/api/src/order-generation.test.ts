import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claim, complete, fail } from "../../../packages/db/test/work.ts";
import { type Call, eventually, order, type Stage, setStage } from "../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const limit = (most: number | null, more: object = {}) => ({
  ...{ kind: "limit", name: { en: "A limit" }, position: 90, reset: "calendar", limit: most },
  ...{ period: "month", ...more },
});
const free = (most: number | null, more: object = {}) =>
  limit(most, { free_styles: ["modern_minimalist"], ...more });

/** An account that an administrator has given a plan of the test's own. */
async function makeAccountOn(plan: { features?: object; limits?: object }, credits = 0) {
  const key = `p-${randomUUID()}`;
  const { admin } = stage.db;
  await admin`
    INSERT INTO ducat.products (key, kind, name, description, features, limits)
    VALUES (${key}, 'plan', '{}', '{}', ${admin.json((plan.features ?? {}) as never)},
      ${admin.json((plan.limits ?? {}) as never)})`;
  const account = await stage.makeAccount(credits);
  const path = `/v1/admin/accounts/${account}/plan`;
  const given = await stage.call(path, { method: "PUT", body: { plan: key } });
  expect(given.status).toBe(200);
  return { account, key };
}

const ask = (account: string, path: string, call: Call = {}) =>
  stage.call(path, { account, ...call });
const create = (account: string, more: object = {}, key: string = randomUUID()) =>
  ask(account, "/v1/generations", { body: order(more), key });
const usedOf = async (account: string, feature = "designs") =>
  (await ask(account, "/v1/entitlements")).body.features[feature].used;
const balanceOf = async (account: string) =>
  (await ask(account, "/v1/credits/balance")).body.available;
const ref = ({ body }: Awaited<ReturnType<typeof create>>) => ({
  id: body.id,
  item_ids: body.items.map(({ id }: { id: string }) => id),
});

describe("a generation that the plan makes free", () => {
  it("costs nothing while the limit lasts, then its price", async () => {
    const { account } = await makeAccountOn({ features: { designs: free(2) } });
    const estimate = (more: object = {}) =>
      ask(account, "/v1/generations/estimate", { body: order(more) });
    expect((await estimate()).body).toMatchObject({ cost: 0, quota: null, sufficient: true });
    const made = await create(account);
    expect(made.body).toMatchObject({ cost: 0, credit_type: "none", balance: 3 });
    expect(await usedOf(account)).toBe(1);
    // Not all of it would be free, so none of it is.
    expect((await create(account, { areas: ["a", "b"] })).body.cost).toBe(2);
    expect((await create(account)).body.cost).toBe(0);
    expect((await estimate()).body).toMatchObject({ cost: 1, sufficient: true });
    expect((await create(account)).body.cost).toBe(1);
    expect([await usedOf(account), await balanceOf(account)]).toEqual([2, 0]);
    expect((await create(account)).body.code).toBe("insufficient_credits");
    expect((await create(account, { style: "product_description" })).status).toBe(402);
  });

  it("is refused when the limit is used up and says so", async () => {
    const features = { designs: free(1, { beyond: "refuse" }) };
    const { account } = await makeAccountOn({ features });
    const key = randomUUID();
    const made = await create(account, {}, key);
    const refused = await create(account);
    expect([refused.status, refused.body]).toMatchObject([
      403,
      { code: "quota_exceeded", quota: "designs", limit: 1, current: 1 },
    ]);
    const { body } = await ask(account, "/v1/generations/estimate", { body: order() });
    expect(body).toMatchObject({ cost: 0, sufficient: false, quota: { quota: "designs" } });
    // What was accepted is answered for ever.
    const again = await create(account, {}, key);
    expect([again.status, again.text]).toEqual([201, made.text]);
    expect([await usedOf(account), await balanceOf(account)]).toEqual([1, 3]);
  });

  it("of 20 at once is free as often as the limit says, paid as far as credits go", async () => {
    const { account } = await makeAccountOn({ features: { designs: free(5) } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(account)));
    const costs = answers.map(({ status, body }) => (status === 201 ? body.cost : body.code));
    const count = (cost: unknown) => costs.filter((one) => one === cost).length;
    expect([count(0), count(1), count("insufficient_credits")]).toEqual([5, 3, 12]);
    expect([await usedOf(account), await balanceOf(account)]).toEqual([5, 0]);
  });

  it("is judged by what is true, when what is remembered is not", async () => {
    const { account, key } = await makeAccountOn({ features: { designs: free(2) } });
    expect(await usedOf(account)).toBe(0);
    // Nobody is told of counters: a process that died after its commit has told nobody.
    await stage.db.admin`
      INSERT INTO ducat.usage_counters (account_id, feature, period_start, used)
      VALUES (${account}, 'designs', date_trunc('month', clock_timestamp(), 'UTC'), 2)`;
    expect((await create(account)).body.cost).toBe(1);
    // More is allowed, and the notification is still on its way.
    await create(account);
    await create(account);
    expect(await balanceOf(account)).toBe(0);
    await stage.db.admin.begin(async (sql) => {
      await sql`SET LOCAL session_replication_role = replica`;
      await sql`
        UPDATE ducat.products SET features = jsonb_set(features, '{designs,limit}', '9')
        WHERE key = ${key}`;
    });
    expect((await create(account)).body).toMatchObject({ cost: 0 });
  });
});

describe("what a generation takes of a quota", () => {
  const styles = ["*"];

  it("comes back once when it fails or is canceled, and everybody sees it", async () => {
    const { account } = await makeAccountOn({ features: { designs: limit(3, { styles }) } }, 50);
    const made = await create(account, { areas: ["a", "b", "c"] });
    expect([made.body.cost, await usedOf(account)]).toEqual([3, 3]);
    expect((await create(account)).body).toMatchObject({ code: "quota_exceeded", current: 3 });
    const { worker } = stage.db;
    await fail(worker, await claim(worker, account, ref(made)));
    await complete(worker, await claim(worker, account, ref(made), { position: 1 }));
    // The worker is another process and tells by itself: see settle-item.
    await stage.deps.entitlements.forget(account);
    expect(await usedOf(account)).toBe(2);
    await ask(account, `/v1/generations/${made.body.id}/cancel`, { method: "POST" });
    expect(await usedOf(account)).toBe(1);
    const again = await ask(account, `/v1/generations/${made.body.id}/cancel`, { method: "POST" });
    expect([again.status, await usedOf(account)]).toEqual([409, 1]);
    const retried = await ask(account, `/v1/generations/${made.body.id}/retry`, {
      method: "POST",
      key: randomUUID(),
    });
    expect([retried.status, await usedOf(account)]).toEqual([201, 3]);
  });

  it("is judged by the limit that an administrator has just said", async () => {
    const { account } = await makeAccountOn({ features: { designs: limit(0, { styles }) } });
    expect((await create(account)).status).toBe(403);
    const path = `/v1/admin/accounts/${account}/features/designs`;
    await stage.call(path, { method: "PUT", body: { value: 1, reason: "a test" } });
    expect((await create(account)).status).toBe(201);
    expect((await create(account)).body).toMatchObject({ code: "quota_exceeded", limit: 1 });
  });

  it("has an end in one request, but not for what was accepted before", async () => {
    const features = { areas: limit(2, { styles, period: "request", of: "areas" }) };
    const { account, key } = await makeAccountOn({ features });
    const areas = ["a", "b"];
    const once = randomUUID();
    const made = await create(account, { areas }, once);
    expect(made.status).toBe(201);
    const refused = await create(account, { areas: [...areas, "c"] });
    expect(refused.body).toMatchObject({ code: "quota_exceeded", quota: "areas", limit: 2 });
    await stage.db.admin`
      UPDATE ducat.products SET features = jsonb_set(features, '{areas,limit}', '1')
      WHERE key = ${key}`;
    await eventually(async () => expect((await create(account, { areas })).status).toBe(403));
    const again = await create(account, { areas }, once);
    expect([again.status, again.text]).toEqual([201, made.text]);
  });
});

describe("a plan's limits of work", () => {
  it("end what is open at once, until an item has ended in whichever way", async () => {
    const { account } = await makeAccountOn({ limits: { open_items: 2 } }, 50);
    const made = await create(account, { areas: ["a", "b"] });
    const refused = await create(account);
    expect([refused.status, refused.body]).toMatchObject([
      403,
      { code: "quota_exceeded", quota: "_open_items", limit: 2, current: 2 },
    ]);
    const { worker } = stage.db;
    await complete(worker, await claim(worker, account, ref(made)));
    expect((await create(account)).status).toBe(201);
    expect((await create(account)).status).toBe(403);
    await fail(worker, await claim(worker, account, ref(made), { position: 1 }));
    expect((await create(account)).status).toBe(201);
  });

  it("end what a day's generations may cost", async () => {
    const { account } = await makeAccountOn({ limits: { daily_credits: 3 } }, 50);
    expect((await create(account, { areas: ["a", "b"] })).status).toBe(201);
    const refused = await create(account, { areas: ["a", "b"] });
    expect(refused.body).toMatchObject({
      ...{ code: "quota_exceeded", quota: "_credits_day", limit: 3, current: 2 },
      resets_at: expect.stringMatching(/T00:00:00.000Z$/),
    });
    const last = await create(account);
    expect(last.status).toBe(201);
    await ask(account, `/v1/generations/${last.body.id}/cancel`, { method: "POST" });
    expect((await create(account)).status).toBe(201);
  });
});
