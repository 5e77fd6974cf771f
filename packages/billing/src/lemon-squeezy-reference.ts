import { isSameText, sign } from "./hmac.ts";
import { type Money, readMoney } from "./money.ts";
import type { OrderKind } from "./provider.ts";

/** Our order, as it travels with a checkout and comes back in the webhooks of what was bought. */
export type Reference = { orderRef: string; kind: OrderKind; price: Money; variant: string };

/**
 * Custom data of a checkout. A buyer can write any of it into the address of a checkout page
 * (docs.lemonsqueezy.com/help/checkout/passing-custom-data), so it carries our signature over the
 * order and all that the order may be paid with. Values come back as text, whatever they were.
 */
export function writeReference(
  reference: Reference,
  secret: string,
  store: string,
): Record<string, string> {
  const { orderRef, kind, price, variant } = reference;
  const { amount, currency } = price;
  const values = { order: orderRef, kind, amount: String(amount), currency, variant };
  return { ...values, sig: sign(secret, toText(values, store)).toString("hex") };
}

/** The reference in custom data; undefined where there is none of ours. */
export function readReference(
  custom: unknown,
  secrets: readonly string[],
  store: string,
): Reference | undefined {
  if (typeof custom !== "object" || custom === null) return undefined;
  const given = custom as Record<string, unknown>;
  const [order = "", kind = "", amount = "", currency = "", variant = "", sig = ""] = [
    "order",
    "kind",
    "amount",
    "currency",
    "variant",
    "sig",
  ].map((name) => (typeof given[name] === "string" ? given[name] : ""));
  const text = toText({ order, kind, amount, currency, variant }, store);
  if (!secrets.some((secret) => isSameText(sign(secret, text).toString("hex"), sig))) {
    return undefined;
  }
  const price = readMoney(Number(amount), currency);
  if (!price || (kind !== "pack" && kind !== "subscription")) return undefined;
  return { orderRef: order, kind, price, variant };
}

/** JSON of a list: no two references have the same text. */
function toText(values: Record<string, string>, store: string): string {
  const { order, kind, amount, currency, variant } = values;
  return JSON.stringify(["ducat lemon squeezy 1", store, order, kind, amount, currency, variant]);
}
