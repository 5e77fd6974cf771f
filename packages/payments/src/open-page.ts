import type { CheckoutInput, PaymentProvider } from "@ducat/billing/provider";
import { findBuyer, findOffer, type Offer } from "@ducat/db/offers";
import { releaseOpening } from "@ducat/db/open-pages";
import {
  claimOpening,
  type FoundOrder,
  findOrder,
  type Payment,
  recordCheckout,
} from "@ducat/db/payments";
import { findCustomer } from "@ducat/db/provider-customers";
import { DomainError } from "@ducat/types/errors";
import type { PaymentDeps } from "./providers.ts";

/** One request to a provider; opening a page takes two at most. */
const timeoutMs = 10_000;
/** Longer than opening a page may take: then its opener is gone. */
const openingSeconds = 40;
/** A page that ends sooner is not worth sending anybody to. */
const leastLifeMs = 60_000;
/** Where a page doesn't say when it ends, a second click within this still gets the same one. */
const doubleClickMs = 15_000;

/**
 * The page where a payment can be paid: the one that is open, else a new one, asked for under the
 * payment's reference by one caller at a time. Returns the payment with its checkout_url.
 * Errors: in_progress (another caller asks), provider_unavailable (ask again: it stays one order),
 * account_frozen, invalid_state (it is paid, or the provider refused), not_found,
 * validation_failed.
 */
export async function openPage(deps: PaymentDeps, payment: Payment): Promise<Payment> {
  const { db } = deps;
  const provider = getProvider(deps, payment);
  const before = await findOrder(db, { reference: payment.reference });
  if (before && isPageOpen(deps, provider, before)) return before.payment;
  if (!(await claimOpening(db, payment.id, openingSeconds))) {
    throw new DomainError("in_progress", { detail: "The payment page is being opened." });
  }
  try {
    // What another caller has opened meanwhile is as good.
    const order = await findOrder(db, { reference: payment.reference });
    if (!order) throw new DomainError("not_found");
    if (isPageOpen(deps, provider, order)) {
      await releaseOpening(db, payment.id);
      return order.payment;
    }
    const input = await describeCheckout(deps, provider, order);
    const page = await provider.createCheckout(input, { timeoutMs });
    return await recordCheckout(db, payment.id, page);
  } catch (error) {
    // Else the next caller waits for nothing; what is told is why it failed.
    await releaseOpening(db, payment.id).catch(() => undefined);
    throw error;
  }
}

/** The provider of an order. Errors: invalid_state (it is not set up here any more). */
export function getProvider({ providers, mode }: PaymentDeps, payment: Payment): PaymentProvider {
  const provider = providers.get(payment.provider);
  if (provider && payment.mode === mode) return provider;
  throw new DomainError("invalid_state", {
    detail: "The payment provider of this order is not set up here any more.",
  });
}

/** A customer who came back from a bank's page can't use it again, and nothing tells its end. */
export function isPageOpen(
  deps: PaymentDeps,
  provider: PaymentProvider,
  order: FoundOrder,
): boolean {
  const { payment, attempt } = order;
  const isWaiting = payment.status === "created" || payment.status === "pending";
  if (!isWaiting || payment.checkout_url === null || attempt?.kind !== "checkout") return false;
  if (provider.caps.returnIsAuthoritative) {
    return attempt.created_at.getTime() > deps.now() - doubleClickMs;
  }
  const end = payment.expires_at?.getTime() ?? 0;
  return attempt.status === "sent" && end > deps.now() + leastLifeMs;
}

async function describeCheckout(
  deps: PaymentDeps,
  provider: PaymentProvider,
  { payment, attempt }: FoundOrder,
): Promise<CheckoutInput> {
  const { db, publicUrl } = deps;
  const { account_id: accountId, price_id: priceId } = payment;
  const [buyer, offer, customer] = await Promise.all([
    findBuyer(db, accountId),
    priceId === null ? undefined : findOffer(db, priceId),
    findCustomer(db, accountId, payment),
  ]);
  if (!buyer || !offer) throw new DomainError("not_found");
  // Another order may have begun one since this one was made.
  if (payment.purpose === "subscription" && buyer.has_plan) {
    const extra = { reason: "has_subscription" };
    throw new DomainError("invalid_state", { detail: "A plan is running already.", extra });
  }
  const isPlan = payment.purpose === "subscription" && provider.caps.subscriptions === "native";
  const priceRef = nameAtProvider(provider, offer);
  const hasTrial = isPlan && offer.trial_days > 0 && !buyer.had_plan;
  const done = `${publicUrl}/pay/${payment.reference}/done`;
  const { email, phone, locale } = buyer;
  return {
    orderRef: payment.reference,
    kind: isPlan ? "subscription" : "pack",
    price: { amount: payment.amount, currency: payment.currency },
    ...(priceRef !== undefined && { priceRef }),
    title: chooseText(offer, locale),
    ...(offer.interval !== "once" && { interval: offer.interval }),
    ...(hasTrial && { trialDays: offer.trial_days }),
    customer: {
      accountRef: accountId,
      ...(customer && { ref: customer.customer_ref }),
      ...(email !== null && { email }),
      ...(phone !== null && { phone }),
    },
    // Both pages ask what became of the order before they send the customer on.
    returnUrl: provider.caps.returnIsAuthoritative ? callbackUrl(deps, provider) : done,
    cancelUrl: done,
    ...(attempt?.kind === "checkout" && attempt.ref !== null && { after: attempt.ref }),
    saveMethod: payment.saves_method,
  };
}

const callbackUrl = ({ publicUrl }: PaymentDeps, { name }: PaymentProvider) =>
  `${publicUrl}/callbacks/${name}`;

/**
 * What a price is called at its provider; undefined where it is made on the spot. Where plans have
 * no name of their own there, ours is the price's id: it finds the plan again.
 */
export function nameAtProvider({ name, caps }: PaymentProvider, offer: Offer): string | undefined {
  if (offer.provider === name && offer.provider_ref !== null) return offer.provider_ref;
  return offer.kind === "plan" && caps.priceRefs === "none" ? offer.price_id : undefined;
}

const longestTitle = 200;

function chooseText({ name, product }: Offer, locale: string): string {
  const text = name[locale] ?? name[locale.slice(0, 2)] ?? name.en ?? Object.values(name)[0];
  return (text ?? product).slice(0, longestTitle);
}
