import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStripe, stripeKey } from "../../../../packages/billing/test/stripe-server.ts";
import { makeOffer } from "../../../../packages/db/test/billing-factories.ts";
import {
  askCheckout,
  balanceOf,
  countPayments,
  hear,
  open,
  pay,
  shop,
} from "../../test/customer.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let stripe: Awaited<ReturnType<typeof startStripe>>;
/** A pack of 100 credits for USD 9.00, and one that only Stripe sells. */
let pack: string;
let stripePack: string;
beforeAll(async () => {
  stripe = await startStripe(Date.now);
  stage = await setStage({
    deps: { allowedOrigins: ["https://app.example.com"] },
    payments: {
      STRIPE_SECRET_KEY: stripeKey,
      STRIPE_WEBHOOK_SECRET: ["whsec_0123456789abcdef"],
      STRIPE_API_URL: stripe.url,
    },
  });
  pack = (await makeOffer(stage.db.admin, {}, { provider: "sandbox" })).price.id;
  stripePack = (await makeOffer(stage.db.admin, {}, { provider: "stripe" })).price.id;
});
afterAll(async () => {
  await stage.close();
  await stripe.close();
});

const listRows = (account: string) =>
  stage.db.admin<
    { id: string; reference: string; status: string }[]
  >`SELECT id, reference, status FROM ducat.payments WHERE account_id = ${account}`;

describe("POST /v1/checkout", () => {
  it("opens a page, credits what is paid once by every way, and sends the customer back", async () => {
    const account = await stage.makeAccount();
    const made = await askCheckout(stage, account, { price_id: pack, metadata: { cart: 7 } });
    expect(made.status).toBe(201);
    const { url, payment_id, expires_at } = made.body;
    expect(url).toMatch(/^http:\/\/ducat\.test\/sandbox\/checkout\/pay_\w+$/);
    expect(Date.parse(expires_at)).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    expect(await balanceOf(stage, account)).toBe(0);
    const paid = await pay(stage, url);
    expect([paid.status, paid.to]).toEqual([303, expect.stringMatching(/\/pay\/\w+\/done$/)]);
    // Two windows come back, and the webhooks beside them.
    const [back] = await Promise.all([
      open(stage, paid.to ?? ""),
      open(stage, paid.to ?? ""),
      hear(stage),
      hear(stage),
    ]);
    expect(back.status).toBe(303);
    expect(back.to).toBe(`${shop}?payment_id=${payment_id}&status=succeeded`);
    expect(await balanceOf(stage, account)).toBe(100);
    const { body: payment } = await stage.call(`/v1/payments/${payment_id}`, { account });
    expect(payment).toMatchObject({
      status: "succeeded",
      purpose: "pack",
      provider: "sandbox",
      price: { amount: 900, currency: "USD" },
      charged: { amount: 900, currency: "USD" },
      credits_granted: 100,
      pay_url: null,
      metadata: { cart: 7 },
    });
  });

  it("answers a repeat with the same bytes, and another body with 422", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const order = { price_id: pack, metadata: { z: 1, a: [2] } };
    const first = await askCheckout(stage, account, order, { key });
    const again = await askCheckout(stage, account, order, { key });
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(first.headers.has("idempotent-replayed")).toBe(false);
    // Also when it has been paid since.
    await open(stage, (await pay(stage, first.body.url)).to ?? "");
    expect((await askCheckout(stage, account, order, { key })).text).toBe(first.text);
    const other = await askCheckout(stage, account, { price_id: stripePack }, { key });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_conflict"]);
    expect(await countPayments(stage, account)).toBe(1);
  });

  it("makes one order of many parallel requests with one key", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => askCheckout(stage, account, { price_id: pack }, { key })),
    );
    const opened = answers.filter(({ status }) => status === 201);
    const others = answers.filter(({ status }) => status !== 201);
    expect(new Set(opened.map(({ text }) => text)).size).toBe(1);
    expect(others.every(({ body }) => body.code === "in_progress")).toBe(true);
    expect(await listRows(account)).toHaveLength(1);
  });

  it("goes on with the same order after a 502, and makes no second page at the provider", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const ask = () => askCheckout(stage, account, { price_id: stripePack }, { key });
    const countSessions = () => stripe.books.list("checkout.session").length;
    const before = countSessions();
    // Asked and carried out, but the answer gets lost; then not even asked.
    for (const fault of ["reset_after", "status_500"] as const) {
      stripe.faults.add("POST /v1/checkout/sessions", fault);
      const lost = await ask();
      expect([lost.status, lost.body.code]).toEqual([502, "provider_unavailable"]);
    }
    const [row] = await listRows(account);
    const done = await ask();
    expect([done.status, done.body.payment_id]).toEqual([201, row?.id]);
    expect(await listRows(account)).toMatchObject([{ reference: row?.reference }]);
    expect(countSessions()).toBe(before + 1);
    const session = stripe.books.list("checkout.session")[0];
    expect(session?.client_reference_id).toBe(row?.reference);
  });

  it("lets the same key go on when the process that had it died at the provider", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const ask = () => askCheckout(stage, account, { price_id: stripePack }, { key });
    stripe.faults.add("POST /v1/checkout/sessions", "hang");
    const dead = ask();
    await expect.poll(() => listRows(account)).toHaveLength(1);
    const busy = await ask();
    expect([busy.status, busy.body.code]).toEqual([409, "in_progress"]);
    // What is left of a killed process: rights that nobody uses, until their time is over.
    await stage.db.admin`
      UPDATE ducat.idempotency_keys SET result = '{"busy_until": "2020-01-01"}'
      WHERE account_id = ${account}`;
    await stage.db.admin`
      UPDATE ducat.payments SET opening_until = '2020-01-01' WHERE account_id = ${account}`;
    const done = await ask();
    expect([done.status, done.body.payment_id]).toEqual([201, (await listRows(account))[0]?.id]);
    expect(await listRows(account)).toHaveLength(1);
    // The dead one, if it lives after all, changes nothing.
    stripe.drop();
    expect((await dead).status).toBe(502);
    expect((await ask()).text).toBe(done.text);
  });

  it("sends customers to no foreign site", async () => {
    const account = await stage.makeAccount();
    const refused = [
      "https://evil.example/",
      "https://app.example.com.evil.example/",
      "https://app.example.com@evil.example/",
      "https://evil.example\\@app.example.com/",
      "https://user:pass@app.example.com/",
      "http://app.example.com/",
      "javascript:alert(1)",
      "//app.example.com/",
      "data:text/html,x",
      `https://app.example.com/${"x".repeat(2048)}`,
    ];
    for (const return_url of refused) {
      const { status, body } = await askCheckout(stage, account, { price_id: pack, return_url });
      expect([return_url, status, body.errors?.[0].pointer]).toEqual([
        return_url,
        422,
        expect.stringMatching(/return_url$/),
      ]);
    }
    expect(await listRows(account)).toEqual([]);
    for (const return_url of ["https://app.example.com/a?b=c#d", "http://ducat.test/x"]) {
      const { status, body } = await askCheckout(stage, account, { price_id: pack, return_url });
      expect(status).toBe(201);
      const back = await open(stage, (await pay(stage, body.url)).to ?? "");
      const [page = "", hash] = return_url.split("#");
      const start = `${page}${page.includes("?") ? "&" : "?"}payment_id=${body.payment_id}`;
      expect(back.to).toBe(`${start}&status=succeeded${hash ? `#${hash}` : ""}`);
    }
  });

  it("names what is wrong with a request", async () => {
    const account = await stage.makeAccount();
    const { product, price } = await makeOffer(
      stage.db.admin,
      { kind: "pass", needs_subject: true, valid_days: 7 },
      { provider: "sandbox" },
    );
    const plan = await makeOffer(stage.db.admin, { kind: "plan" }, { interval: "month" });
    const free = await makeOffer(
      stage.db.admin,
      { kind: "plan" },
      { interval: "month", amount: 0 },
    );
    const cases: [object, number, string?][] = [
      [{}, 422, "/price_id"],
      [{ price_id: pack, product: "both" }, 422, "/price_id"],
      [{ price_id: randomUUID() }, 404],
      [{ product: "nothing_like_it" }, 404],
      [{ price_id: pack, currency: "EUR" }, 422, "/currency"],
      [{ price_id: pack, currency: "usd" }, 422, "/currency"],
      [{ price_id: pack, interval: "month" }, 422, "/interval"],
      [{ price_id: pack, provider: "zarinpal" }, 422, "/provider"],
      [{ price_id: pack, provider: "stripe" }, 422, "/provider"],
      [{ price_id: pack, provider: "paypal" }, 422, "/provider"],
      [{ price_id: price.id }, 422, "/subject"],
      [{ product: product.key, subject: "" }, 422, "/subject"],
      [{ price_id: plan.price.id, subject: "house 7" }, 422, "/subject"],
      [{ price_id: free.price.id }, 422, "/price_id"],
      [{ price_id: pack, metadata: { text: "x".repeat(1024) } }, 422, "/metadata"],
      [{ price_id: pack, amount: 1 }, 422, "/amount"],
    ];
    for (const [order, status, pointer] of cases) {
      const answer = await askCheckout(stage, account, order);
      const found = answer.body.errors?.map((fault: { pointer: string }) => fault.pointer);
      expect([order, answer.status, found?.[0]]).toEqual([order, status, pointer]);
    }
    const keyless = await askCheckout(stage, account, { price_id: pack }, { key: undefined });
    expect([keyless.status, keyless.body.code]).toEqual([400, "idempotency_key_required"]);
    expect(await listRows(account)).toEqual([]);
  });

  it("sells a pass for one subject, and a product to its own kind of account only", async () => {
    const account = await stage.makeAccount();
    const { product } = await makeOffer(
      stage.db.admin,
      { kind: "pass", needs_subject: true, valid_days: 7, credits: 5 },
      { provider: "sandbox" },
    );
    const made = await askCheckout(stage, account, { product: product.key, subject: "house 7" });
    await open(stage, (await pay(stage, made.body.url)).to ?? "");
    const { body } = await stage.call("/v1/credits/balance", { account });
    expect(body.bound).toMatchObject([{ subject: "house 7", remaining: 5 }]);
    const vendors = await makeOffer(stage.db.admin, { audience: "vendor" });
    expect((await askCheckout(stage, account, { price_id: vendors.price.id })).status).toBe(404);
  });

  it("is refused to a frozen account, and to callers who may not", async () => {
    const account = await stage.makeAccount();
    await stage.db.admin`
      UPDATE ducat.credit_accounts SET frozen = '{admin}' WHERE account_id = ${account}`;
    const frozen = await askCheckout(stage, account, { price_id: pack });
    expect([frozen.status, frozen.body.code]).toEqual([403, "account_frozen"]);
    expect((await askCheckout(stage, account, { price_id: pack }, { bearer: null })).status).toBe(
      401,
    );
    const nobody = await askCheckout(stage, account, { price_id: pack }, { account: undefined });
    expect([nobody.status, nobody.body.code]).toEqual([400, "account_required"]);
  });

  it("tells the provider the account's own address and nothing that the caller says", async () => {
    const email = `${randomUUID()}@example.com`;
    const { body: account } = await stage.call("/v1/accounts", {
      body: { external_id: randomUUID(), email },
    });
    const first = await askCheckout(stage, account.id, { price_id: stripePack });
    const second = await askCheckout(stage, account.id, { price_id: stripePack });
    expect([first.status, second.status]).toEqual([201, 201]);
    const customers = stripe.books.list("customer").filter((one) => one.email === email);
    expect(customers).toHaveLength(1);
    const [latest, before] = stripe.books.list("checkout.session");
    expect([latest?.customer, before?.customer]).toEqual([customers[0]?.id, customers[0]?.id]);
    expect(latest?.success_url).toMatch(/^http:\/\/ducat\.test\/pay\/\w+\/done\?session_id=/);
  });

  it("asks for the card to be kept where the caller says so and the provider can", async () => {
    const account = await stage.makeAccount();
    await askCheckout(stage, account, { price_id: stripePack, save_card: true });
    const [session] = stripe.books.list("checkout.session");
    expect(session?.setup_future_usage).toBe("off_session");
    await askCheckout(stage, account, { price_id: stripePack });
    expect(stripe.books.list("checkout.session")[0]?.setup_future_usage).toBeNull();
  });
});
