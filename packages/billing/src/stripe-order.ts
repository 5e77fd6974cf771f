import type Stripe from "stripe";
import type { AnomalyDetail, ProviderFact } from "./facts.ts";
import { type Money, readMoney } from "./money.ts";
import type { Mode } from "./provider.ts";

/** Where and when we were told: a webhook's event, or the moment at which we asked. */
export type Told = { mode: Mode; occurredAt: Date };

/**
 * What of our order travels with Stripe's objects. Only metadata is trusted: it is set with our
 * secret key, while anyone can put a client_reference_id into the address of a payment link.
 */
export type StripeOrder = {
  orderRef: string;
  kind: "pack" | "subscription" | "reload";
  price?: Money;
  /** The attempt of an off-session charge. */
  key?: string;
};

const kinds: readonly string[] = ["pack", "subscription", "reload"];

export function writeOrder(order: StripeOrder): Record<string, string> {
  return {
    ducat_order: order.orderRef,
    ducat_kind: order.kind,
    ...(order.price && {
      ducat_amount: String(order.price.amount),
      ducat_currency: order.price.currency,
    }),
    ...(order.key !== undefined && { ducat_key: order.key }),
  };
}

export function readOrder(metadata: Stripe.Metadata | null | undefined): StripeOrder | undefined {
  const { ducat_order, ducat_kind, ducat_amount, ducat_currency, ducat_key } = metadata ?? {};
  if (!ducat_order || !ducat_kind || !kinds.includes(ducat_kind)) return undefined;
  const price = ducat_amount ? readMoney(Number(ducat_amount), ducat_currency) : undefined;
  return {
    orderRef: ducat_order,
    kind: ducat_kind as StripeOrder["kind"],
    ...(price && { price }),
    ...(ducat_key && { key: ducat_key }),
  };
}

/** What all facts have. Stripe's part of an effect key begins with s: and the mode. */
export function about(
  told: Told,
  effect: string,
  refs: { customer?: unknown; orderRef?: string | undefined } = {},
) {
  const customerRef = idOf(refs.customer);
  return {
    provider: "stripe" as const,
    mode: told.mode,
    effectKey: `s:${told.mode}:${effect}`,
    occurredAt: told.occurredAt,
    ...(customerRef !== undefined && { customerRef }),
    ...(refs.orderRef !== undefined && { orderRef: refs.orderRef }),
  };
}

/** The key of the credit of a payment, which events, objects and answers to a charge share. */
export const nameIntent = (mode: Mode, intentRef: string) => `s:${mode}:pi:${intentRef}`;

export function anomaly(told: Told, detail: AnomalyDetail, object: string): ProviderFact {
  return { ...about(told, `${object}:${detail}`), kind: "anomaly", detail, about: object };
}

/** The id of what Stripe gives as an id, an expanded object, or nothing. */
export function idOf(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  if (typeof value !== "object" || value === null) return undefined;
  return idOf((value as { id?: unknown }).id);
}

/** Seconds since 1970, as all of Stripe's times are. */
export function dateOf(seconds: unknown): Date | undefined {
  return typeof seconds === "number" ? new Date(seconds * 1000) : undefined;
}
