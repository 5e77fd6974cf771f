import type { PaymentProvider } from "@ducat/billing/provider";
import { refuseInput } from "@ducat/billing/refusals";
import type { Offer } from "@ducat/db/offers";
import type { ProviderName } from "@ducat/db/payments";
import { DomainError } from "@ducat/types/errors";
import type { Providers } from "./providers.ts";

/** What a caller says about how a thing shall be sold; what is left out is chosen. */
export type Wish = {
  provider?: ProviderName | undefined;
  interval?: Offer["interval"] | undefined;
  currency?: string | undefined;
  /** The card shall be kept. */
  savesMethod?: boolean | undefined;
};

export type Chosen = { offer: Offer; provider: PaymentProvider };

/**
 * The price and the provider of an order: of all that fit the wish, the customer's own currency
 * before others, a month before a year, a provider's own price before one for any, and providers
 * in the order in which the deployment has them.
 * Errors: not_found (nothing is on sale), validation_failed (nothing fits; the fault says why).
 */
export function chooseOffer(
  offers: readonly Offer[],
  { providers, locale }: { providers: Providers; locale: string },
  wish: Wish,
): Chosen {
  if (offers.length === 0) throw new DomainError("not_found", { detail: "This is not on sale." });
  const sold = keep(offers, ({ currency }) => currency === (wish.currency ?? currency), {
    pointer: "/currency",
    detail: `It is not sold in ${wish.currency}.`,
  });
  const fitting = keep(sold, ({ interval }) => interval === (wish.interval ?? interval), {
    pointer: "/interval",
    detail: "It is not sold by this interval.",
  });
  const priced = keep(fitting, ({ amount }) => amount > 0, {
    pointer: "/price_id",
    detail: "It costs nothing: there is nothing to pay.",
  });
  const all = pair(priced, listProviders(providers, wish));
  const saving = keep(all, ({ provider }) => !wish.savesMethod || canSave(provider), {
    pointer: "/save_card",
    detail: "No payment provider that fits keeps cards.",
  });
  const [best] = saving.sort((one, other) => rank(one, locale) - rank(other, locale));
  if (!best) throw new Error("a list that was kept is not empty");
  return best;
}

/** Whether a provider can sell at a price: its currency, its kind, and what must exist there. */
export function canSell({ caps, name }: PaymentProvider, offer: Offer): boolean {
  const isOwn = offer.provider === name;
  const hasRef = isOwn && offer.provider_ref !== null;
  const isPlan = offer.kind === "plan";
  const needsRef = caps.priceRefs === "all" || (caps.priceRefs === "plans" && isPlan);
  return (
    (isOwn || offer.provider === null) &&
    caps.currencies.includes(offer.currency) &&
    (hasRef || !needsRef) &&
    (offer.interval !== "once") === isPlan
  );
}

const canSave = ({ caps }: PaymentProvider) => caps.offSession !== "none";

function listProviders(providers: Providers, wish: Wish): PaymentProvider[] {
  const { provider: name } = wish;
  if (name === undefined) return [...providers.values()];
  const named = providers.get(name);
  if (!named) throw refuseInput("/provider", "This payment provider is not set up here.");
  return [named];
}

function pair(offers: readonly Offer[], providers: readonly PaymentProvider[]): Chosen[] {
  const pairs = offers.flatMap((offer) =>
    providers
      .filter((provider) => canSell(provider, offer))
      .map((provider) => ({ offer, provider })),
  );
  if (pairs.length > 0) return pairs;
  throw refuseInput("/provider", "No payment provider that is set up here can take this price.");
}

function keep<T>(
  all: readonly T[],
  isKept: (one: T) => boolean,
  fault: { pointer: string; detail: string },
): T[] {
  const kept = all.filter(isKept);
  if (kept.length === 0) throw refuseInput(fault.pointer, fault.detail);
  return kept;
}

/** The sort is stable, so that equal ones stay in the order of the providers. */
function rank({ offer }: Chosen, locale: string): number {
  const isLocal = (offer.currency === "IRR") === locale.toLowerCase().startsWith("fa");
  return (isLocal ? 0 : 4) + (offer.interval === "year" ? 2 : 0) + (offer.provider ? 0 : 1);
}
