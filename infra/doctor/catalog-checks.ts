import { bySql } from "./by-sql.ts";
import type { PlaceCheck } from "./check.ts";

/** What was pushed last; nothing is compared before the first push that was kept. */
const pushed = `
  SELECT p.value AS wanted, p.value ->> 'key' AS key
  FROM (SELECT rows FROM ducat.catalog_versions ORDER BY version DESC LIMIT 1) AS v
  CROSS JOIN LATERAL jsonb_array_elements(v.rows -> 'products') AS p`;

const wantedPrices = `
  SELECT w.key, r.provider, r.currency, r.interval, r.amount, r.provider_ref
  FROM (${pushed}) AS w CROSS JOIN LATERAL jsonb_to_recordset(w.wanted -> 'prices')
    AS r (provider text, currency text, "interval" text, amount bigint, provider_ref text)`;

const soldPrices = `
  SELECT d.key, r.provider, r.currency, r.interval, r.amount, r.provider_ref
  FROM ducat.prices r JOIN ducat.products d ON d.id = r.product_id WHERE r.is_active`;

/** The same price: of the provider that was named, or of any where none was. */
const isSame = `
  s.key = w.key AND s.currency = w.currency AND s.interval = w.interval AND s.amount = w.amount
  AND (w.provider IS NULL OR s.provider = w.provider AND (
    w.provider_ref IS NULL OR s.provider_ref = w.provider_ref))`;

/** That what is sold is what was pushed: somebody who changes a price by hand sells another. */
export const catalogChecks: PlaceCheck[] = [
  bySql({
    check: "catalog",
    title: "the products that are sold are those of the catalog that was pushed last",
    sql: `
      SELECT key, CASE WHEN w.key IS NULL THEN 'is sold and not in the catalog'
             WHEN d.row IS NULL THEN 'is in the catalog and not sold'
             ELSE 'differs in ' || (
               SELECT string_agg(m.key, ', ' ORDER BY m.key)
               FROM jsonb_each(w.wanted - 'prices') m
               WHERE d.row -> m.key IS DISTINCT FROM m.value) END AS fault
      FROM (${pushed}) AS w
      FULL JOIN (SELECT key, to_jsonb(p) AS row FROM ducat.products p WHERE is_active) AS d
        USING (key)
      WHERE EXISTS (SELECT FROM ducat.catalog_versions)
        AND (w.wanted IS NULL OR d.row IS NULL OR NOT d.row @> (w.wanted - 'prices')
          OR EXISTS (SELECT FROM jsonb_each(w.wanted - 'prices') m
                     WHERE d.row -> m.key IS DISTINCT FROM m.value))`,
  }),
  bySql({
    check: "catalog",
    title: "the prices that are asked are those of the catalog that was pushed last",
    sql: `
      SELECT w.*, 'is in the catalog and not asked' AS fault FROM (${wantedPrices}) AS w
      WHERE NOT EXISTS (SELECT FROM (${soldPrices}) AS s WHERE ${isSame})
      UNION ALL
      SELECT s.*, 'is asked and not in the catalog' FROM (${soldPrices}) AS s
      WHERE EXISTS (SELECT FROM ducat.catalog_versions)
        AND NOT EXISTS (SELECT FROM (${wantedPrices}) AS w WHERE ${isSame})`,
  }),
  bySql({
    check: "catalog",
    title: "users and vendors have one default plan each",
    sql: `
      SELECT a.audience, count(p.id) AS plans FROM unnest('{user,vendor}'::text[]) AS a (audience)
      LEFT JOIN ducat.products p ON p.is_active AND p.is_default AND p.kind = 'plan'
        AND coalesce(p.audience, a.audience) = a.audience
      GROUP BY a.audience HAVING count(p.id) <> 1`,
  }),
  bySql({
    check: "promo-codes",
    title: "a promo code has been redeemed as often as it counts",
    sql: `
      SELECT c.id, c.code, c.redemptions, count(r.account_id) AS redeemed
      FROM ducat.promo_codes c LEFT JOIN ducat.promo_redemptions r ON r.promo_code_id = c.id
      GROUP BY c.id HAVING c.redemptions <> count(r.account_id)`,
  }),
];
