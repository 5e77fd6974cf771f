import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { claim, complete } from "../test/work.ts";
import { findBalance } from "./credits.ts";
import { type CreatedGeneration, cancelGeneration, findGeneration } from "./generations.ts";
import {
  deferItem,
  endDueItem,
  extendLease,
  readBacklog,
  saveProviderRequest,
  sweepItems,
} from "./items.ts";

let database: TestDatabase;
let worker: TestDatabase["worker"];
let id: string;
let made: CreatedGeneration;
beforeAll(async () => {
  database = await cloneDatabase();
  worker = database.worker;
});
afterAll(() => database.close());
beforeEach(async () => {
  // Each test sweeps the whole database: what others have left is out of the way.
  await database.admin`
    UPDATE ducat.generation_items SET due_at = 'infinity'
    WHERE status IN ('pending', 'processing')`;
  id = (await makeAccount(database.app)).id;
  made = await makeGeneration(database.app, id);
});
afterEach(() => assertInvariants(database.admin));

const ref = () => ({ accountId: id, generationId: made.id, itemId: made.item_ids[0] ?? "" });

/** Seconds until the item is looked at again. */
async function readDue(): Promise<number> {
  const [row] = await database.admin<{ seconds: number }[]>`
    SELECT round(extract(epoch FROM due_at - clock_timestamp()))::int AS seconds
    FROM ducat.generation_items WHERE id = ${ref().itemId}`;
  return row?.seconds ?? Number.NaN;
}

const makeDue = () => database.admin`
  UPDATE ducat.generation_items SET due_at = clock_timestamp() WHERE id = ${ref().itemId}`;

/** How long ago the deadline was, in seconds. */
const passDeadline = (seconds: number) => database.admin`
  UPDATE ducat.generations SET deadline_at = clock_timestamp() - make_interval(secs => ${seconds})
  WHERE id = ${made.id}`;

/** Looks at what is due now, the item first made due. */
async function sweep(): Promise<string[]> {
  await makeDue();
  const found = await sweepItems(worker);
  expect(found.every((item) => item.itemId === ref().itemId)).toBe(true);
  return found.map((item) => item.action);
}

describe("sweep_items", () => {
  it("leaves alone what was made less than 30 s ago", async () => {
    expect(await sweepItems(worker)).toEqual([]);
    expect(await readDue()).toBe(30);
    expect(await readBacklog(worker)).toEqual({ waiting: 0, oldestSeconds: 0 });
  });

  it("asks for a job again, less and less often: 30 s doubling to ten minutes", async () => {
    const waits = [];
    for (let i = 0; i < 7; i++) {
      await makeDue();
      expect((await readBacklog(worker)).waiting).toBe(1);
      expect(await sweepItems(worker)).toMatchObject([{ ...ref(), attempt: 0, action: "run" }]);
      waits.push(await readDue());
      expect(await sweepItems(worker)).toEqual([]);
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 600, 600]);
    await makeDue();
    await sweepItems(worker, { limit: 10, retrySeconds: 5 });
    expect(await readDue()).toBe(600);
    await claim(worker, id, made);
    expect(await readDue()).toBe(60);
  });

  it("does nothing to an item in work but look again when its lease ends", async () => {
    const item = await claim(worker, id, made, { leaseSeconds: 40 });
    expect(await sweep()).toEqual([]);
    expect(await readDue()).toBe(40);
    await extendLease(worker, item, 100);
    expect(await sweep()).toEqual([]);
    expect(await readDue()).toBe(100);
    await complete(worker, item);
    expect(await sweep()).toEqual([]);
  });

  it("asks for a lapsed item's job under the attempt that was lost", async () => {
    await claim(worker, id, made, { leaseSeconds: 0 });
    await makeDue();
    expect(await sweepItems(worker)).toMatchObject([{ attempt: 1, action: "run" }]);
    await claim(worker, id, made, { attempt: 1 });
  });

  it("looks no later than at the deadline, and says that the end has come", async () => {
    await database.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() + interval '7 seconds'
      WHERE id = ${made.id}`;
    expect(await sweep()).toEqual(["run"]);
    expect(await readDue()).toBe(7);
    await passDeadline(0);
    expect(await sweep()).toEqual(["end"]);
    expect(await endDueItem(worker, ref())).toBe("deadline_exceeded");
    expect(await findBalance(database.app, id)).toMatchObject({ available: 3, held: 0 });
  });

  it("gives an item in work the grace: a result within it wins", async () => {
    const item = await claim(worker, id, made);
    await passDeadline(59);
    expect(await sweep()).toEqual([]);
    expect(await endDueItem(worker, ref())).toBeUndefined();
    expect(await complete(worker, item)).toBe("completed");
  });

  it("ends an item in work after deadline and grace, and its worker writes nothing", async () => {
    const item = await claim(worker, id, made);
    await passDeadline(60);
    expect(await sweep()).toEqual(["end"]);
    expect(await endDueItem(worker, ref())).toBe("deadline_exceeded");
    expect(await endDueItem(worker, ref())).toBeUndefined();
    expect(await complete(worker, item)).toBeUndefined();
    expect(await extendLease(worker, item, 60)).toBe("lost");
    const found = await findGeneration(database.app, id, made.id);
    expect(found).toMatchObject({ status: "failed", failed_items: 1, refunded: 1 });
    expect(found?.items[0]).toMatchObject({ error_code: "deadline_exceeded", output: null });
  });

  it("asks a known provider once more after the deadline, before it pays back", async () => {
    const item = await claim(worker, id, made);
    await saveProviderRequest(worker, item, "request-1");
    await deferItem(worker, item, 0);
    await passDeadline(5);
    expect(await sweep()).toEqual(["run"]);
    const again = await claim(worker, id, made, { attempt: 1 });
    expect(again.provider_request_id).toBe("request-1");
    expect(await complete(worker, again)).toBe("completed");
  });

  it("ends what was canceled while its worker was gone, unless a provider was asked", async () => {
    await claim(worker, id, made, { leaseSeconds: 0 });
    await cancelGeneration(database.app, id, made.id);
    expect(await sweep()).toEqual(["end"]);
    expect(await endDueItem(worker, ref())).toBe("canceled");
    const found = await findGeneration(database.app, id, made.id);
    expect(found).toMatchObject({ status: "canceled", refunded: 1 });
  });

  it("finds 500 at most, the longest due first", async () => {
    const { id: rich } = await makeAccount(database.app, 600);
    const labels = Array.from({ length: 510 }, () => null);
    const large = await makeGeneration(database.app, rich, { labels });
    await database.admin`
      UPDATE ducat.generation_items
      SET due_at = clock_timestamp() - make_interval(secs => position)
      WHERE generation_id = ${large.id}`;
    const found = await sweepItems(worker, { limit: 9999 });
    expect(found).toHaveLength(500);
    expect(found.map((item) => item.itemId)).not.toContain(large.item_ids[0]);
    expect(await sweepItems(worker, { limit: 9999 })).toHaveLength(10);
  });
});
