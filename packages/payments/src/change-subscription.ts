import { createHash } from "node:crypto";
import type { PaymentProvider, SubscriptionSnapshot } from "@ducat/billing/provider";
import { refuseInput, refuseState } from "@ducat/billing/refusals";
import type { RequestKey } from "@ducat/db/credits";
import { findOffer, listOffers, type Offer, type Wanted } from "@ducat/db/offers";
import { cancelOwn, resumeOwn } from "@ducat/db/own-subscriptions";
import {
  applySubscription,
  type CurrentSubscription,
  drawTicket,
  findSubscription,
  scheduleChange,
} from "@ducat/db/subscriptions";
import { DomainError } from "@ducat/types/errors";
import { chooseOffer, type Wish } from "./choose-offer.ts";
import { nameAtProvider } from "./open-page.ts";
import type { PaymentDeps } from "./providers.ts";

const timeoutMs = 10_000;

/** The account's subscription, the last one if none runs. Errors: not_found (it never had one). */
export async function getSubscription(
  deps: PaymentDeps,
  accountId: string,
): Promise<CurrentSubscription> {
  const subscription = await findSubscription(deps.db, accountId);
  if (subscription) return subscription;
  throw new DomainError("not_found", { detail: "There is no subscription." });
}

/**
 * Ends the account's subscription with its period, or now where its provider can. Returns it as it
 * is then. Errors: not_found, invalid_state (it has ended), validation_failed (it can't end now),
 * provider_unavailable.
 */
export async function cancelSubscription(
  deps: PaymentDeps,
  accountId: string,
  when: "period_end" | "now",
): Promise<CurrentSubscription> {
  const subscription = await getRunning(deps, accountId);
  const theirs = findTheirs(deps, subscription);
  if (when === "now" && !theirs?.provider.caps.cancelNow) {
    throw refuseInput("/when", "It can only end with its period.");
  }
  if (!theirs) await cancelOwn(deps.db, accountId);
  else
    await tell(deps, theirs, ({ ref, provider }) =>
      provider.cancelSubscription?.({ ref, when }, { timeoutMs }),
    );
  return getSubscription(deps, accountId);
}

/**
 * Takes a cancellation back that waits for the end of the period. Returns the subscription as it
 * is then. Errors: as of cancelSubscription.
 */
export async function resumeSubscription(
  deps: PaymentDeps,
  accountId: string,
): Promise<CurrentSubscription> {
  const subscription = await getRunning(deps, accountId);
  const theirs = findTheirs(deps, subscription);
  if (!theirs) await resumeOwn(deps.db, accountId);
  else
    await tell(deps, theirs, ({ ref, provider }) =>
      provider.resumeSubscription?.(ref, { timeoutMs }),
    );
  return getSubscription(deps, accountId);
}

export type PlanChange = {
  accountId: string;
  requestKey: RequestKey;
  wanted: Wanted;
  wish: Pick<Wish, "interval" | "currency">;
};

/**
 * Moves the account's subscription to another plan of its currency and interval: to a larger one
 * at once, with an invoice for the difference; to a smaller one from the next period on, as all
 * changes of a subscription that we renew ourselves. Returns the subscription as it is then.
 * Errors: not_found (no subscription, no such plan), invalid_state (extra.reason: canceling,
 * interval, status), validation_failed, provider_unavailable (ask again with the same key).
 */
export async function changeSubscription(
  deps: PaymentDeps,
  change: PlanChange,
): Promise<CurrentSubscription> {
  const { db } = deps;
  const { accountId, wanted } = change;
  const subscription = await getRunning(deps, accountId);
  const theirs = findTheirs(deps, subscription);
  const offers = await listOffers(db, accountId, wanted);
  const plans = offers.filter(({ kind }) => kind === "plan");
  if (!theirs) {
    const { price_id: priceId } = chooseOwn(plans, subscription, change.wish);
    await scheduleChange(db, accountId, { priceId });
    return getSubscription(deps, accountId);
  }
  refuseUnfit(subscription);
  const { provider } = theirs;
  const wish = { ...defaultsOf(subscription), ...definedOnly(change.wish) };
  const providers = new Map([[provider.name, provider]]);
  const { offer } = chooseOffer(plans, { providers, locale: "" }, wish);
  if (offer.interval !== subscription.interval) {
    throw refuseFor("interval", "A subscription keeps its interval: let it end, then begin anew.");
  }
  const steps = await planSteps(deps, subscription, offer);
  for (const [index, step] of steps.entries()) {
    const key = `${nameChange(change)}:${index}`;
    await tell(deps, theirs, () => changeAtProvider(theirs, step, key));
  }
  return getSubscription(deps, accountId);
}

type Theirs = { provider: PaymentProvider; ref: string };
type Step = { offer: Offer; when: "now" | "period_end" };

async function getRunning(deps: PaymentDeps, accountId: string): Promise<CurrentSubscription> {
  const subscription = await getSubscription(deps, accountId);
  const { status } = subscription;
  if (status !== "canceled" && status !== "incomplete") return subscription;
  throw new DomainError("invalid_state", {
    detail: "No subscription is running.",
    extra: { reason: "status", status },
  });
}

/**
 * The provider that keeps the subscription; undefined for one that we renew ourselves.
 * Errors: invalid_state (reason: assigned, or it is not set up here).
 */
function findTheirs(deps: PaymentDeps, subscription: CurrentSubscription): Theirs | undefined {
  const { provider: name, provider_ref: ref, mode } = subscription;
  if (ref === null) return undefined;
  if (name === "manual") {
    throw refuseFor("assigned", "This plan was given, not bought: whoever gave it can change it.");
  }
  const provider = deps.providers.get(name);
  if (provider && mode === deps.mode) return { provider, ref };
  throw refuseState("The payment provider of this subscription is not set up here any more.");
}

/**
 * Asks the provider and applies what it answers, in the order of the questions: the ticket is drawn
 * before. The webhooks that follow tell the same.
 */
async function tell(
  { db, mode }: PaymentDeps,
  theirs: Theirs,
  ask: (theirs: Theirs) => Promise<SubscriptionSnapshot> | undefined,
): Promise<void> {
  const ticket = await drawTicket(db);
  const snapshot = await ask(theirs);
  if (!snapshot) throw refuseState("The provider of this subscription doesn't offer this.");
  await applySubscription(db, { provider: theirs.provider.name, mode, snapshot, ticket });
}

function changeAtProvider({ provider, ref }: Theirs, { offer, when }: Step, key: string) {
  const { amount, currency } = offer;
  const planRef = nameAtProvider(provider, offer);
  if (planRef === undefined) throw refuseState("This plan is not set up at the provider.");
  const input = { ref, planRef, price: { amount, currency }, when, key };
  return provider.changePlan?.(input, { timeoutMs });
}

/**
 * What to ask the provider, which has the smaller plan already where one was planned. The plan that
 * was paid for comes back without money first: else the difference would be paid a second time.
 */
async function planSteps(
  { db }: PaymentDeps,
  subscription: CurrentSubscription,
  offer: Offer,
): Promise<Step[]> {
  const { price_id, next_price_id } = subscription;
  const current = price_id === null ? undefined : await findOffer(db, price_id);
  const back: Step[] =
    next_price_id !== null && current ? [{ offer: current, when: "period_end" }] : [];
  if (offer.price_id === price_id) return back;
  if (current && isSmaller(offer, current)) return [{ offer, when: "period_end" }];
  return [...back, { offer, when: "now" }];
}

/** The same rule by which the books tell a step down: fewer credits, else less money. */
function isSmaller(offer: Offer, current: Offer): boolean {
  if (offer.credits !== current.credits) return offer.credits < current.credits;
  return offer.amount < current.amount;
}

/** The provider of our own subscriptions is asked when the next order is made. */
function chooseOwn(plans: Offer[], subscription: CurrentSubscription, wish: PlanChange["wish"]) {
  const { provider } = subscription;
  const sold = plans.filter((plan) => (plan.provider ?? provider) === provider);
  const { interval, currency } = { ...defaultsOf(subscription), ...definedOnly(wish) };
  const fitting = sold.filter((plan) => plan.currency === currency && plan.amount > 0);
  const offer = fitting.find((plan) => plan.interval === interval) ?? fitting[0];
  if (!offer || (wish.interval && offer.interval !== wish.interval)) {
    throw new DomainError("not_found", { detail: "This plan is not sold for this subscription." });
  }
  return offer;
}

function refuseUnfit({ status, cancel_at }: CurrentSubscription): void {
  if (cancel_at !== null) throw refuseFor("canceling", "It is being canceled: resume it first.");
  if (status === "active" || status === "trialing") return;
  throw new DomainError("invalid_state", {
    detail: "The plan can be changed while the subscription is paid for.",
    extra: { reason: "status", status },
  });
}

const refuseFor = (reason: string, detail: string) =>
  new DomainError("invalid_state", { detail, extra: { reason } });

const defaultsOf = ({ interval, price }: CurrentSubscription) => ({
  interval,
  currency: price?.currency,
});

const definedOnly = (wish: PlanChange["wish"]) =>
  Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined)) as Wish;

/** The same request has the same name, and no other one has. */
function nameChange({ accountId, requestKey }: PlanChange): string {
  const hash = createHash("sha256").update(JSON.stringify([accountId, requestKey.key]));
  return hash.update(requestKey.fingerprint).digest("hex").slice(0, 40);
}
