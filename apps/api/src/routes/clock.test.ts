import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { askCheckout, hear, pay } from "../../test/customer.ts";
import { type Call, type Stage, setStage } from "../../test/stage.ts";
import { createApp } from "../app.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const day = 86_400;
const advance = (account: string, seconds: number, call: Call = {}) =>
  stage.call("/v1/admin/clock/advance", { body: { account, seconds }, ...call });
const daysAhead = (at: string) => Math.round((Date.parse(at) - Date.now()) / (1000 * day));
const whatOf = ({ body }: { body: { ran: { what: string }[] } }) =>
  body.ran.map(({ what }) => what);

const makePlan = (product: object, price: object = {}) =>
  makeOffer(
    stage.db.admin,
    { kind: "plan", credits: 100, ...product },
    { interval: "month", amount: 1_000, ...price },
  );

const letters = {
  ...{ kind: "limit", name: { en: "Letters" }, period: "month", reset: "calendar" },
  limit: 3,
};

/** An account that has just subscribed at the sandbox. */
async function subscribe(priceId: string, form: Record<string, string> = {}) {
  const account = await stage.makeAccount();
  const { body } = await askCheckout(stage, account, { price_id: priceId });
  await pay(stage, body.url, form);
  return account;
}

describe("POST /v1/admin/clock/advance", () => {
  it("moves the account's time by its id or external id, and tells it", async () => {
    const external_id = `x-${randomUUID()}`;
    const { body: account } = await stage.call("/v1/accounts", { body: { external_id } });
    const first = await advance(external_id, 3 * day);
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ account_id: account.id, ran: [] });
    expect(daysAhead(first.body.now)).toBe(3);
    expect(daysAhead((await advance(account.id, 2 * day)).body.now)).toBe(5);
  });

  it("is not there in live mode", async () => {
    const app = createApp({ ...stage.deps, mode: "live" });
    const headers = { authorization: "Bearer x", "content-type": "application/json" };
    const answer = await app.request("/v1/admin/clock/advance", { method: "POST", headers });
    expect(answer.status).toBe(404);
  });

  it("refuses what is no time, and accounts that are not there", async () => {
    const account = await stage.makeAccount();
    for (const seconds of [-1, 0.5, 315_360_001, "1", null]) {
      expect((await advance(account, seconds as number)).status).toBe(422);
    }
    expect((await advance(randomUUID(), 1)).status).toBe(404);
    expect((await advance(account, 1, { bearer: null })).status).toBe(401);
  });

  it("answers the same key the same, and another request with it not at all", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const first = await advance(account, day, { key });
    const again = await advance(account, day, { key });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await advance(account, 2 * day, { key })).body.code).toBe("idempotency_conflict");
    expect(daysAhead((await advance(account, 0)).body.now)).toBe(1);
  });

  it("ends a trial with its first paid month, and renews month by month", async () => {
    const { price } = await makePlan({ trial_days: 7, trial_credits: 5, rollover: "none" });
    const account = await subscribe(price.id);
    // Nobody has heard the provider's webhooks yet: the clock asks before it moves.
    const answer = await advance(account, 100 * day);
    expect(whatOf(answer)).toEqual([
      ...["alert.expiring", "grant.expiry", "trial.end", "subscription.provider"],
      ...Array(3).fill(["alert.expiring", "grant.expiry", "subscription.provider"]).flat(),
    ]);
    const { body } = await stage.call("/v1/credits/balance", { account });
    expect(body.lifetime).toEqual({ granted: 3 + 5 + 400, used: 0, expired: 5 + 300 });
    await hear(stage);
    const after = await stage.call("/v1/credits/balance", { account });
    expect(after.body.lifetime).toEqual(body.lifetime);
  });

  it("collects from a card that declines three times, then ends the subscription", async () => {
    const { price } = await makePlan({ rollover: "full" });
    const account = await subscribe(price.id, { card: "decline" });
    await advance(account, 27 * day);
    const seen: string[] = [];
    for (let at = 0; at < 8; at += 1) {
      await advance(account, day);
      const { body } = await stage.call("/v1/subscription", { account });
      if (body.status !== seen.at(-1)) seen.push(body.status);
    }
    expect(seen).toEqual(["active", "past_due", "canceled"]);
  });

  it("shows a change of plan at once upwards, and with the next period downwards", async () => {
    const features = (limit: number) => ({
      letters: { ...letters, limit },
    });
    const small = await makePlan({ features: features(5) });
    const large = await makePlan({ credits: 400, features: features(50) }, { amount: 4_000 });
    const account = await subscribe(small.price.id);
    await advance(account, 10 * day);
    const change = (price_id: string) =>
      stage.call("/v1/subscription/change", { account, key: randomUUID(), body: { price_id } });
    const read = async () => {
      const { body } = await stage.call("/v1/entitlements", { account });
      return [body.plan.key, body.features.letters.limit];
    };
    expect(await read()).toEqual([small.product.key, 5]);
    await change(large.price.id);
    expect(await read()).toEqual([large.product.key, 50]);
    await change(small.price.id);
    expect(await read()).toEqual([large.product.key, 50]);
    await advance(account, 15 * day);
    expect(await read()).toEqual([large.product.key, 50]);
    await advance(account, 10 * day);
    expect(await read()).toEqual([small.product.key, 5]);
    // 100, about two thirds of 300 more for the rest of that month, then 100 again.
    const { body } = await stage.call("/v1/credits/balance", { account });
    const more = body.lifetime.granted - 3 - 100 - 100;
    expect([body.token_balance, more > 185, more < 220]).toEqual([100, true, true]);
  });

  it("ends a pass and what it allowed, with a word a day before", async () => {
    const { price } = await makeOffer(stage.db.admin, {
      ...{ kind: "pass", credits: 20, valid_days: 7, features: { letters } },
    });
    const email = `${randomUUID()}@example.com`;
    const made = await stage.call("/v1/accounts", { body: { external_id: email, email } });
    const account = made.body.id;
    await makePaid(stage.db.app, account, { priceId: price.id });
    const read = async () => (await stage.call("/v1/entitlements", { account })).body;
    expect((await read()).features.letters).toMatchObject({ limit: 3 });
    const answer = await advance(account, 8 * day);
    expect(whatOf(answer)).toEqual([
      ...["alert.expiring", "pass.reminder", "grant.expiry", "pass.end"],
    ]);
    expect((await read()).features.letters).toBeUndefined();
    const messages = await stage.db.admin<{ kind: string }[]>`
      SELECT kind FROM ducat.messages WHERE account_id = ${account} ORDER BY created_at, id`;
    expect(messages.map(({ kind }) => kind)).toEqual([
      ...["receipt", "credits_expiring", "pass_ending"],
    ]);
  });

  it("does everything once for calls that are made at once", async () => {
    const { price } = await makePlan({ rollover: "none" });
    const account = await subscribe(price.id);
    const key = randomUUID();
    const calls = [
      ...[1, 2, 3].map(() => advance(account, 31 * day, { key })),
      ...[1, 2].map(() => advance(account, 31 * day)),
    ];
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect(new Set(answers.slice(0, 3).map(({ text }) => text)).size).toBe(1);
    const { body } = await advance(account, 0);
    expect(daysAhead(body.now)).toBe(93);
    const { body: balance } = await stage.call("/v1/credits/balance", { account });
    expect(balance.lifetime).toEqual({ granted: 3 + 400, used: 0, expired: 300 });
    const all = answers.slice(2).flatMap(whatOf);
    expect(all.filter((what) => what === "subscription.provider")).toHaveLength(3);
  });
});
