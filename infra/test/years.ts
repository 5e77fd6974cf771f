import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { connectDatabase } from "../../packages/db/src/connect.ts";
import { consumeCredits, findBalance } from "../../packages/db/src/credits.ts";
import { settlePayment } from "../../packages/db/src/payments.ts";
import { trackUsage } from "../../packages/db/src/usage.ts";
import { makePaid, makeSucceededFact } from "../../packages/db/test/billing-factories.ts";
import { makeKey } from "../../packages/db/test/factories.ts";
import { addMonths } from "../../packages/db/test/subscription-facts.ts";
import { advanceAccountClock } from "../../packages/payments/src/advance-clock.ts";
import type { Place } from "../../packages/payments/test/shop.ts";
import { makeClockDeps, subscribe } from "../../packages/payments/test/timeline.ts";

const audit = { actor: "test", request_id: "test", ip: null };
const minuteMs = 60_000;

/**
 * An account that is made on `start` by its own time, and verified there: its trial and what its
 * default plan gives begin on that day.
 */
export async function bornOn(
  db: Place,
  start: Date,
  kind: "user" | "vendor" = "user",
): Promise<string> {
  const [made] = await db.admin<{ id: string }[]>`
    SELECT (account).id FROM ducat.create_account(${randomUUID()}, ${kind}, p_trial => false)`;
  const id = made?.id ?? "";
  await goTo(db, id, start);
  await db.admin`UPDATE ducat.accounts SET created_at = ${start} WHERE id = ${id}`;
  await db.admin`SELECT ducat.grant_trial(${id})`;
  return id;
}

/**
 * Brings an account's time to a moment, and once more by a process that was just started, with
 * the same key: it finds it done.
 */
export async function goTo(db: Place, accountId: string, at: Date): Promise<void> {
  const ms = at.getTime() - (await readTime(db, accountId)).getTime();
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const move = { ...makeKey(), seconds, audit };
  const first = await advanceAccountClock(makeClockDeps(db.app), accountId, move);
  if (first.ran.length === 0) return;
  const restarted = connectDatabase({ url: db.url, role: "ducat_app", max: 1 });
  const again = await advanceAccountClock(makeClockDeps(restarted), accountId, move);
  await restarted.end();
  expect(again).toMatchObject({ ran: first.ran, done_at: first.done_at, replayed: true });
}

async function readTime({ admin }: Place, accountId: string): Promise<Date> {
  const [row] = await admin<{ now: Date }[]>`
    SELECT clock_timestamp() + clock_offset AS now FROM ducat.credit_accounts
    WHERE account_id = ${accountId}`;
  return row?.now ?? new Date(0);
}

/**
 * Just before the n-th month of an anchor begins, and just after. The months of a paid year are
 * counted from its own beginning: that of a leap day is another day in the years after.
 */
export const aroundMonth = (anchor: Date, n: number, interval: "month" | "year" = "month") => {
  const years = interval === "year" ? Math.floor((n - 1) / 12) * 12 : 0;
  const at = addMonths(addMonths(anchor, years), n - years).getTime();
  return [new Date(at - minuteMs), new Date(at + minuteMs)] as const;
};

export const availableOf = async ({ app }: Place, accountId: string) =>
  (await findBalance(app, accountId))?.available;

export const lifetimeOf = async ({ app }: Place, accountId: string) =>
  (await findBalance(app, accountId))?.lifetime;

export async function spend({ app }: Place, accountId: string, amount: number): Promise<void> {
  if (amount > 0) await consumeCredits(app, accountId, { ...makeKey(), amount });
}

export const use = ({ app }: Place, accountId: string, feature: string, amount: number) =>
  trackUsage(app, accountId, { feature, amount, eventId: randomUUID() });

/** The id of a price of the loaded catalog. */
export async function priceOf(
  { admin }: Place,
  product: string,
  interval: "once" | "month" | "year",
): Promise<string> {
  const [row] = await admin<{ id: string }[]>`
    SELECT r.id FROM ducat.prices r JOIN ducat.products p ON p.id = r.product_id
    WHERE p.key = ${product} AND r.interval = ${interval} AND r.is_active AND p.is_active
    ORDER BY r.currency DESC LIMIT 1`;
  if (!row) throw new Error(`${product} is not sold by the ${interval}`);
  return row.id;
}

/** Subscribes at the sandbox; returns the day that its months are counted from. */
export async function subscribeAt(
  db: Place,
  accountId: string,
  [product, interval]: [string, "month" | "year"],
): Promise<Date> {
  await subscribe(db, accountId, await priceOf(db, product, interval));
  await goTo(db, accountId, new Date(0));
  return (await readSubscription(db, accountId)).period_start;
}

/** Buys a period at a provider that knows no subscriptions: it is asked for again by orders. */
export async function buyPeriod(db: Place, accountId: string, product: string): Promise<Date> {
  const priceId = await priceOf(db, product, "month");
  await makePaid(db.app, accountId, { priceId, provider: "zarinpal" });
  return (await readSubscription(db, accountId)).period_start;
}

/** Pays the renewal that the account was sent; false when it was sent none. */
export async function payRenewal(db: Place, accountId: string): Promise<boolean> {
  const [order] = await db.admin<{ reference: string; amount: number; currency: string }[]>`
    SELECT reference, amount, currency FROM ducat.payments
    WHERE account_id = ${accountId} AND purpose = 'renewal' AND status = 'created'
    ORDER BY id DESC LIMIT 1`;
  if (!order) return false;
  const paid = makeSucceededFact({ ...order, provider: "zarinpal", mode: "test" });
  await settlePayment(db.app, paid);
  return true;
}

export type Subscribed = { status: string; period_start: Date; period_end: Date };

export async function readSubscription({ admin }: Place, accountId: string): Promise<Subscribed> {
  const [row] = await admin<Subscribed[]>`
    SELECT status, period_start, period_end FROM ducat.subscriptions
    WHERE account_id = ${accountId} ORDER BY id DESC LIMIT 1`;
  if (!row) throw new Error("there is no subscription");
  return row;
}
