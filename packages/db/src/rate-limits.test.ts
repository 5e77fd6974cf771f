import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { takeLimits, takeWindows } from "./rate-limits.ts";

const database = useDatabase();
const makeLimit = (limit: number, more: object = {}) => ({
  ...{ key: `test:${randomUUID()}`, limit, windowSeconds: 60, ...more },
});
const countTaken = async (key: string): Promise<number> => {
  const [row] = await database.admin`SELECT taken FROM ducat.rate_limits WHERE key = ${key}`;
  return row?.taken ?? 0;
};

it("a limit gives what it has, then says how long to wait", async () => {
  const one = makeLimit(2);
  expect(await takeLimits(database.app, [one])).toBeUndefined();
  expect(await takeLimits(database.app, [one])).toBeUndefined();
  const refused = await takeLimits(database.app, [one]);
  expect(refused?.key).toBe(one.key);
  expect(refused?.retryAfterSeconds).toBeGreaterThan(55);
  expect(refused?.retryAfterSeconds).toBeLessThanOrEqual(60);
});

it("of 40 at once exactly as many pass as it allows", async () => {
  const one = makeLimit(5);
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const results = await Promise.all(atOnce(sessions, 40, (db) => takeLimits(db, [one])));
  expect(results.filter((refused) => !refused)).toHaveLength(5);
  expect(await countTaken(one.key)).toBe(5);
});

it("takes from all limits or from none, in whatever order they are named", async () => {
  const [wide, narrow] = [makeLimit(100), makeLimit(3)];
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const results = await Promise.all(
    atOnce(sessions, 40, (db, n) => takeLimits(db, n % 2 ? [wide, narrow] : [narrow, wide])),
  );
  expect(results.filter((refused) => !refused)).toHaveLength(3);
  expect(new Set(results.map((refused) => refused?.key))).toEqual(new Set([undefined, narrow.key]));
  expect([await countTaken(wide.key), await countTaken(narrow.key)]).toEqual([3, 3]);
});

it("begins anew when its window has ended, and may count more than one at once", async () => {
  const one = makeLimit(10, { amount: 6 });
  expect(await takeLimits(database.app, [one])).toBeUndefined();
  expect(await takeLimits(database.app, [one])).toBeDefined();
  await database.admin`
    UPDATE ducat.rate_limits SET resets_at = clock_timestamp() - interval '1 ms'
    WHERE key = ${one.key}`;
  expect(await takeLimits(database.app, [one])).toBeUndefined();
  expect(await countTaken(one.key)).toBe(6);
  expect(await takeLimits(database.app, [makeLimit(10, { amount: 11 })])).toMatchObject({
    retryAfterSeconds: 60,
  });
});

it("forgets what is over as new ones come", async () => {
  const old = Array.from({ length: 6 }, () => makeLimit(1));
  for (const one of old) await takeLimits(database.app, [one]);
  const keys = old.map(({ key }) => key);
  await database.admin`
    UPDATE ducat.rate_limits SET resets_at = clock_timestamp() - interval '1 hour'
    WHERE key = ANY(${keys})`;
  for (let n = 0; n < 3; n++) await takeLimits(database.app, [makeLimit(1)]);
  const left = await database.admin`SELECT FROM ducat.rate_limits WHERE key = ANY(${keys})`;
  expect(left).toHaveLength(0);
});

it("tells how every window stands, whether it took from them or not", async () => {
  const [wide, narrow] = [makeLimit(100), makeLimit(1, { windowSeconds: 3600 })];
  const first = await takeWindows(database.app, [wide, narrow]);
  expect(first.taken).toBe(true);
  const used = (windows: { key: string; used: number }[]) =>
    Object.fromEntries(windows.map((one) => [one.key, one.used]));
  expect(used(first.windows)).toEqual({ [wide.key]: 1, [narrow.key]: 1 });
  const second = await takeWindows(database.app, [wide, narrow]);
  expect(second.taken).toBe(false);
  expect(used(second.windows)).toEqual({ [wide.key]: 1, [narrow.key]: 1 });
  const resets = second.windows.find(({ key }) => key === narrow.key)?.resetsMs ?? 0;
  expect(resets).toBeGreaterThan(3_590_000);
  expect(resets).toBeLessThanOrEqual(3_600_000);
});

it("the commit of a request's count waits for no disk, that of a guess does", async () => {
  const seen = await database.app.begin(async (tx) => {
    await tx`SET LOCAL synchronous_commit = local`;
    await takeLimits(tx as never, [makeLimit(1)]);
    const [guess] = await tx`SHOW synchronous_commit`;
    await takeWindows(tx as never, [makeLimit(1)]);
    const [request] = await tx`SHOW synchronous_commit`;
    return [guess?.synchronous_commit, request?.synchronous_commit];
  });
  expect(seen).toEqual(["local", "off"]);
});
