import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { ProviderName } from "./payments.ts";
import { withAccount } from "./with-account.ts";

/** A price that an account may buy at, with what a checkout says of its product. */
export type Offer = {
  price_id: string;
  /** Null: any provider that takes the currency. */
  provider: ProviderName | null;
  currency: string;
  interval: "once" | "month" | "year";
  amount: number;
  /** The provider's own price, variant or plan. */
  provider_ref: string | null;
  product_id: string;
  product: string;
  kind: "plan" | "pack" | "pass";
  name: Record<string, string>;
  credits: number;
  trial_days: number;
  needs_subject: boolean;
};

/** Who buys: what a provider is told of them, and what decides about a trial. */
export type Buyer = {
  locale: string;
  email: string | null;
  phone: string | null;
  /** They have had a plan before, and they have one now. */
  had_plan: boolean;
  has_plan: boolean;
};

export type Wanted = {
  priceId?: string | undefined;
  /** A product's key. */
  product?: string | undefined;
};

/** The account as a buyer; undefined when there is no such account. */
export async function findBuyer(db: Db, accountId: string): Promise<Buyer | undefined> {
  const [buyer] = await withAccount(
    db,
    accountId,
    (sql) => sql<Buyer[]>`
      SELECT a.locale, a.email, a.phone, s.had_plan, s.has_plan
      FROM ducat.accounts a, LATERAL (
        SELECT count(*) > 0 AS had_plan,
          count(*) FILTER (WHERE status <> 'canceled') > 0 AS has_plan
        FROM ducat.subscriptions
        WHERE account_id = ${accountId} AND status <> 'incomplete') s
      WHERE a.id = ${accountId}`,
  );
  return buyer;
}

/**
 * The prices on sale that fit, of products for this kind of account; 50 at most. A general price
 * by its id brings what providers call the same price: the list of products shows them as one.
 */
export function listOffers(db: Db, accountId: string, wanted: Wanted): Promise<Offer[]> {
  const { priceId = null, product = null } = wanted;
  return withAccount(
    db,
    accountId,
    (sql) => sql<Offer[]>`
      SELECT r.id AS price_id, r.provider, r.currency, r.interval, r.amount, r.provider_ref,
        p.id AS product_id, p.key AS product, p.kind, p.name, p.credits + p.bonus AS credits,
        p.trial_days, p.needs_subject
      FROM ducat.prices r
      JOIN ducat.products p ON p.id = r.product_id
      JOIN ducat.accounts a ON a.id = ${accountId}
      WHERE r.is_active AND p.is_active AND coalesce(p.audience, a.kind) = a.kind
        AND (p.key = ${product} OR EXISTS (
          SELECT FROM ducat.prices n
          WHERE n.id = ${priceId} AND n.is_active AND (n.id = r.id OR n.provider IS NULL
            AND (n.product_id, n.currency, n.interval, n.amount)
              = (r.product_id, r.currency, r.interval, r.amount))))
      ORDER BY r.id LIMIT 50`,
  );
}

/** A price whoever may buy it, retired ones too: for an order that was made with it. */
export async function findOffer(db: Db, priceId: string): Promise<Offer | undefined> {
  const [offer] = await ask(db<Offer[]>`
    SELECT r.id AS price_id, r.provider, r.currency, r.interval, r.amount, r.provider_ref,
      p.id AS product_id, p.key AS product, p.kind, p.name, p.credits + p.bonus AS credits,
      p.trial_days, p.needs_subject
    FROM ducat.prices r JOIN ducat.products p ON p.id = r.product_id
    WHERE r.id = ${priceId}`);
  return offer;
}
