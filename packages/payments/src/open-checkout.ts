import { refuseInput } from "@ducat/billing/refusals";
import type { RequestKey } from "@ducat/db/credits";
import { findBuyer, listOffers, type Offer, type Wanted } from "@ducat/db/offers";
import { openPayment, type Payment } from "@ducat/db/payments";
import { DomainError } from "@ducat/types/errors";
import { chooseOffer, type Wish } from "./choose-offer.ts";
import { openPage } from "./open-page.ts";
import type { PaymentDeps } from "./providers.ts";

export type CheckoutRequest = {
  accountId: string;
  requestKey: RequestKey;
  wanted: Wanted;
  wish: Wish;
  subject?: string | undefined;
  /** The caller has checked whose site it is. */
  returnUrl: string;
  metadata: Record<string, unknown>;
};

/**
 * An order and the page where it is paid. Our row is first: a repeat with the key goes on with the
 * same order and reference, wherever the first try has stopped. Returns the payment with its
 * checkout_url. Errors: those of chooseOffer, openPayment and openPage.
 */
export async function openCheckout(
  deps: PaymentDeps,
  request: CheckoutRequest,
): Promise<Payment & { checkout_url: string }> {
  const { db, providers } = deps;
  const { accountId, wanted, wish, subject } = request;
  const [buyer, offers] = await Promise.all([
    findBuyer(db, accountId),
    listOffers(db, accountId, wanted),
  ]);
  if (!buyer) throw new DomainError("not_found");
  const { offer, provider } = chooseOffer(offers, { providers, locale: buyer.locale }, wish);
  checkSubject(offer, subject);
  const payment = await openPayment(db, accountId, {
    priceId: offer.price_id,
    provider: provider.name,
    mode: deps.mode,
    subject,
    returnUrl: request.returnUrl,
    metadata: request.metadata,
    requestKey: request.requestKey,
    savesMethod: wish.savesMethod ?? false,
  });
  const { checkout_url, ...opened } = await openUnpaid(deps, payment);
  if (checkout_url === null) throw new Error("a page was opened and has no address");
  return { ...opened, checkout_url };
}

/** A repeat whose first answer was lost may come when the page has been used already. */
async function openUnpaid(deps: PaymentDeps, payment: Payment): Promise<Payment> {
  const isOver = payment.status === "succeeded" || payment.status === "quarantined";
  return isOver && payment.checkout_url !== null ? payment : openPage(deps, payment);
}

function checkSubject(offer: Offer, subject: string | undefined): void {
  if (offer.needs_subject && subject === undefined) {
    throw refuseInput("/subject", "This is bought for one subject: name it.");
  }
  if (offer.kind === "plan" && subject !== undefined) {
    throw refuseInput("/subject", "A plan is not for one subject.");
  }
}
