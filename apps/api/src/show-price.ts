import { findExponent } from "@ducat/billing/money";
import type { Price } from "@ducat/types/products";

/** Written from the right; there a currency's sign would need marks to stay where it belongs. */
const rightToLeft = new Set(["ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"]);

type Sum = { amount: number; currency: string };

/**
 * An amount as a language writes it, with its own digits. From the right the currency is a word,
 * so that the text has one direction and needs no marks. The amount may be a fraction of the
 * smallest unit: `digits` more are shown then.
 */
export function formatPrice({ amount, currency }: Sum, language: string, digits = 0): string {
  const exponent = findExponent(currency) ?? 0;
  const isFromRight = rightToLeft.has(language.split("-")[0] ?? "");
  const isWhole = Number.isInteger(amount);
  return new Intl.NumberFormat(language, {
    style: "currency",
    currency,
    currencyDisplay: isFromRight ? "name" : "symbol",
    minimumFractionDigits: exponent,
    maximumFractionDigits: exponent + (isWhole ? 0 : digits),
  }).format(amount / 10 ** exponent);
}

type Deal = Sum & {
  language: string;
  interval: Price["interval"];
  /** Of one payment, by which a credit's price is told; 0: it is not about credits. */
  credits: number;
  /** What the same would cost otherwise; undefined where there is nothing to compare. */
  compared: number | undefined;
};

/** How a price is shown: what it comes to by credit and month, and what it saves. */
export function displayPrice(deal: Deal): Price["display"] {
  const { amount, currency, language, interval, credits, compared } = deal;
  const months = interval === "year" ? 12 : 1;
  const share = compared === undefined ? 0 : 1 - amount / compared;
  const inAll = credits * months;
  return {
    price: formatPrice(deal, language),
    per_credit: inAll > 0 ? formatPrice({ amount: amount / inAll, currency }, language, 1) : null,
    per_month:
      interval === "year" ? formatPrice({ amount: amount / 12, currency }, language) : null,
    savings: share >= 0.005 ? formatShare(share, language) : null,
  };
}

const formatShare = (share: number, language: string) =>
  new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(share);
