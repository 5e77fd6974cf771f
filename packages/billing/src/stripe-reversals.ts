import type Stripe from "stripe";
import type { ProviderFact } from "./facts.ts";
import type { CallOptions, RefundInput } from "./provider.ts";
import { refuseState } from "./refusals.ts";
import { ask, requestOptions, type StripeContext } from "./stripe-client.ts";
import { readDispute, readRefunds } from "./stripe-facts.ts";
import { idOf } from "./stripe-order.ts";

/** Refund a payment or a subscription's invoice, in part or all that is left. */
export async function refund(
  context: StripeContext,
  input: RefundInput,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { client } = context;
  const payment_intent = await findIntent(context, input.paymentRef, call);
  const params: Stripe.RefundCreateParams = {
    ...(payment_intent.startsWith("ch_") ? { charge: payment_intent } : { payment_intent }),
    ...(input.money && { amount: input.money.amount }),
    metadata: { ducat_refund: input.key },
  };
  await ask(() => client.refunds.create(params, requestOptions(call, `refund:${input.key}`)));
  return fetchReversals(context, payment_intent, call);
}

async function findIntent(
  { client }: StripeContext,
  ref: string,
  call?: CallOptions,
): Promise<string> {
  if (!ref.startsWith("in_")) return ref;
  const params = { invoice: ref, status: "paid" as const, limit: 10 };
  const payments = await ask(() => client.invoicePayments.list(params, requestOptions(call)));
  const intent = payments.data.map(({ payment }) => idOf(payment.payment_intent)).find(Boolean);
  if (intent === undefined) throw refuseState("This invoice was not paid by a payment.");
  return intent;
}

/** The refunds in all and the disputes of a payment, as Stripe has them now. */
export async function fetchReversals(
  context: StripeContext,
  paymentRef: string,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { client, mode } = context;
  const intentRef = await findIntent(context, paymentRef, call);
  const charge = await fetchCharge(client, intentRef, call);
  if (!charge) return [];
  const payment_intent = idOf(charge.payment_intent);
  const told = { mode, occurredAt: new Date(context.now()) };
  const invoiceRef = payment_intent && (await findInvoice(client, payment_intent, call));
  const filter = payment_intent ? { payment_intent } : { charge: charge.id };
  const disputes = charge.disputed
    ? await ask(() => client.disputes.list({ ...filter, limit: 100 }, requestOptions(call)))
    : { data: [] };
  const states = disputes.data.flatMap((dispute) => readDispute(dispute, told));
  return [
    ...readRefunds(charge, told, invoiceRef),
    ...states.filter(({ kind }) => kind !== "reversal.touched"),
  ];
}

async function fetchCharge(
  client: Stripe,
  ref: string,
  call?: CallOptions,
): Promise<Stripe.Charge | undefined> {
  if (ref.startsWith("ch_"))
    return ask(() => client.charges.retrieve(ref, {}, requestOptions(call)));
  const params = { expand: ["latest_charge"] };
  const intent = await ask(() => client.paymentIntents.retrieve(ref, params, requestOptions(call)));
  return typeof intent.latest_charge === "object" ? (intent.latest_charge ?? undefined) : undefined;
}

/** A charge no longer names its invoice (SDK changelog, 18.0): the payments of invoices do. */
async function findInvoice(
  client: Stripe,
  payment_intent: string,
  call?: CallOptions,
): Promise<string | undefined> {
  const payment = { type: "payment_intent" as const, payment_intent };
  const list = await ask(() =>
    client.invoicePayments.list({ payment, limit: 1 }, requestOptions(call)),
  );
  return idOf(list.data[0]?.invoice);
}
