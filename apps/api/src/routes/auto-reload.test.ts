import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer } from "../../../../packages/db/test/billing-factories.ts";
import { askCheckout, hear, pay } from "../../test/customer.ts";
import { type Call, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let pack: Awaited<ReturnType<typeof makeOffer>>;
beforeAll(async () => {
  stage = await setStage();
  pack = await makeOffer(stage.db.admin, { credits: 50 }, { amount: 500 });
});
afterAll(() => stage.close());

const read = async (account: string) =>
  (await stage.call("/v1/credits/auto-reload", { account })).body;
const set = (account: string, body: object, how: Call = {}) =>
  stage.call("/v1/credits/auto-reload", { account, method: "PUT", body, ...how });
const on = (more: object = {}) => ({
  enabled: true,
  threshold: 10,
  price_id: pack.price.id,
  consent: true,
  ...more,
});

describe("/v1/credits/auto-reload", () => {
  it("is off until it is set, and keeps what was set when it is off again", async () => {
    const account = await stage.makeAccount();
    expect(await read(account)).toMatchObject({ enabled: false, threshold: null, price: null });
    expect((await set(account, { enabled: false })).body).toMatchObject({ enabled: false });
    const { status, body } = await set(account, on({ monthly_cap: 2_000 }));
    expect([status, body]).toEqual([200, await read(account)]);
    expect(body).toMatchObject({
      enabled: true,
      threshold: 10,
      product: { key: pack.product.key },
      provider: "sandbox",
      price: { amount: 500, currency: "USD" },
      credits: 50,
      monthly_cap: 2_000,
      has_card: false,
      consented_at: expect.any(String),
    });
    // The same again changes nothing.
    expect((await set(account, on({ monthly_cap: 2_000 }))).status).toBe(200);
    expect((await set(account, { enabled: false })).body).toMatchObject({
      enabled: false,
      threshold: 10,
    });
  });

  it("knows the card that a checkout has saved", async () => {
    const account = await stage.makeAccount();
    const order = { price_id: pack.price.id, save_card: true };
    const { body } = await askCheckout(stage, account, order);
    await pay(stage, body.url);
    await hear(stage);
    expect(
      (await set(account, on({ price_id: undefined, product: pack.product.key }))).body,
    ).toMatchObject({
      provider: "sandbox",
      has_card: true,
    });
  });

  it("names what is wrong with it", async () => {
    const account = await stage.makeAccount();
    const tiny = await makeOffer(stage.db.admin, { credits: 9 });
    const plan = await makeOffer(stage.db.admin, { kind: "plan" }, { interval: "month" });
    const cases: [object, number, string?][] = [
      [on({ threshold: 0 }), 422, "/threshold"],
      [on({ threshold: 101 }), 422, "/threshold"],
      [on({ consent: false }), 422, "/consent"],
      [on({ monthly_cap: 499 }), 422, "/monthly_cap"],
      [on({ price_id: tiny.price.id }), 422, "/price_id"],
      [on({ price_id: plan.price.id }), 404],
      [on({ product: "both" }), 422, "/price_id"],
      [on({ price_id: undefined }), 422, "/price_id"],
      [on({ provider: "stripe" }), 422, "/provider"],
      [on({ currency: "EUR" }), 422, "/currency"],
      [{ enabled: true }, 422, "/threshold"],
      [{ enabled: false, threshold: 5 }, 422, "/threshold"],
    ];
    for (const [body, status, pointer] of cases) {
      const answer = await set(account, body);
      expect([body, answer.status, answer.body.errors?.[0].pointer]).toEqual([
        body,
        status,
        pointer,
      ]);
    }
    expect((await read(account)).enabled).toBe(false);
  });

  it("is each account's own, and takes the right to spend money", async () => {
    const account = await stage.makeAccount();
    await set(account, on());
    expect((await read(await stage.makeAccount())).enabled).toBe(false);
    expect((await set(account, on(), { bearer: null })).status).toBe(401);
    expect((await set(account, on(), { account: undefined })).body.code).toBe("account_required");
  });
});
