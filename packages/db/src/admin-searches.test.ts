import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount } from "../test/factories.ts";
import { type AccountSearch, searchAccounts } from "./admin-accounts.ts";
import { type PaymentSearch, searchPayments } from "./admin-payments.ts";
import { type AuditSearch, searchAuditLogs } from "./audit-logs.ts";
import { connectDatabase, type Db } from "./connect.ts";
import { freezeAccount } from "./credits.ts";
import { assignPlan } from "./entitlements.ts";
import { settlePayment } from "./payments.ts";
import { readAll, readPage, type SlicedList } from "./slices.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db.close());

const audit = { actor: "root", request_id: "r-1", ip: null };

async function findIds<T extends { id: string }>(list: SlicedList<T>): Promise<string[]> {
  const ids: string[] = [];
  for await (const rows of readAll(list)) ids.push(...rows.map(({ id }) => id));
  const page = await readPage(list, { before: undefined, limit: 100 });
  expect(ids.slice(0, 100)).toEqual(page.rows.map(({ id }) => id));
  return ids;
}

describe("a search of accounts", () => {
  const find = async (search: AccountSearch) => await findIds(await searchAccounts(db.app, search));

  it("goes by plan, by what freezes them, by whether they may act, and by time", async () => {
    const { product } = await makeOffer(db.admin, { kind: "plan" });
    const plain = await makeAccount(db.app, 5);
    const planned = await makeAccount(db.app);
    const frozen = await makeAccount(db.app);
    await assignPlan(db.app, planned.id, { plan: product.key, audit });
    await freezeAccount(db.app, frozen.id, { reason: "admin", frozen: true, audit });
    await db.admin`UPDATE ducat.accounts SET is_active = false WHERE id = ${plain.id}`;

    expect(await find({ plan: product.key })).toEqual([planned.id]);
    const [row] = (
      await readPage(await searchAccounts(db.app, { query: plain.id }), {
        before: undefined,
        limit: 1,
      })
    ).rows;
    expect(row).toMatchObject({ available: 8, held: 0, debt: 0, frozen: [] });
    const ofPlain = await find(row?.plan ? { plan: row.plan } : {});
    expect(ofPlain).toContain(frozen.id);
    expect(row?.plan ? ofPlain.includes(planned.id) : false).toBe(false);
    expect(await find({ isFrozen: true })).toEqual([frozen.id]);
    expect(await find({ isFrozen: false })).not.toContain(frozen.id);
    expect(await find({ isActive: false })).toEqual([plain.id]);
    const { created_at: at } = planned;
    expect(await find({ from: at, to: new Date(at.getTime() + 1) })).toContain(planned.id);
    expect(await find({ to: at })).not.toContain(planned.id);
  });

  it("by a name's first letter is a walk through all, by the whole name a look-up", async () => {
    await db.admin`
      WITH made AS (
        INSERT INTO ducat.accounts (kind, name)
        SELECT 'user', CASE WHEN n % 10 = 0 THEN 'Other ' ELSE 'Zoe ' END || n
        FROM generate_series(1, 2600) n RETURNING id)
      INSERT INTO ducat.credit_accounts (account_id) SELECT id FROM made`;
    const [{ before } = { before: 0 }] = await db.admin<{ before: number }[]>`
      SELECT count(*) AS before FROM ducat.accounts WHERE lower(name) LIKE 'z%'`;
    const found = await find({ query: "z" });
    expect([found.length, new Set(found).size]).toEqual([before, before]);
    expect(found).toEqual([...found].sort().reverse());
    expect(await find({ query: "ZOE 2599" })).toHaveLength(1);
    expect(await find({ query: "other" })).toHaveLength(260);
    expect(await find({ query: "z", kind: "vendor" })).toEqual([]);
  });
});

describe("a search of payments", () => {
  const find = (search: PaymentSearch) => findIds(searchPayments(db.app, search));

  it("goes by amount, currency, time, and every name that a payment has", async () => {
    const { price } = await makeOffer(db.admin, {}, { amount: 1234 });
    const { price: other } = await makeOffer(db.admin, {}, { amount: 99, currency: "EUR" });
    const { id: account } = await makeAccount(db.app);
    const receiptRef = `R-${randomUUID()}`;
    const ordered = await makePayment(db.app, account, { priceId: price.id });
    const fact = makeSucceededFact(ordered, { receiptRef });
    const { payment: dear } = await settlePayment(db.app, fact);
    if (!dear) throw new Error("it was not settled");
    const cheap = await makePaid(db.app, account, { priceId: other.id });
    const ids = [cheap.id, dear.id];
    expect(await find({ accountId: account })).toEqual(ids);
    expect(await find({ minAmount: 100 })).toEqual([dear.id]);
    expect(await find({ maxAmount: 99 })).toEqual([cheap.id]);
    expect(await find({ minAmount: 99, maxAmount: 1234 })).toEqual(ids);
    expect(await find({ currency: "EUR" })).toEqual([cheap.id]);
    const { created_at: at, reference, provider_ref, id } = dear;
    expect(await find({ from: at })).toEqual(ids);
    expect(await find({ to: at })).toEqual([]);
    for (const text of [receiptRef, reference, provider_ref ?? "", id, id.toUpperCase()]) {
      expect([text, await find({ text })]).toEqual([text, [id]]);
    }
    expect(await find({ text: receiptRef.toLowerCase() })).toEqual([]);
    expect(await find({ accountId: randomUUID() })).toEqual([]);
  });
});

describe("a search of the audit log", () => {
  // One connection, which can be told to write down which indexes it has used.
  let one: Db;
  beforeAll(() => {
    one = connectDatabase({ url: db.url, role: "ducat_app", max: 1 });
  });
  afterAll(() => one.end());
  const find = (search: AuditSearch) => findIds(searchAuditLogs(one, search));

  it("finds by each of its filters what a fold over all lines finds, by an index", async () => {
    const account = randomUUID();
    await db.admin`
      INSERT INTO ducat.audit_logs (account_id, actor, action, resource, resource_id, metadata,
        request_id)
      SELECT CASE WHEN n % 500 = 0 THEN ${account}::uuid END, 'key:' || n % 700, 'act.n' || n % 600,
        CASE n % 900 WHEN 0 THEN 'rare' ELSE 'account' END, 'thing-' || n, '{}', 'req-' || n
      FROM generate_series(1, 5000) n`;
    await db.admin`ANALYZE ducat.audit_logs`;
    const rows = await db.admin<Record<string, string>[]>`
      SELECT id, account_id, actor, action, resource, resource_id, request_id
      FROM ducat.audit_logs ORDER BY id DESC`;
    const searches: [AuditSearch, string, string][] = [
      [{ accountId: account }, "account_id", "audit_logs_account"],
      [{ actor: "key:7" }, "actor", "audit_logs_actor"],
      [{ action: "act.n5" }, "action", "audit_logs_action"],
      [{ resource: "rare" }, "resource", "audit_logs_resource"],
      [{ resourceId: "thing-77" }, "resource_id", "audit_logs_resource_id"],
      [{ requestId: "req-4000" }, "request_id", "audit_logs_request"],
    ];
    for (const [search, column, index] of searches) {
      const [value] = Object.values(search);
      const expected = rows.filter((row) => row[column] === value).map(({ id }) => id);
      expect(expected.length).toBeGreaterThan(0);
      const before = await countScans(index);
      expect([search, await find(search)]).toEqual([search, expected]);
      expect([index, (await countScans(index)) > before]).toEqual([index, true]);
    }
    expect(await find({ action: "act.n5", actor: "key:5" })).toEqual(
      rows.filter((row) => row.action === "act.n5" && row.actor === "key:5").map(({ id }) => id),
    );
  });

  it("finds a span of time, to the millisecond", async () => {
    const rows = await db.admin<{ id: string; created_at: Date }[]>`
      SELECT id, created_at FROM ducat.audit_logs ORDER BY id DESC`;
    const [from, to] = [rows[4000]?.created_at, rows[1000]?.created_at];
    if (!from || !to) throw new Error("there are too few lines");
    const expected = await db.admin<{ id: string }[]>`
      SELECT id FROM ducat.audit_logs WHERE created_at >= ${from} AND created_at < ${to}
      ORDER BY id DESC`;
    expect(await find({ from, to })).toEqual(expected.map(({ id }) => id));
    expect(await find({ from: new Date(Date.now() + 600_000) })).toEqual([]);
    expect((await find({ from: new Date(0) })).length).toBeGreaterThan(0);
    expect(await find({ to: new Date(0) })).toEqual([]);
  });

  /** How often an index was used. */
  async function countScans(index: string): Promise<number> {
    await one`SELECT pg_stat_force_next_flush()`;
    await one`SELECT 1`;
    const [row] = await db.admin<{ scans: number }[]>`
      SELECT idx_scan AS scans FROM pg_stat_user_indexes WHERE indexrelname = ${index}`;
    return row?.scans ?? 0;
  }
});
