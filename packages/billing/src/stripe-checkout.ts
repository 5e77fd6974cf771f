import { createHash } from "node:crypto";
import type Stripe from "stripe";
import type { ProviderFact } from "./facts.ts";
import { isSameMoney, readMoney } from "./money.ts";
import type { CallOptions, CheckoutCreated, CheckoutInput, OpenOrder } from "./provider.ts";
import { refuseState, refuseUnknown } from "./refusals.ts";
import { ask, requestOptions, type StripeContext } from "./stripe-client.ts";
import { dateOf, type StripeOrder, writeOrder } from "./stripe-order.ts";
import { readSession } from "./stripe-payment-facts.ts";

/** The bounds of a session's life (Checkout Session API, expires_at). */
const shortestSession = 30 * 60;
const longestSession = 24 * 60 * 60;
const minute = 60;

/**
 * A Checkout Session for our checked order. The same order again is the same session, until one
 * after it is asked for.
 */
export async function createCheckout(
  context: StripeContext,
  input: CheckoutInput,
  call?: CallOptions,
): Promise<CheckoutCreated> {
  const customerRef = input.customer.ref ?? (await createCustomer(context, input, call));
  const page = input.after === undefined ? "" : `:${input.after}`;
  const options = requestOptions(call, `checkout:${input.orderRef}${page}`);
  const session = await ask(() =>
    context.client.checkout.sessions.create(describeSession(input, customerRef, context), options),
  );
  const asked = readMoney(session.amount_total, session.currency);
  if (input.kind === "pack" && !(asked && isSameMoney(asked, input.price))) {
    throw refuseState("The provider's price differs from the catalog's.");
  }
  if (!session.url) throw refuseUnknown(new Error("A Checkout Session came without an address."));
  const expiresAt = dateOf(session.expires_at);
  return {
    ref: session.id,
    url: session.url,
    sent: input.price,
    customerRef,
    ...(expiresAt && { expiresAt }),
  };
}

/** A session without a customer is a guest's: nothing of it can be used again. So first this. */
async function createCustomer(
  { client }: StripeContext,
  { customer }: CheckoutInput,
  call?: CallOptions,
): Promise<string> {
  const params = {
    ...(customer.email !== undefined && { email: customer.email }),
    metadata: { ducat_account: customer.accountRef },
  };
  // With another address it is another request; the old key would be refused for a day.
  const content = createHash("sha256").update(JSON.stringify(params)).digest("hex").slice(0, 32);
  const options = requestOptions(call, `customer:${customer.accountRef}:${content}`);
  const { id } = await ask(() => client.customers.create(params, options));
  return id;
}

function describeSession(
  input: CheckoutInput,
  customer: string,
  context: StripeContext,
): Stripe.Checkout.SessionCreateParams {
  const order: StripeOrder = {
    orderRef: input.orderRef,
    kind: input.kind,
    ...(input.kind === "pack" && { price: input.price }),
  };
  // Nothing is inherited: what each object shall carry is said once for each.
  const metadata = writeOrder(order);
  const separator = input.returnUrl.includes("?") ? "&" : "?";
  return {
    customer,
    metadata,
    client_reference_id: input.orderRef,
    line_items: [{ ...describePrice(input), quantity: 1 }],
    // Appended as text: a URL builder would encode the braces, and Stripe fills in only these.
    success_url: `${input.returnUrl}${separator}session_id={CHECKOUT_SESSION_ID}`,
    cancel_url: input.cancelUrl ?? input.returnUrl,
    ...(input.expiresAt && { expires_at: chooseExpiry(input.expiresAt, context.now()) }),
    ...(input.kind === "pack"
      ? {
          mode: "payment",
          adaptive_pricing: { enabled: false },
          payment_intent_data: {
            metadata,
            ...(input.saveMethod && { setup_future_usage: "off_session" }),
          },
        }
      : {
          mode: "subscription",
          subscription_data: {
            metadata,
            ...(input.trialDays !== undefined && { trial_period_days: input.trialDays }),
          },
        }),
  };
}

function describePrice(input: CheckoutInput): Stripe.Checkout.SessionCreateParams.LineItem {
  if (input.priceRef !== undefined) return { price: input.priceRef };
  const { price, title, kind, interval = "month" } = input;
  return {
    price_data: {
      currency: price.currency.toLowerCase(),
      unit_amount: price.amount,
      product_data: { name: title },
      ...(kind === "subscription" && { recurring: { interval } }),
    },
  };
}

function chooseExpiry(wished: Date, now: number): number {
  const seconds = Math.floor(now / 1000);
  // A minute of room, so that neither clock makes a bound value too short or too long.
  const least = seconds + shortestSession + minute;
  const most = seconds + longestSession - minute;
  return Math.min(Math.max(Math.floor(wished.getTime() / 1000), least), most);
}

/** What a session came to, from the session itself. */
export async function settle(
  context: StripeContext,
  order: OpenOrder,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const session = await ask(() =>
    context.client.checkout.sessions.retrieve(
      order.ref,
      { expand: ["payment_intent"] },
      requestOptions(call),
    ),
  );
  return readSession(session, { mode: context.mode, occurredAt: new Date(context.now()) });
}
