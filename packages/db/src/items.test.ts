import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { claim, complete, fail, output } from "../test/work.ts";
import { findBalance } from "./credits.ts";
import { cancelGeneration, findGeneration } from "./generations.ts";
import {
  claimItem,
  completeItem,
  deferItem,
  endDueItem,
  extendLease,
  failItem,
  saveProviderRequest,
} from "./items.ts";

let database: TestDatabase;
let worker: TestDatabase["worker"];
beforeAll(async () => {
  database = await cloneDatabase();
  worker = database.worker;
});
afterAll(() => database.close());
afterEach(() => assertInvariants(database.admin));

async function makeOne(more: Parameters<typeof makeGeneration>[2] = {}) {
  const { id } = await makeAccount(database.app, 9);
  return { id, made: await makeGeneration(database.app, id, more) };
}

const readItem = async (itemId: string) =>
  (await database.admin`SELECT * FROM ducat.generation_items WHERE id = ${itemId}`)[0];

const secondsFromNow = (at: Date) => Math.round((at.getTime() - Date.now()) / 1000);

describe("claim_item", () => {
  it("gives what the work needs, with a token and a lease", async () => {
    const { id, made } = await makeOne({
      labels: ["front", "back"],
      params: { seed: 7 },
      inputs: [null, { type: "text", prompt: "another" }],
    });
    const first = await claim(worker, id, made, { leaseSeconds: 45 });
    expect(first).toMatchObject({
      account_id: id,
      generation_id: made.id,
      item_position: 0,
      label: "front",
      attempt: 1,
      provider_request_id: null,
      input: { type: "text", prompt: "a garden" },
      params: { seed: 7 },
      cost: 1,
      style_id: "modern_minimalist",
      style_version: 1,
      kind: "image",
    });
    expect(secondsFromNow(first.lease_until)).toBe(45);
    expect(secondsFromNow(first.deadline_at)).toBe(900);
    const second = await claim(worker, id, made, { position: 1 });
    expect(second).toMatchObject({ label: "back", input: { prompt: "another" } });
    expect(second.attempt_token).not.toBe(first.attempt_token);
  });

  it("gives nothing to a job that came twice, too late or for nothing", async () => {
    const { id, made } = await makeOne();
    const item = { accountId: id, generationId: made.id, itemId: made.item_ids[0] ?? "" };
    const claimed = await claim(worker, id, made);
    for (const attempt of [0, 1, 2]) {
      expect(await claimItem(worker, { ...item, attempt }, 60)).toBeUndefined();
    }
    await fail(worker, claimed, { retryable: true });
    // It waits for its second try: the job of the first one comes too late for that.
    expect(await claimItem(worker, { ...item, attempt: 0 }, 60)).toBeUndefined();
    await complete(worker, await claim(worker, id, made, { attempt: 1 }));
    for (const attempt of [0, 1, 2]) {
      expect(await claimItem(worker, { ...item, attempt }, 60)).toBeUndefined();
    }
  });

  it("gives nothing after the deadline, unless a provider has been asked for it", async () => {
    const { id, made } = await makeOne({ labels: ["a", "b"] });
    const asked = await claim(worker, id, made);
    await saveProviderRequest(worker, asked, "request-1");
    await deferItem(worker, asked, 0);
    await database.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() - interval '1 second'
      WHERE id = ${made.id}`;
    const item = { accountId: id, generationId: made.id, attempt: 0 };
    const other = { ...item, itemId: made.item_ids[1] ?? "" };
    expect(await claimItem(worker, other, 60)).toBeUndefined();
    const again = await claim(worker, id, made, { attempt: 1 });
    expect(again).toMatchObject({ attempt: 2, provider_request_id: "request-1" });
  });

  it("ends an item whose workers were lost as often as the style allows tries", async () => {
    const { id, made } = await makeOne();
    for (const attempt of [0, 1, 2]) await claim(worker, id, made, { attempt, leaseSeconds: 0 });
    const item = { accountId: id, generationId: made.id, itemId: made.item_ids[0] ?? "" };
    expect(await claimItem(worker, { ...item, attempt: 3 }, 60)).toBeUndefined();
    expect(await endDueItem(worker, item)).toBe("attempts_exhausted");
    const found = await findGeneration(database.app, id, made.id);
    expect(found?.items[0]).toMatchObject({
      status: "failed",
      error_code: "attempts_exhausted",
      attempt: 3,
      refunded: 1,
    });
  });
});

describe("a worker that lost its item", () => {
  it("writes nothing, neither by a stale token nor by another item's", async () => {
    const { id, made } = await makeOne({ labels: ["a", "b"] });
    const lost = await claim(worker, id, made, { leaseSeconds: 0 });
    const owner = await claim(worker, id, made, { attempt: 1 });
    const other = await claim(worker, id, made, { position: 1 });
    const before = [await readItem(lost.item_id), await findBalance(database.app, id)];
    const mixed = { ...other, item_id: lost.item_id };
    const failure = { code: "x", message: "x", retryable: true, delaySeconds: 0 };
    for (const item of [lost, mixed]) {
      expect(await extendLease(worker, item, 600)).toBe("lost");
      expect(await saveProviderRequest(worker, item, "mine")).toBe(false);
      expect(await deferItem(worker, item, 0)).toBeUndefined();
      expect(await completeItem(worker, item, { output, usage: {} })).toBeUndefined();
      expect(await failItem(worker, item, failure)).toBeUndefined();
    }
    expect([await readItem(lost.item_id), await findBalance(database.app, id)]).toEqual(before);
    expect(await complete(worker, owner)).toBe("completed");
    expect(await complete(worker, lost)).toBeUndefined();
  });

  it("can't end it through another generation's id either", async () => {
    const { id, made } = await makeOne();
    const other = await makeGeneration(database.app, id, { unitCost: 5 });
    const item = await claim(worker, id, made);
    const mixed = { ...item, generation_id: other.id };
    expect(await complete(worker, mixed)).toBeUndefined();
    expect(await fail(worker, mixed)).toBeUndefined();
    await database.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() - interval '1 hour'
      WHERE account_id = ${id}`;
    for (const generationId of [other.id, "00000000-0000-4000-8000-000000000000"]) {
      const ref = { accountId: id, generationId, itemId: item.item_id };
      expect(await endDueItem(worker, ref)).toBeUndefined();
    }
    await database.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() + interval '1 hour'
      WHERE account_id = ${id}`;
    expect(await complete(worker, item)).toBe("completed");
  });
});

describe("complete_item", () => {
  it("keeps output and usage, and a repeat says the same and changes nothing", async () => {
    const { id, made } = await makeOne();
    const item = await claim(worker, id, made);
    const usage = { response_time_ms: 120, provider_cost_micros: 4000, input_tokens: 9 };
    expect(await complete(worker, item, 1, usage)).toBe("completed");
    const before = await readItem(item.item_id);
    expect(before).toMatchObject({
      status: "completed",
      output,
      usage: { input_tokens: 9 },
      response_time_ms: 120,
      provider_cost_micros: 4000,
      lease_until: null,
    });
    expect(await complete(worker, item, 0)).toBe("completed");
    expect(await fail(worker, item)).toMatchObject({ status: "completed" });
    expect(await readItem(item.item_id)).toEqual(before);
  });
});

describe("fail_item", () => {
  it("tries again as often as the style says, then ends and pays back", async () => {
    const { id, made } = await makeOne();
    const statuses = [];
    for (const attempt of [0, 1, 2]) {
      const item = await claim(worker, id, made, { attempt });
      statuses.push(await fail(worker, item, { retryable: true }));
    }
    expect(statuses).toEqual([
      { status: "pending", attempt: 1 },
      { status: "pending", attempt: 2 },
      { status: "failed", attempt: 3 },
    ]);
    expect(await findBalance(database.app, id)).toMatchObject({ available: 12, held: 0 });
  });

  it("says the same again to a repeat", async () => {
    const { id, made } = await makeOne();
    const item = await claim(worker, id, made);
    const again = { status: "pending", attempt: 1 };
    expect(await fail(worker, item, { retryable: true })).toEqual(again);
    expect(await fail(worker, item, { retryable: true })).toEqual(again);
    expect(await readItem(item.item_id)).toMatchObject({ failures: 1, attempt: 1 });
  });

  it("waits as long as it is told, and ends at once if that is past the deadline", async () => {
    const { id, made } = await makeOne({ labels: ["a", "b"] });
    const first = await claim(worker, id, made);
    await saveProviderRequest(worker, first, "request-1");
    await fail(worker, first, { retryable: true, delaySeconds: 120 });
    const waiting = await readItem(first.item_id);
    expect(secondsFromNow(waiting?.due_at as Date)).toBe(120);
    // What the provider has failed is not asked for again: the next try is a new request.
    expect(waiting).toMatchObject({ status: "pending", provider_request_id: null });
    const second = await claim(worker, id, made, { position: 1 });
    const late = await fail(worker, second, { retryable: true, delaySeconds: 3600 });
    expect(late).toMatchObject({ status: "failed" });
  });

  it("does not count an attempt that was deferred", async () => {
    const { id, made } = await makeOne();
    for (const attempt of [0, 1, 2, 3, 4]) {
      const item = await claim(worker, id, made, { attempt });
      expect(await deferItem(worker, item, 0)).toBe(attempt + 1);
    }
    const item = await claim(worker, id, made, { attempt: 5 });
    expect(await fail(worker, item, { retryable: true })).toMatchObject({ status: "pending" });
    await cancelGeneration(database.app, id, made.id);
  });
});

describe("extend_lease", () => {
  it("keeps an item from other workers for as long as it is called", async () => {
    const { id, made } = await makeOne();
    const item = await claim(worker, id, made, { leaseSeconds: 0 });
    expect(await extendLease(worker, item, 60)).toBe("ok");
    const ref = { accountId: id, generationId: made.id, itemId: item.item_id };
    expect(await claimItem(worker, { ...ref, attempt: 1 }, 60)).toBeUndefined();
    await complete(worker, item);
    expect(await extendLease(worker, item, 60)).toBe("lost");
  });
});
