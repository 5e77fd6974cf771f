import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import { findBalance, listEntries } from "./credits.ts";
import {
  type CreatedGeneration,
  cancelGeneration,
  countGenerations,
  deleteGeneration,
  findGeneration,
  findStatus,
  isKeyUsed,
  listGenerations,
  type Status,
} from "./generations.ts";
import { completeItem, extendLease, saveProviderRequest } from "./items.ts";

const database = useDatabase();

/** Ends the items of a generation as told, one after the other. */
async function endAs(accountId: string, made: CreatedGeneration, ends: string[]): Promise<void> {
  for (const [position, end] of ends.entries()) {
    const item = await claim(database.worker, accountId, made, { position });
    if (end === "completed") await complete(database.worker, item);
    else await fail(database.worker, item);
  }
}

const listEvents = (id: string) => database.admin<{ type: string; data: object }[]>`
  SELECT type, data FROM ducat.outbox
  WHERE type LIKE 'generation.%' AND data ->> 'generation_id' = ${id}`;

describe("a repeat of a create", () => {
  const asked = {
    labels: ["front", null, "back"],
    input: { type: "text", prompt: "a garden", zebra: 1, alpha: [1, { b: 2, a: 1 }] },
    params: { seed: 7, b: 1, a: 2 },
    metadata: { order: "n-1", z: 1, a: 2 },
    reference: "order 1",
  };

  it("is answered with the very first words, whatever happened since", async () => {
    const { id } = await makeAccount(database.app, 9);
    const request = { ...makeKey(), ...asked };
    const made = await makeGeneration(database.app, id, request);
    expect(made).toMatchObject({ ...asked, cost: 3, trial_cost: 3, balance_after: 9 });
    await endAs(id, made, ["completed", "failed", "completed"]);
    const again = await makeGeneration(database.app, id, request);
    // As text: the order of an object's members is part of the bytes that were answered.
    expect(JSON.stringify(again)).toBe(JSON.stringify({ ...made, replayed: true }));
    expect(await listEntries(database.app, id, { type: "generation", limit: 9 })).toHaveLength(1);
  });

  it("after a delete is refused, and nothing is charged a second time", async () => {
    const { id } = await makeAccount(database.app, 9);
    const request = { ...makeKey(), ...asked };
    const made = await makeGeneration(database.app, id, request);
    await endAs(id, made, ["completed", "completed", "completed"]);
    await deleteGeneration(database.app, id, made.id);
    expect(await refusalOf(makeGeneration(database.app, id, request))).toEqual({
      code: "not_found",
      what: "generation",
      reason: "deleted",
    });
    expect(await isKeyUsed(database.app, id, request.key)).toBe(true);
    expect(await isKeyUsed(database.app, id, "another key")).toBe(false);
    expect(await findBalance(database.app, id)).toMatchObject({ available: 9, held: 0 });
    const other = { ...request, fingerprint: makeKey().fingerprint };
    const conflict = await refusalOf(makeGeneration(database.app, id, other));
    expect(conflict).toMatchObject({ code: "idempotency_conflict" });
  });
});

describe("the end of a generation", () => {
  it.each([
    [["completed", "completed"], "completed"],
    [["failed", "completed"], "completed"],
    [["completed", "failed"], "completed"],
    [["failed", "failed"], "failed"],
    [["failed"], "failed and canceled"],
    [["completed"], "completed and canceled"],
    [[], "canceled"],
  ])("after %j is %s, with its event", async (ends, outcome) => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { labels: ["a", "b"] });
    expect(await findStatus(database.app, id, made.id)).toBe("pending");
    await endAs(id, made, ends);
    if (ends.length < 2) await cancelGeneration(database.app, id, made.id);
    const status = outcome.replace(" and canceled", "");
    const found = await findGeneration(database.app, id, made.id);
    expect(found).toMatchObject({
      status,
      failed_items: ends.filter((end) => end === "failed").length,
      canceled_items: 2 - ends.length,
      refunded: 2 - ends.filter((end) => end === "completed").length,
    });
    expect(found?.completed_at).toBeInstanceOf(Date);
    const [event, ...others] = await listEvents(made.id);
    expect(event).toMatchObject({ type: `generation.${status}`, data: { status } });
    expect(others).toEqual([]);
  });

  it("is awaited as processing from the first claim on", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { labels: ["a", "b"] });
    await claim(database.worker, id, made, { position: 1 });
    expect(await findStatus(database.app, id, made.id)).toBe("processing");
    expect(await countGenerations(database.app, id, { status: "processing" })).toBe(1);
    expect(await countGenerations(database.app, id, { status: "pending" })).toBe(0);
    expect(await listEvents(made.id)).toEqual([]);
  });
});

describe("cancel_generation", () => {
  it("ends what is pending at once and asks what is running to stop", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { labels: ["a", "b", "c"] });
    const item = await claim(database.worker, id, made, { position: 1 });
    const cancel = () => cancelGeneration(database.app, id, made.id);
    expect(await cancel()).toEqual({ canceled: 2, asked: 1 });
    expect(await cancel()).toEqual({ canceled: 0, asked: 1 });
    expect(await findBalance(database.app, id)).toMatchObject({ available: 2, held: 1 });
    expect(await extendLease(database.worker, item, 60)).toBe("cancel");
    expect(await complete(database.worker, item)).toBe("canceled");
    expect(await findBalance(database.app, id)).toMatchObject({ available: 3, held: 0 });
    expect(await refusalOf(cancel())).toEqual({ code: "invalid_state", status: "canceled" });
  });

  it("leaves the end to the provider once one has been asked: a late cancel is not free", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, { labels: ["a", "b"] });
    const first = await claim(database.worker, id, made);
    const second = await claim(database.worker, id, made, { position: 1 });
    for (const item of [first, second]) {
      expect(await saveProviderRequest(database.worker, item, `r-${item.item_id}`)).toBe(true);
    }
    const cancel = await cancelGeneration(database.app, id, made.id);
    expect(cancel).toEqual({ canceled: 0, asked: 2 });
    expect(await complete(database.worker, first)).toBe("completed");
    expect(await fail(database.worker, second, { retryable: true })).toMatchObject({
      status: "canceled",
    });
    const found = await findGeneration(database.app, id, made.id);
    expect(found).toMatchObject({ status: "completed", canceled_items: 1, refunded: 1 });
  });
});

describe("delete_generation", () => {
  it("forgets inputs, texts and files, and keeps the ledger and the counts", async () => {
    const { id } = await makeAccount(database.app);
    const made = await makeGeneration(database.app, id, {
      labels: ["secret label", "b"],
      input: { prompt: "secret prompt" },
      params: { secret: 1 },
      metadata: { secret: 1 },
      reference: "secret",
      webhookUrl: "https://example.com/secret",
      inputs: [null, { prompt: "secret too" }],
    });
    const image = { kind: "image" as const, type: "image/webp", width: 1, height: 1, size: 9 };
    const key = `${id}/${made.item_ids[0]}/1/secret.webp`;
    const item = await claim(database.worker, id, made);
    const output = { ...image, key, sha256: "secret" };
    expect(await completeItem(database.worker, item, { output, usage: {} })).toBe("completed");
    const second = await claim(database.worker, id, made, { position: 1 });
    await fail(database.worker, second, { message: "secret cause" });
    expect(await deleteGeneration(database.app, id, made.id)).toEqual([key]);
    expect(await findGeneration(database.app, id, made.id)).toBeUndefined();
    expect(await findStatus(database.app, id, made.id)).toBeUndefined();
    expect(await listGenerations(database.app, id, { limit: 9 })).toEqual([]);
    const rows = await database.admin`
      SELECT to_jsonb(g) AS row FROM ducat.generations g WHERE id = ${made.id}
      UNION ALL SELECT to_jsonb(i) FROM ducat.generation_items i WHERE generation_id = ${made.id}
      UNION ALL SELECT to_jsonb(b) FROM ducat.blobs b WHERE generation_id = ${made.id}`;
    expect(rows).toHaveLength(3);
    expect(JSON.stringify(rows)).not.toContain("secret");
    expect(rows[0]?.row).toMatchObject({ cost: 2, captured: 1, refunded: 1, failed_items: 1 });
    expect(await findBalance(database.app, id)).toMatchObject({ lifetime: { used: 1 } });
    const gone = await refusalOf(deleteGeneration(database.app, id, made.id));
    expect(gone).toMatchObject({ code: "not_found" });
  });
});

describe("lists", () => {
  it("are newest first, filtered, and go on before the last that was seen", async () => {
    const { id } = await makeAccount(database.app, 9);
    const made: CreatedGeneration[] = [];
    for (const style of ["modern_minimalist", "modern_minimalist", "product_description"]) {
      made.push(await makeGeneration(database.app, id, { style }));
    }
    const ids = made.map((one) => one.id).reverse();
    const list = (filter: object) =>
      listGenerations(database.app, id, { limit: 9, ...filter }).then((all) =>
        all.map((one) => one.id),
      );
    expect(await list({})).toEqual(ids);
    expect(await list({ limit: 2 })).toEqual(ids.slice(0, 2));
    expect(await list({ beforeId: ids[1] })).toEqual(ids.slice(2));
    expect(await list({ style: "modern_minimalist" })).toEqual(ids.slice(1));
    expect(await list({ from: new Date(Date.now() + 60_000) })).toEqual([]);
    expect(await list({ to: new Date(Date.now() + 60_000) })).toEqual(ids);
    expect(await countGenerations(database.app, id, {})).toBe(3);
  });

  it("are filtered by the status that is shown, while they run and when they have ended", async () => {
    const { id } = await makeAccount(database.app, 9);
    const make = () => makeGeneration(database.app, id);
    const made = {
      ...{ pending: await make(), processing: await make() },
      ...{ completed: await make(), canceled: await make() },
    };
    await claim(database.worker, id, made.processing);
    await endAs(id, made.completed, ["completed"]);
    await cancelGeneration(database.app, id, made.canceled.id);
    for (const [status, one] of Object.entries(made) as [Status, CreatedGeneration][]) {
      const found = await listGenerations(database.app, id, { limit: 9, status });
      expect(found.map((row) => [row.id, row.status])).toEqual([[one.id, status]]);
      expect(await countGenerations(database.app, id, { status })).toBe(1);
    }
    expect(await listGenerations(database.app, id, { limit: 9, status: "failed" })).toEqual([]);
  });
});
