import type { Db } from "../../packages/db/src/connect.ts";
import { ask } from "../../packages/db/src/errors.ts";
import type { Mapping, PlanRule } from "./mapping.ts";

type Product = { key: string; kind: "plan" | "pass"; is_default: boolean };
type Price = {
  id: string;
  product: string;
  provider: string | null;
  currency: string;
  interval: "once" | "month" | "year";
};

/** What the catalog here sells. */
export type Offers = {
  features: Set<string>;
  findProduct(key: string): Product | undefined;
  /** The price that a provider's plan would be sold at: one of its own before a general one. */
  findPrice(rule: PlanRule, provider: string, currency: string): Price | undefined;
};

export async function readOffers(db: Db): Promise<Offers> {
  const products = await ask(db<(Product & { features: string[] })[]>`
    SELECT key, kind, is_default,
      ARRAY(SELECT jsonb_object_keys(features)) || ARRAY(SELECT jsonb_object_keys(allowances))
        AS features
    FROM ducat.products WHERE is_active AND kind IN ('plan', 'pass')`);
  const prices = await ask(db<Price[]>`
    SELECT p.id, d.key AS product, p.provider, p.currency, p.interval
    FROM ducat.prices p JOIN ducat.products d ON d.id = p.product_id
    WHERE p.is_active AND d.is_active ORDER BY p.provider NULLS LAST`);
  return {
    features: new Set(products.flatMap(({ features }) => features)),
    findProduct: (key) => products.find((one) => one.key === key),
    findPrice: ({ product, interval }, provider, currency) =>
      prices.find(
        (price) =>
          price.product === product &&
          price.interval === interval &&
          price.currency === currency &&
          (price.provider ?? provider) === provider,
      ),
  };
}

/** What of a mapping the catalog doesn't have. */
export function findMappingFaults({ plans, default_plan }: Mapping, offers: Offers): string[] {
  const rules: [string, PlanRule | "none"][] = Object.entries(plans);
  if (default_plan) rules.push(["default_plan", default_plan]);
  return rules.flatMap(([name, rule]) =>
    rule === "none" || offers.findProduct(rule.product)
      ? []
      : [`plans.${name}: the catalog has no plan or pass ${rule.product}.`],
  );
}
