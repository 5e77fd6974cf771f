import { beforeAll, expect, it } from "vitest";
import { makeFeatured } from "../test/entitlement-factories.ts";
import { useDatabase } from "../test/use-database.ts";

const database = useDatabase();
const count = 3_000;

// Each with a month, an end and credits that are due some day, and nothing that is due now.
beforeAll(async () => {
  const { admin } = database;
  const { product } = await makeFeatured(admin);
  await admin`
    WITH made AS (
      INSERT INTO ducat.accounts (id, kind)
      SELECT ducat.uuid_v7(), 'user' FROM generate_series(1, ${count}) RETURNING id
    ), subscribed AS (
      INSERT INTO ducat.subscriptions (account_id, product_id, provider, mode, status, interval,
        started_at, period_start, period_end, next_refill_at)
      SELECT id, ${product.id}, 'zarinpal', 'live', 'active', 'year', now(), now(),
        now() + interval '5 days' + random() * interval '1 year',
        now() + interval '5 days' + random() * interval '20 days' FROM made
    ), passed AS (
      INSERT INTO ducat.passes (account_id, product_id, starts_at, ends_at, payment_id, effect_key)
      SELECT id, ${product.id}, now(), now() + interval '5 days' + random() * interval '20 days',
        id, 'p' FROM made
    ), based AS (
      INSERT INTO ducat.base_refills (account_id, next_at)
      SELECT id, now() + random() * interval '20 days' + interval '1 minute' FROM made
    )
    INSERT INTO ducat.credit_accounts (account_id, next_expiry_at)
    SELECT id, now() + interval '5 days' + random() * interval '20 days' FROM made`;
  await admin`VACUUM ANALYZE`;
});

const rounds = [
  ...["find_due_base_refills", "find_due_refills", "find_due_own_subscriptions", "remind_passes"],
  ...["find_expiring_accounts", "find_due_alerts"],
];
it.each(rounds)("%s reads what is due, not what will be", async (name) => {
  const { admin } = database;
  // Once before: the first call of a session reads the system's tables.
  await admin.unsafe(`SELECT * FROM ducat.${name}(100)`);
  const [row] = await admin.unsafe(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ducat.${name}(100)`,
  );
  const [plan] = row?.["QUERY PLAN"] ?? [];
  // One that does it itself says how many there were.
  if (name !== "remind_passes") expect(plan.Plan["Actual Rows"]).toBe(0);
  expect(plan.Plan["Shared Hit Blocks"]).toBeLessThan(100);
});
