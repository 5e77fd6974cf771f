import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import { findBalance } from "./credits.ts";
import { refundGeneration } from "./generation-refunds.ts";
import { cancelGeneration, type UsageTake } from "./generations.ts";
import { endDueItem } from "./items.ts";

const database = useDatabase();

const november = "2026-11-01T00:00:00Z";
const quota = (feature: string, limit: number | null, more: Partial<UsageTake> = {}) => ({
  feature,
  amount: 1,
  limit,
  period_start: november,
  ...more,
});

async function listUsed(accountId: string): Promise<Record<string, number>> {
  const rows = await database.admin<{ feature: string; used: number }[]>`
    SELECT feature, sum(used)::int AS used FROM ducat.usage_counters
    WHERE account_id = ${accountId} GROUP BY feature`;
  return Object.fromEntries(rows.map((row) => [row.feature, row.used]));
}

describe("a quota", () => {
  it("is taken per item in the call that creates, and once per key", async () => {
    const { id } = await makeAccount(database.app, 10);
    const usage = [quota("pictures", 5), quota("bytes", null, { amount: 1000 })];
    const asked = { ...makeKey(), usage, labels: ["a", "b", "c"] };
    await makeGeneration(database.app, id, asked);
    expect(await makeGeneration(database.app, id, asked)).toMatchObject({ replayed: true });
    expect(await listUsed(id)).toEqual({ pictures: 3, bytes: 3000 });
  });

  it("refuses with what it is, and then nothing was taken, of credits or other quotas", async () => {
    const { id } = await makeAccount(database.app, 10);
    const resets = { resets_at: "2026-12-01T00:00:00Z" };
    await makeGeneration(database.app, id, { usage: [quota("pictures", 3)], labels: ["a", "b"] });
    const usage = [quota("bytes", null), quota("pictures", 3, resets)];
    const refused = makeGeneration(database.app, id, { usage, labels: ["a", "b"] });
    expect(await refusalOf(refused)).toEqual({
      code: "quota_exceeded",
      quota: "pictures",
      limit: 3,
      current: 2,
      ...resets,
    });
    expect(await listUsed(id)).toEqual({ pictures: 2 });
    expect(await findBalance(database.app, id)).toMatchObject({ available: 11, held: 2 });
    await makeGeneration(database.app, id, { usage });
    expect(await listUsed(id)).toEqual({ pictures: 3, bytes: 1 });
  });

  it("is not taken when the credits don't suffice, and the other way round", async () => {
    const { id } = await makeAccount(database.app);
    const usage = [quota("pictures", 9)];
    const poor = await refusalOf(makeGeneration(database.app, id, { usage, unitCost: 4 }));
    expect(poor).toMatchObject({ code: "insufficient_credits" });
    expect(await listUsed(id)).toEqual({});
  });

  it("counts each period by itself", async () => {
    const { id } = await makeAccount(database.app);
    const december = { period_start: "2026-12-01T00:00:00Z" };
    await makeGeneration(database.app, id, { usage: [quota("pictures", 1)] });
    await makeGeneration(database.app, id, { usage: [quota("pictures", 1, december)] });
    const again = makeGeneration(database.app, id, { usage: [quota("pictures", 1, december)] });
    expect(await refusalOf(again)).toMatchObject({ code: "quota_exceeded", current: 1 });
  });

  it("lets a free generation through without hold or entry", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { usage: [quota("free", 1)], unitCost: 0 });
    expect(made).toMatchObject({ cost: 0, trial_cost: 0, balance_after: 3 });
    await complete(database.worker, await claim(database.worker, id, made));
    const [row] = await database.admin`
      SELECT seq, available, held FROM ducat.credit_accounts WHERE account_id = ${id}`;
    expect(row).toEqual({ seq: 1, available: 3, held: 0 });
  });
});

describe("a quota is given back", () => {
  const usage = [quota("pictures", 3), quota("bytes", null, { amount: 10 })];
  const labels = ["a", "b", "c"];

  it("for each item that fails for good or is canceled, not for a retry", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { usage, labels });
    const item = await claim(database.worker, id, made);
    await fail(database.worker, item, { retryable: true });
    expect(await listUsed(id)).toEqual({ pictures: 3, bytes: 30 });
    await fail(database.worker, await claim(database.worker, id, made, { attempt: 1 }));
    expect(await listUsed(id)).toEqual({ pictures: 2, bytes: 20 });
    await cancelGeneration(database.app, id, made.id);
    expect(await listUsed(id)).toEqual({ pictures: 0, bytes: 0 });
    await makeGeneration(database.app, id, { usage, labels });
  });

  it("by the sweeper too, and for what cost nothing", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { usage, labels, unitCost: 0 });
    await database.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() - interval '1 hour'
      WHERE id = ${made.id}`;
    const item = { accountId: id, generationId: made.id };
    for (const itemId of made.item_ids) await endDueItem(database.worker, { ...item, itemId });
    expect(await listUsed(id)).toEqual({ pictures: 0, bytes: 0 });
  });

  it("never for what was completed, not even when support pays it back", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { usage });
    await complete(database.worker, await claim(database.worker, id, made), 0);
    const audit = { actor: "test", request_id: "test", ip: null };
    const refund = { ...makeKey(), id: made.id, reason: "test", audit };
    await refundGeneration(database.app, id, refund);
    expect(await listUsed(id)).toEqual({ pictures: 1, bytes: 10 });
  });

  it("not below nothing, when somebody has reset the counter", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { usage });
    await database.admin`UPDATE ducat.usage_counters SET used = 0 WHERE account_id = ${id}`;
    await cancelGeneration(database.app, id, made.id);
    expect(await listUsed(id)).toEqual({ pictures: 0, bytes: 0 });
  });
});
