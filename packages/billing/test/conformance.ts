import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Capabilities, PaymentProvider } from "../src/provider.ts";
import { charges } from "./conformance-charges.ts";
import { plans } from "./conformance-plans.ts";
import {
  type Alteration,
  collect,
  creditKeys,
  hear,
  ofKind,
  order,
  parseAll,
  type Received,
  type Rig,
} from "./rig.ts";

/** What every provider must do alike: one suite, run over each adapter beside its provider. */
export function conform(name: string, start: () => Promise<Rig>): void {
  describe(`${name} does what every provider does`, () => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await start();
    });
    afterAll(() => rig.close());

    contract(() => rig);
    payments(() => rig);
    refunds(() => rig);
    failures(() => rig);
    reconciliation(() => rig);
    charges(() => rig);
    plans(() => rig);
  });
}

const methods: [keyof PaymentProvider, (caps: Capabilities) => boolean][] = [
  ["parseWebhook", ({ webhooks }) => webhooks],
  ["parseStoredWebhook", ({ webhooks }) => webhooks],
  ["readReturn", ({ returnIsAuthoritative }) => returnIsAuthoritative],
  ["fetchSubscription", ({ subscriptions }) => subscriptions === "native"],
  ["cancelSubscription", ({ subscriptions }) => subscriptions === "native"],
  ["resumeSubscription", ({ subscriptions }) => subscriptions === "native"],
  ["changePlan", ({ planChange }) => planChange !== "none"],
  ["chargeOffSession", ({ offSession }) => offSession !== "none"],
  ["findCharge", ({ offSession }) => offSession !== "none"],
  ["createPortalUrl", ({ portal }) => portal !== "none"],
  ["refund", (caps) => caps.refunds.api !== "none"],
  ["fetchReversals", (caps) => caps.refunds.api !== "none"],
];

function contract(rig: () => Rig): void {
  it("has each optional method exactly when its capabilities say so", () => {
    const { provider } = rig();
    const has = methods.map(([method]) => [method, typeof provider[method] === "function"]);
    expect(has).toEqual(methods.map(([method, says]) => [method, says(provider.caps)]));
    // Without webhooks somebody has to ask.
    expect(provider.caps.webhooks || typeof provider.settle === "function").toBe(true);
  });

  it("refuses to ask for nothing, less than nothing, too much or a foreign currency", async () => {
    const { currency } = rig().pack.price;
    const foreign = rig().provider.caps.currencies.includes("BTC") ? "ZZZ" : "BTC";
    const prices = [
      { amount: 0, currency },
      { amount: -1, currency },
      { amount: 10.5, currency },
      { amount: Number.NaN, currency },
      { amount: 2 ** 60, currency },
      { amount: 1000, currency: foreign },
    ];
    for (const price of prices) {
      await expect(order(rig(), { price })).rejects.toMatchObject({ code: "validation_failed" });
    }
    const returnUrl = "javascript:alert(1)";
    await expect(order(rig(), { returnUrl })).rejects.toMatchObject({ code: "validation_failed" });
  });
}

function payments(rig: () => Rig): void {
  it("credits a paid order under one key, however often and in what order it is told", async () => {
    const { created, open } = await order(rig());
    expect(new URL(created.url).protocol).toMatch(/^https?:$/);
    expect(created.sent).toEqual(rig().pack.price);
    expect(creditKeys(await hear(rig(), open))).toEqual([]);
    await rig().pay(created.ref);
    const { provider } = rig();
    const deliveries = await rig().takeDeliveries();
    const tell = async (list: Received[]) =>
      provider.caps.webhooks ? parseAll(provider, list) : ((await provider.settle?.(open)) ?? []);
    const facts = await tell(deliveries);
    const [paid] = ofKind(facts, "payment.succeeded");
    expect(paid).toMatchObject({
      provider: provider.name,
      mode: provider.mode,
      orderRef: open.orderRef,
      purpose: "pack",
      price: rig().pack.price,
    });
    expect(paid?.money.currency).toBe(rig().pack.price.currency);
    expect(paid?.money.amount).toBeGreaterThanOrEqual(rig().pack.price.amount);
    expect(creditKeys(facts)).toHaveLength(1);
    const again = await tell([...deliveries].reverse().flatMap((one) => [one, one]));
    expect(creditKeys(again)).toEqual(creditKeys(facts));
    if (provider.settle) {
      expect(creditKeys(await provider.settle(open))).toEqual(creditKeys(facts));
    }
    expect(ofKind(facts, "anomaly")).toEqual([]);
  });

  it("opens another page for an order whose page has ended, and credits the one that is paid", async () => {
    const { created } = await order(rig());
    const first = { ref: created.ref, orderRef: `ord_${created.ref.slice(-12)}` };
    const { provider } = rig();
    const customer = { accountRef: "acc_pages", email: "pages@example.com" };
    const again = { orderRef: first.orderRef, customer };
    const ask = () => order(rig(), { ...again, after: first.ref });
    const next = await ask();
    expect(next.created.ref).not.toBe(created.ref);
    if (provider.caps.outgoingIdempotency) {
      expect((await ask()).created.ref).toBe(next.created.ref);
      const plain = await order(rig(), again);
      expect(plain.created.ref).not.toBe(next.created.ref);
    }
    await rig().pay(next.created.ref);
    const facts = await hear(rig(), next.open);
    expect(creditKeys(facts)).toHaveLength(1);
    expect(ofKind(facts, "payment.succeeded")[0]).toMatchObject({ orderRef: first.orderRef });
  });

  it("names the same delivery alike each time, and different ones apart", async () => {
    const { provider } = rig();
    if (!provider.parseWebhook) return;
    const deliveries = await paidDeliveries(rig());
    const names = await Promise.all(
      [...deliveries, ...deliveries].map(async ({ raw, headers }) => {
        return (await provider.parseWebhook?.(raw, headers))?.dedupe;
      }),
    );
    expect(new Set(names).size).toBe(deliveries.length);
  });

  it("reads stored bytes as it read them when they came", async () => {
    const { provider } = rig();
    for (const { raw, headers } of await paidDeliveries(rig())) {
      const first = await provider.parseWebhook?.(raw, headers);
      expect(await provider.parseStoredWebhook?.(raw)).toEqual(first);
    }
  });

  it("never takes another amount, currency or recipient for money", async () => {
    const { provider, sign, alter } = rig();
    const { amount, currency } = rig().pack.price;
    const changes: Alteration[] = [
      ...[amount - 1, amount + 1, 0, -amount, 2 ** 60, 1e21, 10.5].map((n) => ({ amount: n })),
      { currency: currency === "EUR" ? "USD" : "EUR" },
      { store: true },
    ];
    const bodies = (await paidDeliveries(rig())).map(({ raw }) => raw.toString("utf8"));
    for (const change of changes) {
      const altered = bodies
        .map((body) => alter?.(body, change))
        .filter((body) => body !== undefined);
      if (!sign) continue;
      expect(altered.length).toBeGreaterThan(0);
      const facts = await parseAll(
        provider,
        altered.map((body) => sign(body)),
      );
      expect(creditKeys(facts), JSON.stringify(change)).toEqual([]);
      expect(ofKind(facts, "anomaly").length, JSON.stringify(change)).toBeGreaterThan(0);
    }
    const { created, open } = await order(rig());
    await rig().pay(created.ref, { charged: { amount: amount - 1, currency } });
    const facts = await hear(rig(), open);
    const details = ofKind(facts, "anomaly").map(({ detail }) => detail);
    expect(new Set(details)).toEqual(new Set(["amount_mismatch"]));
    expect(creditKeys(facts)).toEqual([]);
  });

  it("refuses what is forged, re-serialised or signed with another secret", async () => {
    const { provider, sign } = rig();
    if (!provider.parseWebhook || !sign) return;
    const [{ raw }] = (await paidDeliveries(rig())) as [Received];
    const body = raw.toString("utf8");
    const good = sign(body);
    await expect(provider.parseWebhook(good.raw, good.headers)).resolves.toBeDefined();
    const spaced = JSON.stringify(JSON.parse(body), null, 1);
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), good.raw]);
    const key = Buffer.from("another secret, as long as ours").toString("base64");
    const otherSecret = `whsec_${key}`;
    const bad: Received[] = [
      { raw: good.raw, headers: {} },
      { raw: Buffer.from(spaced), headers: good.headers },
      { raw: Buffer.from(body.replace("1", "2")), headers: good.headers },
      { raw: marked, headers: good.headers },
      { raw: Buffer.from(""), headers: good.headers },
      sign(body, { secret: otherSecret }),
    ];
    for (const { raw, headers } of bad) await expectRefusal(provider, { raw, headers });
  });

  it("refuses a signature of which any byte was changed", async () => {
    const { provider, sign, headerOfSignature = "" } = rig();
    if (!provider.parseWebhook || !sign) return;
    const [{ raw }] = (await paidDeliveries(rig())) as [Received];
    const { headers } = sign(raw.toString("utf8"));
    const signature = headers[headerOfSignature] ?? "";
    for (let at = 0; at < signature.length; at += 1) {
      for (const mask of [0x01, 0x20]) {
        const flipped = String.fromCharCode(signature.charCodeAt(at) ^ mask);
        const text = signature.slice(0, at) + flipped + signature.slice(at + 1);
        await expectRefusal(provider, { raw, headers: { ...headers, [headerOfSignature]: text } });
      }
    }
  });

  it("refuses events of the other mode and of another version, whoever signed them", async () => {
    const { provider, sign, alter } = rig();
    if (!provider.parseWebhook || !sign || !alter) return;
    const bodies = (await paidDeliveries(rig())).map(({ raw }) => raw.toString("utf8"));
    const altered = (change: Alteration) =>
      bodies.map((body) => alter(body, change)).filter((body) => body !== undefined);
    for (const body of altered({ mode: true })) {
      await expectRefusal(provider, sign(body), "wrong_mode");
      await expect(provider.parseStoredWebhook?.(Buffer.from(body))).rejects.toMatchObject({
        code: "signature_invalid",
      });
    }
    for (const body of altered({ version: "2020-08-27" })) {
      await expectRefusal(provider, sign(body), "wrong_api_version");
    }
  });

  it("refuses an old signature, where there is a time in it", async () => {
    const { provider, sign, clock } = rig();
    if (!provider.parseWebhook || !sign || provider.caps.eventId === "untrusted") return;
    const [{ raw }] = (await paidDeliveries(rig())) as [Received];
    const body = raw.toString("utf8");
    const fresh = sign(body, { at: clock.now - 299_000 });
    await expect(provider.parseWebhook(fresh.raw, fresh.headers)).resolves.toBeDefined();
    await expectRefusal(provider, sign(body, { at: clock.now - 301_000 }));
    const behind = rig().remake({ now: () => clock.now - 200_000 });
    const ahead = sign(body, { at: clock.now });
    await expect(behind.parseWebhook?.(ahead.raw, ahead.headers)).resolves.toBeDefined();
  });

  it("says that signed bytes are no event, instead of reading something into them", async () => {
    const { provider, sign } = rig();
    if (!provider.parseWebhook || !sign) return;
    for (const text of ["[]", "null", "{", '"x"', "<html>", "\u0000"]) {
      const { raw, headers } = sign(text);
      await expect(provider.parseWebhook(raw, headers)).rejects.toMatchObject({
        code: expect.stringMatching(/^(malformed_body|signature_invalid)$/),
      });
    }
    const { raw, headers } = sign(`{"x":"${"x".repeat(1024 * 1024)}"}`);
    await expect(provider.parseWebhook(raw, headers)).rejects.toMatchObject({
      code: "payload_too_large",
    });
    const broken = Buffer.concat([raw.subarray(0, 10), Buffer.from([0xff, 0xfe])]);
    await expect(provider.parseWebhook(broken, headers)).rejects.toMatchObject({
      code: "malformed_body",
    });
  });
}

function refunds(rig: () => Rig): void {
  it("tells the total of three partial refunds, and no more can be paid back", async () => {
    const { provider } = rig();
    const { open, paid } = await pay(rig());
    if (!provider.caps.refunds.partial) return;
    const part = Math.max(
      Math.floor(paid.money.amount / 4),
      provider.caps.refunds.min?.amount ?? 1,
    );
    const give = (key: string, amount: number, reversed: number) =>
      provider.refund?.({
        paymentRef: paid.paymentRef,
        money: { amount, currency: paid.money.currency },
        paid: paid.money,
        reversedBefore: { amount: reversed, currency: paid.money.currency },
        paidAt: new Date(rig().clock.now),
        orderRef: open.orderRef,
        ...(paid.receiptRef !== undefined && { receiptRef: paid.receiptRef }),
        key: `${open.orderRef}-${key}`,
      });
    for (const [index, key] of ["one", "two", "three"].entries()) {
      const facts = (await give(key, part, part * index)) ?? [];
      expect(ofKind(facts, "reversal.total")).toMatchObject([
        { paymentRef: paid.paymentRef, reversed: { amount: part * (index + 1) }, of: paid.money },
      ]);
    }
    const told = await parseAll(provider, await rig().takeDeliveries());
    const totals = ofKind(told, "reversal.total").map(({ reversed }) => reversed.amount);
    if (provider.caps.webhooks) expect([...new Set(totals)]).toEqual([part, part * 2, part * 3]);
    const requests = [0, -1, 1.5, Number.NaN, paid.money.amount + 1, 2 ** 60];
    for (const [index, amount] of requests.entries()) {
      await expect(give(`bad-${index}`, amount, part * 3)).rejects.toMatchObject({
        code: "validation_failed",
      });
    }
    const repeat = provider.caps.refunds.repeatable && (await give("three", part, part * 2));
    if (repeat) expect(ofKind(repeat, "reversal.total")[0]?.reversed.amount).toBe(part * 3);
    await expect(give("four", paid.money.amount, part * 3)).rejects.toMatchObject({
      code: expect.stringMatching(/^(invalid_state|validation_failed)$/),
    });
  });

  it("pays nothing back in another currency", async () => {
    const { provider } = rig();
    const { paid } = await pay(rig());
    const other = { amount: 100, currency: paid.money.currency === "EUR" ? "USD" : "EUR" };
    const none = { amount: 0, currency: paid.money.currency };
    const common = { paymentRef: paid.paymentRef, paidAt: new Date(0), key: "foreign" };
    for (const input of [
      { ...common, paid: paid.money, reversedBefore: none, money: other },
      { ...common, paid: paid.money, reversedBefore: other },
    ]) {
      await expect(provider.refund?.(input)).rejects.toMatchObject({ code: "validation_failed" });
    }
  });

  it("hears of a refund that was made at the provider", async () => {
    const { provider, refundThere } = rig();
    if (!refundThere) return;
    const { paid } = await pay(rig());
    await refundThere(paid.paymentRef, 100);
    await refundThere(paid.paymentRef, 150);
    const facts = await parseAll(provider, await rig().takeDeliveries());
    const totals = ofKind(facts, "reversal.total").map(({ reversed }) => reversed.amount);
    expect(totals).toEqual([100, 250]);
    const truth = await provider.fetchReversals?.(paid.paymentRef);
    expect(ofKind(truth ?? [], "reversal.total")).toMatchObject([{ reversed: { amount: 250 } }]);
  });

  it("tells a dispute from its opening to its end", async () => {
    const { provider, dispute } = rig();
    if (provider.caps.disputes !== "events" || !dispute) return;
    for (const end of ["won", "lost"] as const) {
      const { paid } = await pay(rig());
      await dispute(paid.paymentRef, "opened");
      const opened = await parseAll(provider, await rig().takeDeliveries());
      expect(ofKind(opened, "dispute.opened")[0]).toMatchObject({
        paymentRef: paid.paymentRef,
        money: paid.money,
      });
      await dispute(paid.paymentRef, end);
      const closed = await parseAll(provider, await rig().takeDeliveries());
      expect(new Set(ofKind(closed, `dispute.${end}`).map((fact) => fact.effectKey)).size).toBe(1);
      const truth = (await provider.fetchReversals?.(paid.paymentRef)) ?? [];
      expect(ofKind(truth, `dispute.${end}`)).toHaveLength(1);
    }
  });
}

function failures(rig: () => Rig): void {
  it("says that it doesn't know, when there is no answer or none that makes sense", async () => {
    const { faults, faultKinds, calls, provider } = rig();
    const impatient = rig().remake({ timeoutMs: 150 });
    const { open } = await pay(rig());
    const { paid } = await pay(rig());
    const input = { since: new Date(rig().clock.now - 60_000), open: [] };
    const money = { amount: 100, currency: paid.money.currency };
    const refund = {
      paymentRef: paid.paymentRef,
      paid: paid.money,
      reversedBefore: { amount: 0, currency: paid.money.currency },
      paidAt: new Date(rig().clock.now - 3_600_000),
      key: "lost",
      ...(paid.receiptRef !== undefined && { receiptRef: paid.receiptRef }),
    };
    const asked: [string, () => Promise<unknown> | undefined][] = [
      [calls.checkout, () => order({ ...rig(), provider: impatient })],
      [calls.settle, () => impatient.settle?.(open)],
      [
        calls.refund,
        () => impatient.refund?.({ ...refund, money: provider.caps.refunds.min ?? money }),
      ],
      [calls.list, () => collect(impatient.reconcile(input))],
    ];
    for (const fault of faultKinds) {
      for (const [call, ask] of asked) {
        if (call === calls.settle && !provider.settle) continue;
        faults.add(call, fault);
        await expect(ask(), `${call} ${fault}`).rejects.toMatchObject({
          code: "provider_unavailable",
        });
        faults.clear();
      }
    }
  });

  it("makes one checkout of an order whose answer got lost, or a harmless second", async () => {
    const { faults, calls, provider } = rig();
    faults.add(calls.checkout, "reset_after");
    const customer = { accountRef: "acc_lost", email: "lost@example.com" };
    const lost = { orderRef: `lost_${rig().clock.now}`, customer };
    const impatient = { ...rig(), provider: rig().remake({ timeoutMs: 500 }) };
    await expect(order(impatient, lost)).rejects.toMatchObject({ code: "provider_unavailable" });
    const { created, open } = await order(rig(), lost);
    await rig().pay(created.ref);
    expect(creditKeys(await hear(rig(), open))).toHaveLength(1);
    if (provider.settle) expect(creditKeys(await provider.settle(open))).toHaveLength(1);
  });
}

function reconciliation(rig: () => Rig): void {
  it("finds what the webhooks lost, under the keys that they would have had", async () => {
    const { provider, clock } = rig();
    const since = new Date(clock.now - 1000);
    const told = await pay(rig());
    const { created, open } = await order(rig());
    await rig().pay(created.ref);
    await rig().dropDeliveries();
    clock.now += 5 * 60_000;
    const facts = await collect(provider.reconcile({ since, open: [open] }));
    const paid = ofKind(facts, "payment.succeeded");
    const found = paid.filter(({ orderRef }) => orderRef === open.orderRef);
    expect(creditKeys(found)).toHaveLength(1);
    const expected = provider.settle ? creditKeys(await provider.settle(open)) : creditKeys(found);
    expect(creditKeys(found)).toEqual(expected);
    expect(creditKeys(found)).not.toContain(told.paid.effectKey);
    const again = await collect(provider.reconcile({ since, open: [open] }));
    expect(creditKeys(again)).toEqual(creditKeys(facts));
  });

  it("goes on with the other orders when one of them can't be settled", async () => {
    const { provider, clock } = rig();
    if (!provider.settle) return;
    const since = new Date(clock.now - 1000);
    const { created, open } = await order(rig());
    await rig().pay(created.ref);
    await rig().dropDeliveries();
    clock.now += 5 * 60_000;
    const strange = { ...open, ref: `${open.ref}x`, orderRef: "strange" };
    const facts: string[] = [];
    const run = (async () => {
      for await (const fact of provider.reconcile({ since, open: [strange, open] })) {
        if (fact.kind === "payment.succeeded" && fact.orderRef) facts.push(fact.orderRef);
      }
    })();
    await run.catch((error) => expect(error).toMatchObject({ code: /not_found|invalid_state/ }));
    expect(facts).toContain(open.orderRef);
    expect(facts).not.toContain("strange");
  });
}

/** An order, paid and told. */
async function pay(rig: Rig) {
  const { created, open } = await order(rig);
  await rig.pay(created.ref);
  const [paid] = ofKind(await hear(rig, open), "payment.succeeded");
  if (!paid) throw new Error("The payment was not told.");
  return { open, paid };
}

async function paidDeliveries(rig: Rig): Promise<Received[]> {
  await rig.takeDeliveries();
  const { created } = await order(rig);
  await rig.pay(created.ref);
  return rig.takeDeliveries();
}

async function expectRefusal(
  provider: PaymentProvider,
  { raw, headers }: Received,
  reason = "bad_signature",
): Promise<void> {
  await expect(provider.parseWebhook?.(raw, headers)).rejects.toMatchObject({
    code: "signature_invalid",
    detail: { extra: { reason } },
  });
}
