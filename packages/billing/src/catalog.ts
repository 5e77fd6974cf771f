import { z } from "zod";
import { Key, Product, texts } from "./catalog-products.ts";
import { findFaults } from "./catalog-rules.ts";
import type { Mode, ProviderName } from "./provider.ts";

const most = 1_000_000_000_000;

const named = { name: texts(100), note: z.string().optional() };

const Styles = z.array(z.string().min(1).max(100)).min(1).max(100);

/**
 * What a plan can allow: something that is on or off, so many in a period, or a stock. A stock is
 * `held` when its places come free again (pictures in a gallery), `spent` when it is used up and
 * filled by allowances (letters to post).
 */
const Feature = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("flag"), ...named }),
  z.strictObject({
    kind: z.literal("limit"),
    ...named,
    /** `request`: what one request may ask for; nothing adds up. */
    period: z.enum(["hour", "day", "month", "request"]),
    /** Whether a month begins on the first or with the subscription's; UTC. */
    reset: z.enum(["calendar", "anchor"]).default("calendar"),
    /**
     * Generations with these styles take one per item, at their price; "*" is any. Of a request:
     * one generation may have no more items, or no more `of` what it asks for.
     */
    styles: Styles.optional(),
    /** What of a request is limited; left out: its items, whatever it calls them. */
    of: z.literal("areas").optional(),
    /** Generations with these styles cost nothing while the limit lasts; "*" is any. */
    free_styles: Styles.optional(),
    /** What a generation does when a limit of free styles is used up; left out: it pays. */
    beyond: z.enum(["pay", "refuse"]).optional(),
  }),
  z.strictObject({ kind: z.literal("stock"), ...named, counts: z.enum(["held", "spent"]) }),
]);
export type Feature = z.infer<typeof Feature>;

/** A file of catalogs/: everything that a deployment sells and what its plans allow. */
const Shape = z.strictObject({
  catalog: Key,
  note: z.string().optional(),
  /** What a new account gets once. */
  trial_credits: z.int().min(0).max(most).default(0),
  features: z.record(Key, Feature).default({}),
  products: z.array(Product).min(1).max(200),
});
export type Catalog = z.infer<typeof Shape>;

/** A price as the database keeps it. */
export type PriceRow = {
  provider: ProviderName | null;
  currency: string;
  interval: "once" | "month" | "year";
  amount: number;
  provider_ref: string | null;
};

/** A product as the database keeps it: complete, each feature with its meaning. */
export type ProductRow = {
  key: string;
  kind: "plan" | "pack" | "pass";
  name: Record<string, string>;
  description: Record<string, string>;
  audience: "user" | "vendor" | null;
  credits: number;
  bonus: number;
  trial_days: number;
  trial_credits: number;
  rollover: "none" | "capped" | "full";
  rollover_cap: number | null;
  grace_days: number;
  valid_days: number | null;
  needs_subject: boolean;
  features: Record<string, Record<string, unknown>>;
  allowances: Record<string, number>;
  rate_limits: Record<string, number>;
  limits: Partial<Record<string, number>>;
  is_default: boolean;
  position: number;
  prices: PriceRow[];
};
export type CatalogRows = { catalog: string; trial_credits: number; products: ProductRow[] };

export type CatalogFault = { path: PropertyKey[]; message: string };

/** A catalog from parsed JSON, or every fault of it at once. */
export function checkCatalog(value: unknown): { catalog: Catalog } | { faults: CatalogFault[] } {
  const parsed = Shape.safeParse(value);
  const issues = parsed.success ? findFaults(parsed.data) : parsed.error.issues;
  if (parsed.success && issues.length === 0) return { catalog: parsed.data };
  return { faults: issues.map(({ path, message }) => ({ path, message })) };
}

/**
 * A catalog from parsed JSON. Throws an Error with every fault at once, each with its path, as in
 * `products[2].prices[0].amount: …`.
 */
export function parseCatalog(value: unknown): Catalog {
  const checked = checkCatalog(value);
  if ("catalog" in checked) return checked.catalog;
  const lines = checked.faults.map(({ path, message }) => `  ${showPath(path)}: ${message}`);
  throw new Error(["The catalog is not valid:", ...lines].join("\n"));
}

function showPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "(all of it)";
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${String(step)}`;
  }, "");
}

/** The rows that a catalog stands for in a deployment of this mode. */
export function toRows(catalog: Catalog, mode: Mode): CatalogRows {
  return {
    catalog: catalog.catalog,
    trial_credits: catalog.trial_credits,
    products: catalog.products.map((product, position) => ({
      key: product.key,
      kind: product.kind,
      name: product.name,
      description: product.description,
      audience: product.audience ?? null,
      credits: product.credits,
      bonus: 0,
      trial_days: 0,
      trial_credits: 0,
      rollover: "none",
      rollover_cap: null,
      grace_days: 0,
      valid_days: null,
      needs_subject: false,
      rate_limits: {},
      limits: {},
      is_default: false,
      ...takeOwn(product),
      features: describeFeatures(catalog.features, product),
      allowances: product.allowances,
      position,
      prices: product.prices.flatMap((price) => toPriceRow(price, mode)),
    })),
  };
}

/** No row where the price is for the other mode only. */
function toPriceRow(price: Product["prices"][number], mode: Mode): PriceRow[] {
  const { provider = null, currency, interval, amount, ref } = price;
  const provider_ref = typeof ref === "object" ? ref[mode] : ref;
  if (ref !== undefined && provider_ref === undefined) return [];
  return [{ provider, currency, interval, amount, provider_ref: provider_ref ?? null }];
}

/** What only a plan, a pack or a pass has. */
function takeOwn(product: Product): Partial<ProductRow> {
  if (product.kind === "pack") {
    return { bonus: product.bonus, valid_days: product.valid_days ?? null };
  }
  if (product.kind === "pass") {
    return { valid_days: product.valid_days, needs_subject: product.needs_subject };
  }
  const { trial_days, trial_credits, rollover, grace_days, is_default } = product;
  const { rate_limits, limits } = product;
  const rollover_cap = product.rollover_cap ?? null;
  const periods = { trial_days, trial_credits, rollover, rollover_cap, grace_days };
  return { ...periods, rate_limits, limits, is_default };
}

/**
 * A plan has every feature of the catalog, off or none where it says nothing; a pass its own. Each
 * has its place in the catalog, which JSON in the database doesn't keep.
 */
function describeFeatures(all: Catalog["features"], product: Product): ProductRow["features"] {
  if (product.kind === "pack") return {};
  const keys = product.kind === "plan" ? Object.keys(all) : Object.keys(product.features);
  return Object.fromEntries(
    keys.flatMap((key) => {
      const feature = all[key];
      if (!feature) return [];
      const position = Object.keys(all).indexOf(key);
      return [[key, { ...describeFeature(feature, product.features[key]), position }]];
    }),
  );
}

function describeFeature(
  { note: _, ...feature }: Feature,
  value: boolean | number | null | undefined,
): Record<string, unknown> {
  if (feature.kind === "flag") return { ...feature, enabled: value === true };
  if (feature.kind === "stock" && feature.counts === "spent") return feature;
  return { ...feature, limit: value === undefined ? 0 : value };
}
