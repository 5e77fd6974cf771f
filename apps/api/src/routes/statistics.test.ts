import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { rollUpAll } from "../../../../packages/db/test/check-rollups.ts";
import { settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
const today = new Date().toISOString().slice(0, 10);
const none = { pending: 0, processing: 0, completed: 0, failed: 0, canceled: 0 };

beforeAll(async () => {
  stage = await setStage();
  const account = await stage.makeAccount();
  await stage.call("/v1/accounts", { body: { external_id: "studio", kind: "vendor" } });
  const { price, product } = await makeOffer(stage.db.admin);
  const payment = await makePaid(stage.db.app, account, { priceId: price.id });
  await stage.db.admin`UPDATE ducat.payments SET refunded = 100, reversed = 100
    WHERE id = ${payment.id}`;
  const body = order({ areas: ["a", "b", "c"] });
  const made = await stage.call("/v1/generations", { account, body, key: "one" });
  await settle(stage, account, made.body, ["completed", "failed", "failed"]);
  await stage.call("/v1/generations", { account, body: order(), key: "two" });
  await stage.db.admin`
    INSERT INTO ducat.subscriptions (account_id, product_id, price_id, provider, mode, status,
      interval, started_at, period_start)
    VALUES (${account}, ${product.id}, ${price.id}, 'sandbox', 'test', 'active', 'month',
      now(), now())`;
  await rollUpAll(stage.db.worker);
});
afterAll(async () => {
  await stage.db.admin`UPDATE ducat.payments SET refunded = 0, reversed = 0`;
  await stage.close();
});

const ask = (query = "") => stage.call(`/v1/admin/stats${query}`);

describe("GET /v1/admin/stats", () => {
  it("tells the numbers of the deployment", async () => {
    const { status, body } = await ask();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ to: today, pending_days: 0 },
      accounts: {
        users: { total: 1, new: 1, erased: 0 },
        vendors: { total: 1, new: 1, erased: 0 },
        active: 1,
      },
      revenue: [
        {
          ...{ provider: "sandbox", currency: "USD", payments: 1, gross: 900, refunded: 100 },
          ...{ disputed: 0, net: 800 },
        },
      ],
      mrr: [{ amount: 900, currency: "USD" }],
      subscriptions: {
        by_plan: [{ status: "active", is_manual: false, count: 1 }],
        unpriced: 0,
        churn: { active_at_start: 0, started: 1, ended: 0, rate: null },
      },
      trials: { granted: 2, converted: 1 },
      credits: {
        granted: { trial: 6, purchase: 100, subscription: 0, promo: 0 },
        ...{ spent: 4, paid_back: 2, used: 2, expired: 0, clawed_back: 0, adjusted_down: 0 },
        ...{ outstanding: 104, debt: 0, held: 1 },
      },
      generations: { ...none, pending: 1, completed: 1 },
      items: {
        ...{ completed: 1, failed: 2, canceled: 0, failure_rate: 0.6667 },
        errors: [{ code: "provider_refused", count: 2, rate: 0.6667 }],
      },
    });
  });

  it("tells what is so at this moment too", async () => {
    const { body } = await ask();
    expect(body.live).toEqual({
      queue: { waiting: 4, active: 0, delayed: 0, failed: 0, oldest_seconds: expect.any(Number) },
      backlog: { items: 0, oldest_seconds: 0 },
      cache: { hits: expect.any(Number), misses: expect.any(Number), hit_rate: expect.any(Number) },
      webhooks: { waiting: 0, oldest_seconds: 0 },
      dead_letters: { webhook_events: 0, messages: 0 },
    });
  });

  it("of days that have passed tells what was then", async () => {
    const { body } = await ask("?from=2026-01-01&to=2026-01-31");
    expect(body).toMatchObject({
      accounts: { users: { total: 0, new: 0 }, active: 0 },
      ...{ revenue: [], mrr: [], generations: none },
      credits: { outstanding: 0, held: 0 },
    });
  });

  it("answers when the queue does not", async () => {
    const broken = await setStage({ queue: "down" });
    const { status, body } = await broken.call("/v1/admin/stats");
    expect({ status, queue: body.live?.queue }).toEqual({ status: 200, queue: null });
    await broken.close();
  });

  it("is for administrators", async () => {
    const key = await stage.call("/v1/api-keys", { body: { name: "k", scopes: ["usage"] } });
    const { status } = await stage.call("/v1/admin/stats", { bearer: key.body.key });
    expect(status).toBe(403);
    expect((await ask("?from=2024-01-01&to=2026-01-01")).body.code).toBe("validation_failed");
  });
});
