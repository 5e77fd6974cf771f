import type { PaymentSucceeded } from "@ducat/billing/facts";
import type { OffSessionResult, PaymentProvider } from "@ducat/billing/provider";
import {
  markSent,
  type ReloadCharge,
  type Reservation,
  recordReload,
  reserveReload,
} from "@ducat/db/auto-reload";
import { DomainError } from "@ducat/types/errors";
import { applyFacts } from "./apply-facts.ts";
import { isFinal } from "./is-final.ts";
import type { PaymentDeps } from "./providers.ts";

/** Providers forget a key after a day at the earliest (docs.stripe.com/api/idempotent_requests). */
const keyLifeMs = 23 * 3_600_000;
/** A charge that was reserved and never asked for is not made any more after this. */
const reservedLifeMs = 3_600_000;

type Charging = PaymentProvider &
  Required<Pick<PaymentProvider, "chargeOffSession" | "findCharge">>;
/** A charge, and the provider that makes it. */
type Asked = { provider: Charging; charge: ReloadCharge };

/**
 * Buys the pack of an account's auto-reload if it is to be bought now: by the saved card, else by
 * a link that the customer is sent. The attempt is in the database before the provider is asked,
 * and its id is the key that the provider hears, so whatever happens meanwhile, resolveAttempt
 * finds out and there is one charge. Returns what was decided. Errors: unavailable.
 */
export async function chargeReload(
  deps: PaymentDeps,
  accountId: string,
): Promise<Reservation["action"]> {
  const charging = [...deps.providers.values()].filter(canCharge).map(({ name }) => name);
  const reserved = await reserveReload(deps.db, accountId, { mode: deps.mode, charging });
  if (reserved.action === "charge") {
    const { charge } = reserved;
    const provider = findCharging(deps, charge);
    if (provider) await makeCharge(deps, { provider, charge });
  }
  return reserved.action;
}

/**
 * Finds out what became of a charge whose sender is gone or got no answer. The provider is asked
 * for it by its key first; only where it has none the same charge is made, with the same key,
 * for as long as the provider knows the key. Errors: unavailable.
 */
export async function resolveAttempt(deps: PaymentDeps, charge: ReloadCharge): Promise<void> {
  const provider = findCharging(deps, charge);
  if (!provider) return;
  const asked = { provider, charge };
  const found = await lookUp(asked);
  if (found) return recordResult(deps, asked, found);
  const ageMs = deps.now() - charge.created_at.getTime();
  const isUnasked = charge.status === "reserved";
  const isKeyed = provider.caps.outgoingIdempotency && ageMs < keyLifeMs;
  if (isUnasked ? ageMs < reservedLifeMs : isKeyed) return makeCharge(deps, asked);
  // Nobody was charged, and asking now could be a second charge for all that the provider knows.
  await recordReload(deps.db, charge.attempt_id, { status: "expired" });
}

const canCharge = (provider: PaymentProvider): provider is Charging =>
  provider.caps.offSession === "saved_method" &&
  provider.chargeOffSession !== undefined &&
  provider.findCharge !== undefined;

/** Undefined in a process that has no key for the provider: another one does it. */
function findCharging({ providers, mode }: PaymentDeps, charge: ReloadCharge) {
  const provider = [...providers.values()].find(({ name }) => name === charge.provider);
  return provider && charge.mode === mode && canCharge(provider) ? provider : undefined;
}

async function makeCharge(deps: PaymentDeps, asked: Asked): Promise<void> {
  if (!(await markSent(deps.db, asked.charge.attempt_id))) return;
  await recordResult(deps, asked, await ask(asked));
}

type Result = OffSessionResult | { status: "failed"; code: string };

async function ask({ provider, charge }: Asked): Promise<Result> {
  const { attempt_id: key, reference: orderRef, customer_ref, method_ref, money, name } = charge;
  const title = name.en ?? Object.values(name)[0] ?? "Auto-reload";
  const refs = { customerRef: customer_ref, methodRef: method_ref };
  try {
    return await provider.chargeOffSession({ key, orderRef, ...refs, money, title });
  } catch (error) {
    if (!isFinal(error)) return { status: "unknown" };
    // A refusal of a repeat says nothing about the first request with this key.
    const found = await lookUp({ provider, charge });
    return found ?? { status: "failed", code: (error as DomainError).code };
  }
}

async function lookUp({ provider, charge }: Asked): Promise<OffSessionResult | undefined> {
  const { attempt_id: key, customer_ref: customerRef, created_at: since } = charge;
  try {
    return await provider.findCharge({ key, customerRef, since });
  } catch (error) {
    if (error instanceof DomainError && error.code !== "unavailable") return { status: "unknown" };
    throw error;
  }
}

async function recordResult(deps: PaymentDeps, asked: Asked, result: Result): Promise<void> {
  if (result.status === "succeeded") {
    const fact = { ...describeSuccess(asked, result), occurredAt: new Date(deps.now()) };
    await applyFacts(deps, asked.provider, [fact]);
    return;
  }
  await recordReload(deps.db, asked.charge.attempt_id, result);
}

type Succeeded = Extract<OffSessionResult, { status: "succeeded" }>;

/** The same fact as the webhook of this charge, under the same key. */
function describeSuccess(
  { provider: { name, mode }, charge }: Asked,
  { paymentRef, effectKey }: Succeeded,
): Omit<PaymentSucceeded, "occurredAt"> {
  const { reference, customer_ref, money } = charge;
  return {
    kind: "payment.succeeded",
    provider: name,
    mode,
    effectKey,
    customerRef: customer_ref,
    orderRef: reference,
    paymentRef,
    purpose: "reload",
    money,
    price: money,
  };
}
