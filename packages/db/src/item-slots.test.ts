import { expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { claim, complete, fail } from "../test/work.ts";
import type { CreatedGeneration } from "./generations.ts";
import { cancelGeneration } from "./generations.ts";
import { claimItem, deferItem, listWaitingItems, saveProviderRequest } from "./items.ts";

const database = useDatabase();

/** What a plan with this limit adds to a generation. */
const running = (limit: number) => [
  { feature: "_running", amount: 0, limit, period_start: "-infinity" },
];

async function makeBatch({ items, limit }: { items: number; limit?: number }) {
  const { id } = await makeAccount(database.app, items);
  const labels = Array.from({ length: items }, (_, n) => `${n}`);
  const usage = limit === undefined ? {} : { usage: running(limit) };
  const made = await makeGeneration(database.app, id, { labels, ...usage });
  return { id, made };
}
const makeLine = (id: string, items: number) =>
  makeGeneration(database.app, id, {
    unitCost: 0,
    labels: Array.from({ length: items }, (_, n) => `${n}`),
    usage: running(1),
  });
const tryClaim = (
  { id, made }: { id: string; made: CreatedGeneration },
  {
    position,
    attempt = 0,
    db = database.worker,
    leaseSeconds = 60,
  }: {
    position: number;
    attempt?: number;
    db?: typeof database.worker;
    leaseSeconds?: number;
  },
) => {
  const itemId = made.item_ids[position] ?? "";
  return claimItem(db, { accountId: id, generationId: made.id, itemId, attempt }, leaseSeconds);
};
const isClaimed = <T>(item: T | undefined): item is T => item !== undefined;
const countRows = async (accountId: string) => {
  const [row] = await database.admin<{ count: number }[]>`
    SELECT count(*)::int FROM ducat.item_slots WHERE account_id = ${accountId}`;
  return row?.count;
};
const secondsUntilDue = async (itemId = "") => {
  const [row] = await database.admin<{ seconds: number }[]>`
    SELECT extract(epoch FROM due_at - clock_timestamp())::float8 AS seconds
    FROM ducat.generation_items WHERE id = ${itemId}`;
  return Math.round(row?.seconds ?? 0);
};

it("of 40 claims at once as many get their item as may be worked on", async () => {
  const batch = await makeBatch({ items: 40, limit: 5 });
  const sessions = await openSessions(database.url, "ducat_worker", 8);
  const claims = await Promise.all(
    atOnce(sessions, 40, (db, position) => tryClaim(batch, { position, db })),
  );
  expect(claims.filter(isClaimed)).toHaveLength(5);
  expect(claims.find(isClaimed)?.running_limit).toBe(5);
});

it("counts the items of all generations of an account, and of no other", async () => {
  const [one, foreign] = [await makeBatch({ items: 2, limit: 1 }), await makeBatch({ items: 1 })];
  const other = {
    id: one.id,
    made: await makeGeneration(database.app, one.id, { usage: running(1) }),
  };
  expect(await tryClaim(one, { position: 0 })).toBeDefined();
  expect(await tryClaim(other, { position: 0 })).toBeUndefined();
  expect(await tryClaim(foreign, { position: 0 })).toBeDefined();
});

it("whoever has no such limit has no rows here, and as many items as there are", async () => {
  const batch = await makeBatch({ items: 10 });
  for (let position = 0; position < 10; position++) {
    expect((await tryClaim(batch, { position }))?.running_limit).toBeNull();
  }
  expect(await countRows(batch.id)).toBe(0);
});

it.each([
  ["is completed", (item: Claimed) => complete(database.worker, item)],
  ["fails for good", (item: Claimed) => fail(database.worker, item)],
  ["will be tried again", (item: Claimed) => fail(database.worker, item, { retryable: true })],
  [
    "is given back before any provider knows it",
    (item: Claimed) => deferItem(database.worker, item, 0),
  ],
])("a slot is free again when its item %s", async (_how, end) => {
  const batch = await makeBatch({ items: 3, limit: 1 });
  const item = await claim(database.worker, batch.id, batch.made);
  expect(await tryClaim(batch, { position: 1 })).toBeUndefined();
  await end(item);
  expect(await tryClaim(batch, { position: 2 })).toBeDefined();
  expect(await tryClaim(batch, { position: 1 })).toBeUndefined();
});
type Claimed = Awaited<ReturnType<typeof claim>>;

it("an item keeps its slot while its provider works on it, and can be asked for again", async () => {
  const batch = await makeBatch({ items: 2, limit: 1 });
  const item = await claim(database.worker, batch.id, batch.made);
  await saveProviderRequest(database.worker, item, "request-1");
  await deferItem(database.worker, item, 0);
  expect(await tryClaim(batch, { position: 1 })).toBeUndefined();
  expect(await tryClaim(batch, { position: 0, attempt: 1 })).toBeDefined();
});

it("an item whose worker was lost keeps its slot, for the worker that comes next", async () => {
  const batch = await makeBatch({ items: 2, limit: 1 });
  await claim(database.worker, batch.id, batch.made, { leaseSeconds: 0 });
  expect(await tryClaim(batch, { position: 1 })).toBeUndefined();
  expect(await tryClaim(batch, { position: 0, attempt: 1 })).toBeDefined();
});

it("a refused item waits, the later in line the longer, and takes no attempt", async () => {
  const batch = await makeBatch({ items: 42, limit: 1 });
  for (let position = 0; position < 42; position++) await tryClaim(batch, { position });
  const due = (position: number) => secondsUntilDue(batch.made.item_ids[position]);
  expect([await due(1), await due(2), await due(41)]).toEqual([30, 60, 600]);
  const [row] = await database.admin`
    SELECT status, attempt, failures FROM ducat.generation_items
    WHERE id = ${batch.made.item_ids[1] ?? ""}`;
  expect(row).toEqual({ status: "pending", attempt: 0, failures: 0 });
});

it("names the oldest of those in line for each free slot, and nobody else's", async () => {
  const batch = await makeBatch({ items: 6, limit: 2 });
  const claims = [];
  for (let position = 0; position < 6; position++) {
    claims.push(await tryClaim(batch, { position }));
  }
  const next = async () => {
    const found = await listWaitingItems(database.worker, batch.id, 2);
    return found.map(({ itemId }) => batch.made.item_ids.indexOf(itemId));
  };
  expect(await next()).toEqual([]);
  if (claims[0]) await complete(database.worker, claims[0]);
  expect(await next()).toEqual([2]);
  expect(await next()).toEqual([2]);
  if (claims[1]) await complete(database.worker, claims[1]);
  expect(await next()).toEqual([2, 3]);
  expect(await tryClaim(batch, { position: 2 })).toBeDefined();
  expect(await next()).toEqual([3]);
});

it("passes over those in line that were canceled, and forgets them", async () => {
  const batch = await makeBatch({ items: 5, limit: 1 });
  const item = await claim(database.worker, batch.id, batch.made);
  for (let position = 1; position < 5; position++) await tryClaim(batch, { position });
  const later = {
    id: batch.id,
    made: await makeGeneration(database.app, batch.id, { usage: running(1) }),
  };
  await tryClaim(later, { position: 0 });
  await cancelGeneration(database.app, batch.id, batch.made.id);
  await complete(database.worker, item);
  const found = await listWaitingItems(database.worker, batch.id, 1);
  expect(found.map(({ itemId }) => itemId)).toEqual(later.made.item_ids);
  expect(await tryClaim(later, { position: 0 })).toBeDefined();
  expect(await countRows(batch.id)).toBe(1);
});

it("knows the limit of whoever waits first, where nobody says one", async () => {
  const batch = await makeBatch({ items: 5, limit: 2 });
  expect(await listWaitingItems(database.app, batch.id)).toEqual([]);
  const claims = [];
  for (let position = 0; position < 5; position++) {
    claims.push(await tryClaim(batch, { position }));
  }
  const next = async () => {
    const found = await listWaitingItems(database.app, batch.id);
    return found.map(({ itemId }) => batch.made.item_ids.indexOf(itemId));
  };
  expect(await next()).toEqual([]);
  for (const one of claims.slice(0, 2)) if (one) await complete(database.worker, one);
  expect(await next()).toEqual([2, 3]);
});

it("sees who comes into line at the moment in which a slot becomes free", async () => {
  const batch = await makeBatch({ items: 2, limit: 1 });
  const item = await claim(database.worker, batch.id, batch.made);
  let listing: ReturnType<typeof listWaitingItems> | undefined;
  await database.worker.begin(async (tx) => {
    const db = tx as unknown as typeof database.worker;
    expect(await tryClaim(batch, { position: 1, db })).toBeUndefined();
    await complete(database.worker, item);
    listing = listWaitingItems(database.worker, batch.id, 1);
    await waitForLocks(database.admin);
  });
  expect((await listing)?.map(({ itemId }) => itemId)).toEqual([batch.made.item_ids[1]]);
});

it("names who waits behind more canceled items than it forgets at once", async () => {
  const { id } = await makeAccount(database.app);
  const gone = await Promise.all([1, 2, 3].map(() => makeLine(id, 400)));
  await database.admin`
    INSERT INTO ducat.item_slots (account_id, item_id, generation_id, is_waiting)
    SELECT account_id, id, generation_id, true FROM ducat.generation_items
    WHERE account_id = ${id}`;
  for (const one of gone) await cancelGeneration(database.app, id, one.id);
  const [running, waiting] = [await makeLine(id, 1), await makeLine(id, 1)];
  const item = await claim(database.worker, id, running);
  expect(await tryClaim({ id, made: waiting }, { position: 0 })).toBeUndefined();
  await complete(database.worker, item);
  const found = await listWaitingItems(database.worker, id, 1);
  expect(found.map(({ itemId }) => itemId)).toEqual(waiting.item_ids);
});
