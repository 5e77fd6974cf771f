import { listRunning } from "@ducat/db/erasures";
import { cancelGeneration } from "@ducat/db/generations";
import { findSubscription } from "@ducat/db/subscriptions";
import { cancelSubscription } from "@ducat/payments/change-subscription";
import { DomainError } from "@ducat/types/errors";
import type { Deps } from "./deps.ts";

/**
 * Ends what runs for an account: its subscription, now where that can be, else with its period; and
 * its generations, of which those that a provider is at work on end a moment later.
 * Errors: those of cancelSubscription.
 */
export async function endRunning(
  { db, payments }: Pick<Deps, "db" | "payments">,
  accountId: string,
): Promise<void> {
  const subscription = await findSubscription(db, accountId);
  if (subscription && !["canceled", "incomplete"].includes(subscription.status)) {
    const { provider, provider_ref: ref, cancel_at: end } = subscription;
    const isGiven = provider === "manual"; // ends with the account, and costs nobody anything
    const canEndNow = ref !== null && payments.providers.get(provider)?.caps.cancelNow === true;
    if (canEndNow) await cancelSubscription(payments, accountId, "now");
    else if (end === null && !isGiven) await cancelSubscription(payments, accountId, "period_end");
  }
  for (const id of await listRunning(db, accountId)) {
    await cancelGeneration(db, accountId, id).catch((error: unknown) => {
      // It has ended meanwhile.
      if (!(error instanceof DomainError && error.code === "invalid_state")) throw error;
    });
  }
}
