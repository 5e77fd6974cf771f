import { randomUUID } from "node:crypto";
import { findOrder, openPayment } from "@ducat/db/payments";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  startZarinpal,
  type ZarinpalServer,
  zarinpalMerchant,
} from "../../../../packages/billing/test/zarinpal-server.ts";
import { makeOffer } from "../../../../packages/db/test/billing-factories.ts";
import { askCheckout, balanceOf, hear, open, pay, shop } from "../../test/customer.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let gateway: ZarinpalServer;
/** A pack of 100 credits: for 500,000 rials at ZarinPal, for USD 9.00 at the sandbox. */
let rials: string;
let dollars: string;
/** Milliseconds that this process's clock is ahead. */
let ahead = 0;
beforeAll(async () => {
  gateway = await startZarinpal(Date.now, "S");
  stage = await setStage({
    payments: { ZARINPAL_MERCHANT_ID: zarinpalMerchant, ZARINPAL_API_URL: gateway.url },
  });
  stage.deps.payments.now = () => Date.now() + ahead;
  const offer = (price: object) => makeOffer(stage.db.admin, {}, price);
  rials = (await offer({ provider: "zarinpal", currency: "IRR", amount: 500_000 })).price.id;
  dollars = (await offer({ provider: "sandbox" })).price.id;
});
afterAll(async () => {
  await stage.close();
  await gateway.close();
});

/** A customer at ZarinPal's page. */
async function begin() {
  const account = await stage.makeAccount();
  const { body } = await askCheckout(stage, account, { price_id: rials });
  const authority = new URL(body.url).pathname.split("/").at(-1) ?? "";
  return { account, authority, paymentId: body.payment_id };
}
const callBack = (authority: string, status = "OK", more = "") =>
  open(stage, `/callbacks/zarinpal?Authority=${authority}&Status=${status}${more}`);
const backAt = (paymentId: string, status: string) =>
  `${shop}?payment_id=${paymentId}&status=${status}`;
const referenceOf = async (paymentId: string) => {
  const [row] = await stage.db.admin`SELECT reference FROM ducat.payments WHERE id = ${paymentId}`;
  return row?.reference as string;
};

describe("GET /callbacks/zarinpal", () => {
  it("asks ZarinPal with our own amount, credits once however often it is called", async () => {
    const { account, authority, paymentId } = await begin();
    gateway.pay(authority);
    const backs = await Promise.all([
      callBack(authority),
      callBack(authority),
      callBack(authority),
    ]);
    for (const { status, to } of backs) {
      expect([status, to]).toEqual([303, backAt(paymentId, "succeeded")]);
    }
    expect((await callBack(authority)).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
    const { body } = await stage.call(`/v1/payments/${paymentId}`, { account });
    expect(body).toMatchObject({ status: "succeeded", receipt_ref: expect.any(String) });
    expect(body.card).toBe("502229******5995");
    const sent = gateway.requests.filter(({ path }) => path.endsWith("verify.json"));
    expect(JSON.parse(sent.at(-1)?.raw.toString() ?? "{}")).toMatchObject({ amount: 500_000 });
  });

  it("takes NOK for no proof: what was paid is credited", async () => {
    const { account, authority, paymentId } = await begin();
    gateway.pay(authority);
    expect((await callBack(authority, "NOK")).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
  });

  it("takes OK for no proof either", async () => {
    const { account, authority, paymentId } = await begin();
    expect((await callBack(authority, "OK")).to).toBe(backAt(paymentId, "pending"));
    expect(await balanceOf(stage, account)).toBe(0);
    gateway.pay(authority);
    expect((await callBack(authority, "OK")).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
  });

  it("credits a payment that ZarinPal says it had verified before", async () => {
    const { account, authority, paymentId } = await begin();
    gateway.autoVerify(authority);
    expect((await callBack(authority)).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
  });

  it("sends the customer on when ZarinPal can't be reached, and settles at the next try", async () => {
    const { account, authority, paymentId } = await begin();
    gateway.pay(authority);
    gateway.faults.add("verify.json", "status_500");
    expect((await callBack(authority)).to).toBe(backAt(paymentId, "created"));
    expect(await balanceOf(stage, account)).toBe(0);
    // Verified there, but the answer got lost: the next one hears 101.
    gateway.faults.add("verify.json", "reset_after");
    expect((await callBack(authority)).to).toBe(backAt(paymentId, "created"));
    expect((await callBack(authority)).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
    expect(stage.lines.join("")).not.toContain(zarinpalMerchant);
  });

  it("credits nothing when another amount was paid, and keeps it for a person", async () => {
    const { account, authority, paymentId } = await begin();
    gateway.pay(authority);
    const session = gateway.sessions.get(authority);
    if (session) session.amount = 1_000;
    expect((await callBack(authority)).status).toBe(303);
    expect(await balanceOf(stage, account)).toBe(0);
    const anomalies = await stage.db.admin`
      SELECT kind FROM ducat.payment_anomalies WHERE about = ${authority}`;
    expect(anomalies).toEqual([{ kind: "amount_mismatch" }]);
    const { body } = await stage.call(`/v1/payments/${paymentId}`, { account });
    expect(body.status).not.toBe("succeeded");
  });

  it("knows no order of a stranger, of the other mode, or without an authority", async () => {
    const { authority } = await begin();
    const strange = [
      `S${"0".repeat(30)}abcde`,
      authority.replace(/^S/, "A"),
      `${authority}x`,
      "",
      "'; DROP TABLE payments; --",
    ];
    const asked = gateway.requests.length;
    for (const one of strange) {
      const { status, headers } = await callBack(encodeURIComponent(one));
      expect([one, status, headers.get("content-type")]).toEqual([
        one,
        404,
        expect.stringContaining("text/html"),
      ]);
    }
    for (const provider of ["stripe", "sandbox", "nobody"]) {
      const { status } = await open(stage, `/callbacks/${provider}?Authority=${authority}`);
      expect([provider, status]).toEqual([provider, 404]);
    }
    expect(gateway.requests.length).toBe(asked);
  });

  it("sends customers to the order's own address, whatever the query says", async () => {
    const { authority, paymentId } = await begin();
    gateway.pay(authority);
    const more = "&return_url=https://evil.example&url=//evil.example&payment_id=1&status=x";
    expect((await callBack(authority, "OK", more)).to).toBe(backAt(paymentId, "succeeded"));
  });
});

describe("GET /pay/:reference", () => {
  it("opens the page again that is still open, by one order and one page", async () => {
    const account = await stage.makeAccount();
    const { body } = await askCheckout(stage, account, { price_id: dollars });
    const { body: payment } = await stage.call(`/v1/payments/${body.payment_id}`, { account });
    const first = await open(stage, payment.pay_url);
    expect([first.status, first.to]).toEqual([303, body.url]);
    expect((await open(stage, payment.pay_url)).to).toBe(body.url);
  });

  it("opens another page where the last one has ended, and credits one payment", async () => {
    const { account, authority, paymentId } = await begin();
    const link = `/pay/${await referenceOf(paymentId)}`;
    // A second click at once is a double click.
    expect((await open(stage, link)).to).toContain(authority);
    ahead = 60_000;
    const next = await open(stage, link);
    ahead = 0;
    const second = next.to?.split("/").at(-1) ?? "";
    expect([next.status, second === authority]).toEqual([303, false]);
    gateway.pay(second);
    expect((await callBack(second)).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
    // The first page was left unpaid: to come back from it changes nothing.
    expect((await callBack(authority, "NOK")).to).toBe(backAt(paymentId, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
  });

  it("lets nobody pay twice: it asks about the page that was left before it opens another", async () => {
    const { account, authority, paymentId } = await begin();
    gateway.pay(authority);
    const link = `/pay/${await referenceOf(paymentId)}`;
    const pages = gateway.sessions.size;
    ahead = 60_000;
    // It can't be asked: then no page is opened either.
    gateway.faults.add("verify.json", "status_500");
    const unsure = await open(stage, link);
    expect([unsure.status, unsure.text.includes("try again")]).toEqual([502, true]);
    const paid = await open(stage, link);
    ahead = 0;
    expect([paid.status, paid.to]).toEqual([303, `${link}/done`]);
    expect(gateway.sessions.size).toBe(pages);
    expect(await balanceOf(stage, account)).toBe(100);
  });

  it("keeps both when a customer pays two pages of one order, and credits one", async () => {
    const { account, authority, paymentId } = await begin();
    const link = `/pay/${await referenceOf(paymentId)}`;
    ahead = 60_000;
    const second = (await open(stage, link)).to?.split("/").at(-1) ?? "";
    ahead = 0;
    gateway.pay(authority);
    gateway.pay(second);
    await callBack(authority);
    await callBack(second);
    expect(await balanceOf(stage, account)).toBe(100);
    const anomalies = await stage.db.admin`
      SELECT kind FROM ducat.payment_anomalies WHERE about IN (${authority}, ${second})`;
    expect(anomalies).toEqual([{ kind: "paid_twice" }]);
  });

  it("opens one page for many clicks at once", async () => {
    const account = await stage.makeAccount();
    const order = { priceId: rials, provider: "zarinpal", mode: "test" } as const;
    const payment = await openPayment(stage.db.app, account, { ...order, purpose: "reload" });
    const pages = gateway.sessions.size;
    const clicks = await Promise.all(
      Array.from({ length: 10 }, () => open(stage, `/pay/${payment.reference}`)),
    );
    expect(gateway.sessions.size).toBe(pages + 1);
    const statuses = new Set(clicks.map(({ status }) => status));
    expect([...statuses].filter((status) => ![303, 409].includes(status))).toEqual([]);
    const waiting = clicks.find(({ status }) => status === 409);
    // The page of those who wait loads itself again.
    if (waiting) expect(waiting.headers.get("refresh")).toBe("2");
    expect((await open(stage, `/pay/${payment.reference}`)).status).toBe(303);
  });

  it("ends a day after a checkout, and a month after what we asked for ourselves", async () => {
    const { paymentId } = await begin();
    const link = `/pay/${await referenceOf(paymentId)}`;
    const account = await stage.makeAccount();
    const order = { priceId: rials, provider: "zarinpal", mode: "test" } as const;
    const reload = await openPayment(stage.db.app, account, { ...order, purpose: "reload" });
    const days = async (count: number, url: string) => {
      ahead = count * 24 * 3_600_000 + 60_000;
      const { status } = await open(stage, url);
      ahead = 0;
      return status;
    };
    expect(await days(1, link)).toBe(410);
    expect(await days(29, `/pay/${reload.reference}`)).toBe(303);
    expect(await days(30, `/pay/${reload.reference}`)).toBe(410);
  });

  it("opens nothing for a frozen account, for what reads links, and for no order", async () => {
    const { account, paymentId } = await begin();
    const reference = await referenceOf(paymentId);
    const pages = gateway.sessions.size;
    const head = await stage.app.request(`/pay/${reference}`, { method: "HEAD" });
    expect(head.status).toBe(200);
    await stage.db.admin`
      UPDATE ducat.credit_accounts SET frozen = '{admin}' WHERE account_id = ${account}`;
    ahead = 60_000;
    const frozen = await open(stage, `/pay/${reference}`);
    ahead = 0;
    expect([frozen.status, frozen.text.includes("at the moment")]).toEqual([403, true]);
    expect(gateway.sessions.size).toBe(pages);
    for (const strange of [randomUUID(), "x".repeat(65), "%27", reference.slice(1)]) {
      expect((await open(stage, `/pay/${strange}`)).status).toBe(404);
      expect((await open(stage, `/pay/${strange}/done`)).status).toBe(404);
    }
  });
});

describe("GET /pay/:reference/done", () => {
  const makeReload = async (locale: string) => {
    const { body } = await stage.call("/v1/accounts", {
      body: { external_id: randomUUID(), locale },
    });
    const { product, price } = await makeOffer(
      stage.db.admin,
      { name: { en: "A <b>pack</b>", fa: "بسته" } } as object,
      { provider: "zarinpal", currency: "IRR", amount: 500_000 },
    );
    const order = { priceId: price.id, provider: "zarinpal", mode: "test" } as const;
    const payment = await openPayment(stage.db.app, body.id, { ...order, purpose: "reload" });
    return { payment, product, account: body.id };
  };

  it("shows what became of an order that has no page of its own, in the account's language", async () => {
    const { payment, account } = await makeReload("fa");
    const opened = await open(stage, `/pay/${payment.reference}`);
    const before = await open(stage, `/pay/${payment.reference}/done`);
    expect(before.text).toContain("در انتظار پرداخت");
    expect(before.text).toContain(`href="/pay/${payment.reference}"`);
    const authority = opened.to?.split("/").at(-1) ?? "";
    gateway.pay(authority);
    const back = await callBack(authority);
    expect([back.status, back.to]).toEqual([
      303,
      `http://ducat.test/pay/${payment.reference}/done`,
    ]);
    const done = await open(stage, back.to ?? "");
    expect(done.status).toBe(200);
    expect(done.text).toContain('<html lang="fa" dir="rtl">');
    expect(done.text).toContain("پرداخت شد");
    expect(done.text).toContain("۵۰۰٬۰۰۰");
    expect(await balanceOf(stage, account)).toBe(100);
    // The link is the receipt's door now, and opens no page.
    expect((await open(stage, `/pay/${payment.reference}`)).to).toMatch(/\/done$/);
  });

  it("is a page that loads nothing, runs nothing and can't be framed", async () => {
    const { payment } = await makeReload("en");
    const page = await open(stage, `/pay/${payment.reference}/done`);
    expect(page.text).toContain("A &lt;b&gt;pack&lt;/b&gt;");
    expect(page.text).not.toMatch(/<script|https?:|\son\w+=/);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
  });
});

describe("the sandbox's pages", () => {
  it("are shown, take the choice, and keep a policy of their own", async () => {
    const account = await stage.makeAccount();
    const { body } = await askCheckout(stage, account, { price_id: dollars });
    const page = await open(stage, body.url);
    expect([page.status, page.text.includes("USD 9.00")]).toEqual([200, true]);
    expect(page.headers.get("content-security-policy")).toContain("style-src 'unsafe-inline'");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect((await pay(stage, body.url, { outcome: "decline" })).text).toContain("declined");
    expect((await pay(stage, body.url, { outcome: "authenticate" })).text).toContain("3-D Secure");
    const passed = await open(stage, body.url, { challenge: "pass" });
    expect(passed.status).toBe(303);
    // Its own webhook, signed, has come before the customer is back.
    const like = `%${body.url.split("/").at(-1)}%`;
    const events = await stage.db.admin`
      SELECT event_type FROM ducat.webhook_events
      WHERE provider = 'sandbox' AND convert_from(body, 'utf8') LIKE ${like}`;
    expect(events).toEqual([{ event_type: "payment.succeeded" }]);
    await hear(stage);
    expect(await balanceOf(stage, account)).toBe(100);
  });

  it("are not there in live mode, nor under other names", async () => {
    expect((await open(stage, "/sandbox/checkout/pay_nothing")).status).toBe(404);
    expect((await open(stage, "/sandbox/other/pay_1")).status).toBe(404);
    const payments = { ...stage.deps.payments, mode: "live" as const };
    delete payments.sandbox;
    const { createApp } = await import("../app.ts");
    const live = createApp({ ...stage.deps, payments });
    const response = await live.request("/sandbox/checkout/pay_nothing");
    expect([response.status, await response.json()]).toMatchObject([404, { code: "not_found" }]);
  });

  it("settle an order whose webhook never came when the customer is back", async () => {
    const account = await stage.makeAccount();
    const { body } = await askCheckout(stage, account, { price_id: dollars });
    const { to } = await pay(stage, body.url);
    const order = await findOrder(stage.db.app, { reference: to?.split("/").at(-2) ?? "" });
    expect(order?.payment.status).toBe("created");
    expect((await open(stage, to ?? "")).to).toBe(backAt(body.payment_id, "succeeded"));
    expect(await balanceOf(stage, account)).toBe(100);
  });
});
