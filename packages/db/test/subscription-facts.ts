import { randomUUID } from "node:crypto";
import type { Db } from "../src/connect.ts";
import type { Payment } from "../src/payments.ts";
import {
  applySubscription,
  drawTicket,
  type FailedInvoice,
  type PaidInvoice,
  recordInvoice,
  recordInvoiceFailure,
  type Snapshot,
} from "../src/subscriptions.ts";
import { makeOffer, makePayment, type PriceRow } from "./billing-factories.ts";
import { makeAccount } from "./factories.ts";

type Databases = { app: Db; worker: Db; admin: Db };
type Offer = Awaited<ReturnType<typeof makeOffer>>;

/** A plan of 100 credits a month for USD 9.00, which the sandbox knows by a name of its own. */
export function makePlan(
  admin: Db,
  product: Parameters<typeof makeOffer>[1] = {},
  price: Parameters<typeof makeOffer>[2] = {},
): Promise<Offer> {
  return makeOffer(
    admin,
    { kind: "plan", credits: 100, ...product },
    {
      ...{ provider: "sandbox", provider_ref: `plan_${randomUUID()}`, interval: "month" },
      ...price,
    },
  );
}

/** The same day `months` later (UTC), or that month's last. */
export function addMonths(from: Date, months: number): Date {
  const to = new Date(from);
  to.setUTCDate(1);
  to.setUTCMonth(to.getUTCMonth() + months);
  const last = new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth() + 1, 0)).getUTCDate();
  to.setUTCDate(Math.min(from.getUTCDate(), last));
  return to;
}

/** Between two moments, `part` of the way. */
export const between = ([from, to]: readonly [Date, Date], part: number) =>
  new Date(from.getTime() + part * (to.getTime() - from.getTime()));

/**
 * A plan that an account has ordered at the sandbox, and its provider's side of it: shows the
 * subscription (`show`) and tells its invoices (`pay`), in whichever order a test likes. Periods
 * are counted from `start`: the n-th is [start + n months or years, …].
 */
export async function makeSubscribed(
  { app, worker, admin }: Databases,
  { plan, start = new Date(Date.now() - 60_000) }: { plan?: Offer; start?: Date } = {},
) {
  const offer = plan ?? (await makePlan(admin));
  const { id: accountId } = await makeAccount(app);
  const order = await makePayment(app, accountId, { priceId: offer.price.id });
  const ref = `sub_${randomUUID()}`;
  const months = offer.price.interval === "year" ? 12 : 1;
  const period = (n: number) => [addMonths(start, n * months), addMonths(start, (n + 1) * months)];
  const customerRef = `cus_${randomUUID()}`;
  const about = { provider: "sandbox", mode: "test" } as const;

  const snapshotOf = (more: Partial<Snapshot> & { n?: number } = {}): Snapshot => {
    const { n = 0, ...rest } = more;
    const [periodStart, periodEnd] = period(n);
    return {
      ...{ ref, status: "active", planRef: planRefOf(offer.price), customerRef },
      ...{ orderRef: order.reference, periodStart, periodEnd, fetchedAt: new Date() },
      ...rest,
    };
  };
  const invoiceOf = (more: Partial<PaidInvoice> & { n?: number } = {}): PaidInvoice => {
    const { n = 0, ...rest } = more;
    const [periodStart, periodEnd] = period(n);
    const invoiceRef = `in_${randomUUID()}`;
    return {
      ...about,
      ...{ invoiceRef, effectKey: `x:test:${invoiceRef}`, paymentRef: `pay_${invoiceRef}` },
      ...{ subscriptionRef: ref, customerRef, orderRef: order.reference },
      ...{ reason: n === 0 ? "initial" : "renewal", trial: false },
      ...{ money: { amount: offer.price.amount, currency: offer.price.currency } },
      ...{ planRef: planRefOf(offer.price), periodStart, periodEnd },
      occurredAt: periodStart ?? start,
      ...rest,
    };
  };
  return {
    accountId,
    order,
    offer,
    ref,
    customerRef,
    about,
    period: (n: number) => period(n) as [Date, Date],
    snapshotOf,
    invoiceOf,
    show: async (more: Partial<Snapshot> & { n?: number } = {}) =>
      applySubscription(worker, {
        ...about,
        snapshot: snapshotOf(more),
        ticket: await drawTicket(worker),
      }),
    pay: (more: Partial<PaidInvoice> & { n?: number } = {}) =>
      recordInvoice(worker, invoiceOf(more)),
    fail: (more: Partial<FailedInvoice> = {}) => {
      const { money: _, reason: __, ...invoice } = invoiceOf({ n: 1 });
      return recordInvoiceFailure(worker, { ...invoice, ...more });
    },
  };
}

export type Subscribed = Awaited<ReturnType<typeof makeSubscribed>>;

export const planRefOf = (price: PriceRow): string => price.provider_ref ?? price.id;

/** The plan's credits that an account has left, grant by grant, the oldest period first. */
export async function listPlanGrants(admin: Db, accountId: string) {
  const rows = await admin<{ amount: number; remaining: number; expired: number }[]>`
    SELECT b.amount, b.remaining, b.expired
    FROM ducat.credit_grant_balances b
    JOIN ducat.credit_grants g ON g.account_id = b.account_id AND g.id = b.id
    WHERE g.account_id = ${accountId} AND g.subscription_id IS NOT NULL AND g.source <> 'trial'
    ORDER BY g.starts_at, g.amount DESC, g.id`;
  return rows.map(({ amount, remaining, expired }) => [amount, remaining, expired]);
}

/** What a payment has given. */
export const creditsOf = (payment: Payment | undefined) => payment?.credits_granted;

export const listEvents = (admin: Db, accountId: string, type: string) =>
  admin<{ data: Record<string, unknown> }[]>`
    SELECT data FROM ducat.outbox WHERE account_id = ${accountId} AND type = ${type} ORDER BY id`;

export const listAnomalies = (admin: Db, about: string) =>
  admin<{ kind: string }[]>`
    SELECT kind FROM ducat.payment_anomalies WHERE about = ${about} ORDER BY kind`;
