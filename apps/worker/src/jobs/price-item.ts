import type { ClaimedItem } from "@ducat/db/items";
import { DomainError } from "@ducat/types/errors";
import { type PriceLine, Pricing, settlePrice } from "@ducat/types/pricing";
import type { Usage } from "../generators/generator.ts";

/** What an item costs in the end. Left out: what was set aside, as it was told. */
export type ItemPrice = { actualCost?: number; charge?: PriceLine[] };

type Priced = Pick<ClaimedItem, "cost" | "params" | "input" | "pricing">;
type Made = {
  /** Whose work it is: 0 is the style's own model, and what comes after it a fallback. */
  link: { index: number; pricing?: unknown };
  usage: Usage;
  /** What the generator itself says that it cost, in credits. */
  actualCost?: number | undefined;
};

/**
 * The price of what was made: by the model that made it, never above what was set aside, and by
 * lines that add up to it. What was free stays free.
 */
export function priceItem(item: Priced, { link, usage, actualCost }: Made): ItemPrice {
  const isFallback = link.index > 0;
  const pricing = (isFallback && readPricing(link.pricing)) || item.pricing;
  if (item.cost === 0 || !pricing) return actualCost === undefined ? {} : { actualCost };
  const settled = settle(item, pricing, usage);
  if (!settled)
    return { charge: [{ kind: "fallback", text: "As it was told", credits: item.cost }] };
  const { actual, lines } = settled;
  const others = "Made by another model, at its own price";
  const charge: PriceLine[] = isFallback
    ? [{ kind: "fallback", text: others, credits: 0 }, ...lines]
    : lines;
  const above = Math.max(0, actual - item.cost);
  if (above > 0) {
    charge.push({ kind: "fallback", text: "Never above what was set aside", credits: -above });
  }
  return { actualCost: actual - above, charge };
}

/** Undefined where a value that the style prices has no price with the model that made it. */
function settle({ params, input }: Priced, pricing: Pricing, usage: Usage) {
  try {
    return settlePrice(pricing, { params, input, usage });
  } catch (error) {
    if (error instanceof DomainError && error.code === "validation_failed") return undefined;
    throw error;
  }
}

/** One that came with a release was checked by nobody; work that is paid is not lost for it. */
const readPricing = (pricing: unknown): Pricing | undefined => Pricing.safeParse(pricing).data;
