import { DomainError } from "@ducat/types/errors";
import Stripe from "stripe";
import type { CallOptions, OffSessionInput, OffSessionResult } from "./provider.ts";
import { ask, requestOptions, type StripeContext, toRefusal } from "./stripe-client.ts";
import { idOf, nameIntent, readOrder, writeOrder } from "./stripe-order.ts";

/**
 * Charge a saved card while its owner is away. Whatever isn't a clear yes or no is unknown: then
 * keep the key, because Stripe replays what the first request with it came to.
 */
export async function chargeOffSession(
  context: StripeContext,
  input: OffSessionInput,
  call?: CallOptions,
): Promise<OffSessionResult> {
  const { key, orderRef, money } = input;
  const params: Stripe.PaymentIntentCreateParams = {
    amount: money.amount,
    currency: money.currency.toLowerCase(),
    customer: input.customerRef,
    payment_method: input.methodRef,
    off_session: true,
    confirm: true,
    description: input.title,
    allowed_payment_method_types: ["card"],
    automatic_payment_methods: { enabled: true, allow_redirects: "never" },
    payment_method_options: { card: { stored_credential_usage: "unscheduled" } },
    metadata: writeOrder({ orderRef, kind: "reload", price: money, key }),
  };
  try {
    const options = requestOptions(call, `reload:${key}`);
    return readAttempt(context, await context.client.paymentIntents.create(params, options));
  } catch (error) {
    return readFailedAttempt(error);
  }
}

/** Every answer 402 needs the customer, whatever its code: the codes are an open list. */
function readFailedAttempt(error: unknown): OffSessionResult {
  const { StripeCardError, StripeInvalidRequestError } = Stripe.errors;
  if (error instanceof StripeCardError) {
    const paymentRef = idOf(error.payment_intent);
    const code = error.code ?? "card_declined";
    return { status: "needs_customer", code, ...(paymentRef !== undefined && { paymentRef }) };
  }
  const isGone = error instanceof StripeInvalidRequestError && isAboutCard(error);
  if (isGone) return { status: "needs_customer", code: "no_payment_method" };
  const refusal = toRefusal(error);
  if (refusal instanceof DomainError && refusal.code === "provider_unavailable")
    return { status: "unknown" };
  throw refusal;
}

const isAboutCard = ({ param, code }: Stripe.errors.StripeInvalidRequestError) =>
  param === "payment_method" || (code === "resource_missing" && param === "customer");

function readAttempt({ mode }: StripeContext, intent: Stripe.PaymentIntent): OffSessionResult {
  const paymentRef = intent.id;
  if (intent.status === "succeeded") {
    return { status: "succeeded", paymentRef, effectKey: nameIntent(mode, paymentRef) };
  }
  if (intent.status === "processing") return { status: "processing", paymentRef };
  const code = intent.last_payment_error?.code ?? intent.status;
  return { status: "needs_customer", code, paymentRef };
}

/** How far back and how much is looked through for one attempt. */
const mostIntents = 300;
/** Our clock and Stripe's may differ by this much, in seconds. */
const slack = 60;

/** The charge of an attempt, found by its key among the customer's. Search would lag behind. */
export async function findCharge(
  context: StripeContext,
  input: { key: string; customerRef: string; since: Date },
  call?: CallOptions,
): Promise<OffSessionResult | undefined> {
  const created = { gte: Math.floor(input.since.getTime() / 1000) - slack };
  const params = { customer: input.customerRef, created, limit: 100 };
  const intents = await ask(() =>
    context.client.paymentIntents
      .list(params, requestOptions(call))
      .autoPagingToArray({ limit: mostIntents }),
  );
  const found = intents.find(({ metadata }) => readOrder(metadata)?.key === input.key);
  return found && readAttempt(context, found);
}
