import type { PaymentProvider } from "@ducat/billing/provider";
import { refuseInput } from "@ducat/billing/refusals";
import { type AutoReload, getAutoReload, setAutoReload } from "@ducat/db/auto-reload";
import { listOffers, type Wanted } from "@ducat/db/offers";
import type { ProviderName } from "@ducat/db/payments";
import { findCustomer } from "@ducat/db/provider-customers";
import { DomainError } from "@ducat/types/errors";
import { chooseOffer, type Wish } from "./choose-offer.ts";
import type { PaymentDeps, Providers } from "./providers.ts";

export type ReloadWish = {
  threshold: number;
  wanted: Wanted;
  wish: Pick<Wish, "provider" | "currency">;
  /** Minor units of the price's currency in a calendar month; undefined: no cap. */
  monthlyCap: number | undefined;
  consent: boolean;
};

/**
 * Switches auto-reload on: with the provider that is named, else one where the account has a saved
 * card, else any that can send a link. Errors: those of chooseOffer; not_found; validation_failed
 * (no pack of 10 credits, a cap below the price, no consent).
 */
export async function enableAutoReload(
  deps: PaymentDeps,
  accountId: string,
  wish: ReloadWish,
): Promise<AutoReload> {
  const { db } = deps;
  const offers = await listOffers(db, accountId, wish.wanted);
  const packs = offers.filter(({ kind }) => kind === "pack");
  const choose = (providers: Providers) => chooseOffer(packs, { providers, locale: "" }, wish.wish);
  const { offer, provider } = await preferSaved(deps, { accountId, wish: wish.wish }, choose);
  const settings = {
    enabled: true,
    threshold: wish.threshold,
    priceId: offer.price_id,
    provider: provider.name,
    monthlyCap: wish.monthlyCap,
    consent: wish.consent,
  };
  try {
    return await setAutoReload(db, accountId, settings);
  } catch (error) {
    throw explain(error);
  }
}

/** Switches it off and keeps what was set; undefined where it never was. */
export async function disableAutoReload(
  { db }: PaymentDeps,
  accountId: string,
): Promise<AutoReload | undefined> {
  const now = await getAutoReload(db, accountId);
  if (!now?.enabled) return now;
  return setAutoReload(db, accountId, {
    enabled: false,
    threshold: now.threshold,
    priceId: now.price_id,
    provider: now.provider,
    monthlyCap: now.monthly_cap ?? undefined,
    consent: false,
  });
}

async function preferSaved<T>(
  deps: PaymentDeps,
  { accountId, wish }: { accountId: string; wish: ReloadWish["wish"] },
  choose: (providers: Providers) => T,
): Promise<T> {
  if (wish.provider !== undefined) return choose(deps.providers);
  const able = [...deps.providers.values()].filter(({ caps }) => caps.offSession !== "none");
  const saved = new Map<ProviderName, PaymentProvider>();
  for (const provider of able) {
    const { name, mode } = provider;
    const customer = await findCustomer(deps.db, accountId, { provider: name, mode });
    if (customer?.method_ref) saved.set(name, provider);
  }
  if (saved.size === 0) return choose(deps.providers);
  try {
    return choose(saved);
  } catch {
    // The card is where this price is not sold: then a link is sent by whoever sells it.
    return choose(deps.providers);
  }
}

const faults: Record<string, [pointer: string, detail: string]> = {
  threshold: ["/threshold", "From 1 to 100 credits."],
  pack: ["/price_id", "It buys a pack of at least 10 credits that is bound to no subject."],
  monthly_cap: ["/monthly_cap", "At least the price of one reload."],
  consent: ["/consent", "The customer has to agree to be charged while they are away."],
};

/** The database names the fault; callers are told where it stands in their request. */
function explain(error: unknown): unknown {
  if (!(error instanceof DomainError) || error.code !== "validation_failed") return error;
  const fault = faults[String(error.detail.extra?.what)];
  return fault ? refuseInput(...fault) : error;
}
