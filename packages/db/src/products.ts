import type postgres from "postgres";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { ProviderName } from "./payments.ts";
import { withAccount } from "./with-account.ts";

export type PriceRow = {
  id: string;
  /** Null: any provider that takes the currency. */
  provider: ProviderName | null;
  currency: string;
  interval: "once" | "month" | "year";
  amount: number;
  provider_ref: string | null;
  is_active: boolean;
  created_at: string;
};

/** A feature with its name by language; the members of its kind are the catalog's. */
export type FeatureRow = {
  kind: "flag" | "limit" | "stock";
  name: Record<string, string>;
  position: number;
};

export type ProductRow = {
  id: string;
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
  features: Record<string, FeatureRow>;
  allowances: Record<string, number>;
  rate_limits: Record<string, number>;
  limits: Record<string, number>;
  is_default: boolean;
  is_active: boolean;
  created_at: Date;
  updated_at: Date;
  prices: PriceRow[];
};

export type ProductFilter = { kind?: ProductRow["kind"] | undefined };

function selectProducts(sql: postgres.ISql<{ bigint: number }>, activeOnly: boolean) {
  return sql`
    SELECT p.id, p.key, p.kind, p.name, p.description, p.audience, p.credits, p.bonus,
      p.trial_days, p.trial_credits, p.rollover, p.rollover_cap, p.grace_days, p.valid_days,
      p.needs_subject, p.features, p.allowances, p.rate_limits, p.limits, p.is_default,
      p.is_active, p.created_at, p.updated_at,
      (SELECT coalesce(jsonb_agg(to_jsonb(r) - 'product_id'
          ORDER BY r.is_active DESC, r.currency, r.interval, r.provider NULLS FIRST, r.id), '[]')
       FROM ducat.prices r
       WHERE r.product_id = p.id ${activeOnly ? sql`AND r.is_active` : sql``}) AS prices
    FROM ducat.products p`;
}

/** What is on sale, in the catalog's order, for everybody. */
export function listProducts(db: Db, { kind }: ProductFilter = {}): Promise<ProductRow[]> {
  return ask(db<ProductRow[]>`
    ${selectProducts(db, true)}
    WHERE p.is_active ${kind ? db`AND p.kind = ${kind}` : db``} ORDER BY p.position, p.key`);
}

/** What is on sale for an account of this kind, and the language that it reads. */
export async function listProductsFor(
  db: Db,
  accountId: string,
  { kind }: ProductFilter = {},
): Promise<{ products: ProductRow[]; locale: string | undefined }> {
  const [products, accounts] = await withAccount(db, accountId, (sql) =>
    Promise.all([
      sql<ProductRow[]>`
        ${selectProducts(sql, true)}
        JOIN ducat.accounts a ON a.id = ${accountId}
        WHERE p.is_active AND coalesce(p.audience, a.kind) = a.kind
          ${kind ? sql`AND p.kind = ${kind}` : sql``}
        ORDER BY p.position, p.key`,
      sql<{ locale: string }[]>`SELECT locale FROM ducat.accounts WHERE id = ${accountId}`,
    ]),
  );
  return { products: [...products], locale: accounts[0]?.locale };
}

/** All that there is or was, retired products and prices too. */
export function listAllProducts(db: Db): Promise<ProductRow[]> {
  return ask(db<ProductRow[]>`
    ${selectProducts(db, false)} ORDER BY p.is_active DESC, p.position, p.key`);
}
