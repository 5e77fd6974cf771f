import { randomUUID } from "node:crypto";
import type { ProviderName } from "@ducat/billing/provider";
import { createAccount } from "@ducat/db/accounts";
import type { Payment } from "@ducat/db/payments";
import { findOrder, settlePayment } from "@ducat/db/payments";
import type { Difference } from "@ducat/db/reconciliations";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startLemonRig } from "../../billing/test/lemon-squeezy-rig.ts";
import { order as orderThere, type Rig } from "../../billing/test/rig.ts";
import { startSandboxRig } from "../../billing/test/sandbox-rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { startZarinpalRig } from "../../billing/test/zarinpal-rig.ts";
import { makeSucceededFact } from "../../db/test/billing-factories.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { openShop, type Shop } from "../test/shop.ts";
import { reconcile } from "./reconcile.ts";
import { settleOrder } from "./settle-order.ts";

type Rigs = {
  stripe: Awaited<ReturnType<typeof startStripeRig>>;
  lemonsqueezy: Awaited<ReturnType<typeof startLemonRig>>;
  sandbox: Awaited<ReturnType<typeof startSandboxRig>>;
  zarinpal: Awaited<ReturnType<typeof startZarinpalRig>>;
};
type Planted = Pick<Difference, "kind" | "repaired"> & { provider: ProviderName; about: string };

const database = useDatabase();
let rigs: Rigs;
const shops = new Map<ProviderName, Shop>();
beforeAll(async () => {
  rigs = {
    stripe: await startStripeRig(),
    lemonsqueezy: await startLemonRig(),
    sandbox: await startSandboxRig(),
    zarinpal: await startZarinpalRig(undefined, "test"),
  };
  for (const [name, rig] of Object.entries(rigs) as [ProviderName, Rig][]) {
    shops.set(name, await openShop(database, rig));
  }
});
afterAll(async () => {
  await Promise.all(Object.values(rigs).map((rig) => rig.close()));
});

const shopOf = (name: ProviderName) => {
  const shop = shops.get(name);
  if (!shop) throw new Error("no such shop");
  return shop;
};

const makeBuyer = async () => {
  const email = `${randomUUID()}@example.com`;
  const made = { external_id: `x-${randomUUID()}`, kind: "user" as const, email };
  return (await createAccount(database.app, made)).account.id;
};

const read = async (id: string) => {
  const [payment] = await database.admin<Payment[]>`SELECT * FROM ducat.payments WHERE id = ${id}`;
  if (!payment) throw new Error("no such payment");
  return payment;
};

const order = async (name: ProviderName, what: "pack" | "small" = "pack") =>
  shopOf(name).order(what, await makeBuyer());

/** Paid, told and delivered. */
async function buy(name: ProviderName, what: "pack" | "small" = "pack"): Promise<Payment> {
  const shop = shopOf(name);
  const { page, payment } = await order(name, what);
  await shop.rig.pay(page);
  await shop.hear();
  const waiting = await findOrder(database.worker, { reference: payment.reference });
  if (waiting && !shop.rig.provider.caps.webhooks) await settleOrder(shop.deps, waiting);
  const paid = await read(payment.id);
  expect(paid.status).toBe("succeeded");
  return paid;
}

async function subscribe(name: ProviderName): Promise<{ payment: Payment; ref: string }> {
  const payment = await buy(name, "small");
  const [row] = await database.admin<{ ref: string }[]>`
    SELECT provider_ref AS ref FROM ducat.subscriptions WHERE account_id = ${payment.account_id}`;
  if (!row) throw new Error("no subscription");
  return { payment, ref: row.ref };
}

const providerRef = (payment: Payment) => payment.provider_ref ?? "";

/** Each plants one difference and says what is to be found. */
const plants = {
  missing_payment: async (name) => {
    const { page, payment } = await order(name);
    await rigs[name].pay(page);
    return { about: payment.id, repaired: true };
  },
  missing_invoice: async (name) => {
    const { ref } = await subscribe(name);
    await rigs[name].renew?.(ref, true);
    return { about: ref, repaired: true };
  },
  missing_reversal: async (name) => {
    const payment = await buy(name);
    const ref = providerRef(payment);
    const session = rigs.zarinpal.server.sessions.get(ref);
    if (session) session.status = "REVERSED";
    else await rigs[name].refundThere?.(ref, 250);
    return { about: payment.id, repaired: true };
  },
  dispute_differs: async (name, index) => {
    const payment = await buy(name);
    const { dispute } = rigs[name];
    await dispute?.(providerRef(payment), "opened");
    if (index > 0) await shopOf(name).hear();
    if (index > 0) await dispute?.(providerRef(payment), index === 1 ? "lost" : "won");
    return { about: payment.id, repaired: true };
  },
  subscription_differs: async (name) => {
    const { ref } = await subscribe(name);
    await rigs[name].provider.cancelSubscription?.({ ref, when: "period_end" });
    return { about: ref, repaired: true };
  },
  amount_differs: async (name) => {
    if (name === "lemonsqueezy") {
      // Its lists don't say whose an order is: here our own row is the wrong one.
      const payment = await buy(name);
      await database.admin`UPDATE ducat.payments SET charged = charged - 100
        WHERE id = ${payment.id}`;
      return { about: payment.id, repaired: false };
    }
    const { page, payment } = await order(name);
    const { currency } = payment;
    await rigs[name].pay(page, { charged: { amount: payment.amount - 1, currency } });
    return { about: payment.id, repaired: false };
  },
  unknown_order: async (name) => {
    const { created } = await orderThere(rigs[name]);
    await rigs[name].pay(created.ref);
    const session = name === "stripe" && rigs.stripe.books.get(created.ref);
    const sold = [...rigs.lemonsqueezy.books.things.values()].at(-1)?.id;
    if (name === "lemonsqueezy") return { about: `order:${sold}`, repaired: false };
    const about = session ? String(session.payment_intent) : created.ref;
    return { about, repaired: false };
  },
  not_at_provider: async (name) => {
    const { payment } = await order(name);
    const refs = { stripe: "pi_", lemonsqueezy: "order:9", sandbox: "pay_", zarinpal: "S" };
    const digits = String(Math.random()).slice(2, 12).padEnd(10, "0");
    const paymentRef = `${refs[name]}${digits.padEnd(name === "zarinpal" ? 35 : 10, "0")}`;
    await settlePayment(database.worker, makeSucceededFact(payment, { paymentRef }));
    return { about: payment.id, repaired: false };
  },
} satisfies Record<
  string,
  (name: ProviderName, index: number) => Promise<{ about: string; repaired: boolean }>
>;

/** Where each kind is planted, five times; the sandbox's months pass, so its invoice is last. */
const where: [keyof typeof plants, ProviderName[]][] = [
  ["missing_payment", ["stripe", "stripe", "lemonsqueezy", "sandbox", "zarinpal"]],
  ["missing_reversal", ["stripe", "stripe", "lemonsqueezy", "sandbox", "zarinpal"]],
  ["dispute_differs", ["stripe", "stripe", "stripe", "sandbox", "sandbox"]],
  ["amount_differs", ["stripe", "stripe", "lemonsqueezy", "sandbox", "zarinpal"]],
  ["unknown_order", ["stripe", "stripe", "lemonsqueezy", "sandbox", "zarinpal"]],
  ["not_at_provider", ["stripe", "stripe", "lemonsqueezy", "sandbox", "zarinpal"]],
  ["subscription_differs", ["stripe", "stripe", "lemonsqueezy", "lemonsqueezy", "lemonsqueezy"]],
  ["missing_invoice", ["stripe", "stripe", "lemonsqueezy", "lemonsqueezy", "sandbox"]],
];

async function plantAll(): Promise<Planted[]> {
  const planted: Planted[] = [];
  for (const [kind, names] of where) {
    for (const [at, provider] of names.entries()) {
      const index = names.slice(0, at).filter((name) => name === provider).length;
      const { about, repaired } = await plants[kind](provider, index);
      // Nobody hears of it.
      await rigs[provider].dropDeliveries();
      planted.push({ kind: kind as Difference["kind"], provider, about, repaired });
    }
  }
  return planted;
}

/** Everything is old enough to be looked at. */
async function letPass(): Promise<void> {
  for (const { clock } of Object.values(rigs)) clock.now += 6 * 60_000;
  await database.admin`
    UPDATE ducat.payment_attempts SET created_at = created_at - interval '6 minutes'`;
}

async function runAll(): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const { rig, deps } of shops.values()) {
    const since = new Date(Date.now() - 30 * 86_400_000);
    const run = await reconcile(deps, rig.provider, { everySeconds: 0, since });
    expect(run).toMatchObject({ error: null, status: "differs" });
    found.push(...(run?.differences ?? []));
  }
  return found;
}

/** Ours by our payment, else what the provider calls it: of an invoice its subscription. */
function isFound(found: Difference[], planted: Planted): boolean {
  return found.some((one) => {
    if (one.kind !== planted.kind || one.provider !== planted.provider) return false;
    if (one.repaired !== planted.repaired) return false;
    return namesOf(one).includes(planted.about);
  });
}

const subscriptionOfPayment = new Map<string, string>();
const namesOf = ({ payment_id, about }: Difference): string[] => [
  about,
  ...(payment_id ? [payment_id, subscriptionOfPayment.get(payment_id) ?? ""] : []),
];

async function readSubscriptions(): Promise<void> {
  const rows = await database.admin<{ id: string; ref: string }[]>`
    SELECT p.id, s.provider_ref AS ref FROM ducat.payments p
    JOIN ducat.subscriptions s ON s.id = p.subscription_id`;
  for (const { id, ref } of rows) subscriptionOfPayment.set(id, ref);
}

it("finds all of 40 planted differences of 8 kinds, and repairs those that can be", async () => {
  const planted = await plantAll();
  expect(planted).toHaveLength(40);
  await letPass();
  const first = await runAll();
  await readSubscriptions();
  expect(planted.filter((one) => !isFound(first, one))).toEqual([]);

  // What else was found comes with what was planted: a renewal turns its subscription's period.
  const renewed = planted.filter(({ kind }) => kind === "missing_invoice");
  const others = first.filter((one) => !planted.some((plant) => isFound([one], plant)));
  const isOfRenewal = ({ kind, about }: Difference) =>
    kind === "subscription_differs" && renewed.some((one) => one.about === about);
  expect(others.filter((one) => !isOfRenewal(one))).toEqual([]);

  // A second run has nothing left but what only a person can decide.
  const second = await runAll();
  expect(second.filter(({ repaired }) => repaired)).toEqual([]);
  const open = planted.filter(({ repaired }) => !repaired);
  expect(open.filter((one) => !isFound(second, one))).toEqual([]);
  expect(second).toHaveLength(open.length);
});
