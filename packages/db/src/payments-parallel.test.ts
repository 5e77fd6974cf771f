import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount, makeKey } from "../test/factories.ts";
import { atOnce, openSessions, permute } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import type { Db } from "./connect.ts";
import { consumeCredits, findBalance } from "./credits.ts";
import { listAnomalies } from "./payment-anomalies.ts";
import { listPayments } from "./payment-list.ts";
import {
  findPayment,
  movePayment,
  type Payment,
  recordCheckout,
  type SucceededFact,
  settlePayment,
} from "./payments.ts";

const database = useDatabase();

async function makeBuyer() {
  const { id } = await makeAccount(database.app);
  const { price } = await makeOffer(database.admin);
  const order = await makePayment(database.app, id, { priceId: price.id });
  return { id, order };
}

const moveTo = (session: Db, order: Payment, state: "pending" | "expired" | "failed") => {
  const { provider, mode, reference: orderRef } = order;
  const kind = `payment.${state}` as const;
  return movePayment(session, { provider, mode, orderRef, paymentRef: "elsewhere", kind });
};

const findCredits = async (id: string) => (await findBalance(database.app, id))?.token_balance;

/** How many calls ended in which outcome. */
async function countEnds(calls: Promise<{ outcome: string }>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { outcome } of await Promise.all(calls)) {
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

/** The same fact or its like told 50 times at once, half by the API and half by workers. */
async function tellAtOnce(make: (index: number) => SucceededFact) {
  const sessions = [
    ...(await openSessions(database.url, "ducat_app", 5)),
    ...(await openSessions(database.url, "ducat_worker", 5)),
  ];
  return countEnds(atOnce(sessions, 50, (session, index) => settlePayment(session, make(index))));
}

describe("one payment", () => {
  it("that is told 50 times at once is credited once", async () => {
    const { id, order } = await makeBuyer();
    const fact = makeSucceededFact(order);
    expect(await tellAtOnce(() => fact)).toEqual({ applied: 1, known: 49 });
    expect(await findCredits(id)).toBe(100);
    const rows = await database.admin`
      SELECT type, count(*) AS n FROM ducat.outbox
      WHERE account_id = ${id} AND type LIKE 'payment.%' GROUP BY 1`;
    expect(rows).toEqual([{ type: "payment.succeeded", n: 1 }]);
  });

  it("that comes by different events and ways is credited once: the effect is the same", async () => {
    const { id, order } = await makeBuyer();
    const { id: otherId, order: other } = await makeBuyer();
    const fact = makeSucceededFact(order);
    const { orderRef: _, ...unnamed } = fact;
    const tellings = [
      fact,
      { ...fact, occurredAt: new Date(0), receiptRef: "later" },
      { ...fact, paymentRef: `other_${randomUUID()}` },
      // Not this order's by name, and still the same money.
      { ...fact, orderRef: other.reference },
    ];
    await settlePayment(database.worker, fact);
    const counts = await tellAtOnce((index) => tellings[index % tellings.length] ?? fact);
    expect(counts).toEqual({ known: 50 });
    expect(await settlePayment(database.worker, unnamed)).toMatchObject({ outcome: "known" });
    expect([await findCredits(id), await findCredits(otherId)]).toEqual([100, 0]);
  });

  it("that fails to be delivered is not paid either, and the next telling delivers it", async () => {
    const { id } = await makeAccount(database.app);
    const { product, price } = await makeOffer(database.admin, { allowances: { mail: 2 } });
    const order = await makePayment(database.app, id, { priceId: price.id });
    const set = (allowances: object) => database.admin`
      UPDATE ducat.products SET allowances = ${database.admin.json(allowances as never)}
      WHERE id = ${product.id}`;
    await set({ mail: "no number" });
    const fact = makeSucceededFact(order);
    await expect(settlePayment(database.worker, fact)).rejects.toThrow("invalid input syntax");
    expect(await findPayment(database.app, id, order.id)).toEqual(order);
    expect(await findCredits(id)).toBe(0);
    await set({ mail: 2 });
    expect(await settlePayment(database.worker, fact)).toMatchObject({ outcome: "applied" });
    expect(await findCredits(id)).toBe(100);
  });

  it("is credited while its account spends as fast as it can", async () => {
    const { id } = await makeAccount(database.app, 40);
    const { price } = await makeOffer(database.admin);
    const orders = await Promise.all(
      Array.from({ length: 8 }, () => makePayment(database.app, id, { priceId: price.id })),
    );
    const sessions = await openSessions(database.url, "ducat_app", 8);
    const spends = atOnce(sessions, 40, (session) =>
      consumeCredits(session, id, { ...makeKey(), amount: 1 }),
    );
    const settles = atOnce(sessions, 24, (session, index) => {
      const order = orders[index % orders.length];
      if (!order) throw new Error("there is no order");
      return settlePayment(session, makeSucceededFact(order, { paymentRef: `pay_${order.id}` }));
    });
    expect(await countEnds(settles)).toEqual({ applied: 8, known: 16 });
    await Promise.all(spends);
    expect(await findBalance(database.app, id)).toMatchObject({ available: 803 });
  });
});

describe("one order", () => {
  it("that is paid by two pages at once is credited once, and the other is kept", async () => {
    const { id, order } = await makeBuyer();
    await recordCheckout(database.app, order.id, {
      ...{ ref: `A-${randomUUID()}`, url: "https://pay.example.com/2" },
      sent: { amount: 900, currency: "USD" },
    });
    const facts = [makeSucceededFact(order), makeSucceededFact(order)];
    const counts = await tellAtOnce((index) => facts[index % 2] ?? makeSucceededFact(order));
    expect(counts).toEqual({ applied: 1, known: 24, refused: 25 });
    expect(await findCredits(id)).toBe(100);
    const payments = await listPayments(database.app, id, { limit: 10 });
    expect(payments.map((one) => [one.status, one.failure_code])).toEqual([
      ["quarantined", "paid_twice"],
      ["succeeded", null],
    ]);
    const anomalies = await listAnomalies(database.app, { limit: 100, kind: "paid_twice" });
    expect(anomalies.filter((one) => one.data.order === order.id)).toHaveLength(1);
  });

  it("of a plan, twice and both paid at once, is one subscription that runs twice as long", async () => {
    const { id } = await makeAccount(database.app);
    const rials = { currency: "IRR", amount: 500_000, interval: "month" } as const;
    const { price } = await makeOffer(database.admin, { kind: "plan", credits: 20 }, rials);
    const at = { priceId: price.id, provider: "zarinpal", mode: "test" } as const;
    const orders = await Promise.all([1, 2].map(() => makePayment(database.app, id, at)));
    const facts = orders.map((order) => makeSucceededFact(order));
    const counts = await tellAtOnce((index) => facts[index % 2] as SucceededFact);
    expect(counts).toEqual({ applied: 2, known: 48 });
    const subscriptions = await database.admin`
      SELECT status FROM ducat.subscriptions WHERE account_id = ${id}`;
    expect(subscriptions).toEqual([{ status: "active" }]);
    const payments = await listPayments(database.app, id, { limit: 10 });
    const [second, first] = payments.sort((a, b) => Number(b.period_end) - Number(a.period_end));
    expect(first?.period_end).toEqual(second?.period_start);
  });

  it("ends as paid whatever else is said of it at the same time", async () => {
    const { id, order } = await makeBuyer();
    const fact = makeSucceededFact(order);
    const sessions = await openSessions(database.url, "ducat_worker", 8);
    const states = ["pending", "expired", "failed"] as const;
    await Promise.all(
      atOnce<unknown>(sessions, 40, (session, index) =>
        index % 4 === 3
          ? settlePayment(session, fact)
          : moveTo(session, order, states[index % 4] ?? "failed"),
      ),
    );
    expect(await findPayment(database.app, id, order.id)).toMatchObject({ status: "succeeded" });
    expect(await findCredits(id)).toBe(100);
  });

  it("comes to the same in all 120 orders of what can be told of it", async () => {
    type Tell = (order: Payment, facts: SucceededFact[]) => Promise<unknown>;
    const tell: Tell[] = [
      (order) => moveTo(database.worker, order, "pending"),
      (order) => moveTo(database.worker, order, "failed"),
      (_, [right]) => settlePayment(database.worker, right as SucceededFact),
      (_, [, wrong]) => settlePayment(database.worker, wrong as SucceededFact),
      (_, [, , again]) => settlePayment(database.worker, again as SucceededFact),
    ];
    const { price } = await makeOffer(database.admin);
    const run = async (tellings: Tell[]) => {
      const { id } = await makeAccount(database.app);
      const order = await makePayment(database.app, id, { priceId: price.id });
      const money = { amount: 901, currency: "USD" };
      const wrong = makeSucceededFact(order, { price: money, money });
      const facts = [makeSucceededFact(order), wrong, makeSucceededFact(order)];
      for (const one of tellings) await one(order, facts);
      const payments = await listPayments(database.app, id, { limit: 10 });
      const rows = payments.map((one) => [one.status, one.failure_code, one.charged]);
      return JSON.stringify([await findCredits(id), rows.sort()]);
    };
    const ends = await Promise.all(permute(tell).map(run));
    expect(ends).toHaveLength(120);
    expect([...new Set(ends)].map((end) => JSON.parse(end))).toEqual([
      [
        100,
        [
          ["quarantined", "amount_mismatch", 901],
          ["quarantined", "paid_twice", 900],
          ["succeeded", null, 900],
        ],
      ],
    ]);
  });
});
