import { z } from "zod";
import type { ProviderFact } from "./facts.ts";
import { findMismatch } from "./find-mismatch.ts";
import { readMoney } from "./money.ts";
import type { Mode } from "./provider.ts";
import type { SandboxNews } from "./sandbox-view.ts";

type Told = { mode: Mode; occurredAt: Date };

const Amount = z
  .object({ amount: z.number(), currency: z.string() })
  .transform(({ amount, currency }) => readMoney(amount, currency));
const Payment = z.object({
  id: z.string(),
  customer: z.string(),
  order: z.string().optional(),
  purpose: z.enum(["pack", "subscription", "reload"]).optional(),
  price: Amount.optional(),
  charged: Amount.optional(),
  failure: z.string().optional(),
});
const Data = z.object({
  payment: Payment.optional(),
  reversed: Amount.optional(),
  paid: Amount.optional(),
  dispute: z.object({ id: z.string() }).optional(),
  subscription: z.object({ id: z.string(), order: z.string(), customer: z.string() }).optional(),
  invoice: z
    .object({
      id: z.string(),
      reason: z.enum(["initial", "renewal", "update"]),
      money: Amount,
      plan: z.string(),
      trial: z.boolean(),
      period: z.object({ start: z.number(), end: z.number() }),
      nextAttemptAt: z.number().optional(),
    })
    .optional(),
  method: z.object({ id: z.string(), customer: z.string() }).optional(),
});
type Data = z.infer<typeof Data>;

/** What a piece of the sandbox's news means; nothing for a type that we have no use for. */
export function readNews({ type, data }: SandboxNews, told: Told): ProviderFact[] {
  const parsed = Data.safeParse(data);
  if (!parsed.success) return [anomaly(told, "unreadable", type)];
  const { payment, subscription, method } = parsed.data;
  if (type.startsWith("payment.") && payment) return readPayment(type, parsed.data, told);
  if (type.startsWith("dispute.") && payment) return readDispute(type, parsed.data, told);
  if (type.startsWith("invoice.") && subscription) return readInvoice(type, parsed.data, told);
  if (type === "subscription.updated" && subscription) {
    const effect = about(told, subscription.id, subscription);
    return [{ ...effect, kind: "subscription.touched", subscriptionRef: subscription.id }];
  }
  if (method && (type === "method.saved" || type === "method.removed")) {
    const part = type === "method.saved" ? "saved" : "removed";
    return [{ ...about(told, `${method.id}:${part}`, method), kind: type, methodRef: method.id }];
  }
  return [];
}

function readPayment(type: string, data: Data, told: Told): ProviderFact[] {
  const { payment, reversed, paid } = data;
  if (!payment) return [];
  const { id: paymentRef } = payment;
  const effect = (part: string) => about(told, `${paymentRef}${part}`, payment);
  if (type === "payment.refunded") {
    if (!reversed || !paid) return [anomaly(told, "unreadable", paymentRef)];
    return [{ ...effect(":reversed"), kind: "reversal.total", paymentRef, reversed, of: paid }];
  }
  if (type === "payment.pending") return [{ ...effect(":pending"), kind: type, paymentRef }];
  if (type === "payment.expired") return [{ ...effect(":expired"), kind: type, paymentRef }];
  if (type === "payment.failed") {
    const failure = { code: payment.failure ?? "declined", retry: "needs_customer" } as const;
    return [{ ...effect(":failed"), kind: type, paymentRef, ...failure }];
  }
  if (type !== "payment.succeeded" || payment.purpose === "subscription") return [];
  const { charged, price } = payment;
  const detail = findMismatch(charged, price);
  if (detail || !charged || !price) {
    const { order: orderRef } = payment;
    const odd = anomaly(told, detail ?? "unreadable", paymentRef);
    return [{ ...odd, ...(orderRef !== undefined && { orderRef }) }];
  }
  const purpose = payment.purpose === "reload" ? "reload" : "pack";
  return [{ ...effect(""), kind: type, paymentRef, purpose, money: charged, price }];
}

function readDispute(type: string, data: Data, told: Told): ProviderFact[] {
  const { payment, dispute } = data;
  const state = /^dispute\.(opened|won|lost)$/.exec(type)?.[1] as "opened" | "won" | "lost";
  if (!payment?.charged || !dispute || !state) return [anomaly(told, "unreadable", type)];
  const part = state === "opened" ? "open" : state;
  return [
    {
      ...about(told, `${dispute.id}:${part}`, payment),
      kind: `dispute.${state}`,
      paymentRef: payment.id,
      disputeRef: dispute.id,
      money: payment.charged,
    },
  ];
}

function readInvoice(type: string, data: Data, told: Told): ProviderFact[] {
  const { subscription, invoice } = data;
  if (!subscription || !invoice?.money) return [anomaly(told, "unreadable", type)];
  const { id, reason, money, trial, plan, period, nextAttemptAt } = invoice;
  const refs = { invoiceRef: id, subscriptionRef: subscription.id };
  if (type === "invoice.failed") {
    const next = nextAttemptAt === undefined ? {} : { nextAttempt: new Date(nextAttemptAt) };
    return [{ ...about(told, `${id}:failed`, subscription), kind: type, ...refs, ...next }];
  }
  if (type !== "invoice.paid") return [];
  const times = { periodStart: new Date(period.start), periodEnd: new Date(period.end) };
  const effect = about(told, reason === "update" ? `${id}:delta` : id, subscription);
  const paid = { money, reason, trial, planRef: plan, paymentRef: id };
  return [{ ...effect, kind: type, ...refs, ...paid, ...times }];
}

/** The key of an effect in the sandbox's books. */
export const nameEffect = (mode: Mode, effect: string) => `x:${mode}:${effect}`;

function about(told: Told, effect: string, refs: { customer: string; order?: string | undefined }) {
  return {
    provider: "sandbox" as const,
    mode: told.mode,
    effectKey: nameEffect(told.mode, effect),
    occurredAt: told.occurredAt,
    customerRef: refs.customer,
    ...(refs.order !== undefined && { orderRef: refs.order }),
  };
}

function anomaly(
  told: Told,
  detail: Extract<ProviderFact, { kind: "anomaly" }>["detail"],
  object: string,
): ProviderFact {
  return {
    provider: "sandbox",
    mode: told.mode,
    effectKey: nameEffect(told.mode, `${object}:${detail}`),
    occurredAt: told.occurredAt,
    kind: "anomaly",
    detail,
    about: object,
  };
}
