import { randomUUID } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import { z } from "zod";
import { checkCheckout, checkPrice } from "./check-checkout.ts";
import { checkRefund } from "./check-refund.ts";
import type { ProviderFact } from "./facts.ts";
import { defaultLimits } from "./fetch-json.ts";
import { worldCurrencies } from "./money.ts";
import type {
  CallOptions,
  Capabilities,
  CheckoutCreated,
  Delivery,
  OffSessionResult,
  PaymentProvider,
  SubscriptionSnapshot,
} from "./provider.ts";
import { parseObject, readText } from "./read-webhook.ts";
import { refuseState, refuseUnknown, refuseWebhook } from "./refusals.ts";
import { refresh } from "./sandbox-due.ts";
import { nameEffect, readNews } from "./sandbox-facts.ts";
import { createSandboxKeeper, type SandboxKeeper, type SandboxSettings } from "./sandbox-keeper.ts";
import { charge, findPayment, openCheckout, refund, subscriptionOf } from "./sandbox-payments.ts";
import type { SandboxDocument, SandboxPayment, SandboxSubscription } from "./sandbox-store.ts";
import { cancel, changeSubscription, resume } from "./sandbox-subscriptions.ts";
import { describe, describeReversal, viewReversal } from "./sandbox-view.ts";
import { checkWebhook, sandboxVersion } from "./sandbox-webhooks.ts";
import { settleEach } from "./settle-each.ts";

export type SandboxOptions = SandboxSettings & {
  /** Where handleSandboxPage answers, as customers reach it. */
  baseUrl: string;
  /** Older secrets that a webhook under way may still be signed with. */
  oldSecrets?: readonly string[];
  mode: "test" | "live";
  timeoutMs?: number;
};

const caps: Capabilities = {
  webhooks: true,
  returnIsAuthoritative: false,
  subscriptions: "native",
  planChange: "immediate",
  cancelNow: true,
  offSession: "saved_method",
  portal: "session",
  refunds: { api: "sync", partial: true, repeatable: true },
  disputes: "events",
  outgoingIdempotency: true,
  eventId: "stable",
  reconcile: "list_resources",
  merchantOfRecord: false,
  currencies: [...worldCurrencies, "IRR"],
  amountChosenBy: "us",
  priceRefs: "none",
};

const portalLifeMs = 30 * 60 * 1000;
const mostDocuments = 10_000;
const pageSize = 100;

/**
 * A payment provider of our own, for trying everything with no account anywhere: a page that asks
 * how the payment shall go, and its own signed webhooks. Throws an Error outside test mode: its
 * money is free.
 */
export function createSandbox(options: SandboxOptions): PaymentProvider {
  if (options.mode !== "test") throw new Error("The sandbox works in test mode only.");
  const secrets = [options.webhookSecret, ...(options.oldSecrets ?? [])];
  if (!secrets.every((secret) => /^whsec_[\w+/=-]{32,}$/.test(secret))) {
    throw new Error("A sandbox webhook secret is whsec_ and at least 24 bytes in base64.");
  }
  const keeper = createSandboxKeeper(options);
  const { now } = keeper;
  const ask = <T>(call: CallOptions | undefined, work: Promise<T>) =>
    within(call?.timeoutMs ?? options.timeoutMs ?? defaultLimits.timeoutMs, work);
  return {
    name: "sandbox",
    mode: options.mode,
    caps,
    createCheckout: async (input, call) => {
      checkCheckout(input, caps);
      return showCheckout(await ask(call, openCheckout(keeper, input)), options.baseUrl);
    },
    parseWebhook: async (raw, headers) => {
      const text = readText(raw);
      checkWebhook(text, headers, { secrets, now: now() });
      return readDelivery(text);
    },
    parseStoredWebhook: async (raw) => readDelivery(readText(raw)),
    settle: async ({ ref }, call) => ask(call, tell(keeper, ref)),
    fetchSubscription: async (ref, call) => show(await ask(call, refresh(keeper, ref)), now()),
    fetchReversals: (ref, call) => ask(call, fetchReversals(keeper, ref)),
    chargeOffSession: async (input, call) => {
      checkPrice(input.money, caps);
      try {
        const payment = await ask(call, charge(keeper, input));
        // A card for trying just this: it was charged, and nobody hears of it.
        return payment.card === "lose_answer" ? { status: "unknown" } : showCharge(payment);
      } catch (error) {
        if (isUnknown(error)) return { status: "unknown" };
        throw error;
      }
    },
    findCharge: async ({ key }, call) => {
      const payment = await ask(call, findPayment(keeper, key));
      return payment && showCharge(payment);
    },
    createPortalUrl: async ({ subscriptionRef, returnUrl }, call) => {
      if (subscriptionRef === undefined) throw refuseState("There is no subscription to manage.");
      const portal = await ask(call, openPortal(keeper, subscriptionRef, returnUrl));
      return {
        url: `${options.baseUrl}/portal/${portal.id}`,
        expiresAt: new Date(portal.expiresAt),
      };
    },
    changePlan: (input, call) =>
      ask(
        call,
        edit(keeper, input.ref, (one, at) => changeSubscription(one, input, at)),
      ),
    cancelSubscription: ({ ref, when }, call) =>
      ask(
        call,
        edit(keeper, ref, (one, at) => cancel(one, when, at)),
      ),
    resumeSubscription: (ref, call) =>
      ask(
        call,
        edit(keeper, ref, (one, at) => resume(one, at)),
      ),
    refund: async (input, call) => {
      checkRefund(input);
      await ask(call, refund(keeper, input));
      return ask(call, fetchReversals(keeper, input.paymentRef));
    },
    reconcile: (input, call) => reconcile(keeper, input, (work) => ask(call, work)),
  };
}

const isUnknown = (error: unknown) =>
  error instanceof DomainError && error.code === "provider_unavailable";

/** A store that fails or hangs is a provider that can't be reached. */
async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(refuseUnknown(new Error("The store is late."))), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    throw error instanceof DomainError ? error : refuseUnknown(error);
  } finally {
    clearTimeout(timer);
  }
}

function showCheckout(payment: SandboxPayment, baseUrl: string): CheckoutCreated {
  const { id: ref, price, customerRef, expiresAt } = payment;
  return {
    ref,
    url: `${baseUrl}/checkout/${ref}`,
    sent: price,
    customerRef,
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt) }),
  };
}

function showCharge({ id: paymentRef, status, failure }: SandboxPayment): OffSessionResult {
  if (status === "paid") {
    return { status: "succeeded", paymentRef, effectKey: nameEffect("test", paymentRef) };
  }
  return { status: "needs_customer", paymentRef, code: failure ?? "card_declined" };
}

function show(document: SandboxDocument, now: number): SubscriptionSnapshot {
  if (document.kind !== "subscription") throw new DomainError("not_found");
  const { id, status, planRef, customerRef, orderRef, periodStart, periodEnd } = document;
  const cancelAt = document.endedAt ?? (document.cancelAtPeriodEnd ? periodEnd : undefined);
  const { trialEndsAt } = document;
  return {
    ref: id,
    status,
    planRef,
    customerRef,
    orderRef,
    periodStart: new Date(periodStart),
    periodEnd: new Date(periodEnd),
    ...(cancelAt !== undefined && { cancelAt: new Date(cancelAt) }),
    ...(trialEndsAt !== undefined && { trialEndsAt: new Date(trialEndsAt) }),
    fetchedAt: new Date(now),
  };
}

async function edit(
  keeper: SandboxKeeper,
  ref: string,
  change: (subscription: SandboxSubscription, at: number) => void,
): Promise<SubscriptionSnapshot> {
  const at = await keeper.timeOf(await refresh(keeper, ref));
  const changed = await keeper.change("subscription", ref, (one) => change(one, at));
  return show(changed, keeper.now());
}

async function openPortal(keeper: SandboxKeeper, subscriptionRef: string, returnUrl: string) {
  await keeper.get("subscription", subscriptionRef);
  const expiresAt = keeper.now() + portalLifeMs;
  const id = `portal_${randomUUID()}`;
  const portal = { kind: "portal" as const, id, subscriptionRef, returnUrl, expiresAt, events: [] };
  await keeper.create(portal);
  return portal;
}

async function fetchReversals(keeper: SandboxKeeper, paymentRef: string): Promise<ProviderFact[]> {
  const told = { mode: "test" as const, occurredAt: new Date(keeper.now()) };
  const subscriptionRef = subscriptionOf(paymentRef);
  if (subscriptionRef === undefined) {
    const payment = await keeper.get("payment", paymentRef);
    const disputes = describe(payment).filter(({ type }) => type.startsWith("dispute."));
    return [describeReversal(payment), ...disputes].flatMap((news) => readNews(news, told));
  }
  const { invoices, customerRef: customer } = await keeper.get("subscription", subscriptionRef);
  const invoice = invoices.find(({ id }) => id === paymentRef);
  if (!invoice) throw new DomainError("not_found");
  return readNews(viewReversal({ ...invoice, customer }, invoice.money), told);
}

/** Everything about a document, brought to the present. */
async function tell(keeper: SandboxKeeper, ref: string): Promise<ProviderFact[]> {
  const document = await refresh(keeper, ref);
  const told = { mode: "test" as const, occurredAt: new Date(await keeper.timeOf(document)) };
  return describe(document).flatMap((news) => readNews(news, told));
}

async function* reconcile(
  keeper: SandboxKeeper,
  { since, open }: Parameters<PaymentProvider["reconcile"]>[0],
  ask: <T>(work: Promise<T>) => Promise<T>,
): AsyncGenerator<ProviderFact> {
  const failure = yield* settleEach(open, async ({ ref }) => ask(tell(keeper, ref)));
  let after: string | undefined;
  for (let seen = 0; seen < mostDocuments; seen += pageSize) {
    const ids = await ask(keeper.listChanged(since.getTime(), pageSize, after));
    for (const id of ids) yield* await ask(tell(keeper, id));
    if (ids.length < pageSize) break;
    after = ids.at(-1);
  }
  if (failure !== undefined) throw failure;
}

const Event = z.object({
  id: z.string(),
  type: z.string(),
  api_version: z.string(),
  mode: z.string(),
  created_at: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
});

function readDelivery(text: string): Delivery {
  const raw = parseObject(text);
  if (raw.mode !== "test") throw refuseWebhook("wrong_mode");
  if (raw.api_version !== sandboxVersion) throw refuseWebhook("wrong_api_version");
  const parsed = Event.safeParse(raw);
  if (!parsed.success) throw new DomainError("malformed_body", {}, { cause: parsed.error });
  const { id, type, created_at, data } = parsed.data;
  const told = { mode: "test" as const, occurredAt: new Date(created_at) };
  const facts = readNews({ type, data }, told);
  return {
    deliveryId: id,
    dedupe: id,
    type,
    mode: "test",
    occurredAt: told.occurredAt,
    facts,
    raw,
  };
}
