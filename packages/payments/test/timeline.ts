import { randomUUID } from "node:crypto";
import { choose } from "@ducat/billing/sandbox-payments";
import type { Db } from "@ducat/db/connect";
import { findOrder, openPayment } from "@ducat/db/payments";
import { makeOffer, makePaid } from "../../db/test/billing-factories.ts";
import { givePurchase, makeAccount } from "../../db/test/factories.ts";
import { openPage } from "../src/open-page.ts";
import { createPaymentDeps, type PaymentDeps } from "../src/providers.ts";
import type { Place } from "./shop.ts";

export const day = 86_400;
const audit = { actor: "test", request_id: "test", ip: null };
const log = { info() {}, warn() {}, error() {} };

export const makeClockDeps = (db: Db): PaymentDeps =>
  createPaymentDeps(
    {},
    {
      ...{ db, mode: "test", publicUrl: "https://api.example.com", log },
      secretKeys: ["s".repeat(32)],
    },
  );

export const makeMove = (days: number, key: string = randomUUID()) => ({
  ...{ key, fingerprint: Buffer.alloc(32, days), seconds: days * day, audit },
});

/** What the accounts of a test buy: their products are shared, so that their lives are alike. */
export async function makeProducts({ admin }: Place) {
  const month = { interval: "month", amount: 1_000 } as const;
  const mail = { mail: { kind: "stock", counts: "spent", name: { en: "Letters by post" } } };
  const monthly = await makeOffer(
    admin,
    { kind: "plan", credits: 100, allowances: { mail: 2 }, features: mail, trial_days: 7 },
    month,
  );
  const own = await makeOffer(
    admin,
    { kind: "plan", credits: 50, rollover: "capped", rollover_cap: 20, grace_days: 3 },
    { ...month, provider: "zarinpal", currency: "IRR" },
  );
  const year = await makeOffer(
    admin,
    { kind: "plan", credits: 10, rollover: "full" },
    { provider: "zarinpal", currency: "IRR", interval: "year", amount: 9_000 },
  );
  const pass = await makeOffer(admin, { kind: "pass", credits: 7, valid_days: 10 });
  const pack = await makeOffer(admin, { credits: 9, valid_days: 30 });
  return { monthly, own, year, pass, pack };
}

export type Products = Awaited<ReturnType<typeof makeProducts>>;

/** An account with a pass, a pack, a gift and a plan: the sandbox's or one that is its own. */
export async function makeLife(
  db: Place,
  products: Products,
  plan: "monthly" | "own" | "year" = "monthly",
): Promise<string> {
  const { id } = await makeAccount(db.app);
  await givePurchase(db.app, id, 4, { validForSeconds: 5 * day });
  await makePaid(db.app, id, { priceId: products.pass.price.id });
  await makePaid(db.app, id, { priceId: products.pack.price.id });
  const priceId = products[plan].price.id;
  if (plan === "monthly") await subscribe(db, id, priceId);
  else await makePaid(db.app, id, { priceId, provider: "zarinpal" });
  return id;
}

/** Pays for a plan at the sandbox; nobody has heard of it yet. */
export async function subscribe(db: Place, accountId: string, priceId: string): Promise<void> {
  const deps = makeClockDeps(db.app);
  const returnUrl = "https://app.example.com/done";
  const order = { priceId, provider: "sandbox", mode: "test", returnUrl } as const;
  const payment = await openPayment(db.app, accountId, order);
  await openPage(deps, payment);
  const found = await findOrder(db.app, { reference: payment.reference });
  if (!deps.sandbox) throw new Error("there is no sandbox");
  await choose(deps.sandbox, found?.attempt?.ref ?? "", { outcome: "success" });
}

/** What happened to an account, by the day of its own time, without anything that is random. */
export async function readTimeline({ admin }: Pick<Place, "admin">, accountId: string) {
  const entries = await admin`
    SELECT e.type, e.amount, e.available_after,
      round(extract(epoch FROM e.created_at - a.created_at) / ${day}) AS day
    FROM ducat.credit_entries e JOIN ducat.accounts a ON a.id = e.account_id
    WHERE e.account_id = ${accountId} ORDER BY e.seq`;
  const events = await admin`
    SELECT type, count(*)::int AS n FROM ducat.outbox
    WHERE account_id = ${accountId} GROUP BY type ORDER BY type`;
  const stock = await admin`
    SELECT feature, amount, remaining FROM ducat.allowance_grants
    WHERE account_id = ${accountId} ORDER BY starts_at, id`;
  const subscriptions = await admin`
    SELECT provider, status FROM ducat.subscriptions WHERE account_id = ${accountId} ORDER BY id`;
  return { entries, events, stock, subscriptions };
}

/** A database whose caller dies as it sends its n-th statement. `sent` counts what was sent. */
export function makeMortal(db: Db, n = Number.POSITIVE_INFINITY) {
  let sent = 0;
  const count = () => {
    sent += 1;
    if (sent > n) throw new Error("killed");
  };
  const mortal = new Proxy(db, {
    apply(target, self, args) {
      count();
      return Reflect.apply(target, self, args);
    },
    get(target, name, self) {
      const value = Reflect.get(target, name, self);
      if (name !== "begin") return value;
      return (...args: unknown[]) => {
        count();
        return Reflect.apply(value, target, args);
      };
    },
  });
  return { db: mortal as Db, sent: () => sent };
}
