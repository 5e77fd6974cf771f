import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { permute } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { openPayment, recordCheckout, settlePayment } from "./payments.ts";
import { findCustomer, removeCustomer, removeMethod, saveMethod } from "./provider-customers.ts";

const database = useDatabase();
const at = { provider: "stripe", mode: "test" } as const;

const find = (id: string) => findCustomer(database.app, id, at);
const make = (name: string) => `${name}_${randomUUID()}`;
const told = (seconds: number) => ({ ...at, occurredAt: new Date(seconds * 1000) });

/** An account that has opened a page as this customer. */
async function makeCustomer(customerRef = make("cus")) {
  const { id } = await makeAccount(database.app);
  const { price } = await makeOffer(database.admin);
  await openPage(id, price.id, customerRef);
  return { id, customerRef, price };
}

async function openPage(id: string, priceId: string, customerRef: string) {
  const payment = await openPayment(database.app, id, { ...at, priceId });
  const page = { ref: make("cs"), url: "https://pay.example.com/", customerRef };
  await recordCheckout(database.app, payment.id, {
    ...page,
    sent: { amount: 900, currency: "USD" },
  });
  return payment;
}

/** Switches auto-reload on as the settings page would have. */
async function switchReload(id: string, priceId: string, provider: string) {
  await database.admin`
    INSERT INTO ducat.auto_reloads (account_id, enabled, threshold, price_id, provider, amount)
    VALUES (${id}, true, 5, ${priceId}, ${provider}, 100)`;
  await database.admin`
    UPDATE ducat.credit_accounts SET reload_below = 5 WHERE account_id = ${id}`;
}

const readReload = (id: string) => database.admin`
  SELECT r.enabled, r.disabled_reason, a.reload_below
  FROM ducat.auto_reloads r JOIN ducat.credit_accounts a USING (account_id)
  WHERE account_id = ${id}`;

describe("an account's customer", () => {
  it("is kept with its first page, and is nobody else's to see", async () => {
    const { id, customerRef } = await makeCustomer();
    expect(await find(id)).toEqual({ customer_ref: customerRef, method_ref: null });
    expect(await findCustomer(database.app, id, { ...at, mode: "live" })).toBeUndefined();
    const { id: other } = await makeAccount(database.app);
    expect(await find(other)).toBeUndefined();
    expect(await database.app`SELECT FROM ducat.provider_customers`).toEqual([]);
  });

  it("is learnt from a payment too, and a new one has not the former one's card", async () => {
    const { id, customerRef, price } = await makeCustomer();
    await saveMethod(database.worker, { ...told(1), customerRef, methodRef: make("pm") });
    const order = await makePayment(database.app, id, { priceId: price.id, ...at });
    const fact = makeSucceededFact(order, { customerRef: make("cus") });
    await settlePayment(database.worker, fact);
    expect(await find(id)).toEqual({ customer_ref: fact.customerRef, method_ref: null });
  });

  it("keeps its card when it opens another page", async () => {
    const { id, customerRef, price } = await makeCustomer();
    const methodRef = make("pm");
    await saveMethod(database.worker, { ...told(1), customerRef, methodRef });
    await openPage(id, price.id, customerRef);
    expect(await find(id)).toEqual({ customer_ref: customerRef, method_ref: methodRef });
  });
});

describe("a saved card", () => {
  it("is kept for every account that is this customer, once", async () => {
    const { id, customerRef } = await makeCustomer();
    const { id: second } = await makeCustomer(customerRef);
    const { id: other } = await makeCustomer();
    const fact = { ...told(1), customerRef, methodRef: make("pm") };
    expect(await saveMethod(database.worker, fact)).toBe("applied");
    expect(await saveMethod(database.app, fact)).toBe("known");
    for (const one of [id, second]) {
      expect(await find(one)).toMatchObject({ method_ref: fact.methodRef });
    }
    expect(await find(other)).toMatchObject({ method_ref: null });
  });

  it("of a customer that we don't know waits to be told again", async () => {
    const fact = { ...told(1), customerRef: make("cus"), methodRef: make("pm") };
    expect(await saveMethod(database.worker, fact)).toBe("unknown");
    const { methodRef, occurredAt, provider, mode } = fact;
    const nameless = { provider, mode, methodRef, occurredAt };
    expect(await saveMethod(database.worker, nameless)).toBe("unknown");
    const { id } = await makeCustomer(fact.customerRef);
    expect(await saveMethod(database.worker, fact)).toBe("applied");
    expect(await find(id)).toMatchObject({ method_ref: methodRef });
  });

  it("comes to the same in any order of what was told of it and of the next", async () => {
    const saved = { kind: "save", method: "one", seconds: 1 };
    const removed = { kind: "remove", method: "one", seconds: 2 };
    const next = { kind: "save", method: "two", seconds: 3 };
    for (const facts of [...permute([saved, removed]), ...permute([saved, removed, next])]) {
      const { id, customerRef } = await makeCustomer();
      const refs: Record<string, string> = { one: make("pm"), two: make("pm") };
      for (const { kind, method, seconds } of facts) {
        const fact = { ...told(seconds), customerRef, methodRef: refs[method] ?? "" };
        await (kind === "save" ? saveMethod : removeMethod)(database.worker, fact);
      }
      expect(await find(id), JSON.stringify(facts)).toMatchObject({
        method_ref: facts.length === 3 ? refs.two : null,
      });
    }
  });

  it("that is gone is forgotten, and what would have charged it is switched off", async () => {
    const { id, customerRef, price } = await makeCustomer();
    const elsewhere = await makeCustomer(customerRef);
    await switchReload(id, price.id, "stripe");
    await switchReload(elsewhere.id, elsewhere.price.id, "lemonsqueezy");
    const methodRef = make("pm");
    await saveMethod(database.worker, { ...told(1), customerRef, methodRef });
    const gone = { ...told(2), methodRef };
    expect(await removeMethod(database.worker, { ...gone, methodRef: make("pm") })).toBe("known");
    expect(await removeMethod(database.worker, gone)).toBe("applied");
    expect(await removeMethod(database.worker, gone)).toBe("known");
    expect(await find(id)).toEqual({ customer_ref: customerRef, method_ref: null });
    expect(await readReload(id)).toEqual([
      { enabled: false, disabled_reason: "method_removed", reload_below: null },
    ]);
    expect(await readReload(elsewhere.id)).toMatchObject([{ enabled: true, reload_below: 5 }]);
  });

  it("that was saved anew after it was said to be gone stays", async () => {
    const { id, customerRef } = await makeCustomer();
    const methodRef = make("pm");
    await saveMethod(database.worker, { ...told(3), customerRef, methodRef });
    expect(await removeMethod(database.worker, { ...told(2), methodRef })).toBe("known");
    expect(await find(id)).toMatchObject({ method_ref: methodRef });
  });
});

describe("a customer that the provider deleted", () => {
  it("is forgotten with its card, and the next page makes another", async () => {
    const { id, customerRef, price } = await makeCustomer();
    await switchReload(id, price.id, "stripe");
    await saveMethod(database.worker, { ...told(1), customerRef, methodRef: make("pm") });
    const fact = { ...told(2), customerRef };
    expect(await removeCustomer(database.worker, fact)).toBe("applied");
    expect(await removeCustomer(database.worker, fact)).toBe("known");
    expect(await find(id)).toBeUndefined();
    expect(await readReload(id)).toMatchObject([
      { enabled: false, disabled_reason: "customer_removed" },
    ]);
    const late = { ...told(3), customerRef, methodRef: make("pm") };
    expect(await saveMethod(database.worker, late)).toBe("known");
    expect(await find(id)).toBeUndefined();
    const next = make("cus");
    await openPage(id, price.id, next);
    expect(await find(id)).toEqual({ customer_ref: next, method_ref: null });
  });

  it("and that we never knew is unknown", async () => {
    const fact = { ...told(1), customerRef: make("cus") };
    expect(await removeCustomer(database.worker, fact)).toBe("unknown");
  });
});
