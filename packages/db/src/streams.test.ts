import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { emit, relayAll } from "../test/relay.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import { findBalance } from "./credits.ts";
import {
  type LiveItem,
  readAccountStream,
  readGenerationStream,
  readHeads,
  type SeenItem,
} from "./events.ts";
import { cancelGeneration, deleteGeneration } from "./generations.ts";
import { completeItem, deferItem, failItem } from "./items.ts";
import { saveProgress } from "./progress.ts";

const database = useDatabase();

async function makeWork(labels: (string | null)[] = [null]) {
  const { id } = await makeAccount(database.app, 200);
  const made = await makeGeneration(database.app, id, { labels });
  return { id, made };
}

const readWork = (
  id: string,
  generationId: string,
  more: { seen?: SeenItem[]; endedNo?: number; limit?: number } = {},
) => readGenerationStream(database.app, id, { generationId, endedNo: 0, limit: 100, ...more });

async function readNumbers(generationId: string): Promise<number[]> {
  const rows = await database.admin<{ ended_no: number }[]>`
    SELECT ended_no FROM ducat.generation_items WHERE generation_id = ${generationId} ORDER BY 1`;
  return rows.map((row) => row.ended_no);
}

const seenOf = (
  { item_id, attempt }: { item_id: string; attempt: number },
  chars: number,
): SeenItem => ({
  tail: item_id.slice(-12),
  attempt,
  chars,
});

describe("the stream of a generation", () => {
  it("tells items in the order of their ends, from any of them on", async () => {
    const { id, made } = await makeWork(["a", "b", "c", "d"]);
    expect(await readWork(id, made.id)).toEqual({
      ...{ items: [], live: [], hasMore: false, status: "pending" },
      ...{ item_count: 4, open_items: 4, failed_items: 0, canceled_items: 0 },
    });
    const work = async (position: number) => claim(database.worker, id, made, { position });
    await complete(database.worker, await work(2));
    await fail(database.worker, await work(0));
    const half = await readWork(id, made.id);
    expect(half).toMatchObject({ status: "processing", open_items: 2, failed_items: 1 });
    expect(half?.items).toMatchObject([
      { ended_no: 1, position: 2, label: "c", status: "completed", output: { text: "a text" } },
      { ended_no: 2, position: 0, label: "a", status: "failed", error_code: "provider_error" },
    ]);
    await cancelGeneration(database.app, id, made.id);
    const rest = await readWork(id, made.id, { endedNo: 2, limit: 1 });
    expect(rest?.items).toMatchObject([{ ended_no: 3, position: 1, status: "canceled" }]);
    expect(rest).toMatchObject({ hasMore: true, status: "completed", open_items: 0 });
    expect(await readNumbers(made.id)).toEqual([1, 2, 3, 4]);
    const last = await readWork(id, made.id, { endedNo: 3, limit: 1 });
    expect(last?.items).toMatchObject([{ ended_no: 4, position: 3 }]);
    expect(last?.hasMore).toBe(false);
    expect((await readWork(id, made.id, { endedNo: 4 }))?.items).toEqual([]);
  });

  it("numbers ends that come together without a gap", async () => {
    const { id, made } = await makeWork(Array(12).fill(null));
    const items = await Promise.all(
      made.item_ids.map((_, position) => claim(database.worker, id, made, { position })),
    );
    await Promise.all(items.map((item, n) => (n % 3 ? complete : fail)(database.worker, item)));
    expect(await readNumbers(made.id)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
  });

  it("counts items that ended before there were numbers as the first, by position", async () => {
    const { id, made } = await makeWork(["a", "b", "c"]);
    const work = async (position: number) => claim(database.worker, id, made, { position });
    await complete(database.worker, await work(2));
    await complete(database.worker, await work(1));
    await database.admin`
      UPDATE ducat.generation_items SET ended_no = NULL WHERE generation_id = ${made.id}`;
    await complete(database.worker, await work(0));
    const all = await readWork(id, made.id);
    expect(all?.items.map(({ label, ended_no }) => [label, ended_no])).toEqual([
      ["b", 1],
      ["c", 2],
      ["a", 3],
    ]);
    const one = await readWork(id, made.id, { endedNo: 1, limit: 1 });
    expect(one?.items).toMatchObject([{ label: "c", ended_no: 2 }]);
    expect((await readWork(id, made.id, { endedNo: 2 }))?.items).toMatchObject([{ label: "a" }]);
  });

  it("gives no more text at once than a slice has, but for one item", async () => {
    const { id, made } = await makeWork([null, null, null]);
    for (const position of [0, 1, 2]) {
      const item = await claim(database.worker, id, made, { position });
      const output = { kind: "text", text: "x".repeat(70_000) } as const;
      await completeItem(database.worker, item, { output, usage: {} });
    }
    const first = await readWork(id, made.id);
    expect(first?.items.map(({ ended_no }) => ended_no)).toEqual([1]);
    expect(first?.hasMore).toBe(true);
    const next = await readWork(id, made.id, { endedNo: 1 });
    expect(next?.items.map(({ ended_no }) => ended_no)).toEqual([2]);
    expect((await readWork(id, made.id, { endedNo: 2 }))?.hasMore).toBe(false);
  });

  it("is nobody else's, and gone when the generation is deleted", async () => {
    const { id, made } = await makeWork();
    const other = await makeAccount(database.app);
    expect(await readWork(other.id, made.id)).toBeUndefined();
    expect(await readWork(id, randomUUID())).toBeUndefined();
    await complete(database.worker, await claim(database.worker, id, made));
    await deleteGeneration(database.app, id, made.id);
    expect(await readWork(id, made.id)).toBeUndefined();
  });
});

describe("work that goes on", () => {
  it("is told with what is new of its text to the reader", async () => {
    const { id, made } = await makeWork(["a"]);
    const item = await claim(database.worker, id, made);
    const bare = {
      item_id: item.item_id,
      generation_id: made.id,
      position: 0,
      label: "a",
      attempt: 1,
    };
    const live = async (seen: SeenItem[] = []) => (await readWork(id, made.id, { seen }))?.live;
    expect(await live()).toEqual([{ ...bare, fraction: null, chars: 0 }]);
    const ref = { accountId: id, generationId: made.id, itemId: item.item_id, attempt: 1 };
    await saveProgress(database.worker, [{ ...ref, fraction: 0.25, text: "Grüße 👋" }]);
    expect(await live()).toEqual([
      { ...bare, fraction: 0.25, chars: 7, offset: 0, text: "Grüße 👋" },
    ]);
    await saveProgress(database.worker, [{ ...ref, text: "Grüße 👋 an alle" }]);
    expect(await live([seenOf(bare, 7)])).toEqual([
      { ...bare, fraction: 0.25, chars: 15, offset: 7, text: " an alle" },
    ]);
    expect(await live([seenOf(bare, 15)])).toEqual([{ ...bare, fraction: 0.25, chars: 15 }]);
    const { live: ofAccount } = await readAccountStream(database.app, id, {
      ...{ seq: 0, ledgerSeq: 0, limit: 1 },
      seen: [seenOf(bare, 14)],
    });
    expect(ofAccount).toEqual([{ ...bare, fraction: 0.25, chars: 15, offset: 14, text: "e" }]);
  });

  it("begins anew with the next attempt, without a word of the one before", async () => {
    const { id, made } = await makeWork();
    const first = await claim(database.worker, id, made);
    const ref = { accountId: id, generationId: made.id, itemId: first.item_id };
    await saveProgress(database.worker, [{ ...ref, attempt: 1, fraction: 0.9, text: "old words" }]);
    await deferItem(database.worker, first, 0);
    const seen = [seenOf(first, 9)];
    expect((await readWork(id, made.id, { seen }))?.live).toEqual([]);
    await claim(database.worker, id, made, { attempt: 1 });
    const live = async () => (await readWork(id, made.id, { seen }))?.live[0];
    expect(await live()).toMatchObject({ attempt: 2, fraction: null, chars: 0 });
    await saveProgress(database.worker, [{ ...ref, attempt: 2, text: "new" }]);
    await saveProgress(database.worker, [{ ...ref, attempt: 1, fraction: 1, text: "old words!" }]);
    expect(await live()).toMatchObject({ attempt: 2, fraction: null, offset: 0, text: "new" });
  });

  it("keeps a reader's items in its view, and is no more than a hundred", async () => {
    const { id, made } = await makeWork(Array(104).fill(null));
    const positions = Array.from({ length: 104 }, (_, n) => 103 - n);
    const work = (position: number) => claim(database.worker, id, made, { position });
    const items = await Promise.all(positions.slice(0, 102).map(work));
    const first = (await readWork(id, made.id))?.live ?? [];
    expect(first).toHaveLength(100);
    await Promise.all(positions.slice(102).map(work));
    const seen = first.map((item) => seenOf(item, 0));
    const second = (await readWork(id, made.id, { seen }))?.live ?? [];
    const ids = (live: LiveItem[]) => live.map(({ item_id }) => item_id).sort();
    expect(ids(second)).toEqual(ids(first));
    expect(items).toHaveLength(102);
  });

  it("gives long texts in slices", async () => {
    const { id, made } = await makeWork(Array(6).fill(null));
    const rows = await Promise.all(
      made.item_ids.map(async (itemId, position) => {
        await claim(database.worker, id, made, { position });
        const text = `${position}`.repeat(40_000);
        return { accountId: id, generationId: made.id, itemId, attempt: 1, text };
      }),
    );
    await saveProgress(database.worker, rows);
    const got = new Map<string, string>();
    let slices = 0;
    for (let isMore = true; isMore; slices++) {
      const seen = [...got].map(([item_id, text]) => seenOf({ item_id, attempt: 1 }, text.length));
      const slice = await readWork(id, made.id, { seen });
      let length = 0;
      for (const { item_id, offset = 0, text = "" } of slice?.live ?? []) {
        const before = got.get(item_id) ?? "";
        if (text) expect(offset).toBe(before.length);
        expect(text.length).toBeLessThanOrEqual(16_384);
        length += text.length;
        got.set(item_id, before + text);
      }
      expect(length).toBeLessThanOrEqual(65_536);
      isMore = slice?.hasMore ?? false;
    }
    expect(slices).toBeGreaterThan(3);
    for (const row of rows) expect(got.get(row.itemId)).toBe(row.text);
  });

  it("is not told when the item has ended, whatever is said of it later", async () => {
    const { id, made } = await makeWork();
    const item = await claim(database.worker, id, made);
    const ref = { accountId: id, generationId: made.id, itemId: item.item_id, attempt: 1 };
    await complete(database.worker, item);
    await saveProgress(database.worker, [{ ...ref, fraction: 0.5, text: "late" }]);
    expect((await readWork(id, made.id))?.live).toEqual([]);
    expect(await readHeads(database.app, [id])).toMatchObject([{ isRunning: false }]);
  });
});

describe("the stream of an account", () => {
  it("tells the balance where the ledger moved, as the balance's own answer has it", async () => {
    const { id, made } = await makeWork();
    const read = (ledgerSeq: number) =>
      readAccountStream(database.app, id, { seq: 0, ledgerSeq, limit: 100 });
    const { balance } = await read(2);
    const whole = await findBalance(database.app, id);
    const { available, trial_credits, token_balance, held, debt } = whole ?? {};
    expect(balance).toEqual({ available, trial_credits, token_balance, held, debt, seq: 3 });
    expect(await read(3)).not.toHaveProperty("balance");
    await fail(database.worker, await claim(database.worker, id, made));
    expect((await read(3)).balance).toMatchObject({ available: 203, held: 0, seq: 4 });
  });

  it("tells the balance where only what is set aside moved: an end at the full price", async () => {
    const { id, made } = await makeWork();
    const at = { seq: 0, ledgerSeq: 3, held: 1, limit: 100 };
    expect(await readAccountStream(database.app, id, at)).not.toHaveProperty("balance");
    await complete(database.worker, await claim(database.worker, id, made));
    const slice = await readAccountStream(database.app, id, at);
    expect(slice).toMatchObject({ held: 0, balance: { available: 202, held: 0, seq: 3 } });
    const after = await readAccountStream(database.app, id, { ...at, held: slice.held });
    expect(after).not.toHaveProperty("balance");
  });

  it("tells events in slices, each item's end among them", async () => {
    const { id, made } = await makeWork(["a", "b"]);
    await complete(database.worker, await claim(database.worker, id, made));
    const second = await claim(database.worker, id, made, { position: 1 });
    await failItem(database.worker, second, {
      ...{ code: "provider_error", message: "It broke.", retryable: false, delaySeconds: 0 },
    });
    await relayAll(database.worker);
    const read = (seq: number, limit: number) =>
      readAccountStream(database.app, id, { seq, ledgerSeq: 4, limit });
    const first = await read(2, 2);
    expect(first.hasMore).toBe(true);
    expect(first.events.map(({ seq, type }) => [seq, type])).toEqual([
      [3, "item.completed"],
      [4, "credits.refunded"],
    ]);
    expect(first.events[0]?.data).toEqual({
      ...{ generation_id: made.id, item_id: made.item_ids[0], position: 0, label: "a" },
      ...{ status: "completed", cost: 1, refunded: 0 },
    });
    const rest = await read(4, 2);
    expect(rest.hasMore).toBe(false);
    expect(rest.events.map(({ type }) => type)).toEqual(["item.failed", "generation.completed"]);
    expect(rest.events[0]?.data).toMatchObject({
      ...{ label: "b", status: "failed", cost: 1, refunded: 1 },
      error: { code: "provider_error", message: "It broke." },
    });
  });

  it("has nothing of another account", async () => {
    const { id, made } = await makeWork();
    await claim(database.worker, id, made);
    await emit(database.admin, id, "mine");
    await relayAll(database.worker);
    const other = await makeAccount(database.app);
    const from = { seq: 0, ledgerSeq: 1, limit: 100 };
    const theirs = await readAccountStream(database.app, other.id, from);
    expect(theirs).toEqual({ events: [], held: 0, live: [], hasMore: false });
    const nobody = await readAccountStream(database.app, randomUUID(), from);
    expect(nobody).toEqual({ events: [], held: null, live: [], hasMore: false });
  });
});

describe("what was a person's own words", () => {
  it("leaves the events of a generation that is deleted, and of no other", async () => {
    const { id } = await makeAccount(database.app, 9);
    const make = () => makeGeneration(database.app, id, { labels: ["my garden"] });
    const [gone, kept] = [await make(), await make()];
    for (const made of [gone, kept]) {
      const item = await claim(database.worker, id, made);
      const ref = { accountId: id, generationId: made.id, itemId: item.item_id, attempt: 1 };
      await saveProgress(database.worker, [{ ...ref, text: "words" }]);
      await fail(database.worker, item);
    }
    await deleteGeneration(database.app, id, gone.id);
    const events = await database.admin`
      SELECT data FROM ducat.outbox WHERE account_id = ${id} AND type = 'item.failed' ORDER BY id`;
    expect(events[0]?.data).not.toHaveProperty("error");
    expect(events.map(({ data }) => data.label)).toEqual([null, "my garden"]);
    const rows = await database.admin`
      SELECT generation_id FROM ducat.item_progress WHERE account_id = ${id}`;
    expect(rows).toEqual([{ generation_id: kept.id }]);
  });
});
