import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conform } from "../test/conformance.ts";
import { startServer } from "../test/http-server.ts";
import { creditKeys, hear, ofKind, order, parseAll, type Rig } from "../test/rig.ts";
import { sandboxSecret, startSandboxRig } from "../test/sandbox-rig.ts";
import type { Money } from "./money.ts";
import type { CheckoutInput } from "./provider.ts";
import { createSandbox } from "./sandbox.ts";
import { refresh, runDue } from "./sandbox-due.ts";
import { createSandboxKeeper } from "./sandbox-keeper.ts";
import { choose, removeMethod } from "./sandbox-payments.ts";
import type { SandboxSubscription } from "./sandbox-store.ts";
import { advanceSubscription } from "./sandbox-subscriptions.ts";

conform("sandbox", startSandboxRig);

type SandboxRig = Awaited<ReturnType<typeof startSandboxRig>>;
let rig: Rig & SandboxRig;
beforeAll(async () => {
  rig = await startSandboxRig();
});
afterAll(() => rig.close());

const heard = async () => parseAll(rig.provider, await rig.takeDeliveries());

/** What a browser does with the page. */
async function submit(url: string, fields: Record<string, string>) {
  const body = new URLSearchParams(fields).toString();
  const response = await fetch(url, { method: "POST", body, redirect: "manual" });
  return {
    status: response.status,
    to: response.headers.get("location"),
    text: await response.text(),
  };
}

describe("the page", () => {
  const open = (over: Partial<CheckoutInput> = {}) => order(rig, over);

  it("shows what is bought, and nothing that the title brings along", async () => {
    const { created } = await open({ title: '<script>alert("x")</script>' });
    const response = await fetch(created.url);
    const text = await response.text();
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(text).toContain("USD 10.00");
    expect(text).not.toContain("<script>");
  });

  it("pays, sends its webhooks before it answers, and sends the customer back", async () => {
    const { created, open: waiting } = await open();
    const { status, to } = await submit(created.url, { outcome: "success" });
    expect([status, to]).toEqual([303, "https://app.example.com/return"]);
    expect(creditKeys(await hear(rig, waiting))).toHaveLength(1);
    // A second click changes nothing.
    expect((await submit(created.url, { outcome: "decline" })).status).toBe(303);
    expect(await heard()).toEqual([]);
  });

  it("lets a declined customer try again", async () => {
    const { created, open: waiting } = await open();
    const { status, text } = await submit(created.url, { outcome: "decline" });
    expect([status, text.includes("declined")]).toEqual([200, true]);
    expect(await hear(rig, waiting)).toEqual([]);
    await submit(created.url, { outcome: "success" });
    expect(creditKeys(await hear(rig, waiting))).toHaveLength(1);
  });

  it("asks for 3-D Secure, and pays only when it is passed", async () => {
    const { created, open: waiting } = await open();
    const { text } = await submit(created.url, { outcome: "authenticate" });
    expect(text).toContain("3-D Secure");
    expect(creditKeys((await rig.provider.settle?.(waiting)) ?? [])).toEqual([]);
    await submit(created.url, { challenge: "fail" });
    expect(creditKeys(await hear(rig, waiting))).toEqual([]);
    // Nobody passes a challenge that wasn't asked.
    await submit(created.url, { challenge: "pass" });
    expect(creditKeys(await hear(rig, waiting))).toEqual([]);
    await submit(created.url, { outcome: "authenticate" });
    expect((await submit(created.url, { challenge: "pass" })).status).toBe(303);
    expect(creditKeys(await hear(rig, waiting))).toHaveLength(1);
  });

  it("takes its time when it shall, and then pays by itself", async () => {
    const { created, open: waiting } = await open();
    expect((await submit(created.url, { outcome: "delayed" })).status).toBe(303);
    const first = await hear(rig, waiting);
    expect(first).toMatchObject([{ kind: "payment.pending", orderRef: waiting.orderRef }]);
    rig.clock.now += 61_000;
    expect(creditKeys(await hear(rig, waiting))).toHaveLength(1);
  });

  it("ends with its time, and says so", async () => {
    const expiresAt = new Date(rig.clock.now + 60_000);
    const { created, open: waiting } = await open({ expiresAt });
    rig.clock.now += 61_000;
    expect((await fetch(created.url)).status).toBe(410);
    expect((await submit(created.url, { outcome: "success" })).status).toBe(410);
    expect(await hear(rig, waiting)).toMatchObject([{ kind: "payment.expired" }]);
  });

  it("answers what it doesn't know with 404 and what it can't read with 400", async () => {
    const { created } = await open();
    expect((await fetch(`${rig.pageUrl}/checkout/pay_none`)).status).toBe(404);
    expect((await fetch(`${rig.pageUrl}/elsewhere`)).status).toBe(404);
    expect((await fetch(created.url, { method: "DELETE" })).status).toBe(404);
    const bad = [{ outcome: "steal" }, { card: "succeed" }, { x: "x".repeat(5000) }];
    for (const fields of bad) {
      expect((await submit(created.url, fields as Record<string, string>)).status).toBe(400);
    }
  });

  it("is also the portal: cancel, and take it back", async () => {
    const { created } = await open({ kind: "subscription", ...rig.plans?.small });
    await submit(created.url, { outcome: "success" });
    const ref = ofKind(await heard(), "subscription.touched")[0]?.subscriptionRef ?? "";
    const returnUrl = "https://app.example.com/billing";
    const input = { customerRef: "x", subscriptionRef: ref, returnUrl };
    const portal = await rig.provider.createPortalUrl?.(input);
    const url = portal?.url ?? "";
    expect(await (await fetch(url)).text()).toContain("USD 9.99");
    expect((await submit(url, { act: "cancel" })).text).toContain("ends on");
    expect((await rig.provider.fetchSubscription?.(ref))?.cancelAt).toBeDefined();
    await submit(url, { act: "resume" });
    expect((await rig.provider.fetchSubscription?.(ref))?.cancelAt).toBeUndefined();
    rig.clock.now += 31 * 60_000;
    expect((await fetch(url)).status).toBe(410);
  });
});

describe("its webhooks", () => {
  it("come again when the receiver was down, and each one until it was taken", async () => {
    const { created, open } = await order(rig);
    let isDown = true;
    const attempts: string[] = [];
    const receiver = await startServer(({ headers }) => {
      attempts.push(headers["webhook-id"] ?? "");
      return { status: isDown ? 503 : 204 };
    });
    const settings = { store: rig.store, webhookSecret: sandboxSecret, now: () => rig.clock.now };
    const keeper = createSandboxKeeper({ ...settings, webhookUrl: receiver.url });
    await choose(keeper, created.ref, { outcome: "success" });
    await runDue(keeper);
    expect(attempts).toHaveLength(1);
    await runDue(keeper);
    expect(attempts).toHaveLength(1);
    rig.clock.now += 5_000;
    await runDue(keeper);
    isDown = false;
    rig.clock.now += 25_000;
    await runDue(keeper);
    rig.clock.now += 10 * 3_600_000;
    await runDue(keeper);
    expect(attempts).toHaveLength(3);
    expect(new Set(attempts).size).toBe(1);
    expect(creditKeys((await rig.provider.settle?.(open)) ?? [])).toHaveLength(1);
    await receiver.close();
  });

  it("give up in the end, and reconciliation still finds the payment", async () => {
    const { created, open } = await order(rig);
    const settings = { store: rig.store, webhookSecret: sandboxSecret, now: () => rig.clock.now };
    // Nothing listens on the discard port.
    const keeper = createSandboxKeeper({ ...settings, webhookUrl: "http://127.0.0.1:9/" });
    await choose(keeper, created.ref, { outcome: "success" });
    for (let attempt = 0; attempt < 9; attempt += 1) {
      await runDue(keeper);
      rig.clock.now += 7 * 3_600_000;
    }
    expect(await keeper.listDue(rig.clock.now, 10)).not.toContain(created.ref);
    expect(creditKeys((await rig.provider.settle?.(open)) ?? [])).toHaveLength(1);
    await rig.dropDeliveries();
  });

  it("are still taken with the secret before, while it is being rolled", async () => {
    const next = `whsec_${Buffer.from("the next secret, which is as long").toString("base64")}`;
    const rolled = createSandbox({
      store: rig.store,
      webhookUrl: rig.receiverUrl,
      webhookSecret: next,
      oldSecrets: [sandboxSecret],
      baseUrl: rig.pageUrl,
      mode: "test",
      now: () => rig.clock.now,
    });
    const { created } = await order(rig);
    await rig.pay(created.ref);
    expect(creditKeys(await parseAll(rolled, await rig.takeDeliveries()))).toHaveLength(1);
  });
});

describe("its books", () => {
  it("refuse live mode and weak secrets", () => {
    const settings = {
      store: rig.store,
      webhookUrl: "http://127.0.0.1:9/",
      webhookSecret: sandboxSecret,
      baseUrl: "http://127.0.0.1:9",
    };
    expect(() => createSandbox({ ...settings, mode: "live" })).toThrow(/test mode/);
    for (const webhookSecret of ["", "whsec_", "whsec_c2hvcnQ=", sandboxSecret.slice(6)]) {
      expect(() => createSandbox({ ...settings, webhookSecret, mode: "test" })).toThrow(/whsec_/);
    }
  });

  it("stay right when many write at the same time", async () => {
    const { created, open } = await order(rig, { saveMethod: true });
    const settings = {
      store: rig.store,
      webhookUrl: rig.receiverUrl,
      webhookSecret: sandboxSecret,
      now: () => rig.clock.now,
    };
    const keepers = Array.from({ length: 10 }, () => createSandboxKeeper(settings));
    await Promise.all(keepers.map((keeper) => choose(keeper, created.ref, { outcome: "success" })));
    const facts = await hear(rig, open);
    expect(ofKind(facts, "payment.succeeded")).toHaveLength(1);
    expect(ofKind(facts, "method.saved")).toHaveLength(1);
    const [saved] = ofKind(facts, "method.saved");
    const charge = {
      key: "same-key",
      orderRef: "reload_1",
      customerRef: saved?.customerRef ?? "",
      methodRef: saved?.methodRef ?? "",
      money: rig.pack.price,
      title: "Auto-reload",
    };
    const results = await Promise.all(
      Array.from({ length: 10 }, () => rig.provider.chargeOffSession?.(charge)),
    );
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(creditKeys(await heard())).toHaveLength(1);
  });

  it("lose no refund of many at the same time, and repeat none", async () => {
    const { created, open } = await order(rig);
    await rig.pay(created.ref);
    const [paid] = ofKind(await hear(rig, open), "payment.succeeded");
    if (!paid) throw new Error("not paid");
    const give = (key: string) =>
      rig.provider.refund?.({
        paymentRef: paid.paymentRef,
        money: { amount: 100, currency: "USD" },
        paid: paid.money,
        reversedBefore: { amount: 0, currency: "USD" },
        paidAt: new Date(rig.clock.now),
        key,
      });
    await Promise.all(["a", "b", "c", "a", "b", "c"].map(give));
    const totals = ofKind(await heard(), "reversal.total").map(({ reversed }) => reversed.amount);
    expect(totals).toEqual([100, 200, 300]);
  });

  it("carry a plan change out once, also when it is repeated after another one", async () => {
    const { created } = await order(rig, { kind: "subscription", ...rig.plans?.small });
    await rig.pay(created.ref);
    const ref = ofKind(await heard(), "subscription.touched")[0]?.subscriptionRef ?? "";
    const change = (key: string, to: { priceRef: string; price: Money } | undefined) =>
      rig.provider.changePlan?.({
        ref,
        key,
        when: "now",
        planRef: to?.priceRef ?? "",
        price: to?.price ?? { amount: 0, currency: "" },
      });
    await change("up", rig.plans?.large);
    await change("down", rig.plans?.small);
    expect((await change("up", rig.plans?.large))?.planRef).toBe("plan_small");
    expect(ofKind(await heard(), "invoice.paid")).toHaveLength(1);
    const foreign = { priceRef: "p", price: { amount: 5, currency: "EUR" } };
    await expect(change("foreign", foreign)).rejects.toMatchObject({ code: "invalid_state" });
  });

  it("have a card that is charged while its answer gets lost", async () => {
    const { created } = await order(rig, { saveMethod: true });
    await submit(created.url, { outcome: "success", card: "lose_answer" });
    const [saved] = ofKind(await heard(), "method.saved");
    const input = {
      key: "lost",
      orderRef: "reload_2",
      customerRef: saved?.customerRef ?? "",
      methodRef: saved?.methodRef ?? "",
      money: rig.pack.price,
      title: "Auto-reload",
    };
    expect(await rig.provider.chargeOffSession?.(input)).toEqual({ status: "unknown" });
    const { customerRef } = input;
    const found = await rig.provider.findCharge?.({ key: "lost", customerRef, since: new Date(0) });
    expect(found).toMatchObject({ status: "succeeded" });
    expect(creditKeys(await heard())).toHaveLength(1);
  });

  it("charge no card that was removed, nor another customer's", async () => {
    const { created } = await order(rig, { saveMethod: true });
    await rig.pay(created.ref);
    const [saved] = ofKind(await heard(), "method.saved");
    const methodRef = saved?.methodRef ?? "";
    const common = { orderRef: "o", money: rig.pack.price, title: "t", methodRef };
    const stolen = { ...common, key: "stolen", customerRef: "customer_other" };
    expect(await rig.provider.chargeOffSession?.(stolen)).toMatchObject({
      code: "no_payment_method",
    });
    await removeMethod(rig.keeper, methodRef);
    expect(ofKind(await heard(), "method.removed")).toMatchObject([{ methodRef }]);
    const gone = { ...common, key: "gone", customerRef: saved?.customerRef ?? "" };
    expect(await rig.provider.chargeOffSession?.(gone)).toMatchObject({
      code: "no_payment_method",
    });
  });

  it("begin a subscription that a crash left out, when they are next looked at", async () => {
    const { created } = await order(rig, { kind: "subscription", ...rig.plans?.small });
    // Paid, and the process died before anything else was written.
    await rig.keeper.change("payment", created.ref, (payment) => {
      payment.status = "paid";
    });
    await refresh(rig.keeper, created.ref);
    expect(ofKind(await heard(), "invoice.paid")).toHaveLength(1);
  });
});

describe("the calendar of subscriptions", () => {
  const start = (at: string): SandboxSubscription => ({
    ...{ kind: "subscription", id: "sub_1", status: "active", orderRef: "o", customerRef: "c" },
    ...{ methodRef: "m", planRef: "p", price: { amount: 100, currency: "USD" } },
    ...{ interval: "month", periodStart: Date.parse(at), periodEnd: Date.parse(at) },
    ...{ cancelAtPeriodEnd: false, failures: 0, changes: [], invoices: [], events: [] },
  });
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);

  it("ends a month on its last day where it is shorter", () => {
    const subscription = start("2027-01-31T10:00:00Z");
    advanceSubscription(subscription, "succeed", Date.parse("2027-01-31T10:00:00Z"));
    expect(day(subscription.periodEnd)).toBe("2027-02-28");
    const leap = { ...start("2028-02-29T10:00:00Z"), interval: "year" as const };
    advanceSubscription(leap, "succeed", Date.parse("2028-02-29T10:00:00Z"));
    expect(day(leap.periodEnd)).toBe("2029-02-28");
  });

  it("catches up one invoice for each period that nobody looked at", () => {
    const subscription = start("2026-01-15T00:00:00Z");
    advanceSubscription(subscription, "succeed", Date.parse("2026-11-20T00:00:00Z"));
    expect(subscription.invoices).toHaveLength(11);
    expect(new Set(subscription.invoices.map(({ id }) => id)).size).toBe(11);
    expect(day(subscription.periodEnd)).toBe("2026-12-15");
  });

  it("tries a failed invoice again and ends after the third time", () => {
    const subscription = start("2026-01-15T00:00:00Z");
    const at = (text: string) => Date.parse(`${text}T00:00:01Z`);
    advanceSubscription(subscription, "decline", at("2026-01-15"));
    expect(subscription).toMatchObject({ status: "past_due", failures: 1 });
    advanceSubscription(subscription, "succeed", at("2026-01-16"));
    expect(subscription).toMatchObject({ status: "active", failures: 0 });
    expect(subscription.invoices).toMatchObject([{ isPaid: true }]);
    advanceSubscription(subscription, undefined, at("2026-02-15"));
    advanceSubscription(subscription, undefined, at("2026-02-16"));
    expect(subscription.status).toBe("past_due");
    advanceSubscription(subscription, undefined, at("2026-02-17"));
    expect(subscription.status).toBe("canceled");
    advanceSubscription(subscription, "succeed", at("2027-02-17"));
    expect(subscription.invoices).toMatchObject([{ isPaid: true }, { isPaid: false }]);
  });
});
