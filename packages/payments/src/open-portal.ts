import type { PaymentProvider } from "@ducat/billing/provider";
import { findCustomer } from "@ducat/db/provider-customers";
import { findSubscription } from "@ducat/db/subscriptions";
import { DomainError } from "@ducat/types/errors";
import type { PaymentDeps } from "./providers.ts";

const timeoutMs = 10_000;

/**
 * The provider's page where the account manages its card and plan; it lives shortly and is made
 * anew each time. The subscription's provider comes first, then any that knows the account.
 * Errors: not_found (there is nothing to manage), invalid_state, provider_unavailable.
 */
export async function openPortal(
  deps: PaymentDeps,
  accountId: string,
  returnUrl: string,
): Promise<{ url: string; expiresAt?: Date }> {
  const { db, mode } = deps;
  const subscription = await findSubscription(db, accountId);
  const offering = [...deps.providers.values()].filter(({ caps }) => caps.portal !== "none");
  const isFirst = ({ name }: PaymentProvider) => name === subscription?.provider;
  const sorted = offering.sort((one, other) => Number(isFirst(other)) - Number(isFirst(one)));
  for (const provider of sorted) {
    const customer = await findCustomer(db, accountId, { provider: provider.name, mode });
    const isTheirs = isFirst(provider) && subscription?.mode === mode;
    const subscriptionRef = isTheirs ? subscription?.provider_ref : undefined;
    const customerRef =
      (isTheirs ? subscription?.customer_ref : undefined) ?? customer?.customer_ref;
    if (customerRef === undefined || !provider.createPortalUrl) continue;
    const input = { customerRef, returnUrl, ...(subscriptionRef && { subscriptionRef }) };
    return provider.createPortalUrl(input, { timeoutMs });
  }
  throw new DomainError("not_found", { detail: "This account has nothing to manage yet." });
}
