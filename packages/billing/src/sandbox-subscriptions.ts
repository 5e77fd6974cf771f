import type { Money } from "./money.ts";
import { refuseState } from "./refusals.ts";
import type {
  SandboxCard,
  SandboxInvoice,
  SandboxPayment,
  SandboxSubscription,
} from "./sandbox-store.ts";
import { viewInvoice, viewSubscription } from "./sandbox-view.ts";
import { record } from "./sandbox-webhooks.ts";

const dayMs = 24 * 60 * 60 * 1000;
/** Attempts to collect an invoice, a day apart, before the subscription ends. */
const mostFailures = 3;
/** Periods that are caught up in one go, where nobody looked for long. */
const mostPeriods = 36;

/** A subscription as its checkout was paid, with its first invoice. */
export function startSubscription(
  payment: SandboxPayment,
  methodRef: string,
  now: number,
): SandboxSubscription {
  const { orderRef, customerRef, price, interval, trialDays, planRef = orderRef } = payment;
  const trialEnd = now + trialDays * dayMs;
  const isTrial = trialDays > 0;
  const anchorDay = new Date(isTrial ? trialEnd : now).getUTCDate();
  const subscription: SandboxSubscription = {
    kind: "subscription",
    id: payment.id.replace("pay_", "sub_"),
    status: isTrial ? "trialing" : "active",
    orderRef,
    customerRef,
    methodRef,
    planRef,
    price,
    interval,
    anchorDay,
    periodStart: now,
    periodEnd: isTrial ? trialEnd : addPeriod(now, interval, anchorDay),
    ...(isTrial && { trialEndsAt: trialEnd }),
    cancelAtPeriodEnd: false,
    failures: 0,
    changes: [],
    invoices: [],
    events: [],
  };
  touch(subscription, now);
  const money = isTrial ? { amount: 0, currency: price.currency } : price;
  addInvoice(subscription, { reason: "initial", money, isPaid: true, trial: isTrial }, now);
  return subscription;
}

/** Brings a subscription to the present: renewals, attempts after a failed one, its end. */
export function advanceSubscription(
  subscription: SandboxSubscription,
  card: SandboxCard | undefined,
  now: number,
): void {
  for (let period = 0; period < mostPeriods && findNext(subscription) <= now; period += 1) {
    const at = findNext(subscription);
    if (subscription.cancelAtPeriodEnd) end(subscription, at, now);
    else collect(subscription, card, { at, now });
  }
}

/** When something happens to it by itself; never once it has ended. */
export function findNext(subscription: SandboxSubscription): number {
  if (subscription.status === "canceled") return Number.POSITIVE_INFINITY;
  return subscription.nextAttemptAt ?? subscription.periodEnd;
}

function collect(
  subscription: SandboxSubscription,
  card: SandboxCard | undefined,
  { at, now }: { at: number; now: number },
): void {
  const isRetry = subscription.failures > 0;
  if (!isRetry) {
    const { periodEnd, interval, anchorDay } = subscription;
    subscription.periodStart = periodEnd;
    subscription.periodEnd = addPeriod(periodEnd, interval, anchorDay);
  }
  const isPaid = card === "succeed" || card === "lose_answer";
  subscription.failures = isPaid ? 0 : subscription.failures + 1;
  delete subscription.nextAttemptAt;
  if (!isPaid && subscription.failures >= mostFailures) {
    end(subscription, at, now);
    return;
  }
  if (!isPaid) subscription.nextAttemptAt = at + dayMs;
  subscription.status = isPaid ? "active" : "past_due";
  const open = subscription.invoices.at(-1);
  if (isRetry && open) {
    open.isPaid = isPaid;
    tellInvoice(subscription, open, now);
  } else {
    const money = subscription.price;
    addInvoice(subscription, { reason: "renewal", money, isPaid, trial: false }, now);
  }
  touch(subscription, now);
}

/**
 * Another plan from now on, once by key; what the rest of the period costs more is invoiced now,
 * or never.
 */
export function changeSubscription(
  subscription: SandboxSubscription,
  to: { planRef: string; price: Money; key: string; when: "now" | "period_end" },
  now: number,
): void {
  if (subscription.changes.includes(to.key)) return;
  if (subscription.status === "canceled") throw refuseState("This subscription has ended.");
  if (to.price.currency !== subscription.price.currency) {
    throw refuseState("A subscription keeps its currency.");
  }
  const { periodStart, periodEnd, price } = subscription;
  const rest = Math.max(0, periodEnd - now) / (periodEnd - periodStart);
  const delta = Math.round((to.price.amount - price.amount) * rest);
  Object.assign(subscription, { planRef: to.planRef, price: to.price });
  subscription.changes = [...subscription.changes.slice(-9), to.key];
  if (to.when === "now" && delta > 0 && subscription.status !== "trialing") {
    const money = { amount: delta, currency: price.currency };
    addInvoice(subscription, { reason: "update", money, isPaid: true, trial: false }, now);
  }
  touch(subscription, now);
}

export function cancel(
  subscription: SandboxSubscription,
  when: "period_end" | "now",
  now: number,
): void {
  if (subscription.status === "canceled") return;
  if (when === "now") {
    end(subscription, now, now);
    return;
  }
  subscription.cancelAtPeriodEnd = true;
  touch(subscription, now);
}

export function resume(subscription: SandboxSubscription, now: number): void {
  if (subscription.status === "canceled") throw refuseState("This subscription has ended.");
  subscription.cancelAtPeriodEnd = false;
  touch(subscription, now);
}

function end(subscription: SandboxSubscription, at: number, now: number): void {
  Object.assign(subscription, { status: "canceled", endedAt: at });
  delete subscription.nextAttemptAt;
  touch(subscription, now);
}

function touch(subscription: SandboxSubscription, now: number): void {
  const data = { subscription: viewSubscription(subscription) };
  record(subscription, "subscription.updated", { data, now });
}

function addInvoice(
  subscription: SandboxSubscription,
  of: Pick<SandboxInvoice, "reason" | "money" | "isPaid" | "trial">,
  now: number,
): void {
  const { id, planRef, periodStart, periodEnd, invoices } = subscription;
  const invoice: SandboxInvoice = {
    id: `${id.replace("sub_", "inv_")}_${invoices.length + 1}`,
    planRef,
    periodStart,
    periodEnd,
    refunds: [],
    ...of,
  };
  invoices.push(invoice);
  tellInvoice(subscription, invoice, now);
}

function tellInvoice(
  subscription: SandboxSubscription,
  invoice: SandboxInvoice,
  now: number,
): void {
  const view = viewInvoice(invoice, subscription.nextAttemptAt);
  const data = { subscription: viewSubscription(subscription), invoice: view };
  record(subscription, invoice.isPaid ? "invoice.paid" : "invoice.failed", { data, now });
}

/** That day of the next month or year, or its last: 31 January, 28 February, 31 March. */
function addPeriod(from: number, interval: "month" | "year", anchorDay?: number): number {
  const date = new Date(from);
  const day = anchorDay ?? date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + (interval === "year" ? 12 : 1));
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return date.getTime();
}
