import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { givePurchase, letExpire, makeAccount, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import {
  type CreatedBatch,
  countItems,
  createBatch,
  findBatchHead,
  listItems,
  type NewBatch,
} from "./batches.ts";
import { findBalance, listEntries } from "./credits.ts";
import { cancelGeneration, deleteGeneration } from "./generations.ts";
import { endDueItem } from "./items.ts";
import { readAll } from "./slices.ts";

const db = useDatabase();

const makeRow = (line: number, cost = 1) => ({
  label: `row ${line}`,
  input: { type: "text", prompt: `prompt ${line}` },
  ...(line % 2 === 0 && { params: { size: `${line}` } }),
  ...{ line, cost },
});
const makeRows = (count: number, cost = 1) =>
  Array.from({ length: count }, (_, at) => makeRow(at + 2, cost));

const make = (accountId: string, more: Partial<NewBatch> = {}): Promise<CreatedBatch> =>
  createBatch(db.app, accountId, {
    ...makeKey(),
    style: "modern_minimalist",
    params: { size: "small", look: "calm" },
    rows: makeRows(3),
    batch: { rows: 3, rejected: 0, errors: [] },
    ...more,
  });

async function readItems(accountId: string, generationId: string) {
  const all = [];
  for await (const rows of readAll(listItems(db.app, accountId, { generationId }))) {
    all.push(...rows);
  }
  return all;
}

it("prices each row by itself, and each owns its slice of what was paid", async () => {
  const { id: accountId } = await makeAccount(db.app, 50);
  const rows = [makeRow(2, 5), makeRow(3, 0), makeRow(5, 7)];
  const made = await make(accountId, { rows });
  expect([made.cost, made.item_ids.length, made.replayed]).toEqual([12, 3, false]);
  const failed = await claim(db.worker, accountId, made, { position: 2 });
  expect(failed).toMatchObject({ cost: 7, input: { type: "text", prompt: "prompt 5" } });
  await fail(db.worker, failed);
  await complete(db.worker, await claim(db.worker, accountId, made), 4);
  await complete(db.worker, await claim(db.worker, accountId, made, { position: 1 }));
  const balance = await findBalance(db.app, accountId);
  expect([balance?.available, balance?.held]).toEqual([53 - 4, 0]);
});

it("pays each row back to the very credits that it took", async () => {
  const { id: accountId } = await makeAccount(db.app, 50);
  const made = await make(accountId, { rows: [makeRow(2, 2), makeRow(3, 1), makeRow(4, 5)] });
  expect(made.trial_cost).toBe(3);
  const trial = async () => (await findBalance(db.app, accountId))?.trial_credits;
  await fail(db.worker, await claim(db.worker, accountId, made, { position: 2 }));
  expect(await trial()).toBe(0);
  await fail(db.worker, await claim(db.worker, accountId, made, { position: 1 }));
  expect(await trial()).toBe(1);
});

it("gives a worker the row's input, and its params before the batch's", async () => {
  const { id: accountId } = await makeAccount(db.app, 50);
  const made = await make(accountId);
  const first = await claim(db.worker, accountId, made);
  expect(first.params).toEqual({ size: "2", look: "calm" });
  const second = await claim(db.worker, accountId, made, { position: 1 });
  expect(second.params).toEqual({ size: "small", look: "calm" });
  expect(second.input).toEqual({ type: "text", prompt: "prompt 3" });
});

it("answers a repeat with the first answer, whatever came with it", async () => {
  const { id: accountId } = await makeAccount(db.app, 500);
  const key = makeKey();
  const code = "validation_failed" as const;
  const errors = [{ line: 9, pointer: "/rows/7", code, message: "No." }];
  const batch = { rows: 121, rejected: 1, errors };
  const made = await make(accountId, { ...key, rows: makeRows(120), batch, reference: "r" });
  expect(made.items).toHaveLength(100);
  const again = await make(accountId, { ...key, rows: [] });
  const { item_ids: ids, ...first } = made;
  expect(ids).toHaveLength(120);
  expect(again).toEqual({ ...first, item_ids: [], replayed: true });
  const other = make(accountId, { key: key.key });
  await expect(other).rejects.toMatchObject({ code: "idempotency_conflict" });
});

it("is made once, however many ask for it at the same time", async () => {
  const { id: accountId } = await makeAccount(db.app, 500);
  const key = makeKey();
  const rows = makeRows(50);
  const asked = Array.from({ length: 6 }, () => make(accountId, { ...key, rows }));
  const made = await Promise.all(asked);
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect(made.filter(({ replayed }) => !replayed)).toHaveLength(1);
  const spent = await listEntries(db.app, accountId, { type: "generation", limit: 10 });
  expect(spent).toHaveLength(1);
});

it("leaves nothing behind when it can't be paid", async () => {
  const { id: accountId } = await makeAccount(db.app, 10);
  const key = makeKey();
  const refused = make(accountId, { ...key, rows: makeRows(14) });
  await expect(refused).rejects.toMatchObject({
    ...{ code: "insufficient_credits", detail: { extra: { required: 14, available: 13 } } },
  });
  const [left] = await db.admin`
    SELECT count(*) FROM ducat.generation_items WHERE account_id = ${accountId}`;
  expect(left?.count).toBe(0);
  expect((await make(accountId, { ...key, rows: makeRows(13) })).cost).toBe(13);
});

it("is paid from several grants, also where one has just expired", async () => {
  const { id: accountId } = await makeAccount(db.app, 10);
  await givePurchase(db.app, accountId, 5, { validForSeconds: 3600 });
  const made = await make(accountId, { rows: makeRows(9) });
  expect([made.trial_cost, made.balance_after]).toEqual([3, 9]);
  await letExpire(db.admin, accountId);
  const later = await make(accountId, { rows: makeRows(9) });
  expect(later.balance_after).toBe(0);
});

it("takes batches and single generations of an account at once, to the last credit", async () => {
  const { id: accountId } = await makeAccount(db.app, 97);
  const asked = Array.from({ length: 12 }, () => make(accountId, { rows: makeRows(10) }));
  const ends = await Promise.allSettled(asked);
  expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
  expect((await findBalance(db.app, accountId))?.available).toBe(0);
});

it("refuses another version of the style than was quoted, and rows without end", async () => {
  const { id: accountId } = await makeAccount(db.app, 10);
  const old = make(accountId, { styleVersion: 4711 });
  await expect(old).rejects.toMatchObject({
    ...{ code: "invalid_state", detail: { extra: { what: "style_version" } } },
  });
  for (const rows of [[], makeRows(10_001, 0), [makeRow(1, -1)]]) {
    await expect(make(accountId, { rows })).rejects.toMatchObject({ code: "validation_failed" });
  }
  await expect(make(accountId, { style: "nothing" })).rejects.toMatchObject({ code: "not_found" });
});

it("takes its quotas with it, and gives them back with what fails", async () => {
  const { id: accountId } = await makeAccount(db.app, 10);
  const quota = { feature: "rows", amount: 1, limit: 3, period_start: "2026-01-01T00:00:00Z" };
  const made = await make(accountId, { usage: [quota] });
  const full = make(accountId, { usage: [quota] });
  await expect(full).rejects.toMatchObject({ code: "quota_exceeded" });
  await fail(db.worker, await claim(db.worker, accountId, made));
  const one = await make(accountId, { rows: makeRows(1, 0), usage: [quota] });
  expect([one.cost, one.trial_cost]).toEqual([0, 0]);
});

it("shows its items in their order to its account only, and none once it was forgotten", async () => {
  const { id: accountId } = await makeAccount(db.app, 2_000);
  const { id: stranger } = await makeAccount(db.app);
  const made = await make(accountId, { rows: makeRows(1_101) });
  const items = await readItems(accountId, made.id);
  expect(items.map(({ id }) => id)).toEqual(made.item_ids);
  expect(items[1]).toMatchObject({ line: 3, position: 1, status: "pending", label: "row 3" });
  expect(await readItems(stranger, made.id)).toEqual([]);
  expect(await findBatchHead(db.app, stranger, made.id)).toBeUndefined();
  const some = { generationId: made.id, from: 10, to: 20, status: ["pending" as const] };
  expect(await countItems(db.app, accountId, some)).toEqual({ items: 10, bytes: 0 });
  expect((await countItems(db.app, stranger, some)).items).toBe(0);
  const small = await make(accountId, { rows: makeRows(1) });
  await fail(db.worker, await claim(db.worker, accountId, small));
  await deleteGeneration(db.app, accountId, small.id);
  expect(await readItems(accountId, small.id)).toEqual([]);
  const [row] = await db.admin`SELECT batch FROM ducat.generations WHERE id = ${small.id}`;
  expect(row?.batch).toBeNull();
});

it("is made for an account that is there only", async () => {
  const nobody = make(randomUUID());
  await expect(nobody).rejects.toMatchObject({ code: "not_found" });
});

async function makeMany(count: number) {
  const { id: accountId } = await makeAccount(db.app, count);
  const rows = Array.from({ length: count }, () => makeRow(3));
  return { accountId, made: await make(accountId, { rows }) };
}

it("cancels a long one in steps, so that nobody waits long for the account", async () => {
  const { accountId, made } = await makeMany(502);
  const running = await claim(db.worker, accountId, made, { position: 400 });
  expect(await cancelGeneration(db.app, accountId, made.id)).toEqual({ canceled: 501, asked: 1 });
  const [steps] = await db.admin`
    SELECT count(DISTINCT xmin::text)::int AS count FROM ducat.generation_items
    WHERE generation_id = ${made.id}`;
  expect(steps?.count).toBe(2);
  expect(await complete(db.worker, running)).toBe("canceled");
});

it("lets nothing start of what a cancel that broke off did not come to", async () => {
  const { accountId, made } = await makeMany(502);
  await db.admin`SELECT ducat.cancel_generation(${accountId}, ${made.id})`;
  const last = { position: 501 };
  await expect(claim(db.worker, accountId, made, last)).rejects.toThrow("could not be claimed");
  const item = { accountId, generationId: made.id, itemId: made.item_ids[501] ?? "" };
  expect(await endDueItem(db.worker, item)).toBe("canceled");
  expect(await cancelGeneration(db.app, accountId, made.id)).toEqual({ canceled: 1, asked: 0 });
});
