import { createHash, randomUUID } from "node:crypto";
import type { Money } from "./money.ts";
import type { CheckoutInput, OffSessionInput, RefundInput } from "./provider.ts";
import { refuseInput, refuseState } from "./refusals.ts";
import type { SandboxKeeper } from "./sandbox-keeper.ts";
import type {
  SandboxCard,
  SandboxMethod,
  SandboxOutcome,
  SandboxPayment,
  SandboxRefund,
} from "./sandbox-store.ts";
import { startSubscription } from "./sandbox-subscriptions.ts";
import { describeReversal, viewMethod, viewPayment, viewReversal } from "./sandbox-view.ts";
import { record } from "./sandbox-webhooks.ts";

const checkoutLifeMs = 24 * 60 * 60 * 1000;
/** How long the "delayed" outcome takes. */
const delayMs = 60 * 1000;

/** The checkout of an order; the same order again is the same checkout, until another is asked. */
export async function openCheckout(
  keeper: SandboxKeeper,
  input: CheckoutInput,
): Promise<SandboxPayment> {
  const { orderRef, after } = input;
  const id = `pay_${hash("order", orderRef, ...(after === undefined ? [] : [after]))}`;
  const at = keeper.now();
  await keeper.create({
    ...emptyPayment(),
    id,
    purpose: input.kind,
    status: "open",
    orderRef,
    price: input.price,
    charged: input.price,
    title: input.title,
    customerRef: input.customer.ref ?? `customer_${hash("account", input.customer.accountRef)}`,
    returnUrl: input.returnUrl,
    cancelUrl: input.cancelUrl ?? input.returnUrl,
    saveMethod: input.saveMethod ?? false,
    ...(input.priceRef !== undefined && { planRef: input.priceRef }),
    interval: input.interval ?? "month",
    trialDays: input.trialDays ?? 0,
    createdAt: at,
    expiresAt: input.expiresAt?.getTime() ?? at + checkoutLifeMs,
  });
  return keeper.get("payment", id);
}

/** The customer chose an outcome. `charged` is only ever another amount in a test of that. */
export async function choose(
  keeper: SandboxKeeper,
  id: string,
  how: { outcome: SandboxOutcome; card?: SandboxCard; charged?: Money },
): Promise<SandboxPayment> {
  const at = keeper.now();
  const after = await keeper.change("payment", id, (payment) => {
    expire(payment, at);
    if (payment.status !== "open") return;
    if (how.card) payment.card = how.card;
    if (how.charged) payment.charged = how.charged;
    if (how.outcome === "success") pay(payment, at);
    // A decline leaves the page open: the customer may choose again.
    if (how.outcome === "authenticate") payment.status = "challenged";
    if (how.outcome === "delayed") {
      Object.assign(payment, { status: "processing", settlesAt: at + delayMs });
      record(payment, "payment.pending", { data: { payment: viewPayment(payment) }, now: at });
    }
  });
  return finish(keeper, after);
}

/** The end of 3-D Secure. */
export async function answerChallenge(
  keeper: SandboxKeeper,
  id: string,
  isPassed: boolean,
): Promise<SandboxPayment> {
  const after = await keeper.change("payment", id, (payment) => {
    if (payment.status !== "challenged") return;
    payment.status = "open";
    if (isPassed) pay(payment, keeper.now());
  });
  return finish(keeper, after);
}

/** What else a paid checkout brings: the saved card, the subscription. Safe to repeat. */
export async function finish(
  keeper: SandboxKeeper,
  payment: SandboxPayment,
): Promise<SandboxPayment> {
  if (payment.status !== "paid" || payment.purpose === "reload") return payment;
  const isSubscription = payment.purpose === "subscription";
  if (!payment.saveMethod && !isSubscription) return payment;
  const { id, customerRef, card } = payment;
  const methodRef = id.replace("pay_", "card_");
  const method: SandboxMethod = {
    ...{ kind: "method", id: methodRef, customerRef, card, isRemoved: false, events: [] },
  };
  record(method, "method.saved", { data: { method: viewMethod(method) }, now: keeper.now() });
  await keeper.create(method);
  if (isSubscription) {
    const start = await keeper.timeOf({ kind: "subscription", orderRef: payment.orderRef });
    await keeper.create(startSubscription(payment, methodRef, start));
  }
  return payment;
}

/** A charge of a saved card; the same key again is the same charge. */
export async function charge(
  keeper: SandboxKeeper,
  input: OffSessionInput,
): Promise<SandboxPayment> {
  const id = `pay_${hash("key", input.key)}`;
  const method = await keeper.find("method", input.methodRef);
  const isUsable = method?.customerRef === input.customerRef && !method.isRemoved;
  const card = isUsable ? method.card : undefined;
  const payment: SandboxPayment = {
    ...emptyPayment(),
    id,
    purpose: "reload",
    status: "open",
    orderRef: input.orderRef,
    key: input.key,
    price: input.money,
    charged: input.money,
    title: input.title,
    customerRef: input.customerRef,
    card: card ?? "decline",
    createdAt: keeper.now(),
  };
  if (card === "succeed" || card === "lose_answer") pay(payment, keeper.now());
  else fail(payment, failures[card ?? "none"] ?? "declined", keeper.now());
  await keeper.create(payment);
  return keeper.get("payment", id);
}

export async function findPayment(
  keeper: SandboxKeeper,
  key: string,
): Promise<SandboxPayment | undefined> {
  return keeper.find("payment", `pay_${hash("key", key)}`);
}

/** Pays back by key once; never more than was paid. */
export async function refund(
  keeper: SandboxKeeper,
  { paymentRef, money, key }: RefundInput,
): Promise<void> {
  const subscriptionRef = subscriptionOf(paymentRef);
  if (subscriptionRef === undefined) {
    await keeper.change("payment", paymentRef, (payment) => {
      if (payment.status !== "paid") throw refuseState("This payment has no money to give back.");
      if (!addRefund(payment.refunds, { paid: payment.charged, money, key })) return;
      const { type, data } = describeReversal(payment);
      record(payment, type, { data, now: keeper.now() });
    });
    return;
  }
  await keeper.change("subscription", subscriptionRef, (subscription) => {
    const invoice = subscription.invoices.find(({ id }) => id === paymentRef);
    if (!invoice?.isPaid) throw refuseState("This invoice has no money to give back.");
    if (!addRefund(invoice.refunds, { paid: invoice.money, money, key })) return;
    const of = { ...invoice, customer: subscription.customerRef };
    const { type, data } = viewReversal(of, invoice.money);
    record(subscription, type, { data, now: keeper.now() });
  });
}

/** A dispute begins, or ends: for trying what the product does then. */
export async function dispute(
  keeper: SandboxKeeper,
  paymentRef: string,
  status: "opened" | "won" | "lost",
): Promise<void> {
  await keeper.change("payment", paymentRef, (payment) => {
    if (payment.status !== "paid") throw refuseState("Nothing was paid.");
    const isNext = status === "opened" ? !payment.dispute : payment.dispute?.status === "opened";
    if (!isNext) throw refuseState("The dispute is not in a state for this.");
    const id = payment.dispute?.id ?? `dp_${randomUUID()}`;
    payment.dispute = { id, status };
    const data = { payment: viewPayment(payment), dispute: { id } };
    record(payment, `dispute.${status}`, { data, now: keeper.now() });
  });
}

export async function removeMethod(keeper: SandboxKeeper, id: string): Promise<void> {
  await keeper.change("method", id, (method) => {
    if (method.isRemoved) return;
    method.isRemoved = true;
    record(method, "method.removed", { data: { method: viewMethod(method) }, now: keeper.now() });
  });
}

const failures: Record<string, string> = {
  authenticate: "authentication_required",
  decline: "card_declined",
  none: "no_payment_method",
};

/** What a payment begins with; a function, because its lists are its own. */
const emptyPayment = () => ({
  kind: "payment" as const,
  returnUrl: "",
  cancelUrl: "",
  saveMethod: false,
  card: "succeed" as const,
  interval: "month" as const,
  trialDays: 0,
  refunds: [],
  events: [],
});

/** The subscription whose invoice a payment reference names; undefined for other payments. */
export function subscriptionOf(paymentRef: string): string | undefined {
  const uuid = /^inv_(.+)_\d+$/.exec(paymentRef)?.[1];
  return uuid && `sub_${uuid}`;
}

/** An id that the same words always make. */
function hash(...words: string[]): string {
  return createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, 32);
}

function pay(payment: SandboxPayment, now: number): void {
  payment.status = "paid";
  delete payment.settlesAt;
  delete payment.expiresAt;
  record(payment, "payment.succeeded", { data: { payment: viewPayment(payment) }, now });
}

function fail(payment: SandboxPayment, failure: string, now: number): void {
  Object.assign(payment, { status: "failed", failure });
  record(payment, "payment.failed", { data: { payment: viewPayment(payment) }, now });
}

/** What comes by itself: the end of a delayed payment, the end of a checkout that nobody paid. */
export function advancePayment(payment: SandboxPayment, now: number): void {
  if (payment.status === "processing" && (payment.settlesAt ?? now + 1) <= now) pay(payment, now);
  expire(payment, now);
}

function expire(payment: SandboxPayment, now: number): void {
  const isOpen = payment.status === "open" || payment.status === "challenged";
  if (!isOpen || payment.expiresAt === undefined || payment.expiresAt > now) return;
  payment.status = "expired";
  delete payment.expiresAt;
  record(payment, "payment.expired", { data: { payment: viewPayment(payment) }, now });
}

/** False when the refund was made before. */
function addRefund(
  refunds: SandboxRefund[],
  { paid, money, key }: { paid: Money; money: Money | undefined; key: string },
): boolean {
  if (refunds.some((refund) => refund.key === key)) return false;
  const left = paid.amount - refunds.reduce((total, { amount }) => total + amount, 0);
  const amount = money?.amount ?? left;
  if (money && money.currency !== paid.currency) {
    throw refuseInput("#/currency", `This payment was made in ${paid.currency}.`);
  }
  if (!Number.isSafeInteger(amount) || amount < 1 || amount > left) {
    throw refuseState("More than is left can't be paid back.");
  }
  refunds.push({ key, amount });
  return true;
}
