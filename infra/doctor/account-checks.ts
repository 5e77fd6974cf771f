import { grantsLeft, inRange } from "../../packages/db/src/invariants.ts";
import type { AccountCheck } from "./check.ts";

const noAccount = (table: string) => `
  SELECT DISTINCT t.account_id, '${table}' AS "table" FROM ducat.${table} t
  WHERE ${inRange("t.account_id")}
    AND NOT EXISTS (
      SELECT FROM ducat.accounts a WHERE a.id = t.account_id AND ${inRange("a.id")})`;

/**
 * What an operator wants to know of accounts beside the invariants of the book: that what is kept
 * twice is the same, and that what one row names is there. Queries as those of invariants.ts.
 */
export const accountChecks: AccountCheck[] = [
  {
    id: "accounts",
    title: "every row belongs to an account, and every account has its balance",
    violations: `
      SELECT account_id, CASE WHEN a.account_id IS NULL THEN 'credit_accounts' ELSE 'accounts' END
             AS "table"
      FROM (SELECT id AS account_id FROM ducat.accounts WHERE ${inRange("id")}) AS a
      FULL JOIN (SELECT account_id, true AS is_there FROM ducat.credit_accounts
                 WHERE ${inRange()}) AS c USING (account_id)
      WHERE a.account_id IS NULL OR c.is_there IS NULL
      UNION ALL ${noAccount("payments")}
      UNION ALL ${noAccount("subscriptions")}
      UNION ALL ${noAccount("passes")}
      UNION ALL ${noAccount("blobs")}
      UNION ALL ${noAccount("images")}
      LIMIT 20`,
  },
  {
    id: "head",
    title: "the grant that burns first and the next expiry are known to the account's row",
    violations: `
      WITH due AS (
        SELECT account_id, min(expires_at) AS at FROM (
          SELECT account_id, expires_at FROM (${grantsLeft}) AS l
          WHERE closed_at IS NULL AND remaining > 0 AND expires_at IS NOT NULL
          UNION ALL
          SELECT account_id, expires_at FROM ducat.credit_holds
          WHERE ${inRange()} AND status = 'open') AS moments
        GROUP BY account_id)
      SELECT a.account_id, a.head_grant_id, a.head_remaining, a.next_expiry_at, d.at AS expires_at
      FROM ducat.credit_accounts a
      LEFT JOIN due d USING (account_id)
      LEFT JOIN ducat.credit_grants h ON h.account_id = a.account_id AND h.id = a.head_grant_id
        AND ${inRange("h.account_id")}
      WHERE ${inRange("a.account_id")} AND (a.next_expiry_at > coalesce(d.at, 'infinity')
        OR CASE WHEN a.head_grant_id IS NULL THEN a.head_remaining > 0
           ELSE h.id IS NULL OR h.subject IS NOT NULL OR h.closed_at IS NOT NULL
             OR a.head_trial <> (h.source = 'trial') END)
      LIMIT 20`,
  },
  {
    id: "lifetime",
    title: "what an account was given, used and lost in its life is what the book says",
    violations: `
      WITH g AS (
        SELECT account_id, coalesce(sum(amount) FILTER (WHERE restores IS NULL), 0) AS granted,
               sum(expired) AS expired
        FROM ducat.credit_grants WHERE ${inRange()} GROUP BY account_id),
      u AS (
        SELECT account_id, sum(n) AS used FROM (
          SELECT account_id, captured AS n FROM ducat.generations WHERE ${inRange()}
          UNION ALL
          SELECT account_id, captured FROM ducat.credit_holds WHERE ${inRange()}
          UNION ALL
          SELECT account_id, -amount FROM ducat.credit_entries
          WHERE ${inRange()} AND type = 'usage' AND hold_id IS NULL) AS parts
        GROUP BY account_id)
      SELECT a.account_id, a.lifetime_granted, a.lifetime_used, a.lifetime_expired, g.granted,
             u.used, g.expired
      FROM ducat.credit_accounts a LEFT JOIN g USING (account_id) LEFT JOIN u USING (account_id)
      WHERE ${inRange("a.account_id")} AND (a.lifetime_granted, a.lifetime_used, a.lifetime_expired)
        <> (coalesce(g.granted, 0), coalesce(u.used, 0), coalesce(g.expired, 0))
      LIMIT 20`,
  },
  {
    id: "I9",
    title: "what a payment has lost is what was refunded and what disputes took",
    violations: `
      SELECT p.account_id, p.id, p.charged, p.refunded, p.disputed, p.reversed, d.lost
      FROM ducat.payments p CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS lost FROM ducat.payment_disputes
        WHERE payment_id = p.id AND status = 'lost') AS d
      WHERE ${inRange("p.account_id")} AND (p.disputed <> d.lost
        OR p.reversed <> least(coalesce(p.charged, 0), p.refunded + p.disputed))
      LIMIT 20`,
  },
  {
    id: "bought",
    title: "what was bought has its payment, and ends when all of the money went back",
    violations: `
      WITH bought AS (
        SELECT account_id, id, payment_id, 'passes' AS "table", revoked_at IS NOT NULL AS is_revoked
        FROM ducat.passes WHERE ${inRange()}
        UNION ALL
        SELECT account_id, id, payment_id, 'allowance_grants', revoked_at IS NOT NULL
        FROM ducat.allowance_grants WHERE ${inRange()} AND payment_id IS NOT NULL
        UNION ALL
        SELECT account_id, id, payment_id, 'credit_grants', NULL
        FROM ducat.credit_grants WHERE ${inRange()} AND payment_id IS NOT NULL)
      SELECT b.account_id, b.id, b."table", b.payment_id, b.is_revoked, p.charged, p.reversed
      FROM bought b LEFT JOIN ducat.payments p ON p.account_id = b.account_id
        AND p.id = b.payment_id AND ${inRange("p.account_id")}
      WHERE p.id IS NULL
         OR b.is_revoked <> coalesce(p.charged > 0 AND p.reversed = p.charged, false)
      LIMIT 20`,
  },
  {
    id: "plans",
    title: "a subscription is to a plan that exists, at a price of that plan",
    violations: `
      SELECT s.account_id, s.id, s.product_id, s.price_id, d.kind FROM ducat.subscriptions s
      LEFT JOIN ducat.products d ON d.id = s.product_id
      LEFT JOIN ducat.prices r ON r.id = s.price_id
      WHERE ${inRange("s.account_id")} AND (d.kind IS DISTINCT FROM 'plan'
        OR s.price_id IS NOT NULL AND r.product_id IS DISTINCT FROM s.product_id)
      LIMIT 20`,
  },
  {
    id: "reloads",
    title: "an account buys by itself only when that is switched on, and then below its threshold",
    violations: `
      SELECT account_id, a.reload_below, a.reload_due_at, r.enabled, r.threshold
      FROM (SELECT account_id, reload_below, reload_due_at FROM ducat.credit_accounts
            WHERE ${inRange()}) AS a
      FULL JOIN (SELECT account_id, enabled, threshold FROM ducat.auto_reloads
                 WHERE ${inRange()}) AS r USING (account_id)
      WHERE a.reload_below IS DISTINCT FROM CASE WHEN r.enabled THEN r.threshold END
         OR a.reload_below IS NULL AND a.reload_due_at IS NOT NULL
      LIMIT 20`,
  },
  {
    id: "counters",
    title: "the places that are taken in a gallery are its images, and albums count theirs",
    violations: `
      WITH c AS (
        SELECT account_id, used FROM ducat.usage_counters
        WHERE ${inRange()} AND feature = 'gallery_images' AND period_start = '-infinity'),
      m AS (
        SELECT account_id, sum(n) AS images FROM (
          SELECT account_id, 1 AS n FROM ducat.images WHERE ${inRange()}
          UNION ALL
          SELECT account_id, amount FROM ducat.usage_logs
          WHERE ${inRange()} AND feature = 'gallery_images' AND released_at IS NULL) AS taken
        GROUP BY account_id),
      i AS (
        SELECT account_id, album_id AS id, count(*) AS images FROM ducat.images
        WHERE ${inRange()} AND album_id IS NOT NULL GROUP BY 1, 2),
      b AS (SELECT account_id, id, image_count FROM ducat.albums WHERE ${inRange()})
      SELECT account_id, NULL AS album_id, c.used AS counted, m.images
      FROM c FULL JOIN m USING (account_id) WHERE coalesce(c.used, 0) <> coalesce(m.images, 0)
      UNION ALL
      SELECT account_id, id, b.image_count, i.images FROM b FULL JOIN i USING (account_id, id)
      WHERE b.image_count IS DISTINCT FROM coalesce(i.images, 0)
      LIMIT 20`,
  },
  {
    id: "counters",
    title: "what was used of a limit is what was reported and what generations took",
    violations: `
      WITH c AS (
        SELECT account_id, feature, period_start, used FROM ducat.usage_counters
        WHERE ${inRange()} AND left(feature, 1) <> '_' AND feature <> 'gallery_images'),
      u AS (
        SELECT account_id, feature, period_start, sum(amount) AS taken FROM (
          SELECT account_id, feature, period_start, amount FROM ducat.usage_logs
          WHERE ${inRange()} AND released_at IS NULL
          UNION ALL
          SELECT g.account_id, q.feature, q.period_start,
                 q.amount * (g.item_count - g.failed_items - g.canceled_items)
          FROM ducat.generations g CROSS JOIN LATERAL jsonb_to_recordset(g.usage)
            AS q (feature text, amount bigint, period_start timestamptz)
          WHERE ${inRange("g.account_id")} AND g.usage IS NOT NULL) AS parts
        WHERE period_start IS NOT NULL GROUP BY 1, 2, 3)
      SELECT c.account_id, feature, period_start, c.used, u.taken
      FROM c JOIN ducat.accounts a ON a.id = c.account_id AND ${inRange("a.id")}
      LEFT JOIN u USING (account_id, feature, period_start)
      -- Events are forgotten after a while, and with the account: what they took is told no more.
      WHERE a.erased_at IS NULL AND c.used <> coalesce(u.taken, 0)
        AND (period_start = '-infinity' OR period_start > clock_timestamp() - interval '30 days')
        -- Who was moved in has brought what was used of the period before.
        AND NOT (c.used > coalesce(u.taken, 0) AND EXISTS (
          SELECT FROM ducat.import_rows r WHERE r.account_id = c.account_id
            AND ${inRange("r.account_id")} AND r.created_at >= period_start))
      LIMIT 20`,
  },
  {
    id: "I11",
    title: "every result, image and avatar has the row of its file",
    violations: `
      SELECT i.account_id, i.id, 'generation_items' AS "table", f.file ->> 'key' AS key
      FROM ducat.generation_items i
      CROSS JOIN LATERAL (VALUES (i.output), (i.output -> 'thumbnail')) AS f (file)
      LEFT JOIN ducat.blobs b ON b.account_id = i.account_id AND ${inRange("b.account_id")}
        AND b.key = f.file ->> 'key'
      WHERE ${inRange("i.account_id")} AND f.file ? 'key'
        AND (b.sha256, b.size) IS DISTINCT FROM
            (f.file ->> 'sha256', (f.file ->> 'size')::bigint)
      UNION ALL
      SELECT m.account_id, m.id, 'images', NULL FROM ducat.images m
      WHERE ${inRange("m.account_id")} AND 2 <> (
        SELECT count(*) FROM ducat.blobs b
        WHERE b.account_id = m.account_id AND ${inRange("b.account_id")}
          AND b.id IN (m.blob_id, m.thumbnail_id))
      UNION ALL
      SELECT a.id, a.id, 'accounts', a.avatar FROM ducat.accounts a
      WHERE ${inRange("a.id")} AND a.avatar IS NOT NULL AND NOT EXISTS (
        SELECT FROM ducat.blobs b
        WHERE b.account_id = a.id AND b.id::text = a.avatar AND ${inRange("b.account_id")})
      LIMIT 20`,
  },
  {
    id: "I13",
    title: "a file lies in the folder of the account that has it",
    violations: `
      SELECT account_id, id, key FROM ducat.blobs
      WHERE ${inRange()} AND left(key, 37) <> account_id || '/' LIMIT 20`,
  },
  {
    id: "erased",
    title: "of an erased account nothing personal is left",
    violations: `
      SELECT a.id AS account_id, a.erased_at FROM ducat.accounts a
      WHERE ${inRange("a.id")} AND a.erased_at IS NOT NULL AND (a.is_active
        OR coalesce(a.external_id, a.name, a.email, a.phone, a.avatar, a.bio) IS NOT NULL
        OR NOT EXISTS (SELECT FROM ducat.credit_accounts c
                       WHERE c.account_id = a.id AND ${inRange("c.account_id")}
                         AND 'erased' = ANY (c.frozen))
        OR EXISTS (SELECT FROM ducat.blobs WHERE account_id = a.id AND ${inRange()})
        OR EXISTS (SELECT FROM ducat.images WHERE account_id = a.id AND ${inRange()})
        OR EXISTS (SELECT FROM ducat.vendors WHERE account_id = a.id AND ${inRange()})
        OR EXISTS (SELECT FROM ducat.usage_logs WHERE account_id = a.id AND ${inRange()}))
      LIMIT 20`,
  },
  {
    id: "erased",
    title: "nobody gets into an erased account",
    needs: "owner",
    violations: `
      SELECT a.id AS account_id, a.erased_at FROM ducat.accounts a
      WHERE ${inRange("a.id")} AND a.erased_at IS NOT NULL AND (
        EXISTS (SELECT FROM ducat.account_logins WHERE account_id = a.id AND ${inRange()})
        OR EXISTS (SELECT FROM ducat.api_keys WHERE account_id = a.id AND ${inRange()}
                   AND revoked_at IS NULL)
        OR EXISTS (SELECT FROM ducat.sessions WHERE account_id = a.id AND ${inRange()}
                   AND ended_at IS NULL AND expires_at > clock_timestamp()))
      LIMIT 20`,
  },
];
