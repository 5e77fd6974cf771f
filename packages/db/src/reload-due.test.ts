import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { makeReloader, type Reloader } from "../test/reload-factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { findDueReloads } from "./auto-reload.ts";
import { captureHold, consumeCredits, freezeAccount, holdCredits } from "./credits.ts";

const database = useDatabase();

const labels = (n: number) => Array.from({ length: n }, () => null);

/** Creates pictures of so many items each in one statement; returns how many it has made. */
async function createTogether(accountId: string, items: number[], subject?: string) {
  const requests = items.map((n) => ({
    ...{ account_id: accountId, key: randomUUID(), fingerprint: "00", style: "modern_minimalist" },
    ...{ input: { type: "text", prompt: "a garden" }, params: {}, metadata: {}, subject },
    labels: labels(n),
  }));
  const rows = await database.app`
    SELECT ordinal FROM ducat.create_generations(${JSON.stringify(requests)}::text::json)`;
  return rows.length;
}

/** As a busy API does it: what the batch leaves out is asked for singly. */
async function createInBatch(accountId: string, n: number, subject?: string) {
  if ((await createTogether(accountId, [n], subject)) === 1) return;
  await makeGeneration(database.app, accountId, { labels: labels(n), ...(subject && { subject }) });
}

/** Every way to spend n credits; the slow path of create is taken where a subject is bound. */
const ways: [string, (id: string, n: number, subject?: string) => Promise<unknown>][] = [
  [
    "consume",
    (id, amount, subject) =>
      consumeCredits(database.app, id, { ...makeKey(), amount, ...(subject && { subject }) }),
  ],
  [
    "hold",
    (id, amount, subject) =>
      holdCredits(database.app, id, {
        ...{ ...makeKey(), amount, expiresInSeconds: 600 },
        ...(subject && { subject }),
      }),
  ],
  [
    "create",
    (id, n, subject) =>
      makeGeneration(database.app, id, { labels: labels(n), ...(subject && { subject }) }),
  ],
  ["create in a batch", createInBatch],
];

/** Whether the reload became due by the spend. */
async function isDueAfter(reloader: Reloader, spend: () => Promise<unknown>): Promise<boolean> {
  expect(await reloader.readDue()).toBeNull();
  await spend();
  return (await reloader.readDue()) !== null;
}

describe.each(ways)("a reload after %s", (_, spend) => {
  it("is due when less than the threshold of paid credits is left, not at it", async () => {
    const reloader = await makeReloader(database);
    expect(await isDueAfter(reloader, () => spend(reloader.id, 80))).toBe(false);
    expect(await isDueAfter(reloader, () => spend(reloader.id, 1))).toBe(true);
    expect(await findDueReloads(database.worker, 500)).toContain(reloader.id);
  });

  it("is due since the first spend below, however many follow", async () => {
    const reloader = await makeReloader(database);
    await spend(reloader.id, 81);
    const due = await reloader.readDue();
    await spend(reloader.id, 1);
    expect(await reloader.readDue()).toEqual(due);
  });

  it("is due over several grants, too", async () => {
    const reloader = await makeReloader(database, { credits: 30 });
    await givePurchase(database.app, reloader.id, 30);
    expect(await isDueAfter(reloader, () => spend(reloader.id, 41))).toBe(true);
  });

  it("is not due where auto-reload is off or was never set", async () => {
    const reloader = await makeReloader(database);
    await reloader.set({ enabled: false });
    expect(await isDueAfter(reloader, () => spend(reloader.id, 90))).toBe(false);
    const { id } = await makeAccount(database.app, 10);
    await spend(id, 3);
    await spend(id, 5);
    expect(await findDueReloads(database.worker, 500)).not.toContain(id);
  });

  it("is not due by trial credits alone, but by one paid credit among them", async () => {
    const reloader = await makeReloader(database, { credits: 10 });
    await database.admin`
      SELECT ducat.grant_credits(${reloader.id}, 'trial', 9, 'more trial')`;
    expect(await isDueAfter(reloader, () => spend(reloader.id, 8))).toBe(false);
    expect(await isDueAfter(reloader, () => spend(reloader.id, 1))).toBe(false);
    await database.admin`
      SELECT ducat.grant_credits(${reloader.id}, 'trial', 1, 'one more')`;
    expect(await isDueAfter(reloader, () => spend(reloader.id, 2))).toBe(true);
  });

  it("is not due by the credits of a subject, and does not count them as left", async () => {
    const reloader = await makeReloader(database, { credits: 10 });
    await givePurchase(database.app, reloader.id, 50, { subject: "house" });
    const spendBound = (n: number) => () => spend(reloader.id, n, "house");
    expect(await isDueAfter(reloader, spendBound(49))).toBe(false);
    expect(await isDueAfter(reloader, spendBound(2))).toBe(true);
  });

  it("is not due by what is refused", async () => {
    const reloader = await makeReloader(database);
    await spend(reloader.id, 80);
    await Promise.resolve(spend(reloader.id, 101)).catch(() => undefined);
    expect(await reloader.readDue()).toBeNull();
    const audit = { actor: "root", request_id: "test", ip: null };
    await freezeAccount(database.app, reloader.id, { reason: "admin", frozen: true, audit });
    await Promise.resolve(spend(reloader.id, 1)).catch(() => undefined);
    expect(await reloader.readDue()).toBeNull();
  });
});

describe("a reload after many creates in one batch", () => {
  it("is due by what they take together", async () => {
    const reloader = await makeReloader(database);
    const spend = async (n: number) =>
      expect(
        await createTogether(
          reloader.id,
          Array.from({ length: n }, () => 10),
        ),
      ).toBe(n);
    expect(await isDueAfter(reloader, () => spend(8))).toBe(false);
    expect(await isDueAfter(reloader, () => spend(1))).toBe(true);
  });
});

describe("a reload", () => {
  it("is not due again by a hold's end", async () => {
    const reloader = await makeReloader(database, { credits: 25 });
    const hold = { ...makeKey(), amount: 5, expiresInSeconds: 600 };
    const { id } = await holdCredits(database.app, reloader.id, hold);
    await database.admin`
      UPDATE ducat.auto_reloads SET threshold = 21 WHERE account_id = ${reloader.id}`;
    await database.admin`
      UPDATE ducat.credit_accounts SET reload_below = 21 WHERE account_id = ${reloader.id}`;
    const capture = () => captureHold(database.app, reloader.id, { holdId: id, amount: 5 });
    expect(await isDueAfter(reloader, capture)).toBe(false);
  });
});
