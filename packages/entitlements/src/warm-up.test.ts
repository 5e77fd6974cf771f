import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { listActiveAccounts } from "../../db/src/active-accounts.ts";
import { makeAccount } from "../../db/test/factories.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { limit, makeDefaultPlan, openProcess } from "../test/stage.ts";
import { createRecent } from "./recent.ts";
import { startNoting, warmUp } from "./warm-up.ts";

const database = useDatabase();
const log = { info: () => {}, warn: () => {} };
const { signal } = new AbortController();

beforeAll(async () => {
  await makeDefaultPlan(database.admin, { features: { pictures: limit(5) } });
});

describe("a process that starts", () => {
  it("knows before they ask what those may do who were served last by the one before", async () => {
    const accounts = await Promise.all([1, 2, 3].map(() => makeAccount(database.app)));
    const ids = accounts.map(({ id }) => id);
    const before = await openProcess(database);
    const noting = startNoting({ db: before.db, entitlements: before.entitlements, log });
    for (const id of ids) await before.entitlements.get(id);
    await noting.stop();
    expect(new Set(await listActiveAccounts(database.app, 10))).toEqual(new Set(ids));
    expect(await listActiveAccounts(database.app, 2)).toHaveLength(2);

    const after = await openProcess(database);
    const { db, entitlements, queries, counts } = after;
    expect(await warmUp({ db, entitlements, log }, { signal })).toBe(3);
    const { length } = queries;
    for (const id of ids) await entitlements.get(id);
    expect(queries).toHaveLength(length);
    expect(counts).toMatchObject({ hits: 3, misses: 0 });
    // Reading beforehand is no being served: else nobody would ever be forgotten.
    await entitlements.warm((await makeAccount(database.app)).id);
    expect(entitlements.takeActive()).toEqual(ids);
    expect(entitlements.takeActive()).toEqual([]);
  });

  it("reads no more than it may, and not for longer", async () => {
    const { db } = await openProcess(database);
    const accounts = await Promise.all([1, 2, 3, 4].map(() => makeAccount(database.app)));
    await database.app`
      SELECT ducat.note_active_accounts(${accounts.map(({ id }) => id)}::uuid[])`;
    const asked: string[] = [];
    let most = 0;
    let now = 0;
    const entitlements = {
      warm: async (id: string) => {
        asked.push(id);
        most = Math.max(most, ++now);
        await sleep(30);
        now--;
      },
      takeActive: () => [],
    };
    const run = (limits: object) => warmUp({ db, entitlements, log }, { signal, ...limits });
    expect(await run({ accounts: 3, together: 2 })).toBe(3);
    expect(most).toBe(2);
    expect(await run({ accounts: 4, together: 1, timeMs: 40 })).toBeLessThan(4);
    expect(await warmUp({ db, entitlements, log }, { signal: AbortSignal.abort() })).toBe(0);
  });

  it("goes on when the database is away", async () => {
    const { db, entitlements } = await openProcess(database);
    await db.end({ timeout: 1 });
    expect(await warmUp({ db, entitlements, log }, { signal })).toBe(0);
    await startNoting({ db, entitlements, log }).stop();
  });
});

describe("who was served", () => {
  it("is remembered up to a number, the latest", () => {
    const recent = createRecent(3);
    for (const id of ["a", "b", "c", "a", "d"]) recent.add(id);
    expect(recent.takeAll()).toEqual(["c", "a", "d"]);
  });

  it("is forgotten after a day, and noted for accounts that there are", async () => {
    const { id } = await makeAccount(database.app);
    const { id: other } = await makeAccount(database.app);
    const nobody = "00000000-0000-7000-8000-000000000000";
    const note = (ids: string[]) => database.app`SELECT ducat.note_active_accounts(${ids}::uuid[])`;
    await note([id, id, nobody]);
    await database.admin`UPDATE ducat.active_accounts SET seen_at = seen_at - interval '25 hours'`;
    await note([other]);
    expect(await listActiveAccounts(database.app, 10)).toEqual([other]);
    await expect(note(Array(1_001).fill(id))).rejects.toThrow();
  });
});
