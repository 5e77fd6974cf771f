import { checkCheckout } from "./check-checkout.ts";
import { checkRefund } from "./check-refund.ts";
import type { AnomalyDetail, ProviderFact } from "./facts.ts";
import { readMoney } from "./money.ts";
import type {
  CallOptions,
  Capabilities,
  CheckoutCreated,
  CheckoutInput,
  OpenOrder,
  PaymentProvider,
} from "./provider.ts";
import { refuseInput, refuseUnknown } from "./refusals.ts";
import { settleEach } from "./settle-each.ts";
import {
  connectZarinpal,
  refuseCode,
  type ZarinpalClient,
  type ZarinpalOptions,
} from "./zarinpal-client.ts";
import { findStatus, leastRefund, refund, reverseWindowMs } from "./zarinpal-refund.ts";

/** Bounds of one payment in rials (the SDK's validator; code -41). */
const least = 1_000;
const most = 1_000_000_000;
/** Live authorities begin with A and the sandbox's with S; those of old tests are shorter. */
const authorityPattern = { live: /^A[0-9A-Za-z]{20,40}$/, test: /^S[0-9A-Za-z]{20,40}$/ };
/** Below this age an open order is left to its customer, who is still at the bank. */
const youngMs = 2 * 60 * 1000;

type Context = { client: ZarinpalClient; options: ZarinpalOptions; now: () => number };

/** ZarinPal by REST v4, in rials only. There are no webhooks: the return and reconcile() settle. */
export function createZarinpal(options: ZarinpalOptions): PaymentProvider {
  const { mode, now = Date.now } = options;
  const client = connectZarinpal(options);
  const context: Context = { client, options, now };
  const caps = describe(options);
  const refunds = {
    client,
    merchantId: options.merchantId,
    hasPanel: hasPanel(options),
    now,
    about: (authority: string, effect: string) => about(context, authority, effect),
  };
  return {
    name: "zarinpal",
    mode,
    caps,
    createCheckout: async (input, call) => {
      checkCheckout(input, caps);
      return createCheckout(context, input, call);
    },
    readReturn: (query) => readReturn(query, mode),
    settle: (order, call) => settle(context, order, call),
    fetchReversals: (ref, call) => fetchReversals(context, ref, call),
    refund: async (input, call) => {
      checkRefund(input);
      return refund(refunds, input, call);
    },
    reconcile: (input, call) => reconcile(context, input.open, call),
  };
}

/** The panel has no sandbox: in test mode it is only asked where another address stands for it. */
function hasPanel({ accessToken, mode, baseUrl }: ZarinpalOptions): boolean {
  return accessToken !== undefined && (mode === "live" || baseUrl !== undefined);
}

function describe(options: ZarinpalOptions): Capabilities {
  const byPanel = { partial: true, min: leastRefund, repeatable: false };
  const byReverse = { partial: false, windowMs: reverseWindowMs, repeatable: true };
  return {
    webhooks: false,
    returnIsAuthoritative: true,
    subscriptions: "none",
    planChange: "none",
    cancelNow: false,
    offSession: "none",
    portal: "none",
    refunds: { api: "async", ...(hasPanel(options) ? byPanel : byReverse) },
    disputes: "none",
    outgoingIdempotency: false,
    eventId: "none",
    reconcile: "unverified_list",
    merchantOfRecord: false,
    currencies: ["IRR"],
    amountChosenBy: "us",
    priceRefs: "none",
  };
}

/** Asks for an authority. A repeat makes a second one: an order may have many and is paid once. */
async function createCheckout(
  { client, options }: Context,
  input: CheckoutInput,
  call?: CallOptions,
): Promise<CheckoutCreated> {
  const { price, orderRef, customer } = input;
  if (price.amount < least || price.amount > most) {
    throw refuseInput("#/amount", `ZarinPal takes ${least} to ${most} rials.`);
  }
  const mobile = customer.phone?.replace(/^\+98/, "0");
  const { code, data } = await client.post(
    "request",
    {
      amount: price.amount,
      // Said each time: without it the panel's default decides between rial and toman.
      currency: "IRR",
      // A refund finds the payment in the panel by this reference.
      description: `${input.title} (${orderRef})`,
      callback_url: input.returnUrl,
      metadata: {
        ...(mobile && /^09\d{9}$/.test(mobile) && { mobile }),
        ...(customer.email !== undefined && { email: customer.email }),
        order_id: orderRef,
        auto_verify: false,
      },
    },
    call,
  );
  if (code !== 100) throw refuseCode(code);
  const { authority } = data;
  if (typeof authority !== "string" || !authorityPattern[options.mode].test(authority)) {
    throw refuseUnknown(new Error("ZarinPal gave no authority of this mode."));
  }
  return { ref: authority, url: `${client.host}/pg/StartPay/${authority}`, sent: price };
}

/** Status in the address is the customer's word: OK is no proof, and NOK is none either. */
function readReturn(query: URLSearchParams, mode: "test" | "live"): { ref: string } | undefined {
  const found = [...query].find(([name]) => name.toLowerCase() === "authority")?.[1];
  return found !== undefined && authorityPattern[mode].test(found) ? { ref: found } : undefined;
}

/**
 * Verify: the only proof of money. 100 is paid now and 101 was verified before, and both are the
 * same fact; the ledger knows whether it had it. provider_unavailable where it can't be said.
 */
async function settle(
  context: Context,
  order: OpenOrder,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { ref, orderRef, sent } = order;
  if (!authorityPattern[context.options.mode].test(ref)) {
    return [anomaly(context, "foreign_session", ref)];
  }
  if (sent.currency !== "IRR") return [anomaly(context, "currency_mismatch", ref)];
  const body = { authority: ref, amount: sent.amount };
  const { code, data } = await context.client.post("verify", body, call);
  const detail = refused[code];
  if (detail) return [{ ...anomaly(context, detail, ref), orderRef }];
  // Not paid yet; it still may be, as long as the session lives.
  if (code === -51) {
    return [
      { ...about(context, ref, "pending"), orderRef, kind: "payment.pending", paymentRef: ref },
    ];
  }
  if (code !== 100 && code !== 101) throw refuseCode(code);
  const { ref_id, card_pan } = data;
  return [
    {
      ...about(context, ref),
      orderRef,
      kind: "payment.succeeded",
      paymentRef: ref,
      purpose: "pack",
      money: sent,
      price: sent,
      // A number in some answers and a text in others.
      ...(ref_id !== undefined && ref_id !== null && { receiptRef: String(ref_id) }),
      ...(typeof card_pan === "string" && { cardMask: card_pan }),
    },
  ];
}

/** The amount differs, another merchant's session, no such authority, nothing found. */
const refused: Record<number, AnomalyDetail> = {
  [-50]: "amount_mismatch",
  [-53]: "foreign_session",
  [-54]: "unknown_order",
  [-55]: "unknown_order",
};

/** Whether a payment was reversed. Refunds by the panel don't show in any call of the gateway. */
async function fetchReversals(
  context: Context,
  authority: string,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { code, data } = await context.client.post("inquiry", { authority }, call);
  if (code !== 100 && code !== 101) throw refuseCode(code);
  if (data.status !== "REVERSED") return [];
  const of = readMoney(data.amount, "IRR");
  if (!of) return [anomaly(context, "unreadable", authority)];
  const effect = about(context, authority, "reversed");
  return [{ ...effect, kind: "reversal.total", paymentRef: authority, reversed: of, of }];
}

/** Each open order by inquiry, then the list of what was paid and never verified. */
async function* reconcile(
  context: Context,
  open: readonly OpenOrder[],
  call?: CallOptions,
): AsyncGenerator<ProviderFact> {
  const old = open.filter(({ createdAt }) => context.now() - createdAt.getTime() >= youngMs);
  const failure = yield* settleEach(old, (order) => inquire(context, order, call));
  const { code, data } = await context.client.post("unVerified", {}, call);
  if (code !== 100) throw refuseCode(code);
  const listed = Array.isArray(data.authorities) ? data.authorities : [];
  const paid = listed.map((entry) => (entry as { authority?: unknown } | null)?.authority);
  const ours = open.filter(({ ref }) => paid.includes(ref));
  const other = yield* settleEach(ours, (order) => settle(context, order, call));
  for (const authority of paid) {
    const isOurs = ours.some(({ ref }) => ref === authority);
    if (typeof authority === "string" && !isOurs) {
      yield anomaly(context, "unknown_order", authority);
    }
  }
  if (failure !== undefined || other !== undefined) throw failure ?? other;
}

/** Inquiry says what to do next and never that money came: only verify does (docs, Inquiry). */
async function inquire(
  context: Context,
  order: OpenOrder,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { ref, orderRef } = order;
  const status = await findStatus(context.client, ref, call);
  if (status === "PAID" || status === "VERIFIED") return settle(context, order, call);
  if (status !== "FAILED") return [];
  const failure = { paymentRef: ref, code: "payment_failed", retry: "needs_customer" } as const;
  return [{ ...about(context, ref, "failed"), orderRef, kind: "payment.failed", ...failure }];
}

function about({ options, now }: Context, authority: string, effect = "") {
  return {
    provider: "zarinpal" as const,
    mode: options.mode,
    effectKey: `z:${options.mode}:${authority}${effect && `:${effect}`}`,
    occurredAt: new Date(now()),
  };
}

/** An order that we can't place keeps the key of its credit: the ledger may have it already. */
function anomaly(context: Context, detail: AnomalyDetail, authority: string) {
  const effect = about(context, authority, detail === "unknown_order" ? "" : detail);
  return { ...effect, kind: "anomaly" as const, detail, about: authority };
}
