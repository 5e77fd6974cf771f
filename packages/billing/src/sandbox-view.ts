import type { Money } from "./money.ts";
import type {
  SandboxDocument,
  SandboxInvoice,
  SandboxMethod,
  SandboxPayment,
  SandboxRefund,
  SandboxSubscription,
} from "./sandbox-store.ts";

/** Something that the sandbox tells: as a webhook, or when it is asked. */
export type SandboxNews = { type: string; data: Record<string, unknown> };

const sum = (refunds: SandboxRefund[]) => refunds.reduce((total, { amount }) => total + amount, 0);

export function viewPayment(payment: SandboxPayment) {
  const { id, orderRef: order, purpose, price, charged, customerRef: customer, failure } = payment;
  return { id, order, purpose, price, charged, customer, ...(failure && { failure }) };
}

export const viewSubscription = ({ id, orderRef, customerRef }: SandboxSubscription) => ({
  id,
  order: orderRef,
  customer: customerRef,
});

export const viewMethod = ({ id, customerRef }: SandboxMethod) => ({ id, customer: customerRef });

export function viewInvoice(invoice: SandboxInvoice, nextAttemptAt?: number) {
  const { id, reason, money, planRef: plan, trial, periodStart, periodEnd } = invoice;
  const period = { start: periodStart, end: periodEnd };
  return { id, reason, money, plan, trial, period, ...(nextAttemptAt && { nextAttemptAt }) };
}

/** What was paid back of a payment or an invoice in all. */
export function viewReversal(
  of: { id: string; customer: string; refunds: SandboxRefund[] },
  paid: Money,
): SandboxNews {
  const reversed = { amount: sum(of.refunds), currency: paid.currency };
  const data = { payment: { id: of.id, customer: of.customer }, reversed, paid };
  return { type: "payment.refunded", data };
}

/** All that is so now, told as the webhooks told it when it came to be. */
export function describe(document: SandboxDocument): SandboxNews[] {
  if (document.kind === "payment") return describePayment(document);
  if (document.kind === "subscription") return describeSubscription(document);
  if (document.kind !== "method") return [];
  const type = document.isRemoved ? "method.removed" : "method.saved";
  return [{ type, data: { method: viewMethod(document) } }];
}

const paymentTypes: Record<SandboxPayment["status"], string | undefined> = {
  open: undefined,
  challenged: undefined,
  processing: "payment.pending",
  paid: "payment.succeeded",
  failed: "payment.failed",
  expired: "payment.expired",
};

function describePayment(document: SandboxPayment): SandboxNews[] {
  const payment = viewPayment(document);
  const type = paymentTypes[document.status];
  if (type === undefined) return [];
  // The money of a subscription is told by its invoices.
  if (type === "payment.succeeded" && document.purpose === "subscription") return [];
  const { dispute } = document;
  return [
    { type, data: { payment } },
    ...(document.refunds.length > 0 ? [describeReversal(document)] : []),
    ...(dispute
      ? [{ type: `dispute.${dispute.status}`, data: { payment, dispute: { id: dispute.id } } }]
      : []),
  ];
}

export function describeReversal(document: SandboxPayment): SandboxNews {
  const { id, customerRef: customer, refunds, charged } = document;
  return viewReversal({ id, customer, refunds }, charged);
}

function describeSubscription(document: SandboxSubscription): SandboxNews[] {
  const subscription = viewSubscription(document);
  const { customer } = subscription;
  return [
    { type: "subscription.updated", data: { subscription } },
    ...document.invoices.flatMap((invoice) => [
      {
        type: invoice.isPaid ? "invoice.paid" : "invoice.failed",
        data: { subscription, invoice: viewInvoice(invoice, document.nextAttemptAt) },
      },
      ...(invoice.refunds.length > 0
        ? [viewReversal({ ...invoice, customer }, invoice.money)]
        : []),
    ]),
  ];
}
