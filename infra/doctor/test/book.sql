-- A clean book in the shapes that our own functions write, quickly: book.accounts accounts, each
-- with 12 + book.usages ledger lines about a trial, two bought packs (one of them paid back), a
-- pass, single uses, two generations of two items (one of which failed), and two holds. Run in one
-- transaction by a superuser.
SET LOCAL search_path = ducat, pg_temp;

CREATE TEMP TABLE book ON COMMIT DROP AS
SELECT uuid_v7() AS account_id, uuid_v7() AS trial, uuid_v7() AS pack, uuid_v7() AS gone,
       uuid_v7() AS pack_payment, uuid_v7() AS gone_payment, uuid_v7() AS pass_payment,
       uuid_v7() AS open_hold, uuid_v7() AS closed_hold, uuid_v7() AS album,
       current_setting('book.usages')::int AS usages, now() - interval '60 days' AS at
FROM generate_series(1, current_setting('book.accounts')::int);

INSERT INTO accounts (id, external_id, kind, created_at)
SELECT account_id, 'book-' || account_id, 'user', at FROM book;

INSERT INTO payments (id, account_id, reference, purpose, status, provider, mode, product_id,
  amount, currency, charged, credits, credits_granted, provider_ref, effect_key, refunded,
  refunded_at, reversed, clawed, paid_at, created_at)
SELECT p.id, account_id, 'book-' || p.id, p.purpose, 'succeeded', 'sandbox', 'test',
  (SELECT id FROM products WHERE is_active AND kind = p.purpose ORDER BY key LIMIT 1),
  500, 'USD', 500, p.credits, p.credits, 'pay_' || p.id, 'book:' || p.id, p.refunded,
  CASE WHEN p.refunded > 0 THEN at END, p.refunded, CASE WHEN p.refunded > 0 THEN p.credits ELSE 0
  END, at, at
FROM book CROSS JOIN LATERAL (VALUES
  (pack_payment, 'pack', 10000, 0), (gone_payment, 'pack', 100, 500), (pass_payment, 'pass', 0, 0))
  AS p (id, purpose, credits, refunded);

INSERT INTO passes (account_id, product_id, starts_at, ends_at, payment_id, effect_key, created_at)
SELECT p.account_id, p.product_id, b.at, b.at + interval '7 days', p.id, p.effect_key, b.at
FROM book b JOIN payments p ON p.id = b.pass_payment;

INSERT INTO allowance_grants (account_id, feature, amount, remaining, payment_id, effect_key,
  starts_at)
SELECT account_id, 'letters', 5, 5, pass_payment, 'book:' || pass_payment, at FROM book;

-- Each account's two generations, and their items: the first completed, the second failed.
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT b.*, n, uuid_v7() AS id, uuid_v7() AS completed, uuid_v7() AS failed, s.id AS style_id,
       s.version AS style_version, s.kind AS style_kind
FROM book b CROSS JOIN generate_series(1, 2) AS n
CROSS JOIN LATERAL (SELECT * FROM styles WHERE id = 'product_description' AND is_current) s;

-- The ledger: what happened, in its order. The balance is summed up below.
CREATE TEMP TABLE lines ON COMMIT DROP AS
SELECT row_number() OVER (PARTITION BY account_id ORDER BY nth) AS seq, l.*
FROM (
  SELECT account_id, at, l.* FROM book CROSS JOIN LATERAL (VALUES
    (1.0, 'trial', 3, trial, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL),
    (2.0, 'purchase', 10000, pack, NULL, NULL, NULL, pack_payment, NULL),
    (3.0, 'usage', -3, trial, NULL, NULL, NULL, NULL, NULL),
    (4.0, 'usage', -5, pack, NULL, NULL, open_hold, NULL, NULL),
    (5.0, 'usage', -4, pack, NULL, NULL, closed_hold, NULL, NULL),
    (6.0, 'refund', 1, pack, NULL, NULL, closed_hold, NULL, NULL),
    (7.0, 'purchase', 100, gone, NULL, NULL, NULL, gone_payment, NULL),
    (8.0, 'clawback', -100, gone, NULL, NULL, NULL, gone_payment, NULL))
    AS l (nth, type, amount, grant_id, generation_id, item_id, hold_id, payment_id, cause)
  UNION ALL
  SELECT account_id, at, 8 + n, 'generation', -2, pack, id, NULL, NULL, NULL, NULL FROM made
  UNION ALL
  SELECT account_id, at, 8.5 + n, 'refund', 1, pack, id, failed, NULL, NULL, 'failed' FROM made
  UNION ALL
  SELECT account_id, at, 20 + n, 'usage', -1, pack, NULL, NULL, NULL, NULL, NULL
  FROM book CROSS JOIN LATERAL generate_series(1, usages) AS n) AS l;

ANALYZE book, made, lines;

INSERT INTO credit_entries (account_id, seq, type, amount, available_after, allocations,
  generation_id, item_id, hold_id, payment_id, cause, created_at)
SELECT account_id, seq, type::entry_type, amount,
  sum(amount) OVER (PARTITION BY account_id ORDER BY seq),
  jsonb_build_array(jsonb_build_array(grant_id, abs(amount))), generation_id, item_id, hold_id,
  payment_id, cause, at
FROM lines ORDER BY account_id, seq;

INSERT INTO generations (account_id, id, idempotency_key, fingerprint, style_id, style_version,
  kind, input, params, metadata, status, item_count, open_items, failed_items, cost, trial_cost,
  captured, refunded, entry_seq, balance_after, created_at, deadline_at, completed_at)
SELECT m.account_id, m.id, 'book-' || n, sha256('book'), style_id, style_version, style_kind,
  '{"type": "text", "prompt": "A mug."}', '{}', '{}', 'completed', 2, 0, 1, 2, 0, 1, 1, l.seq, 9000,
  m.at, m.at, m.at
FROM made m JOIN lines l ON l.account_id = m.account_id AND l.type = 'generation'
  AND l.generation_id = m.id;

INSERT INTO generation_items (account_id, id, generation_id, position, status, due_at, attempt,
  attempt_token, output, error_code, cost, cost_from, captured, refunded, response_time_ms,
  started_at, completed_at)
SELECT account_id, i.id, m.id, i.position, i.status::item_status, at, 1, uuid_v7(), i.output,
  i.error, 1, i.position, i.captured, 1 - i.captured, 900, at, at
FROM made m CROSS JOIN LATERAL (VALUES
  (completed, 0, 'completed', '{"kind": "text", "text": "A mug."}'::jsonb, NULL, 1),
  (failed, 1, 'failed', NULL, 'provider_error', 0))
  AS i (id, position, status, output, error, captured);

INSERT INTO credit_holds (account_id, id, amount, captured, released, allocations, status,
  entry_seq, expires_at, closed_at, created_at)
SELECT account_id, h.id, h.amount, h.captured, h.released,
  jsonb_build_array(jsonb_build_array(pack, h.amount)), h.status, h.seq, now() + interval '1 day',
  CASE WHEN h.status <> 'open' THEN at END, at
FROM book CROSS JOIN LATERAL (VALUES
  (open_hold, 5, 0, 0, 'open', 4), (closed_hold, 4, 3, 1, 'captured', 5))
  AS h (id, amount, captured, released, status, seq);

INSERT INTO credit_grants (account_id, id, source, amount, remaining, clawed, priority, starts_at,
  closed_at, payment_id, effect_key, reversed, taken, taken_at, created_at)
SELECT account_id, g.id, g.source, g.amount, g.remaining, g.taken,
  CASE g.source WHEN 'trial' THEN 0 ELSE 100 END, at, CASE WHEN g.remaining = 0 THEN at END,
  g.payment_id, g.source || ':' || g.id, g.taken, g.taken, CASE WHEN g.taken > 0 THEN at END, at
FROM book CROSS JOIN LATERAL (VALUES
  (trial, 'trial', 3, 0, 0, NULL::uuid), (pack, 'purchase', 10000, 10000, 0, pack_payment),
  (gone, 'purchase', 100, 0, 100, gone_payment))
  AS g (id, source, amount, remaining, taken, payment_id);

INSERT INTO credit_accounts (account_id, available, held, seq, head_grant_id, head_remaining,
  next_expiry_at, lifetime_granted, lifetime_used, created_at)
SELECT account_id, l.available, 5, l.lines, pack, l.available, now() + interval '1 day',
  10103, 3 + 3 + 2 + usages, at
FROM book JOIN (
  SELECT account_id, sum(amount) AS available, count(*) AS lines FROM lines GROUP BY account_id)
  AS l USING (account_id);

INSERT INTO albums (account_id, id, name) SELECT account_id, album, 'An album' FROM book;
