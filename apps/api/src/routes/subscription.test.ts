import { randomUUID } from "node:crypto";
import { assignPlan } from "@ducat/db/entitlements";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type StripeServer,
  signStripe,
  startStripe,
  stripeKey,
} from "../../../../packages/billing/test/stripe-server.ts";
import {
  startZarinpal,
  type ZarinpalServer,
  zarinpalMerchant,
} from "../../../../packages/billing/test/zarinpal-server.ts";
import { makeOffer } from "../../../../packages/db/test/billing-factories.ts";
import { askCheckout, balanceOf, hear, open, pay, shop } from "../../test/customer.ts";
import { type Stage, setStage } from "../../test/stage.ts";

const stripeSecret = "whsec_0123456789abcdef";

type Made = Awaited<ReturnType<typeof makeOffer>>;
let stage: Stage;
let gateway: ZarinpalServer;
let stripe: StripeServer;
let small: Made;
let middle: Made;
let large: Made;
let yearly: Made;
let trial: Made;
let own: { small: Made; large: Made };
beforeAll(async () => {
  gateway = await startZarinpal(Date.now, "S");
  stripe = await startStripe(Date.now);
  stage = await setStage({
    payments: {
      ZARINPAL_MERCHANT_ID: zarinpalMerchant,
      ZARINPAL_API_URL: gateway.url,
      STRIPE_SECRET_KEY: stripeKey,
      STRIPE_WEBHOOK_SECRET: [stripeSecret],
      STRIPE_API_URL: stripe.url,
    },
  });
  const plan = (credits: number, amount: number, more: object = {}) =>
    makeOffer(stage.db.admin, { kind: "plan", credits, ...more }, { amount, interval: "month" });
  small = await plan(100, 1_000);
  middle = await plan(200, 2_000);
  large = await plan(400, 4_000);
  trial = await plan(100, 1_000, { trial_days: 7, trial_credits: 5 });
  yearly = await makeOffer(stage.db.admin, { kind: "plan", credits: 200 }, { interval: "year" });
  const ownPlan = (credits: number, amount: number) =>
    makeOffer(
      stage.db.admin,
      { kind: "plan", credits },
      { provider: "zarinpal", currency: "IRR", interval: "month", amount },
    );
  own = { small: await ownPlan(20, 50_000), large: await ownPlan(100, 150_000) };
});
afterAll(async () => {
  await stage.close();
  await gateway.close();
  await stripe.close();
});

const read = async (account: string) => (await stage.call("/v1/subscription", { account })).body;
const act = (account: string, verb: string, body?: object, key: string = randomUUID()) =>
  stage.call(`/v1/subscription/${verb}`, {
    account,
    key,
    method: "POST",
    ...(body && { body }),
  });

/** An account that has just subscribed at the sandbox. */
async function subscribe({ price }: Made) {
  const account = await stage.makeAccount();
  const { body } = await askCheckout(stage, account, { price_id: price.id });
  await pay(stage, body.url);
  await hear(stage);
  return account;
}

async function subscribeOwn({ price }: Made) {
  const account = await stage.makeAccount();
  const { body } = await askCheckout(stage, account, { price_id: price.id });
  const authority = body.url.split("/").at(-1);
  gateway.pay(authority);
  await open(stage, `/callbacks/zarinpal?Authority=${authority}`);
  return account;
}

describe("GET /v1/subscription", () => {
  it("shows what was subscribed to, with the credits of its first invoice", async () => {
    const account = await subscribe(small);
    expect(await read(account)).toMatchObject({
      status: "active",
      plan: { key: small.product.key },
      price: { amount: 1_000, currency: "USD" },
      interval: "month",
      provider: "sandbox",
      cancel_at: null,
      next_plan: null,
      can: { change: true, cancel_now: true, manage: true },
    });
    expect(await balanceOf(stage, account)).toBe(100);
    const { body } = await stage.call("/v1/payments", { account });
    expect(body.data).toMatchObject([{ purpose: "subscription", status: "succeeded" }]);
  });

  it("says so when there is none, and never shows another account's", async () => {
    await subscribe(small);
    const { status, body } = await stage.call("/v1/subscription", {
      account: await stage.makeAccount(),
    });
    expect([status, body.code]).toEqual([404, "not_found"]);
  });

  it("gives a trial once: who comes back pays", async () => {
    const account = await subscribe(trial);
    const shown = await read(account);
    expect(shown).toMatchObject({ status: "trialing", trial_ends_at: expect.any(String) });
    // Beside the three that every account begins with.
    const { body: balance } = await stage.call("/v1/credits/balance", { account });
    expect(balance).toMatchObject({ trial_credits: 8, token_balance: 0 });
    expect((await act(account, "cancel", { when: "now" })).body.status).toBe("canceled");
    const again = await askCheckout(stage, account, { price_id: trial.price.id });
    await pay(stage, again.body.url);
    await hear(stage);
    expect(await read(account)).toMatchObject({ status: "active", trial_ends_at: null });
    const { body } = await stage.call("/v1/payments", { account });
    expect(body.data[0]).toMatchObject({ charged: { amount: 1_000 }, credits_granted: 100 });
  });

  it("lets an account have one: a second checkout of a plan is refused", async () => {
    const account = await subscribe(small);
    const { status, body } = await askCheckout(stage, account, { price_id: large.price.id });
    expect([status, body.code, body.reason]).toEqual([409, "invalid_state", "has_subscription"]);
  });
});

describe("an order of a plan that was left", () => {
  it("opens no page once another order has begun one", async () => {
    const account = await stage.makeAccount();
    const left = await askCheckout(stage, account, { price_id: own.small.price.id });
    const taken = await askCheckout(stage, account, { price_id: small.price.id });
    await pay(stage, taken.body.url);
    await hear(stage);
    const { body } = await stage.call(`/v1/payments/${left.body.payment_id}`, { account });
    const clock = stage.deps.payments.now;
    stage.deps.payments.now = () => Date.now() + 60_000;
    const page = await open(stage, body.pay_url);
    stage.deps.payments.now = clock;
    expect([page.status, page.to]).toEqual([409, null]);
    expect(await read(account)).toMatchObject({ plan: { key: small.product.key } });
  });
});

describe("POST /v1/subscription/{cancel,resume}", () => {
  it("ends it with its period, takes that back, and ends it now", async () => {
    const account = await subscribe(small);
    const { period } = await read(account);
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await act(account, "cancel", {});
      expect([status, body.status, body.cancel_at]).toEqual([200, "active", period.end]);
    }
    for (let times = 0; times < 2; times += 1) {
      expect((await act(account, "resume")).body).toMatchObject({ cancel_at: null });
    }
    expect((await act(account, "cancel", { when: "now" })).body).toMatchObject({
      status: "canceled",
      ended_at: expect.any(String),
    });
    await hear(stage);
    expect((await read(account)).status).toBe("canceled");
    for (const verb of ["cancel", "resume", "change"]) {
      const body = { cancel: {}, change: { price_id: large.price.id } }[verb];
      const refused = await act(account, verb, body);
      expect([verb, refused.status, refused.body.code]).toEqual([verb, 409, "invalid_state"]);
    }
  });

  it("asks for nothing that isn't there", async () => {
    const account = await stage.makeAccount();
    expect((await act(account, "cancel", {})).status).toBe(404);
    expect((await act(account, "resume")).status).toBe(404);
    expect((await act(account, "cancel", { when: "never" })).status).toBe(422);
  });
});

describe("POST /v1/subscription/change", () => {
  const change = (account: string, { price }: Made, key?: string) =>
    act(account, "change", { price_id: price.id }, key);
  const invoices = async (account: string) => {
    const { body } = await stage.call("/v1/payments", { account });
    return body.data.filter(({ purpose }: { purpose: string }) => purpose === "invoice");
  };

  it("moves up at once with one difference, however often it is asked", async () => {
    const account = await subscribe(small);
    const key = randomUUID();
    const first = await change(account, large, key);
    expect([first.status, first.body.plan.key]).toEqual([200, large.product.key]);
    const again = await change(account, large, key);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await change(account, middle, key)).body.code).toBe("idempotency_conflict");
    await hear(stage);
    // To the plan that it has: nothing to do.
    expect((await change(account, large)).status).toBe(200);
    await hear(stage);
    expect(await invoices(account)).toHaveLength(1);
    const balance = await balanceOf(stage, account);
    expect(balance).toBeGreaterThan(395);
    expect(balance).toBeLessThanOrEqual(400);
  });

  it("moves down with the next period: no money, no credits lost", async () => {
    const account = await subscribe(large);
    const { body } = await change(account, small);
    expect(body).toMatchObject({
      plan: { key: large.product.key },
      next_plan: { key: small.product.key },
    });
    await hear(stage);
    expect(await read(account)).toMatchObject({ plan: { key: large.product.key } });
    expect(await invoices(account)).toEqual([]);
    expect(await balanceOf(stage, account)).toBe(400);
  });

  it("charges nobody twice for what was paid: down and up again costs only what is new", async () => {
    const account = await subscribe(middle);
    await change(account, small);
    // Back to what was paid for: free.
    expect((await change(account, middle)).body).toMatchObject({
      plan: { key: middle.product.key },
      next_plan: null,
    });
    await hear(stage);
    expect(await invoices(account)).toEqual([]);
    await change(account, small);
    await change(account, large);
    await hear(stage);
    const [invoice, ...others] = await invoices(account);
    expect(others).toEqual([]);
    // From the middle to the large one, and not from the small one.
    expect(invoice.charged.amount).toBeLessThanOrEqual(2_000);
    expect(await balanceOf(stage, account)).toBeLessThanOrEqual(400);
    expect(await read(account)).toMatchObject({ plan: { key: large.product.key } });
  });

  it("refuses what would not be a change of this subscription", async () => {
    const account = await subscribe(small);
    const pack = await makeOffer(stage.db.admin);
    const refused = async (made: Made) => {
      const { status, body } = await change(account, made);
      return [status, body.code, body.reason ?? body.errors?.[0].pointer];
    };
    expect(await refused(pack)).toEqual([404, "not_found", undefined]);
    expect(await refused(own.large)).toEqual([422, "validation_failed", "/currency"]);
    expect(await refused(yearly)).toEqual([422, "validation_failed", "/interval"]);
    const { body } = await act(account, "change", { price_id: yearly.price.id, interval: "year" });
    expect([body.code, body.reason]).toEqual(["invalid_state", "interval"]);
    await act(account, "cancel", {});
    expect(await refused(large)).toEqual([409, "invalid_state", "canceling"]);
    const keyless = await stage.call("/v1/subscription/change", {
      account,
      body: { price_id: large.price.id },
    });
    expect(keyless.body.code).toBe("idempotency_key_required");
  });

  it("lets one of many parallel requests with a key change it", async () => {
    const account = await subscribe(small);
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 8 }, () => change(account, large, key)));
    const done = answers.filter(({ status }) => status === 200);
    expect(new Set(done.map(({ text }) => text)).size).toBe(1);
    for (const { status, body } of answers) {
      if (status !== 200) expect(body.code).toBe("in_progress");
    }
    await hear(stage);
    expect(await invoices(account)).toHaveLength(1);
  });
});

describe("a subscription at Stripe", () => {
  const plan = async (credits: number, amount: number) => {
    const provider_ref = `price_${randomUUID().slice(0, 8)}`;
    const price = { id: provider_ref, unit_amount: amount, currency: "usd" };
    stripe.books.prices.set(provider_ref, { ...price, interval: "month" });
    return makeOffer(
      stage.db.admin,
      { kind: "plan", credits },
      { provider: "stripe", interval: "month", amount, provider_ref },
    );
  };
  /** Stripe posts what has happened since, and a worker processes it. */
  let posted = 0;
  const hearStripe = async () => {
    for (const event of stripe.books.events.slice(posted)) {
      const body = JSON.stringify(event);
      const headers = signStripe(body, { secret: stripeSecret, at: Date.now() });
      await stage.app.request("/webhooks/stripe", { method: "POST", body, headers });
    }
    posted = stripe.books.events.length;
    await hear(stage);
  };
  const lastChange = () => {
    const sent = stripe.requests.filter(({ raw }) => raw.includes("proration_behavior")).at(-1);
    return new URLSearchParams(sent?.raw.toString()).get("proration_behavior");
  };

  it("is invoiced for a step up at once, and for a step down never", async () => {
    const [less, more] = [await plan(100, 1_000), await plan(200, 2_000)];
    const account = await stage.makeAccount();
    const { body } = await askCheckout(stage, account, { price_id: less.price.id });
    const [session] = stripe.books.list("checkout.session");
    expect(body.url).toBe(session?.url);
    stripe.books.pay(session?.id ?? "");
    await hearStripe();
    expect(await read(account)).toMatchObject({ status: "active", provider: "stripe" });
    await act(account, "change", { price_id: more.price.id });
    expect(lastChange()).toBe("always_invoice");
    await hearStripe();
    expect(await balanceOf(stage, account)).toBeGreaterThan(195);
    expect((await act(account, "change", { price_id: less.price.id })).body).toMatchObject({
      plan: { key: more.product.key },
      next_plan: { key: less.product.key },
    });
    expect(lastChange()).toBe("none");
    await hearStripe();
    expect(await read(account)).toMatchObject({ next_plan: { key: less.product.key } });
    const portal = await stage.call("/v1/portal", { account, body: { return_url: shop } });
    expect(portal.body).toEqual({ url: expect.stringContaining("stripe.com"), expires_at: null });
  });

  it("is as it was when Stripe can't be reached, and the same key goes on", async () => {
    const [less, more] = [await plan(100, 1_000), await plan(200, 2_000)];
    const account = await stage.makeAccount();
    await askCheckout(stage, account, { price_id: less.price.id });
    stripe.books.pay(stripe.books.list("checkout.session")[0]?.id ?? "");
    await hearStripe();
    const key = randomUUID();
    stripe.faults.add("POST /v1/subscriptions", "reset_after");
    const lost = await act(account, "change", { price_id: more.price.id }, key);
    expect([lost.status, lost.body.code]).toEqual([502, "provider_unavailable"]);
    const done = await act(account, "change", { price_id: more.price.id }, key);
    expect([done.status, done.body.plan.key]).toEqual([200, more.product.key]);
    await hearStripe();
    const { body } = await stage.call("/v1/payments?purpose=invoice", { account });
    expect(body.data).toHaveLength(1);
  });
});

describe("a subscription that we renew ourselves", () => {
  it("begins with its paid order, ends with its period, and changes with the next", async () => {
    const account = await subscribeOwn(own.small);
    expect(await read(account)).toMatchObject({
      status: "active",
      provider: "zarinpal",
      can: { change: true, cancel_now: false, manage: false },
    });
    expect(await balanceOf(stage, account)).toBe(20);
    const { period } = await read(account);
    expect((await act(account, "cancel", {})).body.cancel_at).toBe(period.end);
    expect((await act(account, "resume")).body.cancel_at).toBeNull();
    const now = await act(account, "cancel", { when: "now" });
    expect([now.status, now.body.errors[0].pointer]).toEqual([422, "/when"]);
    const changed = await act(account, "change", { price_id: own.large.price.id });
    expect(changed.body).toMatchObject({
      plan: { key: own.small.product.key },
      next_plan: { key: own.large.product.key },
    });
    const back = await act(account, "change", { product: own.small.product.key });
    expect(back.body.next_plan).toBeNull();
    expect((await act(account, "change", { price_id: large.price.id })).status).toBe(404);
  });
});

describe("POST /v1/portal", () => {
  it("opens the provider's page of the subscription, anew each time", async () => {
    const account = await subscribe(small);
    const ask = () => stage.call("/v1/portal", { account, body: { return_url: shop } });
    const [first, second] = [await ask(), await ask()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(first.body.url).not.toBe(second.body.url);
    expect(Date.parse(first.body.expires_at)).toBeGreaterThan(Date.now());
    const page = await open(stage, first.body.url, { act: "cancel" });
    expect(page.text).toContain("Resume");
    await hear(stage);
    expect((await read(account)).cancel_at).toEqual(expect.any(String));
    // Nothing of its address is kept by us.
    const [kept] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.payments
      WHERE account_id = ${account} AND checkout_url LIKE '%portal%'`;
    expect(kept?.n).toBe(0);
  });

  it("says so when there is nothing to manage, and sends nobody to a foreign site", async () => {
    const account = await stage.makeAccount();
    const ask = (return_url: string) => stage.call("/v1/portal", { account, body: { return_url } });
    expect((await ask(shop)).status).toBe(404);
    expect((await ask("https://evil.example/")).status).toBe(422);
    expect(
      (
        await stage.call("/v1/portal", {
          account: await subscribeOwn(own.small),
          body: { return_url: shop },
        })
      ).status,
    ).toBe(404);
  });
});

describe("a plan that an administrator gave", () => {
  it("is told as what it is, and only whoever gave it can change it", async () => {
    const account = await stage.makeAccount();
    const audit = { actor: "test", request_id: "test", ip: null };
    await assignPlan(stage.db.app, account, { plan: large.product.key, audit });
    const can = { change: false, cancel_now: false, manage: false };
    expect(await read(account)).toMatchObject({ provider: "manual", price: null, can });
    for (const verb of ["cancel", "resume"]) {
      const refused = await act(account, verb, verb === "cancel" ? {} : undefined);
      expect([refused.status, refused.body.reason]).toEqual([409, "assigned"]);
    }
    const changed = await act(account, "change", { product: small.product.key });
    expect([changed.status, changed.body.reason]).toEqual([409, "assigned"]);
    expect(await read(account)).toMatchObject({ plan: { key: large.product.key } });
    const erased = await stage.call("/v1/me", {
      account,
      method: "DELETE",
      body: { confirm: true },
    });
    expect(erased.status).toBe(204);
  });
});
