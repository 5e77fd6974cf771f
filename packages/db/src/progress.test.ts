import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { type Progress, saveProgress } from "./progress.ts";
import { forgetProgress } from "./purges.ts";

const database = useDatabase();
const save = (...rows: Progress[]) => saveProgress(database.worker, rows);

async function makeRef(): Promise<Progress> {
  const { id: accountId } = await makeAccount(database.app);
  return { accountId, generationId: randomUUID(), itemId: randomUUID(), attempt: 1 };
}

async function read({ itemId }: Progress) {
  const [row] = await database.admin`
    SELECT attempt, fraction, text, chars FROM ducat.item_progress WHERE item_id = ${itemId}`;
  return row;
}

describe("save_progress", () => {
  it("keeps what a later report leaves out, and the longest text of an attempt", async () => {
    const ref = await makeRef();
    expect(await save({ ...ref, fraction: 0.5 })).toBe(1);
    expect(await save({ ...ref, text: "one two" })).toBe(1);
    expect(await save({ ...ref, text: "one" })).toBe(0);
    expect(await save({ ...ref, fraction: 0.5 })).toBe(0);
    expect(await read(ref)).toEqual({ attempt: 1, fraction: 0.5, text: "one two", chars: 7 });
    expect(await save({ ...ref, fraction: 0.25, text: "one" })).toBe(1);
    expect(await read(ref)).toEqual({ attempt: 1, fraction: 0.25, text: "one two", chars: 7 });
  });

  it("hears the latest attempt alone", async () => {
    const ref = await makeRef();
    await save({ ...ref, attempt: 2, text: "second" });
    expect(await save({ ...ref, attempt: 1, fraction: 1, text: "the first one" })).toBe(0);
    expect(await read(ref)).toEqual({ attempt: 2, fraction: null, text: "second", chars: 6 });
    expect(await save({ ...ref, attempt: 3, fraction: 0 })).toBe(1);
    expect(await read(ref)).toEqual({ attempt: 3, fraction: 0, text: "", chars: 0 });
  });

  it("takes the most that is said of an item in one call", async () => {
    const ref = await makeRef();
    const texts = ["a", "a b c", "a b"].map((text) => ({ ...ref, text }));
    expect(await save(...texts, { ...ref, attempt: 0, text: "much longer" })).toBe(1);
    expect(await read(ref)).toMatchObject({ attempt: 1, text: "a b c" });
  });

  it("keeps 100,000 characters, a fraction from 0 to 1, and nothing that can't be stored", async () => {
    const [long, odd] = [await makeRef(), await makeRef()];
    await save({ ...long, fraction: 1.5, text: "👋".repeat(100_002) });
    expect(await read(long)).toMatchObject({ fraction: 1, chars: 100_000 });
    expect((await read(long))?.text).toBe("👋".repeat(100_000));
    await save({ ...odd, fraction: -1, text: "a\0b\ud800" });
    expect(await read(odd)).toEqual({ attempt: 1, fraction: 0, text: "ab\ufffd", chars: 3 });
  });

  it("takes 500 rows at once, and no more", async () => {
    const { accountId, generationId } = await makeRef();
    const rows = Array.from({ length: 501 }, () => {
      return { accountId, generationId, itemId: randomUUID(), attempt: 1, fraction: 0.1 };
    });
    await expect(save(...rows)).rejects.toMatchObject({ code: "validation_failed" });
    expect(await save(...rows.slice(1))).toBe(500);
    expect(await save()).toBe(0);
  });

  it("does not wait in a circle for callers that name the same items in another order", async () => {
    const refs = await Promise.all(Array.from({ length: 40 }, makeRef));
    const rounds = Array.from({ length: 12 }, (_, n) => {
      const rows = refs.map((ref) => ({ ...ref, text: "x".repeat(n + 1) }));
      return save(...(n % 2 ? rows : rows.reverse()));
    });
    await Promise.all(rounds);
    for (const ref of refs) expect(await read(ref)).toMatchObject({ chars: 12 });
  });
});

describe("forget_progress", () => {
  it("removes what nobody has reported on for an hour", async () => {
    const [old, fresh] = [await makeRef(), await makeRef()];
    await save({ ...old, fraction: 0.1 }, { ...fresh, fraction: 0.1 });
    await database.admin`
      UPDATE ducat.item_progress SET updated_at = clock_timestamp() - interval '61 minutes'
      WHERE item_id = ${old.itemId}`;
    expect(await forgetProgress(database.worker, 10)).toEqual({ removed: 1, isFull: false });
    expect(await read(old)).toBeUndefined();
    expect(await read(fresh)).toBeDefined();
  });
});
