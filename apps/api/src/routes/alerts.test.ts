import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { eventually, order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const all = { low_balance: null, quota: true, expiring: true, messages: true };
const put = (account: string, body: object) =>
  stage.call("/v1/alerts", { method: "PUT", account, body });
const post = (account: string, path: string, body: object) =>
  stage.call(path, { account, key: randomUUID(), body });

const countTold = async (account: string, type: string) => {
  const rows = await stage.db.admin`
    SELECT FROM ducat.outbox WHERE account_id = ${account} AND type = ${type}`;
  return rows.length;
};

describe("/v1/alerts", () => {
  it("shows what is set, and what everybody begins with", async () => {
    const account = await stage.makeAccount();
    expect((await stage.call("/v1/alerts", { account })).body).toEqual(all);
    const wish = { low_balance: 10, quota: false, expiring: false, messages: false };
    expect((await put(account, wish)).body).toEqual(wish);
    expect((await stage.call("/v1/alerts", { account })).body).toEqual(wish);
  });

  it("refuses half a wish and what is no threshold", async () => {
    const account = await stage.makeAccount();
    for (const body of [
      ...[{ low_balance: 5 }, { ...all, low_balance: 0 }, { ...all, low_balance: 1.5 }],
      ...[
        { ...all, quota: 1 },
        { ...all, more: true },
      ],
    ]) {
      const { status, body: problem } = await put(account, body);
      expect([status, problem.code]).toEqual([422, "validation_failed"]);
    }
  });

  it("asks for a key, and for an account", async () => {
    expect((await stage.call("/v1/alerts", { bearer: null })).status).toBe(401);
    expect((await stage.call("/v1/alerts")).body.code).toBe("account_required");
    expect((await stage.call("/v1/alerts", { account: randomUUID() })).status).toBe(404);
  });

  it("tells a balance that a spend of any kind has left too low, at once and once", async () => {
    const spends = [
      ["/v1/generations", order()],
      ["/v1/credits/consume", { amount: 1, description: "x" }],
      ["/v1/credits/holds", { amount: 1, expires_in: 60 }],
    ] as const;
    for (const [path, body] of spends) {
      const account = await stage.makeAccount(7);
      await put(account, { ...all, low_balance: 10 });
      expect((await post(account, path, body)).status).toBe(201);
      await eventually(async () => expect(await countTold(account, "credits.low")).toBe(1));
      await post(account, path, body);
    }
    const accounts = await stage.db.admin<{ n: number }[]>`
      SELECT count(*)::int AS n FROM ducat.outbox WHERE type = 'credits.low' GROUP BY account_id`;
    expect(accounts.map(({ n }) => n)).toEqual([1, 1, 1]);
  });

  it("tells a quota that tracked use has brought to 80 and to 100 %", async () => {
    const account = await stage.makeAccount();
    const { price } = await makeOffer(stage.db.admin, {
      ...{ kind: "pass", credits: 0, valid_days: 30 },
      features: {
        letters: {
          ...{ kind: "limit", name: { en: "Letters" }, period: "month", reset: "calendar" },
          limit: 10,
        },
      },
    });
    await makePaid(stage.db.app, account, { priceId: price.id });
    const track = (amount: number) =>
      stage.call("/v1/usage", {
        account,
        body: { feature: "letters", amount, event_id: randomUUID() },
      });
    expect((await track(8)).status).toBe(201);
    await eventually(async () => expect(await countTold(account, "quota.warning")).toBe(1));
    await track(1);
    await track(1);
    await eventually(async () => expect(await countTold(account, "quota.reached")).toBe(1));
    expect((await track(1)).body.code).toBe("quota_exceeded");
    expect(await countTold(account, "quota.warning")).toBe(1);
  });
});
