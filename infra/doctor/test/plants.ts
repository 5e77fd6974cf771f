import { randomUUID } from "node:crypto";
import type { Stage } from "./stage.ts";

/** Something that must not be, and the checks that must say so, and no others. */
export type Plant = {
  name: string;
  /** One statement or several, in a transaction in which no trigger fires. */
  sql(stage: Stage): string;
  expected: string[];
};

const anyId = "gen_random_uuid()";
/** One account of the clean book. */
const someone = "(SELECT id FROM ducat.accounts WHERE external_id LIKE 'book-%' LIMIT 1)";
const packOf = `(SELECT id FROM ducat.payments WHERE account_id = ${someone} AND credits = 10000)`;
/** Changes one row of a table of that account. */
const change = (table: string, set: string, where = "true") =>
  `UPDATE ducat.${table} SET ${set} WHERE ctid = (
     SELECT ctid FROM ducat.${table} WHERE account_id = ${someone} AND ${where} LIMIT 1)`;
const plant = (expected: string | string[], name: string, sql: string | Plant["sql"]): Plant => ({
  name,
  sql: typeof sql === "string" ? () => sql : sql,
  expected: [expected].flat(),
});

const ledger: Plant[] = [
  plant(
    "I1",
    "credits that no entry tells of",
    ({ person }) => `
    UPDATE ducat.credit_accounts SET available = available + 1, head_remaining = head_remaining + 1
    WHERE account_id = '${person}'`,
  ),
  plant(
    "I1",
    "a credit that moved from one grant to another",
    ({ person }) => `
    UPDATE ducat.credit_grants SET remaining = remaining - 1
    WHERE account_id = '${person}' AND source = 'purchase';
    UPDATE ducat.credit_accounts SET head_remaining = head_remaining + 1, trial = trial + 1
    WHERE account_id = '${person}'`,
  ),
  plant("I1", "something held for nobody", change("credit_accounts", "held = held + 1")),
  plant(
    "I2",
    "a grant that was closed with credits in it",
    ({ person }) => `
    UPDATE ducat.credit_grants SET closed_at = now() WHERE account_id = '${person}'
      AND id <> (SELECT head_grant_id FROM ducat.credit_accounts WHERE account_id = '${person}')`,
  ),
  plant(
    "I3",
    "a balance that was written over in the ledger",
    change("credit_entries", "available_after = available_after + 1", "seq = 5"),
  ),
  plant("I3", "a gap in the ledger", change("credit_entries", "seq = 999", "seq = 20")),
  plant(
    "I14",
    "a debt beside credits",
    `
    ${change("credit_accounts", "debt = 5")};
    ${change("credit_entries", "debt_change = 5", "seq = 5")}`,
  ),
  plant(
    "head",
    "a hold that ends and that nobody waits for",
    change("credit_accounts", "next_expiry_at = 'infinity'"),
  ),
  plant(
    "head",
    "a trial that burns as if it were paid for",
    ({ person }) => `
    UPDATE ducat.credit_accounts SET head_trial = false WHERE account_id = '${person}'`,
  ),
  plant(
    "lifetime",
    "a use that was counted twice",
    change("credit_accounts", "lifetime_used = lifetime_used + 1"),
  ),
  plant(
    "accounts",
    "an account that was deleted by hand",
    `DELETE FROM ducat.accounts WHERE id = ${someone}`,
  ),
];

const generations: Plant[] = [
  plant(
    "I4",
    "a generation past its deadline",
    ({ person }) => `
    UPDATE ducat.generations SET deadline_at = now() - interval '1 hour'
    WHERE account_id = '${person}' AND open_items > 0`,
  ),
  plant(
    "I5",
    "a completed item without an output",
    change("generation_items", "output = NULL", "status = 'completed'"),
  ),
  plant(
    "I6",
    "a refund that belongs to no item",
    change("credit_entries", `item_id = ${anyId}`, "item_id IS NOT NULL"),
  ),
  plant("I7", "a failed item that is not counted", change("generations", "failed_items = 0")),
  plant(
    "I8",
    "a key that was kept without its answer",
    `
    INSERT INTO ducat.idempotency_keys (account_id, scope, key, fingerprint)
    VALUES (${someone}, 'hold', 'k', 'f')`,
  ),
  plant(
    ["I8", "schema"],
    "two generations of one key",
    `
    ALTER TABLE ducat.generations DROP CONSTRAINT generations_idempotency_key;
    UPDATE ducat.generations SET idempotency_key = 'one' WHERE account_id = ${someone}`,
  ),
  plant(
    "I10",
    "a lease on what has ended",
    change("generation_items", "lease_until = now()", "status = 'completed'"),
  ),
  plant(
    "I12",
    "an end that was not told",
    ({ person }) => `
    DELETE FROM ducat.outbox WHERE account_id = '${person}' AND type = 'generation.completed'`,
  ),
  plant(
    "stuck-items",
    "an item that nobody looks at",
    ({ person }) => `
    UPDATE ducat.generation_items SET due_at = now() - interval '1 hour'
    WHERE account_id = '${person}' AND status = 'pending'`,
  ),
  plant(
    "counters",
    "a limit that is used up by nothing",
    `
    INSERT INTO ducat.usage_counters (account_id, feature, period_start, used)
    VALUES (${someone}, 'daily_designs', date_trunc('day', now()), 5)`,
  ),
];

const money: Plant[] = [
  plant(
    "I9",
    "credits that a payment doesn't know of",
    change("payments", "credits_granted = 9999", "credits = 10000"),
  ),
  plant(
    "I9",
    "a refund that took nothing back",
    change("payments", "refunded = 100", "credits = 10000"),
  ),
  plant(
    "I9",
    "credits for money that never came",
    change("payments", "status = 'failed', paid_at = NULL", "credits = 10000"),
  ),
  plant("bought", "a pass that was taken away for nothing", change("passes", "revoked_at = now()")),
  plant("bought", "a pass without its payment", change("passes", `payment_id = ${anyId}`)),
  plant(
    "plans",
    "a subscription to nothing",
    `
    INSERT INTO ducat.subscriptions (account_id, product_id, provider, mode, status, interval,
      started_at)
    VALUES (${someone}, ${anyId}, 'manual', 'test', 'canceled', 'month', now())`,
  ),
  plant(
    "reloads",
    "an account that buys by itself and was never asked",
    change("credit_accounts", "reload_below = 20"),
  ),
  plant(
    "stuck-payments",
    "a refund that nobody finished",
    `
    INSERT INTO ducat.payment_refunds (account_id, payment_id, status, amount, reversed_before,
      idempotency_key, fingerprint, actor, due_at)
    VALUES (${someone}, ${packOf}, 'unknown', 1, 0, 'k', 'f', 'a', now() - interval '3 hours')`,
  ),
  plant(
    "stuck-payments",
    "a reload that is due and not made",
    `
    ${change("credit_accounts", "reload_below = 20, reload_due_at = now() - interval '2 hours'")};
    INSERT INTO ducat.auto_reloads (account_id, enabled, threshold, price_id, provider, amount)
    VALUES (${someone}, true, 20, ${anyId}, 'sandbox', 50)`,
  ),
  plant(
    "anomalies",
    "money that nobody has placed",
    `
    INSERT INTO ducat.payment_anomalies (provider, mode, kind, about, data, created_at)
    VALUES ('sandbox', 'test', 'paid_twice', 'pay_1', '{}', now() - interval '2 days')`,
  ),
  plant(
    "catalog",
    "a price that was changed by hand",
    `
    UPDATE ducat.prices SET amount = amount - 1 WHERE id = (
      SELECT id FROM ducat.prices WHERE is_active LIMIT 1)`,
  ),
  plant(
    "catalog",
    "a pack that gives more than is said",
    `
    UPDATE ducat.products SET credits = credits + 1 WHERE key = 'pack_10'`,
  ),
  plant(
    "catalog",
    "a product that is sold and in no catalog",
    `
    INSERT INTO ducat.products (key, kind, name, description)
    VALUES ('gift', 'pack', '{"en": "A gift"}', '{}')`,
  ),
  plant(
    "promo-codes",
    "a code that was redeemed by nobody",
    `
    INSERT INTO ducat.promo_codes (code, credits, redemptions) VALUES ('SPRING', 5, 1)`,
  ),
];

const people: Plant[] = [
  plant(
    "erased",
    "an address of somebody who was erased",
    ({ erased }) => `
    UPDATE ducat.accounts SET email = 'a@example.com' WHERE id = '${erased}'`,
  ),
  plant(
    "erased",
    "a session of somebody who was erased",
    ({ erased }) => `
    INSERT INTO ducat.sessions (id, login_id, account_id, expires_at)
    VALUES (${anyId}, ${anyId}, '${erased}', now() + interval '1 day')`,
  ),
  plant(
    ["I13", "schema"],
    "a table that shows every account's rows",
    "ALTER TABLE ducat.outbox NO FORCE ROW LEVEL SECURITY",
  ),
  plant(
    ["I13", "schema"],
    "a policy that lets the API see all",
    "ALTER POLICY own_account ON ducat.images USING (true)",
  ),
  plant(
    ["I13", "schema"],
    "a function that everybody may call",
    "GRANT EXECUTE ON FUNCTION ducat.open_account TO PUBLIC",
  ),
  plant(
    ["I13", "schema"],
    "a function that looks names up anywhere",
    "ALTER FUNCTION ducat.claw_back RESET search_path",
  ),
  plant("I13", "a role that can log in and must not", "ALTER ROLE ducat_auth LOGIN"),
];

const files: Plant[] = [
  plant(
    "I11",
    "a row of a file that is not there",
    ({ person }) => `
    INSERT INTO ducat.blobs (account_id, key, sha256, type, size, purpose)
    VALUES ('${person}', '${person}/inputs/${randomUUID()}.webp', 'ab', 'image/webp', 1, 'input')`,
  ),
  plant(
    "I11",
    "a result whose file is another",
    ({ person }) => `
    UPDATE ducat.blobs SET sha256 = 'cd' WHERE account_id = '${person}' AND purpose = 'gallery'`,
  ),
  plant(
    "I11",
    "a result whose thumbnail is another",
    ({ person }) => `
    UPDATE ducat.blobs SET sha256 = 'cd' WHERE account_id = '${person}'
      AND purpose = 'thumbnail' AND generation_id IS NOT NULL`,
  ),
  plant(
    "I11",
    "an image without its thumbnail",
    ({ person }) => `
    UPDATE ducat.images SET thumbnail_id = ${anyId} WHERE account_id = '${person}'`,
  ),
  plant(
    "counters",
    "an image that takes no place",
    ({ person }) => `
    UPDATE ducat.usage_counters SET used = 0
    WHERE account_id = '${person}' AND feature = 'gallery_images'`,
  ),
  plant("counters", "an album that counts wrong", change("albums", "image_count = 7")),
  plant(
    ["I13", "I11"],
    "a file in another account's folder",
    ({ person, erased }) => `
    UPDATE ducat.blobs SET key = replace(key, '${person}', '${erased}')
    WHERE account_id = '${person}' AND purpose = 'input'`,
  ),
];

const place: Plant[] = [
  plant(
    "migrations",
    "a migration that is not written down",
    "DELETE FROM ducat.migrations WHERE name = '0003_entitlements'",
  ),
  plant(
    "migrations",
    "functions of another version",
    "UPDATE ducat.migrations SET sha256 = 'other' WHERE name = 'functions'",
  ),
  plant(
    ["indexes", "schema"],
    "an index that was not built to its end",
    `
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ducat.payments_paid'::regclass`,
  ),
  plant(
    "schema",
    "a column that nobody declared",
    "ALTER TABLE ducat.accounts ADD COLUMN extra text",
  ),
  plant(
    "stuck-expiries",
    "a balance that nobody expires",
    change("credit_accounts", "next_expiry_at = now() - interval '2 hours'"),
  ),
  plant(
    "stuck-events",
    "an event that nobody is told of",
    `
    INSERT INTO ducat.outbox (account_id, type, data, created_at)
    VALUES (${someone}, 'credits.low', '{}', now() - interval '11 minutes')`,
  ),
  plant(
    "stuck-webhooks",
    "a webhook that nobody works on",
    `
    INSERT INTO ducat.webhook_events (provider, mode, dedupe, delivery_id, event_type,
      occurred_at, due_at)
    VALUES ('stripe', 'test', 'd', 'd', 'charge.refunded', now(), now() - interval '1 hour')`,
  ),
  plant(
    "dead-webhooks",
    "a webhook that was given up",
    `
    INSERT INTO ducat.webhook_events (provider, mode, dedupe, delivery_id, event_type,
      occurred_at, status)
    VALUES ('stripe', 'test', 'd', 'd', 'charge.refunded', now(), 'dead')`,
  ),
  plant(
    "stuck-plans",
    "a refill that nobody gives",
    `
    INSERT INTO ducat.base_refills (account_id, next_at)
    VALUES (${someone}, now() - interval '2 days')`,
  ),
  plant(
    "stuck-messages",
    "a mail that nobody sends",
    `
    INSERT INTO ducat.messages (account_id, kind, channel, data, effect_key, due_at)
    VALUES (${someone}, 'receipt', 'email', '{}', 'k', now() - interval '2 hours')`,
  ),
  plant(
    "tasks",
    "a task that nobody does",
    `
    INSERT INTO ducat.upkeep_tasks (name, about, every_s, next_due_at)
    VALUES ('roll-up', 'Sums up.', 300, now() - interval '2 hours')`,
  ),
  plant(
    "tasks",
    "a run that comes to no end",
    `
    INSERT INTO ducat.upkeep_tasks (name, about, every_s, next_due_at, started_at, is_open)
    VALUES ('roll-up', 'Sums up.', 300, now(), now() - interval '26 hours', true)`,
  ),
  plant(
    [],
    "a task of a former release that nobody does any more",
    `
    INSERT INTO ducat.upkeep_tasks (name, about, every_s, next_due_at, seen_at)
    VALUES ('former', 'Was done.', 300, now() - interval '1 day', now() - interval '1 day'),
      ('roll-up', 'Sums up.', 300, now(), now())`,
  ),
  plant(
    "roll-ups",
    "a sum of nothing",
    `
    INSERT INTO ducat.rollup_days (day, computed_at, is_final)
    VALUES ((now() AT TIME ZONE 'UTC')::date - 1, now(), true);
    INSERT INTO ducat.usage_rollups (account_id, day, hour, source, style_id, style_version,
      model, feature, language, category, is_batch, response_buckets)
    VALUES (${someone}, (now() AT TIME ZONE 'UTC')::date - 1, 24, 'generation', 's', 1, 'm', '',
      '', '', false, '{}')`,
  ),
];

export const plants: Plant[] = [...ledger, ...generations, ...money, ...people, ...files, ...place];

/** One of each rule. */
export const samples: Plant[] = plants.filter(({ expected }, at) =>
  expected.some(
    (check) => !plants.slice(0, at).some((earlier) => earlier.expected.includes(check)),
  ),
);
