import { type FoundOrder, findOrder, type Payment } from "@ducat/db/payments";
import { DomainError } from "@ducat/types/errors";
import { getProvider, isPageOpen, openPage } from "./open-page.ts";
import type { PaymentDeps } from "./providers.ts";
import { settleOrder } from "./settle-order.ts";

const dayMs = 24 * 3_600_000;

/** Where a pay link leads: to the provider, to what became of the order, or nowhere any more. */
export type Lead =
  | { to: "provider"; url: string; payment: Payment }
  | { to: "done"; payment: Payment }
  | { to: "ended"; payment: Payment };

/**
 * Follows a pay link. An order whose last page has been left is asked about first: nobody pays
 * twice because we had not heard of the first time. Errors: not_found (no such order), those of
 * settleOrder and openPage.
 */
export async function followPayLink(deps: PaymentDeps, reference: string): Promise<Lead> {
  const order = await getOrder(deps, reference);
  const { payment } = order;
  if (isOver(payment)) return { to: "done", payment };
  if (!isPayable(payment, deps.now())) return { to: "ended", payment };
  const isOpen = isPageOpen(deps, getProvider(deps, payment), order);
  const settled = isOpen ? payment : (await settleOrder(deps, order)).payment;
  if (isOver(settled)) return { to: "done", payment: settled };
  const opened = await openPage(deps, settled);
  if (opened.checkout_url === null) throw new Error("a page was opened and has no address");
  return { to: "provider", url: opened.checkout_url, payment: opened };
}

/** The order that a pay link names. Errors: not_found. */
export async function getOrder(deps: PaymentDeps, reference: string): Promise<FoundOrder> {
  const isReference = /^[\w-]{1,64}$/.test(reference);
  const order = isReference ? await findOrder(deps.db, { reference }) : undefined;
  if (!order) throw new DomainError("not_found");
  return order;
}

const isOver = ({ status }: Payment) => status === "succeeded" || status === "quarantined";

/**
 * Whether an order can still be paid by its link. What we asked for ourselves waits for a month;
 * what a customer asked for has the price of that day. A provider's invoice is not ours to open.
 */
export function isPayable({ purpose, status, created_at }: Payment, now: number): boolean {
  if (status === "succeeded" || status === "quarantined" || purpose === "invoice") return false;
  const days = purpose === "renewal" || purpose === "reload" ? 30 : 1;
  return created_at.getTime() > now - days * dayMs;
}
